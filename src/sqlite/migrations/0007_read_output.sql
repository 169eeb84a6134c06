-- Whether a key shows what containers printed; those of before were given to callers who might see everything.
ALTER TABLE read_keys ADD COLUMN output INTEGER NOT NULL DEFAULT 1;
