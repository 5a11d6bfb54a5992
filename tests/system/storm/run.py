"""One storm: traffic, faults in turn, and the comparison of the books with what was told."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.system.storm.books import HELD, NOW, Balance, Entry, books_of, compare, weigh
from tests.system.storm.extra import Extra
from tests.system.storm.faults import Fault, Scene
from tests.system.storm.ledger import Ledger
from tests.system.storm.stage import SERVERS, Stage
from tests.system.storm.traffic import Traffic
from tests.system.storm.watch import Watch
from tests.system.storm.weighing import held_bytes

STAYS_WELL_S = 2.5  # a service says every 2 s how it is
STAYS_HEARD_S = 7.0  # once the broker is back, whoever is not heard is missed after 6 s
HEALTHY_WITHIN_S = 10.0
ARRIVES_WITHIN_S = 60.0
Listed = set[tuple[str, str]]


@dataclass(slots=True)
class Outcome:
    """One fault. `recovered_s`: from its return until nothing is complained about; None: not in time."""

    fault: str
    away_s: float
    shown: str | None
    must_show: bool
    recovered_s: float | None
    left: list[str] = field(default_factory=list)
    died: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        recovered = self.recovered_s is not None and self.recovered_s <= HEALTHY_WITHIN_S
        return recovered and not self.died and (self.shown is not None or not self.must_show)

    def line(self) -> str:
        recovered = "not in time" if self.recovered_s is None else f"{self.recovered_s:.1f} s"
        shown = self.shown or ("NOT SHOWN" if self.must_show else "-")
        trouble = "; ".join([*self.died, *(self.left if self.recovered_s is None else ())])
        mark = "ok" if self.ok else "RED"
        return (
            f"{self.fault:<26} {self.away_s:5.1f} s  {recovered:>11}  {mark:<4} {shown[:60]}  {trouble[:300]}"
        )


@dataclass(slots=True)
class Report:
    """What a storm came to."""

    samples: int = 0
    missing: list[str] = field(default_factory=list)
    events: Balance = field(default_factory=Balance)
    stored: Balance = field(default_factory=Balance)
    answers: Balance = field(default_factory=Balance)
    repeats: int = 0
    firing_wanted: Listed = field(default_factory=set)
    firing_listed: Listed = field(default_factory=set)
    stale: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    extra: list[str] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    reads: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    memory_mib: dict[str, float] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Return whether the books balance, whatever became of reads and recoveries."""
        return not self.missing and all(one.holds for one in (self.events, self.stored, self.answers))

    def complaints(self) -> list[str]:
        """Return everything that is not as it must be."""
        balances = {"stream": self.events, "Postgres": self.stored, "gateway": self.answers}
        told = [f"{name}: {one.line()}" for name, one in balances.items() if not one.holds]
        if self.missing:
            told.append(f"acknowledged, but not exactly once in the stream: {self.missing[:5]}")
        if self.firing_listed != self.firing_wanted:
            told.append(f"firing at the end: {sorted(self.firing_listed ^ self.firing_wanted)[:10]} differ")
        if not self.stale <= self.silent:
            told.append(f"called stale, though they spoke: {sorted(self.stale - self.silent)[:10]}")
        told += [f"rule that came and went: {line}" for line in self.extra]
        told += [f"fault {one.line()}" for one in self.outcomes if not one.ok]
        told += [f"read {failure}" for failure in self.failures[:10]]
        return told

    def lines(self) -> list[str]:
        entries: list[str] = []
        for name, balance in (("stream", self.events), ("Postgres", self.stored), ("gateway", self.answers)):
            for what in ("lost", "invented", "doubled", "disordered"):
                entries += [f"  {name}: {what} {entry}" for entry in getattr(balance, what)[:5]]
        return [
            f"{'fault':<26} {'away':>7}  {'healthy in':>11}  ",
            *(outcome.line() for outcome in self.outcomes),
            f"samples sent            {self.samples}",
            f"events on the stream    {self.events.line()} ({self.repeats} repeats removed)",
            f"transitions in Postgres {self.stored.line()}",
            f"answers of the gateway  {self.answers.line()}",
            f"firing at the end       expected {len(self.firing_wanted)}, listed {len(self.firing_listed)}",
            f"reads of the gateway    {self.reads}",
            "most memory             " + ", ".join(f"{k} {v:.0f} MiB" for k, v in self.memory_mib.items()),
            *entries,
        ]


async def storm(
    stage: Stage,
    faults: Sequence[Fault],
    *,
    sources: int = 200,
    seed: int = 1,
    days: bool = False,
    warm_up_s: float = 4.0,
    say: Callable[[str], None] = print,
) -> Report:
    """Run traffic and the faults, one after the other; return what came of it."""
    report = Report()
    gc.collect()
    gc.freeze()  # to walk all that was ever imported takes a tenth of a second, with every door shut
    async with stage.nats() as client:
        traffic = Traffic(client.jetstream(timeout=5), sources=sources, seed=seed, days=days)
        ledger = Ledger(stage)
        scene = Scene(stage, traffic, ledger, Extra(stage, ledger, traffic.steady))
        watch = Watch(stage)
        beside = [
            asyncio.create_task(watch.run()),
            asyncio.create_task(_weigh(stage, report.memory_mib)),
        ]
        sending = asyncio.create_task(traffic.run())
        try:
            await asyncio.sleep(warm_up_s)
            for fault in faults:
                report.outcomes.append(await _suffer(fault, scene, watch))
                say(report.outcomes[-1].line())
            traffic.settle()
            await asyncio.wait_for(sending, ARRIVES_WITHIN_S)
            await _balance(report, scene)
        finally:
            for task in (*beside, sending):
                task.cancel()
            await asyncio.wait([*beside, sending])
            await ledger.close()
            gc.unfreeze()
        for task in beside:
            assert task.cancelled() or task.exception() is None, task.exception()
        report.reads, report.failures = dict(watch.reads), watch.failures
    return report


async def _suffer(fault: Fault, scene: Scene, watch: Watch) -> Outcome:
    watch.excuse(fault.away)
    outcome = Outcome(fault.name, 0.0, None, fault.shows, None)
    began_s = time.monotonic()
    async with fault.strike(scene):
        struck_s = time.monotonic()
        while (left_s := struck_s + fault.hold_s - time.monotonic()) > 0:
            if outcome.shown is None:
                troubles = await watch.troubles(within_s=left_s)
                outcome.shown = "; ".join(troubles) if troubles else None
            await asyncio.sleep(min(left_s, 0.1))
    back_s = time.monotonic()
    outcome.away_s = back_s - began_s
    await _recover(outcome, fault.away, back_s, scene, watch)
    watch.excuse(())
    return outcome


async def _recover(outcome: Outcome, away: frozenset[str], back_s: float, scene: Scene, watch: Watch) -> None:
    """Wait until all is judged that came before the return, nothing is complained about, and it stays so."""
    well_since_s: float | None = None
    stays_s = STAYS_HEARD_S if "nats" in away else STAYS_WELL_S
    last = await scene.ledger.newest()
    while (now_s := time.monotonic()) - back_s < 3 * HEALTHY_WITHIN_S:
        outcome.died += await scene.stage.start_what_died()
        troubles = await watch.troubles()
        outcome.left = troubles if troubles is not None else ["the gateway does not answer"]
        if not outcome.left and not await scene.ledger.judged(last):
            outcome.left = ["not all is judged that came before"]
        if outcome.left:
            well_since_s = None
        elif well_since_s is None:
            well_since_s = now_s
        elif now_s - well_since_s > stays_s:
            outcome.recovered_s = well_since_s - back_s
            return
        await asyncio.sleep(0.05)


async def _balance(report: Report, scene: Scene) -> None:
    """Compare the books with all three, once everything is there or time is up."""
    ledger, traffic = scene.ledger, scene.traffic
    try:
        await ledger.all_judged(within_s=ARRIVES_WITHIN_S)
    except TimeoutError:
        report.extra.append(f"not all was judged and announced within {ARRIVES_WITHIN_S:g} s")
    await ledger.read()
    books = books_of(ledger.samples)
    stored = await ledger.stored()
    report.samples = traffic.samples
    report.missing = [one for one in traffic.acknowledged if ledger.held.get(one) != 1]
    report.events = compare(books.expected, ledger.announced)
    report.stored = compare(books.expected, stored)
    report.repeats = ledger.repeats
    report.silent = traffic.silent
    stale = [one.entry for one in (*stored, *ledger.announced) if one.entry.transition == "went_stale"]
    report.stale = {entry.source for entry in stale}
    report.extra += scene.extra.complaints(stored) + scene.extra.complaints(ledger.announced)
    firing, resolved = await ledger.answered("firing"), await ledger.answered("resolved")
    report.answers = weigh(
        [entry for entry in books.expected if entry.transition == "resolved"],
        [_listed(one) for one in resolved if one["rule"] in (HELD, NOW)],
    )
    report.firing_wanted = books.firing
    report.firing_listed = {(one["rule"], one["source"]) for one in firing if one["rule"] in (HELD, NOW)}


def _listed(alert: dict[str, Any]) -> Entry:
    """Return the transition that an alert listed as resolved ended with."""
    at = datetime.fromisoformat(alert["resolved_at"])
    return Entry(alert["rule"], alert["source"], "resolved", alert["severity"], at)


async def _weigh(stage: Stage, most_mib: dict[str, float]) -> None:
    """Remember the most memory that each process and its children were seen to hold, what they share once."""
    while True:
        for name in (*SERVERS, *stage.services):
            held = await asyncio.to_thread(held_bytes, stage.pid(name))
            if held is not None:
                most_mib[name] = max(most_mib.get(name, 0.0), held / 2**20)
        await asyncio.sleep(1.0)
