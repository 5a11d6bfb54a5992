"""The ASGI middleware: records what passes, and lives as long as the application does."""

from __future__ import annotations

from atalaia.asgi.exchange import KEY, ASGIApp, Connection, Exchange, Receive, Scope, Send
from atalaia.asgi.lifespan import joined
from atalaia.asgi.recorder import Recorder
from atalaia.asgi.reporter import Reporter


class Middleware:
    """Passes everything on unchanged: messages, exceptions, and scopes that it does not know."""

    def __init__(self, app: ASGIApp, recorder: Recorder, reporter: Reporter) -> None:
        self._app = app
        self._recorder = recorder
        self._reporter = reporter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "http":
            exchange = scope[KEY] = Exchange(self._recorder, scope, receive, send)
            try:
                await self._app(scope, exchange.receive, exchange.send)
            except BaseException as error:
                exchange.raised(error)
                raise
            exchange.returned()
        elif kind == "websocket":
            await self._connected(scope, receive, send)
        elif kind == "lifespan":
            await joined(self._app, scope, receive, send, self._reporter)
        else:
            await self._app(scope, receive, send)

    async def _connected(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = scope[KEY] = Connection(self._recorder, scope, receive)
        try:
            await self._app(scope, connection.receive, send)
        except BaseException as error:
            connection.end(error)
            raise
        connection.end(None)
