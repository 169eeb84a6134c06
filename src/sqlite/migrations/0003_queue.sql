-- Id of the deployment that took its place in the queue.
ALTER TABLE deployments ADD COLUMN superseded_by TEXT;

-- What callers may send again without starting anything: a key stands for the deployment its first request became.
CREATE TABLE spent_keys (
  issuer TEXT NOT NULL,
  key TEXT NOT NULL,
  -- method, path, SHA-256 of the body
  request TEXT NOT NULL,
  deployment TEXT NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (issuer, key)
) STRICT;

CREATE INDEX spent_keys_expiry ON spent_keys (expires_at);
CREATE INDEX spent_keys_deployment ON spent_keys (deployment);

-- The newest run of a workflow that was accepted for a service. It outlives the row of its deployment.
CREATE TABLE guards (
  service TEXT NOT NULL,
  workflow TEXT NOT NULL,
  number INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  deployment TEXT NOT NULL,
  PRIMARY KEY (service, workflow)
) STRICT;
