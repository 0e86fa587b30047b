package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"
)

const groupsRead = 5 // groups of ten features each, which reads are spread over

// result is one line of the table.
type result struct {
	stack, work, unit string
	ours, limit       float64
	wanted            float64 // the ratio to be reached; 0: none
	memory            string
	upper             bool // ours should be below limit, as with memory and time
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
	for _, name := range []string{"written", "loaded", "loaded_parquet", "history_a", "history_b"} {
		group(name)
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
	service("training", "history_a", "history_b")
	_, err := post(s.base+"/apply", "application/yaml", strings.NewReader(b.String()))
	return err
}

// table writes a CSV of observations: entities × perEntity rows of ten floats, in random order of entities.
func table(path string, entities, perEntity int, shuffle bool) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	order := make([]int32, entities*perEntity)
	for i := range order {
		order[i] = int32(i)
	}
	if shuffle {
		rand.New(rand.NewPCG(1, 2)).Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	}
	out := make([]byte, 0, 1<<20)
	out = append(out, "customer_id,event_time,f0,f1,f2,f3,f4,f5,f6,f7,f8,f9\n"...)
	first := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, row := range order {
		entity, n := int(row)%entities, int(row)/entities
		out = strconv.AppendInt(out, int64(entity), 10)
		out = append(out, ',')
		out = first.Add(time.Duration(n)*24*time.Hour+time.Duration(entity%86400)*time.Second).AppendFormat(out, time.RFC3339)
		for f := range 10 {
			out = append(out, ',')
			out = strconv.AppendFloat(out, number(entity+n, f), 'f', -1, 64)
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

// spine writes a CSV of questions over the same entities.
func spine(path string, rows, entities, days int) error {
	random := rand.New(rand.NewPCG(3, 4))
	var out bytes.Buffer
	out.WriteString("customer_id,event_time,label\n")
	first := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range rows {
		at := first.Add(time.Duration(random.Int64N(int64(days+2) * 24 * int64(time.Hour)))).Truncate(time.Second)
		fmt.Fprintf(&out, "%d,%s,%d\n", random.IntN(entities), at.Format(time.RFC3339), i&1)
	}
	return os.WriteFile(path, out.Bytes(), 0o600)
}

// load sends a file into a group and waits until it is online.
func load(s *subject, group, path string) (time.Duration, error) {
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
		Publication int64 `json:"publication_run_id"`
	}
	if err := json.Unmarshal(answer, &loaded); err != nil {
		return 0, err
	}
	return took, s.settle(loaded.Publication)
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

// reads measures reading one and a hundred entities.
func reads(s *subject) ([]result, error) {
	entities := 20_000
	path := s.folder + "/reads.csv"
	if err := table(path, entities, 1, true); err != nil {
		return nil, err
	}
	for g := range groupsRead {
		if _, err := load(s, "group_"+strconv.Itoa(g), path); err != nil {
			return nil, err
		}
	}
	entity := func(i int) string { return strconv.Itoa(i * 7919 % entities) }
	ten := call{method: "GET", path: func(i int) string { return "/get/customer/" + entity(i) + "?service=ten" }}
	fifty := call{method: "GET", path: func(i int) string { return "/get/customer/" + entity(i) + "?service=fifty" }}
	_, bytes10, err := send(s.base, ten, 1, 1)
	if err != nil {
		return nil, err
	}
	_, bytes50, err := send(s.base, fifty, 1, 1)
	if err != nil {
		return nil, err
	}
	limit, err := s.limit("reads", strconv.Itoa(entities), strconv.Itoa(bytes10), strconv.Itoa(bytes50))
	if err != nil {
		return nil, err
	}
	defer limit.stop()
	hundred := func(i int) []byte {
		body := []byte(`{"entity_ids":[`)
		for j := range 100 {
			body = append(strconv.AppendQuote(body, entity(i*100+j)), ',')
		}
		body[len(body)-1] = ']'
		return append(body, `,"service":"fifty"}`...)
	}
	works := []struct {
		name        string
		ours, limit call
		n           int
		wanted      float64
	}{
		{"read 1 entity × 10 features", ten, call{method: "GET", path: func(i int) string { return "/one/" + entity(i) }}, 1000, 0.8},
		{"read 1 entity × 50 features of 5 groups", fifty, call{method: "GET", path: func(i int) string { return "/five/" + entity(i) }}, 1000, 0.8},
		{"read 100 entities × 50 features",
			call{method: "POST", path: func(int) string { return "/get/customer" }, body: hundred},
			call{method: "POST", path: func(int) string { return "/hundred" }, body: hundred}, 40, 0.7},
	}
	var results []result
	for _, w := range works {
		ours, bare, err := perCPUSecond(s.process, limit, w.ours, w.limit, w.n*s.scale, 8, 20)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", w.name, err)
		}
		results = append(results, result{stack: s.stack, work: w.name, unit: "requests per CPU second", ours: ours, limit: bare, wanted: w.wanted,
			memory: fmt.Sprintf("%.0f MB", s.process.memory("VmRSS"))})
	}
	return results, nil
}

// writes measures acknowledged single-row writes.
func writes(s *subject) ([]result, error) {
	limit, err := s.limit("writes")
	if err != nil {
		return nil, err
	}
	defer limit.stop()
	body := func(i int) []byte {
		b := []byte{'{'}
		for f := range 10 {
			b = fmt.Appendf(b, `"f%d":`, f)
			b = append(strconv.AppendFloat(b, number(i, f), 'f', -1, 64), ',')
		}
		b[len(b)-1] = '}'
		return b
	}
	// The group is named with each feature: short names belong to the group that had them first.
	qualified := func(i int) []byte { return bytes.ReplaceAll(body(i), []byte(`"f`), []byte(`"written:f`)) }
	var results []result
	for _, clients := range []int{1, 8, 64} {
		entity := func(i int) string { return strconv.Itoa(i % 10_000) }
		ours, bare, err := perCPUSecond(s.process, limit,
			call{method: "POST", path: func(i int) string { return "/store/customer/" + entity(i) }, body: qualified},
			call{method: "POST", path: func(i int) string { return "/write/" + entity(i) }, body: body},
			min(clients*125, 2000)*s.scale, clients, 12)
		if err != nil {
			return nil, err
		}
		results = append(results, result{stack: s.stack, work: fmt.Sprintf("write 1 row × 10, %d clients", clients),
			unit: "requests per CPU second", ours: ours, limit: bare, wanted: 0.6})
	}
	return results, nil
}

// bulk measures loading, materialization and the training set.
func bulk(s *subject) ([]result, error) {
	var results []result
	// The shape of the issue is one million rows; the short form has a fifth.
	rows := 200_000 * s.scale
	path := s.folder + "/loaded.csv"
	if err := table(path, rows, 1, true); err != nil {
		return nil, err
	}
	packed, err := asParquet(path)
	if err != nil {
		return nil, err
	}
	for _, in := range []struct{ format, group, path string }{{"CSV", "loaded", path}, {"Parquet", "loaded_parquet", packed}} {
		s.process.forgetPeak()
		idle := s.process.memory("VmRSS")
		took, err := load(s, in.group, in.path)
		if err != nil {
			return nil, err
		}
		peak := s.process.memory("VmHWM")
		bare, err := s.once("load", in.path)
		if err != nil {
			return nil, err
		}
		results = append(results, result{stack: s.stack, work: fmt.Sprintf("load %d rows × 10, %s", rows, in.format), unit: "rows/s",
			ours: float64(rows) / took.Seconds(), limit: float64(rows) / bare.Seconds(), wanted: 0.6, memory: fmt.Sprintf("%+.0f MB", peak-idle)})
	}

	copied, err := materialize(s, "loaded", rows)
	if err != nil {
		return nil, err
	}
	results = append(results, copied...)

	// 100 days of each entity in two groups, and questions about them.
	questions, observations := 20_000*s.scale*s.scale, 200_000*s.scale*s.scale
	entities := observations / 100
	history := s.folder + "/history.csv"
	if err := table(history, entities, 100, false); err != nil {
		return nil, err
	}
	for _, group := range []string{"history_a", "history_b"} {
		if _, err := load(s, group, history); err != nil {
			return nil, err
		}
	}
	spinePath := s.folder + "/spine.csv"
	if err := spine(spinePath, questions, entities, 100); err != nil {
		return nil, err
	}
	if _, err := s.once("history", history); err != nil {
		return nil, err
	}
	packed, err = asParquet(spinePath)
	if err != nil {
		return nil, err
	}
	for _, in := range []struct{ format, path string }{{"", spinePath}, {", Parquet", packed}} {
		s.process.forgetPeak()
		idle := s.process.memory("VmRSS")
		took, err := s.training(in.path)
		if err != nil {
			return nil, err
		}
		peak := s.process.memory("VmHWM")
		bare, err := s.once("training", in.path)
		if err != nil {
			return nil, err
		}
		results = append(results, result{stack: s.stack, work: fmt.Sprintf("training set, %d rows against 2 × %d observations%s", questions, observations, in.format),
			unit: "rows/s", ours: float64(questions) / took.Seconds(), limit: float64(questions) / bare.Seconds(), wanted: 0.9,
			memory: fmt.Sprintf("%+.0f MB", peak-idle)})
	}
	return results, nil
}

// materialize measures copying a loaded group into the online store, over what is there and after emptying it. Both have the same limit, which
// knows no emptying, so that less of it is wanted from a rebuild; the embedded stack has none.
func materialize(s *subject, group string, rows int) ([]result, error) {
	if s.stack != "servers" {
		return nil, nil
	}
	var results []result
	var bare time.Duration
	for _, m := range []struct {
		mode, work string
		wanted     float64
	}{{"full", "materialize", 0.6}, {"rebuild", "rebuild", 0.4}} {
		s.process.forgetPeak()
		idle := s.process.memory("VmRSS")
		began := time.Now()
		answer, err := post(s.base+"/materialize?wait=10m", "application/json", strings.NewReader(`{"groups":["`+group+`"],"mode":"`+m.mode+`"}`))
		if err != nil {
			return nil, err
		}
		took := time.Since(began)
		if !bytes.Contains(answer, []byte(`"succeeded"`)) {
			return nil, fmt.Errorf("%s: %s", m.work, answer)
		}
		peak := s.process.memory("VmHWM")
		if bare == 0 {
			if bare, err = s.once("materialize"); err != nil {
				return nil, err
			}
		}
		results = append(results, result{stack: s.stack, work: fmt.Sprintf("%s %d entities × 10", m.work, rows), unit: "rows/s",
			ours: float64(rows) / took.Seconds(), limit: float64(rows) / bare.Seconds(), wanted: m.wanted, memory: fmt.Sprintf("%+.0f MB", peak-idle)})
	}
	return results, nil
}

// training asks for a training set and throws it away as it comes.
func (s *subject) training(spinePath string) (time.Duration, error) {
	file, err := os.Open(spinePath)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	began := time.Now()
	body, err := postStream(s.base+"/training-sets?service=training&full_feature_names=true", mediaTypeOf(spinePath), file)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	if _, err := io.Copy(io.Discard, body); err != nil {
		return 0, err
	}
	return time.Since(began), nil
}
