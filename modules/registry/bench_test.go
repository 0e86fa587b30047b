package registry_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/app/database/databasetest"
	"featurestore/modules/registry"
)

// many is a file of 10,000 features in 40 groups of 4 entity types, and 100 services.
func many() string {
	var b strings.Builder
	b.WriteString(`{"groups": [`)
	for g := range 40 {
		if g > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, `{"name": "group_%d", "entity_type": "type_%d", "features": [`, g, g%4)
		for f := range 250 {
			if f > 0 {
				b.WriteString(",")
			}
			fmt.Fprintf(&b, `{"name": "type_%d_feature_%d_%d", "value_type": "FLOAT", "description": "What it means, in a sentence of some words", "owner": "ds", "tags": ["core", "batch"], "frequency": "DAILY"}`, g%4, g, f)
		}
		b.WriteString("]}")
	}
	b.WriteString(`], "services": [`)
	for s := range 100 {
		if s > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, `{"name": "service_%d", "features": [`, s)
		for f := range 50 {
			if f > 0 {
				b.WriteString(",")
			}
			fmt.Fprintf(&b, `"group_%d:type_%d_feature_%d_%d"`, s%40, s%4, s%40, f)
		}
		b.WriteString("]}")
	}
	b.WriteString("]}")
	return b.String()
}

// BenchmarkTenThousand measures the registry with many definitions.
func BenchmarkTenThousand(b *testing.B) {
	file := many()
	b.Run("apply", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			r := start(b)
			b.StartTimer()
			apply(b, r, file)
		}
	})
	open := databasetest.SQLite(b)
	r := startOn(b, open())
	apply(b, r, file)
	b.Run("apply again", func(b *testing.B) {
		for b.Loop() {
			require.Empty(b, apply(b, r, file).Changed)
		}
	})
	b.Run("start", func(b *testing.B) {
		db := open()
		for b.Loop() {
			startOn(b, db)
		}
	})
	b.Run("change one", func(b *testing.B) {
		n := 0
		for b.Loop() {
			n++
			define(b, r, "feature", fmt.Sprintf(`{"name": "type_0_feature_0_7", "entity_type": "type_0", "description": "%d"}`, n))
		}
	})
	b.Run("change one, dry run", func(b *testing.B) {
		for b.Loop() {
			_, err := r.Define(ctx, "feature", "", []byte(`{"name": "type_0_feature_0_7", "entity_type": "type_0", "description": "other"}`), registry.Options{DryRun: true})
			require.NoError(b, err)
		}
	})
	b.Run("refresh", func(b *testing.B) {
		for b.Loop() {
			_, err := r.Refresh(ctx)
			require.NoError(b, err)
		}
	})
	b.Run("resolve", func(b *testing.B) {
		c := r.Catalog()
		for b.Loop() {
			if _, err := c.Resolve("type_0", "feature_0_7"); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("misspelt", func(b *testing.B) {
		c := r.Catalog()
		for b.Loop() {
			if _, err := c.Resolve("type_0", "feture_0_7"); err == nil {
				b.Fatal("found")
			}
		}
	})
}
