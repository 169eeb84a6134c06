-- A key is remembered also when its deployment is forgotten: a token that is still good must not start anything again. Keys
-- of tokens and those of callers are apart.
CREATE TABLE spent_keys_apart (
  -- whose it is: an issuer, or a repository of one; '' for tokens
  owner TEXT NOT NULL,
  -- `token` (its jti) or `header` (Idempotency-Key)
  kind TEXT NOT NULL,
  key TEXT NOT NULL,
  -- method, path, SHA-256 of the body
  request TEXT NOT NULL,
  deployment TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (owner, kind, key)
) STRICT;

INSERT INTO spent_keys_apart (owner, kind, key, request, deployment, expires_at)
  SELECT issuer, 'header', key, request, deployment, expires_at FROM spent_keys;
DROP TABLE spent_keys;
ALTER TABLE spent_keys_apart RENAME TO spent_keys;
CREATE INDEX spent_keys_expiry ON spent_keys (expires_at);

-- Requests that were refused for want of a good token, or of a right: for people only, the last ones.
CREATE TABLE rejected (
  seq INTEGER PRIMARY KEY,
  -- milliseconds since the epoch
  at INTEGER NOT NULL,
  remote TEXT NOT NULL,
  method TEXT NOT NULL,
  path TEXT NOT NULL,
  code TEXT NOT NULL,
  cause TEXT NOT NULL,
  -- whether the token itself was good
  verified INTEGER NOT NULL,
  -- JSON: what the token showed, cut to a size; never the token
  claims TEXT,
  -- how many more since the one before were counted only
  unlisted INTEGER NOT NULL
) STRICT;
