"""An application with the middleware in it, called in this process; what was recorded, as a picture."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import httpx

from atalaia.asgi.exchange import Message
from atalaia.asgi.frameworks import install
from atalaia.asgi.recorder import DURATION, ERROR, METHOD, ROUTE, STATUS, Recorder
from atalaia.events.series import parse
from atalaia.stats import Histogram

Seen = dict[tuple[str, str, str, str | None], int]


class Nothing:
    """A reporter that reports to nobody, and remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def start(self) -> None:
        self.told.append("start")

    async def stop(self) -> None:
        self.told.append("stop")


class Measured:
    """`recorder` is the application's; `seen` is what it counted since the last look."""

    def __init__(self, app: Any, *, most_series: int = 200) -> None:
        self.recorder = Recorder(most_series)
        self.reporter = Nothing()
        self.app = install(app, self.recorder, self.reporter)  # type: ignore[arg-type]

    async def get(self, *paths: str, method: str = "GET", root_path: str = "", **more: Any) -> list[int]:
        """Ask for each path and return the statuses; an error of the application's is a 500."""
        transport = httpx.ASGITransport(self.app, root_path=root_path, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return [(await client.request(method, path, **more)).status_code for path in paths]

    def seen(self) -> Seen:
        return requests_in(self.recorder.take())

    def histogram(self, metric: str) -> Histogram:
        """Return the one histogram of a metric since the last look."""
        (found,) = [one for series, one in self.recorder.take().items() if parse(series)[0] == metric]
        return found


def requests_in(taken: dict[str, Histogram]) -> Seen:
    """Return {(method, route, status, error): requests}."""
    found: Seen = {}
    for series, histogram in taken.items():
        name, pairs = parse(series)
        labels = dict(pairs)
        if name == DURATION:
            key = (labels[METHOD], labels[ROUTE], labels[STATUS], labels.get(ERROR))
            found[key] = histogram.count
    return found


class Wire:
    """A server's side of one exchange, message by message. `sent` is what the application sent."""

    def __init__(self, *received: Message, refuses_after: int | None = None) -> None:
        self._received = iter(received)
        self._refuses_after = refuses_after
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        return next(self._received, {"type": "http.disconnect"})

    async def send(self, message: Message) -> None:
        if self._refuses_after is not None and len(self.sent) >= self._refuses_after:
            raise OSError("the client is gone")
        self.sent.append(message)


def scope(path: str = "/", method: str = "GET", type: str = "http", **more: Any) -> dict[str, Any]:
    return {
        "type": type,
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"test")],
        "scheme": "http" if type == "http" else "ws",
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 1),
        "subprotocols": [],
        **more,
    }


def body(*chunks: bytes) -> Iterable[Message]:
    """Return the messages of a request's body."""
    last = len(chunks) - 1
    return (
        {"type": "http.request", "body": chunk, "more_body": position < last}
        for position, chunk in enumerate(chunks)
    )
