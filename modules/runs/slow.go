package runs

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Watcher is told what somebody should know of runs. It is told at least once, by one process or another; an error has it told again.
type Watcher interface {
	// Slow is told of an ordered run under way that takes much longer than runs of its kind, subject and form did: usual is their median.
	Slow(ctx context.Context, run Run, usual time.Duration) error
	// Ended is told of each run that was slow or that came of an Order, when it has finished, whatever came of it.
	Ended(ctx context.Context, run Run) error
}

// TellTo says who is told. It is called before Start.
func (r *Runs) TellTo(w Watcher) { r.watcher = w }

const (
	slowTimes   = 3  // a run is slow that takes so many times the median
	slowSuccess = 5  // of so many successes at least
	slowNewest  = 20 // and at most
	tellAtOnce  = 100
)

// maxForm is how long parameters may be to tell apart what is compared in time.
const maxForm = 200

// form is what runs are compared by that were asked for without saying so: their parameters. A full run is not measured by incremental ones.
func form(parameters string) string {
	if len(parameters) > maxForm {
		return ""
	}
	return parameters
}

// watch finds out which of the runs under way are slow, and tells what there is to tell.
func (r *Runs) watch(ctx context.Context) error {
	if r.watcher == nil {
		return nil
	}
	now := r.clock()
	for _, a := range r.working() {
		took := now.Sub(a.run.StartedAt)
		if a.slow || took < r.config.SlowAfter || !a.ordered { // what is done inside a request is as large as the caller chose
			continue
		}
		if !a.measured {
			var err error
			if a.usual, err = r.repository.median(ctx, a.run.Kind, a.run.Subject, a.form); err != nil {
				return fmt.Errorf("look how long runs take: %w", err)
			}
			a.measured = true
		}
		if a.usual == 0 || took < slowTimes*a.usual {
			continue
		}
		marked, err := r.repository.markSlow(ctx, a.run.ID, r.owner, a.run.Token)
		if err != nil {
			return fmt.Errorf("mark a slow run: %w", err)
		}
		if !marked { // it is being published just now, or was lost
			continue
		}
		run := a.run
		run.Slow = true
		if err := r.watcher.Slow(ctx, run, a.usual); err != nil {
			r.log.Warn("a slow run could not be told of; it is tried again", "run", run.ID, "error", err)
			continue
		}
		a.slow = true
		r.log.Warn("a run takes much longer than usual", "run", run.ID, "kind", run.Kind, "subject", run.Subject, "so_far", took.Round(time.Millisecond), "usual", a.usual)
	}
	if r.ending.Swap(false) {
		return r.tell(ctx)
	}
	return nil
}

// tell tells of the runs that have finished, whoever did them.
func (r *Runs) tell(ctx context.Context) error {
	if r.watcher == nil {
		return nil
	}
	found, err := r.repository.toTell(ctx, tellAtOnce)
	if err != nil {
		return fmt.Errorf("read what is to be told of runs: %w", err)
	}
	for _, run := range found {
		if err := r.watcher.Ended(ctx, run); err != nil {
			r.log.Warn("the end of a run could not be told; it is tried again", "run", run.ID, "error", err)
			return nil
		}
		if err := r.repository.told(ctx, run.ID); err != nil {
			return fmt.Errorf("note what was told of a run: %w", err)
		}
	}
	return nil
}

// median is how long the last runs took that succeeded; 0: there are too few.
func (r repository) median(ctx context.Context, kind, subject, form string) (time.Duration, error) {
	var rows []runRow
	err := r.db.WithContext(ctx).Select("started_at", "finished_at").Order("id DESC").Limit(slowNewest).
		Find(&rows, "kind = ? AND subject = ? AND form = ? AND state = 'succeeded' AND started_at IS NOT NULL", kind, subject, form).Error
	if err != nil || len(rows) < slowSuccess {
		return 0, err
	}
	took := make([]time.Duration, len(rows))
	for i, row := range rows {
		took[i] = row.FinishedAt.Time().Sub(row.StartedAt.Time())
	}
	slices.Sort(took)
	return max(took[len(took)/2], time.Microsecond), nil
}

func (r repository) markSlow(ctx context.Context, id int64, owner string, token int64) (bool, error) {
	marked := r.db.WithContext(ctx).Exec("UPDATE runs SET slow = ? WHERE "+r.unlocked(claimed), true, id, owner, token)
	return marked.RowsAffected > 0, marked.Error
}

func (r repository) toTell(ctx context.Context, limit int) ([]Run, error) {
	var rows []runRow
	err := r.db.WithContext(ctx).Raw("SELECT * FROM runs WHERE to_tell AND finished_at IS NOT NULL ORDER BY id LIMIT ?", limit).Scan(&rows).Error
	found := make([]Run, len(rows))
	for i := range rows {
		found[i] = rows[i].run()
	}
	return found, err
}

func (r repository) told(ctx context.Context, id int64) error {
	return r.db.WithContext(ctx).Exec("UPDATE runs SET to_tell = ? WHERE id = ?", false, id).Error
}
