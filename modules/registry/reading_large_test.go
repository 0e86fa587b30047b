package registry

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/app/fault"
)

// allocated is how many bytes a call takes in all.
func allocated(call func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	call()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func numbered(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// A file of more values than a catalogue has is refused before they are held, and says what the limit is.
func TestTooManyValues(t *testing.T) {
	const n = 1_000_000
	for name, body := range map[string]string{
		"numbers":              `{"groups": [` + strings.Repeat("1,", n) + `1]}`,
		"objects":              `{"groups": [` + strings.Repeat("{},", n) + `{}]}`,
		"members":              `{` + numbered(n, `"m%d":1,`) + `"a":1}`,
		"metadata":             `{"groups": [{"name": "g", "metadata": {` + numbered(n, `"m%d":1,`) + `"a":1}}]}`,
		"YAML in lines":        "groups:\n" + strings.Repeat("- 1\n", n),
		"YAML members":         numbered(n, "m%d: 1\n"),
		"YAML in one line":     "groups: [" + strings.Repeat("1,", n) + "1]",
		"YAML objects":         "groups:\n" + strings.Repeat("- {}\n", n),
		"YAML, by its aliases": "a: &a [" + strings.Repeat("1,", 9_999) + "1]\ngroups:\n" + strings.Repeat("- *a\n", 100),
	} {
		t.Run(name, func(t *testing.T) {
			var err error
			bytes := allocated(func() { _, err = parseFile([]byte(body), "") })
			require.Less(t, bytes, uint64(128<<20))
			problem, ok := fault.As(err)
			require.True(t, ok, err)
			require.Equal(t, "too-many-values", problem.Slug)
			require.Equal(t, fault.TooLarge, problem.Kind)
			require.Contains(t, problem.Detail, "more than")
			require.NotEmpty(t, problem.Violations)
		})
	}
}

// A catalogue of ten thousand features with all their members is read, as JSON and as YAML.
func TestLargeCatalogue(t *testing.T) {
	const groups, features = 100, 100
	const member = `        - name: feature_%d
          value_type: FLOAT
          description: What was bought, returned, or kept, in the last thirty days, of all that is sold
          owner: data_science_team
          tags: [core, weekly, finance]
          metadata: {ticket: "FS-1", reviewed: true}
          source: orders
          category: behaviour
          frequency: DAILY
          unit: USD
          docs_url: https://wiki.example.com/features
          default: 0
`
	var yaml strings.Builder
	yaml.WriteString("groups:\n")
	for g := range groups {
		fmt.Fprintf(&yaml, "    - name: group_%d\n      entity_type: customer\n      features:\n", g)
		yaml.WriteString(numbered(features, member))
	}
	body, err := parseFile([]byte(yaml.String()), "application/yaml")
	require.NoError(t, err)
	body, err = parseFile(body, "application/json")
	require.NoError(t, err)
	r := newReader([]*Kind{entityTypeKind, groupKind, featureKind, serviceKind})
	r.file(body)
	require.NoError(t, settled(r.problems))
	require.Len(t, r.found, groups*(features+1))
}

// Of very many mistakes the first are listed, and how many there are is said.
func TestManyMistakes(t *testing.T) {
	r := newReader([]*Kind{groupKind})
	body, err := parseFile([]byte(`{"groups": [`+strings.Repeat("1,", 4_999)+`1]}`), "")
	require.NoError(t, err)
	r.file(body)
	problem, _ := fault.As(settled(r.problems))
	require.Len(t, problem.Violations, maxViolations)
	require.Contains(t, problem.Detail, "5000 mistakes")
	require.Equal(t, "groups[999]", problem.Violations[999].Location)
}
