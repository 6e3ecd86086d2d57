-- What is deployed again and again, and who owns it. The epoch only grows; it outlives every holder.
CREATE TABLE resources (
    id          INTEGER PRIMARY KEY,
    resource    TEXT    NOT NULL UNIQUE,
    name        TEXT    NOT NULL,
    environment TEXT    NOT NULL,
    epoch       INTEGER NOT NULL DEFAULT 0 CHECK (epoch >= 0),
    holder      INTEGER REFERENCES deployments (id),
    UNIQUE (name, environment)
) STRICT;

CREATE TRIGGER epochs_only_grow BEFORE UPDATE OF epoch ON resources WHEN new.epoch < old.epoch
BEGIN SELECT RAISE(ABORT, 'an epoch only grows'); END;

-- One row per deployment. `id` is the order of acceptance: it is never reused, and no clock is asked.
-- The large column comes last, so that filters do not read it.
CREATE TABLE deployments (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    deployment TEXT    NOT NULL UNIQUE,
    resource   INTEGER NOT NULL REFERENCES resources (id),
    word       TEXT    NOT NULL,
    ended      INTEGER NOT NULL CHECK (ended IN (0, 1)),
    sequence   INTEGER NOT NULL CHECK (sequence > 0),
    seal       BLOB    NOT NULL CHECK (length(seal) = 32),
    status     TEXT    NOT NULL
) STRICT;

CREATE INDEX deployments_by_resource ON deployments (resource, id);
CREATE INDEX deployments_by_word ON deployments (word, id);
CREATE INDEX deployments_unfinished ON deployments (resource, id) WHERE ended = 0;

-- Append only. Each hash covers the one before it and the body.
CREATE TABLE events (
    deployment INTEGER NOT NULL REFERENCES deployments (id),
    sequence   INTEGER NOT NULL CHECK (sequence > 0),
    hash       BLOB    NOT NULL CHECK (length(hash) = 32),
    body       TEXT    NOT NULL,
    PRIMARY KEY (deployment, sequence)
) STRICT;

CREATE TRIGGER events_never_change BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'an event never changes'); END;

CREATE TRIGGER events_never_go BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'an event never goes'); END;

-- Releases. A number belongs to one release, but a failed one gives its number back.
CREATE TABLE releases (
    id       INTEGER PRIMARY KEY,
    release  TEXT    NOT NULL UNIQUE,
    resource INTEGER NOT NULL REFERENCES resources (id),
    version  INTEGER NOT NULL CHECK (version > 0),
    state    TEXT    NOT NULL CHECK (state IN ('live', 'previous', 'failed', 'pruned')),
    seal     BLOB    NOT NULL CHECK (length(seal) = 32),
    record   TEXT    NOT NULL
) STRICT;

CREATE INDEX releases_by_resource ON releases (resource, version);
CREATE UNIQUE INDEX releases_one_per_version ON releases (resource, version) WHERE state <> 'failed';
CREATE UNIQUE INDEX releases_one_live ON releases (resource) WHERE state = 'live';

-- Which request an idempotency key belongs to.
CREATE TABLE idempotency (
    key        TEXT    NOT NULL PRIMARY KEY,
    request    TEXT    NOT NULL,
    deployment INTEGER NOT NULL REFERENCES deployments (id),
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_by_deployment ON idempotency (deployment);

-- How much of a deployment's output is kept: the last number given, the bytes kept, and the number of
-- the line that says where it was cut.
CREATE TABLE logs (
    deployment INTEGER PRIMARY KEY REFERENCES deployments (id),
    last       INTEGER NOT NULL,
    bytes      INTEGER NOT NULL,
    cut_at     INTEGER
) STRICT;

CREATE TABLE log_lines (
    deployment INTEGER NOT NULL REFERENCES logs (deployment),
    sequence   INTEGER NOT NULL CHECK (sequence > 0),
    at         INTEGER NOT NULL,
    source     TEXT    NOT NULL,
    level      INTEGER NOT NULL,
    step       TEXT,
    message    TEXT    NOT NULL,
    PRIMARY KEY (deployment, sequence)
) STRICT, WITHOUT ROWID;
