// Package app is the program as a value: it builds the modules that the settings ask for, connects them, serves their routes, and
// stops them in the reverse order.
package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"
	"gorm.io/gorm"

	"featurestore/app/database"
	"featurestore/app/httpapi"
	"featurestore/config"
	"featurestore/modules/batch"
	"featurestore/modules/materialization"
	"featurestore/modules/registry"
	"featurestore/modules/runs"
	"featurestore/modules/scheduler"
	"featurestore/modules/store"
	"featurestore/modules/validation"
	"featurestore/modules/validation/alerts"
)

// App is one process of the program.
type App struct {
	config *config.Config
	log    *slog.Logger
	folder *folder // nil: nothing is embedded
	server *server
	db     *gorm.DB // definitions and runs
	values *storage
	work   *runs.Runs

	pipelines *pipelines
	copies    *materialization.Materialization // nil: another role's
	parts     []part                           // in the order in which they start
	begun     int                              // how many of them have started
	checks    []check
	mount     func() error // begins to answer
}

// part is what starts and stops.
type part struct {
	name  string
	start func(context.Context) error
	stop  func()
}

// New takes the addresses and the data, and builds the modules. Nothing works before Start, but what New took is given back by
// Stop only.
func New(ctx context.Context, c *config.Config, log *slog.Logger) (_ *App, err error) {
	a := &App{config: c, log: log}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	if c.Embedded() {
		if a.folder, err = openFolder(c.Data); err != nil {
			return nil, err
		}
	}
	if a.server, err = listen(ctx, c.HTTP.Listen); err != nil {
		return nil, err
	}
	if a.db, err = openDatabase(ctx, c, a.folder, log); err != nil {
		return nil, err
	}
	if err := foreign(database.BelongTo(ctx, a.db, c.Environment)); err != nil {
		return nil, unchanged(err)
	}
	if a.values, err = openStorage(ctx, c, a.folder, log); err != nil {
		return nil, err
	}

	metrics := newMetrics()
	router := echo.New()
	options := []httpapi.Option{httpapi.Observe(metrics.observe), httpapi.Elsewhere(a.elsewhere)}
	if c.ReadOnly {
		options = append(options, httpapi.ReadOnly(reads))
	}
	api := httpapi.New(router, ThisVersion().Version, log, options...)
	mounts := newMounts(c, api, log, options)

	work := runs.New(a.db, c.Runs, time.Now, log)
	a.work = work
	plans := batch.NewCompiler(c.Batch)
	definitions, err := registry.New(a.db, c.Registry, log.With("module", "registry"), alerts.ReceiverKind(), validation.BaselineKind(), validation.RuleKind(),
		batch.PipelineKind(plans), scheduler.ScheduleKind())
	if err != nil {
		return nil, err
	}
	a.addReading("registry", definitions.Start, definitions.Stop)
	a.addReading("engines", func(ctx context.Context) error { return a.values.claim(ctx, definitions.Installation()) }, a.values.rest)
	values := store.New(c.Store, definitions, work, a.values.offline, a.values.online, time.Now, log)
	values.KeepHistory(c.History)
	if !c.ReadOnly {
		definitions.KeepPast(c.History.Horizon, c.History.CompactEvery)
		definitions.Guards = values.Guards()
	}
	values.PublishWith(materialization.Publications{Runs: work})
	mounts.of(config.Registry, definitions.Routes)
	profiles := validation.NewProfiles(a.db, c.Validation, definitions, values.Values(), values.Tables(), work, time.Now, log)
	values.TraceWith(profiles)
	told, err := alerts.New(a.db, c.Alerts, alerts.Defined{Registry: definitions}, time.Now, log)
	if err != nil {
		return nil, err
	}
	work.TellTo(watch{definitions, told})
	// Every process that writes judges what it writes; the role is for what is done besides.
	judging := validation.New(c.Validation, validation.Parts{
		DB: a.db, Definitions: definitions, Runs: work, Values: values.Values(), Told: told, Profiles: profiles, Clock: time.Now, Log: log,
	})
	values.CheckWith(judging)
	values.ForgetWith(judging)
	metrics.registry.MustRegister(judging.Counts())
	a.add("validation", judging.Start, judging.Stop) // stops after whatever writes
	mounts.of(config.Validation, profiles.Routes, judging.Routes, told.Routes, func(api huma.API) { alerts.DefinitionRoutes(api, definitions) })
	if c.Has(config.Validation) {
		a.add("alerts", told.Start, told.Stop)
		a.add("profiles", profiles.Start, profiles.Stop)
		profiles.HandleRuns()
		ticker := judging.Ticker()
		a.add("rules in time", ticker.Start, ticker.Stop)
		judging.HandleRuns()
		metrics.registry.MustRegister(told, judging)
	}
	mounts.of(config.Store, values.Routes)
	if mounts.serves(config.Store) {
		starting := values.StartAnswering
		if c.Has(config.Store) {
			starting = values.Start
			values.HandleRuns()
			metrics.registry.MustRegister(values)
		}
		if c.ReadOnly {
			a.addReading("store", values.StartReading, values.Stop)
		}
		a.add("store", starting, values.Stop)
	}
	if mounts.serves(config.Materialization) {
		copies := materialization.New(c.Materialization, definitions, values, work, time.Now, log)
		mounts.of(config.Materialization, copies.Routes)
		if c.Has(config.Materialization) {
			a.copies = copies
			a.add("materialization", copies.Start, copies.Stop)
			copies.HandleRuns()
			metrics.registry.MustRegister(copies)
		}
	}
	pipelines := newPipelines(c, a.folder, batch.Parts{Definitions: definitions, Plans: plans, Runs: work, Values: values, Clock: time.Now, Log: log}, judging.Guards())
	a.pipelines = pipelines
	mounts.of(config.Batch, pipelines.routes)
	if mounts.serves(config.Batch) {
		a.add("batch", pipelines.Start, pipelines.Stop)
		if c.Has(config.Batch) {
			pipelines.HandleRuns()
			metrics.registry.MustRegister(pipelines)
		}
	}
	a.add("runs", work.Start, work.Stop) // last: it begins to do what was submitted to the others
	metrics.registry.MustRegister(work)
	mounts.everywhere(work.Routes, values.RunRoutes)
	if mounts.serves(config.Scheduler) {
		schedules := scheduler.New(c.Scheduler, scheduler.Parts{
			DB: a.db, Definitions: definitions, Runs: work, Pipelines: pipelines, Told: missedSchedules{told}, Clock: time.Now, Log: log,
		})
		mounts.of(config.Scheduler, schedules.Routes)
		if c.Has(config.Scheduler) {
			a.add("scheduler", schedules.Start, schedules.Stop)
			metrics.registry.MustRegister(schedules)
		}
	}

	a.checks = []check{
		{"registry", false, a.pingDatabase},
		{"offline store", true, a.values.offline.Ping},
		{"online store", true, a.values.online.Ping},
	}
	mounts.everywhere(a.mountHealth, a.mountSettings)
	metrics.mount(router)
	mountDocs(router, api)
	mountHome(router, c.Has(config.Web))
	if c.Has(config.Web) {
		if err := mountWeb(router, mounts.page, c, log); err != nil {
			return nil, err
		}
	}
	guard := httpapi.Guard{Hosts: c.HTTP.AllowedHosts, Origins: c.HTTP.TrustedOrigins, RequestID: rand.Text()[:6]}
	if c.HTTP.AccessLog {
		guard.AccessLog = log
	}
	handler, err := guard.Wrap(api)
	if err != nil {
		return nil, refuse("http.trusted_origins: %v", err)
	}
	a.mount = func() error { a.server.serve(handler, log); return nil }
	return a, nil
}

// add adds a part that changes something by itself, which nothing does in a process that only reads.
func (a *App) add(name string, start func(context.Context) error, stop func()) {
	if !a.config.ReadOnly {
		a.addReading(name, start, stop)
	}
}

func (a *App) addReading(name string, start func(context.Context) error, stop func()) {
	a.parts = append(a.parts, part{name, start, stop})
}

// Start starts the modules and answers requests. After an error, Stop gives back what was taken.
func (a *App) Start(ctx context.Context) error {
	for _, p := range a.parts {
		if err := p.start(context.WithoutCancel(ctx)); err != nil {
			var refusal *Refusal
			if errors.As(err, &refusal) {
				return err
			}
			return fmt.Errorf("start %s: %w", p.name, err)
		}
		a.begun++
	}
	return a.mount()
}

// Addresses are those that the app listens on, in the order of http.listen; a port 0 is replaced by the one that was found.
func (a *App) Addresses() []string { return a.server.addresses() }

// Failed gives the reason if the app can answer no more although nobody has stopped it.
func (a *App) Failed() <-chan error { return a.server.failed }

// Stop ends the app: readiness turns, requests under way finish within http.grace, then the modules stop, the last first. What
// was acknowledged is stored.
func (a *App) Stop() error {
	err := a.server.stop(a.config.HTTP.Grace)
	for ; a.begun > 0; a.begun-- {
		a.parts[a.begun-1].stop()
	}
	return errors.Join(err, a.close())
}

// close gives back what New took.
func (a *App) close() error {
	var errs []error
	if a.values != nil {
		errs = append(errs, a.values.close())
	}
	if a.db != nil {
		errs = append(errs, database.Close(a.db))
	}
	if a.server != nil {
		a.server.close()
	}
	if a.folder != nil {
		errs = append(errs, a.folder.close())
	}
	return errors.Join(errs...)
}

// openDatabase opens the database of definitions and runs, with its tables up to date.
func openDatabase(ctx context.Context, c *config.Config, f *folder, log *slog.Logger) (db *gorm.DB, err error) {
	log = log.With("module", "database")
	switch {
	case c.ReadOnly:
		db, err = database.OpenPostgresReading(ctx, c.Postgres.URL.Reveal(), registrySchema(c), log)
	case c.Engines.Registry == config.Postgres:
		db, err = database.OpenPostgres(ctx, c.Postgres.URL.Reveal(), registrySchema(c), log)
	default:
		db, err = database.OpenSQLite(ctx, f.file("registry.db"), log)
	}
	if err != nil {
		return nil, unchanged(err)
	}
	for _, migrate := range []func(context.Context, *gorm.DB) error{runs.Migrate, registry.Migrate, alerts.Migrate, validation.Migrate, scheduler.Migrate} {
		if err := migrate(ctx, db); err != nil {
			return nil, errors.Join(unchanged(err), database.Close(db))
		}
	}
	return db, nil
}

// registrySchema is where definitions and runs are: the values' schema holds nothing but values.
func registrySchema(c *config.Config) string { return c.Postgres.Schema + "_registry" }

func (a *App) pingDatabase(ctx context.Context) error {
	pool, err := a.db.DB()
	if err != nil {
		return err
	}
	return pool.PingContext(ctx)
}

// Migrate brings all tables up to date and changes nothing else, but that with adopt the databases are stamped with this environment's
// name, whatever they carry.
func Migrate(ctx context.Context, c *config.Config, adopt bool, log *slog.Logger) (err error) {
	if c.ReadOnly {
		return refuse("read_only is set, and to migrate is to write: run it without")
	}
	a := &App{config: c, log: log}
	defer func() { err = errors.Join(err, a.close()) }()
	if c.Embedded() {
		if a.folder, err = openFolder(c.Data); err != nil {
			return err
		}
	}
	if a.db, err = openDatabase(ctx, c, a.folder, log); err != nil {
		return err
	}
	if adopt {
		err = database.Adopt(ctx, a.db, c.Environment)
	} else {
		err = foreign(database.BelongTo(ctx, a.db, c.Environment))
	}
	if err != nil {
		return err
	}
	if a.values, err = openStorage(ctx, c, a.folder, log); err != nil || !adopt {
		return err
	}
	return a.values.adopt(ctx)
}
