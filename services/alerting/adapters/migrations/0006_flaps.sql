-- Of a series that flaps the newest alert bears the mark; so far every alert did that fired while it flapped.
UPDATE alerts SET flapping = false WHERE state = 'resolved';
DROP INDEX alerts_to_restore;
CREATE INDEX alerts_to_restore ON alerts (partition) WHERE state <> 'resolved' OR rearm IS NOT NULL OR flapping;

-- Series that flap, for each channel that is told of it; `alert_id` is the newest alert.
-- `told_at`: up to which moment, by event time, the channel was told; NULL before the first time.
CREATE TABLE flaps (
    channel        text NOT NULL,
    rule           text NOT NULL,
    kind           text NOT NULL,
    source         text NOT NULL,
    series         text NOT NULL,
    alert_id       text NOT NULL,
    delivery_group text NOT NULL,
    interval_s     double precision NOT NULL,
    remind_s       double precision,
    told_at        timestamptz,
    severity       text,
    digests        integer NOT NULL DEFAULT 0,
    PRIMARY KEY (channel, rule, kind, source, series)
);
CREATE INDEX flaps_of_series ON flaps (rule, kind, source, series);
