package validation

import (
	"featurestore/app/database"
)

// Kinds of stored profiles.
const (
	ofWindow = "window" // of all rows whose event time lies in it
	ofLoad   = "load"   // of the rows that one load brought
	ofLoads  = "loads"  // of several loads, merged
)

// profileRow is what the rows of a window, or those of a load, are like; its features are profileFeatureRows.
type profileRow struct {
	ID         int64 `gorm:"primaryKey"`
	GroupID    int64
	Kind       string
	FromAt     *database.Micros
	ToAt       *database.Micros
	FirstRun   int64
	LastRun    int64
	Loads      int
	RowCount   int64
	FirstAt    *database.Micros
	LastAt     *database.Micros
	ComputedAt database.Micros
	Outdated   bool
}

func (profileRow) TableName() string { return "validation_profiles" }

// window is what the profile was made of, as far as it can be asked for again.
func (row *profileRow) window() Window {
	w := Window{From: microsecond(row.FromAt), To: microsecond(row.ToAt)}
	if row.Kind == ofLoad {
		w.Run = row.FirstRun
	}
	return w
}

type profileFeatureRow struct {
	ProfileID int64  `gorm:"primaryKey;autoIncrement:false"`
	Ordinal   uint16 `gorm:"primaryKey;autoIncrement:false"`
	Hidden    bool
	Encoded   []byte
}

func (profileFeatureRow) TableName() string { return "validation_profile_features" }

// frozenRow is what was frozen for a version of a baseline; its features are frozenFeatureRows.
type frozenRow struct {
	ID         int64 `gorm:"primaryKey"`
	BaselineID int64
	Version    int
	GroupID    int64
	Source     string
	RowCount   int64
	FrozenAt   database.Micros
}

func (frozenRow) TableName() string { return "validation_baselines" }

type frozenFeatureRow struct {
	FrozenID int64  `gorm:"primaryKey;autoIncrement:false"`
	Ordinal  uint16 `gorm:"primaryKey;autoIncrement:false"`
	Bins     string
	Encoded  []byte
}

func (frozenFeatureRow) TableName() string { return "validation_baseline_features" }

// microsOf is null for nil.
func microsOf(us *int64) *database.Micros {
	if us == nil {
		return nil
	}
	m := database.Micros(*us)
	return &m
}

// microsecond is nil for null.
func microsecond(m *database.Micros) *int64 {
	if m == nil {
		return nil
	}
	us := int64(*m)
	return &us
}
