package runs

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"featurestore/app/database"
)

// glance is what waits of a kind.
type glance struct {
	Kind    string
	Waiting int64
	Oldest  database.Micros // when the first of them was ordered
	Due     int             // 1: one of them may be started as far as its time goes
	Late    int             // 1: one of them is past its deadline
	At      database.Micros // the clock of deadlines
}

func (r repository) glance(ctx context.Context) (found []glance, err error) {
	now := r.now()
	err = r.db.WithContext(ctx).Raw("SELECT kind, count(*) AS waiting, min(created_at) AS oldest,"+
		" max(CASE WHEN not_before IS NULL OR not_before <= ? THEN 1 ELSE 0 END) AS due, max(CASE WHEN deadline <= ? THEN 1 ELSE 0 END) AS late, ? AS at"+
		" FROM runs WHERE state = 'queued' GROUP BY kind", now, now, now).Scan(&found).Error
	return found, err
}

// claimant is who claims and what it may take.
type claimant struct {
	owner, process string
	now            time.Time // shown as when the run started
	lease          time.Duration
	heavy          int  // places for heavy runs; 0: any number
	quiet          bool // heavy runs that are not AtOnce wait
}

// claimTries is how often a claim is repeated that another process got in the way of.
const claimTries = 3

// claim gives the oldest run of a kind that may be started to a process. Two processes that would start two runs of one key, or fill one
// place for heavy runs, are told apart by the unique indexes.
func (r repository) claim(ctx context.Context, kind string, by claimant) (row runRow, found bool, err error) {
	for range claimTries {
		if row, found, err = r.claimOnce(ctx, kind, by); !database.Duplicate(err) {
			return row, found, err
		}
	}
	return runRow{}, false, nil // it is looked at again
}

func (r repository) claimOnce(ctx context.Context, kind string, by claimant) (row runRow, found bool, err error) {
	slot, heavy := 0, true
	if by.heavy > 0 {
		if slot, err = r.freeSlot(ctx, by.heavy); err != nil {
			return row, false, err
		}
		heavy = slot > 0
	}
	now := r.now()
	oldest := "SELECT q.id FROM runs q WHERE q.state = 'queued' AND q.kind = ? AND (q.not_before IS NULL OR q.not_before <= ?) AND (q.deadline IS NULL OR q.deadline > ?)" +
		" AND (q.heavy = ? OR (? AND (q.at_once = ? OR NOT ?)))" +
		" AND (q.concurrency_key = '' OR NOT EXISTS (SELECT 1 FROM runs o WHERE o.state = 'running' AND o.concurrency_key = q.concurrency_key))" +
		" ORDER BY q.id LIMIT 1"
	if database.Postgres(r.db) {
		oldest += " FOR UPDATE OF q SKIP LOCKED"
	}
	claimed := r.db.WithContext(ctx).Raw("UPDATE runs SET state = 'running', owner = ?, process = ?, started_at = ?, lease_until = ?, heartbeat_at = ?,"+
		" attempts = attempts + 1, token = token + 1, slot = CASE WHEN heavy = ? THEN ? ELSE 0 END, progress = '', reason = ''"+
		" WHERE id = ("+oldest+") AND state = 'queued' RETURNING *",
		by.owner, by.process, database.MicrosOf(by.now), r.in(by.lease), now,
		true, slot, kind, now, now, false, heavy, true, by.quiet).Scan(&row)
	return row, claimed.RowsAffected > 0, claimed.Error
}

// freeSlot is the first free one of so many places for heavy runs; 0: none is.
func (r repository) freeSlot(ctx context.Context, places int) (slot int, err error) {
	var free *int
	err = r.db.WithContext(ctx).Raw("SELECT min(n) FROM (SELECT 1 AS n UNION ALL SELECT slot + 1 FROM runs WHERE state = 'running' AND slot > 0) c"+
		" WHERE n <= ? AND NOT EXISTS (SELECT 1 FROM runs o WHERE o.state = 'running' AND o.slot = c.n)", places).Scan(&free).Error
	if err != nil || free == nil {
		return 0, err
	}
	return *free, nil
}

// claimed is what a process may still change of a run: nothing, once it was claimed again.
const claimed = "id = ? AND owner = ? AND token = ? AND state = 'running'"

// unlocked limits a statement to rows that no publishing transaction has locked in this moment: nobody waits for one.
func (r repository) unlocked(condition string) string {
	if !database.Postgres(r.db) {
		return condition
	}
	return "id IN (SELECT id FROM runs WHERE " + condition + " FOR NO KEY UPDATE SKIP LOCKED)"
}

// finish ends a run that the process still holds; false: it does not. A result takes the place of the progress on the way to it.
func (r repository) finish(ctx context.Context, id int64, owner string, token int64, state State, result, reason string, now time.Time) (bool, error) {
	done := r.db.WithContext(ctx).Exec("UPDATE runs SET state = ?, result = ?, progress = CASE WHEN ? THEN '' ELSE progress END, reason = ?, finished_at = ?, owner = '',"+
		" to_tell = (slow OR watched) WHERE "+claimed,
		state, result, state == Succeeded && result != "", reason, database.MicrosOf(now), id, owner, token)
	return done.RowsAffected > 0, done.Error
}

// again queues a run that the process still holds and that failed; false: it does not, or there is no time left before the deadline, or it
// is to be cancelled.
func (r repository) again(ctx context.Context, run *Run, owner, reason string, wait time.Duration, now time.Time) (bool, error) {
	done := r.db.WithContext(ctx).Exec("UPDATE runs SET state = 'queued', owner = '', started_at = NULL, failures = failures + 1, reason = ?, tries = ?, not_before = ?"+
		" WHERE "+claimed+" AND cancel_requested = ? AND (deadline IS NULL OR deadline > ?)",
		reason, run.ended(now, reason), r.in(wait), run.ID, owner, run.Token, false, r.in(wait))
	return done.RowsAffected > 0, done.Error
}

// requeue gives a run back that the process still holds.
func (r repository) requeue(ctx context.Context, id int64, owner string, token int64) error {
	return r.db.WithContext(ctx).Exec("UPDATE runs SET state = 'queued', owner = '', started_at = NULL, attempts = attempts - 1 WHERE "+claimed,
		id, owner, token).Error
}

// requeueAll gives all submitted runs back that a process still holds.
func (r repository) requeueAll(ctx context.Context, owner string) (int64, error) {
	done := r.db.WithContext(ctx).Exec("UPDATE runs SET state = 'queued', owner = '', started_at = NULL, attempts = attempts - 1"+
		" WHERE owner = ? AND state = 'running' AND submitted = ?", owner, true)
	return done.RowsAffected, done.Error
}

// requestCancel ends a queued run and marks a running one.
func (r repository) requestCancel(ctx context.Context, id int64, now time.Time) error {
	err := r.db.WithContext(ctx).Exec("UPDATE runs SET state = 'cancelled', cancel_requested = ?, reason = ?, finished_at = ?, to_tell = watched WHERE id = ? AND state = 'queued'",
		true, reasonCancelled, database.MicrosOf(now), id).Error
	if err == nil {
		err = r.db.WithContext(ctx).Exec("UPDATE runs SET cancel_requested = ? WHERE id = ? AND state = 'running'", true, id).Error
	}
	if err != nil {
		return unavailable(fmt.Errorf("cancel run %d: %w", id, err))
	}
	return nil
}

// renew shows of some runs that the process that holds them lives. Those it does not know of, because the answer to a claim did not come
// through, are not renewed.
func (r repository) renew(ctx context.Context, ids []int64, owner string, lease time.Duration) error {
	return r.db.WithContext(ctx).Exec("UPDATE runs SET lease_until = ?, heartbeat_at = ? WHERE "+r.unlocked("id IN ? AND owner = ? AND state = 'running'"),
		r.in(lease), r.now(), ids, owner).Error
}

// holding is what the table says of a run that a process works on.
type holding struct {
	ID              int64
	Token           int64
	CancelRequested bool
	Late            bool // it is past its deadline
}

// held lists what a process works on according to the table.
func (r repository) held(ctx context.Context, owner string) (map[int64]holding, error) {
	var rows []holding
	err := r.db.WithContext(ctx).Raw("SELECT id, token, cancel_requested, deadline IS NOT NULL AND deadline <= ? AS late FROM runs WHERE state = 'running' AND owner = ?",
		r.now(), owner).Scan(&rows).Error
	if err != nil {
		return nil, err
	}
	held := make(map[int64]holding, len(rows))
	for _, row := range rows {
		held[row.ID] = row
	}
	return held, nil
}

// takeBack ends the runs whose lease has ended, or all that are running: submitted ones are queued again, unless they were cancelled or tried
// too often; the others have failed. A run that a publishing transaction has locked is left to it.
func (r repository) takeBack(ctx context.Context, all bool, now time.Time, maxDeaths int) (taken int64, err error) {
	condition, args := "state = 'running' AND lease_until < ?", []any{r.now()}
	if all {
		condition, args = "state = 'running'", nil
	}
	var expired bool
	err = r.db.WithContext(ctx).Raw("SELECT EXISTS (SELECT 1 FROM runs WHERE "+condition+")", args...).Scan(&expired).Error
	if err != nil || !expired {
		return 0, err
	}
	err = r.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		lock := ""
		if database.Postgres(r.db) {
			lock = " FOR NO KEY UPDATE SKIP LOCKED"
		}
		var rows []runRow
		if err := tx.Raw("SELECT * FROM runs WHERE "+condition+" ORDER BY id"+lock, args...).Scan(&rows).Error; err != nil {
			return err
		}
		for i := range rows {
			if err := takeBackOne(tx, &rows[i], now, maxDeaths); err != nil {
				return err
			}
		}
		taken = int64(len(rows))
		return nil
	})
	return taken, err
}

func takeBackOne(tx *gorm.DB, row *runRow, now time.Time, maxDeaths int) error {
	state, reason := Failed, ""
	switch {
	case row.CancelRequested:
		state, reason = Cancelled, reasonCancelled
	case !row.Submitted:
		reason = "the process that did it ended before it was finished"
	case row.Attempts-row.Failures >= maxDeaths:
		reason = fmt.Sprintf("given up: %d processes ended while they worked on it", maxDeaths)
	default:
		run := row.run()
		return tx.Exec("UPDATE runs SET state = 'queued', owner = '', started_at = NULL, tries = ? WHERE id = ?",
			run.ended(now, "its process ended, or was not heard of until its lease had ended"), row.ID).Error
	}
	return tx.Exec("UPDATE runs SET state = ?, reason = ?, finished_at = ?, owner = '', to_tell = (slow OR watched) WHERE id = ?",
		state, reason, database.MicrosOf(now), row.ID).Error
}

// tooLate ends the queued runs that are past their deadline: those that were never started are skipped, the others have failed.
func (r repository) tooLate(ctx context.Context, now time.Time) error {
	var rows []runRow
	if err := r.db.WithContext(ctx).Find(&rows, "state = 'queued' AND deadline <= ?", r.now()).Error; err != nil {
		return err
	}
	for i := range rows {
		run := rows[i].run()
		state, reason := Skipped, fmt.Sprintf("it was not started by its deadline, %s", instant(run.Deadline))
		if run.Attempts > 0 {
			state, reason = Failed, reasonLate(run.Deadline)
			if run.Reason != "" {
				reason += "; the attempt before failed: " + run.Reason
			}
		}
		err := r.db.WithContext(ctx).Exec("UPDATE runs SET state = ?, reason = ?, finished_at = ?, to_tell = (slow OR watched) WHERE id = ? AND state = 'queued'",
			state, reason, database.MicrosOf(now), run.ID).Error
		if err != nil {
			return err
		}
	}
	return nil
}

func reasonLate(deadline time.Time) string {
	return fmt.Sprintf("it was not done by its deadline, %s", instant(deadline))
}

// instant is a time as sentences show it.
func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z07:00") }
