package redis

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/store/packed"
	"featurestore/modules/store/storetest/servers"
)

// openEnglish gives a store on a Redis that compares strings by the rules of English.
func openEnglish(t *testing.T) *Online {
	server := servers.StartRedis(t, servers.RedisOptions{Locale: "en_US.UTF-8"})
	o, err := Open(context.Background(), Options{URL: server.URL(), Prefix: "test"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, o.Close()) })
	return o
}

// TestTheScriptMergesAsGoDoes merges random rows one after the other, in Redis and in Go: the rows must be equal byte for byte, and the
// counts. Many rows have their features in a piece, as partial writes have, others scattered ones.
func TestTheScriptMergesAsGoDoes(t *testing.T) {
	ctx := context.Background()
	o := openEnglish(t)
	g := groupOf(1)
	number := 0
	rapid.Check(t, func(t *rapid.T) {
		number++
		key := keyOf(fmt.Sprintf("%d %s", number, rapid.StringN(0, 20, 60).Draw(t, "key")))
		var stored string
		var rows []store.PackedRow
		wanted := store.Merged{}
		for range rapid.IntRange(1, 12).Draw(t, "rows") {
			row := store.PackedRow{Key: key, Row: drawRow(t, key)}
			rows = append(rows, row)
			merged, outcome, err := packed.Merge(nil, stored, row.Row)
			require.NoError(t, err)
			if outcome == packed.Written {
				stored = string(merged)
				wanted.Written++
			} else {
				wanted.Older++
			}
		}
		merged, err := o.Merge(ctx, g, 0, true, rows)
		require.NoError(t, err)
		found, err := o.client.Do(ctx, o.client.B().Get().Key(o.keys.rows(g)+key.Encoded).Build()).ToString()
		require.NoError(t, err)
		require.Equal(t, stored, found)
		require.Equal(t, wanted, merged)
	})
}

// TestTheScriptDropsAsGoDoes does the same for Drop: some of the ingest ids go, and often a row is merged into what is left.
func TestTheScriptDropsAsGoDoes(t *testing.T) {
	ctx := context.Background()
	o := openEnglish(t)
	g := groupOf(1)
	number := 0
	rapid.Check(t, func(t *rapid.T) {
		number++
		key := keyOf(fmt.Sprintf("%d %s", number, rapid.StringN(0, 20, 60).Draw(t, "key")))
		stored := ""
		for range rapid.IntRange(0, 3).Draw(t, "rows") {
			row := drawRow(t, key)
			_, err := o.Merge(ctx, g, 0, true, []store.PackedRow{{Key: key, Row: row}})
			require.NoError(t, err)
			merged, outcome, err := packed.Merge(nil, stored, row)
			require.NoError(t, err)
			if outcome == packed.Written {
				stored = string(merged)
			}
		}
		drop := store.Dropping{PackedRow: store.PackedRow{Key: key}}
		ids := map[int64]bool{}
		for range rapid.IntRange(0, 8).Draw(t, "ids") {
			id := drawStamp(t).IngestID
			drop.IDs, ids[id] = append(drop.IDs, id), true
		}
		if rapid.Bool().Draw(t, "something is left in history") {
			drop.Row = drawRow(t, key)
		}
		wanted := store.Merged{Older: 1}
		dropped, outcome, err := packed.Drop(nil, stored, ids, drop.Row)
		require.NoError(t, err)
		if outcome == packed.Written {
			stored, wanted = string(dropped), store.Merged{Written: 1}
		}
		merged, err := o.Drop(ctx, g, 0, []store.Dropping{drop})
		require.NoError(t, err)
		require.Equal(t, wanted, merged)
		found, err := o.client.Do(ctx, o.client.B().Get().Key(o.keys.rows(g)+key.Encoded).Build()).ToString()
		if !rueidis.IsRedisNil(err) {
			require.NoError(t, err)
		}
		require.Equal(t, stored, found)
	})
}

// boundaries are times and ids whose bytes, once their sign is turned, locales and doubles get wrong.
var boundaries = []int64{math.MinInt64, math.MinInt64 + 1, -1 << 53, -1 << 32, -0x61626364, -256, -1, 0, 1, 0x41, 0x61, 0x4161, 0x6141, 127, 128, 255, 256,
	1<<31 - 1, 1 << 31, 1 << 32, 1<<53 - 1, 1 << 53, 1<<53 + 1, 0x6162636465666768, 0x4142434445464748, math.MaxInt64}

func drawStamp(t *rapid.T) packed.Stamp {
	return packed.Stamp{EventTime: rapid.SampledFrom(boundaries).Draw(t, "event time"), IngestID: rapid.SampledFrom(boundaries).Draw(t, "ingest id")}
}

func drawRow(t *rapid.T, key store.Key) string {
	var ordinals []uint16
	if rapid.Bool().Draw(t, "in a piece") {
		first, n := rapid.IntRange(1, 6).Draw(t, "first"), rapid.IntRange(1, 6).Draw(t, "n")
		for i := range n {
			ordinals = append(ordinals, uint16(first+i)*151)
		}
	} else {
		for i := 1; i <= 12; i++ {
			if rapid.IntRange(0, 2).Draw(t, "this") == 0 || i == 12 && len(ordinals) == 0 {
				ordinals = append(ordinals, uint16(i)*151)
			}
		}
	}
	values, stamps := make([]value.Value, len(ordinals)), make([]packed.Stamp, len(ordinals))
	one, stamp := rapid.IntRange(0, 3).Draw(t, "one stamp") > 0, drawStamp(t)
	for i := range ordinals {
		values[i], stamps[i] = drawValue(t), stamp
		if !one {
			stamps[i] = drawStamp(t)
		}
	}
	return string(packed.AppendStamped(nil, key.Encoded, ordinals, values, stamps))
}

func drawValue(t *rapid.T) value.Value {
	switch rapid.IntRange(0, 9).Draw(t, "kind") {
	case 0:
		return value.Null()
	case 1:
		return value.OfBool(rapid.Bool().Draw(t, "boolean"))
	case 2, 3:
		return value.OfInt(rapid.SampledFrom(boundaries).Draw(t, "integer"))
	case 4:
		return value.OfFloat(rapid.SampledFrom([]float64{0, 1, 0.1, math.MaxFloat64, -1e-300}).Draw(t, "float"))
	case 5:
		return value.OfTime(1)
	case 6:
		return value.OfString(strings.Repeat("ab", rapid.SampledFrom([]int{0, 1, 127, 128, 300}).Draw(t, "length")))
	case 7:
		return value.OfJSON(`{"a":1}`)
	case 8:
		return value.OfStrings([]string{"", "x"})
	}
	return value.OfFloats(make([]float64, rapid.IntRange(0, 3).Draw(t, "elements")))
}

// TestStringsWouldBeComparedByLocale is the control: on the same server Lua's < on the stamps' bytes is wrong for many pairs.
func TestStringsWouldBeComparedByLocale(t *testing.T) {
	ctx := context.Background()
	o := openEnglish(t)
	const script = `local wrong = 0
		for a = 0, 255 do for b = a + 1, 255 do
			if not (string.char(a) < string.char(b)) then wrong = wrong + 1 end
		end end
		return wrong`
	wrong, err := o.client.Do(ctx, o.client.B().Eval().Script(script).Numkeys(0).Build()).AsInt64()
	require.NoError(t, err)
	require.Greater(t, wrong, int64(10_000))
}

// A stored row that is damaged stays: whoever reads it asks the offline store. Nothing else of the call suffers.
func TestADamagedRowStays(t *testing.T) {
	ctx := context.Background()
	o := open(t)
	g := groupOf(1)
	key, other := keyOf("x"), keyOf("y")
	row := func(key store.Key, at int64, ordinals ...uint16) store.PackedRow {
		values := make([]value.Value, len(ordinals))
		for i := range values {
			values[i] = value.OfString("value")
		}
		return store.PackedRow{Key: key, Row: string(packed.Append(nil, key.Encoded, ordinals, values, packed.Stamp{EventTime: at}))}
	}
	good := row(key, 5, 1, 2, 3).Row
	for _, incoming := range []store.PackedRow{row(key, 4, 7), row(key, 6, 7), row(key, 6, 2)} {
		for cut := range len(good) {
			damaged := good[:cut]
			require.NoError(t, o.client.Do(ctx, o.client.B().Set().Key(o.keys.rows(g)+"x").Value(damaged).Build()).Error())
			merged, err := o.Merge(ctx, g, 0, true, []store.PackedRow{incoming, row(other, int64(cut), 1)})
			require.NoError(t, err, "cut at %d", cut)
			require.Equal(t, 2, merged.Written+merged.Older)
			found, err := o.client.Do(ctx, o.client.B().Get().Key(o.keys.rows(g)+"x").Build()).ToString()
			require.NoError(t, err)
			require.Equal(t, damaged, found)
		}
	}
}
