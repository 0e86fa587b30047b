package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"featurestore/modules/store"
)

// retractionsSchema has the retractions that nobody was told of yet. event_time is in µs.
func (o *Offline) retractionsSchema() []string {
	return []string{`CREATE TABLE IF NOT EXISTS ` + o.table("__retractions") + ` (
		group_id   bigint NOT NULL,
		number     bigint NOT NULL,
		event_time bigint NOT NULL,
		runs       bigint[] NOT NULL,
		PRIMARY KEY (group_id, number))`}
}

// noteRetraction is part of the removal's own transaction.
func (o *Offline) noteRetraction(ctx context.Context, tx pgx.Tx, r store.Retraction) error {
	_, err := tx.Exec(ctx, "INSERT INTO "+o.table("__retractions")+" (group_id, number, event_time, runs) VALUES ($1, $2, $3, coalesce($4::bigint[], '{}'))",
		r.Group, r.Number, r.At, r.Runs)
	return err
}

// Untold reads the notes.
func (o *Offline) Untold(ctx context.Context) ([]store.Retraction, error) {
	rows, err := o.writers.Query(ctx, "SELECT group_id, number, event_time, runs FROM "+o.table("__retractions")+" ORDER BY group_id, number")
	var untold []store.Retraction
	if err == nil {
		untold, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (r store.Retraction, err error) {
			err = row.Scan(&r.Group, &r.Number, &r.At, &r.Runs)
			return r, err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("reading the retractions: %w", err)
	}
	return untold, nil
}

// Told deletes a note.
func (o *Offline) Told(ctx context.Context, told store.Retraction) error {
	_, err := o.writers.Exec(ctx, "DELETE FROM "+o.table("__retractions")+" WHERE group_id = $1 AND number = $2", told.Group, told.Number)
	if err != nil {
		return fmt.Errorf("forgetting a retraction: %w", err)
	}
	return nil
}
