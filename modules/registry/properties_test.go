package registry_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"featurestore/app/database"
	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

// describe writes down all that a catalog answers.
func describe(c *registry.Catalog) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	for _, et := range c.EntityTypes() {
		line("entity type %+v %+v", et.About, et.JoinKeys)
		for _, f := range c.Served(et.Name) {
			line("  serves %s %d", f.Reference(), f.Version)
		}
	}
	for _, g := range c.Groups() {
		line("group %+v of %s %s %s %s %q %d", g.About, g.EntityType.Name, g.Kind, g.TTL, g.Retention, g.IDColumn, g.SchemaVersion)
		for _, f := range g.Features {
			line("  %+v %s %s %d %s %s %d %v %v %q %q", f.About, f.ValueType, f.Status, f.Ordinal, f.Column, f.Widened, f.Since, c.ShortNames(f), f.Aliases, f.Reason, f.Replacement)
			for _, name := range c.ShortNames(f) {
				found, err := c.Resolve(g.EntityType.Name, name)
				line("    %s: %v %v", name, found == f, err)
			}
			for _, name := range f.Aliases {
				line("    %s: %v", name, must(c.Feature(g, name)) == f)
			}
			last := 0
			for _, older := range append(slices.Clone(f.Older), f) {
				line("    %d to %d: %s %d %s %s %d %d", older.FirstVersion, older.Version, older.ValueType, older.Ordinal, older.Column, older.Widened, older.Since, older.Until)
				for _, version := range []int{older.FirstVersion, older.Version} {
					found, err := c.Resolve(g.EntityType.Name, fmt.Sprintf("%s@%d", f.Reference(), version))
					line("    %d: %v %v", version, found == older, err)
				}
				if older.FirstVersion > older.Version || last > 0 && older.FirstVersion != last+1 || older.Group != g || older.ID != f.ID || older != f && !slices.Contains(g.Older, older) {
					line("    POINTS ASTRAY")
				}
				last = older.Version
			}
			if f.Group != g || g.EntityType != must(c.EntityType(g.EntityType.Name)) {
				line("    POINTS ASTRAY")
			}
		}
	}
	for _, s := range c.Services() {
		line("service %+v", s.About)
		for i, f := range s.Features {
			found, err := c.ResolveReference(s.References[i])
			line("  %s %s %d %v %v", s.References[i], f.Reference(), f.Version, f == found && f.Group == must(c.Group(f.Group.Name)), err)
		}
	}
	for _, d := range c.Definitions("rule") {
		line("rule %+v %s", d.About, d.Document)
	}
	return b.String()
}

func must[T any](v T, ok bool) T {
	if !ok {
		panic("not there")
	}
	return v
}

// layoutOf is what the stores go by.
func layoutOf(g *registry.Group) string {
	layout := fmt.Sprint(g.EntityType.JoinKeys)
	for _, f := range g.Stored() {
		layout += fmt.Sprintf(" %d %s %s %s %d %d", f.Ordinal, f.Column, f.Widened, f.ValueType, f.Since, f.Until)
	}
	return layout
}

// emptyRegistry gives a function that makes a database file with the registry's tables; it copies one, which saves waiting for
// the disk.
func emptyRegistry(t *testing.T) func() (path string) {
	folder := t.TempDir()
	first := filepath.Join(folder, "first.db")
	db, err := database.OpenSQLite(ctx, first, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.NoError(t, registry.Migrate(ctx, db))
	require.NoError(t, database.Close(db))
	content, err := os.ReadFile(first)
	require.NoError(t, err)
	n := 0
	return func() string {
		n++
		path := filepath.Join(folder, fmt.Sprint(n, ".db"))
		require.NoError(t, os.WriteFile(path, content, 0o600))
		return path
	}
}

// TestCatalogIsWhatIsStored changes a registry at random and holds it to what must always be so: the catalog that was kept up
// to date piece by piece is the one read from nothing, in this process and in another; refused changes change nothing; an export
// applies back to no change, and to an empty registry as the same names and references; storage is never given the same place twice; and the catalog of every revision can be told afterwards.
func TestCatalogIsWhatIsStored(t *testing.T) {
	empty := emptyRegistry(t)
	rapid.Check(t, func(rt *rapid.T) {
		begin := func(path string) *registry.Registry {
			db, err := database.OpenSQLite(ctx, path, slog.New(slog.DiscardHandler))
			require.NoError(rt, err)
			r := startOn(t, db, func(c *registry.Config) { c.Poll = 3 * time.Second })
			rt.Cleanup(func() {
				r.Stop()
				database.Close(db) //nolint:errcheck // a test
			})
			return r
		}
		path := empty()
		r, other := begin(path), begin(path)

		name := rapid.SampledFrom([]string{"a", "b", "c", "a_b", "b_a", "a_c"})
		entityType := rapid.SampledFrom([]string{"a", "b"})
		valueType := rapid.SampledFrom([]string{"INTEGER", "FLOAT", "STRING"})
		layouts := map[string]string{} // by group id and schema version
		places := map[string]string{}  // by group id and column, or ordinal
		past := map[int64]string{0: describe(r.Catalog())}

		actions := rapid.SliceOfN(rapid.IntRange(0, 11), 1, 25).Draw(rt, "actions")
		for step, action := range actions {
			before := describe(r.Catalog())
			revision := r.Catalog().Revision()
			var err error
			feature := name.Draw(rt, "feature")
			et := entityType.Draw(rt, "entity type")
			switch action {
			case 0, 1:
				body := fmt.Sprintf(`{"name": %q, "entity_type": %q, "value_type": %q, "description": "%d"}`, feature, et, valueType.Draw(rt, "type"), step)
				_, err = r.Define(ctx, "feature", "", []byte(body), registry.Options{Replace: rapid.Bool().Draw(rt, "replace")})
			case 2:
				body := fmt.Sprintf(`{"name": %q, "entity_type": %q, "features": [{"name": %q, "value_type": %q}]}`, name.Draw(rt, "group"), et, feature, valueType.Draw(rt, "type"))
				_, err = r.Define(ctx, "group", "", []byte(body), registry.Options{})
			case 3:
				_, err = r.RegisterUnregistered(ctx, et, []registry.Unregistered{{Name: feature, ValueType: value.Integer}, {Name: name.Draw(rt, "second"), ValueType: value.Float}})
			case 4:
				if f, e := r.Catalog().Resolve(et, feature); e == nil {
					_, err = r.Widen(ctx, f)
				}
			case 5:
				references := []string{et + ":" + feature}
				for f := range r.Catalog().Features() {
					references = append(references, f.Reference(), fmt.Sprintf("%s@%d", f.Reference(), rapid.IntRange(f.FirstVersion, f.Version).Draw(rt, "version")))
					for _, older := range f.Older {
						references = append(references, fmt.Sprintf("%s@%d", f.Reference(), older.Version))
					}
				}
				body := fmt.Sprintf(`{"name": "s%d", "features": [%q]}`, step%3, rapid.SampledFrom(references).Draw(rt, "reference"))
				_, err = r.Define(ctx, "service", "", []byte(body), registry.Options{})
			case 6:
				body := fmt.Sprintf(`{"name": %q, "join_keys": [{"name": "id", "value_type": %q}]}`, et, rapid.SampledFrom([]string{"INTEGER", "STRING"}).Draw(rt, "key"))
				_, err = r.Define(ctx, "entity_type", "", []byte(body), registry.Options{})
			case 7:
				kind := rapid.SampledFrom([]string{"group", "service", "entity_type", "rule"}).Draw(rt, "kind")
				_, err = r.Delete(ctx, kind, feature, registry.Options{})
			case 8:
				_, err = registry.DeleteFeature(r, ctx, et, feature)
			case 9:
				body := fmt.Sprintf(`{"rules": [{"name": %q, "feature": %q, "params": {"max": %d}}]}`, feature, et+":"+feature, step)
				_, err = r.Apply(ctx, []byte(body), "", registry.Options{DryRun: rapid.Bool().Draw(rt, "dry run")})
			case 10:
				body := fmt.Sprintf(`{"name": %q, "entity_type": %q, "value_type": %q}`, feature, et, valueType.Draw(rt, "type"))
				_, err = r.Define(ctx, "feature", "", []byte(body), registry.Options{AllowBreaking: true})
			case 11:
				_, err = registry.RenameFeature(r, ctx, et, feature, name.Draw(rt, "new name"))
			}
			if _, ok := fault.As(err); err != nil && !ok {
				rt.Fatalf("step %d: %v", step, err)
			}
			now := describe(r.Catalog())
			if err != nil || r.Catalog().Revision() == revision {
				require.Equal(rt, before, now)
			}
			past[r.Catalog().Revision()] = now
			require.NotContains(rt, now, "POINTS ASTRAY")
			require.NotContains(rt, now, "false")
			for _, g := range r.Catalog().Groups() {
				version := fmt.Sprint(g.ID, " ", g.SchemaVersion)
				if known, ok := layouts[version]; ok {
					require.Equal(rt, known, layoutOf(g), "the layout of group %s changed within schema version %d", g.Name, g.SchemaVersion)
				}
				layouts[version] = layoutOf(g)
				for _, f := range g.Stored() {
					for _, place := range []string{fmt.Sprint(g.ID, " column ", f.Column), fmt.Sprint(g.ID, " ordinal ", f.Ordinal)} {
						generation := fmt.Sprint(f.ID, " ", f.Since)
						if known, ok := places[place]; ok {
							require.Equal(rt, known, generation, "%s was used before", place)
						}
						places[place] = generation
					}
				}
			}
		}
		fresh, err := other.Refresh(ctx)
		require.NoError(rt, err)
		require.Equal(rt, describe(r.Catalog()), describe(fresh))
		require.Equal(rt, describe(r.Catalog()), describe(begin(path).Catalog()))

		for revision, was := range past {
			then, err := other.At(ctx, revision)
			require.NoError(rt, err)
			require.Equal(rt, was, describe(then), "as of revision %d", revision)
		}

		for _, accept := range []string{"application/yaml", "application/json"} {
			file := export(t, r, accept)
			plan, err := r.Apply(ctx, file, accept, registry.Options{})
			require.NoError(rt, err, string(file))
			require.Empty(rt, plan.Created)
			require.Empty(rt, plan.Changed)
			require.Empty(rt, plan.NotNamed)
		}
		for _, accept := range []string{"application/yaml", "application/json"} {
			file := export(t, r, accept)
			copied := begin(empty())
			_, err = copied.Apply(ctx, file, accept, registry.Options{})
			require.NoError(rt, err, string(file))
			require.Equal(rt, string(file), string(export(t, copied, accept)))
			require.Equal(rt, meanings(r.Catalog()), meanings(copied.Catalog()), string(file))
		}
	})
}
