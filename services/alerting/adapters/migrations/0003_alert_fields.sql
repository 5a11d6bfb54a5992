ALTER TABLE alerts
    ADD COLUMN acknowledged_until timestamptz,
    ADD COLUMN good_since         timestamptz,
    ADD COLUMN description        text NOT NULL DEFAULT '',
    ADD COLUMN runbook_url        text NOT NULL DEFAULT '';
