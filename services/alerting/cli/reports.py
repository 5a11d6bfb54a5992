"""How a replay is told: lines for people, JSON for programs, progress for the impatient."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TextIO

from atalaia.clock import Clock
from atalaia.events.alerts import AlertTransition, Severity
from atalaia.events.instants import iso
from services.alerting.domain.retrial import Retrial, Tally
from services.alerting.domain.summary import Shown

QUIET_FOR_S = 2.0
LINE_EVERY_S = 10.0
REDRAWN_EVERY_S = 0.5
A_LATE_START = timedelta(minutes=2)


class Progress:
    """Tells how far a replay is, once it takes longer than two seconds."""

    def __init__(self, clock: Clock, out: TextIO) -> None:
        self._clock = clock
        self._out = out
        self._is_terminal = out.isatty()
        self._next_s = clock.monotonic_s() + QUIET_FOR_S
        self._read = 0
        self._shown = False

    def at(self, stored_at: datetime, read: int, pending: int) -> None:
        """Note `read` more messages, up to one stored at a moment with `pending` behind it."""
        self._read += read
        now_s = self._clock.monotonic_s()
        if now_s < self._next_s:
            return
        self._next_s = now_s + (REDRAWN_EVERY_S if self._is_terminal else LINE_EVERY_S)
        share = self._read / (self._read + pending)
        said = f"replaying: {share:4.0%}, {self._read} messages, at {_moment(stored_at)}"
        self._out.write(f"\r{said}\033[K" if self._is_terminal else f"{said}\n")
        self._out.flush()
        self._shown = True

    def done(self) -> None:
        """Leave the line to what comes next."""
        if self._shown and self._is_terminal:
            self._out.write("\r\033[K")


def as_json(retrial: Retrial, summed: Sequence[Tally]) -> str:
    """Return one JSON document; transitions are as on the stream of alerts."""
    series = retrial.series_judged()
    document = {
        "since": iso(retrial.since),
        "until": iso(retrial.until),
        "messages": retrial.messages,
        "unreadable": retrial.unreadable,
        "sources": [
            {"kind": kind, "source": source, "recorded_from": iso(at)}
            for (kind, source), at in sorted(retrial.recorded_from.items())
        ],
        "transitions": [json.loads(event.body()) for event in retrial.transitions],
        "rules": [
            {
                "rule": tally.rule,
                "series": series.get(tally.rule, 0),
                "fired": tally.fired,
                "by_severity": tally.by_severity,
                "firing_s": tally.firing_s,
                "still_firing": tally.still_firing,
                "flaps": tally.flaps,
            }
            for tally in summed
        ],
    }
    return json.dumps(document, indent=2) + "\n"


def as_text(retrial: Retrial, summed: Sequence[Tally]) -> str:
    """Return the transitions, then a table of the rules."""
    lines = [_transition(event) for event in retrial.transitions]
    if lines:
        lines.append("")
    lines += _table(retrial.series_judged(), summed)
    lines += ["", *_covered(retrial)]
    return "\n".join(lines) + "\n"


def _transition(event: AlertTransition) -> str:
    how = event.resolved_by or event.severity.value
    return (
        f"{_moment(event.at)}  {event.transition.value:16}  {how:11}  {event.rule} of {event.source}"
        f"  {event.summary}"
    )


def _table(series: dict[str, int], summed: Sequence[Tally]) -> list[str]:
    rows = [("rule", "series", "fired", *(severity.value for severity in Severity), "firing for", "flaps")]
    for tally in summed:
        firing = f"{Shown(tally.firing_s):duration}" if tally.fired else "-"
        rows.append(
            (
                tally.rule,
                str(series.get(tally.rule, 0)),
                str(tally.fired),
                *(str(tally.by_severity[severity]) for severity in Severity),
                f"{firing}, still" if tally.still_firing else firing,
                str(tally.flaps),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def _covered(retrial: Retrial) -> list[str]:
    """Say what the replay saw, and of how many sources the stream has forgotten the beginning."""
    lines = [
        f"{_moment(retrial.since)} to {_moment(retrial.until)}: {retrial.messages} messages of "
        f"{len(retrial.recorded_from)} sources, {retrial.unreadable} unreadable"
    ]
    late = [at for at in retrial.recorded_from.values() if at > retrial.since + A_LATE_START]
    if late:
        lines.append(
            f"{len(late)} of the sources are not recorded that far back, "
            f"one only from {_moment(max(late))} on"
        )
    return lines


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
