package materialization

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"featurestore/app/fault"
	"featurestore/modules/store"
)

// void says why the watermark does not count, so that the copy has to be rebuilt; "" if it does count. Whatever the reason, the rows
// themselves cannot be trusted: a store that went back in time has forgotten some of them and given their ingest ids to others, under
// another TTL some were reclaimed and others never will be, and where there is no watermark nobody knows who wrote them.
func (c *copying) void(ctx context.Context, to store.State) (string, error) {
	w := c.from.Watermark
	switch {
	case w.Position == "":
		return "the online copy has no watermark", nil
	case w.Store != to.Watermark.Store:
		return "the watermark is of another offline store or timeline", nil
	case w.Position.After(to.Watermark.Position):
		return "the watermark is ahead of the offline store", nil
	case !c.removals.Covers(w.Removal):
		return "what was taken back since is noted no more", nil
	case w.TTL != to.Watermark.TTL: // by whom was it changed?
		now, err := c.m.refreshed(ctx, c.group)
		if err != nil {
			return "", err
		}
		if now.TTL != c.group.TTL {
			return "", store.ErrOutdated
		}
		return "the TTL was changed", nil
	}
	return "", nil
}

// rebuild drops the marker and the watermark, sweeps, copies everything and sets both again. The fence that it raises first keeps out who has
// read the history before: a writer or a run that is still on its way cannot bring in what the sweep has taken away.
// A rebuild that ends anywhere in between leaves no watermark, so the next one begins from the start.
func (c *copying) rebuild(ctx context.Context, void string) (done bool, err error) {
	if c.ticking {
		c.left = true
		return true, c.m.submitRebuild(ctx, c)
	}
	if err := c.yieldToAnother(ctx); err != nil {
		return false, err
	}
	run := c.under
	if run == nil {
		if run, err = c.m.runs.Begin(ctx, Kind, c.group.Name, Request{Mode: Rebuild}); err != nil {
			return false, err
		}
		defer func() { err = errors.Join(err, run.Finish(ctx, c.progress, c.outcome(done, err))) }()
		ctx = run.Context()
	}
	c.progress.Mode, c.progress.Reason = Rebuild, void
	if taken, err := c.swap(ctx, store.State{
		Watermark: store.Watermark{Store: rebuilder(run.ID())},
		Fence:     max(c.from.Fence+1, c.m.clock().Unix()+c.removals.Last), // higher than any that a store has had which lost its state
		Raised:    c.removals.Last,
		Server:    c.server,
	}); err != nil || !taken {
		return false, err
	}
	c.began = true
	c.m.gauges.voided(c.group)
	c.m.log.Warn("the online copy is rebuilt; reads are answered offline meanwhile", "group", c.group.Name, "run", run.ID(), "reason", void)
	if refused, err := c.m.store.Online().Sweep(ctx, c.group, c.from.Fence); err != nil || refused {
		if err != nil {
			err = fmt.Errorf("sweep: %w", err)
		}
		return false, err
	}
	snapshot, identity, err := c.open(ctx)
	if err != nil {
		return false, err
	}
	defer snapshot.Close()
	return c.finish(ctx, snapshot, identity)
}

// outcome is what a run of one attempt failed by.
func (c *copying) outcome(done bool, err error) error {
	if err == nil && !done {
		return fault.New(fault.Busy, "superseded", "the online copy of %s changed hands while it was being rebuilt", c.group.Name)
	}
	return err
}

// yieldToAnother answers anotherRebuilds if a run that is alive rebuilds the copy: to take it over would only make that one begin again. Who
// asks for a rebuild takes it over all the same, since that one may have read the history before; but once only.
func (c *copying) yieldToAnother(ctx context.Context) error {
	by := rebuilderOf(c.from)
	if by == 0 || c.under != nil && by == c.under.ID() || c.progress.Mode == Rebuild && !c.began {
		return nil
	}
	alive, err := c.m.alive(ctx, by)
	if err == nil && alive {
		return &anotherRebuilds{run: by}
	}
	return err
}

const rebuiltBy = "rebuilt by run "

// rebuilder is what stands in the place of a watermark's store while a run rebuilds the copy.
func rebuilder(run int64) string { return rebuiltBy + strconv.FormatInt(run, 10) }

// rebuilderOf is the run that rebuilds the copy, or did until it ended; 0 if there is none.
func rebuilderOf(state store.State) int64 {
	text, ok := strings.CutPrefix(state.Watermark.Store, rebuiltBy)
	if !ok || state.Watermark.Position != "" {
		return 0
	}
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0
	}
	return id
}

// alive tells whether a run is, or will be, worked on.
func (m *Materialization) alive(ctx context.Context, run int64) (bool, error) {
	found, err := m.runs.Get(ctx, run)
	if fault.Is(err, "unknown-run") {
		return false, nil
	}
	return err == nil && !found.State.Finished(), err
}

// anotherRebuilds says that another run is rebuilding the copy.
type anotherRebuilds struct{ run int64 }

func (a *anotherRebuilds) Error() string {
	return fmt.Sprintf("run %d rebuilds the online copy", a.run)
}

const waitStep = 200 * time.Millisecond

// wait returns when that run has ended, or has handed the copy on.
func (a *anotherRebuilds) wait(ctx context.Context, c *copying) error {
	c.progress.Reason = "waits: " + a.Error()
	if c.report != nil {
		c.report(c.progress)
	}
	for {
		timer := time.NewTimer(waitStep)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
		state, err := c.m.store.Online().State(ctx, c.group)
		if err != nil {
			return fmt.Errorf("read the watermark: %w", err)
		}
		if rebuilderOf(state) != a.run {
			return nil
		}
		if alive, err := c.m.alive(ctx, a.run); err != nil || !alive {
			return err
		}
	}
}

// submitRebuild has a run rebuild the copy, unless one does or is about to.
func (m *Materialization) submitRebuild(ctx context.Context, c *copying) error {
	m.mu.Lock()
	asked := m.asked[c.group.ID]
	m.mu.Unlock()
	for _, run := range []int64{rebuilderOf(c.from), asked} {
		if run == 0 {
			continue
		}
		if alive, err := m.alive(ctx, run); err != nil || alive {
			return err
		}
	}
	// It looks at the copy again, and rebuilds what still has to be.
	run, err := m.runs.Submit(ctx, Kind, c.group.Name, Request{Mode: Incremental})
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.asked[c.group.ID] = run.ID
	m.mu.Unlock()
	return nil
}

// distrust takes the watermark from every copy that is ahead of the history, before anything is served: an offline store that was put back
// to an earlier state gives the ingest ids of what it has forgotten to new rows, and would soon pass the watermark.
func (m *Materialization) distrust(ctx context.Context) error {
	online := m.store.Online()
	server, err := online.Run(ctx)
	if err != nil {
		return fmt.Errorf("ask the online store: %w", err)
	}
	groups := m.catalog.Catalog().Groups()
	states := make([]store.State, len(groups))
	for i, group := range groups {
		if states[i], err = online.State(ctx, group); err != nil {
			return fmt.Errorf("read the watermark of %s: %w", group.Name, err)
		}
	}
	snapshot, err := m.store.Offline().Snapshot(ctx) // after the states: others may move both on
	if err != nil {
		return fmt.Errorf("read the offline store: %w", err)
	}
	defer snapshot.Close()
	for i, group := range groups {
		if !states[i].Watermark.Position.After(snapshot.Position()) {
			continue
		}
		m.log.Warn("the online copy is ahead of the offline store, which must have been restored: it is rebuilt", "group", group.Name)
		if _, err := online.Swap(ctx, group, states[i], store.State{Fence: states[i].Fence, Server: server}); err != nil {
			return fmt.Errorf("take the watermark of %s away: %w", group.Name, err)
		}
	}
	return nil
}
