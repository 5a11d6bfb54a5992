"""When a request ends, how large it was, and what it counts as when it goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from atalaia.asgi import exchange as _exchange
from atalaia.asgi.recorder import CONNECTED, CONNECTION, DURATION, REQUEST_SIZE, RESPONSE_SIZE
from tests.unit.asgi.measured import Measured, Wire, body, requests_in, scope


class Seconds:
    """A clock that the application under test moves."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> Seconds:
    clock = Seconds()
    monkeypatch.setattr(_exchange, "perf_counter", clock)
    return clock


def app(endpoint: Callable[[Request], Any]) -> Starlette:
    return Starlette(routes=[Route("/", endpoint, methods=["GET", "POST"])])


async def test_a_stream_lasts_until_its_last_chunk(seconds: Seconds) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(3):
            seconds.now_s += 2.0
            yield b"12345"

    async def endpoint(request: Request) -> Response:
        return StreamingResponse(chunks())

    measured = Measured(app(endpoint))
    await measured.get("/")
    taken = measured.recorder.take()
    assert {series.partition("{")[0]: one.sum for series, one in taken.items()} == {
        DURATION: 6.0,
        REQUEST_SIZE: 0.0,
        RESPONSE_SIZE: 15.0,
    }


@pytest.mark.parametrize("events", [3, 1, 0])
async def test_a_stream_of_events_lasts_until_it_begins(seconds: Seconds, events: int) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(events):
            seconds.now_s += 3600.0
            yield b"data: x\n\n"

    async def endpoint(request: Request) -> Response:
        seconds.now_s += 1.0
        return StreamingResponse(chunks(), media_type="text/event-stream")

    measured = Measured(app(endpoint))
    await measured.get("/")
    assert measured.recorder.active == {"GET": 0}
    taken = measured.recorder.take()
    assert requests_in(taken) == {("GET", "/", "200", None): 1}
    assert next(one for series, one in taken.items() if series.startswith(DURATION)).sum == 1.0


async def test_a_background_task_is_not_part_of_the_request(seconds: Seconds) -> None:
    async def endpoint(request: Request) -> Response:
        seconds.now_s += 1.0
        return PlainTextResponse("at once", background=BackgroundTask(later))

    async def later() -> None:
        seconds.now_s += 60.0
        raise RuntimeError("of the task, not of the request")

    measured = Measured(app(endpoint))
    await measured.get("/")
    taken = measured.recorder.take()
    assert requests_in(taken) == {("GET", "/", "200", None): 1}
    assert next(one for series, one in taken.items() if series.startswith(DURATION)).sum == 1.0


async def test_bodies_are_counted_as_they_pass() -> None:
    async def endpoint(request: Request) -> Response:
        return PlainTextResponse(b"x" * len(await request.body()) * 2)

    wire = Wire(*body(b"123", b"4567"))
    measured = Measured(app(endpoint))
    await measured.app(scope(method="POST"), wire.receive, wire.send)
    taken = measured.recorder.take()
    sizes = {series.partition("{")[0]: one.sum for series, one in taken.items()}
    assert (sizes[REQUEST_SIZE], sizes[RESPONSE_SIZE]) == (7.0, 14.0)


async def test_a_client_that_leaves_before_the_answer_is_a_499() -> None:
    async def endpoint(request: Request) -> Response:
        await request.body()
        raise AssertionError("not reached")

    wire = Wire({"type": "http.request", "body": b"half", "more_body": True})
    measured = Measured(app(endpoint))
    with pytest.raises(Exception):  # noqa: B017  # Starlette's ClientDisconnect, passed on
        await measured.app(scope(method="POST"), wire.receive, wire.send)
    assert measured.seen() == {("POST", "/", "499", "client_disconnect"): 1}


async def test_a_client_that_leaves_during_a_stream_keeps_the_status_it_got() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        while True:
            yield b"more"

    async def endpoint(request: Request) -> Response:
        return StreamingResponse(chunks())

    wire = Wire(*body(b""), refuses_after=3)
    measured = Measured(app(endpoint))
    with pytest.raises(Exception):  # noqa: B017
        await measured.app(scope(), wire.receive, wire.send)
    assert measured.seen() == {("GET", "/", "200", "client_disconnect"): 1}


async def test_a_server_that_says_gone_after_the_response_means_nothing() -> None:
    async def endpoint(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        listening = asyncio.create_task(receive())
        await send({"type": "http.response.body", "body": b"all"})
        assert (await listening)["type"] == "http.disconnect"

    wire = Wire()
    measured = Measured(endpoint)
    await measured.app(scope(), wire.receive, wire.send)
    assert measured.seen() == {("GET", "_unmatched", "200", None): 1}


async def test_a_stream_that_breaks_keeps_its_status_and_names_the_exception() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"some"
        raise ZeroDivisionError

    async def endpoint(request: Request) -> Response:
        return StreamingResponse(chunks())

    measured = Measured(app(endpoint))
    await measured.get("/")
    assert measured.seen() == {("GET", "/", "200", "ZeroDivisionError"): 1}


async def test_no_response_at_all_is_a_500() -> None:
    async def endpoint(scope: Any, receive: Any, send: Any) -> None:
        return

    wire = Wire()
    measured = Measured(endpoint)
    await measured.app(scope(), wire.receive, wire.send)
    assert measured.seen() == {("GET", "_unmatched", "500", "incomplete_response"): 1}


async def test_a_cancelled_request_is_counted_and_stays_cancelled() -> None:
    async def endpoint(request: Request) -> Response:
        await asyncio.Event().wait()
        raise AssertionError("not reached")

    wire = Wire(*body(b""))
    measured = Measured(app(endpoint))
    task = asyncio.create_task(measured.app(scope(), wire.receive, wire.send))
    while not measured.recorder.active.get("GET"):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert measured.seen() == {("GET", "/", "500", "asyncio.exceptions.CancelledError"): 1}
    assert measured.recorder.active == {"GET": 0}


@pytest.mark.parametrize(("status", "error"), [(404, None), (503, "503")])
async def test_an_answer_that_says_so_is_an_error_from_500_on(status: int, error: str | None) -> None:
    async def endpoint(request: Request) -> Response:
        raise HTTPException(status)

    measured = Measured(app(endpoint))
    await measured.get("/")
    assert measured.seen() == {("GET", "/", str(status), error): 1}


async def test_middleware_that_replaces_send_and_receive_changes_nothing() -> None:
    async def passing(request: Request, call_next: RequestResponseEndpoint) -> Response:
        return await call_next(request)

    async def endpoint(request: Request) -> Response:
        return PlainTextResponse(await request.body())

    inner = app(endpoint)
    inner.add_middleware(BaseHTTPMiddleware, dispatch=passing)
    measured = Measured(inner)
    assert await measured.get("/", method="POST", content=b"123") == [200]
    assert measured.seen() == {("POST", "/", "200", None): 1}


async def test_a_request_is_in_flight_while_it_is() -> None:
    async def endpoint(request: Request) -> Response:
        assert measured.recorder.gauges() == {'http.server.active_requests{http.request.method="GET"}': 1.0}
        return PlainTextResponse("")

    measured = Measured(app(endpoint))
    assert await measured.get("/") == [200]


class Sockets:
    """A WebSocket client, message by message."""

    def __init__(self, *said: dict[str, Any]) -> None:
        self._said = iter(({"type": "websocket.connect"}, *said))

    async def receive(self) -> dict[str, Any]:
        return next(self._said)

    async def send(self, message: Any) -> None:
        return


def echo(failing: bool = False) -> Measured:
    async def endpoint(socket: WebSocket) -> None:
        await socket.accept()
        assert measured.recorder.gauges()[CONNECTED] == 1.0
        if failing:
            raise ZeroDivisionError
        while True:
            await socket.send_text(await socket.receive_text())

    measured = Measured(Starlette(routes=[WebSocketRoute("/rooms/{room}", endpoint)]))
    return measured


async def test_a_websocket_is_a_connection_and_no_request(seconds: Seconds) -> None:
    measured = echo()
    client = Sockets(
        {"type": "websocket.receive", "text": "hello"}, {"type": "websocket.disconnect", "code": 1001}
    )
    with pytest.raises(Exception):  # noqa: B017  # Starlette's WebSocketDisconnect, passed on
        await measured.app(scope("/rooms/1", type="websocket"), client.receive, client.send)
    assert list(measured.recorder.take()) == [CONNECTION + '{http.route="/rooms/{room}"}']
    assert measured.recorder.gauges() == {CONNECTED: 0.0}


async def test_a_websocket_that_fails_names_the_exception() -> None:
    measured, client = echo(failing=True), Sockets()
    with pytest.raises(ZeroDivisionError):
        await measured.app(scope("/rooms/1", type="websocket"), client.receive, client.send)
    assert list(measured.recorder.take()) == [
        CONNECTION + '{error.type="ZeroDivisionError",http.route="/rooms/{room}"}'
    ]
