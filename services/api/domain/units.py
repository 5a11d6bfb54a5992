"""Units of the metrics we know, as OpenTelemetry writes them (UCUM); `1` is a ratio."""

from __future__ import annotations

_EXACT = {
    "system.cpu.utilization": "1",
    "system.cpu.time": "s",
    "system.memory.utilization": "1",
    "system.memory.usage": "By",
    "system.paging.utilization": "1",
    "system.filesystem.utilization": "1",
    "system.filesystem.usage": "By",
    "system.disk.io": "By",
    "system.network.io": "By",
    "system.uptime": "s",
    "process.cpu.utilization": "1",
    "process.cpu.time": "s",
    "process.memory.usage": "By",
    "process.memory.virtual": "By",
    "process.uptime": "s",
    "http.server.request.duration": "s",
    "http.server.request.body.size": "By",
    "http.server.response.body.size": "By",
    "container.cpu.usage": "{cpu}",
    "container.cpu.limit": "{cpu}",
    "container.cpu.throttling_data.throttled_time": "s",
    "container.memory.usage": "By",
    "container.memory.limit": "By",
    "container.memory.working_set": "By",
    "container.memory.rss": "By",
    "db.client.connection.wait_time": "s",
}
_ENDINGS = (
    (".utilization", "1"),
    (".ratio", "1"),
    (".duration", "s"),
    (".time", "s"),
    (".io", "By"),
    (".size", "By"),
    (".bytes", "By"),
)


def unit_of(metric: str) -> str | None:
    """Return the unit of a metric, None where it is unknown."""
    if metric in _EXACT:
        return _EXACT[metric]
    return next((unit for ending, unit in _ENDINGS if metric.endswith(ending)), None)
