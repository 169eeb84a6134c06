-- Digest of what a service was pinned to when the turn of a deployment came; null when it was pinned to nothing.
ALTER TABLE parts ADD COLUMN from_digest TEXT;
