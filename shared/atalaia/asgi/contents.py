"""What a report holds beside the requests: the process, the event loop, the application's own series."""

from __future__ import annotations

import math
import os
import platform
import socket
from asyncio import AbstractEventLoop
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from atalaia import __version__
from atalaia import log as _log
from atalaia.asgi.process import LoopLag, ProcessReadings
from atalaia.asgi.recorder import Recorder
from atalaia.asgi.settings import AppSettings
from atalaia.clock import Clock
from atalaia.errors import Invalid
from atalaia.events.series import parse

Ask: TypeAlias = Callable[[], Mapping[str, float]]  # {series: value}, of now
_log_ = _log.get("asgi")


@dataclass(frozen=True, slots=True)
class Reported:
    """What is reported, and how. `gauges` and `counters` are the application's own, asked for each time."""

    service: str
    settings: AppSettings
    recorder: Recorder
    clock: Clock
    gauges: Sequence[Ask] = ()
    counters: Sequence[Ask] = ()


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
            **self._asked(self._reported.gauges),
            **self._reported.recorder.gauges(),
            **self._readings.gauges(),
            "process.runtime.event_loop.lag": self._lag.take(),
        }

    def counters(self) -> dict[str, float]:
        return {
            **self._asked(self._reported.counters),
            **self._readings.counters(),
            "atalaia.app.intervals_merged": float(self.merged),
            "atalaia.app.messages_refused": float(self.refused),
        }

    def close(self) -> None:
        self._lag.stop()

    def _asked(self, sources: Sequence[Ask]) -> dict[str, float]:
        """Return the application's own series: spelt right and finite, or left out and said once."""
        found: dict[str, float] = {}
        for ask in sources:
            try:
                found.update(_checked(ask()))
            except Exception as error:  # noqa: BLE001  # somebody else's code: it must not end the reports
                if not self._complained:
                    self._complained = True
                    _log_.warning("series_left_out", error=repr(error))
        return found


def _checked(values: Mapping[str, float]) -> dict[str, float]:
    for series, value in values.items():
        parse(series)
        if not math.isfinite(value):
            raise Invalid(f"{series} is {value}", field=series)
    return dict(values)
