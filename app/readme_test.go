package app

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const readme = "../README.md"

// changing are members of answers that differ from run to run.
var changing = []string{"created_at", "updated_at", "started_at", "finished_at", "ingest_time", "run_id", "publication_run_id", "validation_run_id", "id",
	"rows_per_second", "attempts", "instance", "now", "watermark", "ingest_id"}

// anyTime is the time of the run where an answer names it inside a sentence.
var anyTime = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z|\b\d+(\.\d+)?(µs|ms|s)\b`)

// example is a call of the README and the answer that it shows.
type example struct {
	call, answer string
	first, last  int // lines of the answer
}

// examples are the calls in the README's console blocks.
func examples(lines []string) []example {
	var all []example
	inside := false
	for i, line := range lines {
		switch {
		case line == "```console":
			inside = true
		case strings.HasPrefix(line, "```"):
			inside = false
		case inside && strings.HasPrefix(line, "$ "):
			all = append(all, example{call: line[2:], first: i + 1, last: i + 1})
		case inside:
			e := &all[len(all)-1]
			e.answer += line + "\n"
			e.last = i + 1
		}
	}
	return all
}

// Every call in the README's tour is run, in order, on an empty server, and answers what stands there. With
// FEATURESTORE_README=write the answers are written there instead.
func TestReadmeCalls(t *testing.T) {
	_, err := exec.LookPath("curl")
	require.NoError(t, err, "the README's calls need curl")
	text, err := os.ReadFile(readme)
	require.NoError(t, err)
	addresses := start(t, settings(t)).Addresses()
	lines := strings.Split(string(text), "\n")
	found := examples(lines)
	require.Greater(t, len(found), 10)
	write := os.Getenv("FEATURESTORE_README") == "write"
	for _, e := range slices.Backward(slices.Clone(callAll(t, found, addresses))) {
		if write {
			lines = slices.Concat(lines[:e.first], strings.Split(strings.TrimRight(e.answer, "\n"), "\n"), lines[e.last:])
		}
	}
	if write {
		require.NoError(t, os.WriteFile(readme, []byte(strings.Join(lines, "\n")), 0o600))
	}
}

// callAll makes the calls and answers them with what came back; where nothing is to be written it compares.
func callAll(t *testing.T, found []example, addresses []string) []example {
	there := strings.NewReplacer("localhost:8000", addresses[0], "localhost:8001", addresses[1])
	back := strings.NewReplacer(addresses[0], "localhost:8000", addresses[1], "localhost:8001")
	out := make([]example, len(found))
	for i, e := range found {
		answer, err := exec.Command("bash", "-c", there.Replace(e.call)).CombinedOutput()
		require.NoError(t, err, "%s\n%s", e.call, answer)
		out[i] = e
		out[i].answer = back.Replace(string(answer))
		if os.Getenv("FEATURESTORE_README") != "write" {
			require.Equal(t, settled(e.answer), settled(out[i].answer), e.call)
		}
	}
	return out
}

// settled is an answer without what differs from run to run.
func settled(answer string) string {
	var value any
	if json.Unmarshal([]byte(answer), &value) != nil {
		return strings.TrimSpace(anyTime.ReplaceAllString(answer, "…"))
	}
	mask(value)
	text, err := json.MarshalIndent(value, "", " ")
	if err != nil {
		return answer
	}
	return anyTime.ReplaceAllString(string(text), "…")
}

func mask(value any) {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			if slices.Contains(changing, name) && !strings.HasPrefix(name, "entity") {
				v[name] = "…"
				continue
			}
			mask(member)
		}
	case []any:
		for _, element := range v {
			mask(element)
		}
	}
}
