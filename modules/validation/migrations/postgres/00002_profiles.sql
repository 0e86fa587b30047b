-- +goose Up

-- One row per group: whoever stores a profile compares how often rows were taken out since it was begun.
CREATE TABLE validation_profile_groups (
    group_id bigint PRIMARY KEY,
    removals bigint NOT NULL
);

-- What the rows of a window, or those that a load brought, are like.
CREATE TABLE validation_profiles (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    group_id    bigint NOT NULL,
    kind        text    NOT NULL, -- window, load, or loads: several of them, merged
    from_at     timestamptz,      -- of a window: its event times; null: open
    to_at       timestamptz,
    first_run   bigint NOT NULL, -- of loads: the first and the last; of a window 0
    last_run    bigint NOT NULL,
    loads       integer NOT NULL,
    row_count   bigint NOT NULL,
    first_at    timestamptz,      -- the event times that were seen; null: there were no rows
    last_at     timestamptz,
    computed_at timestamptz NOT NULL,
    outdated    boolean NOT NULL  -- true: rows were taken out since; what it held is gone, and it is computed again
);
CREATE INDEX validation_profiles_of ON validation_profiles (group_id, id);
CREATE INDEX validation_profiles_age ON validation_profiles (computed_at);

-- A generation of a feature's values in a profile.
CREATE TABLE validation_profile_features (
    profile_id bigint NOT NULL,
    ordinal    integer NOT NULL,
    hidden     boolean NOT NULL, -- true: no values are in it
    encoded    bytea    NOT NULL,
    PRIMARY KEY (profile_id, ordinal)
);

-- What was frozen for a version of a baseline.
CREATE TABLE validation_baselines (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    baseline_id bigint NOT NULL,
    version     integer NOT NULL,
    group_id    bigint NOT NULL,
    source      text    NOT NULL, -- a sentence's part: what it was frozen from
    row_count   bigint NOT NULL,
    frozen_at   timestamptz NOT NULL,
    UNIQUE (baseline_id, version)
);

CREATE TABLE validation_baseline_features (
    frozen_id bigint NOT NULL,
    ordinal   integer NOT NULL,
    bins      text    NOT NULL, -- JSON: bins and the reference's counts
    encoded   bytea,             -- the profile, for measures that need a sample; null: an entity of the group was erased since
    PRIMARY KEY (frozen_id, ordinal)
);
