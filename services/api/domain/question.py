"""What a reader of the live stream asks for, and how far it has come."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from atalaia.errors import Invalid

# each topic's letter in an event's id
LETTERS = {"health": "h", "alerts": "a", "metrics": "m", "points": "p", "performance": "e", "loadtests": "l"}
UNLESS_TOLD = tuple(topic for topic in LETTERS if topic != "points")
_ID = re.compile(r"([0-9a-z]{1,16})\.([0-9a-f]{1,8})\.([0-9a-f]{8})((?:\.[a-z][0-9]{1,18}){0,6})")


@dataclass(frozen=True, slots=True)
class Sources:
    """Which sources; None: any."""

    source: str | None = None
    kind: str | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """Topics in a fixed order; the rest is for `metrics` and `points`."""

    topics: tuple[str, ...]
    sources: Sources = Sources()
    name: str | None = None
    metrics: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    points_as: str = "rate"

    @property
    def mark(self) -> str:
        """Return a short mark that other questions do not have."""
        return f"{zlib.crc32(repr(self).encode()):08x}"


@dataclass(frozen=True, slots=True)
class Place:
    """How far a reader has come, by topic. `gateway` and `stream` gave the numbers their meaning."""

    gateway: str
    stream: str
    mark: str
    reached: Mapping[str, int]

    def spelt(self) -> str:
        """Return it as an event's id."""
        numbers = "".join(f".{LETTERS[topic]}{number}" for topic, number in self.reached.items())
        return f"{self.gateway}.{self.stream}.{self.mark}{numbers}"

    @classmethod
    def read(cls, text: str) -> Place | None:
        """Return the place that an id stands for; None where it is none of ours."""
        found = _ID.fullmatch(text)
        if found is None:
            return None
        topics = {letter: topic for topic, letter in LETTERS.items()}
        numbers = [part for part in found[4].split(".") if part and part[0] in topics]
        reached = {topics[part[0]]: int(part[1:]) for part in numbers}
        return cls(found[1], found[2], found[3], reached)


def topics_of(text: str | None) -> tuple[str, ...]:
    """Return the topics of a comma-separated list.

    Raises:
        Invalid: one of them is none.
    """
    if text is None:
        return UNLESS_TOLD
    asked = [one.strip() for one in text.split(",")]
    for one in asked:
        if one not in LETTERS:
            raise Invalid(f"no topic {one!r}; there are {', '.join(LETTERS)}", field="topics")
    return tuple(topic for topic in LETTERS if topic in asked)


def labels_of(texts: list[str]) -> tuple[tuple[str, str], ...]:
    """Return the (key, value) of each `key=value`.

    Raises:
        Invalid: one is spelt otherwise.
    """
    pairs = []
    for text in texts:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise Invalid(f"{text!r} is no key=value", field="label")
        pairs.append((key, value))
    return tuple(sorted(pairs))
