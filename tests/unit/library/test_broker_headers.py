"""Headers are read as nats-py reads them, only faster."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from nats.aio.client import Client

from atalaia.broker import EnduringClient

names = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=":"), min_size=1)
values = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]))
broken = st.sampled_from((b"no colon", b"two words: x", "é: x".encode(), b"", b"raw: \xff\xfe", b"tab:\tx "))


@given(st.lists(st.tuples(names, values)), st.lists(broken))
def test_headers_are_read_as_nats_py_reads_them(given: list[tuple[str, str]], broken: list[bytes]) -> None:
    lines = [f"{name}: {value}".encode() for name, value in given] + broken
    raw = b"\r\n".join([*lines, b"", b""])
    assert EnduringClient._parse_header_lines(raw) == Client._parse_header_lines(raw)
