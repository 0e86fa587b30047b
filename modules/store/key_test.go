package store

import (
	"math"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/registry/value/valuetest"
	"featurestore/modules/store/table"
)

func entityOf(types ...value.Type) *registry.EntityType {
	et := &registry.EntityType{}
	for i, t := range types {
		et.JoinKeys = append(et.JoinKeys, registry.JoinKey{Name: []string{"customer_id", "region", "slot"}[i], ValueType: t})
	}
	return et
}

func TestParseKey(t *testing.T) {
	text, number := entityOf(value.String), entityOf(value.Integer)
	both := entityOf(value.Integer, value.String)
	for _, c := range []struct {
		entity *registry.EntityType
		path   string
		wanted []value.Value // nil: refused
	}{
		{text, "12345", []value.Value{value.OfString("12345")}},
		{text, "007", []value.Value{value.OfString("007")}},
		{text, "a%2Fb", []value.Value{value.OfString("a/b")}},
		{text, "a%252Fb", []value.Value{value.OfString("a%2Fb")}}, // decoded once
		{text, "a+b", []value.Value{value.OfString("a+b")}},
		{text, "a%20b", []value.Value{value.OfString("a b")}},
		{text, "a b", []value.Value{value.OfString("a b")}},
		{text, "customer_id=1,region=eu", []value.Value{value.OfString("customer_id=1,region=eu")}}, // one key is taken as it is
		{text, "%C3%A4", []value.Value{value.OfString("ä")}},
		{text, "%F0%9F%99%82", []value.Value{value.OfString("🙂")}},
		{text, "%01", []value.Value{value.OfString("\x01")}},
		{text, strings.Repeat("x", 512), []value.Value{value.OfString(strings.Repeat("x", 512))}},
		{text, strings.Repeat("x", 513), nil},
		{text, strings.Repeat("%C3%A4", 257), nil}, // 514 bytes
		{text, "", nil},
		{text, "%", nil},
		{text, "%zz", nil},
		{text, "%FF", nil}, // no UTF-8
		{text, "%00", nil},
		{text, "a%00b", nil},
		{number, "12345", []value.Value{value.OfInt(12345)}},
		{number, "-1", []value.Value{value.OfInt(-1)}},
		{number, "0", []value.Value{value.OfInt(0)}},
		{number, "9223372036854775807", []value.Value{value.OfInt(math.MaxInt64)}},
		{number, "-9223372036854775808", []value.Value{value.OfInt(math.MinInt64)}},
		{number, "%31", []value.Value{value.OfInt(1)}},
		{number, "9223372036854775808", nil},
		{number, "007", nil},
		{number, "-01", nil},
		{number, "00", nil},
		{number, "1.0", []value.Value{value.OfInt(1)}}, // whole floats fit INTEGER: data frames write them
		{number, "1.5", nil},
		{number, "1e3", []value.Value{value.OfInt(1000)}},
		{number, "+1", nil},
		{number, " 1", nil},
		{number, "1 ", nil},
		{number, "0x10", nil},
		{number, "1_000", nil},
		{number, "١", nil}, // a digit, but not of ASCII
		{number, "x", nil},
		{number, "", nil},
		{number, "-", nil},
		{number, "true", nil},
		{both, "customer_id=12345,region=eu", []value.Value{value.OfInt(12345), value.OfString("eu")}},
		{both, "region=eu,customer_id=12345", []value.Value{value.OfInt(12345), value.OfString("eu")}},
		{both, "customer_id=1,region=a%2Cb%3Dc", []value.Value{value.OfInt(1), value.OfString("a,b=c")}},
		{both, "customer_id=1,region=a=b", []value.Value{value.OfInt(1), value.OfString("a=b")}},
		{both, "customer_id=1,region=%252C", []value.Value{value.OfInt(1), value.OfString("%2C")}},
		{both, "customer%5Fid=1,region=eu", []value.Value{value.OfInt(1), value.OfString("eu")}},
		{both, "customer_id%3D1,region=eu", nil},
		{both, "customer_id=1", nil},
		{both, "region=eu", nil},
		{both, "customer_id=1,region=", nil},
		{both, "customer_id=1,region=eu,", nil},
		{both, ",customer_id=1,region=eu", nil},
		{both, "customer_id=1,region=eu,region=us", nil},
		{both, "customer_id=1,region=eu,slot=3", nil},
		{both, "customer_id=1,country=eu", nil},
		{both, "customer_id=x,region=eu", nil},
		{both, "12345", nil},
		{both, "12345,eu", nil},
		{both, "", nil},
	} {
		key, err := ParseKey(c.entity, c.path)
		if c.wanted == nil {
			require.True(t, fault.Is(err, "invalid-entity"), "%q: %v", c.path, err)
			continue
		}
		require.NoError(t, err, "%q", c.path)
		require.Equal(t, NewKey(c.wanted), key, "%q", c.path)
	}
}

func TestEveryKeyCanBeWrittenAsAPath(t *testing.T) {
	text := valuetest.Text().Filter(func(s string) bool { return s != "" && len(s) <= MaxKeyBytes })
	rapid.Check(t, func(t *rapid.T) {
		region, id := text.Draw(t, "region"), rapid.Int64().Draw(t, "id")
		key, err := ParseKey(entityOf(value.String), url.PathEscape(region))
		require.NoError(t, err)
		require.Equal(t, NewKey([]value.Value{value.OfString(region)}), key)
		number := string(value.AppendJSON(nil, value.OfInt(id)))
		key, err = ParseKey(entityOf(value.Integer, value.String, value.Integer), "slot=0,region="+url.QueryEscape(strings.ReplaceAll(region, " ", "_"))+",customer_id="+number)
		if strings.Contains(region, "+") {
			return // QueryEscape writes it as %2B
		}
		require.NoError(t, err)
		require.Equal(t, NewKey([]value.Value{value.OfInt(id), value.OfString(strings.ReplaceAll(region, " ", "_")), value.OfInt(0)}), key)
	})
}

// Encoded is equal for equal keys only, of one entity type.
func TestEncodedKeysAreDistinct(t *testing.T) {
	short := rapid.StringOfN(rapid.SampledFrom([]rune("i s1\x00\x01\x02\u0080,=ä")), 0, 12, -1)
	rapid.Check(t, func(t *rapid.T) {
		types := rapid.SliceOfN(rapid.SampledFrom([]value.Type{value.Integer, value.String}), 1, 3).Draw(t, "join keys")
		draw := func(label string) []value.Value {
			values := make([]value.Value, len(types))
			for i, kind := range types {
				if kind == value.Integer {
					values[i] = value.OfInt(rapid.OneOf(rapid.Int64Range(-2, 300), rapid.Int64()).Draw(t, label))
				} else {
					values[i] = value.OfString(short.Draw(t, label))
				}
			}
			return values
		}
		a, b := draw("a"), draw("b")
		same := true
		for i := range a {
			same = same && a[i] == b[i]
		}
		require.Equal(t, same, NewKey(a).Encoded == NewKey(b).Encoded)
	})
}

func TestKeyOf(t *testing.T) {
	keys := entityOf(value.Integer, value.String).JoinKeys
	key, err := KeyOf(keys, []table.Cell{table.JSONCell("7"), table.JSONCell("8")})
	require.NoError(t, err)
	require.Equal(t, NewKey([]value.Value{value.OfInt(7), value.OfString("8")}), key, "an integer given for a STRING is its decimal text")
	for name, cells := range map[string][]table.Cell{
		"null":            {table.NullCell(), table.JSONCell(`"eu"`)},
		"missing":         {table.JSONCell("7"), table.MissingCell()},
		"empty":           {table.JSONCell("7"), table.JSONCell(`""`)},
		"fraction":        {table.JSONCell("7.5"), table.JSONCell(`"eu"`)},
		"boolean":         {table.JSONCell("true"), table.JSONCell(`"eu"`)},
		"text for number": {table.TextCell("007"), table.TextCell("eu")},
		"float for text":  {table.JSONCell("7"), table.JSONCell("1.5")},
		"array":           {table.JSONCell("7"), table.JSONCell(`["eu"]`)},
	} {
		_, err := KeyOf(keys, cells)
		require.True(t, fault.Is(err, "invalid-entity"), "%s: %v", name, err)
	}
	// The same entity, however it is named.
	for _, cells := range [][]table.Cell{
		{table.TextCell("7"), table.TextCell("8")},
		{table.ValueCell(value.OfInt(7)), table.ValueCell(value.OfInt(8))},
		{table.JSONCell("7"), table.JSONCell(`"8"`)},
		{table.JSONCell("7"), table.JSONCell(`"\u0038"`)},
	} {
		same, err := KeyOf(keys, cells)
		require.NoError(t, err)
		require.Equal(t, key, same)
	}
}

func TestKeyOfMembers(t *testing.T) {
	one, both := entityOf(value.String), entityOf(value.Integer, value.String)
	cell := table.JSONCell(`"1"`)
	for name, c := range map[string]struct {
		entity  *registry.EntityType
		members []Field
		ok      bool
	}{
		"by its name":         {one, []Field{{"customer_id", cell}}, true},
		"as entity_id":        {one, []Field{{"entity_id", cell}}, true},
		"both names":          {one, []Field{{"entity_id", cell}, {"customer_id", cell}}, false},
		"another name":        {one, []Field{{"customer", cell}}, false},
		"none":                {one, nil, false},
		"several":             {both, []Field{{"region", cell}, {"customer_id", table.JSONCell("1")}}, true},
		"one of several":      {both, []Field{{"region", cell}}, false},
		"entity_id for two":   {both, []Field{{"entity_id", cell}, {"region", cell}}, false},
		"one twice":           {both, []Field{{"region", cell}, {"region", cell}}, false},
		"something else, too": {both, []Field{{"region", cell}, {"customer_id", table.JSONCell("1")}, {"amount", cell}}, false},
	} {
		_, err := keyOf(c.entity, c.members)
		require.Equal(t, c.ok, err == nil, "%s: %v", name, err)
		if err != nil {
			require.True(t, fault.Is(err, "invalid-entity"), "%s: %v", name, err)
		}
	}
}

// What NewKey encodes, DecodeKey reads, and nothing else.
func TestDecodeKey(t *testing.T) {
	text, number := registry.JoinKey{Name: "a", ValueType: value.String}, registry.JoinKey{Name: "b", ValueType: value.Integer}
	for _, c := range []struct {
		keys []registry.JoinKey
		bad  []string
	}{
		{[]registry.JoinKey{text}, []string{"", "a\x00", "\xff", strings.Repeat("x", MaxKeyBytes+1)}},
		{[]registry.JoinKey{number}, []string{"", "7", "i1234567", "i123456789", "s\x00\x01a"}},
		{[]registry.JoinKey{number, text, text}, []string{"", "i12345678", "i12345678s\x00\x01a", "i12345678s\x00\x01as\x00\x02b", "i12345678s\x00\x01as\x00\x01bx",
			"i12345678s\x00\x00s\x00\x01b", "i12345678s\x00\x01\xffs\x00\x01b", "s\x00\x01ai12345678s\x00\x01b"}},
	} {
		keys := c.keys
		entityType := &registry.EntityType{JoinKeys: keys}
		rapid.Check(t, func(t *rapid.T) {
			var values []value.Value
			for _, key := range keys {
				if key.ValueType == value.Integer {
					values = append(values, value.OfInt(rapid.Int64().Draw(t, "integer")))
				} else {
					values = append(values, value.OfString(rapid.StringMatching(`[^\x00]{1,100}`).Draw(t, "text")))
				}
			}
			key := NewKey(values)
			decoded, ok := DecodeKey(entityType, key.Encoded)
			require.True(t, ok)
			require.Equal(t, key, decoded)
		})
		for _, bad := range c.bad {
			decoded, ok := DecodeKey(entityType, bad)
			require.False(t, ok, "%q", bad)
			require.Nil(t, decoded.Values)
			require.Equal(t, bad, decoded.Encoded)
		}
	}
}
