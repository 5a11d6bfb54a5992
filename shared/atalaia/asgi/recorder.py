"""What one process counts of its requests: a bounded number of histograms by route, method and status."""

from __future__ import annotations

from atalaia.events.series import spell
from atalaia.stats import Histogram

DURATION = "http.server.request.duration"
REQUEST_SIZE = "http.server.request.body.size"
RESPONSE_SIZE = "http.server.response.body.size"
ACTIVE = "http.server.active_requests"
CONNECTION = "websocket.server.connection.duration"
CONNECTED = "websocket.server.active_connections"
METHOD, ROUTE = "http.request.method", "http.route"
STATUS, ERROR = "http.response.status_code", "error.type"

UNMATCHED = "_unmatched"
OTHER_ROUTE = "_other"
OTHER_METHOD = "_OTHER"  # the convention's name for a method it does not know
METHODS = {
    name: name
    for name in ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY")
}
# kept back from the limit: the process's own series, requests in flight by method, and `_other` itself
RESERVED = 50


class _Cell:
    """Where requests of one route, method, status and error are recorded."""

    __slots__ = ("duration", "request_size", "response_size")

    def __init__(self, duration: Histogram, request_size: Histogram, response_size: Histogram) -> None:
        self.duration = duration
        self.request_size = request_size
        self.response_size = response_size


class Recorder:
    """Mutable, one owner: the event loop. Memory depends on `most_series` alone."""

    def __init__(self, most_series: int) -> None:
        self._room = most_series - RESERVED
        self._cells: dict[tuple[str, str | None, int, str | None], _Cell] = {}
        self._connections: dict[tuple[str | None, str | None], Histogram] = {}
        self._histograms: dict[str, Histogram] = {}
        self.active: dict[str, int] = {}
        self.connected = 0

    def request(
        self,
        method: str,
        route: str | None,
        status: int,
        error: str | None,
        duration_s: float,
        request_bytes: int,
        response_bytes: int,
    ) -> None:
        """Count one request. `method` is a known one or `_OTHER`, `route` a template or None: no match."""
        cell = self._cells.get((method, route, status, error))
        if cell is None:
            cell = self._cell(method, route, status, error)
        cell.duration.record(duration_s)
        cell.request_size.record(request_bytes)
        cell.response_size.record(response_bytes)

    def connection(self, route: str | None, error: str | None, duration_s: float) -> None:
        """Count one WebSocket connection that has ended."""
        histogram = self._connections.get((route, error))
        if histogram is None:
            histogram = self._connection(route, error)
        histogram.record(duration_s)

    def take(self) -> dict[str, Histogram]:
        """Return what was recorded since the last call, by series; those without events are left out."""
        return {series: one.take() for series, one in self._histograms.items() if one.count}

    def gauges(self) -> dict[str, float]:
        """Return what is in flight."""
        values = {spell(ACTIVE, {METHOD: method}): float(count) for method, count in self.active.items()}
        if self._connections or self.connected:
            values[CONNECTED] = float(self.connected)
        return values

    def _cell(self, method: str, route: str | None, status: int, error: str | None) -> _Cell:
        labels = {METHOD: method, ROUTE: UNMATCHED if route is None else route}
        answer = {STATUS: str(status)} | ({ERROR: error} if error else {})
        wanted = _names(labels, answer)
        new = sum(series not in self._histograms for series in wanted)
        if new > self._room:
            # not remembered under its own key: there is no end to those
            labels = {METHOD: OTHER_METHOD, ROUTE: OTHER_ROUTE}
            return _Cell(*map(self._histogram, _names(labels, {STATUS: _class_of(status)})))
        self._room -= new
        cell = _Cell(*map(self._histogram, wanted))
        self._cells[method, route, status, error] = cell
        return cell

    def _connection(self, route: str | None, error: str | None) -> Histogram:
        labels = {ROUTE: UNMATCHED if route is None else route} | ({ERROR: error} if error else {})
        series = spell(CONNECTION, labels)
        if series not in self._histograms:
            if self._room < 1:
                return self._histogram(spell(CONNECTION, {ROUTE: OTHER_ROUTE}))
            self._room -= 1
        histogram = self._connections[route, error] = self._histogram(series)
        return histogram

    def _histogram(self, series: str) -> Histogram:
        return self._histograms.setdefault(series, Histogram())


def _names(labels: dict[str, str], answer: dict[str, str]) -> tuple[str, str, str]:
    # sizes are not told apart by status: that would double the series, for little
    return spell(DURATION, labels | answer), spell(REQUEST_SIZE, labels), spell(RESPONSE_SIZE, labels)


def _class_of(status: int) -> str:
    """Return `5xx` for 503: what is left of a status under `_other`, still seen by rules on `5..`."""
    return f"{min(9, status // 100)}xx"
