package database_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"featurestore/app/database"
	"featurestore/app/database/databasetest"
)

func TestMigrationsAreTold(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		db, began := open(), time.Now().Add(-time.Minute) // the database's clock may be another
		require.NoError(t, database.Migrate(t.Context(), db, "thing", steps(3)))
		found, err := database.Migrations(t.Context(), db)
		require.NoError(t, err)
		require.Len(t, found, 2)
		require.Equal(t, "database", found[0].Module)
		require.Equal(t, "thing", found[1].Module)
		require.EqualValues(t, 3, found[1].Version)
		require.WithinRange(t, found[1].At, began, time.Now().Add(time.Minute))
	})
}
