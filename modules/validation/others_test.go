package validation

import (
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/app/httpapi/httpapitest"
)

// othersCase is a case of testdata/drift_values.json: values, and what scipy, Evidently, NannyML and TensorFlow Data Validation say of them.
type othersCase struct {
	Name, Kind string
	Ref, Cur   []float64
	RefCounts  map[string]int     `json:"ref_counts"`
	CurCounts  map[string]int     `json:"cur_counts"`
	Evidently  map[string]float64 `json:"evidently"`
	NannyML    map[string]float64 `json:"nannyml"`
	Scipy      map[string]float64 `json:"scipy"`
	TFDV       map[string]float64 `json:"tfdv"`
}

// reproduced says by which call each of others' numbers comes out: binning, base of js_distance, and the path in the answer.
var reproduced = map[string]struct{ binning, base, path string }{
	"numeric evidently psi":               {"equal_width_combined", "e", "psi"},
	"numeric evidently kl":                {"equal_width_combined", "e", "kl_divergence"},
	"numeric evidently js_distance_e":     {"equal_width_combined", "e", "js_distance"},
	"numeric evidently wasserstein_norm":  {"deciles", "e", "wasserstein"},
	"numeric evidently ks_p":              {"deciles", "e", "ks.p_value"},
	"numeric nannyml js_distance_2_doane": {"doane_reference", "2", "js_distance"},
	"numeric nannyml hellinger_doane":     {"doane_reference", "e", "hellinger"},
	"numeric nannyml ks_d":                {"deciles", "e", "ks.statistic"},
	"numeric nannyml wasserstein":         {"deciles", "e", "wasserstein_distance"},
	"numeric scipy ks_d":                  {"deciles", "e", "ks.statistic"},

	"categorical evidently psi":           {"categories", "e", "psi"},
	"categorical evidently js_distance_e": {"categories", "e", "js_distance"},
	"categorical evidently chisquare_p":   {"categories", "e", "chi_square_fit.p_value"},
	"categorical nannyml chi2_stat":       {"categories", "e", "chi_square.statistic"},
	"categorical nannyml chi2_p":          {"categories", "e", "chi_square.p_value"},
	"categorical nannyml l_infinity":      {"categories", "e", "l_infinity"},
	"categorical nannyml js_distance_2":   {"categories", "2", "js_distance"},
	"categorical tfdv l_infinity":         {"categories", "e", "l_infinity"},
	"categorical tfdv js_divergence_2":    {"categories", "2", "js_distance"}, // squared
}

// deviations are the numbers that are not reproduced, each with the reason.
var deviations = map[string]string{
	"numeric scipy ks_p_asymp":    "for samples of this size the exact p-value is answered, which the same file has as Evidently's",
	"numeric scipy mannwhitney_p": "no measure here: it tells a shift of the median only, which PSI, KS and Wasserstein tell as well",
	"numeric scipy energy":        "no measure here: Wasserstein is the distance in the values' own unit",
	"numeric scipy cvm_p":         "no measure here: KS is the test of the distribution functions",
}

// Numbers that others compute come out of POST /drift: each agrees to 1e-6, or to 1e-6 of itself where it is small, or is a deviation.
func TestOthersNumbers(t *testing.T) {
	text, err := os.ReadFile("testdata/drift_values.json")
	require.NoError(t, err)
	var cases []othersCase
	require.NoError(t, json.Unmarshal(text, &cases))
	require.Len(t, cases, 6)
	agreed, deviating := 0, map[string]bool{}
	for _, c := range cases {
		for tool, numbers := range map[string]map[string]float64{"evidently": c.Evidently, "nannyml": c.NannyML, "scipy": c.Scipy, "tfdv": c.TFDV} {
			for name, wanted := range numbers {
				key := c.Kind + " " + tool + " " + name
				if _, ok := deviations[key]; ok {
					deviating[key] = true
					continue
				}
				way, ok := reproduced[key]
				require.True(t, ok, "%s: neither reproduced nor a deviation", key)
				got := numberAt(t, post(t, c.body(way.binning, way.base)), way.path)
				if name == "js_divergence_2" {
					got *= got
				}
				off := math.Abs(got - wanted)
				require.LessOrEqual(t, off, 1e-6, "%s, %s: wanted %v, got %v", c.Name, key, wanted, got)
				require.LessOrEqual(t, off, 1e-6*math.Abs(wanted), "%s, %s: wanted %v, got %v", c.Name, key, wanted, got)
				agreed++
			}
		}
	}
	require.Equal(t, 58, agreed)
	require.Len(t, deviating, len(deviations), "every deviation is of a number in the file")
}

// body asks for everything about the case.
func (c *othersCase) body(binning, base string) map[string]any {
	b := map[string]any{"kind": c.Kind, "binning": binning, "js_base": base, "reference": c.Ref, "current": c.Cur}
	if c.Kind == "categorical" {
		b["reference"], b["current"] = spread(c.RefCounts), spread(c.CurCounts)
	}
	return b
}

// spread is a list with so many of each.
func spread(counts map[string]int) []string {
	var names, out []string
	for name := range counts {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		for range counts[name] {
			out = append(out, name)
		}
	}
	return out
}

// post asks POST /drift of a module of its own.
func post(t *testing.T, body any) map[string]any {
	text, err := json.Marshal(body)
	require.NoError(t, err)
	handler := httpapitest.Serve(quiet, detached(t, DefaultConfig()).Routes)
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "http://localhost/drift", strings.NewReader(string(text))))
	require.Equal(t, http.StatusOK, answer.Code, answer.Body.String())
	return decoded(t, answer.Body.Bytes())
}

func decoded(t *testing.T, answer []byte) (out map[string]any) {
	require.NoError(t, json.Unmarshal(answer, &out), string(answer))
	return out
}

// numberAt is a metric such as ks.p_value.
func numberAt(t *testing.T, answer map[string]any, path string) float64 {
	found := answer["metrics"]
	for _, step := range strings.Split(path, ".") {
		found = found.(map[string]any)[step]
	}
	number, ok := found.(float64)
	require.True(t, ok, "%s is %v", path, found)
	return number
}
