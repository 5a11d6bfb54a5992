"""What is pending, firing, disarmed or unsettled: found by the subject or the group that it belongs to."""

from __future__ import annotations

from collections.abc import Iterator

from services.alerting.domain.alert import Alert, Key, State
from services.alerting.domain.lifecycle import Track
from services.alerting.domain.rules import Rule

Owner = tuple[str, str]
Name = tuple[str, str]


class Tracks:
    """Mutable, one owner. Only tracks with something to remember are kept: see `settle`.

    `by_source[kind, source]` and `by_group[kind, group]` hold them by (rule, series).
    """

    def __init__(self) -> None:
        self.by_source: dict[Owner, dict[Name, Track]] = {}
        self.by_group: dict[Owner, dict[Name, Track]] = {}

    def __iter__(self) -> Iterator[Track]:
        for owners in (self.by_source, self.by_group):
            for tracks in list(owners.values()):
                yield from list(tracks.values())

    def restore(self, alert: Alert, rule: Rule) -> Track:
        """Take over a stored alert."""
        track = self.find(alert.key, rule) or Track(rule, alert.key, alert.group, alert.partition)
        if alert.state is not State.RESOLVED:
            track.alert, track.last_at = alert, alert.last_at
        elif alert.rearm is not None:
            track.disarmed = alert
        else:
            track.unsettled, track.last_at = alert, alert.last_at
        self.settle(track)
        return track

    def find(self, key: Key, rule: Rule) -> Track | None:
        return self._home(rule).get((key.kind, key.source), {}).get((key.rule, key.series))

    def settle(self, track: Track) -> None:
        """Keep a track that has something to remember, drop one that has not."""
        key, home = track.key, self._home(track.rule)
        name = (key.rule, key.series)
        if not track.idle:
            home.setdefault((key.kind, key.source), {})[name] = track
        elif (owned := home.get((key.kind, key.source))) is not None:
            owned.pop(name, None)
            if not owned:
                del home[key.kind, key.source]

    def of_source(self, owner: Owner) -> list[Track]:
        return list(self.by_source.get(owner, {}).values())

    def of_group(self, owner: Owner) -> list[Track]:
        return list(self.by_group.get(owner, {}).values())

    def firing(self, alert_id: str) -> tuple[Track, Alert] | None:
        for track in self:
            alert = track.alert
            if alert is not None and alert.alert_id == alert_id and alert.state is State.FIRING:
                return track, alert
        return None

    def _home(self, rule: Rule) -> dict[Owner, dict[Name, Track]]:
        return self.by_group if rule.by == "group" else self.by_source
