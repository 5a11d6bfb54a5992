"""What a load test says while it runs, and how one is asked for."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

_COMPARED = r" *(<=|>=|<|>) *"
_TIME = r"((response|service|latency)\.)?(p[1-9][0-9]?(\.[0-9]{1,3})?|avg|min|max)"
_SLO = (
    rf"^({_TIME}{_COMPARED}[0-9]{{1,9}}(\.[0-9]{{1,9}})? *(us|ms|s)"
    rf"|(error_rate|success_rate){_COMPARED}[0-9]{{1,3}}(\.[0-9]{{1,9}})? *%"
    rf"|(rate|throughput){_COMPARED}[0-9]{{1,9}}(\.[0-9]{{1,9}})?)"
    r"( +over +[1-9][0-9]{0,3} *s)?$"
)
_PORT = r"(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?"
_URL = rf"^https?://([A-Za-z0-9][A-Za-z0-9.-]{{0,250}}|\[[0-9a-fA-F:]{{2,45}}\]){_PORT}(/[!-~]*)?$"
Expression = Annotated[str, StringConstraints(max_length=100, pattern=_SLO)]


def _only(name: str, **with_it: str) -> dict[str, Any]:
    """Return the schema of one of the three ways to load: that field, and none of the others."""
    others: dict[str, Any] = {
        other: {"type": "null"} for other in ("users", "max_users", "rps") if other != name
    }
    given = {field: {"type": kind} for field, kind in with_it.items()}
    return {"required": list(with_it), "properties": {**others, **given}}


class LoadTestEvent(BaseModel):
    """One message on `atalaia.loadtests.<run_id>.<event>`.

    `started` says what will be done. `window` is one second of all workers: counts, gauges at its
    end, and the histograms of that second alone, whose bucket i of 2048 and more begins at
    (i mod 1024 + 1024) · 2^(i div 1024 − 1) ns, of fewer at i ns. `finished` has the fields of
    `--out json=FILE`.
    """

    model_config = ConfigDict(extra="allow")

    run_id: str
    event: Literal["started", "window", "finished"]
    at: AwareDatetime
    target: str = ""


class LoadTestRequest(BaseModel):
    """A load test to run. Users make it a closed model, `rps` an open one; `max_users` steps up to them.

    Where it may go, how fast and for how long is the load generator's to say, never the request's.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "anyOf": [
                _only("users", users="integer"),
                _only("max_users", max_users="integer"),
                _only("rps", rps="number", duration_s="number"),
            ]
        },
    )

    url: Annotated[str, StringConstraints(max_length=2000, pattern=_URL)] | None = Field(
        None, description="without: the gateway's own health"
    )
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = "GET"
    body: Annotated[str, StringConstraints(max_length=16_384)] = ""
    users: int | None = Field(None, ge=1, le=10_000)
    requests: int | None = Field(
        None, ge=1, le=1_000_000, description="of each user; without a duration_s: 10"
    )
    max_users: int | None = Field(None, ge=1, le=10_000, description="steps 1, 2, 4 … up to these")
    step_s: float = Field(5.0, ge=1, le=600)
    rps: float | None = Field(None, gt=0, le=1_000_000)
    duration_s: float | None = Field(None, gt=0, le=604_800)
    arrival: Literal["constant", "poisson"] = "constant"
    timeout_s: float = Field(10.0, gt=0, le=600)
    slo: Annotated[list[Expression], Field(max_length=20)] = []
    instances: int = Field(1, ge=1, le=64, description="that share the load, as far as there are so many")


def body_of(event: str, run_id: str, at: str, target: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Return the body of one event."""
    return {**fields, "run_id": run_id, "event": event, "at": at, "target": target}
