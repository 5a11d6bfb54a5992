"""One request and its response, or one WebSocket connection, watched as they pass."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from time import perf_counter
from typing import Any, TypeAlias

from atalaia.asgi.recorder import METHODS, OTHER_METHOD, Recorder
from atalaia.asgi.routes import template_of

Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

KEY = "atalaia"  # of the scope: where frameworks that keep routes to themselves leave them
CLIENT_GONE = "client_disconnect"
STATUS_CLIENT_GONE = 499  # nobody got a status: the one that proxies write into their logs
INCOMPLETE = "incomplete_response"
EVENTS = b"text/event-stream"


class Exchange:
    """Ends with the last chunk of the response, whatever the application does afterwards.

    A stream of events ends when it begins: how long somebody listens is no response time, and one
    page that was open for an hour would make a service's p95.

    `route`, or `ask_route`, and `error` (a type's name) may be set from outside before that.
    """

    # defaults of the class, not set one by one for every request
    _received = _sent = _status = 0
    _streamed = _last = _ended = _gone = False
    route: str | None = None
    ask_route: Callable[[], str | None] | None = None
    error: str | None = None

    def __init__(self, recorder: Recorder, scope: Scope, receive: Receive, send: Send) -> None:
        self._began_s = perf_counter()
        self._recorder = recorder
        self._scope = scope
        self._root_path = scope.get("root_path") or ""
        self._receive = receive
        self._send = send
        method = self.method = METHODS.get(scope["method"], OTHER_METHOD)
        active = recorder.active
        active[method] = active.get(method, 0) + 1

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._received += len(message.get("body") or b"")
        elif not self._last:
            self._gone = True
        return message

    def send(self, message: Message) -> Awaitable[None]:
        """Pass a message on; the awaitable is the server's own where nothing is left to do after it."""
        kind = message["type"]
        if kind == "http.response.body":
            self._sent += len(message.get("body") or b"")
            if message.get("more_body"):
                self._streamed = True
                return self._watched(message)
        elif kind != "http.response.pathsend":
            if kind == "http.response.start":
                self._status = message["status"]
                if _are_events(message.get("headers", ())):
                    self._end(self.error)
            return self._send(message)
        # set first: once this is sent, servers tell whoever listens that the client is gone
        self._last = True
        if self._streamed or self._ended:
            return self._watched(message)
        self._end(self.error)
        return self._send(message)

    async def _watched(self, message: Message) -> None:
        """Send a part of a stream: it may have to wait for a slow client, or find it gone."""
        try:
            await self._send(message)
        except OSError:
            self._gone = True
            raise
        if self._last and not self._ended:
            self._end(self.error)

    def returned(self) -> None:
        """The application is done, perhaps without a whole response."""
        if not self._ended:
            self._end(self.error or INCOMPLETE)

    def raised(self, error: BaseException) -> None:
        """The application failed; after the response it is no longer the request that did."""
        if not self._ended:
            self._last = False
            self._end(name_of(type(error)))

    def _end(self, error: str | None) -> None:
        duration_s = perf_counter() - self._began_s
        self._ended = True
        status, recorder, scope = self._status, self._recorder, self._scope
        if self._gone:
            status, error = status or STATUS_CLIENT_GONE, CLIENT_GONE
        elif not self._last:
            status = status or 500
        elif status < 500:
            error = None  # what the framework turned into an answer
        else:
            error = error or str(status)
        route = self.route
        if route is None:
            ask = self.ask_route
            route = template_of(scope, self._root_path) if ask is None else ask()
        recorder.active[self.method] -= 1
        recorder.request(self.method, route, status, error, duration_s, self._received, self._sent)
        scope.pop(KEY, None)  # no cycle is left for the collector


def _are_events(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    # a loop, for it runs for every response; no other header has such a value
    for _, value in headers:  # noqa: SIM110
        if value.startswith(EVENTS):
            return True
    return False


class Connection:
    """A WebSocket from the handshake to the end. A client that leaves is not an error."""

    __slots__ = ("_began_s", "_gone", "_receive", "_recorder", "_root_path", "_scope", "error", "route")

    def __init__(self, recorder: Recorder, scope: Scope, receive: Receive) -> None:
        self._began_s = perf_counter()
        self._recorder = recorder
        self._scope = scope
        self._root_path = scope.get("root_path") or ""
        self._receive = receive
        self._gone = False
        self.route: str | None = None
        self.error: str | None = None
        recorder.connected += 1

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            self._gone = True
        return message

    def end(self, error: BaseException | None) -> None:
        failed = name_of(type(error)) if error is not None else self.error
        route = self.route if self.route is not None else template_of(self._scope, self._root_path)
        self._recorder.connected -= 1
        self._recorder.connection(route, None if self._gone else failed, perf_counter() - self._began_s)
        self._scope.pop(KEY, None)


def name_of(error: type[BaseException]) -> str:
    """Return a type's name as the conventions want it: with its module, unless it is built in."""
    module = error.__module__
    return error.__qualname__ if module == "builtins" else f"{module}.{error.__qualname__}"
