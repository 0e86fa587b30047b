package registry

import (
	"embed"

	"featurestore/app/database"
)

//go:embed migrations
var migrations embed.FS

type stateRow struct {
	ID           int
	Revision     int64
	NextID       int64
	Installation string
	Clock        database.Micros // of the last change, or later
	Thinned      int64           // catalogs of revisions below this one can be told no more
}

func (stateRow) TableName() string { return "registry_state" }

type definitionRow struct {
	ID        int64 `gorm:"primaryKey;autoIncrement:false"`
	Kind      string
	Parent    int64
	Name      string
	Version   int
	Status    string
	Document  string
	Layout    string
	Revision  int64
	CreatedAt database.Micros
	UpdatedAt database.Micros
}

func (definitionRow) TableName() string { return "registry_definitions" }

// pastRow is a definition as one change left it.
type pastRow struct {
	Definition definitionRow `gorm:"embedded"`
	At         database.Micros
}

func (pastRow) TableName() string { return "registry_past" }

type versionRow struct {
	DefinitionID int64 `gorm:"primaryKey;autoIncrement:false"`
	Version      int   `gorm:"primaryKey;autoIncrement:false"`
	Action       string
	Changes      string
	Document     string
	Revision     int64
	At           database.Micros
}

func (versionRow) TableName() string { return "registry_versions" }
