"""The shop with its cache, and without: the same answers."""

from __future__ import annotations

import json
import urllib.request

import pytest

from tests.system.platform import free_ports
from tests.system.servers import Servers
from tests.system.shop import Shop, running


def page(shop: Shop) -> dict[str, int]:
    with urllib.request.urlopen(f"http://127.0.0.1:{shop.port}/products/7", timeout=10) as answer:
        return dict(json.loads(answer.read()))


@pytest.mark.parametrize("cache", ["on", "off"])
def test_a_price_shows_on_the_page_at_once(servers: Servers, cache: str) -> None:
    (closed,) = free_ports(1)
    shop = Shop(
        SHOP_CACHE=cache,
        DATABASE_URL=servers.postgres.url,
        REDIS_URL=servers.redis.url,
        NATS_URL=f"nats://127.0.0.1:{closed}",
    )
    with running(shop, "/products"):
        for price_cents in (100, 200, 300):
            page(shop)
            request = urllib.request.Request(
                f"http://127.0.0.1:{shop.port}/products/7/price",
                method="PUT",
                data=json.dumps({"price_cents": price_cents}).encode(),
                headers={"content-type": "application/json"},
            )
            urllib.request.urlopen(request, timeout=10).close()
            assert page(shop)["price_cents"] == price_cents
        shop.stop()
