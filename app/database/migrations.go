package database

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"
)

// Migrated is how far the tables of a module have been brought.
type Migrated struct {
	Module  string
	Version int64     // of the last migration that ran
	At      time.Time // when it did, to the second
}

// migrationsSuffix ends the name of the table that says which migrations of a module have run.
const migrationsSuffix = "_migrations"

// Migrations are all modules that have tables in the database, by name, those too that this program does not know.
func Migrations(ctx context.Context, db *gorm.DB) ([]Migrated, error) {
	db = db.WithContext(ctx)
	tables, err := db.Migrator().GetTables()
	if err != nil {
		return nil, fmt.Errorf("find out which migrations have run: %w", err)
	}
	seconds := "CAST(strftime('%s', tstamp) AS INTEGER)"
	if Postgres(db) { // goose takes the time of the session's zone
		seconds = "extract(epoch FROM tstamp AT TIME ZONE current_setting('TimeZone'))::bigint"
	}
	var all []Migrated
	for _, table := range tables {
		module, ok := strings.CutSuffix(table, migrationsSuffix)
		if !ok {
			continue
		}
		var last struct{ Version, At int64 }
		err := db.Raw("SELECT version_id AS version, " + seconds + " AS at FROM " + Quote(table) + " ORDER BY version_id DESC LIMIT 1").Scan(&last).Error
		if err != nil {
			return nil, fmt.Errorf("find out which migrations of %s have run: %w", module, err)
		}
		all = append(all, Migrated{module, last.Version, time.Unix(last.At, 0).UTC()})
	}
	slices.SortFunc(all, func(a, b Migrated) int { return strings.Compare(a.Module, b.Module) })
	return all, nil
}
