-- +goose Up

-- One evaluation of rules on rows of a group.
CREATE TABLE validation_reports (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    group_name   TEXT    NOT NULL,
    way          TEXT    NOT NULL, -- load, write, schedule or call
    run          INTEGER NOT NULL, -- the load whose rows it is about; 0: none
    evaluation   INTEGER NOT NULL, -- the run that evaluated; 0: it was done in the write path
    window_from  INTEGER, -- event times; null: open
    window_to    INTEGER,
    window_run   INTEGER NOT NULL, -- only what that load brought; 0: all
    started_at   INTEGER NOT NULL,
    took_us      INTEGER NOT NULL,
    row_count    INTEGER NOT NULL,
    status       TEXT    NOT NULL, -- the worst of its results
    revision     INTEGER NOT NULL -- of the definitions
) STRICT;
CREATE UNIQUE INDEX validation_reports_evaluation ON validation_reports (evaluation) WHERE evaluation <> 0;
CREATE UNIQUE INDEX validation_reports_load ON validation_reports (run) WHERE way = 'load' AND evaluation = 0;
CREATE INDEX validation_reports_of ON validation_reports (group_name, id);
CREATE INDEX validation_reports_age ON validation_reports (started_at);

-- What became of a rule, or of one feature of it.
CREATE TABLE validation_results (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    report_id    INTEGER NOT NULL REFERENCES validation_reports ON DELETE CASCADE,
    group_name   TEXT    NOT NULL,
    rule         TEXT    NOT NULL,
    rule_version INTEGER NOT NULL,
    kind         TEXT    NOT NULL,
    feature      TEXT    NOT NULL, -- empty: several, or the rows as a whole
    features     TEXT    NOT NULL, -- JSON
    looked_at    TEXT    NOT NULL, -- which rows, in words
    at           INTEGER NOT NULL,
    usual        INTEGER NOT NULL, -- on the rows that the rule is usually evaluated on
    status       TEXT    NOT NULL,
    reason       TEXT    NOT NULL,
    severity     TEXT    NOT NULL,
    action       TEXT    NOT NULL,
    row_count    INTEGER NOT NULL,
    considered   INTEGER NOT NULL,
    null_count   INTEGER NOT NULL,
    bad          INTEGER NOT NULL,
    observed     TEXT    NOT NULL, -- JSON; empty: nothing was measured
    measured     REAL,   -- the same, where it is a number
    details      TEXT    NOT NULL, -- JSON; empty: there are none
    expected     TEXT    NOT NULL,
    examples     TEXT    NOT NULL -- JSON
) STRICT;
CREATE INDEX validation_results_report ON validation_results (report_id);
CREATE INDEX validation_results_rule ON validation_results (rule, id);
CREATE INDEX validation_results_examples ON validation_results (id) WHERE examples <> '[]';

-- The newest result of each rule and feature.
CREATE TABLE validation_newest (
    group_name   TEXT    NOT NULL,
    rule         TEXT    NOT NULL,
    feature      TEXT    NOT NULL,
    result_id    INTEGER NOT NULL,
    ended        INTEGER NOT NULL, -- the rule is no more, or is switched off, and its alerts are resolved
    PRIMARY KEY (group_name, rule, feature)
) STRICT;
CREATE INDEX validation_newest_result ON validation_newest (result_id);
