package drift

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"featurestore/modules/registry/value"
)

func number64(t require.TestingT, o Optional) float64 {
	v, ok := o.Get()
	require.True(t, ok, "it is defined")
	return v
}

// The formulas, worked out by hand.
func TestFormulas(t *testing.T) {
	a, b := []int64{50, 30, 20, 0}, []int64{30, 30, 40, 0}
	near := func(wanted float64, got Optional) {
		t.Helper()
		require.InDelta(t, wanted, number64(t, got), 1e-12)
	}
	near(0.2*math.Log(5.0/3)+0.2*math.Log(2), PSI(a, b))
	near(0.2*math.Log(5.0/3)+0.2*math.Log(2), Score(a, b))
	near(0.2, LInfinity(a, b))
	near(math.Sqrt((math.Pow(math.Sqrt(.5)-math.Sqrt(.3), 2)+math.Pow(math.Sqrt(.2)-math.Sqrt(.4), 2))/2), Hellinger(a, b))
	near(math.Sqrt((.5*math.Log(.5/.4)+.2*math.Log(.2/.3)+.3*math.Log(.3/.4)+.4*math.Log(.4/.3))/2), JensenShannon(a, b))
	near(5+0+20.0/3, ChiSquare(a, b).Statistic) // 2·(10²/40) + 2·(10²/30)
	require.Equal(t, 2, ChiSquare(a, b).Freedom)
	near(math.Exp(-(5+20.0/3)/2), ChiSquare(a, b).PValue) // χ² with 2 degrees of freedom is exponential
	near(400.0/50+400.0/20, ChiSquareFit(a, b).Statistic)
	near(9.210340371976182*(0.01+0.01), Gate(a, b)) // −2 ln 0.01

	// [[10, 20], [30, 40]]: χ² = 100·(10·40 − 20·30)²/(30·70·40·60); with Yates (|…| − 50)²
	near(100*40000.0/(30*70*40*60), ChiSquare([]int64{10, 20}, []int64{30, 40}).Statistic)
	near(100*22500.0/(30*70*40*60), ChiSquareYates([]int64{10, 20}, []int64{30, 40}).Statistic)
	require.Equal(t, Test{}, ChiSquareYates(a, b), "of two bins only")

	distance, normed := Wasserstein([]float64{0, 1, 3}, []float64{5, 6, 8})
	near(5, distance)
	near(5/math.Sqrt(14.0/9), normed)
	distance, _ = Wasserstein([]float64{0, 2}, []float64{1})
	near(1, distance)
}

func TestEmptyBins(t *testing.T) {
	a, b := []int64{50, 0}, []int64{25, 25}
	require.InDelta(t, 0.5*math.Log(2)+(0.5-1e-4)*math.Log(0.5/1e-4), number64(t, PSI(a, b)), 1e-12)
	require.InDelta(t, 0.5*math.Log(2)+(0.5-0.01)*math.Log(0.5/0.01), number64(t, Score(a, b)), 1e-12, "half of one in 50")
	a, b = []int64{99_999, 1, 0}, []int64{50_000, 0, 50_000}
	wanted := (0.99999-0.5)*math.Log(0.99999/0.5) + (1e-5-1e-4)*math.Log(1e-5/1e-4) + (1e-11-0.5)*math.Log(1e-11/0.5)
	require.InDelta(t, wanted, number64(t, PSI(a, b)), 1e-9, "a millionth of the smallest share that is below the floor")
	require.Equal(t, Test{}, ChiSquareFit([]int64{50, 0}, []int64{25, 25}), "a share of 0 that is exact allows nothing in the bin")

	for _, none := range []Optional{PSI(a, []int64{0, 0, 0}), Score([]int64{0, 0, 0}, a), KullbackLeibler(nil, nil), JensenShannon(a, []int64{0, 0, 0}),
		Hellinger([]int64{0, 0, 0}, a), LInfinity(nil, nil), Gate(a, []int64{0, 0, 0}), ChiSquare(a, []int64{0, 0, 0}).Statistic} {
		_, ok := none.Get()
		require.False(t, ok)
		require.Nil(t, none.Pointer())
	}
	require.Equal(t, 0.0, number64(t, Gate([]int64{5}, []int64{5})), "one bin")
}

// The p-value of KS is the share of all orders of the values that reach the statistic.
func TestKolmogorovSmirnovCountsOrders(t *testing.T) {
	for n := 1; n <= 6; n++ {
		for m := 1; m <= 5; m++ {
			reaching, orders := map[int]int{}, 0 // by |i·m − j·n|
			var walk func(i, j, largest int)
			walk = func(i, j, largest int) {
				largest = max(largest, i*m-j*n, j*n-i*m)
				if i == n && j == m {
					orders++
					for d := 1; d <= largest; d++ {
						reaching[d]++
					}
					return
				}
				if i < n {
					walk(i+1, j, largest)
				}
				if j < m {
					walk(i, j+1, largest)
				}
			}
			walk(0, 0, 0)
			for d, count := range reaching {
				require.InEpsilon(t, float64(count)/float64(orders), exactTail(n, m, d), 1e-12, "%d and %d values, %d", n, m, d)
			}
		}
	}
}

func TestKolmogorovSmirnov(t *testing.T) {
	test := KolmogorovSmirnov([]float64{1, 2, 3}, []float64{4, 5, 6})
	require.InDelta(t, 1.0, number64(t, test.Statistic), 0)
	require.InDelta(t, 0.1, number64(t, test.PValue), 1e-15, "2 of 20 orders")
	same := KolmogorovSmirnov([]float64{1, 1, 2}, []float64{1, 1, 2})
	require.InDelta(t, 0.0, number64(t, same.Statistic), 0)
	require.InDelta(t, 1.0, number64(t, same.PValue), 0)
	require.Equal(t, Test{}, KolmogorovSmirnov(nil, []float64{1}))

	apart := make([]float64, 2000)
	for i := range apart {
		apart[i] = 1
	}
	require.Zero(t, number64(t, KolmogorovSmirnov(make([]float64, 2000), apart).PValue), "beyond floats")
	require.Zero(t, exactTail(2000, 2000, 4_000_000))

	// where the exact one ends, the asymptotic one goes on
	for _, largest := range []int{12_000_000, 14_000_000, 20_000_000} {
		exact, asymptotic := exactTail(100, 1_000_000, largest), asymptoticTail(100, 1_000_000, float64(largest)/1e8)
		require.InEpsilon(t, exact, asymptotic, 0.05)
	}
}

func TestBinsOfFrequentValues(t *testing.T) {
	sorted := func(counts map[float64]int) (out []float64) {
		for v, n := range counts {
			for range n {
				out = append(out, v)
			}
		}
		slices.Sort(out)
		return out
	}
	after := func(v float64) float64 { return math.Nextafter(v, math.Inf(1)) }
	for _, c := range []struct {
		name      string
		reference []float64
		cuts      []float64
	}{
		{"none", nil, []float64{}},
		{"one", []float64{5}, []float64{5, after(5)}},
		{"constant", sorted(map[float64]int{5: 100}), []float64{5, after(5)}},
		{"mostly the largest", sorted(map[float64]int{0: 5, 1: 95}), []float64{1, after(1)}},
		{"two", sorted(map[float64]int{0: 50, 1: 50}), []float64{0, after(0), 1, after(1)}},
		{"spread", func() (v []float64) {
			for i := range 100 {
				v = append(v, float64(i))
			}
			return v
		}(), []float64{10, 20, 30, 40, 50, 60, 70, 80, 90}},
		{"a frequent one among others", func() []float64 {
			v := sorted(map[float64]int{0: 60})
			for i := range 40 {
				v = append(v, float64(i+1))
			}
			return v
		}(), []float64{0, after(0), 11, 21, 31}},
		{"the largest there is", sorted(map[float64]int{math.MaxFloat64: 20}), []float64{math.MaxFloat64}},
	} {
		require.Equal(t, c.cuts, NumericBins(Deciles(c.reference)).Cuts(), c.name)
	}
}

// A constant that becomes another constant, a count that loses its zeros: quantiles alone would not see them.
func TestConstantsThatMove(t *testing.T) {
	constant := func(v float64, n int) []float64 { return slices.Repeat([]float64{v}, n) }
	for _, c := range []struct {
		reference, current []float64
		verdict            Verdict
	}{
		{constant(5, 200), constant(5, 200), OK},
		{constant(5, 200), constant(6, 200), Alert},
		{constant(5, 200), constant(4.999, 200), Alert},
		{append(constant(0, 10), constant(1, 190)...), append(constant(0, 100), constant(1, 100)...), Alert},
	} {
		require.Equal(t, c.verdict, judge(c.reference, c.current, Deciles(c.reference)).Verdict)
	}
}

func judge(reference, current, cuts []float64) Judgement {
	bins := NumericBins(cuts)
	return Judge(count(bins, reference), count(bins, current), DefaultThresholds())
}

func count(bins *Bins, values []float64) *Window {
	w := bins.Window()
	for _, v := range values {
		w.AddNumber(v)
	}
	return w
}

func normal(random *rand.Rand, n int, mean float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = mean + random.NormFloat64()
	}
	slices.Sort(out)
	return out
}

// Of 5,000 values that moved by 3 standard deviations one lies at a million: deciles find it wherever that one is, bins of equal width do not.
func TestOneOutlierBlindsNothing(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	reference, current := normal(random, 5000, 0), normal(random, 5000, 3)
	require.Equal(t, Alert, judge(reference, current, EqualWidth(reference, current)).Verdict, "without it, both find it")
	withOutlier := func(values []float64) []float64 { return append(slices.Clone(values[1:]), 1e6) }
	for _, sides := range [][2][]float64{{reference, withOutlier(current)}, {withOutlier(reference), current}, {withOutlier(reference), withOutlier(current)}} {
		require.Equal(t, Alert, judge(sides[0], sides[1], Deciles(sides[0])).Verdict)
		require.Equal(t, OK, judge(sides[0], sides[1], EqualWidth(sides[0], sides[1])).Verdict, "the control misses it")
	}
}

// Of pairs of small samples of one distribution, about one in a hundred is called drift; judged by PSI with its fixed floor it would be many more.
func TestSmallSamplesDoNotCryWolf(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	const pairs = 1000
	for _, m := range []int{50, 100, 300} {
		alarms, floored := 0, 0
		for range pairs {
			reference := normal(random, 1000, 0)
			bins := NumericBins(Deciles(reference))
			a, b := count(bins, reference), count(bins, normal(random, m, 0))
			j := Judge(a, b, DefaultThresholds())
			if j.Verdict != OK {
				alarms++
			}
			if number64(t, PSI(a.Counts, b.Counts)) >= number64(t, j.Warn) {
				floored++
			}
		}
		require.LessOrEqual(t, alarms, pairs/20, "%d values", m)
		if m == 50 {
			require.Greater(t, floored, pairs/25, "the control: a fixed floor")
		}
	}
	zipf := rand.NewZipf(random, 1.2, 1, 30)
	category := func(n int) map[string]int64 {
		counts := map[string]int64{}
		for range n {
			counts[string(rune('a'+zipf.Uint64()))]++
		}
		return counts
	}
	alarms, floored := 0, 0
	for range pairs {
		reference := category(1000)
		bins := Categories(reference, 20)
		a, b := bins.Window(), bins.Window()
		for name, n := range reference {
			a.AddCategory(name, n)
		}
		for name, n := range category(100) {
			b.AddCategory(name, n)
		}
		j := Judge(a, b, DefaultThresholds())
		if j.Verdict != OK {
			alarms++
		}
		if number64(t, PSI(a.Counts, b.Counts)) >= number64(t, j.Warn) {
			floored++
		}
	}
	require.LessOrEqual(t, alarms, pairs/20)
	require.Greater(t, floored, pairs/10, "the control: a fixed floor")
}

func TestVerdicts(t *testing.T) {
	window := func(nulls int64, counts ...int64) *Window {
		w := NumericBins([]float64{1}).Window()
		copy(w.Counts, counts)
		w.Nulls = nulls
		return w
	}
	for _, c := range []struct {
		name               string
		reference, current *Window
		verdict            Verdict
		reason             string
	}{
		{"few in the reference", window(0, 20, 29), window(0, 500, 500), Skipped, "the reference has 49 rows, fewer than 50"},
		{"few to compare", window(0, 500, 500), window(1), Skipped, "the current values have 1 row, fewer than 50"},
		{"nothing", window(0), window(0), Skipped, "the reference has 0 rows, fewer than 50"},
		{"nothing but nulls", window(80), window(90), Skipped, "there is nothing but nulls on both sides"},
		{"nothing but nulls any more", window(0, 500, 500), window(500), Alert, "where alerts begin"},
		{"nulls no more", window(500), window(0, 500, 500), Alert, "where alerts begin"},
		{"unchanged", window(5, 500, 500), window(5, 500, 500), OK, "the score 0 is below 0.1, where warnings begin"},
		{"some", window(0, 5000, 5000), window(0, 6700, 3300), Warn, "reaches 0.1, where warnings begin"},
		{"much", window(0, 5000, 5000), window(0, 8000, 2000), Alert, "reaches 0.2, where alerts begin"},
		{"as much in few", window(0, 25, 25), window(0, 35, 15), OK, "is below 0.265, where warnings begin: 0.1 raised to what chance alone brings about in samples of this size"},
	} {
		j := Judge(c.reference, c.current, DefaultThresholds())
		require.Equal(t, c.verdict, j.Verdict, c.name)
		require.Contains(t, j.Reason, c.reason, c.name)
	}
}

// Windows of parts add up to the window of the whole, exactly; and no values, however odd, make any measure NaN, infinite or a panic.
func TestWindowsAddUpAndMeasuresAreFinite(t *testing.T) {
	finite := rapid.Custom(func(t *rapid.T) float64 {
		v := rapid.OneOf(rapid.SampledFrom([]float64{0, 1, -1, 5e-324, math.MaxFloat64, -math.MaxFloat64, 1e6}), rapid.Float64()).Draw(t, "v")
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return 0
		}
		return v
	})
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(finite, 0, 80)
		reference, current := values.Draw(t, "reference"), values.Draw(t, "current")
		slices.Sort(reference)
		slices.Sort(current)
		for _, cuts := range [][]float64{Deciles(reference), EqualWidth(reference, current), Doane(reference), nil} {
			bins := NumericBins(cuts)
			whole := count(bins, current)
			split := rapid.IntRange(0, len(current)).Draw(t, "split")
			parts := count(bins, current[:split])
			require.NoError(t, parts.Merge(count(bins, current[split:])))
			require.Equal(t, whole, parts)
			require.Equal(t, int64(len(current)), whole.Values())

			base := count(bins, reference)
			base.Nulls = rapid.Int64Range(0, 3).Draw(t, "nulls")
			a, b := Counts(base, whole)
			distance, normed := Wasserstein(reference, current)
			ks := KolmogorovSmirnov(reference, current)
			for _, o := range []Optional{PSI(a, b), Score(a, b), KullbackLeibler(a, b), JensenShannon(a, b), Hellinger(a, b), LInfinity(a, b), distance, normed,
				ks.Statistic, ks.PValue, ChiSquare(a, b).PValue, ChiSquareFit(a, b).Statistic, ChiSquareYates(a, b).PValue, Gate(a, b), NullRateChange(base, whole)} {
				v, ok := o.Get()
				require.False(t, ok && (math.IsNaN(v) || math.IsInf(v, 0)))
			}
			if len(a) > 0 && total(a) > 0 && total(b) > 0 {
				require.LessOrEqual(t, number64(t, JensenShannon(a, b)), math.Sqrt(math.Ln2)+1e-12)
				require.InDelta(t, number64(t, PSI(a, b)), number64(t, PSI(b, a)), 1e-9, "symmetric")
				require.InDelta(t, number64(t, Hellinger(a, b)), number64(t, Hellinger(b, a)), 1e-12)
				require.Zero(t, number64(t, Score(a, a)))
			}
			require.NotEmpty(t, Judge(base, whole, DefaultThresholds()).Reason)
		}
	})
}

func TestValuesOfEveryType(t *testing.T) {
	numbers := NumericBins([]float64{2})
	w := numbers.Window()
	for _, v := range []value.Value{value.OfFloat(1.5), value.OfInt(2), value.OfBool(true), value.OfTime(3), value.OfString("äö"), value.OfFloats([]float64{1}), {}, value.Null()} {
		w.Add(v)
	}
	require.Equal(t, []int64{3, 3}, w.Counts)
	require.EqualValues(t, 1, w.Nulls)
	require.EqualValues(t, 7, w.Rows())

	c := Categories(map[string]int64{"a": 3, "true": 2, "b": 1}, 2)
	require.Equal(t, []string{"a", "true"}, c.CategoryNames())
	w = c.Window()
	for _, v := range []value.Value{value.OfString("a"), value.OfBool(true), value.OfString("b"), value.OfString("c"), value.OfInt(7)} {
		w.Add(v)
	}
	require.Equal(t, []int64{1, 1, 3}, w.Counts)
	require.EqualValues(t, 2, w.New, "b is known, though it has no bin of its own")
	require.InDelta(t, 0.4, number64(t, w.NewShare()), 1e-15)
	require.Error(t, w.Merge(numbers.Window()))
}
