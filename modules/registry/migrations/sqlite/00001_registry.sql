-- +goose Up

-- One row: the revision that every change raises first, which makes changes wait for each other; the next id, so that none is
-- ever used twice; and the identity that the offline and online stores of this installation are stamped with.
CREATE TABLE registry_state (
    id           INTEGER PRIMARY KEY CHECK (id = 1),
    revision     INTEGER NOT NULL,
    next_id      INTEGER NOT NULL,
    installation TEXT    NOT NULL
) STRICT;

INSERT INTO registry_state VALUES (1, 0, 1, lower(hex(randomblob(16))));

-- Every definition of every kind as it is now; deleted ones stay, so that what changed since a revision is one query.
CREATE TABLE registry_definitions (
    id         INTEGER PRIMARY KEY,
    kind       TEXT    NOT NULL,
    parent     INTEGER NOT NULL, -- of a feature: its group; else 0
    name       TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    status     TEXT    NOT NULL, -- draft, active, deprecated, archived or deleted
    document   TEXT    NOT NULL, -- JSON: what was said of it
    layout     TEXT    NOT NULL, -- JSON: what storage needs to know of it
    revision   INTEGER NOT NULL, -- of the last change
    created_at INTEGER NOT NULL, -- microseconds
    updated_at INTEGER NOT NULL,
    UNIQUE (kind, parent, name)
) STRICT;

CREATE INDEX registry_definitions_revision ON registry_definitions (revision, id);

-- What every definition was, version by version, and what each version changed.
CREATE TABLE registry_versions (
    definition_id INTEGER NOT NULL REFERENCES registry_definitions (id),
    version       INTEGER NOT NULL,
    action        TEXT    NOT NULL, -- created, changed or deleted
    changes       TEXT    NOT NULL, -- JSON: [{member, from, to}]
    document      TEXT    NOT NULL,
    revision      INTEGER NOT NULL,
    at            INTEGER NOT NULL,
    PRIMARY KEY (definition_id, version)
) STRICT, WITHOUT ROWID;
