"""The same answers from five frameworks: routes, statuses, exceptions by type, and what matches nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from atalaia.errors import Misconfigured
from tests.unit.asgi.measured import Measured


class Broken(Exception):
    pass


def starlette() -> Any:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse, Response
    from starlette.routing import Route

    async def item(request: Request) -> Response:
        return PlainTextResponse("item")

    async def broken(request: Request) -> Response:
        raise Broken

    return Starlette(routes=[Route("/items/{id}", item), Route("/broken", broken)])


def fastapi() -> Any:
    from fastapi import FastAPI

    app = FastAPI()

    @app.get("/items/{id}")
    async def item(id: int) -> int:
        return id

    @app.get("/broken")
    async def broken() -> None:
        raise Broken

    return app


def litestar() -> Any:
    from litestar import Litestar, get
    from litestar.params import FromPath

    @get("/items/{id:int}", sync_to_thread=False)
    def item(id: FromPath[int]) -> str:
        return "item"

    @get("/broken", sync_to_thread=False)
    def broken() -> str:
        raise Broken

    return Litestar([item, broken], openapi_config=None, logging_config=None)


def quart() -> Any:
    from quart import Quart

    app = Quart("test")

    @app.get("/items/<int:id>")
    async def item(id: int) -> str:
        return "item"

    @app.get("/broken")
    async def broken() -> str:
        raise Broken

    return app


def django() -> Any:
    import django
    from django.conf import settings
    from django.core.asgi import get_asgi_application
    from django.http import HttpRequest, HttpResponse
    from django.urls import path

    async def item(request: HttpRequest, id: int) -> HttpResponse:
        return HttpResponse("item")

    def broken(request: HttpRequest) -> HttpResponse:
        raise Broken

    urls = SimpleNamespace(urlpatterns=[path("items/<int:id>", item), path("broken", broken)])
    if not settings.configured:
        settings.configure(
            ROOT_URLCONF="urls_of_a_test", SECRET_KEY="not one", ALLOWED_HOSTS=["*"], LOGGING_CONFIG=None
        )
        django.setup()
    sys.modules["urls_of_a_test"] = urls  # type: ignore[assignment]
    return get_asgi_application()


ITEM = {starlette: "/items/{id}", fastapi: "/items/{id}", litestar: "/items/{id}"} | {
    quart: "/items/<int:id>",
    django: "/items/<int:id>",
}
frameworks = pytest.mark.parametrize("make", ITEM, ids=lambda make: make.__name__)


@frameworks
async def test_requests_are_counted_by_template(make: Callable[[], Any]) -> None:
    measured = Measured(make())
    assert await measured.get("/items/1", "/items/2", "/items/3") == [200, 200, 200]
    assert measured.seen() == {("GET", ITEM[make], "200", None): 3}


@frameworks
async def test_what_matches_nothing_has_one_name(make: Callable[[], Any]) -> None:
    measured = Measured(make())
    assert await measured.get("/nothing/1", "/nothing/2") == [404, 404]
    assert measured.seen() == {("GET", "_unmatched", "404", None): 2}


@frameworks
async def test_an_exception_is_a_500_with_its_type(make: Callable[[], Any]) -> None:
    measured = Measured(make())
    assert await measured.get("/broken") == [500]
    assert measured.seen() == {("GET", "/broken", "500", f"{__name__}.Broken"): 1}


@frameworks
async def test_nothing_is_in_flight_afterwards(make: Callable[[], Any]) -> None:
    measured = Measured(make())
    await measured.get("/items/1", "/broken", "/nothing")
    assert measured.recorder.gauges() == {'http.server.active_requests{http.request.method="GET"}': 0.0}


@frameworks
def test_instrumented_twice_is_refused(make: Callable[[], Any]) -> None:
    measured = Measured(make())
    with pytest.raises(Misconfigured, match="already"):
        Measured(measured.app)


@pytest.mark.parametrize("make", [starlette, fastapi, quart], ids=lambda make: make.__name__)
def test_the_application_stays_the_same_object_where_it_can(make: Callable[[], Any]) -> None:
    app = make()
    assert Measured(app).app is app
