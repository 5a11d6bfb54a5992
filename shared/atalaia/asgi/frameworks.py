"""How the middleware gets into each framework's application, and the route out of it.

A framework is looked at only where the application has imported it already.
"""

from __future__ import annotations

import sys
from typing import Any

from atalaia.asgi.exchange import KEY, name_of
from atalaia.asgi.middleware import Middleware
from atalaia.asgi.recorder import Recorder
from atalaia.asgi.reporter import Reporter
from atalaia.errors import Misconfigured


def install(app: Any, recorder: Recorder, reporter: Reporter) -> Any:
    """Return what is to be served from now on: the same object wherever the framework allows it.

    Raises:
        Misconfigured: the application is instrumented already.
    """
    if _is(app, "starlette.applications", "Starlette"):
        if any(one.cls is Middleware for one in app.user_middleware):
            raise _twice()
        app.add_middleware(Middleware, recorder=recorder, reporter=reporter)
        return app
    if _is(app, "quart", "Quart"):
        if isinstance(app.asgi_app, Middleware):
            raise _twice()
        _watch_quart(app)
        app.asgi_app = Middleware(app.asgi_app, recorder, reporter)
        return app
    if isinstance(app, Middleware):
        raise _twice()
    if _is(app, "django.core.handlers.asgi", "ASGIHandler"):
        _watch_django(app)
    elif _is(app, "litestar", "Litestar"):
        app.after_exception.append(_litestar_failed)
    return Middleware(app, recorder, reporter)


def _is(app: object, module: str, name: str) -> bool:
    imported = sys.modules.get(module)
    return imported is not None and isinstance(app, getattr(imported, name))


def _twice() -> Misconfigured:
    return Misconfigured("this application is instrumented already: once is enough")


def _note(scope: Any, *, route: str | None = None, error: type[BaseException] | None = None) -> None:
    exchange = scope.get(KEY)
    if exchange is None:
        return  # another's, or its response has ended
    if route is not None:
        exchange.route = route
    if error is not None:
        exchange.error = name_of(error)


async def _litestar_failed(error: Exception, scope: Any) -> None:
    _note(scope, error=type(error))


def _watch_quart(app: Any) -> None:
    quart = sys.modules["quart"]

    async def http(sender: Any, **_: Any) -> None:
        rule = quart.request.url_rule
        _note(quart.request.scope, route=rule and rule.rule)

    async def websocket(sender: Any, **_: Any) -> None:
        rule = quart.websocket.url_rule
        _note(quart.websocket.scope, route=rule and rule.rule)

    async def failed(sender: Any, *, exception: BaseException, **_: Any) -> None:
        if quart.has_request_context():
            _note(quart.request.scope, error=type(exception))

    quart.request_started.connect(http, app, weak=False)
    quart.websocket_started.connect(websocket, app, weak=False)
    quart.got_request_exception.connect(failed, app, weak=False)


def _watch_django(app: Any) -> None:
    """Django resolves a route onto the request, which only its own handler sees."""
    create_request = app.create_request

    def created(scope: Any, body_file: Any) -> Any:
        request, refusal = create_request(scope, body_file)
        exchange = scope.get(KEY)
        if request is not None and exchange is not None:
            exchange.ask_route = lambda: _django_route(request)
        return request, refusal

    def failed(sender: Any, request: Any = None, **_: Any) -> None:
        _note(getattr(request, "scope", {}), error=sys.exc_info()[0])

    app.create_request = created
    sys.modules["django.core.signals"].got_request_exception.connect(failed, weak=False)


def _django_route(request: Any) -> str | None:
    match = getattr(request, "resolver_match", None)
    return None if match is None else f"/{match.route}"
