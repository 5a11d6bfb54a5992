"""What a load test says while it runs."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict


class LoadTestEvent(BaseModel):
    """One message on `atalaia.loadtests.<run_id>.<event>`; `result` and `window` have CONTRACT fields."""

    model_config = ConfigDict(extra="allow")

    run_id: str
    event: Literal["started", "window", "finished"]
    at: AwareDatetime
    target: str = ""
    result: dict[str, Any] = {}
    window: dict[str, Any] = {}
