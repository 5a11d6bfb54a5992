"""The judge: every message of the owned partitions, in the stream's order, becomes changes of alerts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache

from atalaia.errors import NotFound
from atalaia.events.metrics import Measurements
from atalaia.events.order import Order, Verdict
from atalaia.events.series import parse
from services.alerting.domain import lifecycle
from services.alerting.domain.alert import Alert, Change, Key
from services.alerting.domain.flapping import Flapping
from services.alerting.domain.lifecycle import NewId, Track
from services.alerting.domain.measure import Measure
from services.alerting.domain.plans import Layout, Measured, Plan, Planner, layout_of
from services.alerting.domain.rules import Rule, Rules
from services.alerting.domain.tracks import Tracks

HISTORY_ONLY_AFTER = timedelta(hours=1)
SILENT_AT_LEAST_S = 60.0
SILENT_INTERVALS = 5
FORGOTTEN_AFTER = timedelta(hours=24)
FORGET_EVERY = timedelta(minutes=1)
UNHEARD_OF = timedelta.max


@dataclass(slots=True)
class Subject:
    """One (kind, source): its newest accepted message, and what of it is judged.

    `heard_after` and `there_after` are moments of listening time: when it was last heard, and when
    each series was last there that a rule wants to be.
    """

    kind: str
    source: str
    group: str
    partition: int
    heard_after: timedelta
    order: Order = field(default_factory=Order)
    limit: timedelta = timedelta(seconds=SILENT_AT_LEAST_S)
    plan: Plan | None = None
    measured: list[Measure] = field(default_factory=list)
    there_after: dict[str, timedelta] = field(default_factory=dict)
    left: bool = False
    seeded: bool = False

    @property
    def owner(self) -> tuple[str, str]:
        return self.kind, self.source


@dataclass(frozen=True, slots=True)
class RuleState:
    """What there is to say of a rule: how many series it judges, and when it last did."""

    rule: Rule
    series: int
    pending: int
    firing: int
    judged_at: datetime | None


class Judge:
    """Mutable, one owner. Times are given: `stored_at` is when the broker took the message.

    Silence is counted in listening time, which `tick` alone advances: nothing goes stale
    while nobody could hear it.
    """

    def __init__(self, rules: Rules, new_id: NewId) -> None:
        self._rules = rules
        self._planner = Planner(rules)
        self._new_id = new_id
        self._subjects: dict[tuple[str, str], Subject] = {}
        self._members: dict[tuple[str, str], set[tuple[str, str]]] = {}
        self._tracks = Tracks()
        self._flapping = Flapping()
        self._measures: dict[Key, Measure] = {}
        self._waited_for: set[tuple[str, str]] = set()
        self._listened = timedelta()
        self._forgot_after = timedelta()
        self.counters: dict[str, int] = dict.fromkeys(
            ("accepted", "samples", "late", "started_anew", "history_only", "left"), 0
        )

    @property
    def longest_window_s(self) -> float:
        return self._rules.longest_window_s

    def restore(self, alerts: Iterable[Alert], fires: Iterable[tuple[Key, datetime]] = ()) -> None:
        """Take over what is stored: pending and firing alerts, and the resolved ones that still matter.

        `fires` are the series that fired lately, and when, in order of time.
        """
        self._flapping.restore(fires)
        for alert in alerts:
            rule = self._rules.get(alert.key.rule) or _removed(alert)
            self._tracks.restore(alert, rule)
            if rule.by != "group":
                self._subject(alert.key.kind, alert.key.source, alert.group, alert.partition)

    def seed(self, batch: Measurements, stored_at: datetime, partition: int) -> None:
        """Take the newest message that was judged before: nothing is announced by it."""
        subject = self._subject(batch.kind, batch.source, batch.group, partition)
        subject.order.place(batch.at)
        subject.seeded = True
        self._heard(subject, batch)
        subject.left = batch.final
        if not batch.final:
            self._last_judged(subject, self._plan(subject, layout_of(batch)), batch.at)

    def replay(self, batch: Measurements, stored_at: datetime, partition: int) -> None:
        """Fill the windows with a message that was judged before; those of a subject in their order."""
        subject = self._subject(batch.kind, batch.source, batch.group, partition)
        if subject.seeded:  # the newest in the stream may have been a late one: find out again
            subject.order, subject.seeded = Order(), False
        if self._placed(subject, batch) is Verdict.LATE:
            return
        if stored_at - batch.at > HISTORY_ONLY_AFTER or batch.final:
            return
        self._last_judged(subject, self._plan(subject, layout_of(batch)), batch.at)
        for measure in subject.measured:
            if measure.add(batch):
                track = measure.track
                track.last_at = batch.at if track.last_at is None else max(track.last_at, batch.at)

    def observe(self, batch: Measurements, stored_at: datetime, partition: int) -> list[Change]:
        """Judge one message; return what changed, in order."""
        subject = self._subject(batch.kind, batch.source, batch.group, partition)
        verdict = self._placed(subject, batch)
        if verdict is not Verdict.NEWER:
            self.counters["late"] += 1
        if verdict is Verdict.LATE:
            return []
        if verdict is Verdict.ANEW:
            self.counters["started_anew"] += 1
        if stored_at - batch.at > HISTORY_ONLY_AFTER:
            self.counters["history_only"] += 1
            return []
        self._heard(subject, batch)
        if batch.final:
            return self._leave(subject, batch.at)
        subject.left = False
        self.counters["accepted"] += 1
        self.counters["samples"] += len(batch.gauges) + len(batch.counters) + len(batch.histograms)
        layout, plan = layout_of(batch), subject.plan
        changes: list[Change] = []
        if plan is None or plan.layout != layout:
            plan = self._plan(subject, layout)
            changes += self._missing(subject, plan, batch.at)
        changes += self._values(subject, plan, batch)
        for measure in subject.measured:
            changes += self._measure(measure, batch, subject.limit)
        if plan.missed:
            changes += self._there(subject, plan, stored_at)
        return changes

    def tick(self, listened: timedelta, at: datetime) -> list[Change]:
        """Say what has gone silent, after `listened` more of being connected and caught up; `at` is now."""
        self._listened += listened
        changes: list[Change] = []
        for track in self._tracks:
            changes += lifecycle.acknowledgement_over(track, at)
            if self._silent(track):
                changes += lifecycle.went_stale(track, at)
        for owner in list(self._waited_for):
            changes += self._still_missing(self._subjects[owner], at)
        if self._listened - self._forgot_after >= FORGET_EVERY:
            self._forgot_after = self._listened
            changes += self._forget(at)
            self._flapping.forget(at - FORGOTTEN_AFTER)
        return changes

    def resolve(self, alert_id: str, by: str, at: datetime, note: str | None = None) -> Change:
        """Resolve a firing alert by hand.

        Raises:
            NotFound: no alert of this judge fires under that id.
        """
        track, alert = self._firing(alert_id)
        change = lifecycle.resolve_by_hand(track, alert, by, at, note=note)
        self._tracks.settle(track)
        return change

    def acknowledge(
        self, alert_id: str, by: str, until: datetime | None, at: datetime, note: str | None = None
    ) -> Change:
        """Note that somebody takes care of a firing alert. Raises `NotFound` as `resolve` does."""
        track, alert = self._firing(alert_id)
        return lifecycle.acknowledge(track, alert, by, until, at, note=note)

    def unacknowledge(self, alert_id: str, by: str, at: datetime, note: str | None = None) -> Change:
        """Undo an acknowledgement. Raises `NotFound` as `resolve` does, or where there is none."""
        track, alert = self._firing(alert_id)
        if alert.acknowledged_by is None:
            raise NotFound(f"alert {alert_id} is not acknowledged", field="alert_id")
        return lifecycle.unacknowledge(track, alert, at, by=by, note=note)

    def reload(self, rules: Rules, at: datetime) -> list[Change]:
        """Judge by other rules from now on; alerts of a rule that is gone end."""
        self._rules, self._planner = rules, Planner(rules)
        changes: list[Change] = []
        for track in self._tracks:
            rule = rules.get(track.key.rule)
            if rule is None or not _still_judges(rule, track):
                changes += lifecycle.end(track, "rule_removed", at)
                self._tracks.settle(track)
            else:
                track.rule = rule
        # a window whose rule is as it was goes on
        self._measures = {key: one for key, one in self._measures.items() if rules.get(key.rule) == one.rule}
        self._waited_for.clear()
        for subject in self._subjects.values():
            subject.measured = [one for one in subject.measured if self._registered(one)]
            if subject.plan is not None:
                self._plan(subject, subject.plan.layout)
        return changes

    def states(self) -> list[RuleState]:
        """Return what there is to say of every rule, by this judge."""
        series: dict[str, int] = {}
        judged_at: dict[str, datetime] = {}
        for subject in self._subjects.values():
            at = subject.order.newest_at
            if subject.plan is None or at is None or subject.left:
                continue
            for rule, _ in subject.plan.names:
                series[rule] = series.get(rule, 0) + 1
                judged_at[rule] = max(judged_at.get(rule, at), at)
        counts: dict[tuple[str, bool], int] = {}
        for track in self._tracks:
            if track.alert is not None:
                state = (track.key.rule, track.alert.fired_at is not None)
                counts[state] = counts.get(state, 0) + 1
        return [
            RuleState(
                rule,
                series.get(rule.name, 0),
                counts.get((rule.name, False), 0),
                counts.get((rule.name, True), 0),
                judged_at.get(rule.name),
            )
            for rule in self._rules
        ]

    def _firing(self, alert_id: str) -> tuple[Track, Alert]:
        found = self._tracks.firing(alert_id)
        if found is None:
            raise NotFound(f"no firing alert {alert_id}", field="alert_id")
        return found

    def _subject(self, kind: str, source: str, group: str, partition: int) -> Subject:
        subject = self._subjects.get((kind, source))
        if subject is not None and subject.group == group:
            return subject
        if subject is not None:
            self._members[kind, subject.group].discard(subject.owner)
        subject = Subject(kind, source, group, partition, self._listened)
        self._subjects[kind, source] = subject
        self._members.setdefault((kind, group), set()).add((kind, source))
        return subject

    def _placed(self, subject: Subject, batch: Measurements) -> Verdict:
        """Say whether a message is newer; forget what was measured by a clock that was set back since."""
        verdict = subject.order.place(batch.at)
        if verdict is Verdict.ANEW:
            for track in self._tracks_about(subject):
                track.last_at = None
            # what was measured by the wrong clock cannot be put in order with what comes
            for key in [key for key, one in self._measures.items() if subject.owner in one.members]:
                del self._measures[key]
            for member in self._members[subject.kind, subject.group]:
                self._subjects[member].plan = None
        return verdict

    def _heard(self, subject: Subject, batch: Measurements) -> None:
        subject.heard_after = self._listened
        subject.limit = _silent_after(batch.interval_s)

    def _plan(self, subject: Subject, layout: Layout) -> Plan:
        """Look the rules up for a subject's series, unless they are those of before."""
        whose = {"kind": subject.kind, "group": subject.group, "source": subject.source}
        subject.plan = plan = self._planner.plan(whose, layout)
        measures = [self._measure_of(subject, one) for one in plan.measured]
        # a message without events still moves a group's time
        kept = [one for one in subject.measured if one.rule.merges and self._registered(one)]
        subject.measured = [*measures, *(one for one in kept if one not in measures)]
        if plan.missed:
            self._waited_for.add(subject.owner)
            for missed in plan.missed:
                subject.there_after.setdefault(missed.rule.name, self._listened)
        return plan

    def _registered(self, measure: Measure) -> bool:
        return self._measures.get(measure.track.key) is measure

    def _measure_of(self, subject: Subject, measured: Measured) -> Measure:
        rule = measured.rule
        source = subject.group if rule.by == "group" else subject.source
        key = Key(rule.name, subject.kind, source, measured.series)
        measure = self._measures.get(key)
        if measure is None:
            track = self._tracks.find(key, rule) or Track(rule, key, subject.group, subject.partition)
            measure = self._measures[key] = Measure(rule, track)
        measure.members.setdefault(subject.owner, set()).update(measured.members)
        return measure

    def _last_judged(self, subject: Subject, plan: Plan, at: datetime) -> None:
        """Remember of a message that was judged before when it was: gaps are measured from there."""
        live = self._tracks.by_source.get(subject.owner, {})
        for watch in plan.watches:
            if (track := live.get(watch.name)) is not None:
                track.last_at = at

    def _missing(self, subject: Subject, plan: Plan, at: datetime) -> list[Change]:
        """Say which series that were judged are no longer in the subject's messages."""
        judged = plan.names | {(one.rule.name, one.track.key.series) for one in subject.measured}
        changes: list[Change] = []
        for name, track in self._tracks.by_source.get(subject.owner, {}).items():
            if name not in judged and track.rule.function != "absent":
                changes += lifecycle.went_stale(track, at)
        return changes

    def _values(self, subject: Subject, plan: Plan, batch: Measurements) -> list[Change]:
        live = self._tracks.by_source.get(subject.owner, {})
        values = [*batch.gauges.values(), *batch.counters.values()]
        if not live and not plan.begins(values):
            return []
        changes: list[Change] = []
        for watch in plan.watches:
            value = values[watch.column]
            track = live.get(watch.name)
            if track is None and watch.begins(value):
                key = Key(watch.rule.name, subject.kind, subject.source, watch.series)
                track = Track(watch.rule, key, subject.group, subject.partition)
            if track is not None:
                changes += self._judged(track, value, batch.at, subject.limit)
        return changes

    def _judged(self, track: Track, value: float, at: datetime, gap: timedelta) -> list[Change]:
        changes = lifecycle.observe(track, value, at, gap=gap, new_id=self._new_id)
        if not changes:  # then it is as idle as before
            return changes
        self._tracks.settle(track)
        return self._flapping.marked(track, changes)

    def _measure(self, measure: Measure, batch: Measurements, gap: timedelta) -> list[Change]:
        measure.add(batch)
        value, track = measure.result(), measure.track
        at = measure.newest_at or batch.at
        if value is None or (track.last_at is not None and at < track.last_at):
            return []
        if track.idle and not track.rule.breached(value):
            return []
        return self._judged(track, value, at, gap)

    def _there(self, subject: Subject, plan: Plan, at: datetime) -> list[Change]:
        """What is there again is good; what is not is judged by the tick."""
        changes: list[Change] = []
        for one in plan.missed:
            if one.there:
                subject.there_after[one.rule.name] = self._listened
                track = self._absence(subject, one.rule)
                if not track.idle:
                    changes += self._absent_for(track, 0.0, at)
        return changes

    def _still_missing(self, subject: Subject, at: datetime) -> list[Change]:
        changes: list[Change] = []
        if subject.plan is None or subject.left:
            return changes
        for one in subject.plan.missed:
            since = subject.there_after.get(one.rule.name, subject.heard_after)
            absent_s = (self._listened - since).total_seconds()
            track = self._absence(subject, one.rule)
            # a source that is there is judged by its messages; one that is not, and what it lacks, by time
            if one.rule.breached(absent_s):
                changes += self._absent_for(track, absent_s, at)
        return changes

    def _absence(self, subject: Subject, rule: Rule) -> Track:
        key = Key(rule.name, subject.kind, subject.source, rule.metric)
        return self._tracks.find(key, rule) or Track(rule, key, subject.group, subject.partition)

    def _absent_for(self, track: Track, absent_s: float, at: datetime) -> list[Change]:
        return self._judged(track, absent_s, at, UNHEARD_OF)

    def _leave(self, subject: Subject, at: datetime) -> list[Change]:
        self.counters["left"] += 1
        subject.left = True
        subject.plan, subject.measured = None, []
        subject.there_after.clear()
        self._waited_for.discard(subject.owner)
        ending = self._tracks.of_source(subject.owner)
        group = (subject.kind, subject.group)
        if all(self._subjects[member].left for member in self._members[group]):
            ending += self._tracks.of_group(group)
        changes: list[Change] = []
        for track in ending:
            changes += lifecycle.end(track, "source_left", at)
            self._tracks.settle(track)
        return changes

    def _silent(self, track: Track) -> bool:
        """Return whether nothing was heard that could say how it is."""
        if track.alert is None or track.alert.stale or track.rule.function == "absent":
            return False
        fed_by = list(self._fed_by(track))
        if not fed_by:  # restored, and nothing of it is in the stream any more
            return self._listened > timedelta(seconds=SILENT_AT_LEAST_S)
        return all(self._listened - one.heard_after > _limit(track, one) for one in fed_by)

    def _fed_by(self, track: Track) -> Iterator[Subject]:
        """Yield the subjects whose messages move a track."""
        key = track.key
        if track.rule.by == "group":
            members = (self._subjects[member] for member in self._members.get((key.kind, key.source), ()))
            return (member for member in members if not member.left)
        subject = self._subjects.get((key.kind, key.source))
        return iter((subject,) if subject is not None and not subject.left else ())

    def _tracks_about(self, subject: Subject) -> list[Track]:
        group = (subject.kind, subject.group)
        return self._tracks.of_source(subject.owner) + self._tracks.of_group(group)

    def _forget(self, at: datetime) -> list[Change]:
        """Drop what has been silent for a day, unless an alert of it fires or is disarmed."""
        changes: list[Change] = []
        for owner, subject in list(self._subjects.items()):
            if self._listened - subject.heard_after < FORGOTTEN_AFTER:
                continue
            tracks = self._tracks.of_source(owner)
            if any(track.alert is not None or track.disarmed is not None for track in tracks):
                continue
            for track in tracks:
                changes += lifecycle.end(track, "silence", at)
                self._tracks.settle(track)
            del self._subjects[owner]
            self._waited_for.discard(owner)
            members = self._members[subject.kind, subject.group]
            members.discard(owner)
            if not members:
                del self._members[subject.kind, subject.group]
            for measure in subject.measured:
                measure.forget_source(*owner)
                if not measure.members:
                    self._measures.pop(measure.track.key, None)
        return changes


@lru_cache(maxsize=16)
def _silent_after(interval_s: float) -> timedelta:
    return timedelta(seconds=max(SILENT_INTERVALS * interval_s, SILENT_AT_LEAST_S))


def _limit(track: Track, subject: Subject) -> timedelta:
    stale_after_s = track.rule.stale_after_s
    return subject.limit if stale_after_s is None else timedelta(seconds=stale_after_s)


def _still_judges(rule: Rule, track: Track) -> bool:
    key = track.key
    whose = {"kind": key.kind, "group": track.group, "source": key.source}
    if (rule.by == "group") != (track.rule.by == "group"):
        return False
    if rule.function == "absent" or rule.merges:
        return parse(key.series)[0] == rule.metric and (rule.by == "group" or rule.selects_source(whose))
    return rule.is_among([key.series], whose)


def _removed(alert: Alert) -> Rule:
    """Stand in for a rule that is gone, until the reload that ends its alerts."""
    severities = [alert.severity] if alert.severity else list(alert.held_since)
    return Rule(alert.key.rule, parse(alert.key.series)[0], tuple((one, 0.0) for one in severities))
