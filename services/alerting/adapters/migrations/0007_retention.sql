CREATE INDEX alerts_by_end ON alerts (resolved_at) WHERE state = 'resolved';
CREATE INDEX notices_by_age ON notices (queued_at);
