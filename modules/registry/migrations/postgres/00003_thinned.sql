-- +goose Up

-- Catalogs of revisions below this one can be told no more: rows of registry_past that only they need are given up.
ALTER TABLE registry_state ADD COLUMN thinned bigint NOT NULL DEFAULT 0;
