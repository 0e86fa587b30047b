-- +goose Up

-- One evaluation of rules on rows of a group.
CREATE TABLE validation_reports (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    group_name   text        NOT NULL,
    way          text        NOT NULL, -- load, write, schedule or call
    run          bigint      NOT NULL, -- the load whose rows it is about; 0: none
    evaluation   bigint      NOT NULL, -- the run that evaluated; 0: it was done in the write path
    window_from  timestamptz, -- event times; null: open
    window_to    timestamptz,
    window_run   bigint      NOT NULL, -- only what that load brought; 0: all
    started_at   timestamptz NOT NULL,
    took_us      bigint      NOT NULL,
    row_count    bigint      NOT NULL,
    status       text        NOT NULL, -- the worst of its results
    revision     bigint      NOT NULL -- of the definitions
);
CREATE UNIQUE INDEX validation_reports_evaluation ON validation_reports (evaluation) WHERE evaluation <> 0;
CREATE UNIQUE INDEX validation_reports_load ON validation_reports (run) WHERE way = 'load' AND evaluation = 0;
CREATE INDEX validation_reports_of ON validation_reports (group_name, id);
CREATE INDEX validation_reports_age ON validation_reports (started_at);

-- What became of a rule, or of one feature of it.
CREATE TABLE validation_results (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    report_id    bigint      NOT NULL REFERENCES validation_reports ON DELETE CASCADE,
    group_name   text        NOT NULL,
    rule         text        NOT NULL,
    rule_version integer     NOT NULL,
    kind         text        NOT NULL,
    feature      text        NOT NULL, -- empty: several, or the rows as a whole
    features     text        NOT NULL, -- JSON
    looked_at    text        NOT NULL, -- which rows, in words
    at           timestamptz NOT NULL,
    usual        boolean     NOT NULL, -- on the rows that the rule is usually evaluated on
    status       text        NOT NULL,
    reason       text        NOT NULL,
    severity     text        NOT NULL,
    action       text        NOT NULL,
    row_count    bigint      NOT NULL,
    considered   bigint      NOT NULL,
    null_count   bigint      NOT NULL,
    bad          bigint      NOT NULL,
    observed     text        NOT NULL, -- JSON; empty: nothing was measured
    measured     double precision, -- the same, where it is a number
    details      text        NOT NULL, -- JSON; empty: there are none
    expected     text        NOT NULL,
    examples     text        NOT NULL -- JSON
);
CREATE INDEX validation_results_report ON validation_results (report_id);
CREATE INDEX validation_results_rule ON validation_results (rule, id);
CREATE INDEX validation_results_examples ON validation_results (id) WHERE examples <> '[]';

-- The newest result of each rule and feature.
CREATE TABLE validation_newest (
    group_name   text        NOT NULL,
    rule         text        NOT NULL,
    feature      text        NOT NULL,
    result_id    bigint      NOT NULL,
    ended        boolean     NOT NULL, -- the rule is no more, or is switched off, and its alerts are resolved
    PRIMARY KEY (group_name, rule, feature)
);
CREATE INDEX validation_newest_result ON validation_newest (result_id);
