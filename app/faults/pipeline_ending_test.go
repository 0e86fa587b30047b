package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"featurestore/modules/batch"
	"featurestore/modules/registry"
	"featurestore/modules/store"
	"featurestore/modules/store/table"
)

// ending ends the process with SIGKILL, or stops it with SIGSTOP, at a named place of a run, the n-th time it comes there.
type ending struct {
	mu     sync.Mutex
	place  string // "": nowhere
	left   int
	signal syscall.Signal
}

// endings are the places.
var endings = []string{"deciding", "source opened", "half read", "staged", "reading staged", "before the fence", "behind the fence", "committed", "published", "announcing"}

func (e *ending) at(place string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.place != place {
		return
	}
	if e.left--; e.left > 0 {
		return
	}
	e.place = ""
	if err := syscall.Kill(os.Getpid(), e.signal); err != nil {
		panic(err)
	}
	time.Sleep(100 * time.Millisecond) // until the signal has come through
}

// ServeHTTP arms it: POST /end?place=staged&n=2&signal=9.
func (e *ending) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.URL.Query().Get("n"))
	signal, failed := strconv.Atoi(r.URL.Query().Get("signal"))
	place := r.URL.Query().Get("place")
	if err != nil || failed != nil || !slices.Contains(endings, place) && place != betweenHalves {
		http.Error(w, fmt.Sprintf("no such place: %q", place), http.StatusBadRequest)
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.place, e.left, e.signal = place, n, syscall.Signal(signal)
}

// endingValues is the store as runs see it.
type endingValues struct {
	*store.Store
	*ending
	halves   bool // a control
	unfenced bool // the other
	deaf     bool // does not hear that a run was taken away
}

func (v endingValues) PublishedTicks(ctx context.Context, group, pipeline string, from, to *int64) ([]store.PublishedTick, error) {
	v.at("deciding")
	return v.Store.PublishedTicks(ctx, group, pipeline, from, to)
}

func (v endingValues) Events(ctx context.Context, group string) (*store.Events, error) {
	events, err := v.Store.Events(ctx, group)
	v.at("source opened")
	return events, err
}

// betweenHalves is a place of the control alone.
const betweenHalves = "between halves"

func (v endingValues) Publish(ctx context.Context, run int64, p store.Publication, rows table.Reader) (*store.Published, error) {
	fence := p.Fence
	p.Fence = func(ctx context.Context, tx store.Querier) error {
		v.at("before the fence")
		if !v.unfenced {
			if err := fence(ctx, tx); err != nil {
				return err
			}
		}
		v.at("behind the fence")
		return nil
	}
	if v.halves && rows != nil {
		whole, err := hold(rows)
		if err != nil {
			return nil, err
		}
		if _, err := v.Store.Publish(ctx, run, p, &heldTable{whole[:(len(whole)+1)/2]}); err != nil {
			return nil, err
		}
		v.at(betweenHalves)
		rows = &heldTable{whole}
	}
	if rows != nil {
		rows = endingTable{rows, v.ending}
	}
	if v.deaf {
		ctx = context.WithoutCancel(ctx)
	}
	published, err := v.Store.Publish(ctx, run, p, rows)
	slog.Info(publicationEnded, "run", run, "error", err)
	v.at("published")
	return published, err
}

// publicationEnded is what the program's log says.
const publicationEnded = "a publication has ended"

// endingTable is what was staged.
type endingTable struct {
	table.Reader
	*ending
}

func (t endingTable) Next() (*table.Batch, error) {
	batch, err := t.Reader.Next()
	if err == nil {
		t.at("reading staged")
	}
	return batch, err
}

// endingEngine is an engine of pipelines.
type endingEngine struct {
	batch.Engine
	*ending
}

func (e endingEngine) Compute(ctx context.Context, job *batch.Job) (*batch.Staged, error) {
	if job.Events != nil {
		job.Events = endingEvents{job.Events, e.ending}
	}
	staged, err := e.Engine.Compute(ctx, job)
	e.at("staged")
	return staged, err
}

type endingEvents struct {
	batch.Events
	*ending
}

func (e endingEvents) Scan(ctx context.Context, features []*registry.Feature, ordered bool, from, to *int64, yield func(*store.Rows) error) error {
	return e.Events.Scan(ctx, features, ordered, from, to, func(rows *store.Rows) error {
		e.at("half read")
		return yield(rows)
	})
}

// endingOffline is the offline store.
type endingOffline struct {
	store.Offline
	*ending
}

func (o endingOffline) Publish(ctx context.Context, group *registry.Group, run int64, what *store.Publishing) (store.Load, error) {
	load, err := o.Offline.Publish(ctx, group, run, what)
	return endingLoad{load, o.ending}, err
}

type endingLoad struct {
	store.Load
	*ending
}

func (l endingLoad) Commit(ctx context.Context) error {
	err := l.Load.Commit(ctx)
	l.at("committed")
	return err
}

// endingPublisher has what was published brought online.
type endingPublisher struct {
	store.Publisher
	*ending
}

func (p endingPublisher) Publish(ctx context.Context, group *registry.Group) (int64, error) {
	p.at("announcing")
	return p.Publisher.Publish(ctx, group)
}

// heldTable is a table that is in memory.
type heldTable struct{ left []*table.Batch }

// hold reads a table row by row.
func hold(rows table.Reader) (all []*table.Batch, err error) {
	for {
		b, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		for r := range b.Rows {
			all = append(all, &table.Batch{Columns: b.Columns, Rows: 1, Cells: slices.Clone(b.Row(r)), FirstRow: b.Number(r)})
		}
	}
}

func (h *heldTable) Next() (*table.Batch, error) {
	if len(h.left) == 0 {
		return nil, io.EOF
	}
	b := h.left[0]
	h.left = h.left[1:]
	return b, nil
}

func (h *heldTable) Ignored() []string { return nil }
