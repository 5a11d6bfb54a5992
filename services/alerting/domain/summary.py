"""What an alert says of itself: templates with `{source}`, `{value:percent}` and the like."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
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


@dataclass(slots=True)
class Told:
    """What a template may speak of: what its rule says, and an alert. Only what it names is worked out."""

    rule: Rule
    source: str
    kind: str
    group: str
    series: str
    severity: Severity
    value: float
    started_at: datetime

    def __getitem__(self, name: str) -> object:
        return _NAMES[name](self)


_NAMES: dict[str, Callable[[Told], object]] = {
    "rule": lambda about: about.rule.name,
    "metric": lambda about: about.rule.metric,
    "source": lambda about: about.source,
    "kind": lambda about: about.kind,
    "group": lambda about: about.group,
    "series": lambda about: about.series,
    "severity": lambda about: about.severity.value,
    "value": lambda about: Shown(about.value),
    "threshold": lambda about: Shown(about.rule.threshold(about.severity)),
    "for": lambda about: _duration(about.rule.for_s),
    "started_at": lambda about: iso(about.started_at),
    "labels": lambda about: defaultdict(str, parse(about.series)[1]),
}


def told(template: str, about: Told) -> str:
    """Return a template, filled in. Raises ValueError, KeyError or the like on a wrong one."""
    return template.format_map(about) if template else ""


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
