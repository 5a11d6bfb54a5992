"""Which service instances are there, and which went missing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from atalaia.events.services import FORGOTTEN_AFTER_S, MISSING_AFTER_S, ServiceAnnouncement

WATCHED = ("alerting", "collector")  # without these a platform watches nothing, whether seen before or not


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance as it was last heard."""

    said: ServiceAnnouncement
    last_seen_at: datetime
    status: Literal["up", "draining", "missing"]


class Registry:
    """Mutable, one owner; times are the gateway's own."""

    def __init__(self, began_at: datetime) -> None:
        self._began_at = began_at
        self._heard: dict[tuple[str, str], tuple[ServiceAnnouncement, datetime]] = {}

    def hear(self, said: ServiceAnnouncement, at: datetime) -> None:
        """Take an announcement; it replaces missing instances of that service on that host."""
        for key, (other, seen_at) in list(self._heard.items()):
            same_place = other.service == said.service and other.host == said.host
            if same_place and other.instance != said.instance and _missing(other, seen_at, at):
                del self._heard[key]
        self._heard[said.service, said.instance] = (said, at)

    def listen_anew(self, at: datetime) -> None:
        """Nobody could be heard until now: count everyone's silence from here."""
        self._began_at = at
        for key, (said, _) in self._heard.items():
            self._heard[key] = (said, at)

    def instances(self, now: datetime) -> list[Instance]:
        """Return what is known, by service and instance."""
        for key, (_, seen_at) in list(self._heard.items()):
            if now - seen_at > timedelta(seconds=FORGOTTEN_AFTER_S):
                del self._heard[key]
        return [
            Instance(said, seen_at, "missing" if _missing(said, seen_at, now) else said.status)
            for _, (said, seen_at) in sorted(self._heard.items())
        ]

    def absent(self, now: datetime) -> tuple[str, ...]:
        """Return the services with no instance up, once there was time to hear of them."""
        if now - self._began_at <= timedelta(seconds=MISSING_AFTER_S):
            return ()
        known = self.instances(now)
        present = {one.said.service for one in known if one.status == "up"}
        expected = {*WATCHED, *(one.said.service for one in known if one.status == "missing")}
        return tuple(sorted(expected - present))


def _missing(said: ServiceAnnouncement, seen_at: datetime, now: datetime) -> bool:
    return now - seen_at > timedelta(seconds=MISSING_AFTER_S)
