package main

import (
	"bytes"
	"fmt"
	"strconv"
)

// reads measures reading one and a hundred entities.
func reads(s *subject) error {
	entities := 20_000
	path := s.folder + "/reads.csv"
	if err := table(path, observations{entities: entities, perEntity: 1, shuffled: true}); err != nil {
		return err
	}
	for g := range groupsRead {
		if _, _, err := load(s, "group_"+strconv.Itoa(g), path, ""); err != nil {
			return err
		}
	}
	entity := func(i int) string { return strconv.Itoa(i * 7919 % entities) }
	ten := call{method: "GET", path: func(i int) string { return "/get/customer/" + entity(i) + "?service=ten" }}
	fifty := call{method: "GET", path: func(i int) string { return "/get/customer/" + entity(i) + "?service=fifty" }}
	_, bytes10, err := send(s.base, ten, 1, 1)
	if err != nil {
		return err
	}
	_, bytes50, err := send(s.base, fifty, 1, 1)
	if err != nil {
		return err
	}
	limit, err := s.limit("reads", strconv.Itoa(entities), strconv.Itoa(bytes10), strconv.Itoa(bytes50))
	if err != nil {
		return err
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
		n, turns    int
		wanted      float64
	}{
		{"read 1 entity × 10 features", ten, call{method: "GET", path: func(i int) string { return "/one/" + entity(i) }}, 1000, 20, 0.8},
		{"read 1 entity × 50 features of 5 groups", fifty, call{method: "GET", path: func(i int) string { return "/five/" + entity(i) }}, 1000, 20, 0.8},
		{"read 100 entities × 50 features",
			call{method: "POST", path: func(int) string { return "/get/customer" }, body: hundred},
			call{method: "POST", path: func(int) string { return "/hundred" }, body: hundred}, 40, 10, 0.7},
	}
	for _, w := range works {
		ours, bare, err := perCPUSecond(s.process, limit, w.ours, w.limit, w.n*s.scale, 1, 8, w.turns)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		s.report(result{work: w.name, unit: "requests per CPU second", ours: ours, limit: bare, wanted: w.wanted,
			memory: fmt.Sprintf("%.0f MB", s.process.memory("VmRSS"))})
	}
	return nil
}

// writes measures acknowledged single-row writes.
func writes(s *subject) error {
	limit, err := s.limit("writes")
	if err != nil {
		return err
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
	for _, clients := range []int{1, 8, 64} {
		entity := func(i int) string { return strconv.Itoa(i % 10_000) }
		ours, bare, err := perCPUSecond(s.process, limit,
			call{method: "POST", path: func(i int) string { return "/store/customer/" + entity(i) }, body: qualified},
			call{method: "POST", path: func(i int) string { return "/write/" + entity(i) }, body: body},
			min(clients*125, 2000)*s.scale, 1, clients, 12)
		if err != nil {
			return err
		}
		s.report(result{work: fmt.Sprintf("write 1 row × 10, %d clients", clients),
			unit: "requests per CPU second", ours: ours, limit: bare, wanted: 0.6})
	}
	return nil
}
