"""What an alert says of itself: templates with `{source}`, `{value:percent}` and the like."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from atalaia.events.alerts import Severity
from atalaia.events.instants import iso
from atalaia.events.series import parse
from services.alerting.domain.rules import Rule


class Shown(float):
    """A number that knows how people read it: `percent`, `duration`, `bytes`, or any format of Python's."""

    def __format__(self, spec: str) -> str:
        match spec:
            case "":
                return f"{float(self):.4g}"
            case "percent":
                return f"{float(self) * 100:.4g} %"
            case "duration":
                return _duration(float(self))
            case "bytes":
                return _bytes(float(self))
            case _:
                return format(float(self), spec)


@dataclass(frozen=True, slots=True)
class Told:
    """What a template may speak of, beside its rule."""

    source: str
    kind: str
    group: str
    series: str
    severity: Severity
    value: float
    started_at: datetime


def told(template: str, rule: Rule, about: Told) -> str:
    """Return a template, filled in. Raises ValueError, KeyError or the like on a wrong one."""
    if not template:
        return ""
    return template.format_map(
        {
            "rule": rule.name,
            "metric": rule.metric,
            "source": about.source,
            "kind": about.kind,
            "group": about.group,
            "series": about.series,
            "severity": about.severity.value,
            "value": Shown(about.value),
            "threshold": Shown(rule.threshold(about.severity)),
            "for": _duration(rule.for_s),
            "started_at": iso(about.started_at),
            "labels": defaultdict(str, parse(about.series)[1]),
        }
    )


def _duration(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.4g} ms"
    if seconds < 60:
        return f"{seconds:.4g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{hours} h" if hours else "", f"{minutes} min" if minutes else "", f"{rest} s" if rest else ""]
    return " ".join(part for part in parts if part)


def _bytes(size: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(size) < 1024 or unit == "TiB":
            return f"{size:.4g} {unit}"
        size /= 1024
    return ""
