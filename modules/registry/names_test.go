package registry_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
)

func TestNames(t *testing.T) {
	for name, good := range map[string]bool{
		"a": true, "a1": true, "a_b": true, "a_": true, strings.Repeat("a", 48): true,
		"": false, "A": false, "1a": false, "_a": false, "a__b": false, "a__": false, "a-b": false, "a b": false, "a.b": false, "a:b": false,
		"ä": false, "a\n": false, "a\x00": false, strings.Repeat("a", 49): false, `a"; DROP TABLE registry_state; --`: false, "../a": false,
	} {
		err := registry.CheckName(name)
		require.Equal(t, good, err == nil, "%q: %v", name, err)
	}
}

func TestReservedNames(t *testing.T) {
	r := start(t)
	define(t, r, "entity_type", `{"name": "shop", "join_keys": [{"name": "region", "value_type": "STRING"}, {"name": "number", "value_type": "INTEGER"}]}`)
	for _, name := range []string{
		"event_time", "event_timestamp", "entity_id", "ingest_time", "ingest_id", "ingest_xid", "run_id", "schema_version", "presence",
		"rowid", "oid", "tableoid", "xmin", "cmin", "xmax", "cmax", "ctid", "region", "number",
	} {
		_, err := r.Define(ctx, "feature", "", []byte(`{"name": "`+name+`", "entity_type": "shop", "value_type": "INTEGER"}`), registry.Options{})
		require.ErrorContains(t, err, "reserved", name)
	}
	for _, name := range []string{"event_time", "rowid", "xmin", "event_timestamp"} {
		_, err := r.Define(ctx, "entity_type", "", []byte(`{"name": "other", "join_keys": [{"name": "`+name+`"}]}`), registry.Options{})
		require.ErrorContains(t, err, "reserved", name)
	}
	_, err := r.Define(ctx, "group", "", []byte(`{"name": "sqlite_x", "entity_type": "shop"}`), registry.Options{})
	require.ErrorContains(t, err, "reserved")
	require.EqualValues(t, 1, r.Catalog().Revision())

	define(t, r, "entity_type", `{"name": "device", "join_keys": [{"name": "entity_id"}]}`)
	define(t, r, "feature", `{"name": "device_entity_id", "entity_type": "device", "value_type": "INTEGER"}`)
	f, err := r.Catalog().Resolve("device", "device_entity_id")
	require.NoError(t, err)
	require.Equal(t, []string{"device_entity_id"}, r.Catalog().ShortNames(f), "a join key is no short name")
}

func TestDidYouMean(t *testing.T) {
	names := slices.Values([]string{"purchase_count_30d", "purchase_count_90d", "last_purchase_date", "age", "wage", "é"})
	for name, want := range map[string]string{
		"purchase_count_30":         `; did you mean "purchase_count_30d" or "purchase_count_90d"?`,
		"purhcase_count_30d":        `; did you mean "purchase_count_30d" or "purchase_count_90d"?`,
		"ago":                       `; did you mean "age"?`,
		"agw":                       `; did you mean "age"?`,
		"nothing_like_it":           "",
		"":                          "",
		strings.Repeat("x", 10_000): "",
	} {
		require.Equal(t, want, registry.DidYouMean(name, names), name)
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1s": time.Second, "15m": 15 * time.Minute, "24h": 24 * time.Hour, "90d": 90 * 24 * time.Hour, "36525d": 36525 * 24 * time.Hour,
	} {
		got, err := registry.ParseDuration(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got)
		again, err := registry.ParseDuration(registry.FormatDuration(got))
		require.NoError(t, err)
		require.Equal(t, want, again)
	}
	for _, text := range []string{"", "0d", "90", "d", "-1d", "1.5h", "1h30m", "1w", "36526d", "99999999999d", "9999999999s", "1 d", "P90D"} {
		_, err := registry.ParseDuration(text)
		require.Error(t, err, text)
	}
	require.Empty(t, registry.FormatDuration(0))
}

func TestConfig(t *testing.T) {
	require.Empty(t, registry.DefaultConfig().Validate())
	c := registry.Config{Require: []string{"owner", "colour"}, Poll: time.Hour}
	require.Len(t, c.Validate(), 2)
	for _, ttl := range []time.Duration{-time.Second, 1500 * time.Millisecond, 36_526 * 24 * time.Hour} {
		require.Len(t, registry.Config{TTL: ttl, Poll: time.Second}.Validate(), 1)
	}
}
