-- +goose Up

-- One row per group: whoever changes anything of a group's alerts locks it first.
CREATE TABLE validation_alert_groups (
    group_name TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- What the last outcomes of a rule on a group or feature were.
CREATE TABLE validation_alert_subjects (
    group_name TEXT    NOT NULL,
    rule       TEXT    NOT NULL,
    feature    TEXT    NOT NULL, -- empty: the whole group
    bad        INTEGER NOT NULL, -- so many in a row; one of bad and good is 0
    good       INTEGER NOT NULL,
    bad_since  INTEGER,          -- the first of those in a row
    last_at    INTEGER NOT NULL, -- of the newest outcome, µs since 1970, as all times
    PRIMARY KEY (group_name, rule, feature)
) STRICT, WITHOUT ROWID;

CREATE TABLE validation_alerts (
    id                    INTEGER PRIMARY KEY AUTOINCREMENT,
    group_name            TEXT    NOT NULL,
    rule                  TEXT    NOT NULL,
    feature               TEXT    NOT NULL,
    rule_version          INTEGER NOT NULL,
    class                 TEXT    NOT NULL, -- data, drift or source
    owner                 TEXT    NOT NULL,
    severity              TEXT    NOT NULL, -- of the last bad outcome
    state                 TEXT    NOT NULL, -- firing, acknowledged, silenced or resolved
    status                TEXT    NOT NULL, -- of the last bad outcome
    observed              TEXT    NOT NULL,
    expected              TEXT    NOT NULL,
    sentence              TEXT    NOT NULL,
    run                   INTEGER NOT NULL,
    since                 INTEGER NOT NULL, -- the first of the bad outcomes in a row
    opened_at             INTEGER NOT NULL,
    last_at               INTEGER NOT NULL,
    tell_at               INTEGER,          -- when receivers are to be told something; null: there is nothing to tell
    told_at               INTEGER,          -- when a notification was last made out
    told_severity         TEXT    NOT NULL, -- the one told then; empty: none
    told_to               TEXT    NOT NULL, -- JSON: the receivers that were told
    acknowledged_at       INTEGER,
    acknowledged_by       TEXT    NOT NULL,
    acknowledged_severity TEXT    NOT NULL,
    note                  TEXT    NOT NULL,
    silence_id            INTEGER NOT NULL, -- 0: none
    muted_by              INTEGER NOT NULL, -- the alert of the group's source; 0: none
    resolved_at           INTEGER,
    resolution            TEXT    NOT NULL
) STRICT;
CREATE UNIQUE INDEX validation_alerts_open ON validation_alerts (group_name, rule, feature) WHERE state <> 'resolved';
CREATE INDEX validation_alerts_to_tell ON validation_alerts (tell_at) WHERE tell_at IS NOT NULL;
CREATE INDEX validation_alerts_resolved ON validation_alerts (resolved_at) WHERE state = 'resolved';

CREATE TABLE validation_silences (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    group_name TEXT    NOT NULL, -- patterns; empty: any
    rule       TEXT    NOT NULL,
    feature    TEXT    NOT NULL,
    owner      TEXT    NOT NULL,
    until_at   INTEGER NOT NULL,
    author     TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX validation_silences_until ON validation_silences (until_at);

-- One notification on its way to one receiver.
CREATE TABLE validation_alert_deliveries (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    key         TEXT    NOT NULL UNIQUE, -- stands in the notification, so that a receiver can tell a repeat
    receiver    TEXT    NOT NULL,
    group_name  TEXT    NOT NULL,
    run         INTEGER NOT NULL,
    message     TEXT    NOT NULL, -- JSON: what is told
    state       TEXT    NOT NULL, -- queued, delivered or dead
    tries       TEXT    NOT NULL, -- JSON: what became of each
    attempts    INTEGER NOT NULL, -- since it was queued
    next_at     INTEGER NOT NULL,
    lease_until INTEGER NOT NULL,
    holder      TEXT    NOT NULL, -- the process that sends it
    created_at  INTEGER NOT NULL,
    finished_at INTEGER
) STRICT;
CREATE INDEX validation_alert_deliveries_queued ON validation_alert_deliveries (receiver, group_name, id) WHERE state = 'queued';
CREATE INDEX validation_alert_deliveries_of ON validation_alert_deliveries (receiver, id);
CREATE INDEX validation_alert_deliveries_finished ON validation_alert_deliveries (finished_at) WHERE finished_at IS NOT NULL;

-- How each receiver does.
CREATE TABLE validation_alert_receivers (
    name            TEXT PRIMARY KEY,
    failing_since   INTEGER, -- null: the last try succeeded
    last_error      TEXT NOT NULL,
    last_success_at INTEGER,
    last_failure_at INTEGER
) STRICT, WITHOUT ROWID;
