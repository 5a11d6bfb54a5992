-- A channel is held by one replica at a time; `fence` is in every write of its holder.
CREATE TABLE channels (
    name            text PRIMARY KEY,
    kind            text NOT NULL,
    target          text NOT NULL,
    holder          text,
    fence           bigint NOT NULL DEFAULT 0,
    lease_until     timestamptz,
    failures        integer NOT NULL DEFAULT 0,
    not_before      timestamptz,
    last_success_at timestamptz,
    last_failure_at timestamptz,
    last_error      text NOT NULL DEFAULT ''
);

-- Who is told of an alert; `told` is what the channel was told last, NULL before the first time.
CREATE TABLE recipients (
    alert_id       text NOT NULL,
    channel        text NOT NULL,
    delivery_group text NOT NULL,
    interval_s     double precision NOT NULL,
    remind_s       double precision,
    told           jsonb,
    PRIMARY KEY (alert_id, channel)
);
CREATE INDEX recipients_told ON recipients (channel) WHERE told IS NOT NULL;

CREATE TABLE delivery_groups (
    channel        text NOT NULL,
    delivery_group text NOT NULL,
    sent_at        timestamptz NOT NULL,
    reminders      integer NOT NULL,
    PRIMARY KEY (channel, delivery_group)
);

-- Transitions that wait for a channel: the outbox of deliveries. `taken`: the fence of who has seen it.
CREATE TABLE notices (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel   text NOT NULL,
    alert_id  text NOT NULL,
    sequence  integer NOT NULL,
    queued_at timestamptz NOT NULL DEFAULT now(),
    event     jsonb NOT NULL,
    taken     bigint NOT NULL DEFAULT 0,
    UNIQUE (alert_id, channel, sequence)
);
CREATE INDEX notices_to_take ON notices (channel, taken);

-- Messages; those with a body are under way.
CREATE TABLE deliveries (
    key      text PRIMARY KEY,
    channel  text NOT NULL,
    body     jsonb,
    tries    integer NOT NULL DEFAULT 0,
    retry_at timestamptz,
    sealed   boolean NOT NULL DEFAULT false,
    begun_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX deliveries_open ON deliveries (channel) WHERE body IS NOT NULL;
CREATE INDEX deliveries_by_age ON deliveries (begun_at);

CREATE TABLE delivery_alerts (
    alert_id text NOT NULL,
    key      text NOT NULL REFERENCES deliveries ON DELETE CASCADE,
    PRIMARY KEY (alert_id, key)
);
CREATE INDEX delivery_alerts_of ON delivery_alerts (key);

CREATE TABLE delivery_attempts (
    key         text NOT NULL REFERENCES deliveries ON DELETE CASCADE,
    attempt     integer NOT NULL,
    at          timestamptz NOT NULL,
    outcome     text NOT NULL,
    http_status integer,
    detail      text NOT NULL DEFAULT '',
    PRIMARY KEY (key, attempt)
);

CREATE TABLE silences (
    id         text PRIMARY KEY,
    matchers   jsonb NOT NULL,
    starts_at  timestamptz NOT NULL,
    ends_at    timestamptz NOT NULL,
    by         text NOT NULL,
    comment    text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    expired_by text
);
CREATE INDEX silences_by_end ON silences (ends_at);
