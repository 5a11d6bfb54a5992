"""What an alert says of itself: templates with `{source}`, `{value:percent}` and the like."""

from __future__ import annotations

from collections import defaultdict

from atalaia.events.alerts import Severity
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


def summary(
    rule: Rule, *, source: str, kind: str, group: str, series: str, severity: Severity, value: float
) -> str:
    """Return the rule's summary, filled in. Raises ValueError, KeyError or the like on a wrong template."""
    labels = defaultdict(str, parse(series)[1])
    return rule.summary.format_map(
        {
            "rule": rule.name,
            "source": source,
            "kind": kind,
            "group": group,
            "series": series,
            "severity": severity.value,
            "value": Shown(value),
            "threshold": Shown(rule.threshold(severity)),
            "for": _duration(rule.for_s),
            "labels": labels,
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
