CREATE TABLE deployments (
  id TEXT PRIMARY KEY,
  service TEXT NOT NULL,
  image TEXT,
  force INTEGER NOT NULL,
  issuer TEXT NOT NULL,
  status TEXT NOT NULL,
  reason TEXT NOT NULL,
  code TEXT,
  changed INTEGER,
  digest TEXT,
  created_at INTEGER NOT NULL,
  started_at INTEGER,
  ended_at INTEGER,
  -- JSON: what ran before this deployment touched anything; the way back
  before TEXT
) STRICT;

CREATE INDEX deployments_unfinished ON deployments (created_at) WHERE ended_at IS NULL;

CREATE TABLE pins (
  service TEXT PRIMARY KEY,
  image_text TEXT NOT NULL,
  file_image TEXT NOT NULL,
  digest TEXT NOT NULL,
  recorded TEXT NOT NULL,
  deployment TEXT NOT NULL REFERENCES deployments (id)
) STRICT;

-- What containers were created from, as far as we know.
CREATE TABLE origins (
  container TEXT PRIMARY KEY,
  service TEXT NOT NULL,
  config_hash TEXT NOT NULL,
  recorded TEXT NOT NULL
) STRICT;

-- Single values: project, look (JSON).
CREATE TABLE facts (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT;
