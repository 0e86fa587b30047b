package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"

	"featurestore/modules/store"
)

// onlineErasuresSchema is the copy of the ledger of erased entities.
const onlineErasuresSchema = `
CREATE TABLE erasures (hash BLOB NOT NULL, entity_type INTEGER NOT NULL, secret BLOB NOT NULL, cut_off INTEGER NOT NULL, at INTEGER NOT NULL, run_id INTEGER NOT NULL) STRICT;
CREATE UNIQUE INDEX erasures_by_hash ON erasures (hash, entity_type, secret);`

// KeepErasures is one transaction.
func (o *Online) KeepErasures(ctx context.Context, erasures []store.Erasure) error {
	err := o.writer.do(ctx, alone, func(c *conn) error {
		for _, e := range erasures {
			err := c.exec("INSERT INTO erasures (hash, entity_type, secret, cut_off, at, run_id) VALUES (?, ?, ?, ?, ?, ?) "+
				"ON CONFLICT (hash, entity_type, secret) DO UPDATE SET cut_off = excluded.cut_off, at = excluded.at, run_id = excluded.run_id WHERE excluded.cut_off > cut_off",
				e.Hash[:], e.EntityType, e.Secret[:], e.CutOff, e.At, e.Run)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("keeping erasures: %w", err)
	}
	return nil
}

// KeptErasures reads what was committed last.
func (o *Online) KeptErasures(ctx context.Context) (found []store.Erasure, err error) {
	dest := make([]driver.Value, 6)
	err = o.reading(ctx, func(c *conn) error {
		return c.each(dest, func() error {
			e := store.Erasure{EntityType: integer(dest[1]), CutOff: integer(dest[3]), At: integer(dest[4]), Run: integer(dest[5])}
			copy(e.Hash[:], bytesIn(dest[0]))
			copy(e.Secret[:], bytesIn(dest[2]))
			found = append(found, e)
			return nil
		}, "SELECT hash, entity_type, secret, cut_off, at, run_id FROM erasures")
	})
	if err != nil {
		return nil, fmt.Errorf("reading the copy of the ledger: %w", err)
	}
	return found, nil
}

// CountErasures reads what was committed last.
func (o *Online) CountErasures(ctx context.Context) (int64, error) {
	dest := make([]driver.Value, 1)
	err := o.reading(ctx, func(c *conn) error {
		_, err := c.row(dest, "SELECT count(*) FROM erasures")
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("counting the copy of the ledger: %w", err)
	}
	return integer(dest[0]), nil
}

// Scrub cuts the log. Removed rows are overwritten in the file itself as they are removed (secure_delete).
func (o *Online) Scrub(ctx context.Context) error {
	if err := truncateLog(ctx, o.writer); err != nil {
		return fmt.Errorf("cutting the log of %s: %w", o.path, err)
	}
	return nil
}
