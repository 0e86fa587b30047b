-- +goose Up
CREATE TABLE database_environment (
    id   integer PRIMARY KEY CHECK (id = 1),
    name text NOT NULL
);
