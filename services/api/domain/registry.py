"""Which service instances are there, and which went missing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from atalaia.events.services import FORGOTTEN_AFTER_S, MISSING_AFTER_S, ServiceAnnouncement

WATCHED = ("alerting", "collector")  # without these a platform watches nothing, whether seen before or not
MISSING_AFTER, FORGOTTEN_AFTER = timedelta(seconds=MISSING_AFTER_S), timedelta(seconds=FORGOTTEN_AFTER_S)
INSTANT = timedelta(microseconds=1)
LATEST = datetime.max.replace(tzinfo=UTC) - INSTANT


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance as it was last heard."""

    said: ServiceAnnouncement
    last_seen_at: datetime
    status: Literal["up", "draining", "missing"]


@dataclass(frozen=True, slots=True)
class Roll:
    """Who is there, from `at` until before `until` (then time alone changes it) if nobody is heard.

    `instances` by service and instance; `absent` are the services with no instance up,
    once there was time to hear of them.
    """

    at: datetime
    until: datetime
    instances: tuple[Instance, ...]
    absent: tuple[str, ...]


class Registry:
    """Mutable, one owner; times are the gateway's own."""

    def __init__(self, began_at: datetime) -> None:
        self._began_at = began_at
        self._heard: dict[tuple[str, str], tuple[ServiceAnnouncement, datetime]] = {}
        self._roll: Roll | None = None

    def hear(self, said: ServiceAnnouncement, at: datetime) -> None:
        """Take an announcement; it replaces missing instances of that service on that host."""
        for key, (other, seen_at) in list(self._heard.items()):
            same_place = other.service == said.service and other.host == said.host
            if same_place and other.instance != said.instance and at > seen_at + MISSING_AFTER:
                del self._heard[key]
        self._heard[said.service, said.instance] = (said, at)
        self._roll = None

    def listen_anew(self, at: datetime) -> None:
        """Nobody could be heard until now: count everyone's silence from here."""
        self._began_at = at
        for key, (said, _) in self._heard.items():
            self._heard[key] = (said, at)
        self._roll = None

    def roll(self, now: datetime) -> Roll:
        """Return who is there; the very same object while nothing changes."""
        if self._roll is None or not self._roll.at <= now < self._roll.until:
            self._roll = self._call(now)
        return self._roll

    def _call(self, now: datetime) -> Roll:
        for key, (_, seen_at) in list(self._heard.items()):
            if now > seen_at + FORGOTTEN_AFTER:
                del self._heard[key]
        instances = tuple(
            Instance(said, seen_at, "missing" if now > seen_at + MISSING_AFTER else said.status)
            for _, (said, seen_at) in sorted(self._heard.items())
        )
        began = [self._began_at + MISSING_AFTER]
        ends = [one.last_seen_at + after for one in instances for after in (MISSING_AFTER, FORGOTTEN_AFTER)]
        until = min((end for end in began + ends if end >= now), default=LATEST)
        return Roll(now, until + INSTANT, instances, self._absent(instances, now))

    def _absent(self, instances: tuple[Instance, ...], now: datetime) -> tuple[str, ...]:
        if now <= self._began_at + MISSING_AFTER:
            return ()
        present = {one.said.service for one in instances if one.status == "up"}
        expected = {*WATCHED, *(one.said.service for one in instances if one.status == "missing")}
        return tuple(sorted(expected - present))
