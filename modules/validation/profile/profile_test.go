package profile

import (
	"encoding/binary"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"featurestore/modules/registry/value"
)

func of(kind value.Type, seed uint64, values ...value.Value) *Profile {
	p := New(kind, Options{Seed: seed})
	for _, v := range values {
		p.Add(v)
	}
	return p
}

func floats(numbers []float64) []value.Value {
	out := make([]value.Value, len(numbers))
	for i, v := range numbers {
		out[i] = value.OfFloat(v)
	}
	return out
}

func TestEveryType(t *testing.T) {
	for _, c := range []struct {
		kind        value.Type
		values      []value.Value
		least, most value.Value
		mean        float64
		distinct    int64
		top         value.Value // absent: none
		empty       int64
	}{
		{value.Float, floats([]float64{1.5, 2.5, 2.5, 0}), value.OfFloat(0), value.OfFloat(2.5), 6.5 / 4, 3, value.OfFloat(2.5), 0},
		{value.Float, []value.Value{value.OfInt(3), value.OfFloat(3)}, value.OfFloat(3), value.OfFloat(3), 3, 1, value.OfFloat(3), 0},
		{value.Integer, []value.Value{value.OfInt(math.MaxInt64), value.OfInt(math.MaxInt64 - 1), value.OfInt(math.MaxInt64)},
			value.OfInt(math.MaxInt64 - 1), value.OfInt(math.MaxInt64), math.MaxInt64, 2, value.OfInt(math.MaxInt64), 0},
		{value.Boolean, []value.Value{value.OfBool(true), value.OfBool(false), value.OfBool(true), value.OfBool(true)},
			value.OfFloat(0), value.OfFloat(1), 0.75, 2, value.OfBool(true), 0},
		{value.String, []value.Value{value.OfString("äöü"), value.OfString(""), value.OfString("äöü")}, value.OfFloat(0), value.OfFloat(3), 2, 2, value.OfString("äöü"), 1},
		{value.Timestamp, []value.Value{value.OfTime(10), value.OfTime(-10), value.OfTime(10)}, value.OfTime(-10), value.OfTime(10), 10.0 / 3, 2, value.OfTime(10), 0},
		{value.JSON, []value.Value{value.OfJSON("{}"), value.OfJSON("[1,2]")}, value.OfFloat(2), value.OfFloat(5), 3.5, 2, value.Value{}, 0},
		{value.FloatArray, []value.Value{value.OfFloats([]float64{1, 2, 3}), value.OfFloats(nil), value.OfFloats([]float64{1, 2, 3})},
			value.OfFloat(0), value.OfFloat(3), 2, 2, value.Value{}, 1},
		{value.StringArray, []value.Value{value.OfStrings([]string{"a"})}, value.OfFloat(1), value.OfFloat(1), 1, 1, value.Value{}, 0},
	} {
		p := of(c.kind, 1, append(c.values, value.Null(), value.Value{})...)
		name := c.kind.String()
		require.EqualValues(t, len(c.values)+1, p.Rows(), name)
		require.EqualValues(t, 1, p.Nulls(), name)
		require.Equal(t, c.least, p.Min(), name)
		require.Equal(t, c.most, p.Max(), name)
		mean, ok := p.Mean()
		require.True(t, ok)
		require.InDelta(t, c.mean, mean, 1e-12*math.Max(1, c.mean), name)
		require.Equal(t, c.distinct, p.Distinct(), name)
		require.Equal(t, c.empty, p.Empty(), name)
		if top := p.Top(1); c.top.IsAbsent() {
			require.Empty(t, top, name)
			require.False(t, p.AllValues(), name)
		} else {
			require.Equal(t, c.top, top[0].Value, name)
			require.True(t, p.AllValues(), name)
		}
	}
}

func TestNothing(t *testing.T) {
	for _, p := range []*Profile{of(value.Float, 1), of(value.String, 1, value.Null()), of(value.Timestamp, 1), of(value.Float, 1, value.OfFloat(math.NaN()))} {
		require.Zero(t, p.Values())
		require.Zero(t, p.Distinct())
		require.True(t, p.Min().IsAbsent())
		require.True(t, p.Max().IsAbsent())
		_, ok := p.Mean()
		require.False(t, ok)
		_, ok = p.Deviation()
		require.False(t, ok)
		_, ok = p.Quantile(0.5)
		require.False(t, ok)
		require.Empty(t, p.Histogram(10))
		require.Empty(t, p.Top(10))
		require.Empty(t, Propose(p))
		encoded, err := p.Encode()
		require.NoError(t, err)
		back, err := Decode(encoded)
		require.NoError(t, err)
		require.Equal(t, p.Rows(), back.Rows())
	}
}

// exactly is what all values say.
type exactly struct {
	sorted         []float64
	mean, variance float64
	counts         map[float64]int64
}

func exactOf(values []float64) exactly {
	e := exactly{sorted: slices.Clone(values), counts: map[float64]int64{}}
	slices.Sort(e.sorted)
	whole := func(v float64) *big.Float { return new(big.Float).SetPrec(2200).SetFloat64(v) }
	sum, squares, n := whole(0), whole(0), whole(float64(len(values)))
	for _, v := range values {
		e.counts[v]++
		sum.Add(sum, whole(v))
	}
	mean := whole(0).Quo(sum, n)
	for _, v := range values {
		d := whole(0).Sub(whole(v), mean)
		squares.Add(squares, d.Mul(d, d))
	}
	e.mean, _ = mean.Float64()
	e.variance, _ = squares.Quo(squares, n).Float64()
	return e
}

// numbersOf draws numbers of shapes that sketches find hard.
func numbersOf(t *rapid.T) []float64 {
	random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
	n := rapid.IntRange(1, 4000).Draw(t, "n")
	shape := rapid.SampledFrom([]string{"normal", "far from zero", "heavy tail", "counts", "few", "constant"}).Draw(t, "shape")
	out := make([]float64, n)
	for i := range out {
		switch shape {
		case "normal":
			out[i] = random.NormFloat64()
		case "far from zero":
			out[i] = 1e9 + random.NormFloat64()
		case "heavy tail":
			out[i] = math.Exp(3 * random.NormFloat64())
		case "counts":
			out[i] = float64(random.IntN(20) * random.IntN(2))
		case "few":
			out[i] = float64(random.IntN(3)) - 1
		case "constant":
			out[i] = 7.25
		}
	}
	return out
}

// Windows in any grouping say what all values say: exactly, or within the stated errors.
func TestMergedWindowsAgreeWithAllValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := numbersOf(t)
		e := exactOf(values)
		var windows []*Profile
		for rest := values; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "window")
			windows = append(windows, of(value.Float, uint64(len(windows)+1), floats(rest[:n])...))
			rest = rest[n:]
		}
		for len(windows) > 1 {
			i := rapid.IntRange(0, len(windows)-2).Draw(t, "merge")
			require.NoError(t, windows[i].Merge(windows[i+1]))
			windows = slices.Delete(windows, i+1, i+2)
		}
		agrees(t, e, windows[0])
		encoded, err := windows[0].Encode()
		require.NoError(t, err)
		require.Less(t, len(encoded), 40_000)
		back, err := Decode(encoded)
		require.NoError(t, err)
		agrees(t, e, back)
		same(t, windows[0], back)
	})
}

func agrees(t *rapid.T, e exactly, p *Profile) {
	n := len(e.sorted)
	require.EqualValues(t, n, p.Values())
	require.Equal(t, e.sorted[0], p.Min().Float())
	require.Equal(t, e.sorted[n-1], p.Max().Float())
	mean, _ := p.Mean()
	deviation, _ := p.Deviation()
	wide := math.Max(math.Abs(e.sorted[0]), math.Abs(e.sorted[n-1]))
	require.InDelta(t, e.mean, mean, 1e-12*wide)
	require.InDelta(t, math.Sqrt(e.variance), deviation, 1e-9*math.Sqrt(e.variance)+1e-12*wide)
	require.InDelta(t, float64(len(e.counts)), float64(p.Distinct()), 1+5*DistinctError*float64(len(e.counts)))

	last := math.Inf(-1)
	for _, q := range []float64{0, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1} {
		got, ok := p.Quantile(q)
		require.True(t, ok)
		require.GreaterOrEqual(t, got, last, "quantiles ascend")
		last = got
		wanted := e.sorted[int(q*float64(n-1))]
		if p.Complete() {
			require.Equal(t, wanted, got)
			continue
		}
		// near in value, or near in rank: within five standard errors of a sample
		rank, _ := slices.BinarySearch(e.sorted, got)
		above, _ := slices.BinarySearch(e.sorted, math.Nextafter(got, math.Inf(1)))
		slack := 5*math.Sqrt(q*(1-q)/sampleSize)*float64(n) + 5
		nearRank := float64(rank)-slack <= q*float64(n-1) && q*float64(n-1) <= float64(above)+slack
		require.True(t, nearRank || math.Abs(got-wanted) <= 1.1*Accuracy*math.Abs(wanted), "quantile %v: %v, should be %v", q, got, wanted)
	}

	for _, f := range p.Top(1000) {
		exact := e.counts[f.Value.Float()]
		require.LessOrEqual(t, f.Count, exact)
		require.GreaterOrEqual(t, f.Count+f.Missed, exact)
		require.LessOrEqual(t, f.Missed, int64(n/counters))
	}
	found := map[float64]bool{}
	for _, f := range p.Top(1000) {
		found[f.Value.Float()] = true
	}
	for v, count := range e.counts {
		require.True(t, found[v] || count <= int64(n/counters), "%v came %d times", v, count)
	}
	if p.AllValues() {
		require.Len(t, found, len(e.counts))
	}

	sum, upper := 0.0, e.sorted[0]
	for _, bar := range p.Histogram(12) {
		require.Equal(t, upper, bar.Lower, "without a gap")
		upper = bar.Upper
		sum += bar.Count
	}
	require.Equal(t, e.sorted[n-1], upper)
	require.InDelta(t, float64(n), sum, 1e-6*float64(n))
}

// same tells that two profiles answer alike.
func same(t require.TestingT, a, b *Profile) {
	require.Equal(t, a.Rows(), b.Rows())
	require.Equal(t, a.Nulls(), b.Nulls())
	require.Equal(t, a.Empty(), b.Empty())
	require.Equal(t, a.spread, b.spread)
	require.Equal(t, a.Min(), b.Min())
	require.Equal(t, a.Max(), b.Max())
	require.Equal(t, a.Distinct(), b.Distinct())
	require.Equal(t, a.Sample(), b.Sample())
	require.Equal(t, a.Top(1000), b.Top(1000))
	require.Equal(t, len(a.Forms()), len(b.Forms()))
	require.Equal(t, a.Histogram(10), b.Histogram(10))
	for _, q := range []float64{0, 0.3, 0.5, 0.999, 1} {
		one, _ := a.Quantile(q)
		other, _ := b.Quantile(q)
		require.Equal(t, one, other)
	}
}

// (a+b)+c and a+(b+c), in either order of the two sides: the same sample and counts to the last bit.
func TestMergingIsAssociative(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := [][]float64{numbersOf(t), numbersOf(t), numbersOf(t)}
		part := func(i int) *Profile { return of(value.Float, uint64(i+10), floats(parts[i])...) }
		left, right := part(0), part(1)
		require.NoError(t, left.Merge(part(1)))
		require.NoError(t, left.Merge(part(2)))
		require.NoError(t, right.Merge(part(2)))
		require.NoError(t, right.Merge(part(0)))
		require.Equal(t, left.Rows(), right.Rows())
		require.Equal(t, left.Min(), right.Min())
		require.Equal(t, left.Max(), right.Max())
		require.Equal(t, left.Sample(), right.Sample())
		require.Equal(t, left.Distinct(), right.Distinct())
		for _, q := range []float64{0.1, 0.5, 0.9} {
			require.Equal(t, left.sketch.quantile(q), right.sketch.quantile(q))
		}
		a, _ := left.Mean()
		b, _ := right.Mean()
		require.InDelta(t, a, b, 1e-12*math.Max(math.Abs(left.spread.least), math.Abs(left.spread.most)))
	})
}

// Of every type, windows that are merged answer as one profile of all values does.
func TestMergedWindowsOfEveryType(t *testing.T) {
	texts := []string{"", "DE", "someone@example.org", "2026-01-31", strings.Repeat("long ", 50), "ä"}
	one := map[value.Type]func(t *rapid.T) value.Value{
		value.Integer:   func(t *rapid.T) value.Value { return value.OfInt(rapid.Int64().Draw(t, "v")) },
		value.Boolean:   func(t *rapid.T) value.Value { return value.OfBool(rapid.Bool().Draw(t, "v")) },
		value.Timestamp: func(t *rapid.T) value.Value { return value.OfTime(rapid.Int64Range(-6e16, 2e17).Draw(t, "v")) },
		value.String: func(t *rapid.T) value.Value {
			return value.OfString(rapid.OneOf(rapid.SampledFrom(texts), rapid.StringN(0, 5, -1)).Draw(t, "v"))
		},
		value.JSON: func(t *rapid.T) value.Value { return value.OfJSON(strconv.Itoa(rapid.IntRange(0, 99).Draw(t, "v"))) },
		value.FloatArray: func(t *rapid.T) value.Value {
			return value.OfFloats(rapid.SliceOfN(rapid.Just(1.5), 0, 5).Draw(t, "v"))
		},
	}
	for kind, draw := range one {
		rapid.Check(t, func(t *rapid.T) {
			all, merged := New(kind, Options{Seed: 1}), New(kind, Options{Seed: 2})
			for w := range rapid.IntRange(1, 4).Draw(t, "windows") {
				window := New(kind, Options{Seed: uint64(w) + 3})
				for range rapid.IntRange(0, 30).Draw(t, "n") {
					v := value.Null()
					if rapid.IntRange(0, 9).Draw(t, "null") > 0 {
						v = draw(t)
					}
					all.Add(v)
					window.Add(v)
				}
				encoded, err := window.Encode()
				require.NoError(t, err)
				window, err = Decode(encoded)
				require.NoError(t, err)
				require.NoError(t, merged.Merge(window))
			}
			mean, _ := all.Mean()
			other, _ := merged.Mean()
			require.InDelta(t, mean, other, 1e-9*math.Max(1, math.Abs(all.spread.most-all.spread.least)))
			require.Equal(t, all.forms, merged.forms)
			require.Equal(t, all.AllValues(), merged.AllValues())
			merged.spread = all.spread // but for rounding
			same(t, all, merged)
		})
	}
}

func TestVarianceDoesNotCancel(t *testing.T) {
	p := of(value.Float, 1, floats([]float64{1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16})...)
	v, _ := p.Variance()
	require.Equal(t, 22.5, v)
}

func TestNumbersAtTheEndOfTheRange(t *testing.T) {
	p := of(value.Float, 1, floats([]float64{math.MaxFloat64, -math.MaxFloat64, math.MaxFloat64, 5e-324, 0})...)
	q := of(value.Float, 2, floats([]float64{-math.MaxFloat64})...)
	require.NoError(t, p.Merge(q))
	mean, _ := p.Mean()
	require.False(t, math.IsNaN(mean) || math.IsInf(mean, 0))
	_, ok := p.Variance()
	require.False(t, ok, "beyond the range of a float")
	median, _ := p.Quantile(0.5)
	require.Equal(t, 0.0, median)
	require.NotEmpty(t, p.Histogram(5))
	encoded, err := p.Encode()
	require.NoError(t, err)
	back, err := Decode(encoded)
	require.NoError(t, err)
	same(t, p, back)
}

func TestWhatCannotBeMerged(t *testing.T) {
	p := of(value.Float, 1)
	require.Error(t, p.Merge(p))
	require.Error(t, p.Merge(of(value.Integer, 2)))
	require.Error(t, p.Merge(New(value.Float, Options{Hidden: true})))
}

func TestHiddenValuesAreNotKept(t *testing.T) {
	p := New(value.String, Options{Seed: 1, Hidden: true})
	for i := range 100 {
		p.Add(value.OfString("person" + strconv.Itoa(i) + "@example.org"))
	}
	require.Empty(t, p.Top(10))
	require.False(t, p.AllValues())
	encoded, err := p.Encode()
	require.NoError(t, err)
	back, err := Decode(encoded)
	require.NoError(t, err)
	require.True(t, back.Hidden())
	require.Empty(t, back.Top(10))
	require.EqualValues(t, 100, back.Forms()[0].Count)
}

func TestColumnsOfABatch(t *testing.T) {
	values := []value.Value{value.OfInt(1), value.OfString("a"), value.OfInt(2), value.OfString("b"), value.OfInt(3), value.Null()}
	p, q := New(value.Integer, Options{}), New(value.String, Options{})
	p.AddColumn(values, 0, 2)
	q.AddColumn(values, 1, 2)
	require.EqualValues(t, 3, p.Values())
	require.EqualValues(t, 2, q.Values())
	require.EqualValues(t, 1, q.Nulls())
}

// A profile that was cut, changed in a byte, or made of anything else is refused, or is one that works.
func TestDamagedProfiles(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	p := New(value.String, Options{Seed: 5})
	for range 3000 {
		p.Add(value.OfString(strings.Repeat("x", random.IntN(30)) + strconv.Itoa(random.IntN(50))))
		p.Add(value.Null())
	}
	encoded, err := p.Encode()
	require.NoError(t, err)
	for n := range len(encoded) {
		_, err := Decode(encoded[:n])
		require.Error(t, err, "cut to %d bytes", n)
	}
	_, err = Decode(append(slices.Clone(encoded), 0))
	require.ErrorContains(t, err, "something follows")
	_, err = Decode(append([]byte{version + 1}, encoded[1:]...))
	require.ErrorContains(t, err, "version 2")
	for range 500 {
		damaged := slices.Clone(encoded)
		damaged[1+random.IntN(len(damaged)-1)] ^= 1 << random.IntN(8)
		if back, err := Decode(damaged); err == nil {
			exercise(t, back)
		}
	}
	plain := inflated(t, encoded)
	for range 1000 { // the same where the compression does not notice it
		damaged := slices.Clone(plain)
		at := random.IntN(len(damaged))
		if random.IntN(2) == 0 {
			at = random.IntN(100) // counts and spread
		}
		damaged[at] ^= 1 << random.IntN(8)
		if back, err := Decode(deflated(t, damaged)); err == nil {
			exercise(t, back)
		}
	}
}

func exercise(t require.TestingT, p *Profile) {
	_, err := p.Encode()
	require.NoError(t, err)
	p.Add(value.OfFloat(1))
	p.Distinct()
	p.Quantile(0.3)
	p.Histogram(7)
	p.Top(10)
	Propose(p)
	fresh := New(p.Kind(), Options{Seed: 1, Hidden: p.Hidden()})
	require.NoError(t, fresh.Merge(p))
}

// Decoding what is not compressed first: the fuzzer would not find the way through it.
func FuzzDecode(f *testing.F) {
	for _, kind := range []value.Type{value.Float, value.String, value.Timestamp, value.IntegerArray, value.Integer} {
		p := of(kind, 1, value.OfFloat(1), value.OfString("2026-01-31"), value.OfInt(5), value.Null())
		e := encoder{}
		e.text(kind.String())
		f.Add(binary.AppendUvarint(e.b, 0))
		encoded, err := p.Encode()
		require.NoError(f, err)
		f.Add(inflated(f, encoded))
	}
	f.Add([]byte{2, 'F'}) // a text that is longer than what is left
	f.Fuzz(func(t *testing.T, plain []byte) {
		p, err := Decode(deflated(t, plain))
		if err == nil {
			exercise(t, p)
		}
	})
}
