-- What happened in each deployment, for people; numbered from 1 within each.
CREATE TABLE events (
  deployment TEXT NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
  seq INTEGER NOT NULL,
  -- milliseconds since the epoch
  at INTEGER NOT NULL,
  phase TEXT NOT NULL,
  level TEXT NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (deployment, seq)
) STRICT, WITHOUT ROWID;

-- Keys that read one deployment, by their SHA-256; the key itself is kept nowhere.
CREATE TABLE read_keys (
  hash TEXT PRIMARY KEY,
  deployment TEXT NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX read_keys_of ON read_keys (deployment);
CREATE INDEX read_keys_expired ON read_keys (expires_at);

-- One for each way to list: whatever is asked for, a page is read from the index without sorting.
CREATE INDEX deployments_by_time ON deployments (created_at, id);
CREATE INDEX deployments_by_service ON deployments (service, created_at, id);
CREATE INDEX deployments_by_status ON deployments (status, created_at, id);
CREATE INDEX deployments_by_service_and_status ON deployments (service, status, created_at, id);
-- For the foreign key: removing a deployment looks for its pin.
CREATE INDEX pins_of ON pins (deployment);
