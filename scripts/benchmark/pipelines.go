package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"featurestore/modules/batch"
	"featurestore/modules/batch/local"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/store/sqlite"
)

const (
	backfilled     = 365 // daily ticks
	eventDays      = backfilled + 90
	perCustomer    = 500       // events
	pipelineMemory = 256 << 20 // bytes
	overMemory     = 220       // MB that a process may need besides
)

// lastTick is the last one; the events begin 90 days before the first, on January 1st.
var lastTick = january.Add(24 * time.Hour * (backfilled - 1))

// pipelines measures the engine local: twelve windows over events in a file, and in the offline store.
func pipelines(s *subject) error {
	if s.stack != "embedded" {
		return nil
	}
	p := &pipelining{folder: filepath.Join(s.folder, "pipelines"), events: 500_000}
	if s.scale > 1 {
		p.events = 5_000_000
	}
	if err := p.prepare(); err != nil {
		return err
	}
	lines := []struct {
		name        string
		ours, limit func() error
		took        time.Duration
	}{
		{name: "1 tick, Parquet", ours: func() error { return p.compute(1, false) }, limit: func() error { return p.byHand(oneTick(p.source())) }},
		{name: "1 tick, offline store", ours: func() error { return p.compute(1, true) }, limit: p.storeByHand},
		{name: "365 ticks, Parquet", ours: func() error { return p.compute(backfilled, false) }, limit: func() error { return p.byHand(manyTicks(p.source())) }},
	}
	for i := range lines {
		l := &lines[i]
		timed := func(do func() error) func(int) (time.Duration, error) {
			return func(int) (time.Duration, error) {
				began := time.Now()
				err := do()
				return time.Since(began), err
			}
		}
		ours := timed(l.ours)
		if err := s.inTurns(bulkWork{
			name: fmt.Sprintf("12 windows over %d events, %s", p.events, l.name), rows: p.events, turns: 3, wanted: 0.8, limit: timed(l.limit),
			ours: func(turn int) (took time.Duration, err error) {
				took, err = ours(turn)
				if l.took == 0 || took < l.took {
					l.took = took
				}
				return took, err
			},
		}); err != nil {
			return err
		}
	}
	s.report(result{work: "365 ticks beside 1 tick, Parquet", unit: "times its time", ours: lines[2].took.Seconds() / lines[0].took.Seconds(), limit: 10, upper: true})
	over, err := p.memory()
	if err == nil {
		s.report(result{work: fmt.Sprintf("365 ticks within %d MB", pipelineMemory>>20), unit: "MB over idle and limit", ours: over, limit: overMemory, upper: true})
	}
	return err
}

// pipelining is the events, as a file and in an offline store.
type pipelining struct {
	folder  string
	events  int
	offline *sqlite.Offline
}

func (p *pipelining) source() string { return filepath.Join(p.folder, "events.parquet") }

// Root is where the file is.
func (p *pipelining) Root(string) (string, error) { return p.folder, nil }

// URL is none.
func (p *pipelining) URL(string) (string, error) { return "", fmt.Errorf("there is no connection") }

// eventsGroup is a group of events of customers with an amount.
func eventsGroup() *registry.Group {
	of := &registry.EntityType{JoinKeys: []registry.JoinKey{{Name: "customer_id", ValueType: value.Integer}}}
	g := &registry.Group{EntityType: of, Kind: registry.Events, SchemaVersion: 1}
	g.ID, g.Name, of.ID, of.Name = 1, "purchases", 1, "customer"
	amount := &registry.Feature{Group: g, ValueType: value.Float, Ordinal: 1, Column: "amount", Since: 1}
	amount.Name = "amount"
	g.Features = []*registry.Feature{amount}
	return g
}

// write writes the file.
func (p *pipelining) write() error {
	if err := os.MkdirAll(p.folder, 0o755); err != nil {
		return err
	}
	db, done, err := duckByHand()
	if err != nil {
		return err
	}
	defer done()
	_, err = db.Exec(fmt.Sprintf(`COPY (SELECT CAST(hash(i) %% %d AS BIGINT) AS customer_id,
		make_timestamp(%d + CAST(i * %d AS BIGINT)) AT TIME ZONE 'UTC' AS event_time, CAST(hash(i + 7) %% 100000 AS DOUBLE) / 100 AS amount
		FROM range(%d) AS t (i)) TO '%s'`, p.events/perCustomer, january.Add(-90*24*time.Hour).UnixMicro(), eventDays*24*3600*1_000_000/int64(p.events), p.events, p.source()))
	return err
}

// prepare writes the file, and stores the same events.
func (p *pipelining) prepare() error {
	if err := p.write(); err != nil {
		return err
	}
	db, done, err := duckByHand()
	if err != nil {
		return err
	}
	defer done()
	ctx := context.Background()
	if p.offline, err = sqlite.OpenOffline(filepath.Join(p.folder, "offline.db"), sqlite.Options{}); err != nil {
		return err
	}
	group := eventsGroup()
	if _, err := p.offline.EnsureLayout(ctx, group); err != nil {
		return err
	}
	load, err := p.offline.Load(ctx, group, 1)
	if err != nil {
		return err
	}
	found, err := db.QueryContext(ctx, "SELECT customer_id, epoch_us(event_time), amount FROM '"+p.source()+"'")
	if err != nil {
		return err
	}
	defer found.Close()
	rows := &store.Rows{Group: group, Features: group.Features, Run: 1}
	flush := func() error {
		rows.IngestIDs = make([]int64, len(rows.Keys))
		err := load.Add(ctx, rows)
		rows.Keys, rows.EventTimes, rows.Values = rows.Keys[:0], rows.EventTimes[:0], rows.Values[:0]
		return err
	}
	for found.Next() {
		var customer, at int64
		var amount float64
		if err := found.Scan(&customer, &at, &amount); err != nil {
			return err
		}
		rows.Keys, rows.EventTimes = append(rows.Keys, store.NewKey([]value.Value{value.OfInt(customer)})), append(rows.EventTimes, at)
		rows.Values = append(rows.Values, value.OfFloat(amount))
		if len(rows.Keys) == 1000 {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := found.Err(); err != nil {
		return err
	}
	if err := flush(); err != nil {
		return err
	}
	return load.Commit(ctx)
}

// snapshotEvents is a snapshot of the offline store as the engine reads it.
type snapshotEvents struct {
	store.Snapshot
	group *registry.Group
}

func (e snapshotEvents) Scan(ctx context.Context, features []*registry.Feature, ordered bool, _, to *int64, yield func(*store.Rows) error) error {
	last := *to + 1
	return e.Observations(ctx, e.group, features, store.Range{Ordered: ordered, Oldest: true, To: &last}, yield)
}

func (e snapshotEvents) Relation(context.Context, []*registry.Feature, *int64, *int64, func(context.Context, pgx.Tx, string) error) (bool, error) {
	return false, nil
}

// compute computes the last ticks with the engine.
func (p *pipelining) compute(ticks int, stored bool) error {
	folder, err := os.MkdirTemp(p.folder, "job-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	job := &batch.Job{Plan: pipelinePlan(), Folder: folder, Threads: 2, Memory: pipelineMemory}
	for i := range ticks {
		job.Ticks = append(job.Ticks, lastTick.Add(-24*time.Hour*time.Duration(ticks-1-i)).UnixMicro())
	}
	if stored {
		snapshot, err := p.offline.Snapshot(context.Background())
		if err != nil {
			return err
		}
		defer snapshot.Close()
		group := eventsGroup()
		job.Plan.Source = batch.Source{Group: group}
		job.Plan.Columns[0].Feature = group.Features[0]
		job.Events = snapshotEvents{snapshot, group}
	}
	staged, err := local.New(p).Compute(context.Background(), job)
	if err == nil && staged.Rows != int64(ticks*p.events/perCustomer) {
		err = fmt.Errorf("%d rows were computed", staged.Rows)
	}
	return err
}

// pipelinePlan is twelve windows.
func pipelinePlan() *batch.Plan {
	p := &batch.Plan{
		Keys:    []registry.JoinKey{{Name: "customer_id", ValueType: value.Integer}},
		Columns: []batch.Column{{Name: "amount", From: "amount", Type: value.Float}},
		Longest: 90 * 24 * time.Hour,
		Source:  batch.Source{Files: &batch.Files{Pattern: "events.parquet"}, EventTime: "event_time", Entity: []string{"customer_id"}},
	}
	add := func(function batch.Function, of int, t value.Type, days ...int) {
		for _, d := range days {
			a := batch.Aggregation{Function: function, Of: of, Type: t, Window: 24 * time.Hour * time.Duration(d), Empty: batch.Null, Feature: &registry.Feature{ValueType: t}}
			if of >= 0 {
				a.OfType, a.Decimals = value.Float, 2
			}
			a.Feature.Name = fmt.Sprintf("%s_%dd", function, d)
			p.Aggregations, p.Outputs = append(p.Aggregations, a), append(p.Outputs, a.Feature)
		}
	}
	add(batch.Count, batch.Rows, value.Integer, 1, 7, 30, 90)
	add(batch.Sum, 0, value.Float, 7, 30, 90)
	add(batch.Avg, 0, value.Float, 30)
	add(batch.Min, 0, value.Float, 90)
	add(batch.Max, 0, value.Float, 90)
	add(batch.Stddev, 0, value.Float, 90)
	add(batch.TimeSinceLast, batch.Rows, value.Float, 90)
	return p
}

// memory is how many MB a process of its own takes at most for all ticks, over what it had before and the limit. The process says so itself: to
// whoever waits for it, the kernel tells the peak of its parent if that was higher.
func (p *pipelining) memory() (float64, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	command := exec.Command(self, "limit", "pipelines", p.folder, strconv.Itoa(p.events))
	command.Stderr = os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := command.Output()
	if err != nil {
		return 0, err
	}
	var idle, peak float64
	if _, err := fmt.Sscan(string(out), &idle, &peak); err != nil {
		return 0, err
	}
	return peak - idle - pipelineMemory>>20, nil
}

// computeAlone computes all ticks, and says how many MB this process takes before it and at most.
func computeAlone(folder, events string) error {
	n, err := strconv.Atoi(events)
	if err != nil {
		return err
	}
	idle := memory("self", "VmRSS")
	if err := (&pipelining{folder: folder, events: n}).compute(backfilled, false); err != nil {
		return err
	}
	fmt.Println(idle, memory("self", "VmHWM"))
	return nil
}
