-- +goose Up
CREATE TABLE scheduler_schedules (
    name       text        PRIMARY KEY,
    times      text        NOT NULL, -- which times its timetable names: of others, decided_to says nothing
    decided_to timestamptz NOT NULL, -- up to here it is decided what becomes of its ticks
    paused_at  timestamptz,          -- null: it is not
    group_name text        NOT NULL, -- that it is about, as it is told
    missed     text        NOT NULL, -- a sentence; empty: it is kept
    told       boolean     NOT NULL  -- that it was missed
);
CREATE TABLE scheduler_occurrences (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    schedule   text        NOT NULL,
    tick       timestamptz NOT NULL,
    due_at     timestamptz NOT NULL,
    passed     timestamptz,          -- the first of the ticks before it that have no row of their own
    by_hand    boolean     NOT NULL,
    state      text        NOT NULL,
    reason     text        NOT NULL,
    run_ids    text        NOT NULL, -- JSON, or empty
    outcome    text        NOT NULL, -- the state in which the runs ended, the worst of them
    missed     boolean     NOT NULL,
    created_at timestamptz NOT NULL,
    ordered_at timestamptz,
    ended_at   timestamptz,
    UNIQUE (schedule, tick)
);
CREATE INDEX scheduler_occurrences_open ON scheduler_occurrences (id) WHERE ended_at IS NULL;
CREATE INDEX scheduler_occurrences_ended ON scheduler_occurrences (ended_at) WHERE ended_at IS NOT NULL;
