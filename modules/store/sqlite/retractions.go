package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"

	"featurestore/modules/store"
)

// retractionsSchema has the retractions that nobody was told of yet; it came after the first files were made. runs are packed
// (packIntegers), event_time is in µs.
const retractionsSchema = `
CREATE TABLE IF NOT EXISTS __retractions (group_id INTEGER NOT NULL, number INTEGER NOT NULL, event_time INTEGER NOT NULL, runs BLOB NOT NULL,
	PRIMARY KEY (group_id, number)) STRICT;`

// noteRetraction is part of the removal's own transaction.
func noteRetraction(c *conn, r store.Retraction) error {
	return c.exec("INSERT INTO __retractions (group_id, number, event_time, runs) VALUES (?, ?, ?, ?)", r.Group, r.Number, r.At, packIntegers(r.Runs))
}

// Untold reads the notes.
func (o *Offline) Untold(ctx context.Context) (untold []store.Retraction, err error) {
	opened, err := o.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	dest := make([]driver.Value, 4)
	err = opened.(*snapshot).conn.each(dest, func() error {
		runs, _ := dest[3].([]byte)
		untold = append(untold, store.Retraction{Group: integer(dest[0]), Number: integer(dest[1]), At: integer(dest[2]), Runs: unpackIntegers(runs)})
		return nil
	}, "SELECT group_id, number, event_time, runs FROM __retractions ORDER BY group_id, number")
	if err = errors.Join(err, opened.Close()); err != nil {
		return nil, fmt.Errorf("reading the retractions: %w", err)
	}
	return untold, nil
}

// Told deletes a note.
func (o *Offline) Told(ctx context.Context, told store.Retraction) error {
	err := o.writer.do(ctx, single, func(c *conn) error {
		return c.exec("DELETE FROM __retractions WHERE group_id = +? AND number = +?", told.Group, told.Number)
	})
	if err != nil {
		return fmt.Errorf("forgetting a retraction: %w", err)
	}
	return nil
}
