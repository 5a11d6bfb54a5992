CREATE TABLE alerts (
    alert_id        text PRIMARY KEY,
    rule            text NOT NULL,
    kind            text NOT NULL,
    source          text NOT NULL,
    "group"         text NOT NULL,
    series          text NOT NULL,
    partition       smallint NOT NULL,
    state           text NOT NULL CHECK (state IN ('pending', 'firing', 'resolved')),
    stale           boolean NOT NULL DEFAULT false,
    severity        text CHECK (severity IN ('warning', 'error', 'critical')),
    value           double precision,
    threshold       double precision,
    started_at      timestamptz NOT NULL,
    fired_at        timestamptz,
    resolved_at     timestamptz,
    resolved_by     text,
    acknowledged_by text,
    acknowledged_at timestamptz,
    summary         text NOT NULL DEFAULT '',
    labels          jsonb NOT NULL DEFAULT '{}',
    held_since      jsonb NOT NULL DEFAULT '{}',
    last_at         timestamptz NOT NULL,
    rearm           text,
    sequence        integer NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX alerts_one_active ON alerts (rule, kind, source, series) WHERE state <> 'resolved';
CREATE INDEX alerts_to_restore ON alerts (partition) WHERE state <> 'resolved' OR rearm IS NOT NULL;
CREATE INDEX alerts_newest ON alerts (state, alert_id DESC);

CREATE TABLE alert_transitions (
    alert_id   text NOT NULL REFERENCES alerts ON DELETE CASCADE,
    sequence   integer NOT NULL,
    at         timestamptz NOT NULL,
    transition text NOT NULL,
    event      jsonb NOT NULL,
    note       text,
    PRIMARY KEY (alert_id, sequence)
);

CREATE TABLE outbox (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_id      text NOT NULL,
    sequence      integer NOT NULL,
    channel       text NOT NULL,
    subject       text NOT NULL,
    severity      text NOT NULL,
    at            timestamptz NOT NULL,
    body          text NOT NULL,
    attempts      integer NOT NULL DEFAULT 0,
    claimed_by    text,
    claimed_until timestamptz,
    UNIQUE (alert_id, channel, sequence)
);

CREATE TABLE partitions (
    partition      smallint PRIMARY KEY,
    holder         text,
    fence          bigint NOT NULL DEFAULT 0,
    expires_at     timestamptz,
    stream_created timestamptz,
    position       bigint NOT NULL DEFAULT 0,
    position_at    timestamptz
);
INSERT INTO partitions (partition) SELECT generate_series(0, 63);
