"""The judge: every message of the owned partitions, in the stream's order, becomes changes of alerts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from atalaia.errors import NotFound
from atalaia.events.metrics import MetricsBatch
from atalaia.events.series import parse
from services.alerting.domain import lifecycle
from services.alerting.domain.alert import Alert, Change, Key, State
from services.alerting.domain.lifecycle import NewId, Track
from services.alerting.domain.measure import Measure
from services.alerting.domain.rules import Rule, Rules

HISTORY_ONLY_AFTER = timedelta(hours=1)
SILENT_AT_LEAST_S = 60.0
SILENT_INTERVALS = 5
ANEW_AFTER = 5


@dataclass(slots=True)
class Subject:
    """One (kind, source): the newest accepted message, and what of it is judged."""

    kind: str
    source: str
    group: str
    partition: int
    newest_at: datetime | None = None
    heard_after: timedelta | None = None
    limit: timedelta = timedelta(seconds=SILENT_AT_LEAST_S)
    layout: tuple[tuple[str, ...], ...] | None = None
    plain: list[tuple[str, Track, float, bool]] = field(default_factory=list)
    measured: list[Measure] = field(default_factory=list)
    refused: list[datetime] = field(default_factory=list)
    left: bool = False
    stale: bool = False


class Judge:
    """Mutable, one owner. Times are given: `stored_at` is when the broker took the message.

    Silence is counted in listening time, which `tick` alone advances: nothing goes stale
    while nobody could hear it.
    """

    def __init__(self, rules: Rules, new_id: NewId) -> None:
        self._rules = rules
        self._new_id = new_id
        self._subjects: dict[tuple[str, str], Subject] = {}
        self._tracks: dict[Key, Track] = {}
        self._measures: dict[Key, Measure] = {}
        self._listened = timedelta()
        self._groups: dict[tuple[str, str], set[tuple[str, str]]] = {}
        self.counters: dict[str, int] = dict.fromkeys(
            ("accepted", "samples", "late", "started_anew", "history_only", "left"), 0
        )

    @property
    def longest_window_s(self) -> float:
        return self._rules.longest_window_s

    def restore(self, alerts: Iterable[Alert]) -> None:
        """Take over what is stored: pending and firing alerts, and those resolved by hand while bad."""
        for alert in alerts:
            rule = self._rules.get(alert.key.rule) or _removed(alert)
            track = self._tracks.setdefault(alert.key, Track(rule, alert.key, alert.group, alert.partition))
            if alert.state is State.RESOLVED:
                track.disarmed = alert
            else:
                track.alert = alert
                track.last_at = alert.last_at
            if not self._is_of_group(track):
                self._subject(alert.key.kind, alert.key.source, alert.group, alert.partition)

    def seed(self, batch: MetricsBatch, stored_at: datetime, partition: int) -> None:
        """Take the newest message that was judged before: nothing is announced by it."""
        subject = self._subject(batch.kind, batch.source, batch.group, partition)
        if subject.newest_at is not None and batch.at <= subject.newest_at:
            return
        self._heard(subject, batch)
        subject.left = batch.final
        self._lay_out(subject, batch)
        for series, track, _, _ in subject.plain:
            if series in batch.gauges or series in batch.counters:
                track.last_at = batch.at

    def replay(self, batch: MetricsBatch, stored_at: datetime, partition: int) -> None:
        """Fill the windows with a message that was judged before."""
        if stored_at - batch.at > HISTORY_ONLY_AFTER:
            return
        subject = self._subject(batch.kind, batch.source, batch.group, partition)
        self._lay_out(subject, batch)
        for measure in subject.measured:
            if measure.add(batch):
                measure.track.last_at = max(measure.track.last_at or batch.at, batch.at)

    def observe(self, batch: MetricsBatch, stored_at: datetime, partition: int) -> list[Change]:
        """Judge one message; return what changed, in order."""
        subject = self._subject(batch.kind, batch.source, batch.group, partition)
        if not self._accepts(subject, batch):
            return []
        if stored_at - batch.at > HISTORY_ONLY_AFTER:
            self.counters["history_only"] += 1
            return []
        self._heard(subject, batch)
        if batch.final:
            return self._leave(subject, batch.at)
        subject.left = False
        self.counters["accepted"] += 1
        self.counters["samples"] += len(batch.gauges) + len(batch.counters) + len(batch.histograms)
        before = subject.layout
        self._lay_out(subject, batch)
        changes = [] if subject.layout is before else self._missing(subject, batch.at)
        gauges, at, gap = batch.gauges, batch.at, subject.limit
        for series, track, bound, above in subject.plain:
            value = gauges[series] if series in gauges else batch.counters[series]
            if track.idle and (value <= bound if above else value >= bound):
                continue
            changes += lifecycle.observe(track, value, at, gap=gap, new_id=self._new_id)
        for measure in subject.measured:
            changes += self._measure(measure, batch, gap)
        return changes

    def tick(self, listened: timedelta, at: datetime) -> list[Change]:
        """Say what has gone silent, after `listened` more of being connected and caught up; `at` is now."""
        self._listened += listened
        changes = []
        for subject in self._subjects.values():
            if subject.stale or subject.left or subject.heard_after is None:
                continue
            if self._listened - subject.heard_after > subject.limit:
                subject.stale = True
                for track in self._tracks_of(subject):
                    changes += lifecycle.went_stale(track, at)
                changes += self._group_silent(subject, at)
        return changes

    def resolve(self, alert_id: str, by: str, at: datetime, note: str | None = None) -> Change:
        """Resolve a firing alert by hand.

        Raises:
            NotFound: no alert of this judge fires under that id.
        """
        for track in self._tracks.values():
            alert = track.alert
            if alert is not None and alert.alert_id == alert_id and alert.state is State.FIRING:
                return lifecycle.resolve_by_hand(track, alert, by, at, note=note)
        raise NotFound(f"no firing alert {alert_id}", field="alert_id")

    def reload(self, rules: Rules, at: datetime) -> list[Change]:
        """Judge by other rules from now on; alerts of a rule that is gone end."""
        self._rules = rules
        changes = []
        for key, track in list(self._tracks.items()):
            rule = rules.get(key.rule)
            if rule is None or not self._still_selects(rule, track):
                changes += lifecycle.end(track, "rule_removed", at)
                del self._tracks[key]
            else:
                track.rule = rule
        self._measures.clear()
        for subject in self._subjects.values():
            subject.layout = None
        return changes

    def _still_selects(self, rule: Rule, track: Track) -> bool:
        key = track.key
        if rule.merges:
            return key.series == rule.metric
        return rule.selects(key.series, kind=key.kind, group=track.group, source=key.source)

    def _subject(self, kind: str, source: str, group: str, partition: int) -> Subject:
        subject = self._subjects.get((kind, source))
        if subject is None or subject.group != group:
            subject = self._subjects[kind, source] = Subject(kind, source, group, partition)
            self._groups.setdefault((kind, group), set()).add((kind, source))
        return subject

    def _accepts(self, subject: Subject, batch: MetricsBatch) -> bool:
        if subject.newest_at is None or batch.at > subject.newest_at:
            subject.refused.clear()
            return True
        self.counters["late"] += 1
        if subject.refused and batch.at <= subject.refused[-1]:
            subject.refused.clear()
        subject.refused.append(batch.at)
        if len(subject.refused) <= ANEW_AFTER:
            return False
        # five in a row that rise: its clock was set back, it is not late
        subject.refused.clear()
        self.counters["started_anew"] += 1
        for track in (*self._tracks_of(subject), *self._tracks_of_group(subject)):
            track.last_at = None
        self._forget_windows(subject)
        return True

    def _forget_windows(self, subject: Subject) -> None:
        """What was measured by a clock that is no longer right cannot be put in order with what comes."""
        for key in [key for key, measure in self._measures.items() if self._feeds(subject, measure)]:
            del self._measures[key]
        for member in self._groups[subject.kind, subject.group]:
            self._subjects[member].layout = None

    def _feeds(self, subject: Subject, measure: Measure) -> bool:
        return (subject.kind, subject.source) in measure.members

    def _heard(self, subject: Subject, batch: MetricsBatch) -> None:
        subject.newest_at = batch.at
        subject.heard_after = self._listened
        subject.stale = False
        subject.limit = timedelta(seconds=max(SILENT_INTERVALS * batch.interval_s, SILENT_AT_LEAST_S))

    def _lay_out(self, subject: Subject, batch: MetricsBatch) -> None:
        """Look the rules up for the batch's series, once for as long as they are the same."""
        layout = (tuple(batch.gauges), tuple(batch.counters), tuple(batch.histograms))
        if layout == subject.layout:
            return
        subject.layout = layout
        subject.plain, subject.measured = [], []
        for names in layout:
            for series in names:
                for rule in self._rules.for_metric(parse(series)[0]):
                    if rule.selects(series, kind=batch.kind, group=batch.group, source=batch.source):
                        self._plan(subject, rule, series, histogram=names is layout[2])
        self._keep_merging(subject)

    def _missing(self, subject: Subject, at: datetime) -> list[Change]:
        """Say which series that were judged are no longer in the subject's messages."""
        judged = {track.key for _, track, _, _ in subject.plain} | {one.track.key for one in subject.measured}
        missing = (track for track in self._tracks_of(subject) if track.key not in judged)
        return [change for track in missing for change in lifecycle.went_stale(track, at)]

    def _plan(self, subject: Subject, rule: Rule, series: str, *, histogram: bool) -> None:
        source = subject.group if rule.by == "group" else subject.source
        key = Key(rule.name, subject.kind, source, rule.metric if rule.merges else series)
        track = self._tracks.get(key)
        if track is None:
            track = self._tracks[key] = Track(rule, key, subject.group, subject.partition)
        if rule.function == "last" and not histogram and not rule.merges:
            subject.plain.append((series, track, rule.thresholds[0][1], rule.op == ">"))
            return
        measure = self._measures.get(key)
        if measure is None:
            measure = self._measures[key] = Measure(rule, track)
        measure.members.setdefault((subject.kind, subject.source), set()).add(series)
        if measure not in subject.measured:
            subject.measured.append(measure)

    def _keep_merging(self, subject: Subject) -> None:
        """A message without events still moves its group's time."""
        for measure in self._measures.values():
            if self._feeds(subject, measure) and measure.rule.merges and measure not in subject.measured:
                subject.measured.append(measure)

    def _measure(self, measure: Measure, batch: MetricsBatch, gap: timedelta) -> list[Change]:
        measure.add(batch)
        value, track = measure.result(), measure.track
        at = measure.newest_at or batch.at
        if value is None or (track.last_at is not None and at < track.last_at):
            return []
        if track.idle and not track.rule.breached(value):
            return []
        return lifecycle.observe(track, value, at, gap=gap, new_id=self._new_id)

    def _leave(self, subject: Subject, at: datetime) -> list[Change]:
        self.counters["left"] += 1
        subject.left = True
        changes = []
        for track in self._tracks_of(subject):
            changes += lifecycle.end(track, "source_left", at)
        members = self._groups[subject.kind, subject.group]
        if all(self._subjects[member].left for member in members):
            for track in self._tracks_of_group(subject):
                changes += lifecycle.end(track, "source_left", at)
        subject.layout = None
        return changes

    def _group_silent(self, subject: Subject, now: datetime) -> list[Change]:
        members = [self._subjects[member] for member in self._groups[subject.kind, subject.group]]
        if not all(member.stale or member.left for member in members):
            return []
        return [
            change for track in self._tracks_of_group(subject) for change in lifecycle.went_stale(track, now)
        ]

    def _is_of_group(self, track: Track) -> bool:
        return track.rule.by == "group"

    def _tracks_of(self, subject: Subject) -> list[Track]:
        return [
            track
            for track in self._tracks.values()
            if track.alert is not None or track.disarmed is not None
            if (track.key.kind, track.key.source) == (subject.kind, subject.source)
            if not self._is_of_group(track)
        ]

    def _tracks_of_group(self, subject: Subject) -> list[Track]:
        return [
            track
            for track in self._tracks.values()
            if (track.key.kind, track.key.source) == (subject.kind, subject.group)
            if self._is_of_group(track)
        ]


def _removed(alert: Alert) -> Rule:
    """Stand in for a rule that is gone, until the reload that ends its alerts."""
    severities = [alert.severity] if alert.severity else list(alert.held_since)
    return Rule(alert.key.rule, parse(alert.key.series)[0], tuple((one, 0.0) for one in severities))
