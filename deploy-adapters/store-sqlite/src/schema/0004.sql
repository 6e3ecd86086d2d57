-- What is left of a deployment when only figures are wanted: narrow rows, so that statistics over all runs
-- read neither events nor statuses.
CREATE TABLE history (
    deployment INTEGER PRIMARY KEY REFERENCES deployments (id),
    created_at INTEGER NOT NULL,
    ended_at   INTEGER,
    trigger    TEXT    NOT NULL,
    actor      TEXT    NOT NULL
) STRICT;

CREATE INDEX history_by_actor ON history (actor, deployment);

-- How long each phase of an ended deployment took.
CREATE TABLE phase_times (
    deployment INTEGER NOT NULL REFERENCES deployments (id),
    phase      TEXT    NOT NULL,
    millis     INTEGER NOT NULL CHECK (millis >= 0),
    PRIMARY KEY (deployment, phase)
) STRICT, WITHOUT ROWID;

-- Deployments from before: their statuses say it. One that can't be read has no figures.
INSERT INTO history (deployment, created_at, ended_at, trigger, actor)
SELECT id,
       CAST(round(unixepoch(json ->> '$.createdAt', 'subsec') * 1000) AS INTEGER),
       CAST(round(unixepoch(json ->> '$.endedAt', 'subsec') * 1000) AS INTEGER),
       json ->> '$.trigger.kind',
       json ->> '$.actor'
FROM (SELECT id, CASE WHEN json_valid(status) THEN status ELSE '{}' END AS json FROM deployments)
WHERE unixepoch(json ->> '$.createdAt') IS NOT NULL
  AND json ->> '$.trigger.kind' IS NOT NULL AND json ->> '$.actor' IS NOT NULL;

INSERT INTO phase_times (deployment, phase, millis)
SELECT d.id, p.value ->> '$.phase',
       sum(max(0, CAST(round((unixepoch(p.value ->> '$.endedAt', 'subsec')
                            - unixepoch(p.value ->> '$.startedAt', 'subsec')) * 1000) AS INTEGER)))
FROM (SELECT id, CASE WHEN json_valid(status) THEN status ELSE '{}' END AS json FROM deployments WHERE ended = 1) d,
     json_each(d.json, '$.phases') p
WHERE p.value ->> '$.phase' IS NOT NULL
  AND unixepoch(p.value ->> '$.startedAt') IS NOT NULL AND unixepoch(p.value ->> '$.endedAt') IS NOT NULL
GROUP BY d.id, p.value ->> '$.phase';

-- Up to which number the lines of a log were removed; the line of that number says so.
ALTER TABLE logs ADD COLUMN removed INTEGER NOT NULL DEFAULT 0;

-- Lines that were packed into a file of the archive: each piece can be read, and be proved whole, by itself.
CREATE TABLE log_chunks (
    deployment INTEGER NOT NULL REFERENCES logs (deployment),
    first      INTEGER NOT NULL CHECK (first > 0),
    last       INTEGER NOT NULL CHECK (last >= first),
    file       TEXT    NOT NULL,
    offset     INTEGER NOT NULL CHECK (offset >= 0),
    length     INTEGER NOT NULL CHECK (length > 0),
    raw        INTEGER NOT NULL CHECK (raw > 0),
    digest     BLOB    NOT NULL CHECK (length(digest) = 32),
    PRIMARY KEY (deployment, first)
) STRICT, WITHOUT ROWID;
