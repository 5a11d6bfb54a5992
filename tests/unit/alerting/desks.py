"""A desk, its clock and its channel: what the delivery tests are written in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count

from atalaia.events.alerts import AlertTransition, Severity, Transition
from services.alerting.domain.delivery import Desk
from services.alerting.domain.messages import Message, Notice
from services.alerting.domain.outcomes import Outcome, Verdict
from services.alerting.domain.routes import group_key

T0 = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DELIVERED = Outcome(Verdict.DELIVERED, 200)
REFUSED = Outcome(Verdict.FAILED, 500, "HTTP 500")
TIMED_OUT = Outcome(Verdict.FAILED, None, "no answer", maybe=True)
REJECTED = Outcome(Verdict.REJECTED, 404, "HTTP 404")


def event(alert: str, transition: str = "fired", /, **more: object) -> AlertTransition:
    """Return a transition of an alert named `<source>`, `<source>/<rule>` or `<source>#<number>/<rule>`."""
    name, _, rule = alert.partition("/")
    source = name.partition("#")[0]
    resolved = transition == "resolved"
    fields: dict[str, object] = {
        "alert_id": alert,
        "transition": Transition(transition),
        "at": T0,
        "rule": rule or "high-cpu",
        "series": "system.cpu.utilization",
        "source": source,
        "kind": "host",
        "group": "shop",
        "severity": Severity.WARNING,
        "state": "resolved" if resolved else "firing",
        "value": 0.9,
        "threshold": 0.8,
        "started_at": T0,
        "summary": f"{alert} is bad",
        "resolved_by": "recovery" if resolved else None,
        "acknowledged_by": "ana" if transition == "acknowledged" else None,
    }
    return AlertTransition.model_validate(fields | more)


class Scene:
    """One desk at a time that the test sets; `now_s` are seconds since it began."""

    def __init__(self) -> None:
        self.desk = Desk("ops")
        self.now_s = 0.0
        self.hides: Callable[[AlertTransition], bool] = lambda event: False
        self._ids = count(1)
        self._sequences: dict[str, int] = {}

    @property
    def now(self) -> datetime:
        return T0 + timedelta(seconds=self.now_s)

    def at(self, now_s: float) -> Scene:
        self.now_s = now_s
        return self

    def happens(self, alert: str, *transitions: str, **more: object) -> Scene:
        self.desk.take(self.notice(alert, transition, **more) for transition in transitions)
        return self

    def notice(self, alert: str, transition: str, **more: object) -> Notice:
        said = event(alert, transition, **{"at": self.now, **more})
        self._sequences[alert] = self._sequences.get(alert, 0) + 1
        group = group_key(("rule", "group"), {"rule": said.rule, "group": said.group})
        sequence = self._sequences[alert]
        return Notice(next(self._ids), alert, sequence, group, 30.0, 3600.0, self.now, said)

    def due(self) -> list[Message]:
        return self.desk.due(self.now, lambda event: self.hides(event))

    def answer(self, message: Message, outcome: Outcome) -> None:
        self.desk.began(message)
        self.desk.settle(message, outcome, self.now, dice=0.5)
        self.desk.landed(message)

    def leaves(self, outcome: Outcome = DELIVERED) -> list[str]:
        """Send what is due now, answer it all the same way, and return what it said."""
        messages = self.due()
        for message in messages:
            self.answer(message, outcome)
        return [said(message) for message in messages]


def said(message: Message) -> str:
    """Return a message as text: `kind: alert transition+transition, …`."""
    parts = [f"{item.event.alert_id} {'+'.join(item.transitions) or 'still'}" for item in message.items]
    return f"{message.kind}: {', '.join(parts)}"
