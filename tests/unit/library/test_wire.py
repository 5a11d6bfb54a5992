"""What a server sends is taken apart as nats-py does it, however it arrives."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import nats.errors
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.protocol.parser import Parser

from atalaia.broker.raw import Raw
from atalaia.broker.wire import WireParser, head_of, published

subjects = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=8).map(str.encode)
bodies = st.binary(max_size=40) | st.sampled_from(
    (b"\r\n", b"PING\r\n", b"MSG a 1 2\r\nxx\r\n", b"x" * 70_000)
)
heads = st.lists(st.tuples(subjects, subjects), max_size=2).map(
    lambda given: b"NATS/1.0\r\n" + b"".join(b"%s: %s\r\n" % pair for pair in given) + b"\r\n"
)


def message(subject: bytes, number: int, reply: bytes | None, head: bytes | None, body: bytes) -> bytes:
    words = [b"MSG" if head is None else b"HMSG", subject, b"%d" % number]
    if reply is not None:
        words.append(reply)
    if head is not None:
        words.append(b"%d" % len(head))
    size = len(head or b"") + len(body)
    return b" ".join([*words, b"%d" % size]) + b"\r\n" + (head or b"") + body + b"\r\n"


messages = st.builds(
    message, subjects, st.integers(1, 10**6), st.none() | subjects, st.none() | heads, bodies
)
others = st.sampled_from(
    (b"PING\r\n", b"PONG\r\n", b"+OK\r\n", b'INFO {"server_id":"A"}\r\n', b"-ERR 'Slow Consumer'\r\n")
)


class Heard:
    """Stands in for a connection: it remembers what the parser told it."""

    def __init__(self) -> None:
        self.said: list[tuple[Any, ...]] = []

    async def _process_msg(self, *said: Any) -> None:
        self.said.append(("message", *said))

    async def _process_err(self, said: str) -> None:
        self.said.append(("error", said))

    async def _process_info(self, said: dict[str, Any]) -> None:
        self.said.append(("info", said))

    async def _process_ping(self) -> None:
        self.said.append(("ping",))

    async def _process_pong(self) -> None:
        self.said.append(("pong",))


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    at = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[begin:end] for begin, end in pairwise(at)]


@given(st.lists(messages | others, max_size=8), st.lists(st.integers(0, 10**6), max_size=8))
async def test_it_finds_what_nats_py_finds(sent: list[bytes], cuts: list[int]) -> None:
    found, wanted = Heard(), Heard()
    ours, theirs = WireParser(found), Parser(wanted)
    for piece in pieces(b"".join(sent), cuts):
        await ours.parse(piece)
        await theirs.parse(piece)
    assert found.said == wanted.said


@pytest.mark.parametrize(
    "line",
    [b"MSG a 1\r\n", b"MSG a b 1\r\n", b"HMSG a 1 x 5\r\n", b"MSG a 1 b c 5\r\n", b"\r\n", b"WHAT\r\n"],
)
async def test_what_is_no_protocol_is_refused(line: bytes) -> None:
    with pytest.raises(nats.errors.ProtocolError):
        await WireParser(Heard()).parse(line)


async def test_what_came_before_a_reset_is_forgotten() -> None:
    heard = Heard()
    parser = WireParser(heard)
    await parser.parse(b"MSG a 1 5\r\nhel")
    parser.reset()
    await parser.parse(b"PING\r\n")
    assert heard.said == [("ping",)]


async def test_nothing_is_taken_from_a_connection_that_was_given_up_in_the_middle() -> None:
    heard = Heard()
    parser = WireParser(heard)

    async def give_up(said: str) -> None:
        parser.reset()

    heard._process_err = give_up  # type: ignore[method-assign]
    await parser.parse(b"-ERR 'Stale Connection'\r\nMSG a 1 2\r\nhi\r\nMSG a 1 2\r\nh")
    await parser.parse(b"PING\r\n")
    assert heard.said == [("ping",)]


words = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=":"), min_size=1)
lines = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])).map(str.strip)


@given(words, words, st.dictionaries(words, lines, max_size=3), bodies)
async def test_what_is_published_is_a_message(
    subject: str, reply: str, headers: dict[str, str], body: bytes
) -> None:
    """The command is read back as a server would pass it on: with a subscription in place of nothing."""
    command = published(subject, reply, head_of(headers), body)
    assert command.startswith(b"HPUB ")
    words = command.partition(b"\r\n")[0].split()
    passed_on = b" ".join([b"HMSG", words[1], b"1", *words[2:]]) + command[command.index(b"\r\n") :]
    heard = Heard()
    await WireParser(heard).parse(passed_on)
    ((_, number, to, back, said, head),) = heard.said
    assert (number, to, back, said) == (1, subject.encode(), reply.encode(), body)
    assert Raw(to, back, head, said).headers() == headers


@given(st.dictionaries(words, lines, max_size=4), words)
def test_one_header_is_read_as_all_of_them_are(headers: dict[str, str], other: str) -> None:
    message = Raw(b"a", b"", head_of(headers), b"")
    for name in [*headers, other]:
        assert message.header(name) == message.headers().get(name, "")


def test_without_a_head_there_is_no_header() -> None:
    assert Raw(b"a", b"", b"", b"N: 1").header("N") == ""


@pytest.mark.parametrize("wrong", [{"a": "b\r\nc: d"}, {"a\n": "b"}, {"a": "\r"}])
def test_a_header_is_one_line(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="not one line"):
        head_of(wrong)


@pytest.mark.parametrize(("subject", "reply"), [("a b", "c"), ("", "c"), ("a", ""), ("a\r\nPING", "c")])
def test_a_subject_is_one_word(subject: str, reply: str) -> None:
    with pytest.raises(ValueError, match="not subjects"):
        published(subject, reply, head_of({}), b"")
