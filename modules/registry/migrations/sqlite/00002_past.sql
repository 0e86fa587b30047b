-- +goose Up

-- The moment of the last change. It never goes back, whatever the clocks of the processes say, so that what was registered at a moment
-- is what was registered at one revision.
ALTER TABLE registry_state ADD COLUMN clock INTEGER NOT NULL DEFAULT 0;

-- Every definition as each change left it, with what storage needs to know of it: the catalog of any revision is the newest row of each
-- definition up to it.
CREATE TABLE registry_past (
    id         INTEGER NOT NULL REFERENCES registry_definitions (id),
    revision   INTEGER NOT NULL,
    at         INTEGER NOT NULL, -- of the change
    kind       TEXT    NOT NULL, -- from here on as in registry_definitions
    parent     INTEGER NOT NULL,
    name       TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    status     TEXT    NOT NULL,
    document   TEXT    NOT NULL,
    layout     TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (id, revision)
) STRICT, WITHOUT ROWID;

CREATE INDEX registry_past_at ON registry_past (at, revision);

-- What was before is not known. What there is counts from now on.
INSERT INTO registry_past (id, revision, at, kind, parent, name, version, status, document, layout, created_at, updated_at)
SELECT id, revision, CAST(unixepoch('subsec') * 1000000 AS INTEGER), kind, parent, name, version, status, document, layout, created_at, updated_at
FROM registry_definitions;

UPDATE registry_state SET clock = coalesce((SELECT max(at) FROM registry_past), 0);
