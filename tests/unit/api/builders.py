"""What the gateway's tests are written in."""

from __future__ import annotations

from datetime import UTC, datetime

from atalaia.events.alerts import AlertTransition, Severity, Transition
from services.api.domain.active import Known

T0 = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def known(sequence: int, state: str = "firing", alert_id: str = "A") -> Known:
    return Known(
        sequence,
        AlertTransition.model_validate(
            {
                "alert_id": alert_id,
                "transition": Transition.FIRED,
                "at": T0,
                "rule": "r",
                "series": "s",
                "source": "x",
                "kind": "host",
                "group": "x",
                "severity": Severity.ERROR,
                "state": state,
                "value": 1.0,
                "threshold": 0.5,
                "started_at": T0,
                "summary": "bad",
            }
        ),
    )
