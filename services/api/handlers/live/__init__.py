"""The live stream: topics know what changed, views say it once for all who ask the same."""

from __future__ import annotations

from atalaia.clock import Clock
from services.api.domain.board import Versions
from services.api.domain.newest import Newest
from services.api.domain.tails import Tails
from services.api.handlers.health import HealthHandlers
from services.api.handlers.live.alerts import AlertsTopic
from services.api.handlers.live.hub import Hub
from services.api.handlers.live.loadtests import LoadTestsTopic
from services.api.handlers.live.metrics import Fleet
from services.api.handlers.live.points import Following
from services.api.handlers.live.topics import Signal, Whole
from services.api.handlers.metrics import MetricsHandlers
from services.api.handlers.newest_values import NewestValues
from services.api.ports import AlertReader, FollowedStream, Histories, LoadTests

HEALTH_AGAIN_AFTER_S = 15.0


def hub_of(
    *,
    stream: FollowedStream,
    newest: Newest,
    values: NewestValues,
    histories: Histories,
    tails: Tails,
    alerts: AlertReader,
    loadtests: LoadTests,
    health: HealthHandlers,
    metrics: MetricsHandlers,
    clock: Clock,
    most_readers: int,
) -> Hub:
    """Return the hub over all that the gateway knows."""
    versions, signal = Versions(), Signal()
    wholes = [
        Whole(
            "health",
            health.for_the_stream,
            versions,
            clock,
            signal.raise_,
            again_after_s=HEALTH_AGAIN_AFTER_S,
        ),
        Whole("performance", metrics.for_the_stream, versions, clock, signal.raise_),
    ]
    return Hub(
        stream=stream,
        fleet=Fleet(newest, stream.news, versions, clock),
        values=values,
        following=Following(newest, histories, tails, stream, clock),
        alerts=AlertsTopic(alerts, versions, clock, signal.raise_),
        loadtests=LoadTestsTopic(loadtests, versions, clock),
        wholes=wholes,
        signal=signal,
        most_readers=most_readers,
    )
