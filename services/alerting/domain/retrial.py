"""What rules would have done: the judge on recorded messages, with nothing stored or announced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count

from atalaia.events.alerts import AlertTransition, Severity, Transition
from atalaia.events.metrics import Measurements
from services.alerting.domain.judge import Judge
from services.alerting.domain.rules import Rules

TICK = timedelta(seconds=1)
NOBODY_LISTENED_AFTER = timedelta(seconds=30)
FLAPS_WITHIN = timedelta(minutes=10)


class Retrial:
    """Judges from `since` on; what was stored before fills the windows in silence. Mutable, one owner.

    Silence counts by the broker's time. Where nothing at all was stored for longer than
    `NOBODY_LISTENED_AFTER`, the platform itself was away (its services report every 10 s), and the
    rest of that time counts for nobody's silence.
    `recorded_from` is when the oldest message of each (kind, source) was stored that there still is.
    """

    def __init__(self, rules: Rules, since: datetime) -> None:
        ids = count(1)
        self.since = self.until = since
        self._judge = Judge(rules, lambda _: f"{next(ids):08}")
        self._ticked_at = since
        self.transitions: list[AlertTransition] = []
        self.messages = self.unreadable = 0
        self.recorded_from: dict[tuple[str, str], datetime] = {}

    def hear(self, batch: Measurements, stored_at: datetime, partition: int) -> None:
        """Take the next message of the stream."""
        self.recorded_from.setdefault((batch.kind, batch.source), stored_at)
        if stored_at < self.since:
            self._judge.replay(batch, stored_at, partition)
            return
        self._listen(stored_at)
        self.messages += 1
        self.until = max(self.until, stored_at)
        for change in self._judge.observe(batch, stored_at, partition):
            if change.transition is not None:
                self.transitions.append(change.event())

    def series_judged(self) -> dict[str, int]:
        """Return how many series each rule judges of the sources that are there at the end."""
        return {state.rule.name: state.series for state in self._judge.states()}

    def _listen(self, until: datetime) -> None:
        heard = self._ticked_at
        while self._ticked_at + TICK <= until:
            self._ticked_at += TICK
            if self._ticked_at - heard > NOBODY_LISTENED_AFTER:
                self._ticked_at = until
                return
            for change in self._judge.tick(TICK, self._ticked_at):
                if change.transition is not None:
                    self.transitions.append(change.event())


@dataclass(slots=True)
class Tally:
    """One rule. `by_severity`: alerts by the worst they reached; `flaps`: fired again within ten minutes."""

    rule: str
    fired: int = 0
    by_severity: dict[Severity, int] = field(default_factory=lambda: dict.fromkeys(Severity, 0))
    firing_s: float = 0.0
    still_firing: int = 0
    flaps: int = 0


def tallies(rules: Rules, transitions: Sequence[AlertTransition], until: datetime) -> list[Tally]:
    """Sum transitions up by rule, in the rules' order; what still fires has fired up to `until`."""
    found = {rule.name: Tally(rule.name) for rule in rules}
    fired_at: dict[str, datetime] = {}
    worst: dict[str, Severity] = {}
    resolved_at: dict[tuple[str, str, str, str], datetime] = {}
    for event in transitions:
        tally, series = found[event.rule], (event.rule, event.kind, event.source, event.series)
        if event.transition is Transition.FIRED:
            before = resolved_at.get(series)
            tally.fired += 1
            tally.flaps += before is not None and event.at - before <= FLAPS_WITHIN
            fired_at[event.alert_id] = event.at
        known = worst.get(event.alert_id, event.severity)
        worst[event.alert_id] = max(known, event.severity, key=lambda severity: severity.rank)
        if event.transition is Transition.RESOLVED:
            resolved_at[series] = event.at
            tally.firing_s += (event.at - fired_at.pop(event.alert_id)).total_seconds()
    rule_of = {event.alert_id: event.rule for event in transitions}
    for alert_id, severity in worst.items():
        found[rule_of[alert_id]].by_severity[severity] += 1
    for alert_id, since in fired_at.items():
        found[rule_of[alert_id]].still_firing += 1
        found[rule_of[alert_id]].firing_s += max(0.0, (until - since).total_seconds())
    return list(found.values())
