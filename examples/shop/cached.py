"""The store, with what is dear to compute kept for a minute."""

from __future__ import annotations

from atalaia.cache import cache_result, invalidate_cache_on_change
from examples.shop.store import CategorySales, ProductPage, Store


class CachedStore(Store):
    """Sales figures may be a minute old; a price may not: setting it takes the page back at once."""

    @cache_result(ttl_s=60, namespace="shop", negative_ttl_s=5)
    async def page(self, product_id: int) -> ProductPage | None:
        return await super().page(product_id)

    @cache_result(ttl_s=60, namespace="shop")
    async def best_categories(self, days: int) -> list[CategorySales]:
        return await super().best_categories(days)

    @invalidate_cache_on_change("shop:CachedStore.page:{product_id}")
    async def set_price(self, product_id: int, price_cents: int) -> bool:
        return await super().set_price(product_id, price_cents)
