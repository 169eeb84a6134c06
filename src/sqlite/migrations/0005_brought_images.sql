-- Images that are on this host because a deployment pulled them, noted before the pull; gone when the image is.
CREATE TABLE brought_images (
  -- as it was pulled, without tag and digest
  repository TEXT NOT NULL,
  digest TEXT NOT NULL,
  -- the last that wanted it; it may be forgotten before the image is
  deployment TEXT NOT NULL,
  PRIMARY KEY (repository, digest)
) STRICT, WITHOUT ROWID;
