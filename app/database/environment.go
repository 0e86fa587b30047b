package database

import (
	"context"
	"fmt"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"featurestore/app/fault"
)

// environmentRow is the one row of the table; a database without a name has none.
type environmentRow struct {
	ID   int `gorm:"primaryKey;autoIncrement:false"`
	Name string
}

func (environmentRow) TableName() string { return "database_environment" }

// BelongTo stamps a database that has no environment's name yet with this one, or compares: a fault of kind Conflict if it carries
// another. The empty name stamps nothing, and is another than any name: whoever forgot to set one is kept from a database that has one.
func BelongTo(ctx context.Context, db *gorm.DB, environment string) error {
	db = db.WithContext(ctx)
	stored, err := environmentOf(db)
	if err == nil && stored == "" && environment != "" {
		err = db.Clauses(clause.OnConflict{DoNothing: true}).Create(&environmentRow{1, environment}).Error
		if err == nil { // another process may have been quicker
			stored, err = environmentOf(db)
		}
	}
	if err != nil {
		return fmt.Errorf("compare the database's environment: %w", err)
	}
	if stored == environment {
		return nil
	}
	given := "has no environment set"
	if environment != "" {
		given = "is set to " + environment
	}
	return fault.New(fault.Conflict, "another-environment",
		"the database belongs to the environment %s, and this process %s: set environment to %s if it is meant, or, if this is a copy that is to be another environment's, run `featurestore migrate --adopt`",
		stored, given, stored)
}

// environmentOf is the name in the database, "" for none.
func environmentOf(db *gorm.DB) (string, error) {
	var row environmentRow
	err := db.Limit(1).Find(&row, 1).Error
	return row.Name, err
}

// Adopt stamps a database with this environment's name, whatever it carries; the empty name takes the stamp away.
func Adopt(ctx context.Context, db *gorm.DB, environment string) error {
	db = db.WithContext(ctx)
	var err error
	if environment == "" {
		err = db.Delete(&environmentRow{}, 1).Error
	} else {
		err = db.Save(&environmentRow{1, environment}).Error
	}
	if err != nil {
		return fmt.Errorf("stamp the database with its environment: %w", err)
	}
	return nil
}
