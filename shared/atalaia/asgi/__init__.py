"""Middleware for any ASGI application: one line, and its requests are measured and reported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypedDict, TypeVar, Unpack, overload

from atalaia.asgi.contents import Meter, Reported
from atalaia.asgi.exchange import ASGIApp
from atalaia.asgi.frameworks import install
from atalaia.asgi.recorder import Recorder
from atalaia.asgi.reporter import Reporter
from atalaia.asgi.settings import AppSettings
from atalaia.clock import SystemClock
from atalaia.errors import Misconfigured

__all__ = ["AppSettings", "Meter", "instrument"]


class _TakesMiddleware(Protocol):
    def add_middleware(self, middleware_class: Any, *args: Any, **kwargs: Any) -> None: ...


class _HasInside(Protocol):
    asgi_app: Any


A = TypeVar("A", bound=_TakesMiddleware | _HasInside)


class Options(TypedDict, total=False):
    """What is not given is read from the environment: see `AppSettings`."""

    nats_url: str | None
    interval_s: float | None
    most_series: int | None
    meters: Sequence[Meter]


@overload
def instrument(app: A, *, service: str, **options: Unpack[Options]) -> A: ...
@overload
def instrument(app: ASGIApp, *, service: str, **options: Unpack[Options]) -> ASGIApp: ...
def instrument(app: Any, *, service: str, **options: Unpack[Options]) -> Any:
    """Measure an application's requests and report them as `service` for as long as it lives.

    Return what is to be served: for Starlette, FastAPI and Quart the application itself,
    for others a callable around it. It starts and stops with the application's lifespan.

    Args:
        nats_url: else `NATS_URL`.
        interval_s: between messages, else `ATALAIA_APP_INTERVAL_S`.
        most_series: of this process, else `ATALAIA_APP_MOST_SERIES`.
        meters: what of the application has series of its own: see `Meter`.

    Raises:
        Misconfigured: a setting is wrong, or the application is instrumented already.
    """
    if not service:
        raise Misconfigured("service is '': the name under which this application reports")
    settings = AppSettings.load(
        nats_url=options.get("nats_url"),
        app_interval_s=options.get("interval_s"),
        app_most_series=options.get("most_series"),
    )
    recorder = Recorder(settings.app_most_series)
    reported = Reported(service, settings, recorder, SystemClock(), options.get("meters", ()))
    return install(app, recorder, Reporter(reported))
