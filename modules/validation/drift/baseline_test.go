package drift

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry/value"
	"featurestore/modules/validation/profile"
)

func profileOf(kind value.Type, seed uint64, values ...value.Value) *profile.Profile {
	p := profile.New(kind, profile.Options{Seed: seed})
	for _, v := range values {
		p.Add(v)
	}
	return p
}

// A month of days, each counted into the bins of a baseline that was made from a profile: they add up to the month, unmoved days are ok, one
// that moved is found, and what was stored says the same.
func TestBaselineOfAProfile(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	texts := []string{"a", "a", "a", "b", "b", "c"}
	for _, c := range []struct {
		kind         value.Type
		usual, moved func() value.Value
	}{
		{value.Float, func() value.Value { return value.OfFloat(random.NormFloat64()) }, func() value.Value { return value.OfFloat(1 + random.NormFloat64()) }},
		{value.Float, func() value.Value { return value.OfFloat(300 + random.NormFloat64()/100) }, func() value.Value { return value.OfFloat(300.01 + random.NormFloat64()/100) }},
		{value.Integer, func() value.Value { return value.OfInt(int64(random.IntN(3))) }, func() value.Value { return value.OfInt(int64(random.IntN(2))) }},
		{value.Timestamp, func() value.Value { return value.OfTime(1_767_225_600_000_000 + random.Int64N(1e12)) },
			func() value.Value { return value.OfTime(1_767_225_600_000_000 + random.Int64N(2e12)) }},
		{value.Boolean, func() value.Value { return value.OfBool(random.IntN(10) > 0) }, func() value.Value { return value.OfBool(random.IntN(10) > 3) }},
		{value.String, func() value.Value { return value.OfString(texts[random.IntN(6)]) }, func() value.Value { return value.OfString(texts[random.IntN(5)] + "x") }},
		{value.String, func() value.Value { return value.OfString(strconv.Itoa(random.IntN(1e6))) }, func() value.Value { return value.OfString(strconv.Itoa(random.IntN(1e4))) }},
		{value.FloatArray, func() value.Value { return value.OfFloats(make([]float64, random.IntN(20))) }, func() value.Value { return value.OfFloats(make([]float64, random.IntN(10))) }},
	} {
		some := func(n int, one func() value.Value) []value.Value {
			out := make([]value.Value, n)
			for i := range out {
				if out[i] = one(); i%20 == 0 {
					out[i] = value.Null()
				}
			}
			return out
		}
		name := c.kind.String()
		reference := profileOf(c.kind, 1, some(20_000, c.usual)...)
		b := FromProfile(reference)
		text, err := json.Marshal(b)
		require.NoError(t, err)
		var back Baseline
		require.NoError(t, json.Unmarshal(text, &back), string(text))
		require.True(t, b.Bins().same(back.Bins()))
		require.Equal(t, b.Reference().Counts, back.Reference().Counts)

		month, all := back.Bins().Window(), []value.Value{}
		for range 10 {
			values := some(1000, c.usual)
			day := b.Bins().Window()
			for _, v := range values {
				day.Add(v)
			}
			all = append(all, values...)
			require.NoError(t, month.Merge(day))
			require.Equal(t, OK, Judge(back.Reference(), day, DefaultThresholds()).Verdict, name)
		}
		whole := b.Bins().Window()
		for _, v := range all {
			whole.Add(v)
		}
		require.Equal(t, whole.Counts, month.Counts)
		require.Equal(t, whole.Nulls, month.Nulls)

		moved := b.Bins().Window()
		values := some(1000, c.moved)
		for _, v := range values {
			moved.Add(v)
		}
		require.Equal(t, Alert, Judge(b.Reference(), moved, DefaultThresholds()).Verdict, name)
		require.Equal(t, Alert, Judge(b.Reference(), b.Bins().CountProfile(profileOf(c.kind, 2, values...)), DefaultThresholds()).Verdict, "%s by profiles alone", name)
		require.Equal(t, OK, Judge(b.Reference(), b.Bins().CountProfile(profileOf(c.kind, 3, all...)), DefaultThresholds()).Verdict, "%s by profiles alone", name)
	}
}

func TestNewCategoriesOfABaseline(t *testing.T) {
	var values []value.Value
	for i := range 60 {
		for range 60 - i {
			values = append(values, value.OfString("c"+strconv.Itoa(i)))
		}
	}
	b := FromProfile(profileOf(value.String, 1, values...))
	require.Len(t, b.Bins().CategoryNames(), 20)
	w := b.Bins().Window()
	w.AddCategory("c0", 1)
	w.AddCategory("c59", 2)
	w.AddCategory("new", 1)
	require.InDelta(t, 0.25, number64(t, w.NewShare()), 1e-15)
	require.EqualValues(t, 3, w.Counts[20])

	for i := range 2000 {
		values = append(values, value.OfString("d"+strconv.Itoa(i)))
	}
	b = FromProfile(profileOf(value.String, 1, slices.Concat(values, values, values)...))
	w = b.Bins().Window()
	w.Add(value.OfString("new"))
	_, ok := w.NewShare().Get()
	require.False(t, ok, "there are more categories than a profile knows")
}

func TestBaselineWithoutValues(t *testing.T) {
	for _, kind := range []value.Type{value.Float, value.String, value.Boolean, value.Timestamp} {
		for _, p := range []*profile.Profile{profileOf(kind, 1), profileOf(kind, 1, slices.Repeat([]value.Value{value.Null()}, 80)...)} {
			b := FromProfile(p)
			text, err := json.Marshal(b)
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(text, &Baseline{}), string(text))
			require.Equal(t, Skipped, Judge(b.Reference(), b.Bins().CountProfile(p), DefaultThresholds()).Verdict)
			require.EqualValues(t, p.Nulls(), b.Reference().Nulls)
		}
	}
}

func TestDamagedBaselines(t *testing.T) {
	for text, reason := range map[string]string{
		`{"version": 2}`: "version 2",
		`{"version": 1, "kind": "numeric", "cuts": [1, 1], "counts": [1, 2, 3]}`:               "ascend",
		`{"version": 1, "kind": "numeric", "cuts": [1], "counts": [1, 2, 3]}`:                  "2 bins with 3 counts",
		`{"version": 1, "kind": "numeric", "cuts": [1], "counts": [1, -2]}`:                    "are none",
		`{"version": 1, "kind": "numeric", "cuts": [1], "counts": [9007199254740992, 1]}`:      "are none",
		`{"version": 1, "kind": "numeric", "counts": [1], "nulls": -1}`:                        "are none",
		`{"version": 1, "kind": "numeric", "categories": ["a"], "counts": [1]}`:                "mixes",
		`{"version": 1, "kind": "categorical", "cuts": [1], "counts": [1]}`:                    "mixes",
		`{"version": 1, "kind": "categorical", "categories": ["a", "a"], "counts": [1, 2, 3]}`: "twice",
		`{"version": 1, "kind": "ordinal", "counts": [1]}`:                                     "unknown kind",
		`{"version": 1, "kind": "numeric", "cuts": ["a"], "counts": [1]}`:                      "read the baseline",
		`{"version": 1, "kind": "numeric", "counts": [1.5]}`:                                   "read the baseline",
	} {
		require.ErrorContains(t, json.Unmarshal([]byte(text), &Baseline{}), reason, text)
	}
}
