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

	"golang.org/x/sync/errgroup"
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

// bulkWork is a work that is done once by ours and once by the limit, in every turn.
type bulkWork struct {
	name        string
	rows, turns int
	ours, limit func(turn int) (time.Duration, error)
	wanted      float64
}

// inTurns does a work by both in turns. The ratio is the median of the turns', so that neither is charged for what happened to the machine
// in one of them, nor for a server that is cold.
func (s *subject) inTurns(w bulkWork) error {
	var limits, ratios []float64
	grown := 0.0
	for turn := range w.turns {
		s.process.forgetPeak()
		idle := s.process.memory("VmRSS")
		took, err := w.ours(turn)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		grown = max(grown, s.process.memory("VmHWM")-idle)
		bare, err := w.limit(turn)
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

func loadedGroup(format string, turn int) string {
	return "loaded_" + format + "_" + strconv.Itoa(turn)
}

// loadTurns are few: loads are far above what is wanted, in every turn, and each needs tables of its own.
const loadTurns = 2

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
		group := func(turn int) string { return loadedGroup(strings.ToLower(in.name), turn) }
		if err := s.inTurns(bulkWork{
			name: fmt.Sprintf("load %d rows × 10, %s", rows, in.name), rows: rows, turns: loadTurns, wanted: 0.6,
			ours: func(turn int) (time.Duration, error) {
				took, _, err := load(s, group(turn), in.path, "")
				return took, err
			},
			limit: func(turn int) (time.Duration, error) {
				return s.bulk.load(context.Background(), "limit_"+group(turn), in.path, 1)
			},
		}); err != nil {
			return err
		}
	}
	return nil
}

// copies measures copying a group into the online store, over what is there. The embedded stack has no limit for that.
func copies(s *subject) error {
	if s.stack != "servers" {
		return nil
	}
	rows, err := s.copied()
	if err != nil {
		return err
	}
	return s.inTurns(bulkWork{
		name: fmt.Sprintf("materialize %d entities × 10", rows), rows: rows, turns: s.turns, wanted: 0.6,
		ours:  func(int) (time.Duration, error) { return s.materialize("full", "copied") },
		limit: func(int) (time.Duration, error) { return s.bulk.materialize(context.Background(), "limit_copied") },
	})
}

// rebuilds measures the same after emptying it. Emptying costs about as much as filling, and neither side can do it otherwise than by looking
// through all keys: so it is in the limit too, and as much is wanted as of the copy alone.
func rebuilds(s *subject) error {
	if s.stack != "servers" {
		return nil
	}
	rows, err := s.copied()
	if err != nil {
		return err
	}
	return s.inTurns(bulkWork{
		name: fmt.Sprintf("rebuild %d entities × 10", rows), rows: rows, turns: s.turns, wanted: 0.6,
		ours:  func(int) (time.Duration, error) { return s.materialize("rebuild", "copied") },
		limit: func(int) (time.Duration, error) { return s.bulk.rebuild(context.Background(), "limit_copied") },
	})
}

// copied fills the group and the table that are copied, and answers how many rows they have.
func (s *subject) copied() (rows int, err error) {
	rows = 200_000 * s.scale
	return rows, s.once("copied", func() error {
		path := s.folder + "/copied.csv"
		if err := table(path, observations{entities: rows, perEntity: 1, shuffled: true}); err != nil {
			return err
		}
		return s.fill(path, "", "copied")
	})
}

// fill loads a file into groups and, beside that, into the limit's tables of these names.
func (s *subject) fill(path, query string, groups ...string) error {
	work, ctx := errgroup.WithContext(context.Background())
	work.Go(func() error {
		for _, group := range groups {
			if _, _, err := load(s, group, path, query); err != nil {
				return err
			}
		}
		return nil
	})
	work.Go(func() error {
		for _, group := range groups {
			if _, err := s.bulk.load(ctx, "limit_"+group, path, 1); err != nil {
				return err
			}
		}
		return nil
	})
	return work.Wait()
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
	if err := s.fill(older, "", "reverted"); err != nil {
		return err
	}
	return s.inTurns(bulkWork{
		name: fmt.Sprintf("revert a load of %d rows × 10", rows), rows: rows, turns: s.turns, wanted: 0.6,
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

// trainings measures training sets from 100 days of each entity in two groups: of whole rows, of partial ones, each with half of its
// features, and of whole rows with a TTL that leaves out half of what is found.
func trainings(s *subject) error {
	whole, partial, err := s.histories()
	if err != nil {
		return err
	}
	if err := s.trains(whole, "", s.turns, 0); err != nil {
		return err
	}
	if err := s.trains(partial, ", partial rows", s.turns+2, 0); err != nil { // they are short
		return err
	}
	const ttl = 12 * time.Hour
	if err := s.expire(ttl, whole.service+"_a", whole.service+"_b"); err != nil {
		return err
	}
	return s.trains(whole, ", TTL", s.turns, ttl)
}

// parquet measures training sets of whole rows whose spine and answer are Parquet.
func parquet(s *subject) error {
	whole, _, err := s.histories()
	if err != nil {
		return err
	}
	if whole.spine, err = asParquet(whole.spine); err != nil {
		return err
	}
	return s.trains(whole, ", Parquet", s.turns, 0)
}

// history is a service over two groups, and questions about them.
type history struct {
	service         string
	questions, rows int // rows: of each group
	spine           string
	partial         bool
}

// histories fills the groups and tables that training sets are made from.
func (s *subject) histories() (whole, partial history, err error) {
	scale := s.scale
	if scale > 1 {
		scale = 10
	}
	of := func(service string, share int, partial bool) history {
		return history{service: service, questions: 100_000 * scale / share, rows: 500_000 * scale / share, spine: s.folder + "/" + service + "_spine.csv", partial: partial}
	}
	whole, partial = of("history", 1, false), of("partial", 5, true)
	return whole, partial, s.once("histories", func() error {
		for _, h := range []history{whole, partial} {
			path, query := s.folder+"/"+h.service+".csv", ""
			if h.partial {
				query = "?nulls=skip"
			}
			o := observations{entities: h.rows / 100, perEntity: 100, partial: h.partial}
			if err := table(path, o); err != nil {
				return err
			}
			if err := s.fill(path, query, h.service+"_a", h.service+"_b"); err != nil {
				return err
			}
			if err := spine(h.spine, h.questions, o.entities, o.perEntity); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *subject) trains(h history, kind string, turns int, ttl time.Duration) error {
	return s.inTurns(bulkWork{
		name: fmt.Sprintf("training set, %d rows against 2 × %d observations%s", h.questions, h.rows, kind), rows: h.questions, turns: turns, wanted: 0.9,
		ours: func(int) (time.Duration, error) { return s.training(h.service, h.spine) },
		limit: func(int) (time.Duration, error) {
			tables := [2]string{"limit_" + h.service + "_a", "limit_" + h.service + "_b"}
			return s.bulk.training(context.Background(), tables, h.spine, ttl, h.partial)
		},
	})
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
