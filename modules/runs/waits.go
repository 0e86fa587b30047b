package runs

import (
	"context"
	"fmt"
	"strings"

	"featurestore/app/database"
)

// WaitsFor is a sentence about what keeps a queued run from being started; "": nothing but a free worker of a process that does such work.
func (r *Runs) WaitsFor(ctx context.Context, run *Run) (string, error) {
	if run.State != Queued {
		return "", nil
	}
	now, err := r.repository.time(ctx)
	if err != nil {
		return "", err
	}
	if run.NotBefore.After(now.Time()) {
		return "its time, " + instant(run.NotBefore), nil
	}
	if run.Key != "" {
		others, err := r.repository.running(ctx, "concurrency_key = ?", run.Key)
		if err != nil || len(others) > 0 {
			return "the end of run " + numbered(others) + ", which has the same concurrency key", err
		}
	}
	if !run.Heavy {
		return "", nil
	}
	if !run.Now && r.quiet.at(now.Time()) {
		return "the end of quiet hours", nil
	}
	if r.config.Heavy == 0 {
		return "", nil
	}
	others, err := r.repository.running(ctx, "slot > ?", 0)
	if err != nil || len(others) < r.config.Heavy {
		return "", err
	}
	return fmt.Sprintf("a place for heavy runs, of which there are %d (runs.heavy): run %s", r.config.Heavy, numbered(others)), nil
}

func numbered(ids []int64) string {
	words := make([]string, len(ids))
	for i, id := range ids {
		words[i] = fmt.Sprint(id)
	}
	return strings.Join(words, ", ")
}

// time is that of the clock that deadlines go by.
func (r repository) time(ctx context.Context) (at database.Micros, err error) {
	var read struct{ At database.Micros }
	err = r.db.WithContext(ctx).Raw("SELECT ? AS at", r.now()).Scan(&read).Error
	return read.At, unavailable(err)
}

// running lists the runs under way of which a condition is true.
func (r repository) running(ctx context.Context, condition string, arg any) (ids []int64, err error) {
	err = r.db.WithContext(ctx).Raw("SELECT id FROM runs WHERE state = 'running' AND "+condition+" ORDER BY id", arg).Scan(&ids).Error
	return ids, unavailable(err)
}
