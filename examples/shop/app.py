"""The shop's HTTP side."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import FastAPI, HTTPException, Path, Query
from pydantic import BaseModel

import atalaia
import atalaia.cache
from atalaia.database import Pool
from examples.shop.cached import CachedStore
from examples.shop.connections import connections
from examples.shop.settings import ShopSettings
from examples.shop.store import CategorySales, NewOrder, NewPrice, Product, ProductPage, SoldOut, Store

ProductId = Annotated[int, Path(ge=1, lt=2**31)]
NO_SUCH_PRODUCT = HTTPException(404, "there is no such product")


class Placed(BaseModel):
    order_id: int


class CacheMeter:
    """The cache of the loop that asks: each worker has its own."""

    def gauges(self) -> dict[str, float]:
        return atalaia.cache.default().gauges()

    def counters(self) -> dict[str, float]:
        return atalaia.cache.default().counters()


def create() -> FastAPI:
    """Return the application, for uvicorn's `--factory`."""
    settings = ShopSettings.load()
    pool = connections(settings)
    atalaia.cache.configure(settings.redis_url or None)
    store = CachedStore(pool) if settings.cache else Store(pool)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await store.prepare()
        yield
        await atalaia.cache.close()
        await pool.close()

    app = FastAPI(title="Shop", lifespan=lifespan)
    atalaia.instrument(
        app,
        service="shop",
        interval_s=settings.interval_s,
        meters=[CacheMeter(), *([pool.metrics] if isinstance(pool, Pool) else [])],
    )

    @app.get("/products")
    async def products(
        category: str | None = None, after: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0
    ) -> list[Product]:
        """A page of products, by number."""
        return await store.products(category, after)

    @app.get("/products/{product_id}")
    async def product(product_id: ProductId) -> ProductPage:
        """One product, how it sells, and what is bought with it."""
        page = await store.page(product_id)
        if page is None:
            raise NO_SUCH_PRODUCT
        return page

    @app.put("/products/{product_id}/price", status_code=204)
    async def price(product_id: ProductId, new: NewPrice) -> None:
        """Set a product's price; its page shows it at once."""
        if not await store.set_price(product_id, new.price_cents):
            raise NO_SUCH_PRODUCT

    @app.get("/reports/categories")
    async def categories(days: Annotated[int, Query(ge=1, le=3650)] = 90) -> list[CategorySales]:
        """What each category brought in."""
        return await store.best_categories(days)

    @app.post("/orders", status_code=201)
    async def order(new: NewOrder) -> Placed:
        """Place an order."""
        try:
            return Placed(order_id=await store.place(new))
        except SoldOut as error:
            raise HTTPException(409, f"sold out: {error}") from error

    return app
