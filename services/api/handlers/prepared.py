"""The few reads that many ask for, answered before FastAPI looks at them.

A question in its plain form gets the answer that the handler gives, without routing and
validation: the same bytes in a fraction of the time. Whatever is spelt in any other way
goes on to FastAPI, which alone says what is valid.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

Answer = Callable[[bytes], Response | None]


class Prepared:
    """ASGI middleware. `answers`, by path, take the query string and return None where FastAPI should answer.

    `scope["route"]` is set as FastAPI sets it, for whoever wants to know the route afterwards.
    """

    def __init__(self, app: ASGIApp, answers: Mapping[str, Answer], routes: list[BaseRoute]) -> None:
        self._app = app
        by_path = {route.path: route for route in routes if isinstance(route, Route)}
        self._known = {path: (by_path[path], answer) for path, answer in answers.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET" and scope["path"] in self._known:
            route, answer = self._known[scope["path"]]
            response = answer(scope["query_string"])
            if response is not None:
                scope["route"] = route
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)
