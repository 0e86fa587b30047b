-- +goose Up
CREATE TABLE database_format (
    id            integer PRIMARY KEY CHECK (id = 1),
    oldest_served integer NOT NULL
);
