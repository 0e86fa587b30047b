package alerts

import (
	"context"
	"embed"
	"fmt"
	"reflect"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"featurestore/app/database"
	"featurestore/app/fault"
)

//go:embed migrations
var migrations embed.FS

// repository is the tables of alerts. Everything that a process decides about a group's alerts it reads after it has locked the
// group, in the transaction that writes it.
type repository struct {
	db *gorm.DB

	// atomically runs a change as one transaction.
	atomically func(ctx context.Context, change func(tx *gorm.DB) error) error
	// lock makes this transaction the only one that changes a group's alerts. In SQLite every transaction that writes is the only one.
	lock func(tx *gorm.DB, group string) error
}

func newRepository(db *gorm.DB) repository {
	return repository{
		db: db,
		atomically: func(ctx context.Context, change func(tx *gorm.DB) error) error {
			return db.WithContext(ctx).Transaction(change)
		},
		lock: func(tx *gorm.DB, group string) error {
			err := tx.Exec("INSERT INTO validation_alert_groups (group_name) VALUES (?) ON CONFLICT DO NOTHING", group).Error
			if err == nil && database.Postgres(tx) {
				err = tx.Exec("SELECT 1 FROM validation_alert_groups WHERE group_name = ? FOR UPDATE", group).Error
			}
			if err != nil {
				return fmt.Errorf("lock the alerts of %s: %w", group, err)
			}
			return nil
		},
	}
}

// lockAll locks groups in an order that all processes keep.
func (r repository) lockAll(tx *gorm.DB, groups []string) error {
	slices.Sort(groups)
	for _, group := range slices.Compact(groups) {
		if err := r.lock(tx, group); err != nil {
			return err
		}
	}
	return nil
}

// databaseClock is the time that all processes agree on: PostgreSQL's; SQLite's only process has its own.
func databaseClock(clock func() time.Time) func(tx *gorm.DB) (time.Time, error) {
	return func(tx *gorm.DB) (time.Time, error) {
		if !database.Postgres(tx) {
			return clock().UTC().Truncate(time.Microsecond), nil
		}
		var now database.Micros
		if err := tx.Raw("SELECT clock_timestamp()").Scan(&now).Error; err != nil {
			return time.Time{}, fmt.Errorf("read the database's clock: %w", err)
		}
		return now.Time(), nil
	}
}

func (r repository) subjects(tx *gorm.DB, group string) (map[key]*subject, error) {
	var rows []subjectRow
	if err := tx.Find(&rows, "group_name = ?", group).Error; err != nil {
		return nil, fmt.Errorf("read the last outcomes of %s: %w", group, err)
	}
	found := make(map[key]*subject, len(rows))
	for _, row := range rows {
		found[key{row.Rule, row.Feature}] = &subject{row.Bad, row.Good, timeOf(row.BadSince), row.LastAt.Time()}
	}
	return found, nil
}

func (r repository) saveSubjects(tx *gorm.DB, group string, changed map[key]*subject) error {
	rows := make([]subjectRow, 0, len(changed))
	for k, s := range changed {
		rows = append(rows, subjectRow{group, k.rule, k.feature, s.bad, s.good, microsOf(s.badSince), database.MicrosOf(s.lastAt)})
	}
	if len(rows) == 0 {
		return nil
	}
	if err := tx.Clauses(clause.OnConflict{UpdateAll: true}).CreateInBatches(rows, 200).Error; err != nil {
		return fmt.Errorf("store the last outcomes of %s: %w", group, err)
	}
	return nil
}

// forgetSubjects removes what is known of a rule on those features.
func (r repository) forgetSubjects(tx *gorm.DB, group, rule string, about func(feature string) bool) error {
	subjects, err := r.subjects(tx, group)
	for k := range subjects {
		if err == nil && k.rule == rule && about(k.feature) {
			err = tx.Exec("DELETE FROM validation_alert_subjects WHERE group_name = ? AND rule = ? AND feature = ?", group, rule, k.feature).Error
		}
	}
	return err
}

// current lists a group's alerts that are open or about to be told of, by id.
func (r repository) current(tx *gorm.DB, group string) ([]*Alert, error) {
	return r.alerts(tx.Where("group_name = ? AND (state <> 'resolved' OR tell_at IS NOT NULL)", group).Order("id"))
}

func (r repository) alerts(query *gorm.DB) ([]*Alert, error) {
	var rows []alertRow
	if err := query.Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("read alerts: %w", err)
	}
	found := make([]*Alert, len(rows))
	for i := range rows {
		alert, err := rows[i].alert()
		if err != nil {
			return nil, err
		}
		found[i] = alert
	}
	return found, nil
}

func (r repository) get(tx *gorm.DB, id int64) (*Alert, error) {
	found, err := r.alerts(tx.Where("id = ?", id))
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fault.New(fault.NotFound, "unknown-alert", "there is no alert %d; resolved ones are kept for a while only", id).
			At("id", fmt.Sprint(id), "is no alert")
	}
	return found[0], nil
}

// save writes an alert; a new one gets its id.
func (r repository) save(tx *gorm.DB, alert *Alert) error {
	row, err := alert.row()
	if err != nil {
		return err
	}
	switch {
	case row.ID == 0:
		err = tx.Create(row).Error
		alert.ID = row.ID
	case reflect.DeepEqual(*row, alert.stored):
		return nil
	default:
		err = tx.Select("*").Updates(row).Error
	}
	if err != nil {
		return fmt.Errorf("store an alert of %s: %w", alert.Group, err)
	}
	alert.stored = *row
	return nil
}

// markRepeats has those told that were last told before a time and still fire.
func (r repository) markRepeats(tx *gorm.DB, before, now time.Time) error {
	err := tx.Exec("UPDATE validation_alerts SET tell_at = ? WHERE state = 'firing' AND muted_by = 0 AND tell_at IS NULL AND told_at <= ?",
		database.MicrosOf(now), database.MicrosOf(before)).Error
	if err != nil {
		return fmt.Errorf("look for alerts to be told again: %w", err)
	}
	return nil
}

// toTell finds what has to be told first.
func (r repository) toTell(tx *gorm.DB, now time.Time) (group string, run int64, found bool, err error) {
	var row alertRow
	first := tx.Select("group_name", "run").Where("tell_at <= ?", database.MicrosOf(now)).Order("tell_at, id").Limit(1).Find(&row)
	if first.Error != nil {
		return "", 0, false, fmt.Errorf("look for alerts to tell of: %w", first.Error)
	}
	return row.GroupName, row.Run, first.RowsAffected > 0, nil
}

// forget removes what ended before a time.
func (r repository) forget(ctx context.Context, before time.Time) error {
	db, micros := r.db.WithContext(ctx), database.MicrosOf(before)
	for _, statement := range []string{
		"DELETE FROM validation_alerts WHERE state = 'resolved' AND tell_at IS NULL AND resolved_at < ?",
		"DELETE FROM validation_silences WHERE until_at < ?",
		"DELETE FROM validation_alert_deliveries WHERE finished_at < ?",
	} {
		if err := db.Exec(statement, micros).Error; err != nil {
			return fmt.Errorf("forget what ended long ago: %w", err)
		}
	}
	return nil
}

// unavailable makes a fault of an error that says that the database cannot be used just now.
func unavailable(err error) error {
	if err == nil || !database.Busy(err) && !database.Unavailable(err) {
		return err
	}
	busy := fault.New(fault.Busy, "alerts-unavailable", "the database of alerts cannot be used just now; try again").Because(err)
	busy.RetryAfter = 2
	return busy
}
