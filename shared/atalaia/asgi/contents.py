"""What a report holds beside the requests: the process, the event loop, the application's own series."""

from __future__ import annotations

import math
import os
import platform
import socket
from asyncio import AbstractEventLoop
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from atalaia import __version__
from atalaia import log as _log
from atalaia.asgi.process import LoopLag, ProcessReadings
from atalaia.asgi.recorder import Recorder
from atalaia.asgi.settings import AppSettings
from atalaia.clock import Clock
from atalaia.errors import Invalid
from atalaia.events.metrics import HistogramDelta
from atalaia.events.series import parse

_log_ = _log.get("asgi")
V = TypeVar("V")


class Meter(Protocol):
    """Something of the application's that has series of its own: asked at each message, {series: value}.

    It may have `histograms()` too, as {series: HistogramDelta}: the events since it was asked before.
    """

    def gauges(self) -> Mapping[str, float]: ...

    def counters(self) -> Mapping[str, float]:
        """Return values that only grow."""


@dataclass(frozen=True, slots=True)
class Reported:
    """What is reported, and how."""

    service: str
    settings: AppSettings
    recorder: Recorder
    clock: Clock
    meters: Sequence[Meter] = ()


class Contents:
    """`merged`: intervals without a message of their own. `refused`: messages too large for the broker."""

    def __init__(self, reported: Reported, loop: AbstractEventLoop, source: str) -> None:
        self._reported = reported
        self._readings, self._lag = ProcessReadings(), LoopLag(loop)
        self._complained = False
        self.merged = self.refused = 0
        self.resource = {
            "service.name": reported.service,
            "service.instance.id": source,
            "host.name": socket.gethostname(),
            "process.pid": str(os.getpid()),
            "process.runtime.name": platform.python_implementation().lower(),
            "process.runtime.version": platform.python_version(),
            "telemetry.sdk.name": "atalaia",
            "telemetry.sdk.version": __version__,
        }

    def gauges(self) -> dict[str, float]:
        return {
            **self._asked([meter.gauges for meter in self._reported.meters], _finite),
            **self._reported.recorder.gauges(),
            **self._readings.gauges(),
            "process.runtime.event_loop.lag": self._lag.take(),
        }

    def counters(self) -> dict[str, float]:
        return {
            **self._asked([meter.counters for meter in self._reported.meters], _finite),
            **self._readings.counters(),
            "atalaia.app.intervals_merged": float(self.merged),
            "atalaia.app.messages_refused": float(self.refused),
        }

    def histograms(self) -> dict[str, HistogramDelta]:
        """Return what meters recorded since the last call."""
        asks = (getattr(meter, "histograms", None) for meter in self._reported.meters)
        return self._asked([ask for ask in asks if ask is not None], HistogramDelta.model_validate)

    def close(self) -> None:
        self._lag.stop()

    def _asked(
        self, asks: Sequence[Callable[[], Mapping[str, object]]], check: Callable[[object], V]
    ) -> dict[str, V]:
        """Return the application's own series; what is not right is left out, and said once."""
        found: dict[str, V] = {}
        for ask in asks:
            try:
                for series, value in ask().items():
                    parse(series)
                    found[series] = check(value)
            except Exception as error:  # noqa: BLE001  # somebody else's code: it must not end the reports
                if not self._complained:
                    self._complained = True
                    _log_.warning("series_left_out", error=repr(error))
        return found


def _finite(value: object) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise Invalid(f"{value!r} is not a finite number")
    return float(value)
