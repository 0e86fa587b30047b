package validation

import (
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"gorm.io/gorm"

	"featurestore/app/database/databasetest"
	"featurestore/app/httpapi/httpapitest"
)

// The routes about what is stored, by scenarios.
func TestStoredHTTP(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		w := newWorld(t, open(), &rowsInMemory{})
		w.apply(shop + `
baselines:
  - {name: january, group: orders, source: {window: {from: "2026-01-01T00:00:00Z", to: "2026-01-03T00:00:00Z"}}}
  - {name: training, group: orders, source: {training_set: {}}}
  - {name: week, group: orders, source: {previous: {period: 7d}}}
`)
		w.days(w.named("orders"), 0, 4)
		v := detached(t, DefaultConfig())
		v.profiles = w.Profiles
		httpapitest.Listen(t, httpapitest.Serve(quiet, func(api huma.API) { v.Routes(api); w.Routes(api) })).Run(t, "testdata/stored/*.txt")
	})
}
