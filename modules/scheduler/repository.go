package scheduler

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"featurestore/app/database"
	"featurestore/app/fault"
	"featurestore/modules/runs"
)

//go:embed migrations
var migrations embed.FS

// repository is the module's tables. A change of an occurrence says which state it changes, so that of two processes one succeeds.
type repository struct {
	db  *gorm.DB
	now func(ctx context.Context) (time.Time, error) // the clock of all processes
}

func newRepository(db *gorm.DB, clock func() time.Time) repository {
	r := repository{db: db}
	r.now = func(context.Context) (time.Time, error) { return clock().UTC().Truncate(time.Microsecond), nil } // a process has SQLite to itself
	if database.Postgres(db) {
		r.now = r.databaseNow
	}
	return r
}

// databaseNow is PostgreSQL's clock.
func (r repository) databaseNow(ctx context.Context) (time.Time, error) {
	var now database.Micros
	if err := r.db.WithContext(ctx).Raw("SELECT clock_timestamp()").Scan(&now).Error; err != nil {
		return time.Time{}, unavailable(fmt.Errorf("read the database's clock: %w", err))
	}
	return now.Time(), nil
}

// known reads what is known of all schedules, by name.
func (r repository) known(ctx context.Context) (map[string]*scheduleRow, error) {
	var rows []*scheduleRow
	if err := r.db.WithContext(ctx).Find(&rows).Error; err != nil {
		return nil, unavailable(fmt.Errorf("read how schedules stand: %w", err))
	}
	known := make(map[string]*scheduleRow, len(rows))
	for _, row := range rows {
		known[row.Name] = row
	}
	return known, nil
}

// change makes one transaction of a change of what is known of a schedule, which is the only one meanwhile. fresh stands where nothing is known yet.
func (r repository) change(ctx context.Context, fresh scheduleRow, change func(tx *gorm.DB, row *scheduleRow) error) error {
	err := r.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		if database.Postgres(tx) { // whoever falls asleep in here does not hold up the others for longer
			if err := tx.Exec("SET LOCAL idle_in_transaction_session_timeout = '10s'").Error; err != nil {
				return err
			}
		}
		if err := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&fresh).Error; err != nil {
			return err
		}
		locked := tx
		if database.Postgres(tx) { // SQLite has one transaction that writes at a time
			locked = tx.Clauses(clause.Locking{Strength: "UPDATE"})
		}
		var row scheduleRow
		if err := locked.Take(&row, "name = ?", fresh.Name).Error; err != nil {
			return err
		}
		if err := change(tx, &row); err != nil {
			return err
		}
		return tx.Exec("UPDATE scheduler_schedules SET times = ?, decided_to = ?, paused_at = ?, group_name = ?, missed = ?, told = ? WHERE name = ?",
			row.Times, row.DecidedTo, row.PausedAt, row.GroupName, row.Missed, row.Told, row.Name).Error
	})
	if err != nil {
		return unavailable(fmt.Errorf("change how the schedule %s stands: %w", fresh.Name, err))
	}
	return nil
}

// insert adds occurrences and answers how many; those of ticks that there are already stay as they are.
func (r repository) insert(tx *gorm.DB, rows []occurrenceRow) (int64, error) {
	if len(rows) == 0 {
		return 0, nil
	}
	done := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&rows)
	return done.RowsAffected, done.Error
}

// open are all occurrences that have not ended, the oldest first.
func (r repository) open(db *gorm.DB, schedule string) ([]*Occurrence, error) {
	query := db.Where("ended_at IS NULL").Order("id")
	if schedule != "" {
		query = query.Where("schedule = ?", schedule)
	}
	return read(query)
}

// of reads occurrences of a schedule before one, the newest first; before 0: from the newest on.
func (r repository) of(ctx context.Context, schedule string, before int64, limit int) ([]*Occurrence, error) {
	query := r.db.WithContext(ctx).Where("schedule = ?", schedule).Order("id DESC").Limit(limit)
	if before != 0 {
		query = query.Where("id < ?", before)
	}
	return read(query)
}

// last reads the newest occurrence of a schedule that no call asked for; nil: there is none.
func (r repository) last(db *gorm.DB, schedule string) (*Occurrence, error) {
	found, err := read(db.Where("schedule = ? AND NOT by_hand", schedule).Order("id DESC").Limit(1))
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0], nil
}

// newest reads the newest occurrence of each schedule, by its name.
func (r repository) newest(ctx context.Context) (map[string]*Occurrence, error) {
	found, err := read(r.db.WithContext(ctx).Where("id IN (SELECT max(id) FROM scheduler_occurrences GROUP BY schedule)"))
	if err != nil {
		return nil, err
	}
	of := make(map[string]*Occurrence, len(found))
	for _, o := range found {
		of[o.Schedule] = o
	}
	return of, nil
}

func read(query *gorm.DB) ([]*Occurrence, error) {
	var rows []occurrenceRow
	if err := query.Find(&rows).Error; err != nil {
		return nil, unavailable(fmt.Errorf("read the ticks of schedules: %w", err))
	}
	found := make([]*Occurrence, len(rows))
	for i := range rows {
		found[i] = rows[i].occurrence()
	}
	return found, nil
}

// move brings an occurrence from one state to the next; false: it is not in that state any more.
func (r repository) move(ctx context.Context, o *Occurrence, from State) (bool, error) {
	ids := ""
	if len(o.Runs) > 0 {
		text, err := json.Marshal(o.Runs)
		if err != nil {
			return false, err
		}
		ids = string(text)
	}
	given := func(t time.Time) *database.Micros {
		if t.IsZero() {
			return nil
		}
		return micros(t)
	}
	done := r.db.WithContext(ctx).Exec("UPDATE scheduler_occurrences SET state = ?, reason = ?, run_ids = ?, outcome = ?, missed = ?, ordered_at = ?, ended_at = ? WHERE id = ? AND state = ?",
		o.State, o.Reason, ids, o.Outcome, o.Missed, given(o.OrderedAt), given(o.EndedAt), o.ID, from)
	if done.Error != nil {
		return false, unavailable(fmt.Errorf("bring a tick of the schedule %s on: %w", o.Schedule, done.Error))
	}
	return done.RowsAffected > 0, nil
}

// forget removes occurrences that ended before a time, and what is known of schedules that are not among those named and had no tick since.
func (r repository) forget(ctx context.Context, before time.Time, names []string) error {
	db, since := r.db.WithContext(ctx), database.MicrosOf(before)
	if err := db.Exec("DELETE FROM scheduler_occurrences WHERE ended_at < ?", since).Error; err != nil {
		return unavailable(fmt.Errorf("forget old ticks of schedules: %w", err))
	}
	known, err := r.known(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		delete(known, name)
	}
	for name := range known {
		if err := db.Exec("DELETE FROM scheduler_schedules WHERE name = ? AND decided_to < ? AND missed = ''", name, since).Error; err != nil {
			return unavailable(fmt.Errorf("forget the schedule %s: %w", name, err))
		}
	}
	return nil
}

// worst is the state of runs that says most of what went wrong.
func worst(states []runs.State) runs.State {
	for _, state := range []runs.State{runs.Failed, runs.Held, runs.Cancelled, runs.Skipped, runs.Succeeded} {
		for _, s := range states {
			if s == state {
				return state
			}
		}
	}
	return runs.Skipped
}

// unavailable makes a fault of an error that says that the database cannot be used just now.
func unavailable(err error) error {
	if err == nil || !database.Busy(err) && !database.Unavailable(err) {
		return err
	}
	busy := fault.New(fault.Busy, "schedules-unavailable", "the database of schedules cannot be used just now; try again").Because(err)
	busy.RetryAfter = 2
	return busy
}
