package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"
)

const groupsRead = 5 // groups of ten features each, which reads are spread over

// result is one line of the table.
type result struct {
	work, unit  string
	ours, limit float64
	wanted      float64 // the ratio to be reached; 0: none
	memory      string
	upper       bool // ours should be below limit, as with memory and time
}

// register applies the definitions that all works share.
func register(s *subject) error {
	var b strings.Builder
	b.WriteString("entity_types:\n  - {name: customer, join_keys: [{name: customer_id, value_type: STRING}]}\ngroups:\n")
	group := func(name string) {
		fmt.Fprintf(&b, "  - name: %s\n    entity_type: customer\n    features:\n", name)
		for f := range 10 {
			fmt.Fprintf(&b, "      - {name: f%d, value_type: FLOAT}\n", f)
		}
	}
	for g := range groupsRead {
		group("group_" + strconv.Itoa(g))
	}
	for _, name := range []string{"written", "copied", "reverted", "history_a", "history_b", "partial_a", "partial_b"} {
		group(name)
	}
	for turn := range loadTurns {
		group(loadedGroup("csv", turn))
		group(loadedGroup("parquet", turn))
	}
	service := func(name string, groups ...string) {
		fmt.Fprintf(&b, "  - name: %s\n    features:\n", name)
		for _, g := range groups {
			for f := range 10 {
				fmt.Fprintf(&b, "      - %s:f%d\n", g, f)
			}
		}
	}
	b.WriteString("services:\n")
	service("ten", "group_0")
	service("fifty", "group_0", "group_1", "group_2", "group_3", "group_4")
	service("history", "history_a", "history_b")
	service("partial", "partial_a", "partial_b")
	_, err := post(s.base+"/apply", "application/yaml", strings.NewReader(b.String()))
	return err
}

// observations is what a file of observations holds: perEntity rows of ten floats of each entity, a day apart.
type observations struct {
	entities, perEntity int
	from                int  // days behind the first of January
	shuffled            bool // in random order, not in that of time
	partial             bool // half of the features, at random, are not observed
}

// table writes observations as CSV.
func table(path string, o observations) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	order, random := make([]int32, o.entities*o.perEntity), rand.New(rand.NewPCG(1, 2))
	for i := range order {
		order[i] = int32(i)
	}
	if o.shuffled {
		random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	}
	out := make([]byte, 0, 1<<20)
	out = append(out, "customer_id,event_time,f0,f1,f2,f3,f4,f5,f6,f7,f8,f9\n"...)
	first := january.AddDate(0, 0, o.from)
	for _, row := range order {
		entity, n := int(row)%o.entities, int(row)/o.entities
		out = strconv.AppendInt(out, int64(entity), 10)
		out = append(out, ',')
		out = first.Add(time.Duration(n)*24*time.Hour+time.Duration(entity%86400)*time.Second).AppendFormat(out, time.RFC3339)
		absent := uint64(0) // a bit for each feature
		if o.partial {
			absent = random.Uint64() &^ (1 << (n % 10)) // one is observed in any case
		}
		for f := range 10 {
			out = append(out, ',')
			if absent>>f&1 == 0 {
				out = strconv.AppendFloat(out, number(entity+n, f), 'f', -1, 64)
			}
		}
		out = append(out, '\n')
		if len(out) > 1<<20-512 {
			if _, err := file.Write(out); err != nil {
				return err
			}
			out = out[:0]
		}
	}
	_, err = file.Write(out)
	return err
}

var january = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// spine writes a CSV of questions over the same entities.
func spine(path string, rows, entities, days int) error {
	random := rand.New(rand.NewPCG(3, 4))
	var out bytes.Buffer
	out.WriteString("customer_id,event_time,label\n")
	for i := range rows {
		at := january.Add(time.Duration(random.Int64N(int64(days+2) * 24 * int64(time.Hour)))).Truncate(time.Second)
		fmt.Fprintf(&out, "%d,%s,%d\n", random.IntN(entities), at.Format(time.RFC3339), i&1)
	}
	return os.WriteFile(path, out.Bytes(), 0o600)
}

// load sends a file into a group and waits until it is online. It answers how long the load took, without that, and its run.
func load(s *subject, group, path, query string) (took time.Duration, run int64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer file.Close()
	began := time.Now()
	answer, err := post(s.base+"/rows/"+group+query, mediaTypeOf(path), file)
	took = time.Since(began)
	if err != nil {
		return 0, 0, err
	}
	var loaded struct {
		Run         int64 `json:"run_id"`
		Publication int64 `json:"publication_run_id"`
	}
	if err := json.Unmarshal(answer, &loaded); err != nil {
		return 0, 0, err
	}
	return took, loaded.Run, s.settle(loaded.Publication)
}

// settle waits for a run to end well.
func (s *subject) settle(run int64) error {
	if run == 0 {
		return nil
	}
	answer, err := get(fmt.Sprintf("%s/runs/%d?wait=5m", s.base, run))
	if err != nil {
		return err
	}
	var r struct {
		State, Reason string
	}
	if err := json.Unmarshal(answer, &r); err != nil {
		return err
	}
	if r.State != "succeeded" {
		return fmt.Errorf("run %d is %s: %s", run, r.State, r.Reason)
	}
	return nil
}
