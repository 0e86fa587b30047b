-- +goose Up
CREATE TABLE runs (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    kind             TEXT    NOT NULL,
    subject          TEXT    NOT NULL,
    state            TEXT    NOT NULL,
    submitted        INTEGER NOT NULL, -- 1: may be done again by another process
    parameters       TEXT    NOT NULL, -- JSON, or empty
    progress         TEXT    NOT NULL,
    result           TEXT    NOT NULL,
    reason           TEXT    NOT NULL,
    attempts         INTEGER NOT NULL,
    owner            TEXT    NOT NULL, -- the process that works on it
    lease_until      INTEGER NOT NULL, -- times in µs since 1970
    cancel_requested INTEGER NOT NULL,
    created_at       INTEGER NOT NULL,
    started_at       INTEGER,
    finished_at      INTEGER
) STRICT;
CREATE INDEX runs_unfinished ON runs (state, kind, id) WHERE state IN ('queued', 'running');
CREATE INDEX runs_of_subject ON runs (kind, subject, id);
CREATE INDEX runs_finished ON runs (finished_at) WHERE finished_at IS NOT NULL;
