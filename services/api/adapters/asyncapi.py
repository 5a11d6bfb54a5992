"""The AsyncAPI 3 document of every event, from the models that travel."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from faststream.nats import NatsBroker
from faststream.specification import AsyncAPI
from pydantic import AwareDatetime, BaseModel

from atalaia import __version__
from atalaia.events.alerts import AlertTransition
from atalaia.events.loadtests import LoadTestEvent, LoadTestRequest
from atalaia.events.metrics import MetricsBatch
from atalaia.events.services import ServiceAnnouncement
from atalaia.events.subjects import (
    ALERTS_PREFIX,
    DEAD_PREFIX,
    LOADTESTS_PREFIX,
    METRICS_PREFIX,
    SERVICES_PREFIX,
    rpc_subject,
)


class ResolveRequest(BaseModel):
    """Asks alerting to resolve an alert by hand; the reply is `{"ok": true}` or `{"error", "detail"}`."""

    alert_id: str
    by: str = "api"
    note: str | None = None


class CreateSilenceRequest(BaseModel):
    """Asks alerting to hold messages back; the reply is `{"ok": true, "silence_id"}` or an error."""

    matchers: dict[str, str | dict[str, str]]
    starts_at: AwareDatetime | None = None
    ends_at: AwareDatetime
    by: str = "api"
    comment: str = ""
    everything: bool = False


class ExpireSilenceRequest(BaseModel):
    """Asks alerting to end a silence now."""

    silence_id: str
    by: str = "api"


class TestChannelRequest(BaseModel):
    """Asks alerting to send a test; the reply has `outcome`, `http_status`, `detail`, `latency_s`."""

    name: str


class DeadLetter(BaseModel):
    """At most 64 KiB of a body nobody can process; the headers say why, and where it came from."""


_CHANNELS: tuple[tuple[str, type[BaseModel], str], ...] = (
    (f"{METRICS_PREFIX}.{{kind}}.{{group}}.{{source}}", MetricsBatch, "All series of a source at a moment"),
    (f"{ALERTS_PREFIX}.{{rule}}.{{source}}", AlertTransition, "One transition of one alert"),
    (f"{LOADTESTS_PREFIX}.{{run_id}}.{{event}}", LoadTestEvent, "A load test starts, goes on, ends"),
    (f"{DEAD_PREFIX}.{{service}}", DeadLetter, "What nobody can process"),
    (f"{SERVICES_PREFIX}.{{service}}.{{instance}}", ServiceAnnouncement, "An instance says it is there"),
    (rpc_subject("loadgen", "run"), LoadTestRequest, "Run a load test (request and reply)"),
    (rpc_subject("alerting", "resolve"), ResolveRequest, "Resolve an alert by hand (request and reply)"),
    (
        rpc_subject("alerting", "create_silence"),
        CreateSilenceRequest,
        "Hold messages back (request and reply)",
    ),
    (rpc_subject("alerting", "expire_silence"), ExpireSilenceRequest, "End a silence (request and reply)"),
    (rpc_subject("alerting", "test_channel"), TestChannelRequest, "Test a channel (request and reply)"),
)


def document() -> dict[str, Any]:
    """Return the document, ready for JSON."""
    broker = NatsBroker("nats://127.0.0.1:4222")
    for subject, model, description in _CHANNELS:
        broker.subscriber(subject, title=model.__name__, description=description)(_reads(model))
    specification = AsyncAPI(
        broker, title="Atalaia", version=__version__, description="Events of the platform, on NATS"
    )
    found: dict[str, Any] = specification.to_specification().to_jsonable()
    return found


def _reads(model: type[BaseModel]) -> Callable[..., Awaitable[None]]:
    async def read(message: BaseModel) -> None:
        return None

    read.__annotations__["message"] = model
    read.__name__ = model.__name__
    return read
