"""The route templates of Starlette and FastAPI, mounted, included, behind a proxy, or absent."""

from __future__ import annotations

import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Host, Mount, Route
from starlette.types import Receive, Scope, Send

from tests.unit.asgi.measured import Measured


async def hello(request: Request) -> Response:
    return PlainTextResponse("hello")


async def raw(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("raw")(scope, receive, send)


def starlette() -> Starlette:
    inner = [Route("/deep/{y}", hello), Mount("/deeper/{z:int}", routes=[Route("/end", hello)])]
    return Starlette(
        routes=[
            Route("/", hello),
            Route("/items/{id:int}", hello, methods=["GET"]),
            Mount("/plain", app=Starlette(routes=inner)),
            Mount("/of/{tenant}", routes=inner),
            Mount("/raw", app=raw),
            Host("other.test", app=Starlette(routes=[Route("/there/{x}", hello)])),
        ]
    )


def fastapi() -> FastAPI:
    app, mounted, included, nested = FastAPI(), FastAPI(), APIRouter(prefix="/r/{rid}"), APIRouter()

    @app.get("/items/{id}")
    async def item(id: int) -> int:
        return id

    @included.get("/sub/{sid}")
    async def sub(rid: int, sid: int) -> int:
        return sid

    @nested.get("/n/{nid:int}")
    async def deep(nid: int) -> int:
        return nid

    @mounted.get("/deep/{x}")
    async def mounted_deep(x: int) -> int:
        return x

    included.include_router(nested, prefix="/nested")
    app.include_router(included, prefix="/v1")
    app.include_router(included, prefix="/v2")
    mounted.include_router(nested, prefix="/again")
    app.mount("/of/{tenant}", mounted)
    app.mount("/plain", starlette())
    app.mount("/raw", raw)
    return app


STARLETTE = {
    "/": "/",
    "/items/7": "/items/{id}",
    "/plain/deep/1": "/plain/deep/{y}",
    "/plain/deeper/5/end": "/plain/deeper/{z}/end",
    "/of/acme/deep/1": "/of/{tenant}/deep/{y}",
    "/of/acme/deeper/007/end": "/{tenant}/{z}/end",  # a converted value cannot be found: vague, but one
    "/raw/any/thing": "/raw/{path}",
    "/plain/nothing": "/plain/{path}",
    "/nothing": "_unmatched",
    "/items/": "_unmatched",
}
FASTAPI = {
    "/items/7": "/items/{id}",
    "/v1/r/4/sub/5": "/v1/r/{rid}/sub/{sid}",
    "/v2/r/4/sub/5": "/v2/r/{rid}/sub/{sid}",
    "/v1/r/4/nested/n/5": "/v1/r/{rid}/nested/n/{nid}",
    "/of/acme/deep/1": "/of/{tenant}/deep/{x}",
    "/of/acme/again/n/1": "/of/{tenant}/again/n/{nid}",
    "/plain/items/7": "/plain/items/{id}",
    "/raw/any": "/raw/{path}",
    "/openapi.json": "/openapi.json",
    "/of/acme/openapi.json": "/of/{tenant}/openapi.json",
    "/nothing": "_unmatched",
}


@pytest.mark.parametrize(("path", "template"), STARLETTE.items())
@pytest.mark.parametrize("root_path", ["", "/proxy"])
async def test_starlette(path: str, template: str, root_path: str) -> None:
    measured = Measured(starlette())
    await measured.get(root_path + path, root_path=root_path)
    assert [route for _, route, _, _ in measured.seen()] == [template]


@pytest.mark.parametrize(("path", "template"), FASTAPI.items())
@pytest.mark.parametrize("root_path", ["", "/proxy"])
async def test_fastapi(path: str, template: str, root_path: str) -> None:
    measured = Measured(fastapi())
    await measured.get(root_path + path, root_path=root_path)
    assert [route for _, route, _, _ in measured.seen()] == [template]


async def test_a_host_of_its_own_has_its_own_routes() -> None:
    measured = Measured(starlette())
    await measured.get("/there/1", headers={"host": "other.test"})
    assert list(measured.seen()) == [("GET", "/there/{x}", "200", None)]


async def test_a_method_that_a_route_does_not_take_belongs_to_the_route() -> None:
    for app in (starlette(), fastapi()):
        measured = Measured(app)
        await measured.get("/items/7", method="POST")
        assert measured.seen() == {("POST", "/items/{id}", "405", None): 1}
