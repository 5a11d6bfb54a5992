"""Whatever happens to alerts, channel and replicas: everything is told, once, in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from services.alerting.domain.delivery import Desk, Settlement
from services.alerting.domain.flaps import Flap, Series, series_of
from services.alerting.domain.messages import Message, Notice, Told
from services.alerting.domain.outcomes import Outcome
from tests.unit.alerting.desks import DELIVERED, REFUSED, TIMED_OUT, Scene

TOLD = ("fired", "resolved", "stabilized")
ALERTS = ("a/cpu", "a/disk", "b/cpu", "b/disk", "c/cpu")


@dataclass
class Stored:
    """What Postgres would hold of one channel."""

    notices: dict[int, Notice] = field(default_factory=dict)
    told: dict[str, tuple[str, Told]] = field(default_factory=dict)
    sent: dict[str, tuple[datetime | None, int]] = field(default_factory=dict)
    under_way: dict[str, tuple[Message, int, datetime, bool]] = field(default_factory=dict)
    flaps: dict[Series, Flap] = field(default_factory=dict)
    failures: int = 0
    not_before: datetime | None = None

    def begin(self, message: Message, *, tries: int, superseded: list[str], now: datetime) -> None:
        self.under_way[message.key] = (message, tries, now, True)
        for key in superseded:
            self.under_way.pop(key, None)

    def settle(self, settled: Settlement, desk: Desk) -> None:
        message = settled.message
        self.failures, self.not_before = desk.failures, desk.not_before
        if not settled.over:
            assert settled.retry_at is not None
            entry = (message, settled.attempt, settled.retry_at, settled.sealed)
            self.under_way[message.key] = entry
            return
        self.under_way.pop(message.key, None)
        for item in message.items:
            for notice in item.notices:
                self.notices.pop(notice, None)
        for told in settled.told:
            group = next(one.key for one in settled.groups if told.event.alert_id in one.told)
            self.told[told.event.alert_id] = (group, told)
        for alert_id in settled.forgotten:
            self.told.pop(alert_id, None)
        for series, flap in settled.flaps:
            if flap is None:
                self.flaps.pop(series, None)
            else:
                self.flaps[series] = flap
        for one in settled.groups:
            self.sent[one.key] = (one.sent_at, one.reminders)

    def desk(self) -> Desk:
        """Return what another replica would make of it."""
        desk = Desk("ops", failures=self.failures, not_before=self.not_before)
        desk.flaps = dict(self.flaps)
        for key, told in self.told.values():
            group = desk.group(key, 30.0, None)
            group.told[told.event.alert_id] = told
            group.sent_at, group.reminders = self.sent.get(key, (None, 0))
        desk.take(sorted(self.notices.values(), key=lambda notice: notice.id))
        for message, tries, retry_at, sealed in self.under_way.values():
            desk.reopen(message, tries=tries, retry_at=retry_at, sealed=sealed)
        return desk


class World:
    """Alerts, a channel that may receive without saying so, and replicas that die at any point."""

    def __init__(self) -> None:
        self.scene = Scene()
        self.stored = Stored()
        self.desk = self.stored.desk()
        self.firing: dict[str, str] = {}
        self.fired: dict[str, int] = {}
        self.flapping: dict[str, str] = {}
        self.expected: dict[str, list[str]] = {}
        self.silenced: set[str] = set()
        self.keys: set[str] = set()
        self.told: dict[str, list[str]] = {}
        self._number = 0

    def happens(self, place: str, what: str) -> None:
        """Have something come; a place flaps from its third alert on, until it is stable."""
        if what == "stabilized":
            if place in self.flapping:
                self.says(self.flapping.pop(place), what, ends=place not in self.firing)
                self.fired[place] = 0
            return
        if place not in self.firing:
            self._number += 1
            self.firing[place] = f"{place.replace('/', f'#{self._number}/', 1)}"
            self.fired[place] = self.fired.get(place, 0) + 1
            what = "fired"
        elif what == "fired":
            what = "severity_changed"
        alert = self.firing[place]
        if self.fired[place] >= 3:
            self.flapping[place] = alert
        self.says(alert, what, ends=what == "resolved", flapping=True if place in self.flapping else None)
        if what == "resolved":
            del self.firing[place]

    def says(self, alert: str, what: str, *, ends: bool, flapping: bool | None = None) -> None:
        self.expected.setdefault(alert, [])
        if what in TOLD:
            self.expected[alert].append(what)
        state = "resolved" if ends else "firing"
        notice = self.scene.notice(
            alert, what, state=state, flapping=flapping, resolved_by="recovery" if ends else None
        )
        self.stored.notices[notice.id] = notice
        self.desk.take([notice])

    def send(self, outcomes: Callable[[], tuple[Outcome, bool]], *, dies: bool = False) -> None:
        """Send what is due. An outcome comes with whether the receiver acted; `dies` before it is stored."""
        now = self.scene.now
        for message in self.desk.due(now, lambda event: event.source in self.silenced):
            outcome, received = outcomes()
            tries = self.desk.attempt(message) - 1
            superseded = self.desk.superseded(message)
            self.desk.begins(message)
            self.stored.begin(message, tries=tries, superseded=superseded, now=now)
            self.desk.began(message)
            if received:
                self._acts_on(message)
            if dies:
                continue
            self.stored.settle(self.desk.settle(message, outcome, now, dice=0.5), self.desk)
            self.desk.landed(message)
        for notice in self.desk.dropped:
            del self.stored.notices[notice.id]
            if not notice.event.flapping:
                self.stored.flaps.pop(series_of(notice.event), None)
        self.desk.dropped = []
        if dies:
            self.desk = self.stored.desk()

    def _acts_on(self, message: Message) -> None:
        if message.key in self.keys:
            return
        self.keys.add(message.key)
        for item in message.items:
            told = self.told.setdefault(item.event.alert_id, [])
            told += [name for name in item.transitions if name in TOLD]


OUTCOMES = st.sampled_from(
    [(DELIVERED, True), (REFUSED, False), (TIMED_OUT, False), (TIMED_OUT, True), (DELIVERED, True)]
)
STEP = st.one_of(
    st.tuples(st.sampled_from(ALERTS), st.sampled_from(["fired", "resolved", "went_stale", "stabilized"])),
    st.tuples(st.sampled_from(ALERTS[:2]), st.just("swings")),
    st.tuples(st.just("waits"), st.sampled_from([0.5, 3.0, 20.0, 3600.0])),
    st.tuples(st.just("sends"), OUTCOMES),
    st.tuples(st.just("dies"), OUTCOMES),
)
STEPS = st.lists(STEP, max_size=60)


def live(steps: list[tuple[str, object]]) -> World:
    """Have it all happen; then what flaps is stable, silences end, and the channel is well."""
    world = World()
    for what, how in steps:
        if what == "waits":
            world.scene.now_s += float(str(how))
        elif what in ("sends", "dies"):
            world.send(lambda how=how: how, dies=what == "dies")  # type: ignore[misc]
        elif how == "silenced":
            world.silenced ^= {what[0]}
        elif how == "swings":
            for _ in range(3):
                world.happens(what, "fired")
                world.happens(what, "resolved")
        else:
            world.happens(what, str(how))
    world.silenced.clear()
    for place in list(world.flapping):
        world.happens(place, "stabilized")
    for _ in range(40):
        world.scene.now_s += 31
        world.send(lambda: (DELIVERED, True))
    assert world.stored.notices == {}
    assert not any(sealed for _, _, _, sealed in world.stored.under_way.values())
    assert world.stored.flaps == world.desk.flaps == {}
    return world


@given(STEPS)
def test_everything_is_told_once_and_each_end_after_its_beginning(steps: list[tuple[str, object]]) -> None:
    world = live(steps)
    assert world.told == world.expected


@given(st.lists(st.one_of(STEP, st.tuples(st.sampled_from(ALERTS), st.just("silenced"))), max_size=60))
def test_through_silences_every_beginning_that_was_told_has_its_end(steps: list[tuple[str, object]]) -> None:
    world = live(steps)
    for alert, told in world.told.items():
        assert len(set(told)) == len(told)
        if "fired" in told:
            assert [name for name in world.expected[alert] if name != "stabilized"] == [
                name for name in told if name != "stabilized"
            ]
        else:
            assert told == ["stabilized"]
