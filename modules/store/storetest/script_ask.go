package storetest

import (
	"fmt"
	"slices"
	"strings"

	"featurestore/modules/materialization"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/store/table"
)

func (r *scriptRun) entityType(name string) (*registry.EntityType, error) {
	entityType, ok := r.Registry.Catalog().EntityType(r.own(name))
	if !ok {
		return nil, r.Registry.Catalog().UnknownEntityType(name)
	}
	return entityType, nil
}

func (r *scriptRun) features(entityType string, names []string) ([]*registry.Feature, error) {
	features := make([]*registry.Feature, len(names))
	for i, name := range names {
		var err error
		if features[i], err = r.Registry.Catalog().Resolve(entityType, r.reference(name)); err != nil {
			return nil, err
		}
	}
	return features, nil
}

// answer reads VALUE@TIME, null@TIME, expired@TIME or never.
func answer(feature *registry.Feature, word string) (store.Cell, error) {
	if word == "never" {
		return store.Cell{Value: value.Null(), EventTime: value.NoTime, Status: store.NotFound}, nil
	}
	text, at := cutTime(word)
	eventTime, err := parseTime(at)
	if err != nil {
		return store.Cell{}, fmt.Errorf("%q: an answer is VALUE@TIME, null@TIME, expired@TIME or never", word)
	}
	switch text {
	case "null":
		return store.Cell{Value: value.Null(), EventTime: eventTime, Status: store.NullValue}, nil
	case "expired":
		return store.Cell{Value: value.Null(), EventTime: eventTime, Status: store.OutsideMaxAge}, nil
	}
	v, err := table.JSONCell(text).Value(feature.ValueType, nil)
	return store.Cell{Value: v, EventTime: eventTime, Status: store.Present}, err
}

var allWays = []Way{Online, Offline, At, Training}

func (r *scriptRun) expect(words []string, _ []Line) error {
	ways, words := allWays, words[1:]
	if Way(words[0]) == Served || slices.Contains(allWays, Way(words[0])) {
		ways, words = []Way{Way(words[0])}, words[1:]
	}
	entityType, err := r.entityType(words[0])
	if err != nil {
		return err
	}
	id, at := words[1], r.Now().UnixMicro()
	words = words[2:]
	if words[0] == "at" {
		if at, err = parseTime(strings.TrimSuffix(words[1], ":")); err != nil {
			return err
		}
		if len(ways) > 1 {
			ways = []Way{At, Training}
		}
		words = words[2:]
	}
	key, err := store.ParseKey(entityType, strings.TrimSuffix(id, ":"))
	if err != nil {
		return err
	}
	var names, answers []string
	for _, word := range words {
		name, text, _ := strings.Cut(word, "=")
		names, answers = append(names, name), append(answers, text)
	}
	read := store.Read{Rows: 1, Keys: map[string][]store.Key{entityType.Name: {key}}}
	if read.Features, err = r.features(entityType.Name, names); err != nil {
		return err
	}
	wanted := make([]store.Cell, len(answers))
	for i, f := range read.Features {
		if wanted[i], err = answer(f, answers[i]); err != nil {
			return err
		}
	}
	for _, way := range ways {
		if way == Online {
			err = r.askOnline(read, wanted)
		} else {
			err = r.ask(way, read, at, wanted)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// askOnline asks before materialization too, where single writes have brought everything online. After a full run and after a
// rebuild nothing may have changed.
func (r *scriptRun) askOnline(read store.Read, wanted []store.Cell) error {
	at := r.Now().UnixMicro()
	if !r.unsynced {
		answer, err := r.Store.Read(r.ctx, read) // or from history, while a group has no complete copy yet
		if err != nil {
			return err
		}
		if err := compare("online, before materialization", read, answer.Cells, wanted); err != nil {
			return err
		}
	}
	for _, mode := range []materialization.Mode{materialization.Incremental, materialization.Full} {
		r.Materialize(mode, r.groups()...)
		r.unsynced = false
		if err := r.ask(Online, read, at, wanted); err != nil {
			return fmt.Errorf("after the %s run: %w", mode, err)
		}
	}
	for _, group := range r.groups() {
		if err := r.Lose(group); err != nil {
			return err
		}
	}
	r.Materialize(materialization.Incremental, r.groups()...)
	if err := r.ask(Online, read, at, wanted); err != nil {
		return fmt.Errorf("after a rebuild: %w", err)
	}
	return nil
}

func (r *scriptRun) ask(way Way, read store.Read, at int64, wanted []store.Cell) error {
	got, err := r.Ask(way, read, at)
	if err != nil {
		return fmt.Errorf("%s: %w", way, err)
	}
	return compare(string(way), read, got, wanted)
}

func compare(way string, read store.Read, got, wanted []store.Cell) error {
	if len(got) != len(wanted) {
		return fmt.Errorf("%s: %d answers, not %d", way, len(got), len(wanted))
	}
	var wrong []string
	for i := range got {
		if got[i] != wanted[i] {
			wrong = append(wrong, fmt.Sprintf("row %d: %s is %s, not %s", i/len(read.Features), read.Features[i%len(read.Features)].Name, shown(got[i]), shown(wanted[i])))
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%s: %s", way, strings.Join(wrong, "; "))
	}
	return nil
}

// shown writes a cell as a script would.
func shown(c store.Cell) string {
	if c.Status == store.NotFound {
		return "never"
	}
	text := string(value.AppendJSON(nil, c.Value))
	if c.Status == store.OutsideMaxAge {
		text = "expired"
	}
	at := string(value.AppendTime(nil, c.EventTime))
	if d := c.EventTime - start; d%(24*3600*second) == 0 {
		at = fmt.Sprintf("%dd", d/(24*3600*second))
	}
	return text + "@" + at
}

// train asks for all lines in one training set.
func (r *scriptRun) train(words []string, block []Line) error {
	var names []string
	for _, word := range words[1:] {
		names = append(names, strings.TrimSuffix(word, ":"))
	}
	read := store.Read{Rows: len(block), Keys: map[string][]store.Key{}}
	var entityTypes []*registry.EntityType
	for _, name := range names {
		f, err := r.Registry.Catalog().ResolveReference(r.reference(name))
		if err != nil {
			return err
		}
		read.Features = append(read.Features, f)
		if !slices.Contains(entityTypes, f.Group.EntityType) {
			entityTypes = append(entityTypes, f.Group.EntityType)
		}
	}
	var times []int64
	var wanted []store.Cell
	for _, line := range block {
		n := len(entityTypes)
		if len(line.Words) != n+2+len(names) || line.Words[n+1] != "->" {
			return fmt.Errorf("line %d: an ID for each of %d entity types, @TIME, ->, and %d answers", line.Number, n, len(names))
		}
		for i, et := range entityTypes {
			key, err := store.ParseKey(et, line.Words[i])
			if err != nil {
				return err
			}
			read.Keys[et.Name] = append(read.Keys[et.Name], key)
		}
		at, err := parseTime(strings.TrimPrefix(line.Words[n], "@"))
		if err != nil {
			return err
		}
		times = append(times, at)
		for i, word := range line.Words[n+2:] {
			cell, err := answer(read.Features[i], word)
			if err != nil {
				return err
			}
			wanted = append(wanted, cell)
		}
	}
	got, err := r.TrainingSet(read, times)
	if err != nil {
		return err
	}
	return compare("training set", read, got, wanted)
}

func (r *scriptRun) duplicates(words []string, _ []Line) error {
	if fmt.Sprint(r.repeated) != words[1] {
		return fmt.Errorf("%d observations of the last write were there already, not %s", r.repeated, words[1])
	}
	return nil
}
