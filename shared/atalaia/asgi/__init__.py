"""Middleware for any ASGI application: one line, and its requests are measured and reported."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar, overload

from atalaia.asgi.exchange import ASGIApp
from atalaia.asgi.frameworks import install
from atalaia.asgi.recorder import Recorder
from atalaia.asgi.reporter import Reporter
from atalaia.asgi.settings import AppSettings
from atalaia.clock import SystemClock
from atalaia.errors import Misconfigured

__all__ = ["AppSettings", "instrument"]


class _TakesMiddleware(Protocol):
    def add_middleware(self, middleware_class: Any, *args: Any, **kwargs: Any) -> None: ...


class _HasInside(Protocol):
    asgi_app: Any


A = TypeVar("A", bound=_TakesMiddleware | _HasInside)


@overload
def instrument(
    app: A,
    *,
    service: str,
    nats_url: str | None = None,
    interval_s: float | None = None,
    most_series: int | None = None,
) -> A: ...
@overload
def instrument(
    app: ASGIApp,
    *,
    service: str,
    nats_url: str | None = None,
    interval_s: float | None = None,
    most_series: int | None = None,
) -> ASGIApp: ...
def instrument(
    app: Any,
    *,
    service: str,
    nats_url: str | None = None,
    interval_s: float | None = None,
    most_series: int | None = None,
) -> Any:
    """Measure an application's requests and report them as `service` for as long as it lives.

    Return what is to be served: for Starlette, FastAPI and Quart the application itself,
    for others a callable around it. It starts and stops with the application's lifespan.
    What is not given is read from `NATS_URL`, `ATALAIA_APP_INTERVAL_S`, `ATALAIA_APP_MOST_SERIES`.

    Raises:
        Misconfigured: a setting is wrong, or the application is instrumented already.
    """
    if not service:
        raise Misconfigured("service is '': the name under which this application reports")
    settings = AppSettings.load(nats_url=nats_url, app_interval_s=interval_s, app_most_series=most_series)
    recorder = Recorder(settings.app_most_series)
    return install(app, recorder, Reporter(service, settings, recorder, SystemClock()))
