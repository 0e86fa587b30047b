-- +goose Up

-- Catalogs of revisions below this one can be told no more: rows of registry_past that only they need are given up.
ALTER TABLE registry_state ADD COLUMN thinned INTEGER NOT NULL DEFAULT 0;
