package validation

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"featurestore/app/database/databasetest"
	"featurestore/app/httpapi/httpapitest"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

var quiet = slog.New(slog.DiscardHandler)

// detached is a module for calls that look at nothing but what they bring.
func detached(t testing.TB, config Config) *Validation {
	definitions, err := registry.New(nil, registry.DefaultConfig(), quiet, BaselineKind(), RuleKind())
	require.NoError(t, err)
	return New(config, Parts{Definitions: definitions, Profiles: NewProfiles(nil, config, definitions, nil, nil, nil, time.Now, quiet), Clock: time.Now, Log: quiet})
}

// epoch is when definitions are made.
var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// registryOn is a registry with the module's kinds on a database of its own.
func registryOn(t testing.TB, db *gorm.DB) *registry.Registry {
	require.NoError(t, registry.Migrate(context.Background(), db))
	definitions, err := registry.New(db, registry.DefaultConfig(), quiet, BaselineKind(), RuleKind())
	require.NoError(t, err)
	definitions.Clock = func() time.Time { return epoch }
	definitions.Guards.InUse = func(context.Context, *registry.Group) (bool, error) { return false, nil }
	require.NoError(t, definitions.Start(context.Background()))
	t.Cleanup(definitions.Stop)
	return definitions
}

// module is a module with a registry of its own.
func module(t testing.TB, config Config) *Validation {
	return New(config, Parts{Definitions: registryOn(t, databasetest.SQLite(t)()), Clock: time.Now, Log: quiet})
}

// apply applies a file, which must be accepted.
func apply(t testing.TB, definitions *registry.Registry, file string) *registry.Plan {
	t.Helper()
	plan, err := definitions.Apply(context.Background(), []byte(file), "", registry.Options{})
	require.NoError(t, err)
	return plan
}

// exported is what a registry answers to GET /apply.
func exported(t testing.TB, definitions *registry.Registry, accept string) string {
	answer := httptest.NewRecorder()
	request := httptest.NewRequest(http.MethodGet, "http://localhost/apply", nil)
	request.Header.Set("Accept", accept)
	httpapitest.Serve(quiet, definitions.Routes).ServeHTTP(answer, request)
	require.Equal(t, http.StatusOK, answer.Code)
	return answer.Body.String()
}

var absent value.Value

func text(s string) value.Value    { return value.OfString(s) }
func number(f float64) value.Value { return value.OfFloat(f) }
func integer(n int64) value.Value  { return value.OfInt(n) }
