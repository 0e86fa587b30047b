package materialization

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/runs"
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
	Reason    string  `json:"reason,omitempty"` // why the copy was rebuilt although less was asked for, or what it waits for
}

// attempts is how often a run begins again because the group's state changed under it.
const attempts = 5

// Group brings one group's online copy in step now. report, if not nil, hears of the progress. It may be called at any time, from any
// number of processes. A rebuild is a run, whoever asks for it.
func (m *Materialization) Group(ctx context.Context, group *registry.Group, mode Mode, report func(Progress)) (Progress, error) {
	turn := m.turn(group)
	if err := turn.take(ctx); err != nil {
		return Progress{}, err
	}
	defer turn.give()
	return m.bring(ctx, copying{m: m, group: group, mode: mode, report: report})
}

// bring makes attempts at a copying until one is done. It is the caller's turn.
func (m *Materialization) bring(ctx context.Context, what copying) (Progress, error) {
	for tried := 0; tried < attempts; {
		c := what
		c.progress, c.since = Progress{Mode: c.mode}, time.Now()
		done, err := c.run(ctx)
		what.began = c.began
		var another *anotherRebuilds
		switch {
		case errors.Is(err, store.ErrOutdated):
			if what.group, err = m.refreshed(ctx, what.group); err != nil {
				return Progress{}, err
			}
			tried++
		case errors.Is(err, errAgain):
		case errors.As(err, &another):
			if err := another.wait(ctx, &c); err != nil {
				return c.progress, fmt.Errorf("materialize %s: %w", what.group.Name, err)
			}
			if what.mode == Rebuild && what.began { // it has lost the copy to that run, which has done what was wanted
				what.mode = Incremental
			}
		case err != nil:
			return c.progress, fmt.Errorf("materialize %s: %w", what.group.Name, err)
		case done && c.left:
			m.gauges.voided(what.group)
			return c.progress, nil
		case done:
			m.gauges.looked(what.group, c.progress, m.clock())
			return c.progress, nil
		default:
			tried++
		}
	}
	return Progress{}, fault.New(fault.Busy, "superseded",
		"the online copy of %s kept changing hands while it was being written: another process brings it in step", what.group.Name)
}

// errAgain says that what was taken back from history has been applied, and that the run begins anew.
var errAgain = errors.New("what was taken back has been applied")

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

// copying is one attempt at bringing a group in step.
type copying struct {
	m       *Materialization
	group   *registry.Group
	mode    Mode         // that was asked for
	under   *runs.Active // nil: no run
	ticking bool         // what has to be rebuilt is left to a run
	report  func(Progress)

	since    time.Time
	progress Progress
	server   string // the online server's run
	removals store.Removals
	from     store.State
	began    bool // the copy was taken for a rebuild, in this attempt or an earlier one
	left     bool // which is so
	refused  bool
}

// run answers false where the group's state changed under it and nothing may be concluded.
func (c *copying) run(ctx context.Context) (bool, error) {
	snapshot, identity, err := c.look(ctx)
	if err != nil {
		return false, err
	}
	defer func() { _ = snapshot.Close() }() // it was only read from
	to := c.state(identity, snapshot)
	forgotten := c.removals.Forgotten == c.removals.Last
	if c.progress.Mode == Incremental && c.from == to && forgotten && snapshot.Head() == snapshot.Position() {
		return true, nil // nothing came in; a transaction that is still open can hold Position where it is while others commit above it
	}
	void, err := c.void(ctx, to)
	if err != nil {
		return false, err
	}
	if void != "" || c.progress.Mode == Rebuild {
		if err := snapshot.Close(); err != nil {
			return false, err
		}
		return c.rebuild(ctx, void)
	}
	if c.from.Watermark.Removal != c.removals.Last || !forgotten {
		if err := snapshot.Close(); err != nil {
			return false, err
		}
		if _, err := c.m.store.TakeBack(ctx, c.group); err != nil {
			return false, err
		}
		return false, errAgain
	}
	// A copy that cannot be trusted says so to every reader until it is complete again.
	if c.from.Marker != "" && c.from.Server != c.server {
		unmarked := c.from
		unmarked.Marker, unmarked.Server = "", c.server
		if swapped, err := c.swap(ctx, unmarked); err != nil || !swapped {
			return false, err
		}
		c.m.log.Warn("the online server was restarted: the copy is brought in step; reads are answered offline meanwhile", "group", c.group.Name)
	}
	return c.finish(ctx, snapshot, identity)
}

// look reads the state of the online copy and opens a snapshot of the history. The caller closes it.
func (c *copying) look(ctx context.Context) (_ store.Snapshot, identity string, err error) {
	if err := c.m.store.Prepare(ctx, c.group); err != nil {
		return nil, "", err
	}
	online := c.m.store.Online()
	if c.server, err = online.Run(ctx); err != nil {
		return nil, "", fmt.Errorf("ask the online store: %w", err)
	}
	if c.from, err = online.State(ctx, c.group); err != nil {
		return nil, "", fmt.Errorf("read the watermark: %w", err)
	}
	return c.open(ctx)
}

// open opens a snapshot of the history.
func (c *copying) open(ctx context.Context) (_ store.Snapshot, identity string, err error) {
	if identity, err = c.m.store.Identify(ctx); err != nil {
		return nil, "", fmt.Errorf("ask the offline store: %w", err)
	}
	snapshot, err := c.m.store.Offline().Snapshot(ctx)
	if err != nil {
		return nil, "", fmt.Errorf("read the offline store: %w", err)
	}
	if err = snapshot.Fits(ctx, c.group); err == nil {
		var all map[int64]store.Removals
		all, err = snapshot.Removals(ctx)
		c.removals = all[c.group.ID]
	}
	if err != nil {
		return nil, "", errors.Join(err, snapshot.Close())
	}
	return snapshot, identity, nil
}

// state is what the copy says of itself once it holds everything in the snapshot. What was taken back during a rebuild has raised no fence:
// who read before that was refused by the absence of the marker, and is refused by the fence from now on.
func (c *copying) state(identity string, snapshot store.Snapshot) store.State {
	return store.State{
		Marker: store.Marker(identity, c.group),
		Watermark: store.Watermark{Store: identity, Position: snapshot.Position(), TTL: c.group.TTL.Microseconds(),
			Removal: c.removals.Last},
		Fence:  c.from.Fence,
		Raised: c.from.Raised,
		Server: c.server,
	}.Raise(c.removals.Last)
}

// swap moves the group's state on, if nobody else has.
func (c *copying) swap(ctx context.Context, to store.State) (bool, error) {
	swapped, err := c.m.store.Online().Swap(ctx, c.group, c.from, to)
	if err != nil {
		return false, fmt.Errorf("move the watermark: %w", err)
	}
	if swapped {
		c.from = to
	}
	return swapped, nil
}

// finish copies, and says that the copy is complete.
func (c *copying) finish(ctx context.Context, snapshot store.Snapshot, identity string) (bool, error) {
	if err := c.copy(ctx, snapshot); err != nil || c.refused {
		return false, err
	}
	if err := snapshot.Durable(ctx); err != nil {
		return false, fmt.Errorf("read the offline store: %w", err)
	}
	return c.swap(ctx, c.state(identity, snapshot))
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
	if c.progress.Mode != Incremental {
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
	if seconds := time.Since(c.since).Seconds(); seconds > 0 {
		c.progress.PerSecond = float64(c.progress.Read) / seconds
	}
	if c.report != nil {
		c.report(c.progress)
	}
	return nil
}
