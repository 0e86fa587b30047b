-- +goose Up
CREATE TABLE database_format (
    id            INTEGER PRIMARY KEY CHECK (id = 1),
    oldest_served INTEGER NOT NULL
) STRICT;
