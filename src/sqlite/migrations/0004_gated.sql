-- A deployment has one part for each of its services. `created_at` and `status` are those of the deployment, so that the
-- deployments of a service are read from an index, newest first, also those of one status.
CREATE TABLE parts (
  deployment TEXT NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  service TEXT NOT NULL,
  image TEXT,
  digest TEXT,
  created_at INTEGER NOT NULL,
  status TEXT NOT NULL,
  PRIMARY KEY (deployment, position)
) STRICT, WITHOUT ROWID;

CREATE INDEX parts_by_service ON parts (service, created_at, deployment);
CREATE INDEX parts_by_service_and_status ON parts (service, status, created_at, deployment);

CREATE TRIGGER parts_follow_status AFTER UPDATE OF status ON deployments WHEN NEW.status <> OLD.status BEGIN
  UPDATE parts SET status = NEW.status WHERE deployment = NEW.id;
END;

INSERT INTO parts (deployment, position, service, image, digest, created_at, status)
  SELECT id, 0, service, image, digest, created_at, status FROM deployments;

-- JSON: what failed containers left behind, if any did. For people only, and large beside a deployment: not in its row,
-- which is read in lists and looked at for damage at the start.
CREATE TABLE diagnoses (
  deployment TEXT PRIMARY KEY REFERENCES deployments (id) ON DELETE CASCADE,
  containers TEXT NOT NULL
) STRICT;

-- What was committed and can be gone back to; `seq` is the order of the commits.
CREATE TABLE versions (
  seq INTEGER PRIMARY KEY,
  service TEXT NOT NULL,
  deployment TEXT NOT NULL REFERENCES deployments (id),
  image_text TEXT NOT NULL,
  file_image TEXT NOT NULL,
  digest TEXT NOT NULL,
  image_id TEXT NOT NULL,
  recorded TEXT NOT NULL,
  config_hash TEXT NOT NULL,
  number INTEGER NOT NULL,
  committed_at INTEGER NOT NULL,
  UNIQUE (service, deployment)
) STRICT;

-- For the foreign key: removing a deployment looks for its versions.
CREATE INDEX versions_of ON versions (deployment);

-- What runs now can be gone back to as well. Its image id was not kept: the text, which has a digest, tells it.
INSERT INTO versions (service, deployment, image_text, file_image, digest, image_id, recorded, config_hash, number, committed_at)
  SELECT pins.service, deployment, image_text, file_image, pins.digest, '', recorded,
    COALESCE((SELECT config_hash FROM origins WHERE origins.service = pins.service AND origins.recorded = pins.recorded), ''),
    1, COALESCE(ended_at, started_at, created_at)
  FROM pins JOIN deployments ON deployments.id = pins.deployment
  ORDER BY COALESCE(ended_at, started_at, created_at);

-- `deploy` or `rollback`, and of a rollback the deployment whose version is wanted.
ALTER TABLE deployments ADD COLUMN kind TEXT NOT NULL DEFAULT 'deploy';
ALTER TABLE deployments ADD COLUMN target_deployment TEXT;
ALTER TABLE deployments ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
-- JSON: how far its rollout has come, and the way back; only while it has not ended or is what a service is pinned to.
ALTER TABLE deployments ADD COLUMN progress TEXT;

UPDATE deployments SET attempts = 1 WHERE started_at IS NOT NULL;

-- A rollout that the version before this one left unfinished. Committed, which its pin says: tidied up. What ran may have
-- been stopped: undone, for which the new version need not be known. Nothing touched yet: like any other that was only being
-- prepared.
UPDATE deployments SET progress = (
  SELECT json_object(
    'stage', CASE WHEN json_extract(before, '$.switching') THEN 'going_back' ELSE 'preparing' END,
    'doneBefore', json_array(),
    'diagnoses', json_array(),
    'plans', json_array(json_object(
      'service', deployments.service,
      'strategy', 'recreate',
      'inPlace', json('false'),
      'version', json_object(
        'service', deployments.service,
        'imageText', COALESCE(pins.image_text, ''),
        'fileImage', COALESCE(pins.file_image, ''),
        'digest', COALESCE(pins.digest, ''),
        'imageId', '',
        'recorded', COALESCE(pins.recorded, ''),
        'configHash', COALESCE(versions.config_hash, ''),
        'number', COALESCE(versions.number, 0)),
      'replicas', MAX(1, json_array_length(before, '$.running')),
      'candidates', json_array(),
      'before', json_object(
        'running', json_extract(before, '$.running'),
        'all', json_extract(before, '$.all'),
        'recorded', json_extract(before, '$.recorded')))))
  FROM (SELECT 1) LEFT JOIN pins ON pins.service = deployments.service AND pins.deployment = deployments.id
    LEFT JOIN versions ON versions.service = pins.service AND versions.deployment = pins.deployment)
WHERE ended_at IS NULL AND before IS NOT NULL;

DROP INDEX deployments_by_service;
DROP INDEX deployments_by_service_and_status;
ALTER TABLE deployments DROP COLUMN before;
ALTER TABLE deployments DROP COLUMN service;
ALTER TABLE deployments DROP COLUMN image;
ALTER TABLE deployments DROP COLUMN digest;
