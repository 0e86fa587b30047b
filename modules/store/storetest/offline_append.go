package storetest

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/registry/value/valuetest"
	"featurestore/modules/store"
)

func (o *offline) appendAllOrNothing() {
	good, outdated := Group(1, "good", Customers, counts...), Group(2, "outdated", Customers, counts...)
	newer := WithColumn(outdated, Column{"d", value.Integer})
	o.ensure(good, newer)
	one := Seen{TextKey("x"), noon, Values{"a": value.OfInt(1)}}
	for _, rows := range [][]*store.Rows{{RowsOf(good, one), RowsOf(outdated, one)}, {RowsOf(outdated, one), RowsOf(good, one)}} {
		require.ErrorIs(o, o.store.Append(o.ctx, rows), store.ErrOutdated)
		require.Zero(o, o.count(good))
		require.Zero(o, o.count(newer))
	}
	o.see(good, one)
	require.Equal(o, 1, o.count(good), "the next write is not harmed")
}

func (o *offline) appendOutdated() {
	first := Group(1, "purchases", Customers, counts...)
	second := WithColumn(first, Column{"d", value.Integer})
	o.ensure(first)
	one := Seen{TextKey("x"), noon, Values{"a": value.OfInt(1)}}
	o.see(first, one)
	o.ensure(second)
	require.ErrorIs(o, o.store.Append(o.ctx, []*store.Rows{RowsOf(first, one)}), store.ErrOutdated)
	require.Equal(o, 1, o.count(second))
	o.see(second, one)
	require.Equal(o, 2, o.count(second))
	o.restart()
	require.ErrorIs(o, o.store.Append(o.ctx, []*store.Rows{RowsOf(first, one)}), store.ErrOutdated, "another process does not know of the column")
}

// appendIDs: ids are compared within a group only.
func (o *offline) appendIDs() {
	one, two := Group(1, "one", Customers, counts...), Group(2, "two", Customers, counts...)
	o.ensure(one, two)
	last := map[*registry.Group]int64{one: math.MinInt64, two: math.MinInt64}
	filledIn := map[*registry.Group]map[int64]bool{one: {}, two: {}}
	for i := range 20 {
		var seen []Seen
		for j := range i + 1 {
			seen = append(seen, Seen{TextKey(fmt.Sprint(j % 3)), noon - int64(j), Values{"a": value.OfInt(int64(j))}})
		}
		rows := []*store.Rows{RowsOf(one, seen...), RowsOf(two, seen...)}
		o.append(rows[i%2:]...)
		for _, r := range rows[i%2:] {
			require.Len(o, r.IngestIDs, len(seen))
			for _, id := range r.IngestIDs {
				require.Greater(o, id, last[r.Group])
				last[r.Group] = id
				filledIn[r.Group][id] = true
			}
		}
		if i == 10 {
			o.restart()
		}
	}
	o.look(func(s store.Snapshot) {
		for group, wanted := range filledIn {
			stored := map[int64]bool{}
			for _, e := range o.entries(s, group, store.Range{}) {
				stored[e.id] = true
			}
			require.Equal(o, wanted, stored)
		}
	})
}

func (o *offline) appendNow() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	last := int64(math.MinInt64)
	for i := range 5 {
		now := RowsOf(group, Seen{TextKey("x"), value.NoTime, Values{"a": value.OfInt(int64(i))}}, Seen{TextKey("y"), noon, Values{"a": value.OfInt(1)}},
			Seen{TextKey("z"), value.NoTime, Values{"a": value.Null()}})
		o.append(now)
		require.Equal(o, noon, now.EventTimes[1], "a time that was given stays")
		require.InDelta(o, time.Now().UnixMicro(), now.EventTimes[0], float64(time.Minute.Microseconds()))
		require.GreaterOrEqual(o, now.EventTimes[0], last)
		require.GreaterOrEqual(o, now.EventTimes[2], last)
		last = now.EventTimes[0]
		o.look(func(s store.Snapshot) {
			require.GreaterOrEqual(o, s.Now(), last, "the write is in the past of who reads it")
			require.Equal(o, value.OfInt(int64(i)), o.asOf(s, group, TextKey("x"), last)[0])
			if i == 0 {
				require.True(o, o.asOf(s, group, TextKey("x"), last-1)[0].IsAbsent())
			}
		})
	}
}

func (o *offline) appendConcurrent() {
	one, two := Group(1, "one", Customers, counts...), Group(2, "two", Trips, counts...)
	o.ensure(one, two)
	const writers, each = 16, 25
	var mu sync.Mutex
	ids := map[[2]int64]bool{} // group, id
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				a := RowsOf(one, Seen{TextKey(fmt.Sprint(w)), noon + int64(i), Values{"a": value.OfInt(int64(i))}})
				b := RowsOf(two, Seen{TripKey(int64(i), "eu"), noon, Values{"b": value.OfInt(int64(w))}}, Seen{TripKey(int64(w), "us"), noon, Values{"b": value.Null()}})
				if err := o.store.Append(o.ctx, []*store.Rows{a, b}); err != nil {
					o.Errorf("Append: %v", err)
					return
				}
				mu.Lock()
				for _, rows := range []*store.Rows{a, b} {
					for _, id := range rows.IngestIDs {
						ids[[2]int64{rows.Group.ID, id}] = true
					}
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	require.Equal(o, 3*writers*each, len(ids), "no ingest id was used twice")
	require.Equal(o, writers*each, o.count(one))
	require.Equal(o, 2*writers*each, o.count(two))
	require.Equal(o, value.OfInt(each-1), o.now(one, TextKey("3"))[0])
}

// One commit holds what several processes' versions of the definitions made of their requests.
func (o *offline) appendMixed() {
	first := Group(1, "one", Customers, counts...)
	other := Group(2, "two", Customers, counts...)
	o.ensure(first, other)
	a := RowsOf(first, Seen{TextKey("x"), noon, Values{"a": value.OfInt(1)}})
	b := RowsOf(other, Seen{TextKey("x"), noon, Values{"b": value.OfInt(2)}})
	c := RowsOf(first, Seen{TextKey("x"), noon, Values{"c": value.OfInt(3)}}, Seen{TextKey("x"), noon, Values{"a": value.OfInt(4)}})
	d := RowsOf(WithTTL(first, time.Hour), Seen{TextKey("x"), noon, Values{"b": value.OfInt(5)}})
	o.append(a, b, c, d)
	require.Equal(o, ints(4, 5, 3), o.now(first, TextKey("x")))
	require.Equal(o, []value.Value{{}, value.OfInt(2), {}}, o.now(other, TextKey("x")))
	require.Equal(o, 4, o.count(first))
}

// appendSubsets writes every choice of eight features, into two groups at a time: more statements than an engine keeps.
func (o *offline) appendSubsets() {
	columns := make([]Column, 8)
	for i := range columns {
		columns[i] = Column{fmt.Sprintf("f%d", i), value.Integer}
	}
	one, two := Group(1, "one", Customers, columns...), Group(2, "two", Customers, columns...)
	o.ensure(one, two)
	choice := func(mask int) Values {
		values := Values{}
		for i, c := range columns {
			if mask&(1<<i) != 0 {
				values[c.Name] = value.OfInt(int64(mask))
			}
		}
		return values
	}
	for mask := 1; mask < 256; mask++ {
		key := TextKey(fmt.Sprint(mask))
		o.append(RowsOf(one, Seen{key, noon, choice(mask)}), RowsOf(two, Seen{key, noon, choice(256 - mask)}))
	}
	o.look(func(s store.Snapshot) {
		for mask := 1; mask < 256; mask++ {
			key := TextKey(fmt.Sprint(mask))
			for group, values := range map[*registry.Group]Values{one: choice(mask), two: choice(256 - mask)} {
				got := o.asOf(s, group, key, noon)
				for i, c := range columns {
					require.Equal(o, values[c.Name], got[i])
				}
			}
		}
	})
}

func (o *offline) appendDurable() {
	group := Group(1, "purchases", Trips, counts...)
	o.ensure(group)
	o.see(group, Seen{TripKey(1, "eu"), noon, Values{"a": value.OfInt(1), "b": value.Null()}})
	o.restart()
	require.Equal(o, []value.Value{value.OfInt(1), value.Null(), {}}, o.now(group, TripKey(1, "eu")))
}

func (o *offline) appendNothing() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	o.append()
	o.append(RowsOf(group))
	require.Zero(o, o.count(group))
}

// values stores the values at the edges of every type in single writes and in a load, and reads them back in every way.
func (o *offline) values() {
	var columns []Column
	for i, t := range valuetest.Types {
		columns = append(columns, Column{fmt.Sprintf("f%d", i), t})
	}
	group := Group(1, "all_types", Customers, columns...)
	o.ensure(group)
	var seen []Seen
	for i, t := range valuetest.Types {
		for j, v := range edges(t) {
			name := columns[i].Name
			seen = append(seen, Seen{TextKey(fmt.Sprintf("%s %d", name, j)), noon, Values{name: v, columns[(i+1)%len(columns)].Name: value.Null()}})
		}
	}
	o.see(group, seen...)
	for i := range seen {
		seen[i].Key = TextKey(seen[i].Key.Encoded + " loaded")
	}
	o.load(7, RowsOf(group, seen...))
	for i := range seen {
		seen = append(seen, Seen{TextKey(strings.TrimSuffix(seen[i].Key.Encoded, " loaded")), noon, seen[i].Values})
	}

	var keys []store.Key
	var times []int64
	wanted := map[string][]value.Value{}
	for _, s := range seen {
		keys, times = append(keys, s.Key), append(times, noon)
		row := make([]value.Value, len(columns))
		for i, c := range columns {
			row[i] = s.Values[c.Name]
		}
		wanted[s.Key.Encoded] = row
	}
	o.look(func(s store.Snapshot) {
		current, err := s.AsOf(o.ctx, group, group.Features, keys, times, nil)
		require.NoError(o, err)
		for i, key := range keys {
			require.Equal(o, wanted[key.Encoded], current.Values[i*len(columns):(i+1)*len(columns)], "AsOf: %s", key.Encoded)
		}
		for _, e := range o.entries(s, group, store.Range{}) {
			require.Equal(o, wanted[e.key], e.values, "Observations: %s", e.key)
		}
		err = s.Current(o.ctx, group, group.Features, func(c *store.Current) error {
			for i, key := range c.Keys {
				require.Equal(o, wanted[key.Encoded], c.Values[i*len(columns):(i+1)*len(columns)], "Current: %s", key.Encoded)
			}
			return nil
		})
		require.NoError(o, err)
	})
	// Times at both ends of the calendar, as event times.
	const first, last = -62_135_596_800_000_000, 253_402_300_799_999_999
	for _, at := range []int64{first, -1, 0, 1, last} {
		o.see(group, Seen{TextKey("times"), at, Values{"f1": value.OfInt(at)}})
	}
	o.look(func(s store.Snapshot) {
		for _, at := range []int64{first, -1, 0, 1, last} {
			require.Equal(o, value.OfInt(at), o.asOf(s, group, TextKey("times"), at)[1])
		}
		require.Equal(o, value.OfInt(first), o.asOf(s, group, TextKey("times"), -2)[1])
	})
}

// edges are boundary values and some that matter to engines only: long ones.
func edges(t value.Type) []value.Value {
	values := valuetest.Boundaries(t)
	switch t {
	case value.Integer:
		for _, bits := range []int{7, 8, 15, 16, 31, 32, 53, 62} {
			values = append(values, value.OfInt(1<<bits), value.OfInt(1<<bits-1), value.OfInt(-1<<bits), value.OfInt(-1<<bits-1))
		}
	case value.String:
		values = append(values, value.OfString(strings.Repeat("x", 255)), value.OfString(strings.Repeat("ü", 128)), value.OfString(strings.Repeat("long ", 40_000)),
			value.OfString("'; DROP TABLE layout; --"), value.OfString("$1 $$ %s %00 ?1 :a @b"), value.OfString("\x1b[31m"))
	case value.StringArray:
		values = append(values, value.OfStrings([]string{"NULL", "null", "{", "}", `"`, `\"`, ",", " ", "a,b", "{a}"}), value.OfStrings(make([]string, 3000)))
	case value.JSON:
		values = append(values, value.OfJSON(`{"b":1,"a":{"b":[1,2,{"c":"`+strings.Repeat("y", 100_000)+`"}]}}`))
	}
	return values
}

// hostile are ids that could be taken for something else: for other ids, separators, patterns, numbers, commands.
var hostile = []string{"1", "11", "111", "1:1", "1 1", "1\n1", "01", "1.0", "1e0", "-1", "+1", "", "%", "%25", "%2F", "_", "a", "A", "ä", "a\u0308", "Ä", "a ", " a", "a\t",
	"null", "NULL", "\\N", "\\", "\\x31", "'", "''", "\"", "`", "*", "?", "[a]", "{a}", "{1}", "a,b", "a=b", "a|b", "a/b", "..", "a:b", ":", "::", "$1", "?1",
	"\u2028", "\ufeff", "🙂", "\x01", "\x7f", "\u0080", "\u00ff", "'; DROP TABLE layout; --", "state", "marker", "s\x01\x01", "i\u0080", "ß", "ss", "ı", "I", "i", "İ",
	strings.Repeat("k", 512), strings.Repeat("k", 511) + "l", strings.Repeat("ü", 256)}

// hostileText are the hostile ids that a STRING key can have.
func hostileText() []string {
	return slices.DeleteFunc(slices.Clone(hostile), func(s string) bool { return s == "" || strings.Contains(s, "\x00") })
}

func (o *offline) keys() {
	text, number, trips := Group(1, "texts", Customers, counts...), Group(11, "numbers", Drivers, counts...), Group(111, "trips", Trips, counts...)
	o.ensure(text, number, trips)
	byGroup := map[*registry.Group][]store.Key{}
	for _, id := range hostileText() {
		byGroup[text] = append(byGroup[text], TextKey(id))
		byGroup[trips] = append(byGroup[trips], TripKey(1, id), TripKey(11, id), TripKey(-1, id))
	}
	for _, v := range edges(value.Integer) {
		if !slices.ContainsFunc(byGroup[number], func(k store.Key) bool { return k.Values[0] == v }) {
			byGroup[number] = append(byGroup[number], IntKey(v.Int()))
		}
	}
	for group, keys := range byGroup {
		var seen []Seen
		times := make([]int64, len(keys))
		for i, key := range keys {
			seen = append(seen, Seen{key, noon, Values{"a": value.OfInt(int64(i))}})
			times[i] = noon
		}
		o.see(group, seen[:len(seen)/2]...)
		o.load(1, RowsOf(group, seen[len(seen)/2:]...))
		o.look(func(s store.Snapshot) {
			current, err := s.AsOf(o.ctx, group, group.Features, keys, times, nil)
			require.NoError(o, err)
			require.Len(o, o.entries(s, group, store.Range{}), len(keys))
			for i, key := range keys {
				require.Equal(o, value.OfInt(int64(i)), current.Values[i*3], "AsOf %q", key.Encoded)
				found := o.entries(s, group, store.Range{Key: &key})
				require.Len(o, found, 1, "history of %q", key.Encoded)
				require.Equal(o, key.Encoded, found[0].key)
				require.Equal(o, value.OfInt(int64(i)), found[0].values[0])
			}
			require.True(o, o.asOf(s, text, TextKey("not there"), noon)[0].IsAbsent())
		})
	}
}
