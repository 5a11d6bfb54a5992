"""The shop's SQL."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, Field

from examples.shop.connections import Connections

SCHEMA = Path(__file__).with_name("schema.sql")
_ONE_AT_A_TIME = 0x5409  # of the workers, which all start at once
PAGE = 24


class Product(BaseModel):
    id: int
    name: str
    category: str
    price_cents: int


class BoughtTogether(BaseModel):
    id: int
    name: str
    orders: int


class ProductPage(Product):
    """A product and what its page says of it: computed from all orders."""

    description: str
    in_stock: bool
    sold: int
    orders: int
    rank_in_category: int
    together: list[BoughtTogether]


class CategorySales(BaseModel):
    category: str
    orders: int
    revenue_cents: int
    average_order_cents: float


class Line(BaseModel):
    product_id: int
    quantity: int = Field(ge=1, le=100)


class NewOrder(BaseModel):
    customer: str = Field(min_length=1, max_length=100)
    lines: list[Line] = Field(min_length=1, max_length=20)


class NewPrice(BaseModel):
    price_cents: int = Field(ge=1, le=10**8)


class SoldOut(Exception):
    """There is no such product, or not enough of it."""


class Store:
    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def prepare(self) -> None:
        """Make the schema and what is in it, unless that was done before."""
        async with self._connections.session() as connection, connection.transaction():
            await connection.execute(f"SELECT pg_advisory_xact_lock({_ONE_AT_A_TIME})")
            # all of it or nothing is there; a worker that starts among busy ones must take no locks on tables
            if await connection.fetchval("SELECT to_regclass('shop.lines') IS NULL"):
                await connection.execute(SCHEMA.read_text())

    async def products(self, category: str | None, after: int) -> list[Product]:
        async with self._connections.session() as connection:
            rows = await connection.fetch(
                "SELECT id, name, category, price_cents FROM shop.products "
                "WHERE id > $1 AND ($2::text IS NULL OR category = $2) ORDER BY id LIMIT $3",
                after,
                category,
                PAGE,
            )
        return [Product(**row) for row in rows]

    async def page(self, product_id: int) -> ProductPage | None:
        """Return a product's page, None where there is no such product."""
        async with self._connections.session() as connection:
            product = await connection.fetchrow("SELECT * FROM shop.products WHERE id = $1", product_id)
            if product is None:
                return None
            sales = await connection.fetchrow(
                "SELECT coalesce(sum(quantity), 0) AS sold, count(*) AS orders "
                "FROM shop.lines WHERE product_id = $1",
                product_id,
            )
            rank = await connection.fetchval(
                "SELECT rank FROM (SELECT id, rank() OVER (ORDER BY coalesce(sum(quantity), 0) DESC) AS rank "
                "FROM shop.products LEFT JOIN shop.lines ON product_id = id "
                "WHERE category = $2 GROUP BY id) AS ranked WHERE id = $1",
                product_id,
                product["category"],
            )
            together = await connection.fetch(
                "SELECT p.id, p.name, count(*) AS orders FROM shop.lines AS mine "
                "JOIN shop.lines AS other ON other.order_id = mine.order_id AND other.product_id <> $1 "
                "JOIN shop.products AS p ON p.id = other.product_id "
                "WHERE mine.product_id = $1 GROUP BY p.id ORDER BY orders DESC, p.id LIMIT 5",
                product_id,
            )
        return ProductPage(
            **{name: product[name] for name in ("id", "name", "category", "price_cents", "description")},
            in_stock=product["stock"] > 0,
            sold=sales["sold"],
            orders=sales["orders"],
            rank_in_category=rank,
            together=[BoughtTogether(**row) for row in together],
        )

    async def best_categories(self, days: int) -> list[CategorySales]:
        async with self._connections.session() as connection:
            rows = await connection.fetch(
                "SELECT category, count(DISTINCT o.id) AS orders, "
                "sum(l.quantity * l.price_cents)::bigint AS revenue_cents, "
                "(sum(l.quantity * l.price_cents) / count(DISTINCT o.id))::float AS average_order_cents "
                "FROM shop.orders AS o JOIN shop.lines AS l ON l.order_id = o.id "
                "JOIN shop.products AS p ON p.id = l.product_id "
                "WHERE o.placed_at > now() - make_interval(days => $1) "
                "GROUP BY category ORDER BY revenue_cents DESC",
                days,
            )
        return [CategorySales(**row) for row in rows]

    async def set_price(self, product_id: int, price_cents: int) -> bool:
        """Return whether there is such a product."""
        async with self._connections.session() as connection:
            done = await connection.execute(
                "UPDATE shop.products SET price_cents = $2 WHERE id = $1", product_id, price_cents
            )
        return bool(done == "UPDATE 1")

    async def place(self, order: NewOrder) -> int:
        """Take what is ordered out of stock and return the order's number.

        Raises:
            SoldOut: nothing was ordered.
        """
        quantities: dict[int, int] = {}
        for line in order.lines:
            quantities[line.product_id] = quantities.get(line.product_id, 0) + line.quantity
        async with self._connections.session() as connection, connection.transaction():
            order_id = await connection.fetchval(
                "INSERT INTO shop.orders (customer) VALUES ($1) RETURNING id", order.customer
            )
            for product_id in sorted(quantities):  # always in one order: no deadlock
                price_cents = await connection.fetchval(
                    "UPDATE shop.products SET stock = stock - $2 WHERE id = $1 AND stock >= $2 "
                    "RETURNING price_cents",
                    product_id,
                    quantities[product_id],
                )
                if price_cents is None:
                    raise SoldOut(f"product {product_id}")
                await connection.execute(
                    "INSERT INTO shop.lines (order_id, product_id, quantity, price_cents) "
                    "VALUES ($1, $2, $3, $4)",
                    order_id,
                    product_id,
                    quantities[product_id],
                    price_cents,
                )
        return int(order_id)
