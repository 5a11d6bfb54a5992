"""A message as it came over the wire, for readers that need little of it."""

from __future__ import annotations

from typing import NamedTuple

_PROTOCOL = b"NATS/1.0"


class Raw(NamedTuple):
    """One message, nothing of it decoded. `head`: its status line and headers; empty where it has neither."""

    subject: bytes
    reply: bytes
    head: bytes
    body: bytes

    @property
    def status(self) -> str:
        """Return the broker's status, such as "404"; "" for somebody's message."""
        return self._status_line()[:3]

    @property
    def description(self) -> str:
        """Return what the broker says beside its status."""
        return self._status_line()[4:]

    def headers(self) -> dict[str, str]:
        return header_lines(self.head.partition(b"\r\n")[2])

    def header(self, name: str) -> str:
        """Return one of the `headers`, "" where there is none: at a fraction of the price of all of them."""
        _, there, after = self.head.rpartition(f"\r\n{name}:".encode())  # of several, the last one counts
        return after.partition(b"\r\n")[0].strip().decode("utf-8", "replace") if there else ""

    def _status_line(self) -> str:
        first = self.head.partition(b"\r\n")[0]
        return first.removeprefix(_PROTOCOL).strip().decode("utf-8", "replace")


def header_lines(raw: bytes) -> dict[str, str]:
    """Return the headers in some lines of `name: value`; what is no header is left out."""
    found = {}
    for line in raw.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        words = name.split()
        if colon and len(words) == 1 and name.isascii():
            found[words[0].decode()] = value.strip().decode("utf-8", "replace")
    return found
