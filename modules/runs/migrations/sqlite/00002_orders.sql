-- +goose Up
ALTER TABLE runs ADD COLUMN unique_key      TEXT    NOT NULL DEFAULT ''; -- at most one run has it, unless it is empty
ALTER TABLE runs ADD COLUMN not_before      INTEGER;
ALTER TABLE runs ADD COLUMN deadline        INTEGER;
ALTER TABLE runs ADD COLUMN retries         INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN backoff         INTEGER NOT NULL DEFAULT 0;  -- µs before the first retry
ALTER TABLE runs ADD COLUMN failures        INTEGER NOT NULL DEFAULT 0;  -- attempts that failed and were followed by another
ALTER TABLE runs ADD COLUMN tries           TEXT    NOT NULL DEFAULT ''; -- JSON: the attempts that did not end the run
ALTER TABLE runs ADD COLUMN concurrency_key TEXT    NOT NULL DEFAULT ''; -- of the runs with it one runs at a time, unless it is empty
ALTER TABLE runs ADD COLUMN heavy           INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN slot            INTEGER NOT NULL DEFAULT 0;  -- the place for heavy runs that it has or had; 0: none
ALTER TABLE runs ADD COLUMN at_once         INTEGER NOT NULL DEFAULT 0;  -- 1: does not wait for the end of quiet hours
ALTER TABLE runs ADD COLUMN forced          INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN retry_of        INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN schedule        TEXT    NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN tick            INTEGER;
ALTER TABLE runs ADD COLUMN form            TEXT    NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN token           INTEGER NOT NULL DEFAULT 0;  -- grows with each claim
ALTER TABLE runs ADD COLUMN process         TEXT    NOT NULL DEFAULT ''; -- the owner as a person reads it
ALTER TABLE runs ADD COLUMN heartbeat_at    INTEGER;
ALTER TABLE runs ADD COLUMN row_count       INTEGER;
ALTER TABLE runs ADD COLUMN inputs          TEXT    NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN outputs         TEXT    NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN slow            INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN watched         INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN to_tell         INTEGER NOT NULL DEFAULT 0;  -- 1: its end has to be told
CREATE UNIQUE INDEX runs_unique ON runs (unique_key) WHERE unique_key <> '';
CREATE UNIQUE INDEX runs_alone ON runs (concurrency_key) WHERE state = 'running' AND concurrency_key <> '';
CREATE UNIQUE INDEX runs_slots ON runs (slot) WHERE state = 'running' AND slot > 0;
CREATE INDEX runs_to_tell ON runs (id) WHERE to_tell AND finished_at IS NOT NULL;
CREATE TABLE runs_logs (
    run_id INTEGER PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
    lines  TEXT NOT NULL -- the last of its log
) STRICT;
