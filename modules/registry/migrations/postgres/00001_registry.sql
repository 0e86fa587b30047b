-- +goose Up

-- One row: the revision that every change raises first, which makes changes wait for each other; the next id, so that none is
-- ever used twice; and the identity that the offline and online stores of this installation are stamped with.
CREATE TABLE registry_state (
    id           integer PRIMARY KEY CHECK (id = 1),
    revision     bigint NOT NULL,
    next_id      bigint NOT NULL,
    installation text   NOT NULL
);

INSERT INTO registry_state VALUES (1, 0, 1, replace(gen_random_uuid()::text, '-', ''));

-- Every definition of every kind as it is now; deleted ones stay, so that what changed since a revision is one query.
CREATE TABLE registry_definitions (
    id         bigint PRIMARY KEY,
    kind       text   NOT NULL,
    parent     bigint NOT NULL, -- of a feature: its group; else 0
    name       text   NOT NULL,
    version    integer NOT NULL,
    status     text   NOT NULL, -- draft, active, deprecated, archived or deleted
    document   text   NOT NULL, -- JSON: what was said of it
    layout     text   NOT NULL, -- JSON: what storage needs to know of it
    revision   bigint NOT NULL, -- of the last change
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    UNIQUE (kind, parent, name)
);

CREATE INDEX registry_definitions_revision ON registry_definitions (revision, id);

-- What every definition was, version by version, and what each version changed.
CREATE TABLE registry_versions (
    definition_id bigint  NOT NULL REFERENCES registry_definitions (id),
    version       integer NOT NULL,
    action        text    NOT NULL, -- created, changed or deleted
    changes       text    NOT NULL, -- JSON: [{member, from, to}]
    document      text    NOT NULL,
    revision      bigint  NOT NULL,
    at            timestamptz NOT NULL,
    PRIMARY KEY (definition_id, version)
);
