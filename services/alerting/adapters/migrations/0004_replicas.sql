CREATE TABLE replicas (
    holder  text PRIMARY KEY,
    seen_at timestamptz NOT NULL
);
