-- +goose Up
ALTER TABLE runs
    ADD COLUMN unique_key      text    NOT NULL DEFAULT '', -- at most one run has it, unless it is empty
    ADD COLUMN not_before      timestamptz,
    ADD COLUMN deadline        timestamptz,
    ADD COLUMN retries         integer NOT NULL DEFAULT 0,
    ADD COLUMN backoff         bigint  NOT NULL DEFAULT 0,  -- µs before the first retry
    ADD COLUMN failures        integer NOT NULL DEFAULT 0,  -- attempts that failed and were followed by another
    ADD COLUMN tries           text    NOT NULL DEFAULT '', -- JSON: the attempts that did not end the run
    ADD COLUMN concurrency_key text    NOT NULL DEFAULT '', -- of the runs with it one runs at a time, unless it is empty
    ADD COLUMN heavy           boolean NOT NULL DEFAULT false,
    ADD COLUMN slot            integer NOT NULL DEFAULT 0,  -- the place for heavy runs that it has or had; 0: none
    ADD COLUMN at_once         boolean NOT NULL DEFAULT false, -- does not wait for the end of quiet hours
    ADD COLUMN forced          boolean NOT NULL DEFAULT false,
    ADD COLUMN retry_of        bigint  NOT NULL DEFAULT 0,
    ADD COLUMN schedule        text    NOT NULL DEFAULT '',
    ADD COLUMN tick            timestamptz,
    ADD COLUMN form            text    NOT NULL DEFAULT '',
    ADD COLUMN token           bigint  NOT NULL DEFAULT 0,  -- grows with each claim
    ADD COLUMN process         text    NOT NULL DEFAULT '', -- the owner as a person reads it
    ADD COLUMN heartbeat_at    timestamptz,
    ADD COLUMN row_count       bigint,
    ADD COLUMN inputs          text    NOT NULL DEFAULT '',
    ADD COLUMN outputs         text    NOT NULL DEFAULT '',
    ADD COLUMN slow            boolean NOT NULL DEFAULT false,
    ADD COLUMN watched         boolean NOT NULL DEFAULT false,
    ADD COLUMN to_tell         boolean NOT NULL DEFAULT false; -- its end has to be told
CREATE UNIQUE INDEX runs_unique ON runs (unique_key) WHERE unique_key <> '';
CREATE UNIQUE INDEX runs_alone ON runs (concurrency_key) WHERE state = 'running' AND concurrency_key <> '';
CREATE UNIQUE INDEX runs_slots ON runs (slot) WHERE state = 'running' AND slot > 0;
CREATE INDEX runs_to_tell ON runs (id) WHERE to_tell AND finished_at IS NOT NULL;
CREATE TABLE runs_logs (
    run_id bigint PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
    lines  text   NOT NULL -- the last of its log
);
