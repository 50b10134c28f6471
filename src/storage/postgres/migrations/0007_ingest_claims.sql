-- The staging log that holds the first request under a key, until that is committed: no other log may take the key meanwhile.
ALTER TABLE ingests ADD COLUMN log_id text;
CREATE INDEX ingests_claims ON ingests (log_id) WHERE log_id IS NOT NULL;
