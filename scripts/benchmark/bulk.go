package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// bulkLimit does a bulk work by hand and answers how long it took. Tables are made where they are missing, with the columns and the
// indexes of a group of ours.
type bulkLimit interface {
	// load brings a file into a table, under a run.
	load(ctx context.Context, table, path string, run int) (time.Duration, error)
	// revert deletes a run's rows, looks up which row of each of their entities is the newest now, and brings that online or, where there is
	// none, takes the entity off.
	revert(ctx context.Context, table string, run int) (time.Duration, error)
	// materialize writes a row online for each of a table's.
	materialize(ctx context.Context, table string) (time.Duration, error)
	// rebuild is materialize after what is online has been found and removed.
	rebuild(ctx context.Context, table string) (time.Duration, error)
	// training joins a spine with two tables. A TTL leaves out what is older; of partial rows the newest value of each feature counts.
	training(ctx context.Context, tables [2]string, path string, ttl time.Duration, partial bool) (time.Duration, error)
}

// bulkWork is a work that is done once by ours and once by the limit, as often as there are rounds.
type bulkWork struct {
	name        string
	rows        int
	ours, limit func(round int) (time.Duration, error)
	wanted      float64
}

// inTurns does a work by both in turns. The ratio is the median of the rounds', so that neither is charged for what happened to the machine
// in one of them, nor for a server that is cold.
func (s *subject) inTurns(w bulkWork) error {
	var limits, ratios []float64
	grown := 0.0
	for round := range s.rounds {
		s.process.forgetPeak()
		idle := s.process.memory("VmRSS")
		took, err := w.ours(round)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		grown = max(grown, s.process.memory("VmHWM")-idle)
		bare, err := w.limit(round)
		if err != nil {
			return fmt.Errorf("the limit of %s: %w", w.name, err)
		}
		limits, ratios = append(limits, float64(w.rows)/bare.Seconds()), append(ratios, bare.Seconds()/took.Seconds())
	}
	limit := median(limits)
	s.report(result{work: w.name, unit: "rows/s", ours: limit * median(ratios), limit: limit, wanted: w.wanted, memory: fmt.Sprintf("%+.0f MB", grown)})
	return nil
}

// median is the middle one of some numbers, or between the two in the middle.
func median(numbers []float64) float64 {
	slices.Sort(numbers)
	n := len(numbers)
	return (numbers[(n-1)/2] + numbers[n/2]) / 2
}

func loadedGroup(format string, round int) string {
	return "loaded_" + format + "_" + strconv.Itoa(round)
}

// loads measures loading a file into an empty group.
func loads(s *subject) error {
	rows := 200_000 * s.scale
	path := s.folder + "/loaded.csv"
	if err := table(path, observations{entities: rows, perEntity: 1, shuffled: true}); err != nil {
		return err
	}
	packed, err := asParquet(path)
	if err != nil {
		return err
	}
	for _, in := range []struct{ name, path string }{{"CSV", path}, {"Parquet", packed}} {
		group := func(round int) string { return loadedGroup(strings.ToLower(in.name), round) }
		if err := s.inTurns(bulkWork{
			name: fmt.Sprintf("load %d rows × 10, %s", rows, in.name), rows: rows, wanted: 0.6,
			ours: func(round int) (time.Duration, error) {
				took, _, err := load(s, group(round), in.path, "")
				return took, err
			},
			limit: func(round int) (time.Duration, error) {
				return s.bulk.load(context.Background(), "limit_"+group(round), in.path, 1)
			},
		}); err != nil {
			return err
		}
	}
	return nil
}

// copies measures copying a group into the online store, over what is there and after emptying it. The embedded stack has no limit for that.
func copies(s *subject) error {
	if s.stack != "servers" {
		return nil
	}
	ctx, rows, path := context.Background(), 200_000*s.scale, s.folder+"/copied.csv"
	if err := table(path, observations{entities: rows, perEntity: 1, shuffled: true}); err != nil {
		return err
	}
	if _, _, err := load(s, "copied", path, ""); err != nil {
		return err
	}
	if _, err := s.bulk.load(ctx, "limit_copied", path, 1); err != nil {
		return err
	}
	if err := s.inTurns(bulkWork{
		name: fmt.Sprintf("materialize %d entities × 10", rows), rows: rows, wanted: 0.6,
		ours:  func(int) (time.Duration, error) { return s.materialize("full", "copied") },
		limit: func(int) (time.Duration, error) { return s.bulk.materialize(ctx, "limit_copied") },
	}); err != nil {
		return err
	}
	// Emptying costs about as much as filling, and neither side can do it otherwise than by looking through all keys: so it is in the limit too,
	// and as much is wanted as of the copy alone.
	return s.inTurns(bulkWork{
		name: fmt.Sprintf("rebuild %d entities × 10", rows), rows: rows, wanted: 0.6,
		ours:  func(int) (time.Duration, error) { return s.materialize("rebuild", "copied") },
		limit: func(int) (time.Duration, error) { return s.bulk.rebuild(ctx, "limit_copied") },
	})
}

// materialize copies groups and waits for the end.
func (s *subject) materialize(mode string, groups ...string) (time.Duration, error) {
	body, err := json.Marshal(map[string]any{"mode": mode, "groups": groups})
	if err != nil {
		return 0, err
	}
	began := time.Now()
	answer, err := post(s.base+"/materialize?wait=5m", "application/json", bytes.NewReader(body))
	took := time.Since(began)
	if err == nil && bytes.Count(answer, []byte(`"state":"succeeded"`)) != len(groups) {
		err = fmt.Errorf("%s", answer)
	}
	return took, err
}

// reverts measures taking back a load whose entities all have older rows, which come up again.
func reverts(s *subject) error {
	ctx, rows := context.Background(), 100_000*s.scale
	older, newer := s.folder+"/older.csv", s.folder+"/newer.csv"
	if err := table(older, observations{entities: rows, perEntity: 1, shuffled: true}); err != nil {
		return err
	}
	if err := table(newer, observations{entities: rows, perEntity: 1, from: 1, shuffled: true}); err != nil {
		return err
	}
	if _, _, err := load(s, "reverted", older, ""); err != nil {
		return err
	}
	if _, err := s.bulk.load(ctx, "limit_reverted", older, 1); err != nil {
		return err
	}
	return s.inTurns(bulkWork{
		name: fmt.Sprintf("revert a load of %d rows × 10", rows), rows: rows, wanted: 0.6,
		ours: func(int) (time.Duration, error) {
			_, run, err := load(s, "reverted", newer, "")
			if err != nil {
				return 0, err
			}
			began := time.Now()
			answer, err := post(fmt.Sprintf("%s/runs/%d/revert?wait=5m", s.base, run), "", nil)
			took := time.Since(began)
			if err == nil && !bytes.Contains(answer, []byte(`"state":"succeeded"`)) {
				err = fmt.Errorf("%s", answer)
			}
			return took, err
		},
		limit: func(int) (time.Duration, error) {
			if _, err := s.bulk.load(ctx, "limit_reverted", newer, 2); err != nil {
				return 0, err
			}
			return s.bulk.revert(ctx, "limit_reverted", 2)
		},
	})
}

// trainings measures training sets from 100 days of each entity in two groups: of whole rows in CSV and Parquet, and with a TTL that leaves
// out half of what is found; and of partial rows, each with half of its features.
func trainings(s *subject) error {
	questions, rows := 100_000*s.scale, 500_000*s.scale // in the long form ten times the short one's
	partialQuestions, partialRows := questions/5, rows/5
	whole, err := s.history("history", questions, observations{entities: rows / 100, perEntity: 100})
	if err != nil {
		return err
	}
	packed, err := asParquet(whole)
	if err != nil {
		return err
	}
	partial, err := s.history("partial", partialQuestions, observations{entities: partialRows / 100, perEntity: 100, partial: true})
	if err != nil {
		return err
	}
	const ttl = 12 * time.Hour
	for _, w := range []struct {
		kind, service, path string
		questions, rows     int
		ttl                 time.Duration
	}{
		{"", "history", whole, questions, rows, 0},
		{", Parquet", "history", packed, questions, rows, 0},
		{", partial rows", "partial", partial, partialQuestions, partialRows, 0},
		{", TTL", "history", whole, questions, rows, ttl},
	} {
		if w.ttl > 0 {
			if err := s.expire(w.ttl, w.service+"_a", w.service+"_b"); err != nil {
				return err
			}
		}
		if err := s.inTurns(bulkWork{
			name: fmt.Sprintf("training set, %d rows against 2 × %d observations%s", w.questions, w.rows, w.kind), rows: w.questions, wanted: 0.9,
			ours: func(int) (time.Duration, error) { return s.training(w.service, w.path) },
			limit: func(int) (time.Duration, error) {
				tables := [2]string{"limit_" + w.service + "_a", "limit_" + w.service + "_b"}
				return s.bulk.training(context.Background(), tables, w.path, w.ttl, w.service == "partial")
			},
		}); err != nil {
			return err
		}
	}
	return nil
}

// history loads a file into two groups and two tables, and answers a spine about it.
func (s *subject) history(name string, questions int, o observations) (string, error) {
	path, asked, query := s.folder+"/"+name+".csv", s.folder+"/"+name+"_spine.csv", ""
	if o.partial {
		query = "?nulls=skip"
	}
	if err := table(path, o); err != nil {
		return "", err
	}
	for _, suffix := range []string{"_a", "_b"} {
		if _, _, err := load(s, name+suffix, path, query); err != nil {
			return "", err
		}
		if _, err := s.bulk.load(context.Background(), "limit_"+name+suffix, path, 1); err != nil {
			return "", err
		}
	}
	return asked, spine(asked, questions, o.entities, o.perEntity)
}

// expire gives groups a TTL, and waits until their online copies have it.
func (s *subject) expire(ttl time.Duration, groups ...string) error {
	var b strings.Builder
	b.WriteString("groups:\n")
	for _, group := range groups {
		fmt.Fprintf(&b, "  - {name: %s, entity_type: customer, ttl: %dh}\n", group, int(ttl.Hours()))
	}
	if _, err := post(s.base+"/apply", "application/yaml", strings.NewReader(b.String())); err != nil {
		return err
	}
	_, err := s.materialize("full", groups...)
	return err
}

// training asks for a training set and throws it away as it comes.
func (s *subject) training(service, spinePath string) (time.Duration, error) {
	file, err := os.Open(spinePath)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	began := time.Now()
	body, err := postStream(s.base+"/training-sets?full_feature_names=true&service="+service, mediaTypeOf(spinePath), file)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	if _, err := io.Copy(io.Discard, body); err != nil {
		return 0, err
	}
	return time.Since(began), nil
}
