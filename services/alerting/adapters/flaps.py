"""Who is to be told that a series is stable: whoever is told of an alert of it while it flaps."""

from __future__ import annotations

from collections.abc import Sequence

from atalaia.database import Connection
from atalaia.events.alerts import AlertTransition
from services.alerting.domain.flaps import calms, series_of
from services.alerting.domain.routes import Routes

_FLAPS = """
INSERT INTO flaps (channel, rule, kind, source, series, alert_id, delivery_group, interval_s, remind_s)
SELECT r.channel, t.rule, t.kind, t.source, t.series, t.alert_id, r.delivery_group, r.interval_s, r.remind_s
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
    AS t (rule, kind, source, series, alert_id)
JOIN recipients r USING (alert_id)
WHERE r.channel = ANY ($6::text[])
ON CONFLICT (channel, rule, kind, source, series) DO UPDATE SET alert_id = excluded.alert_id"""
_STABLE = """
INSERT INTO recipients (alert_id, channel, delivery_group, interval_s, remind_s)
SELECT t.alert_id, f.channel, f.delivery_group, f.interval_s, f.remind_s
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
    AS t (rule, kind, source, series, alert_id)
JOIN flaps f USING (rule, kind, source, series)
ON CONFLICT DO NOTHING"""


async def note(connection: Connection, events: Sequence[AlertTransition], routes: Routes) -> None:
    """Remember who is told of series that flap, and have them all be told of the end.

    Within the transaction that stores the changes, once it has stored who is told of each alert.
    """
    # of a series only the newest: a row cannot be written twice by one statement
    flapping = {series_of(event): event.alert_id for event in events if event.flapping}
    if flapping:
        columns = zip(*((*series, alert_id) for series, alert_id in flapping.items()), strict=True)
        await connection.execute(_FLAPS, *columns, list(routes.channels))
    over = {(*series_of(event), event.alert_id) for event in events if calms(event)}
    if over:
        await connection.execute(_STABLE, *zip(*over, strict=True))
