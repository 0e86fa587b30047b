package materialization

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/store"
)

// Progress counts the rows of a run: Read = Written + Older + Rejected.
type Progress struct {
	Mode      Mode    `json:"mode"`
	Read      int64   `json:"rows_read"`
	Written   int64   `json:"rows_written"`
	Older     int64   `json:"rows_older"`
	Rejected  int64   `json:"rows_rejected"`
	PerSecond float64 `json:"rows_per_second"`
	Reason    string  `json:"reason,omitempty"` // why everything was copied although less was asked for
}

// attempts is how often a run begins again because the group's state changed under it.
const attempts = 5

// Group brings one group's online copy in step now. report, if not nil, hears of the progress. It may be called at any time, from any
// number of processes.
func (m *Materialization) Group(ctx context.Context, group *registry.Group, mode Mode, report func(Progress)) (Progress, error) {
	lock := m.lock(group)
	lock.Lock()
	defer lock.Unlock()
	for range attempts {
		c := &copying{m: m, group: group, progress: Progress{Mode: mode}, report: report, began: time.Now()}
		done, err := c.run(ctx)
		if errors.Is(err, store.ErrOutdated) {
			if group, err = m.refreshed(ctx, group); err != nil {
				return Progress{}, err
			}
			continue
		}
		if err != nil {
			return c.progress, fmt.Errorf("materialize %s: %w", group.Name, err)
		}
		if done {
			return c.progress, nil
		}
	}
	return Progress{}, fault.New(fault.Busy, "superseded",
		"the online copy of %s kept changing hands while it was being written: another process brings it in step", group.Name)
}

// refreshed reads the registry again and answers the group as it is now: another process has changed it since this one last looked.
func (m *Materialization) refreshed(ctx context.Context, group *registry.Group) (*registry.Group, error) {
	catalog, err := m.catalog.Refresh(ctx)
	if err != nil {
		return nil, fmt.Errorf("materialize %s: %w", group.Name, err)
	}
	now, ok := catalog.GroupByID(group.ID)
	if !ok {
		return nil, catalog.UnknownGroup(group.Name)
	}
	return now, nil
}

// copying is one attempt at a run.
type copying struct {
	m        *Materialization
	group    *registry.Group
	report   func(Progress)
	began    time.Time
	progress Progress
	from     store.State
	refused  bool
}

// run answers false where the group's state changed under it and nothing may be concluded.
func (c *copying) run(ctx context.Context) (bool, error) {
	if err := c.m.store.Prepare(ctx, c.group); err != nil {
		return false, err
	}
	online, offline := c.m.store.Online(), c.m.store.Offline()
	server, err := online.Run(ctx)
	if err != nil {
		return false, fmt.Errorf("ask the online store: %w", err)
	}
	if c.from, err = online.State(ctx, c.group); err != nil {
		return false, fmt.Errorf("read the watermark: %w", err)
	}
	identity, err := c.m.store.Identify(ctx)
	if err != nil {
		return false, fmt.Errorf("ask the offline store: %w", err)
	}
	snapshot, err := offline.Snapshot(ctx)
	if err != nil {
		return false, fmt.Errorf("read the offline store: %w", err)
	}
	defer snapshot.Close()
	if err := snapshot.Fits(ctx, c.group); err != nil {
		return false, err
	}

	to := store.State{
		Marker:    store.Marker(identity, c.group),
		Watermark: store.Watermark{Store: identity, Position: snapshot.Position(), TTL: c.group.TTL.Microseconds()},
		Fence:     c.from.Fence,
		Server:    server,
	}
	if c.progress.Mode == Incremental && c.from == to && snapshot.Head() == snapshot.Position() {
		return true, nil // nothing came in; a transaction that is still open can hold Position where it is while others commit above it
	}
	void := c.void(to)
	if void == ttlChanged { // by whom?
		now, err := c.m.refreshed(ctx, c.group)
		if err != nil {
			return false, err
		}
		if now.TTL != c.group.TTL {
			return false, store.ErrOutdated
		}
	}
	if void != "" {
		c.progress.Mode, c.progress.Reason = Full, void
	}
	// A copy that cannot be trusted says so to every reader until it is complete again.
	if c.from.Marker != "" && (void != "" || c.from.Server != server) {
		unmarked := c.from
		unmarked.Marker, unmarked.Server = "", server
		if swapped, err := online.Swap(ctx, c.group, c.from, unmarked); err != nil || !swapped {
			return false, err
		}
		c.m.log.Warn("the online copy is being brought back; reads are answered offline meanwhile", "group", c.group.Name,
			"reason", reasonFor(void))
		c.from = unmarked
	}
	if c.from.Watermark.Position != "" && c.from.Watermark.Store != identity {
		if err := online.Sweep(ctx, c.group); err != nil { // its rows may hold what this store never had
			return false, fmt.Errorf("sweep: %w", err)
		}
		// What was written meanwhile may be swept too, and is not in this snapshot: begin again with one that has it.
		swept := c.from
		swept.Watermark, swept.Server = store.Watermark{}, server
		_, err := online.Swap(ctx, c.group, c.from, swept)
		return false, err
	}
	if c.from.Server == "" {
		// An empty store looks as it did before if it is emptied again. A state that occurs once tells the two apart.
		claimed := c.from
		claimed.Watermark, claimed.Server = store.Watermark{Store: rand.Text()}, server
		if swapped, err := online.Swap(ctx, c.group, c.from, claimed); err != nil || !swapped {
			return false, err
		}
		c.from = claimed
	}
	if err := c.copy(ctx, snapshot); err != nil {
		return false, err
	}
	if c.refused {
		return false, nil
	}
	return online.Swap(ctx, c.group, c.from, to)
}

const ttlChanged = "the TTL was changed"

// void says why the watermark does not count; "" if it does.
func (c *copying) void(to store.State) string {
	w := c.from.Watermark
	switch {
	case w.Position == "":
		return "the online copy has no watermark"
	case w.Store != to.Watermark.Store:
		return "the watermark is of another offline store or timeline"
	case w.Position.After(to.Watermark.Position):
		return "the watermark is ahead of the offline store"
	case w.TTL != to.Watermark.TTL:
		return ttlChanged
	}
	return ""
}

func reasonFor(void string) string {
	if void == "" {
		return "the online server was restarted"
	}
	return void
}

// copy reads in one goroutine and writes in another.
func (c *copying) copy(ctx context.Context, snapshot store.Snapshot) error {
	work, ctx := errgroup.WithContext(ctx)
	batches := make(chan []store.PackedRow, c.m.config.Batches)
	work.Go(func() error {
		defer close(batches)
		return c.read(ctx, snapshot, batches)
	})
	work.Go(func() error {
		for batch := range batches {
			if err := c.merge(ctx, batch); err != nil {
				return err
			}
			if c.refused {
				return errRefused
			}
		}
		return nil
	})
	err := work.Wait()
	if c.refused {
		return nil
	}
	return err
}

var errRefused = fmt.Errorf("the fence was raised")

func (c *copying) read(ctx context.Context, snapshot store.Snapshot, batches chan<- []store.PackedRow) error {
	send := func(rows []store.PackedRow) error {
		select {
		case batches <- rows:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if c.progress.Mode == Full {
		return snapshot.Current(ctx, c.group, c.group.Stored(), func(current *store.Current) error {
			return send(c.m.store.PackCurrent(current))
		})
	}
	since := store.Range{After: c.from.Watermark.Position}
	return snapshot.Observations(ctx, c.group, c.group.Stored(), since, func(rows *store.Rows) error {
		return send(c.m.store.PackRows(rows))
	})
}

func (c *copying) merge(ctx context.Context, rows []store.PackedRow) error {
	merged, err := c.m.store.Online().Merge(ctx, c.group, c.from.Fence, true, rows)
	if err != nil {
		return fmt.Errorf("write online: %w", err)
	}
	if merged.Refused {
		c.refused = true
		return nil
	}
	c.progress.Read += int64(len(rows))
	c.progress.Written += int64(merged.Written)
	c.progress.Older += int64(merged.Older)
	if seconds := time.Since(c.began).Seconds(); seconds > 0 {
		c.progress.PerSecond = float64(c.progress.Read) / seconds
	}
	if c.report != nil {
		c.report(c.progress)
	}
	return nil
}
