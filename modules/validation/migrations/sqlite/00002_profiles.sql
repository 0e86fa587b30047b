-- +goose Up

-- One row per group: whoever stores a profile compares how often rows were taken out since it was begun.
CREATE TABLE validation_profile_groups (
    group_id INTEGER PRIMARY KEY,
    removals INTEGER NOT NULL
) STRICT;

-- What the rows of a window, or those that a load brought, are like.
CREATE TABLE validation_profiles (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    group_id    INTEGER NOT NULL,
    kind        TEXT    NOT NULL, -- window, load, or loads: several of them, merged
    from_at     INTEGER,          -- of a window: its event times, µs since 1970, as all times; null: open
    to_at       INTEGER,
    first_run   INTEGER NOT NULL, -- of loads: the first and the last; of a window 0
    last_run    INTEGER NOT NULL,
    loads       INTEGER NOT NULL,
    row_count   INTEGER NOT NULL,
    first_at    INTEGER,          -- the event times that were seen; null: there were no rows
    last_at     INTEGER,
    computed_at INTEGER NOT NULL,
    outdated    INTEGER NOT NULL  -- 1: rows were taken out since; what it held is gone, and it is computed again
) STRICT;
CREATE INDEX validation_profiles_of ON validation_profiles (group_id, id);
CREATE INDEX validation_profiles_age ON validation_profiles (computed_at);

-- A generation of a feature's values in a profile.
CREATE TABLE validation_profile_features (
    profile_id INTEGER NOT NULL,
    ordinal    INTEGER NOT NULL,
    hidden     INTEGER NOT NULL, -- 1: no values are in it
    encoded    BLOB    NOT NULL,
    PRIMARY KEY (profile_id, ordinal)
) STRICT;

-- What was frozen for a version of a baseline.
CREATE TABLE validation_baselines (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    baseline_id INTEGER NOT NULL,
    version     INTEGER NOT NULL,
    group_id    INTEGER NOT NULL,
    source      TEXT    NOT NULL, -- a sentence's part: what it was frozen from
    row_count   INTEGER NOT NULL,
    frozen_at   INTEGER NOT NULL,
    UNIQUE (baseline_id, version)
) STRICT;

CREATE TABLE validation_baseline_features (
    frozen_id INTEGER NOT NULL,
    ordinal   INTEGER NOT NULL,
    bins      TEXT    NOT NULL, -- JSON: bins and the reference's counts
    encoded   BLOB,             -- the profile, for measures that need a sample; null: an entity of the group was erased since
    PRIMARY KEY (frozen_id, ordinal)
) STRICT;
