ALTER TABLE alerts ADD COLUMN flapping boolean NOT NULL DEFAULT false;
CREATE INDEX alerts_lately_fired ON alerts (partition, fired_at) WHERE fired_at IS NOT NULL;
