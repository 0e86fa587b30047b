package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// checkedRules is how many row rules a load is checked by.
const checkedRules = 20

// validations measures what rules cost a load: the same file into a group with rules and into one without, in turns. Rows that break rules go
// into quarantine, one in a thousand.
func validations(s *subject) error {
	rows := 100_000
	if s.scale > 1 {
		rows = 1_000_000
	}
	path := s.folder + "/checked.csv"
	if err := table(path, observations{entities: rows, perEntity: 1, shuffled: true}); err != nil {
		return err
	}
	if _, err := post(s.base+"/apply", "application/yaml", strings.NewReader(checkedGroups(s.turns))); err != nil {
		return err
	}
	if _, err := s.loadChecked("unchecked_warm", path, rows); err != nil { // a cold server would be charged to whoever comes first
		return err
	}
	var overheads []float64
	grown := 0.0
	for round := range s.turns {
		took := map[string]time.Duration{}
		order := []string{"unchecked", "checked"}
		if round%2 == 1 {
			order[0], order[1] = order[1], order[0]
		}
		for _, kind := range order {
			s.process.forgetPeak()
			idle := s.process.memory("VmRSS")
			spent, err := s.loadChecked(kind+"_"+strconv.Itoa(round), path, rows)
			if err != nil {
				return err
			}
			if took[kind] = spent; kind == "checked" {
				grown = max(grown, s.process.memory("VmHWM")-idle)
			}
		}
		overheads = append(overheads, 100*(took["checked"].Seconds()/took["unchecked"].Seconds()-1))
	}
	s.report(result{work: fmt.Sprintf("overhead of validation on the bulk load, %d rows × %d rules, CSV", rows, checkedRules), unit: "% of the load time",
		ours: median(overheads), limit: 25, wanted: 1, upper: true, memory: fmt.Sprintf("%+.0f MB", grown)})
	return nil
}

// checkedGroups defines a group to warm up with, and two for each round, one of them with rules that a thousandth of the rows break.
func checkedGroups(rounds int) string {
	var groups, rules strings.Builder
	group := func(name string) {
		fmt.Fprintf(&groups, "  - name: %s\n    entity_type: customer\n    features:\n", name)
		for f := range 10 {
			fmt.Fprintf(&groups, "      - {name: f%d, value_type: FLOAT}\n", f)
		}
	}
	group("unchecked_warm")
	for round := range rounds {
		group("checked_" + strconv.Itoa(round))
		group("unchecked_" + strconv.Itoa(round))
		n := 0
		rule := func(format string, arguments ...any) {
			fmt.Fprintf(&rules, "  - {name: checked_%d_%d, group: checked_%d, severity: error, action: quarantine, %s}\n", round, n, round, fmt.Sprintf(format, arguments...))
			n++
		}
		rule("kind: range, features: [f0], params: {min: 0, max: 9990}") // of values up to 10,000
		for f := range 7 {
			rule("kind: range, features: [f%d], params: {min: 0, max: 10000}", 1+f)
		}
		for f := range 5 {
			rule("kind: not_null, features: [f%d]", f)
		}
		rule("kind: positive, features: [f8], params: {zero: true}")
		rule("kind: positive, features: [f9], params: {zero: true}")
		rule("kind: finite, features: [f8]")
		rule("kind: finite, features: [f9]")
		rule("kind: compare, features: [f0, f1], params: {op: '<='}, where: 'f0 < 0'")
		rule("kind: in_set, features: [f2], params: {values: [-1]}, where: 'f2 < 0'")
		rule("kind: expression, params: {expr: 'f3 >= 0 and f4 >= 0'}")
	}
	return "groups:\n" + groups.String() + "rules:\n" + rules.String()
}

// loadChecked loads a file and waits for the runs that go on with it. It answers how long the load itself took.
func (s *subject) loadChecked(group, path string, rows int) (time.Duration, error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	began := time.Now()
	answer, err := post(s.base+"/rows/"+group, mediaTypeOf(path), file)
	took := time.Since(began)
	if err != nil {
		return 0, err
	}
	var loaded struct {
		Stored      int   `json:"stored"`
		Quarantined int   `json:"quarantined"`
		Publication int64 `json:"publication_run_id"`
		Validation  int64 `json:"validation_run_id"`
	}
	if err := json.Unmarshal(answer, &loaded); err != nil {
		return 0, err
	}
	if checked := strings.HasPrefix(group, "checked"); loaded.Stored+loaded.Quarantined != rows || checked != (loaded.Quarantined > 0) {
		return 0, fmt.Errorf("loading %s: %s", group, answer)
	}
	if err := s.settle(loaded.Publication); err != nil {
		return 0, err
	}
	return took, s.settle(loaded.Validation)
}
