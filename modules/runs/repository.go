package runs

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

	UniqueKey      string
	NotBefore      *database.Micros
	Deadline       *database.Micros
	Retries        int
	Backoff        int64 // µs
	Failures       int
	Tries          string // JSON of []Attempt, or empty
	ConcurrencyKey string
	Heavy          bool
	Slot           int // the place for heavy runs that it has; 0: none
	AtOnce         bool
	Forced         bool
	RetryOf        int64
	Schedule       string
	Tick           *database.Micros
	Form           string
	Token          int64
	Process        string
	HeartbeatAt    *database.Micros
	RowCount       *int64
	Inputs         string
	Outputs        string
	Slow           bool
	Watched        bool // its end is told to the Watcher
	ToTell         bool // its end has to be told yet
}

func (runRow) TableName() string { return "runs" }

func (row *runRow) backoff() time.Duration { return time.Duration(row.Backoff) * time.Microsecond }

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
	run := Run{
		ID: row.ID, Kind: row.Kind, Subject: row.Subject, State: row.State,
		Parameters: jsonOf(row.Parameters), Progress: jsonOf(row.Progress), Result: jsonOf(row.Result),
		Reason: row.Reason, Rows: row.RowCount, Inputs: jsonOf(row.Inputs), Outputs: jsonOf(row.Outputs),
		Attempts: row.Attempts, Failures: row.Failures, Retries: row.Retries,
		Process: row.Process, HeartbeatAt: timeOf(row.HeartbeatAt), Token: row.Token,
		Unique: row.UniqueKey, Key: row.ConcurrencyKey, Heavy: row.Heavy, Now: row.AtOnce, Schedule: row.Schedule, Tick: timeOf(row.Tick),
		NotBefore: timeOf(row.NotBefore), Deadline: timeOf(row.Deadline), RetryOf: row.RetryOf, Forced: row.Forced, Slow: row.Slow,
		CreatedAt: row.CreatedAt.Time(), StartedAt: timeOf(row.StartedAt), FinishedAt: timeOf(row.FinishedAt),
		CancelRequested: row.CancelRequested,
	}
	if row.Tries != "" {
		run.Ended = attemptsOf(row.Tries)
	}
	return run
}

// repository is the table runs. Every change of a run says which state it changes, so that of two processes one succeeds.
type repository struct {
	db    *gorm.DB
	clock func() time.Time
}

// now is the clock that leases, deadlines and what is not to be done before a time go by: PostgreSQL's own, which all processes share; with
// SQLite, which one process has to itself, that of the process.
func (r repository) now() clause.Expr { return r.in(0) }

// in is so much later than now.
func (r repository) in(d time.Duration) clause.Expr {
	if database.Postgres(r.db) {
		return clause.Expr{SQL: "(now() + ? * interval '1 microsecond')", Vars: []any{float64(d.Microseconds())}}
	}
	return clause.Expr{SQL: "?", Vars: []any{r.clock().Add(d).UnixMicro()}}
}

func (r repository) get(ctx context.Context, id int64) (Run, error) {
	row, err := r.row(ctx, id)
	return row.run(), err
}

func (r repository) row(ctx context.Context, id int64) (row runRow, err error) {
	found := r.db.WithContext(ctx).Limit(1).Find(&row, "id = ?", id)
	if found.Error != nil {
		return runRow{}, unavailable(fmt.Errorf("read run %d: %w", id, found.Error))
	}
	if found.RowsAffected == 0 {
		return runRow{}, fault.New(fault.NotFound, "unknown-run", "there is no run %d; finished ones are kept for a while only", id).
			At("id", fmt.Sprint(id), "is no run")
	}
	return row, nil
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
	if filter.Schedule != "" {
		query = query.Where("schedule = ?", filter.Schedule)
	}
	if !filter.Since.IsZero() {
		query = query.Where("created_at >= ?", database.MicrosOf(filter.Since))
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

// begin stores a run that its process works on already, and completes row.
func (r repository) begin(ctx context.Context, row *runRow, lease time.Duration) error {
	err := r.db.WithContext(ctx).Raw("INSERT INTO runs (kind, subject, state, submitted, parameters, progress, result, reason, attempts, owner, process, token,"+
		" lease_until, heartbeat_at, cancel_requested, created_at, started_at) VALUES (?, ?, 'running', ?, ?, '', '', '', 1, ?, ?, 1, ?, ?, ?, ?, ?) RETURNING *",
		row.Kind, row.Subject, false, row.Parameters, row.Owner, row.Process,
		r.in(lease), r.now(), false, row.CreatedAt, row.CreatedAt).Scan(row).Error
	if err != nil {
		return unavailable(fmt.Errorf("store a run: %w", err))
	}
	return nil
}

// insertUnique stores a run unless there is one with its unique key; then it reads that one into row.
func (r repository) insertUnique(ctx context.Context, row *runRow) (created bool, err error) {
	for {
		stored := r.db.WithContext(ctx).Clauses(clause.OnConflict{
			Columns:     []clause.Column{{Name: "unique_key"}},
			TargetWhere: clause.Where{Exprs: []clause.Expression{clause.Expr{SQL: "unique_key <> ''"}}},
			DoNothing:   true,
		}).Create(row)
		if stored.Error != nil || stored.RowsAffected > 0 {
			return stored.Error == nil, unavailable(stored.Error)
		}
		var there runRow
		found := r.db.WithContext(ctx).Limit(1).Find(&there, "unique_key = ?", row.UniqueKey)
		if found.Error != nil || found.RowsAffected > 0 {
			*row = there
			return false, unavailable(found.Error)
		} // it was forgotten just now
	}
}

// queued finds the run of that kind, subject and parameters that nobody has started and that waits for nothing, if there is one.
func (r repository) queued(ctx context.Context, kind, subject, parameters string) (Run, bool, error) {
	var row runRow
	found := r.db.WithContext(ctx).Limit(1).Find(&row, "state = ? AND kind = ? AND subject = ? AND parameters = ?"+
		" AND not_before IS NULL AND deadline IS NULL AND schedule = '' AND unique_key = '' AND concurrency_key = '' AND heavy = ?",
		Queued, kind, subject, parameters, false)
	return row.run(), found.RowsAffected > 0, unavailable(found.Error)
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
