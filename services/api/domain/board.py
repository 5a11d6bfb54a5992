"""What is known by key and when each of it changed, for readers who come back at any moment."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
REMEMBERED = 1000


class Versions:
    """Numbers that only rise: microseconds, so that a number tells about when, too."""

    def __init__(self) -> None:
        self.newest = 0

    def next(self, now_s: float) -> int:
        self.newest = max(self.newest + 1, int(now_s * 1e6))  # a clock may step back
        return self.newest


@dataclass(frozen=True, slots=True)
class Changes(Generic[K, V]):
    """The newest value of each key that changed, in the order of change, and the keys that are gone."""

    values: list[V]
    gone: list[K]

    def __bool__(self) -> bool:
        return bool(self.values or self.gone)


class Board(Generic[K, V]):
    """Mutable, one owner. Keys in the order of their last change; what is over is remembered for a while."""

    def __init__(self, began: int = 0, remembered: int = REMEMBERED) -> None:
        self._entries: OrderedDict[K, tuple[int, V | None]] = OrderedDict()
        self._over: OrderedDict[K, None] = OrderedDict()
        self._remembered = remembered
        self._whole_since = began

    def put(self, key: K, value: V, version: int) -> None:
        """Take a value; `version` is higher than any before."""
        self._over.pop(key, None)
        self._change(key, value, version)

    def end(self, key: K, value: V | None, version: int) -> None:
        """Take a last value, or that the key is gone: no part of the whole any more."""
        self._over[key] = None
        self._over.move_to_end(key)
        self._change(key, value, version)
        while len(self._over) > self._remembered:
            oldest, _ = self._over.popitem(last=False)
            self._whole_since = max(self._whole_since, self._entries.pop(oldest)[0])

    def get(self, key: K) -> V | None:
        """Return the value of what is not over."""
        return None if key in self._over or key not in self._entries else self._entries[key][1]

    def last(self, key: K) -> V | None:
        """Return the value of a key, the last one where it is over and not yet forgotten."""
        return self._entries[key][1] if key in self._entries else None

    def whole(self) -> Iterator[tuple[K, V]]:
        """Yield everything that is not over."""
        return (
            (key, value)
            for key, (_, value) in self._entries.items()
            if key not in self._over and value is not None
        )

    def between(self, version: int, until: int) -> Changes[K, V] | None:
        """Return what changed after `version`, and not after `until` again; None where that is not known."""
        if version < self._whole_since:
            return None
        values: list[V] = []
        gone: list[K] = []
        for key, (changed, value) in reversed(self._entries.items()):
            if changed <= version:
                break
            if changed > until:
                continue
            if value is None:
                gone.append(key)
            else:
                values.append(value)
        return Changes(values[::-1], gone[::-1])

    def _change(self, key: K, value: V | None, version: int) -> None:
        self._entries[key] = (version, value)
        self._entries.move_to_end(key)
