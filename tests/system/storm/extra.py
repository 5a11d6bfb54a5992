"""The rule that comes and goes: its alerts fire while it is there, and end when it is removed."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable

from tests.system.storm.books import EXTRA, Told
from tests.system.storm.ledger import Ledger
from tests.system.storm.stage import Stage

WITHIN_S = 40.0


class Extra:
    """Counts the removals. The steady sources' values are always bad for this rule."""

    def __init__(self, stage: Stage, ledger: Ledger, steady: set[str]) -> None:
        self._stage = stage
        self._ledger = ledger
        self._steady = steady
        self.removals = 0

    async def all_fire(self) -> None:
        await self._await(lambda firing: firing == self._steady, "all to fire")

    async def none_fires(self) -> None:
        """Wait until the removal has ended every alert of the rule."""
        await self._await(lambda firing: not firing, "none to fire")
        self.removals += 1

    def complaints(self, told: list[Told]) -> list[str]:
        """Say whose transitions are not one life for each time that the rule was there."""
        lives: dict[str, list[str]] = defaultdict(list)
        for one in told:
            if one.entry.rule == EXTRA and one.entry.transition in ("fired", "resolved"):
                lives[one.entry.source].append(one.entry.transition)
        wanted = ["fired", "resolved"] * self.removals + ["fired"]
        return [f"{name}: {lives[name]}" for name in sorted(self._steady) if lives[name] != wanted]

    async def _await(self, question: Callable[[set[str]], bool], what: str) -> None:
        firing: set[str] = set()
        try:
            async with asyncio.timeout(WITHIN_S):
                while not question(firing := await self._firing()):
                    await self._stage.start_what_died()  # a SIGHUP that comes early in a life ends it
                    await asyncio.sleep(0.2)
        except TimeoutError:
            raise AssertionError(f"waited for {what} under {EXTRA}: {sorted(firing)}") from None

    async def _firing(self) -> set[str]:
        rows = await self._ledger.rows(
            f"SELECT source FROM alerts WHERE rule = '{EXTRA}' AND state = 'firing'"
        )
        return {row["source"] for row in rows}
