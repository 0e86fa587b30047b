package storetest

import (
	"flag"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"featurestore/modules/materialization"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/store/table"
)

// perCheck is how many entities' histories are told at once, mixed in the same calls.
const perCheck = 50

// RunHistories tells random histories to a store and compares every way of asking with the oracle. A history is all that happens to
// one entity: writes and loads, whole, partial and null, late, corrected and tied, in two groups and a default group with a
// draft, some of them taken back or compacted away, while columns are added, value types change, a draft is widened, TTLs change, the clock moves and
// materialization runs.
func RunHistories(t *testing.T, pair Pair, histories int) {
	checks := (histories + perCheck - 1) / perCheck
	SetChecks(t, checks)
	world := NewWorld(t, pair)
	var told, observations, questions atomic.Int64
	number, failure := 0, ""
	defer func() {
		if t.Failed() {
			t.Log("the last failure:", failure) // rapid is silent about what it cannot repeat
		}
	}()
	rapid.Check(t, func(t *rapid.T) {
		number++
		h := &telling{T: t, world: world, number: number, failure: &failure}
		h.begin()
		for range rapid.SampledFrom([]int{3, 5, 7, 9, 12}).Draw(t, "steps") {
			h.step()
		}
		h.ask()
		told.Add(int64(len(h.seen)))
		observations.Add(h.ingested)
		questions.Add(h.questions)
	})
	t.Logf("measured: %d histories of %d observations, %d answers compared with the oracle", told.Load(), observations.Load(), questions.Load())
	require.True(t, t.Failed() || told.Load() >= int64(histories))
}

// telling is some histories of one entity type on their way.
type telling struct {
	*rapid.T
	world      *World
	number     int
	entityType string
	clock      int64
	keys       []store.Key
	columns    map[string][]Column // by group
	widened    bool

	oracle    Oracle
	ingested  int64
	seen      map[string]bool // keys with an observation
	stored    map[string]int  // rows by group
	loads     []toldLoad
	marks     []toldMark
	pending   bool // something was loaded since the last run
	questions int64
	failure   *string
}

func (h *telling) Errorf(format string, args ...any) {
	*h.failure = fmt.Sprintf(format, args...)
	h.T.Errorf(format, args...)
}

// setFlag sets a flag of the test program until the test ends.
// SetChecks has rapid make so many checks, with -short too, when it makes a fifth of what it is told, and keep no file of a failure: the seed that
// it prints is enough.
func SetChecks(t *testing.T, checks int) {
	if testing.Short() {
		checks *= 5
	}
	setFlag(t, "rapid.checks", strconv.Itoa(checks))
	setFlag(t, "rapid.nofailfile", "true")
}

func setFlag(t *testing.T, name, text string) {
	set := flag.Lookup(name).Value
	before := set.String()
	require.NoError(t, set.Set(text))
	t.Cleanup(func() { require.NoError(t, set.Set(before)) })
}

const unit = 3600 * second

func (h *telling) name(group string) string { return fmt.Sprintf("%s_%d", group, h.number) }

// begin registers an entity type with two groups, and makes a third with a draft by storing one.
func (h *telling) begin() {
	h.entityType = h.name("customer")
	h.seen, h.stored = map[string]bool{}, map[string]int{}
	h.setClock(start + 1000*unit)
	kinds := rapid.SampledFrom([][]value.Type{{value.String}, {value.Integer}, {value.Integer, value.String}, {value.String, value.String}}).Draw(h.T, "join keys")
	var joinKeys []map[string]string
	for i, kind := range kinds {
		joinKeys = append(joinKeys, map[string]string{"name": fmt.Sprintf("k%d", i), "value_type": kind.String()})
	}
	h.columns = map[string][]Column{
		h.name("spending"): {{"a", value.Integer}, {"b", value.Float}, {"c", value.String}},
		h.name("profile"):  {{"x", value.Boolean}, {"y", value.IntegerArray}},
	}
	definitions := map[string]any{"entity_types": []any{map[string]any{"name": h.entityType, "join_keys": joinKeys}}}
	var groups []any
	for _, name := range []string{h.name("spending"), h.name("profile")} {
		group := map[string]any{"name": name, "entity_type": h.entityType, "features": columnsAsJSON(h.columns[name])}
		if ttl := h.drawTTL(); ttl != "" {
			group["ttl"] = ttl
		}
		groups = append(groups, group)
	}
	definitions["groups"] = groups
	require.NoError(h, h.world.Apply(definitions))
	h.columns[h.entityType] = []Column{{"draft", value.Integer}}
	var first []told
	for i := range perCheck + 2 {
		h.keys = append(h.keys, keyNumber(kinds, i))
		if i < perCheck { // the others are never observed, but by chance
			first = append(first, h.drawOne(h.keys[i], h.name("spending"), h.name("profile")))
		}
	}
	first[0].values[h.entityType] = Values{"draft": value.OfInt(1)}
	h.write(first)
}

func columnsAsJSON(columns []Column) []map[string]string {
	var out []map[string]string
	for _, c := range columns {
		out = append(out, map[string]string{"name": c.Name, "value_type": c.Type.String()})
	}
	return out
}

// keyNumber makes keys that are easily mistaken for each other.
func keyNumber(kinds []value.Type, i int) store.Key {
	values := make([]value.Value, len(kinds))
	for j, kind := range kinds {
		part := i
		if len(kinds) > 1 {
			part = []int{i / 8, i % 8}[j]
		}
		if kind == value.Integer {
			values[j] = value.OfInt([]int64{0, 1, -1, 11, 256, -256, 1 << 53, 1<<53 + 1}[part%8] + int64(part/8)*1000)
		} else {
			values[j] = value.OfString([]string{"1", "11", "a", "A", "a,b", "%", "ä", " "}[part%8] + fmt.Sprint("/", part/8))
		}
	}
	return store.NewKey(values)
}

func (h *telling) drawTTL() string {
	return rapid.SampledFrom([]string{"", "1h", "3h", "6h"}).Draw(h.T, "ttl")
}

func (h *telling) setClock(us int64) {
	h.clock = us
	h.world.SetClock(us)
}

// told is one observation: values by group and name.
type told struct {
	key    store.Key
	at     int64
	values map[string]Values
}

// draw makes observations of some of the groups.
func (h *telling) draw(groups ...string) []told {
	out := make([]told, rapid.SampledFrom([]int{1, 10, 60, 120, 200}).Draw(h.T, "observations"))
	for i := range out {
		out[i] = h.drawOne(rapid.SampledFrom(h.keys).Draw(h.T, "entity"), groups...)
	}
	return out
}

// drawOne makes an observation whose time is near the clock or one of the ends of lives.
func (h *telling) drawOne(key store.Key, groups ...string) told {
	o := told{key: key, values: map[string]Values{}}
	o.at = h.clock - rapid.SampledFrom([]int64{0, 1, 2, 3, 4, 5, 6, 7, 8}).Draw(h.T, "hours ago")*unit +
		rapid.SampledFrom([]int64{0, 0, 0, 0, 0, 0, -1, 1, tolerance - 1, tolerance}).Draw(h.T, "and")
	for len(o.values) == 0 {
		for _, group := range groups {
			values := Values{}
			partial := rapid.Bool().Draw(h.T, "partial")
			for _, c := range h.columns[group] {
				if !partial || rapid.Bool().Draw(h.T, "given") {
					values[c.Name] = h.drawValue(c)
				}
			}
			if len(values) > 0 {
				o.values[group] = values
			}
		}
	}
	return o
}

func (h *telling) drawValue(c Column) value.Value {
	if rapid.IntRange(0, 4).Draw(h.T, "null") == 0 {
		return value.Null()
	}
	n := rapid.Int64Range(-3, 300).Draw(h.T, c.Name)
	switch c.Type {
	case value.Integer:
		return value.OfInt(n)
	case value.Float:
		return value.OfFloat(float64(n) / 4)
	case value.Boolean:
		return value.OfBool(n%2 == 0)
	case value.IntegerArray:
		return value.OfInts(value.IntegerArray, make([]int64, max(0, n%5)))
	}
	return value.OfString(fmt.Sprint("text ", n))
}

// step lets something happen.
func (h *telling) step() {
	spending, profile := h.name("spending"), h.name("profile")
	switch rapid.SampledFrom([]string{"write", "write", "write", "write", "write", "write", "load", "load", "load", "load", "materialize", "full", "rebuild", "clock", "column", "ttl", "retype", "widen", "ask", "lose", "revert", "retract", "compact"}).Draw(h.T, "step") {
	case "write":
		h.write(h.draw(spending, profile, h.entityType))
	case "load":
		group := rapid.SampledFrom([]string{spending, profile}).Draw(h.T, "group")
		h.load(group, h.draw(group))
	case "materialize":
		h.materialize(materialization.Incremental)
	case "full":
		h.materialize(materialization.Full)
	case "rebuild":
		h.materialize(materialization.Rebuild)
	case "clock":
		h.setClock(h.clock + rapid.SampledFrom([]int64{1, 300 * second, unit, unit + 1, 2 * unit}).Draw(h.T, "later"))
	case "column":
		group := rapid.SampledFrom([]string{spending, profile}).Draw(h.T, "group")
		added := Column{fmt.Sprintf("added%d", len(h.columns[group])), rapid.SampledFrom([]value.Type{value.Integer, value.String, value.Float}).Draw(h.T, "type")}
		h.columns[group] = append(h.columns[group], added)
		h.change(group, map[string]any{"features": columnsAsJSON([]Column{added})})
	case "retype":
		h.retype(rapid.SampledFrom([]string{spending, profile}).Draw(h.T, "group"))
	case "ttl":
		var ttl any
		if text := h.drawTTL(); text != "" {
			ttl = text
		}
		h.change(rapid.SampledFrom([]string{spending, profile}).Draw(h.T, "group"), map[string]any{"ttl": ttl})
	case "widen":
		if !h.widened {
			h.widened = true
			h.columns[h.entityType] = []Column{{"draft", value.Float}}
			h.write([]told{{key: h.keys[1], at: h.clock, values: map[string]Values{h.entityType: {"draft": value.OfFloat(0.5)}}}})
		}
	case "ask":
		h.ask()
	case "revert":
		h.revert()
	case "retract":
		h.retract()
	case "compact":
		h.compact()
	case "lose":
		require.NoError(h, h.world.Lose(rapid.SampledFrom(h.groups()).Draw(h.T, "lost")))
	}
}

// retype gives a feature another value type: a new generation of its values begins.
func (h *telling) retype(group string) {
	i := rapid.IntRange(0, len(h.columns[group])-1).Draw(h.T, "retyped")
	was := h.columns[group][i]
	to := Column{was.Name, rapid.SampledFrom([]value.Type{value.Integer, value.String, value.Float}).Draw(h.T, "another type")}
	if to.Type == was.Type {
		to.Type = value.Boolean
	}
	h.columns[group] = slices.Clone(h.columns[group])
	h.columns[group][i] = to
	h.change(group, map[string]any{"features": columnsAsJSON([]Column{to})})
}

func (h *telling) change(group string, members map[string]any) {
	members["name"], members["entity_type"] = group, h.entityType
	require.NoError(h, h.world.apply(map[string]any{"groups": []any{members}}, registry.Options{AllowBreaking: true}))
}

// learn tells the oracle what the store has acknowledged.
func (h *telling) learn(observations []told) {
	for _, o := range observations {
		h.ingested++
		h.seen[o.key.Encoded] = true
		for name, values := range o.values {
			group := h.world.Group(name)
			h.stored[name]++
			for feature, v := range values {
				h.oracle = append(h.oracle, Fact{group.ID, o.key.Encoded, FeatureOf(group, feature).Ordinal, store.Stamp{EventTime: o.at, IngestID: h.ingested}, v})
			}
		}
	}
}

func (h *telling) write(observations []told) {
	calls := [][]told{observations}
	if len(observations) <= 10 && rapid.Bool().Draw(h.T, "single writes") {
		calls = slices.Collect(slices.Chunk(observations, 1))
	}
	entityType, _ := h.world.Registry.Catalog().EntityType(h.entityType)
	for _, call := range calls {
		var rows []store.Observation
		for _, o := range call {
			row := store.Observation{EventTime: o.at}
			for i, k := range entityType.JoinKeys {
				row.Entity.Members = append(row.Entity.Members, store.Field{Name: k.Name, Cell: table.ValueCell(o.key.Values[i])})
			}
			for name, values := range o.values {
				for feature, v := range values {
					if name != h.entityType { // the default group's feature is called as nobody had registered it
						feature = name + ":" + feature
					}
					row.Fields = append(row.Fields, store.Field{Name: feature, Cell: table.ValueCell(v)})
				}
			}
			rows = append(rows, row)
		}
		written, err := h.world.Store.Write(h.world.ctx, h.entityType, rows)
		require.NoError(h, err)
		if written.Online == store.OnlinePending {
			h.pending = true
		}
		h.learn(call)
	}
}

func (h *telling) load(name string, observations []told) {
	group := h.world.Group(name)
	t := &memoryTable{}
	for _, k := range group.EntityType.JoinKeys {
		t.columns = append(t.columns, k.Name)
	}
	t.columns = append(t.columns, "event_time")
	for _, f := range group.Features {
		t.columns = append(t.columns, f.Name)
	}
	for _, o := range observations {
		for _, v := range o.key.Values {
			t.cells = append(t.cells, table.ValueCell(v))
		}
		t.cells = append(t.cells, table.ValueCell(value.OfTime(o.at)))
		for _, f := range group.Features {
			t.cells = append(t.cells, table.ValueCell(o.values[name][f.Name]))
		}
	}
	loaded, err := h.world.Store.Load(h.world.ctx, store.LoadRequest{Group: name}, t)
	require.NoError(h, err)
	require.EqualValues(h, len(observations), loaded.Stored)
	h.pending = true
	h.loads = append(h.loads, toldLoad{loaded.Run, group, h.ingested + 1, h.ingested + int64(len(observations))})
	h.learn(observations)
}

func (h *telling) groups() []*registry.Group {
	return []*registry.Group{h.world.Group(h.name("spending")), h.world.Group(h.name("profile")), h.world.Group(h.entityType)}
}

func (h *telling) materialize(mode materialization.Mode) {
	for _, group := range h.groups() {
		_, err := h.world.Materialization.Group(h.world.ctx, group, mode, nil)
		require.NoError(h, err)
	}
	h.pending = false
}
