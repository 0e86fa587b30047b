package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"featurestore/app/database"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/runs"
	"featurestore/modules/store"
	"featurestore/modules/store/postgres"
	"featurestore/modules/store/sqlite"
	tables "featurestore/modules/store/table"
)

// publishes measures publishing what a pipeline has staged, an Arrow stream of one tick, into an empty group: the first time, in which there is nothing to compare. The limit
// is COPY of the same rows as CSV into such a table. It is done in this process, since no call publishes what it brings. The embedded stack has no
// limit for that.
func publishes(s *subject) error {
	if s.stack != "servers" {
		return nil
	}
	ctx, rows := context.Background(), 200_000*s.scale
	p, err := openPublisher(ctx, s)
	if err != nil {
		return err
	}
	defer p.close()
	staged, path := filepath.Join(s.folder, "staged.arrow"), filepath.Join(s.folder, "staged.csv")
	if err := stage(path, staged, rows); err != nil {
		return err
	}
	for _, again := range []bool{false, true} {
		name, wanted := fmt.Sprintf("publish %d rows × 10", rows), 0.6
		if again {
			name, wanted = name+", again", 0.3
		}
		if err := s.inTurns(bulkWork{
			name: name, rows: rows, turns: s.turns, wanted: wanted,
			ours: func(turn int) (time.Duration, error) { return p.publish(ctx, turn, staged, rows, again) },
			limit: func(turn int) (time.Duration, error) {
				return s.bulk.load(ctx, fmt.Sprintf("limit_published_%d_%t", turn, again), path, 1)
			},
		}); err != nil {
			return err
		}
	}
	return nil
}

// stage writes rows of one tick, in random order: as CSV, and as an Arrow stream.
func stage(path, staged string, rows int) error {
	csv, err := os.Create(path)
	if err != nil {
		return err
	}
	defer csv.Close()
	arrow, err := os.Create(staged)
	if err != nil {
		return err
	}
	defer arrow.Close()
	columns := []tables.Column{{Name: "customer_id", Type: value.String}, {Name: "event_time", Type: value.Timestamp}}
	for f := range 10 {
		columns = append(columns, tables.Column{Name: "f" + strconv.Itoa(f), Type: value.Float})
	}
	var writers []tables.Writer
	for format, to := range map[tables.Format]io.Writer{tables.CSV: csv, tables.Arrow: arrow} {
		w, err := tables.NewWriter(format, to, columns)
		if err != nil {
			return err
		}
		writers = append(writers, w)
	}
	cells := make([]tables.Cell, len(columns))
	for i := range rows {
		entity := i * 7919 % rows // any order that is not that of the keys
		cells[0], cells[1] = tables.ValueCell(value.OfString(strconv.Itoa(entity))), tables.ValueCell(value.OfTime(january.UnixMicro()))
		for f := range 10 {
			cells[2+f] = tables.ValueCell(value.OfFloat(number(entity, f)))
		}
		for _, w := range writers {
			if err := w.Write(1, cells); err != nil {
				return err
			}
		}
	}
	for _, w := range writers {
		if err := w.Close(); err != nil {
			return err
		}
	}
	return nil
}

// publisher is a store in this process, on the subject's PostgreSQL.
type publisher struct {
	registry *registry.Registry
	runs     *runs.Runs
	store    *store.Store
	offline  *postgres.Offline
	online   *sqlite.Online
	run      int64
}

func openPublisher(ctx context.Context, s *subject) (p *publisher, err error) {
	folder, log := filepath.Join(s.folder, "publisher"), slog.New(slog.DiscardHandler)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	db, err := database.OpenSQLite(ctx, filepath.Join(folder, "registry.db"), log)
	if err == nil {
		err = errors.Join(registry.Migrate(ctx, db), runs.Migrate(ctx, db))
	}
	if err != nil {
		return nil, err
	}
	p = &publisher{}
	if p.registry, err = registry.New(db, registry.DefaultConfig(), log); err != nil {
		return nil, err
	}
	if p.offline, err = postgres.Open(ctx, postgres.Options{URL: s.postgres, Schema: "publisher"}); err != nil {
		return nil, err
	}
	if p.online, err = sqlite.OpenOnline(filepath.Join(folder, "online.db"), sqlite.Options{Log: log}); err != nil {
		return nil, err
	}
	p.runs = runs.New(db, runs.DefaultConfig(), time.Now, log)
	p.store = store.New(store.DefaultConfig(), p.registry, p.runs, p.offline, p.online, time.Now, log)
	p.registry.Guards = p.store.Guards()
	if err := p.registry.Start(ctx); err != nil {
		return nil, err
	}
	return p, p.store.Start(ctx)
}

func (p *publisher) close() {
	p.store.Stop()
	p.registry.Stop()
	_ = p.offline.Close()
	_ = p.online.Close()
}

// publish publishes what is staged to a group of the turn's own, or once more what was published there.
func (p *publisher) publish(ctx context.Context, turn int, staged string, rows int, again bool) (time.Duration, error) {
	group := "published_" + strconv.Itoa(turn)
	definition := "entity_types:\n  - {name: customer, join_keys: [{name: customer_id, value_type: STRING}]}\ngroups:\n  - name: " + group + "\n    entity_type: customer\n    features:\n"
	for f := range 10 {
		definition += fmt.Sprintf("      - {name: f%d, value_type: FLOAT}\n", f)
	}
	if _, err := p.registry.Apply(ctx, []byte(definition), "application/yaml", registry.Options{}); err != nil {
		return 0, err
	}
	began := time.Now()
	reader, err := tables.OpenFile(staged, tables.Limits{}) // as runs of pipelines read what they have staged
	if err != nil {
		return 0, err
	}
	defer reader.Close()
	p.run++
	published, err := p.store.Publish(ctx, p.run, store.Publication{Group: group, Name: "daily", Version: 1, Ticks: []int64{january.UnixMicro()}}, reader)
	took := time.Since(began)
	if err == nil && published.Stored+published.Duplicate != int64(rows) {
		err = fmt.Errorf("%d rows were stored, and %d were there", published.Stored, published.Duplicate)
	}
	if err == nil && again != (published.Duplicate > 0) {
		err = fmt.Errorf("%d rows were there already", published.Duplicate)
	}
	return took, err
}
