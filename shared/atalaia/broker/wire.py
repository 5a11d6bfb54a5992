"""The protocol: what a server sends is taken apart, what it is sent is put together."""

from __future__ import annotations

from collections.abc import Mapping

import nats.errors
from nats.protocol.parser import Parser

_END = b"\r\n"
_HEAD = "NATS/1.0\r\n"


class WireParser(Parser):
    """Finds the same messages as nats-py's parser, at a third of the price.

    That one matches patterns against a buffer whose beginning it deletes, twice for each message.
    """

    _rest = b""
    _resets = 0

    def reset(self) -> None:
        super().reset()
        self._rest = b""
        self._resets += 1

    async def parse(self, data: bytes = b"") -> None:
        """Hand over whole messages; keep what is not whole until the rest of it comes.

        Raises:
            ProtocolError: it is not what a server says.
        """
        data = self._rest + data if self._rest else bytes(data)
        self._rest = b""
        at, resets = 0, self._resets
        while (end := data.find(_END, at)) >= 0:
            words = data[at:end].split()
            if not words or words[0] not in (b"MSG", b"HMSG"):
                line, at = data[at : end + 2], end + 2
                await super().parse(line)
            else:
                begin, headed = end + 2, words[0] == b"HMSG"
                reply, number, size, head = _said(words, headed)
                after = begin + size
                if after + 2 > len(data):
                    break
                at, middle = after + 2, begin + head
                body, before = data[middle:after], data[begin:middle] or None
                await self.nc._process_msg(number, words[1], reply, body, before)
            if self._resets != resets:
                return  # the connection is given up, and with it what else it said
        self._rest = data[at:]


def _said(words: list[bytes], headed: bool) -> tuple[bytes, int, int, int]:
    """Return (reply subject, subscription, size, size of the headers in it)."""
    if len(words) - headed not in (4, 5):
        raise nats.errors.ProtocolError("nats: malformed MSG")
    try:
        head = int(words[-2]) if headed else 0
        return words[3] if len(words) - headed == 5 else b"", int(words[2]), int(words[-1]), head
    except ValueError as error:
        raise nats.errors.ProtocolError("nats: malformed MSG") from error


def head_of(headers: Mapping[str, str]) -> bytes:
    """Return the section of a message that holds its headers; each is one word and one line.

    Raises:
        ValueError: one is not.
    """
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    head = f"{_HEAD}{''.join(lines)}\r\n"
    if not head.count("\r") == head.count("\n") == len(headers) + 2:
        raise ValueError(f"a header is not one line: {dict(headers)!r}")
    return head.encode()


def published(subject: str, reply: str, head: bytes, body: bytes) -> bytes:
    """Return the command that publishes a message.

    Raises:
        ValueError: a subject is not one word.
    """
    line = f"HPUB {subject} {reply} {len(head)} {len(head) + len(body)}\r\n"
    if len(line.split()) != 5:
        raise ValueError(f"not subjects: {subject!r}, {reply!r}")
    return b"".join((line.encode(), head, body, _END))
