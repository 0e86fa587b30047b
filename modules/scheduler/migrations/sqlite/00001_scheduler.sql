-- +goose Up
CREATE TABLE scheduler_schedules (
    name       TEXT    PRIMARY KEY,
    times      TEXT    NOT NULL, -- which times its timetable names: of others, decided_to says nothing
    decided_to INTEGER NOT NULL, -- up to here it is decided what becomes of its ticks; times in µs since 1970
    paused_at  INTEGER,          -- null: it is not
    group_name TEXT    NOT NULL, -- that it is about, as it is told
    missed     TEXT    NOT NULL, -- a sentence; empty: it is kept
    told       INTEGER NOT NULL  -- 1: that it was missed
) STRICT;
CREATE TABLE scheduler_occurrences (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    schedule   TEXT    NOT NULL,
    tick       INTEGER NOT NULL,
    due_at     INTEGER NOT NULL,
    passed     INTEGER,          -- the first of the ticks before it that have no row of their own
    by_hand    INTEGER NOT NULL,
    state      TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    run_ids    TEXT    NOT NULL, -- JSON, or empty
    outcome    TEXT    NOT NULL, -- the state in which the runs ended, the worst of them
    missed     INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    ordered_at INTEGER,
    ended_at   INTEGER,
    UNIQUE (schedule, tick)
) STRICT;
CREATE INDEX scheduler_occurrences_open ON scheduler_occurrences (id) WHERE ended_at IS NULL;
CREATE INDEX scheduler_occurrences_ended ON scheduler_occurrences (ended_at) WHERE ended_at IS NOT NULL;
