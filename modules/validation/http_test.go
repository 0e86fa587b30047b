package validation

import (
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/app/httpapi/httpapitest"
)

// Every route, by scenarios. At most 2,000 values are compared.
func TestHTTP(t *testing.T) {
	config := DefaultConfig()
	config.MaxDriftValues, config.MaxInlineValues = 2000, 2000
	v := module(t, config)
	httpapitest.Listen(t, httpapitest.Serve(quiet, v.definitions.Routes, v.Routes)).Run(t, "testdata/http/*.txt")
}

// The outlier of the issue, over HTTP: found by default, missed by bins of equal width.
func TestOutlierOverHTTP(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	reference, current := make([]float64, 5000), make([]float64, 5000)
	for i := range reference {
		reference[i], current[i] = random.NormFloat64(), 3+random.NormFloat64()
	}
	current[17] = 1e6
	body := map[string]any{"reference": reference, "current": current, "kind": "numeric", "metrics": []string{"psi"}}
	require.Equal(t, "alert", post(t, body)["verdict"])
	body["binning"] = "equal_width_combined"
	require.Equal(t, "ok", post(t, body)["verdict"], "the control misses it")
}

// Ten thousand values on each side are the most for which the p-value is exact.
func TestLargestExact(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	reference, current := make([]float64, 10_000), make([]float64, 10_000)
	for i := range reference {
		reference[i], current[i] = random.NormFloat64(), random.NormFloat64()
	}
	answer := post(t, map[string]any{"reference": reference, "current": current, "kind": "numeric"})
	require.Equal(t, "ok", answer["verdict"])
	p := numberAt(t, answer, "ks.p_value")
	require.Greater(t, p, 1e-4)
	require.LessOrEqual(t, p, 1.0)
	require.Less(t, numberAt(t, answer, "psi"), 0.01)
}

func TestConfig(t *testing.T) {
	require.Empty(t, DefaultConfig().Validate())
	require.Len(t, Config{}.Validate(), 7)
}

// Whatever is sent, the answer is a comparison without NaN and infinities, or a problem of the caller.
func FuzzDrift(f *testing.F) {
	for _, seed := range []string{
		`{"reference": [1, 2, 3, null], "current": [1e308, -1e308, 5e-324], "kind": "numeric"}`,
		`{"reference": ["a", "b", null], "current": ["a", "c"], "kind": "categorical", "metrics": ["psi"]}`,
		`{"reference": [], "current": [], "kind": "numeric", "binning": "doane_reference"}`,
		`{"reference": [null], "current": [null, null], "kind": "categorical", "binning": "equal_width_combined"}`,
		`{"reference": [0, 0, 0, 0], "current": [-0.0, 1], "kind": "numeric", "binning": "equal_width_combined", "js_base": "2"}`,
		`{"reference": [true, false], "current": [true], "kind": "categorical", "max_categories": 1, "warn_at": 0, "alert_at": 9}`,
		`{"reference": [NaN], "kind": 5`, `[]`, `{}`,
		`{"group": "orders", "baseline": "january", "window": {"run": 1}, "metrics": ["ks"]}`, `{"group": "orders", "baseline": 5, "window": []}`,
	} {
		f.Add(seed)
	}
	handler := httpapitest.Serve(quiet, detached(f, DefaultConfig()).Routes)
	f.Fuzz(func(t *testing.T, body string) {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "http://localhost/drift", strings.NewReader(body)))
		require.Less(t, answer.Code, 500, answer.Body.String())
		if answer.Code != http.StatusOK {
			return
		}
		verdict := decoded(t, answer.Body.Bytes())["verdict"]
		require.Contains(t, []any{"ok", "warn", "alert", "skipped"}, verdict)
	})
}

// Data on which a formula divides by nothing: every binning and measure.
func TestOddData(t *testing.T) {
	constant := func(v any, n int) (out []any) {
		for range n {
			out = append(out, v)
		}
		return out
	}
	sides := map[string][][]any{
		"numeric": {{}, constant(nil, 60), constant(5, 60), constant(0, 60), constant(math.MaxFloat64, 60), append(constant(-math.MaxFloat64, 30), constant(math.MaxFloat64, 30)...),
			append(constant(0, 59), 5e-324), {1}, append(constant(nil, 59), 7)},
		"categorical": {{}, constant(nil, 60), constant("a", 60), append(constant("a", 30), constant("b", 30)...), {"c"}, append(constant(nil, 59), "")},
	}
	binnings := map[string][]string{"numeric": {deciles, equalWidthCombined, doaneReference}, "categorical": {categories, equalWidthCombined}}
	for kind, all := range sides {
		for i, reference := range all {
			for j, current := range all {
				for _, binning := range binnings[kind] {
					if reference == nil || current == nil {
						continue
					}
					answer := post(t, map[string]any{"reference": reference, "current": current, "kind": kind, "binning": binning})
					switch {
					case len(reference) < 50 || len(current) < 50:
						require.Equal(t, "skipped", answer["verdict"], "%s %d %d %s", kind, i, j, binning)
					case i == j && i != 1:
						require.Equal(t, "ok", answer["verdict"], "%s %d %d %s", kind, i, j, binning)
					}
					require.NotEmpty(t, answer["reason"])
				}
			}
		}
	}
}
