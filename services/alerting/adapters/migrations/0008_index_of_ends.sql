-- As an index of what is resolved it was taken for "the newest of what is resolved", too, where few alerts ever were.
DROP INDEX alerts_by_end;
CREATE INDEX alerts_by_end ON alerts (resolved_at) WHERE resolved_at IS NOT NULL;
