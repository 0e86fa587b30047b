package runs

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"time"

	"gorm.io/gorm"

	"featurestore/app/database"
	"featurestore/app/fault"
)

//go:embed migrations
var migrations embed.FS

// runRow is a row of the table runs.
type runRow struct {
	ID              int64 `gorm:"primaryKey"`
	Kind            string
	Subject         string
	State           State
	Submitted       bool
	Parameters      string
	Progress        string
	Result          string
	Reason          string
	Attempts        int
	Owner           string
	LeaseUntil      database.Micros
	CancelRequested bool
	CreatedAt       database.Micros
	StartedAt       *database.Micros
	FinishedAt      *database.Micros
}

func (runRow) TableName() string { return "runs" }

func (row *runRow) run() Run {
	timeOf := func(m *database.Micros) time.Time {
		if m == nil {
			return time.Time{}
		}
		return m.Time()
	}
	jsonOf := func(text string) json.RawMessage {
		if text == "" {
			return nil
		}
		return json.RawMessage(text)
	}
	return Run{
		ID: row.ID, Kind: row.Kind, Subject: row.Subject, State: row.State,
		Parameters: jsonOf(row.Parameters), Progress: jsonOf(row.Progress), Result: jsonOf(row.Result),
		Reason: row.Reason, Attempts: row.Attempts,
		CreatedAt: row.CreatedAt.Time(), StartedAt: timeOf(row.StartedAt), FinishedAt: timeOf(row.FinishedAt),
		CancelRequested: row.CancelRequested,
	}
}

// repository is the table runs. Every change of a run says which state it changes, so that of two processes one succeeds.
type repository struct{ db *gorm.DB }

func (r repository) get(ctx context.Context, id int64) (Run, error) {
	var row runRow
	found := r.db.WithContext(ctx).Limit(1).Find(&row, "id = ?", id)
	if found.Error != nil {
		return Run{}, unavailable(fmt.Errorf("read run %d: %w", id, found.Error))
	}
	if found.RowsAffected == 0 {
		return Run{}, fault.New(fault.NotFound, "unknown-run", "there is no run %d; finished ones are kept for a while only", id).
			At("id", fmt.Sprint(id), "is no run")
	}
	return row.run(), nil
}

func (r repository) list(ctx context.Context, filter Filter) ([]Run, error) {
	query := r.db.WithContext(ctx).Order("id DESC").Limit(filter.Limit)
	if filter.Kind != "" {
		query = query.Where("kind = ?", filter.Kind)
	}
	if filter.Subject != "" {
		query = query.Where("subject = ?", filter.Subject)
	}
	if filter.State != "" {
		query = query.Where("state = ?", filter.State)
	}
	if filter.Before != 0 {
		query = query.Where("id < ?", filter.Before)
	}
	var rows []runRow
	if err := query.Find(&rows).Error; err != nil {
		return nil, unavailable(fmt.Errorf("list runs: %w", err))
	}
	found := make([]Run, len(rows))
	for i := range rows {
		found[i] = rows[i].run()
	}
	return found, nil
}

func (r repository) earliest(ctx context.Context, kind, subject string, since time.Time) (int64, bool, error) {
	var id *int64
	err := r.db.WithContext(ctx).Raw("SELECT min(id) FROM runs WHERE kind = ? AND subject = ? AND (finished_at IS NULL OR finished_at >= ?)",
		kind, subject, database.MicrosOf(since)).Scan(&id).Error
	if err != nil || id == nil {
		return 0, false, unavailable(err)
	}
	return *id, true, nil
}

// containing reads the finished runs whose results, or last progress, have a text in them.
func (r repository) containing(ctx context.Context, text string) ([]Run, error) {
	var rows []runRow
	err := r.db.WithContext(ctx).Order("id").Find(&rows, "finished_at IS NOT NULL AND (result LIKE ? OR progress LIKE ?)", "%"+text+"%", "%"+text+"%").Error
	if err != nil {
		return nil, unavailable(fmt.Errorf("look through the results of runs: %w", err))
	}
	found := make([]Run, len(rows))
	for i := range rows {
		found[i] = rows[i].run()
	}
	return found, nil
}

// redact replaces the result of a run, and gives up its last progress.
func (r repository) redact(ctx context.Context, id int64, result string) error {
	err := r.db.WithContext(ctx).Exec("UPDATE runs SET result = ?, progress = '' WHERE id = ?", result, id).Error
	return unavailable(err)
}

func (r repository) insert(ctx context.Context, row *runRow) error {
	if err := r.db.WithContext(ctx).Create(row).Error; err != nil {
		return unavailable(fmt.Errorf("store a run: %w", err))
	}
	return nil
}

// queued finds the run of that kind, subject and parameters that nobody has started, if there is one.
func (r repository) queued(ctx context.Context, kind, subject, parameters string) (Run, bool, error) {
	var row runRow
	found := r.db.WithContext(ctx).Limit(1).Find(&row, "state = ? AND kind = ? AND subject = ? AND parameters = ?", Queued, kind, subject, parameters)
	return row.run(), found.RowsAffected > 0, unavailable(found.Error)
}

// kindsQueued lists the kinds of which something waits to be started.
func (r repository) kindsQueued(ctx context.Context) ([]string, error) {
	var kinds []string
	err := r.db.WithContext(ctx).Raw("SELECT DISTINCT kind FROM runs WHERE state = 'queued'").Scan(&kinds).Error
	return kinds, err
}

// claim gives the oldest queued run of a kind to a process.
func (r repository) claim(ctx context.Context, kind, owner string, now, leaseUntil time.Time) (Run, bool, error) {
	oldest := "SELECT id FROM runs WHERE state = 'queued' AND kind = ? ORDER BY id LIMIT 1"
	if database.Postgres(r.db) {
		oldest += " FOR UPDATE SKIP LOCKED"
	}
	var row runRow
	claimed := r.db.WithContext(ctx).Raw("UPDATE runs SET state = 'running', owner = ?, started_at = ?, lease_until = ?, attempts = attempts + 1, progress = ''"+
		" WHERE id = ("+oldest+") AND state = 'queued' RETURNING *",
		owner, database.MicrosOf(now), database.MicrosOf(leaseUntil), kind).Scan(&row)
	return row.run(), claimed.RowsAffected > 0, claimed.Error
}

// finish ends a run that the process still holds; false: it does not.
func (r repository) finish(ctx context.Context, id int64, owner string, state State, result, reason string, now time.Time) (bool, error) {
	done := r.db.WithContext(ctx).Exec("UPDATE runs SET state = ?, result = ?, reason = ?, finished_at = ?, owner = '' WHERE id = ? AND owner = ? AND state = 'running'",
		state, result, reason, database.MicrosOf(now), id, owner)
	return done.RowsAffected > 0, done.Error
}

// requeue gives a run back that the process still holds.
func (r repository) requeue(ctx context.Context, id int64, owner string) error {
	return r.db.WithContext(ctx).Exec("UPDATE runs SET state = 'queued', owner = '', started_at = NULL, attempts = attempts - 1 WHERE id = ? AND owner = ? AND state = 'running'",
		id, owner).Error
}

// requestCancel ends a queued run and marks a running one.
func (r repository) requestCancel(ctx context.Context, id int64, now time.Time) error {
	err := r.db.WithContext(ctx).Exec("UPDATE runs SET state = 'cancelled', cancel_requested = ?, reason = ?, finished_at = ? WHERE id = ? AND state = 'queued'",
		true, reasonCancelled, database.MicrosOf(now), id).Error
	if err == nil {
		err = r.db.WithContext(ctx).Exec("UPDATE runs SET cancel_requested = ? WHERE id = ? AND state = 'running'", true, id).Error
	}
	if err != nil {
		return unavailable(fmt.Errorf("cancel run %d: %w", id, err))
	}
	return nil
}

func (r repository) saveProgress(ctx context.Context, id int64, owner, progress string) error {
	return r.db.WithContext(ctx).Exec("UPDATE runs SET progress = ? WHERE id = ? AND owner = ? AND state = 'running'", progress, id, owner).Error
}

func (r repository) renew(ctx context.Context, owner string, leaseUntil time.Time) error {
	return r.db.WithContext(ctx).Exec("UPDATE runs SET lease_until = ? WHERE owner = ? AND state = 'running'", database.MicrosOf(leaseUntil), owner).Error
}

// held lists what a process works on according to the table: id → whether it is to be cancelled.
func (r repository) held(ctx context.Context, owner string) (map[int64]bool, error) {
	var rows []runRow
	if err := r.db.WithContext(ctx).Select("id", "cancel_requested").Find(&rows, "state = ? AND owner = ?", Running, owner).Error; err != nil {
		return nil, err
	}
	held := make(map[int64]bool, len(rows))
	for _, row := range rows {
		held[row.ID] = row.CancelRequested
	}
	return held, nil
}

// takeBack ends the runs whose lease ended before now: submitted ones are queued again, unless they were cancelled or tried too
// often; the others have failed.
func (r repository) takeBack(ctx context.Context, now time.Time, maxAttempts int) (taken int64, err error) {
	micros := database.MicrosOf(now)
	var expired bool
	err = r.db.WithContext(ctx).Raw("SELECT EXISTS (SELECT 1 FROM runs WHERE state = 'running' AND lease_until < ?)", micros).Scan(&expired).Error
	if err != nil || !expired {
		return 0, err
	}
	err = r.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		for _, step := range []struct {
			sql  string
			args []any
		}{
			{"UPDATE runs SET state = 'cancelled', reason = ?, finished_at = ?, owner = '' WHERE state = 'running' AND lease_until < ? AND cancel_requested = ?",
				[]any{reasonCancelled, micros, micros, true}},
			{"UPDATE runs SET state = 'failed', reason = ?, finished_at = ?, owner = '' WHERE state = 'running' AND lease_until < ? AND submitted = ?",
				[]any{"the process that did it ended before it was finished", micros, micros, false}},
			{"UPDATE runs SET state = 'failed', reason = ?, finished_at = ?, owner = '' WHERE state = 'running' AND lease_until < ? AND attempts >= ?",
				[]any{fmt.Sprintf("given up: %d processes ended while they worked on it", maxAttempts), micros, micros, maxAttempts}},
			{"UPDATE runs SET state = 'queued', owner = '', started_at = NULL WHERE state = 'running' AND lease_until < ?",
				[]any{micros}},
		} {
			done := tx.Exec(step.sql, step.args...)
			if done.Error != nil {
				return done.Error
			}
			taken += done.RowsAffected
		}
		return nil
	})
	return taken, err
}

// forget removes runs that finished before a time.
func (r repository) forget(ctx context.Context, before time.Time) error {
	return r.db.WithContext(ctx).Exec("DELETE FROM runs WHERE finished_at < ?", database.MicrosOf(before)).Error
}

// unavailable makes a fault of an error that says that the database cannot be used just now.
func unavailable(err error) error {
	if err == nil || !database.Busy(err) && !database.Unavailable(err) {
		return err
	}
	busy := fault.New(fault.Busy, "runs-unavailable", "the database of runs cannot be used just now; try again").Because(err)
	busy.RetryAfter = 2
	return busy
}
