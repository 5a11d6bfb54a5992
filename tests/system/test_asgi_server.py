"""The middleware under a real server, and clients that behave as clients do."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
import uvicorn
import websockets
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from atalaia.asgi.recorder import CONNECTION
from atalaia.stats import Histogram
from tests.system.platform import free_ports
from tests.unit.asgi.measured import Measured, requests_in

Taken = dict[str, Histogram]


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield b"x" * 65536
        await asyncio.sleep(0.001)


async def stream(request: Request) -> Response:
    return StreamingResponse(endless())


async def upload(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


async def echo(socket: WebSocket) -> None:
    await socket.accept()
    while True:
        await socket.send_text(await socket.receive_text())


@contextlib.asynccontextmanager
async def served(**config: str) -> AsyncIterator[tuple[Measured, int]]:
    routes = [
        Route("/stream", stream),
        Route("/upload", upload, methods=["POST"]),
        WebSocketRoute("/echo/{room}", echo),
    ]
    measured = Measured(Starlette(routes=routes))
    (port,) = free_ports(1)
    server = uvicorn.Server(
        uvicorn.Config(measured.app, port=port, log_level="critical", http=config.get("http", "httptools"))
    )
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(10):
        while not server.started:
            await asyncio.sleep(0.01)
    try:
        yield measured, port
    finally:
        server.should_exit = True
        await asyncio.wait_for(serving, 10)


async def taken_from(measured: Measured) -> Taken:
    """Return what was recorded, once there is anything."""
    async with asyncio.timeout(10):
        while not (taken := measured.recorder.take()):
            await asyncio.sleep(0.01)
    return taken


@pytest.mark.parametrize("http", ["h11", "httptools"])
async def test_a_client_that_hangs_up_in_the_middle_of_a_stream(http: str) -> None:
    async with served(http=http) as (measured, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /stream HTTP/1.1\r\nhost: x\r\n\r\n")
        await reader.read(1000)
        writer.close()
        taken = await taken_from(measured)
    assert requests_in(taken) == {("GET", "/stream", "200", "client_disconnect"): 1}


@pytest.mark.parametrize("http", ["h11", "httptools"])
async def test_a_client_that_hangs_up_in_the_middle_of_its_request(http: str) -> None:
    async with served(http=http) as (measured, port):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /upload HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n12345")
        await writer.drain()
        async with asyncio.timeout(10):
            while not measured.recorder.active.get("POST"):
                await asyncio.sleep(0.01)
        writer.close()
        taken = await taken_from(measured)
    assert requests_in(taken) == {("POST", "/upload", "499", "client_disconnect"): 1}


async def test_a_websocket_lives_as_long_as_its_client_wants() -> None:
    async with served() as (measured, port):
        async with websockets.connect(f"ws://127.0.0.1:{port}/echo/1") as socket:
            await socket.send("hello")
            assert await socket.recv() == "hello"
            assert measured.recorder.connected == 1
        taken = await taken_from(measured)
        assert measured.recorder.connected == 0
    assert list(taken) == [CONNECTION + '{http.route="/echo/{room}"}']
