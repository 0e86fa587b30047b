-- +goose Up

-- The moment of the last change. It never goes back, whatever the clocks of the processes say, so that what was registered at a moment
-- is what was registered at one revision.
ALTER TABLE registry_state ADD COLUMN clock timestamptz NOT NULL DEFAULT 'epoch';

-- Every definition as each change left it, with what storage needs to know of it: the catalog of any revision is the newest row of each
-- definition up to it.
CREATE TABLE registry_past (
    id         bigint NOT NULL REFERENCES registry_definitions (id),
    revision   bigint NOT NULL,
    at         timestamptz NOT NULL, -- of the change
    kind       text   NOT NULL, -- from here on as in registry_definitions
    parent     bigint NOT NULL,
    name       text   NOT NULL,
    version    integer NOT NULL,
    status     text   NOT NULL,
    document   text   NOT NULL,
    layout     text   NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (id, revision)
);

CREATE INDEX registry_past_at ON registry_past (at, revision);

-- What was before is not known. What there is counts from now on.
INSERT INTO registry_past (id, revision, at, kind, parent, name, version, status, document, layout, created_at, updated_at)
SELECT id, revision, clock_timestamp(), kind, parent, name, version, status, document, layout, created_at, updated_at
FROM registry_definitions;

UPDATE registry_state SET clock = coalesce((SELECT max(at) FROM registry_past), 'epoch');
