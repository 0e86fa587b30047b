package database

import (
	"context"
	"embed"
	"fmt"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// The levels of the data's form. Level is that of what this program writes; it is raised by one in each release that changes
// any table, document or stored row. OldestServed is the level of the oldest program that can still work, read and write,
// beside this one. A release that only adds (a table, a column with a default, a member that old programs may ignore) leaves
// it; a release that takes away or changes a meaning raises it. The database keeps the highest OldestServed that ever opened
// it, and programs of a lower level are refused: so a roll-out can go one process at a time, and back, until it is raised.
//
// Level 2: changes of definitions are kept (registry_past), and writes are checked against the ledger of erasures. A program of level 1
// does neither: what it changed would not be known afterwards, and it would store what was erased.
//
// Level 3: rows wait in quarantine. A program of level 2 would leave them there when it erases an entity or reverts a run.
const (
	Level        = 3
	OldestServed = 3
)

//go:embed migrations
var migrations embed.FS

// formatRow is the one row of the table.
type formatRow struct {
	ID           int `gorm:"primaryKey;autoIncrement:false"`
	OldestServed int
}

func (formatRow) TableName() string { return "database_format" }

// admit refuses the database if it has no more place for a program of this level, and records which ones this one leaves a
// place for.
func admit(ctx context.Context, db *gorm.DB, level, oldestServed int) error {
	if err := Migrate(ctx, db, "database", migrations); err != nil {
		return err
	}
	db = db.WithContext(ctx)
	var stored formatRow
	if err := db.Limit(1).Find(&stored, 1).Error; err != nil {
		return fmt.Errorf("read the data's level: %w", err)
	}
	if level < stored.OldestServed {
		return fmt.Errorf("the data was changed by a newer featurestore: it needs level %d at least, this program has level %d; install the newer release",
			stored.OldestServed, level)
	}
	if stored.OldestServed >= oldestServed {
		return nil
	}
	err := db.Clauses(clause.OnConflict{
		Columns: []clause.Column{{Name: "id"}},
		Where:   clause.Where{Exprs: []clause.Expression{clause.Expr{SQL: "database_format.oldest_served < excluded.oldest_served"}}},
		DoUpdates: clause.Assignments(map[string]any{
			"oldest_served": clause.Expr{SQL: "excluded.oldest_served"},
		}),
	}).Create(&formatRow{ID: 1, OldestServed: oldestServed}).Error
	if err != nil {
		return fmt.Errorf("record the data's level: %w", err)
	}
	return nil
}
