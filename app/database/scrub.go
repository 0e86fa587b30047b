package database

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"
)

// Scrub takes what was deleted or overwritten out of the files, as far as the database can: of SQLite it cuts the log, once no reader needs
// it, since deleted content is overwritten in the file itself; in PostgreSQL it vacuums the table.
func Scrub(ctx context.Context, db *gorm.DB, table string) error {
	if Postgres(db) {
		if err := db.WithContext(ctx).Exec("VACUUM (INDEX_CLEANUP ON) " + Quote(table)).Error; err != nil {
			return fmt.Errorf("vacuum %s: %w", table, err)
		}
		return nil
	}
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		var busy, pages, moved int
		if err := db.WithContext(ctx).Raw("PRAGMA wal_checkpoint(TRUNCATE)").Row().Scan(&busy, &pages, &moved); err != nil {
			return fmt.Errorf("cut the log: %w", err)
		}
		if busy == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}
