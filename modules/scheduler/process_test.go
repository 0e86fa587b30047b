package scheduler

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"

	"gorm.io/gorm"

	"featurestore/app/database"
	"featurestore/app/fault"
	"featurestore/modules/batch"
	"featurestore/modules/registry"
	"featurestore/modules/runs"
)

// Variables that make the test binary a process that schedules and works.
const (
	processURL      = "SCHEDULER_PROCESS_URL"
	processSchema   = "SCHEDULER_PROCESS_SCHEMA"
	processUnfenced = "SCHEDULER_PROCESS_UNFENCED" // set: what it does asks no fence
)

// shortLease is that of its runs.
const shortLease = time.Second

// process is one of several processes on one database. Its runs bring about effects, which the table effects counts.
func process() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	db, err := database.OpenPostgres(ctx, os.Getenv(processURL), os.Getenv(processSchema), log)
	if err != nil {
		log.Error("no database", "error", err)
		return 1
	}
	definitions, work := worker(db, log)
	s := New(Config{Poll: 100 * time.Millisecond, Grace: 10 * time.Minute, Keep: 24 * time.Hour}, Parts{DB: db, Definitions: definitions, Runs: work, Clock: time.Now, Log: log})
	for _, start := range []func(context.Context) error{definitions.Start, work.Start, s.Start} {
		if err := start(ctx); err != nil {
			log.Error("cannot start", "error", err)
			return 1
		}
	}
	<-ctx.Done()
	s.Stop()
	work.Stop()
	definitions.Stop()
	return 0
}

// worker are the registry and the runs of a process, not yet started.
func worker(db *gorm.DB, log *slog.Logger) (*registry.Registry, *runs.Runs) {
	config := registry.DefaultConfig()
	config.Poll = 100 * time.Millisecond
	definitions, err := registry.New(db, config, log, ScheduleKind(), pipelines(), rules())
	if err != nil {
		panic(err)
	}
	definitions.Guards.InUse = func(context.Context, *registry.Group) (bool, error) { return false, nil }
	lease := runs.DefaultConfig()
	lease.Poll, lease.Lease = 50*time.Millisecond, shortLease
	work := runs.New(db, lease, time.Now, log)
	work.Handle(batch.RunKind, 1, func(_ context.Context, run *runs.Active) (any, error) { return nil, effect(db, run) })
	return definitions, work
}

// effect does what is to be done once for a run, as whoever publishes does it: look what is there, compute, and commit what it comes to if the run is
// still this process's. It does not listen to its context, as work cannot that is asleep.
func effect(db *gorm.DB, run *runs.Active) error {
	ctx := context.Background()
	var done int64
	if err := db.WithContext(ctx).Raw("SELECT count(*) FROM effects WHERE run = ?", run.ID()).Scan(&done).Error; err != nil || done > 0 {
		return err
	}
	time.Sleep(100*time.Millisecond + rand.N(200*time.Millisecond))
	err := db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		if err := tx.Exec("INSERT INTO effects (run, tick, token, process) VALUES (?, ?, ?, ?)", run.ID(), run.Run().Tick, run.Token(), os.Getpid()).Error; err != nil {
			return err
		}
		if os.Getenv(processUnfenced) != "" {
			return nil
		}
		under, is := tx.Statement.ConnPool.(*sql.Tx)
		if !is {
			return errors.New("this is no transaction")
		}
		return run.StillHeld(ctx, querier{under})
	})
	if fault.Is(err, "run-taken") {
		return errors.Join(err, db.WithContext(ctx).Exec("INSERT INTO refused (run, token, process) VALUES (?, ?, ?)", run.ID(), run.Token(), os.Getpid()).Error)
	}
	return err
}

// querier asks in a transaction.
type querier struct{ tx *sql.Tx }

func (q querier) QueryRow(ctx context.Context, sql string, args ...any) runs.Row {
	return q.tx.QueryRowContext(ctx, sql, args...)
}
