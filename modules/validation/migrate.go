package validation

import (
	"context"
	"embed"

	"gorm.io/gorm"

	"featurestore/app/database"
)

//go:embed migrations
var migrations embed.FS

// Migrate brings the module's tables up to date.
func Migrate(ctx context.Context, db *gorm.DB) error {
	return database.Migrate(ctx, db, "validation", migrations)
}
