-- +goose Up

-- One row per group: whoever changes anything of a group's alerts locks it first.
CREATE TABLE validation_alert_groups (
    group_name text PRIMARY KEY
);

-- What the last outcomes of a rule on a group or feature were.
CREATE TABLE validation_alert_subjects (
    group_name text    NOT NULL,
    rule       text    NOT NULL,
    feature    text    NOT NULL, -- empty: the whole group
    bad        integer NOT NULL, -- so many in a row; one of bad and good is 0
    good       integer NOT NULL,
    bad_since  timestamptz,          -- the first of those in a row
    last_at    timestamptz NOT NULL, -- of the newest outcome
    PRIMARY KEY (group_name, rule, feature)
);

CREATE TABLE validation_alerts (
    id                    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    group_name            text    NOT NULL,
    rule                  text    NOT NULL,
    feature               text    NOT NULL,
    rule_version          integer NOT NULL,
    class                 text    NOT NULL, -- data, drift or source
    owner                 text    NOT NULL,
    severity              text    NOT NULL, -- of the last bad outcome
    state                 text    NOT NULL, -- firing, acknowledged, silenced or resolved
    status                text    NOT NULL, -- of the last bad outcome
    observed              text    NOT NULL,
    expected              text    NOT NULL,
    sentence              text    NOT NULL,
    run                   bigint NOT NULL,
    since                 timestamptz NOT NULL, -- the first of the bad outcomes in a row
    opened_at             timestamptz NOT NULL,
    last_at               timestamptz NOT NULL,
    tell_at               timestamptz,          -- when receivers are to be told something; null: there is nothing to tell
    told_at               timestamptz,          -- when a notification was last made out
    told_severity         text    NOT NULL, -- the one told then; empty: none
    told_to               text    NOT NULL, -- JSON: the receivers that were told
    acknowledged_at       timestamptz,
    acknowledged_by       text    NOT NULL,
    acknowledged_severity text    NOT NULL,
    note                  text    NOT NULL,
    silence_id            bigint NOT NULL, -- 0: none
    muted_by              bigint NOT NULL, -- the alert of the group's source; 0: none
    resolved_at           timestamptz,
    resolution            text    NOT NULL
);
CREATE UNIQUE INDEX validation_alerts_open ON validation_alerts (group_name, rule, feature) WHERE state <> 'resolved';
CREATE INDEX validation_alerts_to_tell ON validation_alerts (tell_at) WHERE tell_at IS NOT NULL;
CREATE INDEX validation_alerts_resolved ON validation_alerts (resolved_at) WHERE state = 'resolved';

CREATE TABLE validation_silences (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    group_name text    NOT NULL, -- patterns; empty: any
    rule       text    NOT NULL,
    feature    text    NOT NULL,
    owner      text    NOT NULL,
    until_at   timestamptz NOT NULL,
    author     text    NOT NULL,
    reason     text    NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX validation_silences_until ON validation_silences (until_at);

-- One notification on its way to one receiver.
CREATE TABLE validation_alert_deliveries (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key         text    NOT NULL UNIQUE, -- stands in the notification, so that a receiver can tell a repeat
    receiver    text    NOT NULL,
    group_name  text    NOT NULL,
    run         bigint NOT NULL,
    message     text    NOT NULL, -- JSON: what is told
    state       text    NOT NULL, -- queued, delivered or dead
    tries       text    NOT NULL, -- JSON: what became of each
    attempts    integer NOT NULL, -- since it was queued
    next_at     timestamptz NOT NULL,
    lease_until timestamptz NOT NULL,
    holder      text    NOT NULL, -- the process that sends it
    created_at  timestamptz NOT NULL,
    finished_at timestamptz
);
CREATE INDEX validation_alert_deliveries_queued ON validation_alert_deliveries (receiver, group_name, id) WHERE state = 'queued';
CREATE INDEX validation_alert_deliveries_of ON validation_alert_deliveries (receiver, id);
CREATE INDEX validation_alert_deliveries_finished ON validation_alert_deliveries (finished_at) WHERE finished_at IS NOT NULL;

-- How each receiver does.
CREATE TABLE validation_alert_receivers (
    name            text PRIMARY KEY,
    failing_since   timestamptz, -- null: the last try succeeded
    last_error      text NOT NULL,
    last_success_at timestamptz,
    last_failure_at timestamptz
);
