"""The gateway measured by its own middleware, under the name `atalaia-api`."""

from __future__ import annotations

from starlette.types import ASGIApp

from atalaia.asgi.contents import Reported
from atalaia.asgi.middleware import Middleware
from atalaia.asgi.recorder import Recorder
from atalaia.asgi.reporter import Reporter
from atalaia.asgi.settings import AppSettings
from atalaia.clock import Clock

SERVICE = "atalaia-api"
AWAY = "dependency_away"


class GatewayRecorder(Recorder):
    """Tells a 503 apart from a failure: it says that NATS or Postgres is away.

    Counted as a 503 it is, with an `error.type` that the stock rules leave out. Health deducts for
    what is away, at once and for exactly as long; a rule's window would go on about it for a minute
    after everything is well, and fire a minute after an outage of seconds, for the second time.
    """

    def request(
        self,
        method: str,
        route: str | None,
        status: int,
        error: str | None,
        duration_s: float,
        request_bytes: int,
        response_bytes: int,
    ) -> None:
        if status == 503:
            error = AWAY
        super().request(method, route, status, error, duration_s, request_bytes, response_bytes)


def measured(app: ASGIApp, nats_url: str, clock: Clock) -> tuple[ASGIApp, Reporter]:
    """Return what to serve, and the reporter to start and stop: the gateway has no lifespan."""
    settings = AppSettings.load(nats_url=nats_url)
    recorder = GatewayRecorder(settings.app_most_series)
    reporter = Reporter(Reported(SERVICE, settings, recorder, clock))
    return Middleware(app, recorder, reporter), reporter
