package registry_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/app/database/databasetest"
	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

func asItIs(v json.RawMessage, _ registry.Wrong) json.RawMessage { return v }

// countKind stands for kinds that take some value types only. It counts how often it is asked.
func countKind(asked *int) *registry.Kind {
	reference := func(members registry.Members) string { return strings.Trim(string(members["of"]), `"`) }
	return &registry.Kind{
		Name: "count", Plural: "counts",
		Members: []registry.Member{{Name: "of", Required: true, Read: registry.Text(200)}, {Name: "bins", Read: asItIs}},
		Check: func(after *registry.Catalog, _ string, members registry.Members) []fault.Violation {
			*asked++
			f, err := after.ResolveReference(reference(members))
			switch {
			case err != nil:
				return []fault.Violation{{Location: "of", Message: err.Error()}}
			case f.ValueType == value.String:
				return []fault.Violation{{Location: "of", Message: "texts cannot be counted"}, {Message: "use numbers"}}
			}
			return nil
		},
		Reads: func(members registry.Members) []registry.Named {
			return []registry.Named{{Kind: "feature", Name: reference(members)}}
		},
	}
}

// A change is refused that would make a definition of another module wrong, unless the request changes that one as well.
func TestReadersAreAskedAgain(t *testing.T) {
	asked := 0
	db := databasetest.SQLite(t)()
	require.NoError(t, registry.Migrate(ctx, db))
	r, err := registry.New(db, registry.DefaultConfig(), slog.New(slog.DiscardHandler), countKind(&asked))
	require.NoError(t, err)
	r.Guards.InUse = func(context.Context, *registry.Group) (bool, error) { return false, nil }
	require.NoError(t, r.Start(ctx))
	t.Cleanup(r.Stop)
	apply(t, r, `
groups: [{name: g, entity_type: e, features: [{name: a, value_type: INTEGER}, {name: b, value_type: STRING}, {name: c, value_type: FLOAT}]}]
counts: [{name: n, of: "g:a"}, {name: m, of: "g:a"}]`)
	require.Equal(t, 2, asked)

	change := func(file string) error {
		asked = 0
		_, err := r.Apply(ctx, []byte(file), "", registry.Options{AllowBreaking: true})
		return err
	}
	refused := mustFault(t, change(`groups: [{name: g, features: [{name: c, unit: EUR}, {name: a, value_type: STRING}]}]`))
	require.Equal(t, "invalid-definition", refused.Slug)
	messages := []string{}
	for _, v := range refused.Violations {
		messages = append(messages, v.Location+": "+v.Message)
	}
	require.Equal(t, []string{
		"groups[0].features[1]: the count n would not be valid any more, change it as well: of: texts cannot be counted",
		"groups[0].features[1]: the count n would not be valid any more, change it as well: use numbers",
		"groups[0].features[1]: the count m would not be valid any more, change it as well: of: texts cannot be counted",
		"groups[0].features[1]: the count m would not be valid any more, change it as well: use numbers",
	}, messages)
	require.EqualValues(t, 1, r.Catalog().Revision())

	require.NoError(t, change(`groups: [{name: g, features: [{name: c, unit: EUR}, {name: x, value_type: FLOAT}]}]`))
	require.Zero(t, asked, "nobody reads what changes")
	require.NoError(t, change(`groups: [{name: g, features: [{name: d, renamed_from: a}]}]`))
	require.Equal(t, 2, asked, "the former name still leads to it")
	mustFault(t, change(`{"groups": [{"name": "g", "features": [{"name": "d", "value_type": "STRING"}]}], "counts": [{"name": "n", "of": "g:c"}]}`))
	require.NoError(t, change(`{"groups": [{"name": "g", "features": [{"name": "d", "value_type": "STRING"}]}], "counts": [{"name": "n", "of": "g:c"}, {"name": "m", "of": "g:c"}]}`))
	require.Equal(t, 2, asked)
}

// A number beyond FLOAT is a number again when the export is applied.
func TestNumbersBeyondFloatAreExported(t *testing.T) {
	asked := 0
	db := databasetest.SQLite(t)()
	require.NoError(t, registry.Migrate(ctx, db))
	r, err := registry.New(db, registry.DefaultConfig(), slog.New(slog.DiscardHandler), countKind(&asked))
	require.NoError(t, err)
	require.NoError(t, r.Start(ctx))
	t.Cleanup(r.Stop)
	apply(t, r, `{"groups": [{"name": "g", "entity_type": "e", "features": [{"name": "a", "value_type": "INTEGER"}]}], "counts": [{"name": "n", "of": "g:a", "bins": [-1e999,0.5,1e999]}]}`)
	file := export(t, r, "application/yaml")
	require.Contains(t, string(file), "bins: [!!float -1e999, 0.5, !!float 1e999]")
	require.Empty(t, apply(t, r, string(file)).Changed)
}
