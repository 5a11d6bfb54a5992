"""The life of one alert, decided value by value.

            breach                    breached for `for`
    quiet ──────────► pending ──────────────────────────► firing ◄──┐ severity rises and falls
      ▲                  │ not beyond the lowest            │  │    │ within one alert
      │                  │ threshold, or a gap              │  └────┘
      │◄─────────────────┘                                  │      silence ⇄ data: stale and back
      │◄────────────────────────────────────────────────────┘
        resolved: a good value (good for `keep_firing_for`, where the rule says so), a person,
        the source leaves, the rule is removed

While it fires, a person may acknowledge it: until a moment, until undone, or until it gets worse.
After a person resolved a bad value the series is *disarmed*: it fires again only after one
good value, or at a higher severity than the one resolved.

A series that fires over and over *flaps* (`flapping` says when that begins), and its newest alert,
firing or resolved, bears the mark: `stabilized` is said of that one once ten minutes of values have
come and gone without a change, or when a person, the source or the rule ends it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec.structs import replace

from atalaia.events.alerts import Severity, Transition
from services.alerting.domain.alert import Alert, Change, Key, State
from services.alerting.domain.rules import Rule
from services.alerting.domain.summary import Told, told

NewId = Callable[[datetime], str]
STABLE_AFTER = timedelta(minutes=10)
NO_CALM = (Transition.FIRED, Transition.RESOLVED)


@dataclass(slots=True)
class Track:
    """One series under one rule. `alert` is pending or firing; `disarmed` the one resolved by hand.

    `unsettled` is the newest alert of a series that flaps, resolved. `calm_since`: it has neither
    fired nor resolved since; None: since it last did.
    """

    rule: Rule
    key: Key
    group: str
    partition: int
    alert: Alert | None = None
    disarmed: Alert | None = None
    unsettled: Alert | None = None
    calm_since: datetime | None = None
    last_at: datetime | None = None

    @property
    def idle(self) -> bool:
        return self.alert is None and self.disarmed is None and self.unsettled is None


def observe(track: Track, value: float, at: datetime, *, gap: timedelta, new_id: NewId) -> list[Change]:
    """Judge one value, later than the last one. More than `gap` since then starts what is pending anew."""
    rule = track.rule
    breached = rule.breached(value)
    changes: list[Change] = []
    if track.last_at is None or at - track.last_at > gap:
        track.calm_since = at  # a gap counts for nothing
    if track.disarmed is not None:
        changes += _rearm(track, value, breached, at)
    if track.alert is None:
        if breached and track.disarmed is None:
            changes += _begin(track, value, breached, at, new_id)
    elif track.alert.state is State.PENDING:
        changes += _pending(track, track.alert, value, breached, at, gap)
    else:
        changes += _firing(track, track.alert, value, breached, at, gap)
    if changes and any(one.transition in NO_CALM for one in changes):
        track.calm_since = at
    else:
        changes += _calmed(track, at)
    track.last_at = at
    return changes


def went_stale(track: Track, at: datetime) -> list[Change]:
    """Say that nothing is heard; a pending alert waits."""
    alert = track.alert
    if alert is None or alert.state is not State.FIRING or alert.stale:
        return []
    return [_announce(track, replace(alert, stale=True), Transition.WENT_STALE, at)]


def end(track: Track, by: str, at: datetime, *, note: str | None = None) -> list[Change]:
    """Resolve what fires, withdraw what is pending, forget what was disarmed."""
    changes = []
    if track.disarmed is not None:
        changes.append(Change(replace(track.disarmed, rearm=None), at))
        track.disarmed = None
    alert = track.alert
    if alert is not None and alert.state is State.PENDING:
        track.alert = None
        changes.append(Change(alert, at, withdrawn=True))
    elif alert is not None:
        changes.append(_resolve(track, replace(alert, flapping=False), by, at, note=note))
    if track.unsettled is not None:
        changes.append(_stabilized(track.unsettled, at))
        track.unsettled = None
    return changes


def resolve_by_hand(track: Track, alert: Alert, by: str, at: datetime, *, note: str | None) -> Change:
    """Resolve a firing alert whose last value is bad: it is disarmed until a good one."""
    assert alert.severity is not None
    change = _resolve(track, replace(alert, rearm=alert.severity, flapping=False), by, at, note=note)
    track.disarmed = change.alert
    return replace(change, by=by)


def acknowledge(
    track: Track, alert: Alert, by: str, until: datetime | None, at: datetime, *, note: str | None
) -> Change:
    """Say that somebody takes care of it: until a moment, or for as long as it fires and gets no worse."""
    taken = replace(alert, acknowledged_by=by, acknowledged_at=at, acknowledged_until=until)
    return replace(_announce(track, taken, Transition.ACKNOWLEDGED, at, note=note), by=by)


def unacknowledge(
    track: Track, alert: Alert, at: datetime, *, by: str | None = None, note: str | None = None
) -> Change:
    """Say that nobody takes care of it any more: a person says so, or its time is up."""
    left = _announce(track, _left_alone(alert), Transition.UNACKNOWLEDGED, at, note=note)
    return replace(left, by=by)


def acknowledgement_over(track: Track, at: datetime) -> list[Change]:
    """End an acknowledgement whose time is up."""
    alert = track.alert
    if alert is None or alert.acknowledged_until is None or at < alert.acknowledged_until:
        return []
    return [unacknowledge(track, alert, at)]


def _left_alone(alert: Alert) -> Alert:
    return replace(alert, acknowledged_by=None, acknowledged_at=None, acknowledged_until=None)


def _begin(track: Track, value: float, breached: list[Severity], at: datetime, new_id: NewId) -> list[Change]:
    alert = Alert(
        alert_id=new_id(at),
        key=track.key,
        group=track.group,
        partition=track.partition,
        state=State.PENDING,
        started_at=at,
        last_at=at,
        value=value,
        threshold=track.rule.thresholds[0][1],
        labels=dict(track.rule.labels),
        held_since=dict.fromkeys(breached, at),
    )
    track.alert = alert
    return _fire_if_held(track, alert, value, at) or [Change(alert, at)]


def _pending(
    track: Track, alert: Alert, value: float, breached: list[Severity], at: datetime, gap: timedelta
) -> list[Change]:
    if not breached:
        track.alert = None
        return [Change(alert, at, withdrawn=True)]
    anew = track.last_at is None or at - track.last_at > gap
    held = dict.fromkeys(breached, at) if anew else _still_held(alert, breached, at)
    after = replace(
        alert,
        value=value,
        last_at=at,
        held_since=held,
        started_at=at if anew else alert.started_at,
    )
    track.alert = after
    fired = _fire_if_held(track, after, value, at)
    if fired:
        return fired
    return [Change(after, at)] if held != alert.held_since else []


def _fire_if_held(track: Track, alert: Alert, value: float, at: datetime) -> list[Change]:
    severity = _severity(track.rule, alert, value, at)
    if severity is None:
        return []
    before, track.unsettled = track.unsettled, None
    flapping = False
    settled: list[Change] = []
    if before is not None and before.resolved_at is not None and at - before.resolved_at < STABLE_AFTER:
        flapping = True
        settled = [Change(replace(before, flapping=False), at)]  # the mark moves on
    elif before is not None:  # nobody heard that it was stable: news all the same
        settled = [_stabilized(before, at)]
    firing = replace(alert, state=State.FIRING, fired_at=at, flapping=flapping)
    return [*settled, _announce(track, _at_severity(track, firing, severity), Transition.FIRED, at)]


def _firing(
    track: Track, alert: Alert, value: float, breached: list[Severity], at: datetime, gap: timedelta
) -> list[Change]:
    assert alert.severity is not None
    rule = track.rule
    changes: list[Change] = []
    if rule.good(value):
        fresh = replace(alert, value=value, last_at=at, stale=False)
        if alert.stale:
            changes.append(_announce(track, fresh, Transition.DATA_RETURNED, at))
            fresh = changes[-1].alert
        return [*changes, *_good(track, fresh, at, gap)]
    held = _still_held(alert, breached, at)
    if track.last_at is not None and at - track.last_at > gap:
        held = {one: at if one.rank > alert.severity.rank else since for one, since in held.items()}
    fresh = replace(alert, value=value, last_at=at, stale=False, good_since=None, held_since=held)
    if alert.stale:
        changes.append(_announce(track, fresh, Transition.DATA_RETURNED, at))
        fresh = changes[-1].alert
    severity = _severity(rule, fresh, value, at)
    track.alert = fresh
    if severity is not None and severity is not alert.severity:
        worse = severity.rank > alert.severity.rank
        moved = _at_severity(track, _left_alone(fresh) if worse else fresh, severity)
        return [*changes, _announce(track, moved, Transition.SEVERITY_CHANGED, at)]
    if changes or held != alert.held_since or fresh.good_since != alert.good_since:
        changes.append(Change(fresh, at))
    return changes


def _good(track: Track, alert: Alert, at: datetime, gap: timedelta) -> list[Change]:
    """Resolve, once values have been good for as long as the rule wants; a gap counts for nothing."""
    anew = alert.good_since is None or (track.last_at is not None and at - track.last_at > gap)
    since = at if anew or alert.good_since is None else alert.good_since
    if at - since >= track.rule.keep_firing_for:
        return [_resolve(track, alert, "recovery", at)]
    track.alert = replace(alert, good_since=since, held_since={})
    return [Change(track.alert, at)] if anew else []


def _calmed(track: Track, at: datetime) -> list[Change]:
    """Say that a series no longer flaps, once nothing has changed for a while."""
    alert = track.unsettled if track.alert is None else track.alert
    if alert is None or not alert.flapping:
        return []
    since = track.calm_since or alert.resolved_at or alert.fired_at
    if since is None or at - since < STABLE_AFTER:
        return []
    change = _stabilized(alert, at)
    track.alert = change.alert if track.alert is not None else None
    track.unsettled = None
    return [change]


def _stabilized(alert: Alert, at: datetime) -> Change:
    return Change(replace(alert, flapping=False, sequence=alert.sequence + 1), at, Transition.STABILIZED)


def _rearm(track: Track, value: float, breached: list[Severity], at: datetime) -> list[Change]:
    assert track.disarmed is not None and track.disarmed.rearm is not None
    worse = bool(breached) and breached[-1].rank > track.disarmed.rearm.rank
    if not worse and not track.rule.good(value):
        return []
    armed = replace(track.disarmed, rearm=None)
    track.disarmed = None
    return [Change(armed, at)]


def _still_held(alert: Alert, breached: list[Severity], at: datetime) -> dict[Severity, datetime]:
    return {severity: alert.held_since.get(severity, at) for severity in breached}


def _severity(rule: Rule, alert: Alert, value: float, at: datetime) -> Severity | None:
    """Return the highest severity that is held for long enough, or was reached and is not left."""
    reached = -1 if alert.severity is None else alert.severity.rank
    for severity, _ in reversed(rule.thresholds):
        since = alert.held_since.get(severity)
        if since is not None and at - since >= rule.hold_for:
            return severity
        if severity.rank <= reached and not rule.left(severity, value):
            return severity
    return alert.severity


def _at_severity(track: Track, alert: Alert, severity: Severity) -> Alert:
    assert alert.value is not None
    rule, key = track.rule, track.key
    about = Told(rule, key.source, key.kind, track.group, key.series, severity, alert.value, alert.started_at)
    return replace(
        alert,
        severity=severity,
        threshold=rule.threshold(severity),
        summary=told(rule.summary, about),
        description=told(rule.description, about),
        runbook_url=told(rule.runbook_url, about),
    )


def _resolve(track: Track, alert: Alert, by: str, at: datetime, *, note: str | None = None) -> Change:
    resolved = replace(
        alert,
        state=State.RESOLVED,
        stale=False,
        resolved_at=at,
        resolved_by=by,
        held_since={},
        sequence=alert.sequence + 1,
    )
    track.alert = None
    track.unsettled = resolved if resolved.flapping else None
    return Change(resolved, at, Transition.RESOLVED, note=note)


def _announce(
    track: Track, alert: Alert, transition: Transition, at: datetime, *, note: str | None = None
) -> Change:
    track.alert = replace(alert, sequence=alert.sequence + 1)
    return Change(track.alert, at, transition, note=note)
