package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/runs"
)

// CompactionKind is the kind of the runs that compact a group.
const CompactionKind = "compaction"

// CompactedGroup says what the compaction of a group removes, or removed.
type CompactedGroup struct {
	Group string `json:"group"`
	Compacted
	Reason string `json:"reason,omitempty" doc:"Why rows stay that could go otherwise"`
}

// unsure is how far before the horizon an observation must have come in to stand for others: it covers the time from a row's ingestion to its
// commit, from asking whether a run can be reverted to the revert being submitted, and what the clocks of processes differ by.
func (h History) unsure() time.Duration { return min(h.Horizon, 5*time.Minute) }

// SubmitCompaction asks for a run for each of the groups, in their order.
func (s *Store) SubmitCompaction(ctx context.Context, groups []*registry.Group) ([]runs.Run, error) {
	submitted := make([]runs.Run, 0, len(groups))
	for _, group := range groups {
		run, err := s.runs.Submit(ctx, CompactionKind, group.Name, nil)
		if err != nil {
			return nil, fmt.Errorf("submit the compaction of %s: %w", group.Name, err)
		}
		submitted = append(submitted, run)
	}
	return submitted, nil
}

// compactable are the groups of which compaction can find anything: an event group has no superseded rows.
func (s *Store) compactable() (groups []*registry.Group) {
	for _, group := range s.definitions.Catalog().Groups() {
		if group.Kind == registry.Features || group.Retention != 0 {
			groups = append(groups, group)
		}
	}
	return groups
}

// Compact removes the rows of a group that no question within the horizon needs any more, and those past its retention; dry counts them
// only. progress is called now and then with what was done so far. Answers stay as they are, but for the list of an entity's
// observations, and for what is asked about times before the retention's.
func (s *Store) Compact(ctx context.Context, group *registry.Group, dry bool, progress func(CompactedGroup)) (CompactedGroup, error) {
	done := CompactedGroup{Group: group.Name}
	for range maxAttempts {
		what, err := s.compaction(ctx, group)
		if err != nil {
			return done, err
		}
		what.Dry = dry
		var look bool
		if done.Reason, look, err = s.minds(ctx, group, &what); err != nil || !look {
			return done, err
		}
		before := done.Compacted
		compacted, err := s.offline.Compact(ctx, group, what, func(so Compacted) error {
			done.Compacted = before
			done.Add(so)
			progress(done)
			return ctx.Err()
		})
		done.Compacted = before
		done.Add(compacted)
		if !errors.Is(err, ErrOutdated) {
			return done, unavailable("compact "+group.Name, err)
		}
		if dry {
			done.Compacted = Compacted{} // it begins anew
		}
		now, err := s.refreshed(ctx, []*registry.Group{group})
		if err != nil {
			return done, err
		}
		group = now[0]
	}
	return done, fault.New(fault.Busy, "definitions-changing", "the definitions of %s kept changing while it was being compacted: it goes on the next time", group.Name)
}

// compaction says what can go from a group now. Runs that can be reverted yet are those that finished within the horizon, or have not;
// what they brought stands for nothing. The same holds for those that a revert under way takes back.
func (s *Store) compaction(ctx context.Context, group *registry.Group) (Compaction, error) {
	snapshot, err := s.offline.Snapshot(ctx)
	if err != nil {
		return Compaction{}, unavailable("compact "+group.Name, err)
	}
	now := snapshot.Now()
	if err := snapshot.Close(); err != nil {
		return Compaction{}, unavailable("compact "+group.Name, err)
	}
	what := Compaction{Settled: s.past.From(now) - s.past.unsure().Microseconds(), Unsettled: NoRun, RetainFrom: value.NoTime}
	if group.Retention != 0 {
		what.RetainFrom = now - group.Retention.Microseconds()
	}
	if group.Kind == registry.Features {
		// The clock of the definitions is this process's; it is not asked about what lies ahead.
		if err := s.minded(ctx, group, &what, min(what.Settled, s.runs.Now().UnixMicro())); err != nil {
			return Compaction{}, err
		}
	}
	first, found, err := s.runs.Earliest(ctx, loadKind, group.Name, s.runs.Now().Add(-s.past.Horizon-s.past.unsure()))
	if err != nil {
		return Compaction{}, err
	}
	if found {
		what.Unsettled = first
	}
	for _, state := range []runs.State{runs.Queued, runs.Running} {
		reverts, err := s.runs.List(ctx, runs.Filter{Kind: RevertKind, Subject: group.Name, State: state, Limit: 10_000})
		if err != nil {
			return Compaction{}, err
		}
		for _, revert := range reverts {
			var request revertRequest
			if err := json.Unmarshal(revert.Parameters, &request); err != nil {
				return Compaction{}, fmt.Errorf("read the parameters of run %d: %w", revert.ID, err)
			}
			what.Unsettled = min(what.Unsettled, request.Run)
		}
	}
	return what, nil
}

// minded adds the features that the group had at a moment and has no more. Of a group that the registry does not know of so far back,
// nothing is settled.
func (s *Store) minded(ctx context.Context, group *registry.Group, what *Compaction, moment int64) error {
	catalog, err := s.definitions.AsOf(ctx, moment)
	if fault.Is(err, "beyond-horizon") { // which was raised since
		what.Settled = value.NoTime
		return nil
	}
	if err != nil {
		return err
	}
	then, ok := catalog.GroupByID(group.ID)
	if !ok {
		what.Settled = value.NoTime
		return nil
	}
	now := group.Stored()
	for _, f := range then.Stored() {
		if !slices.ContainsFunc(now, func(g *registry.Feature) bool { return g.Ordinal == f.Ordinal }) {
			what.Deleted = append(what.Deleted, f)
		}
	}
	return nil
}

// workCompaction does one run that was asked for. Where another process is at the group, it waits for that one's end first.
func (s *Store) workCompaction(ctx context.Context, run *runs.Active) (any, error) {
	others, err := s.runs.List(ctx, runs.Filter{Kind: CompactionKind, Subject: run.Subject(), State: runs.Running})
	if err != nil {
		return nil, err
	}
	for _, other := range others {
		if other.ID < run.ID() {
			if _, err := s.runs.Wait(ctx, other.ID); err != nil {
				return nil, err
			}
		}
	}
	catalog, err := s.definitions.Refresh(ctx) // a retention that was just made longer counts
	if err != nil {
		return nil, err
	}
	group, ok := catalog.Group(run.Subject())
	if !ok {
		return nil, fault.New(fault.NotFound, "unknown-group", "there is no group %q any more", run.Subject())
	}
	var counted Compacted
	done, err := s.Compact(ctx, group, false, func(so CompactedGroup) {
		if counted.Read > 0 { // one step is no progress
			run.Progress(so)
		}
		s.count(group, counted, so.Compacted)
		counted = so.Compacted
	})
	s.count(group, counted, done.Compacted)
	return done, err
}

// compactLook is how often it is looked for groups whose time has come, at most.
const compactLook = time.Minute

// compactOnTime submits the compaction of each group CompactEvery after the last one was asked for, by whichever process, until the
// store is stopped.
func (s *Store) compactOnTime() {
	every := s.past.CompactEvery
	if every == 0 {
		return
	}
	ticker := time.NewTicker(min(every, compactLook))
	defer ticker.Stop()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer context.AfterFunc(s.background, cancel)()
	due := map[int64]time.Time{} // by group: not before
	for {
		select {
		case <-s.stopped:
			return
		case <-ticker.C:
		}
		for _, group := range s.compactable() {
			if s.runs.Now().Before(due[group.ID]) || ctx.Err() != nil {
				continue
			}
			next, err := s.compactDue(ctx, group)
			if err != nil && ctx.Err() == nil {
				s.log.Warn("a compaction could not be asked for; it is tried again", "group", group.Name, "error", err)
			}
			due[group.ID] = next
		}
	}
}

// compactDue submits the compaction of a group if its time has come, and answers when it comes next.
func (s *Store) compactDue(ctx context.Context, group *registry.Group) (next time.Time, err error) {
	last, found, err := s.runs.Latest(ctx, CompactionKind, group.Name)
	if err != nil {
		return time.Time{}, err
	}
	from := group.CreatedAt
	if found && last.CreatedAt.After(from) {
		from = last.CreatedAt
	}
	next = from.Add(s.past.CompactEvery)
	if found && !last.State.Finished() || s.runs.Now().Before(next) {
		return next, nil
	}
	run, err := s.runs.Submit(ctx, CompactionKind, group.Name, nil)
	if err != nil {
		return time.Time{}, err
	}
	return run.CreatedAt.Add(s.past.CompactEvery), nil
}

func newCompacted() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "featurestore_compacted_rows_total",
		Help: "Rows that compactions in this process removed, since others superseded them or since they were past retention."}, []string{"group", "reason"})
}

func (s *Store) count(group *registry.Group, before, now Compacted) {
	s.compacted.WithLabelValues(group.Name, "superseded").Add(float64(now.Superseded - before.Superseded))
	s.compacted.WithLabelValues(group.Name, "retention").Add(float64(now.Retired - before.Retired))
}
