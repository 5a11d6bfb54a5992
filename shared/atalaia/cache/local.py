"""The tier in front of Redis: this process's own, bounded in entries, bytes and seconds."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from atalaia.cache.patterns import Pattern, Reach

MOST_CUTS = 1000
OVERHEAD_BYTES = 300  # about, of one entry beside its key and payload


@dataclass(frozen=True, slots=True)
class Kept:
    """A payload, good until `dead_at_s`; from `fresh_until_s` on somebody should look for a newer one."""

    payload: bytes
    fresh_until_s: float
    dead_at_s: float
    labels: tuple[str, ...]
    number: int


class LocalTier:
    """Least recently used goes first. Mutable, one owner; `now_s` is any monotonic clock's."""

    def __init__(self, *, most_entries: int, most_bytes: int) -> None:
        self._most_entries, self._most_bytes = most_entries, most_bytes
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._number = 0
        self._cuts: dict[str, int] = {}  # label: what was kept up to this number is gone
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: str, now_s: float) -> Kept | None:
        kept = self._kept.get(key)
        if kept is None:
            return None
        cuts = self._cuts
        if now_s >= kept.dead_at_s or (cuts and any(kept.number <= cuts.get(one, 0) for one in kept.labels)):
            self._remove(key)
            return None
        self._kept.move_to_end(key)
        return kept

    def put(
        self, key: str, payload: bytes, *, labels: tuple[str, ...], fresh_until_s: float, dead_at_s: float
    ) -> None:
        self._remove(key)
        self._number += 1
        self._kept[key] = Kept(payload, fresh_until_s, dead_at_s, labels, self._number)
        self.size_bytes += _size(key, payload)
        while self._kept and (len(self._kept) > self._most_entries or self.size_bytes > self._most_bytes):
            self._remove(next(iter(self._kept)))

    def drop(self, pattern: Pattern) -> None:
        """Forget what the pattern means. A label costs the same however many keys it has."""
        if pattern.reach is Reach.LABEL:
            if len(self._cuts) >= MOST_CUTS:
                self.clear()  # labels are few, unless data has got into them
            self._cuts[pattern.label] = self._number
        elif pattern.reach is Reach.KEY:
            self._remove(pattern.text)
        else:
            for key in [key for key in self._kept if pattern.may_mean(key)]:
                self._remove(key)

    def clear(self) -> None:
        self._kept.clear()
        self._cuts.clear()
        self.size_bytes = 0

    def _remove(self, key: str) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self.size_bytes -= _size(key, kept.payload)


def _size(key: str, payload: bytes) -> int:
    return len(key) + len(payload) + OVERHEAD_BYTES
