-- +goose Up
CREATE TABLE runs (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind             text        NOT NULL,
    subject          text        NOT NULL,
    state            text        NOT NULL,
    submitted        boolean     NOT NULL, -- may be done again by another process
    parameters       text        NOT NULL, -- JSON, or empty
    progress         text        NOT NULL,
    result           text        NOT NULL,
    reason           text        NOT NULL,
    attempts         integer     NOT NULL,
    owner            text        NOT NULL, -- the process that works on it
    lease_until      timestamptz NOT NULL,
    cancel_requested boolean     NOT NULL,
    created_at       timestamptz NOT NULL,
    started_at       timestamptz,
    finished_at      timestamptz
);
CREATE INDEX runs_unfinished ON runs (state, kind, id) WHERE state IN ('queued', 'running');
CREATE INDEX runs_of_subject ON runs (kind, subject, id);
CREATE INDEX runs_finished ON runs (finished_at) WHERE finished_at IS NOT NULL;
