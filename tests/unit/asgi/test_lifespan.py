"""Our start and stop inside the application's lifespan, and beside one that has none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.applications import Starlette

from tests.unit.asgi.measured import Measured, scope
from tests.unit.asgi.test_frameworks import django, fastapi, litestar, quart


class Server:
    """A server's side of a lifespan. `told` is shared with the reporter: the order is what matters."""

    def __init__(self, measured: Measured) -> None:
        self._app = measured.app
        self.told = measured.reporter.told
        self._heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def live(self) -> None:
        """Start the application and stop it."""
        running = asyncio.create_task(self._app(scope(type="lifespan"), self._heard.get, self._send))
        for event in ("startup", "shutdown"):
            self._heard.put_nowait({"type": f"lifespan.{event}"})
            said = asyncio.create_task(self._said.get())
            await asyncio.wait({said, running}, timeout=5, return_when=asyncio.FIRST_COMPLETED)
            said.cancel()
        await asyncio.wait_for(running, 5)

    async def _send(self, message: Any) -> None:
        self.told.append(message["type"].removeprefix("lifespan."))
        self._said.put_nowait(message)


async def test_it_starts_after_the_application_and_stops_after_it() -> None:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        measured.reporter.told.append("open")
        yield
        measured.reporter.told.append("close")

    measured = Measured(Starlette(lifespan=lifespan))
    server = Server(measured)
    await server.live()
    expected = ["open", "start", "startup.complete", "close", "stop", "shutdown.complete"]
    assert server.told[:6] == expected


@pytest.mark.parametrize("make", [fastapi, litestar, quart, django], ids=lambda make: make.__name__)
async def test_every_framework_has_a_lifespan(make: Any) -> None:
    server = Server(Measured(make()))
    await server.live()
    assert server.told[:4] == ["start", "startup.complete", "stop", "shutdown.complete"]


async def test_an_application_that_returns_at_once_gets_a_lifespan_too() -> None:
    async def only_http(scope: Any, receive: Any, send: Any) -> None:
        return

    server = Server(Measured(only_http))
    await server.live()
    assert server.told[:4] == ["start", "startup.complete", "stop", "shutdown.complete"]


async def test_a_start_that_fails_is_passed_on_and_starts_nothing() -> None:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        raise RuntimeError("no database")
        yield

    server = Server(Measured(Starlette(lifespan=lifespan)))
    with pytest.raises(RuntimeError, match="no database"):
        await server.live()
    assert "start" not in server.told


async def test_an_error_after_the_first_message_is_the_servers_to_see() -> None:
    async def breaking(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        raise RuntimeError("while starting")

    server = Server(Measured(breaking))
    with pytest.raises(RuntimeError, match="while starting"):
        await server.live()
    assert "start" not in server.told
