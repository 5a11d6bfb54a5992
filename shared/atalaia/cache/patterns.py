"""Which keys an invalidation means, and what it takes to reach them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from atalaia.cache.keys import DIGEST, SHOWN, cut

_GLOB = re.compile(r"[*?\[\\]")
_FIRST = re.compile(r"[^:]*:[^:]*:")  # namespace and name, before the arguments


class Reach(Enum):
    """By cost: one key and one label take one command each; a walk goes over every key there is."""

    KEY = "key"
    LABEL = "label"
    WALK = "walk"


@dataclass(frozen=True, slots=True)
class Pattern:
    """What `text` reaches: `users:get_user:42` a key, `users:*` a label, `users:*:42` takes a walk."""

    text: str
    reach: Reach
    start: str  # what every key meant begins with

    def may_mean(self, key: str) -> bool:
        """Return whether the key is meant; where it takes a walk, perhaps more than are."""
        return key == self.start if self.reach is Reach.KEY else key.startswith(self.start)

    @property
    def label(self) -> str:
        return self.start.removesuffix(":")

    @property
    def globs(self) -> tuple[str, str]:
        """Return what a walk is to remove: what matches, and keys that are cut, for they hide whether."""
        return self.text, f"{self.start}*~{'?' * DIGEST}"


def pattern(text: str) -> Pattern:
    """Read a pattern in Redis' form: * ? [abc] and a backslash that takes their meaning away."""
    glob = _GLOB.search(text)
    first = _FIRST.match(text)
    arguments = first.end() if first else len(text)
    if glob is None:
        text = text[:arguments] + cut(text[arguments:])
        return Pattern(text, Reach.KEY, text)
    start = text[: min(glob.start(), arguments + SHOWN)]
    if text == f"{start}*" and start.endswith(":") and 1 <= start.count(":") <= 2:
        return Pattern(text, Reach.LABEL, start)
    return Pattern(text, Reach.WALK, start)


def widened(patterns: Iterable[Pattern]) -> list[Pattern]:
    """Return few patterns that mean at least the same keys: those of whole namespaces."""
    spaces = {one.start.partition(":")[0] if ":" in one.start else "" for one in patterns}
    return [pattern("*")] if "" in spaces else [pattern(f"{space}:*") for space in sorted(spaces)]
