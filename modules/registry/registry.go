package registry

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"gorm.io/gorm"

	"featurestore/app/database"
)

// Registry keeps definitions and has the current catalog of them. Its methods are safe for concurrent use.
type Registry struct {
	// Guards are set before Start, by whoever stores values.
	Guards Guards

	// Clock stamps changes; set before Start, time.Now unless said otherwise.
	Clock func() time.Time

	db     *gorm.DB
	config Config
	log    *slog.Logger
	kinds  []*Kind

	changing     sync.Mutex // held by the change under way in this process: others wait here, not in the database
	publishing   sync.Mutex // held while the catalog is replaced
	catalog      atomic.Pointer[Catalog]
	past         past
	installation string
	closed       atomic.Bool // groups may be retired that should not be

	horizon   time.Duration // as KeepPast says
	thinEvery time.Duration
	thinNext  time.Time // not before

	stop context.CancelFunc
	done chan struct{}
}

// Migrate brings the registry's tables up to date.
func Migrate(ctx context.Context, db *gorm.DB) error {
	return database.Migrate(ctx, db, "registry", migrations)
}

// New makes a registry on a database that Migrate has seen. kinds are the definitions of other modules; their names and plurals
// are not those of the registry's own.
func New(db *gorm.DB, config Config, log *slog.Logger, kinds ...*Kind) (*Registry, error) {
	if wrong := config.Validate(); len(wrong) > 0 {
		return nil, wrong[0]
	}
	r := &Registry{
		Clock:  time.Now,
		db:     db,
		config: config,
		log:    log,
		kinds:  append([]*Kind{entityTypeKind, groupKind, featureKind, serviceKind}, kinds...),
		stop:   func() {},
		done:   make(chan struct{}),
	}
	seen := map[string]bool{}
	for _, k := range r.kinds {
		if seen[k.Name] || seen[k.Plural] {
			return nil, fmt.Errorf("two kinds of definitions are called %s, %s", k.Name, k.Plural)
		}
		seen[k.Name], seen[k.Plural] = true, true
	}
	r.catalog.Store(&Catalog{})
	close(r.done)
	return r, nil
}

// Start reads the catalog, and from then on keeps it as new as Config.Poll says, until Stop.
func (r *Registry) Start(ctx context.Context) error {
	var state stateRow
	if err := r.db.WithContext(ctx).Take(&state, 1).Error; err != nil {
		return fmt.Errorf("start the registry: %w", err)
	}
	r.installation = state.Installation
	if _, err := r.Refresh(ctx); err != nil {
		return fmt.Errorf("start the registry: %w", err)
	}
	ctx, r.stop = context.WithCancel(context.WithoutCancel(ctx))
	r.reopen(ctx)
	r.done = make(chan struct{})
	go r.poll(ctx)
	return nil
}

// Stop ends the polling and waits for it. The catalog can still be read.
func (r *Registry) Stop() {
	r.stop()
	<-r.done
}

// Installation identifies this registry among all; the stores that belong to it are stamped with it. Known after Start.
func (r *Registry) Installation() string { return r.installation }

// Catalog is everything that is registered, as this process knows it: its own changes at once, those of others after at most
// Config.Poll and what a query takes.
func (r *Registry) Catalog() *Catalog { return r.catalog.Load() }

// Refresh reads what others have changed, now.
func (r *Registry) Refresh(ctx context.Context) (*Catalog, error) {
	catalog, err := r.newer(ctx, r.db)
	if err != nil {
		return nil, err
	}
	return r.publish(catalog), nil
}

// newer is the catalog with all that is committed, or visible to a transaction. Where the registry was restored to an earlier moment, it is
// read anew.
func (r *Registry) newer(ctx context.Context, db *gorm.DB) (*Catalog, error) {
	catalog := r.catalog.Load()
	after, err := r.since(ctx, db, catalog)
	if err != nil {
		return nil, err
	}
	// Looked at afterwards: what is read and then restored away is noticed the next time.
	if follows, err := follows(ctx, db, catalog.revision, catalog.moment); err != nil || follows {
		return after, unavailable(err)
	}
	if r.Guards.Restored != nil {
		if err := r.Guards.Restored(ctx); err != nil {
			return nil, unavailable(err)
		}
	}
	r.closed.Store(true)
	return r.since(ctx, db, &Catalog{restored: catalog.restored + 1})
}

// since is a catalog with what changed after it.
func (r *Registry) since(ctx context.Context, db *gorm.DB, catalog *Catalog) (*Catalog, error) {
	changed, at, err := readSince(ctx, db, catalog.revision)
	if err != nil {
		return nil, unavailable(fmt.Errorf("read the registry: %w", err))
	}
	return catalog.with(changed, at)
}

// publish makes a catalog the current one unless that is newer already, and answers the newer of the two.
func (r *Registry) publish(catalog *Catalog) *Catalog {
	r.publishing.Lock()
	defer r.publishing.Unlock()
	current := r.catalog.Load()
	if current.restored > catalog.restored || current.restored == catalog.restored && current.revision >= catalog.revision {
		return current
	}
	if catalog.restored > current.restored {
		r.past.forget()
		r.log.Warn("the registry went back to an earlier moment; all definitions were read again", "from", current.revision, "to", catalog.revision)
	}
	r.catalog.Store(catalog)
	return catalog
}

func (r *Registry) poll(ctx context.Context) {
	defer close(r.done)
	ticker := time.NewTicker(r.config.Poll)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		_, err := r.Refresh(ctx)
		if err == nil && r.closed.Load() {
			r.reopen(ctx)
		}
		if err == nil {
			r.thinOnTime(ctx)
		}
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !failing:
			r.log.Warn("the registry cannot be read; the catalog stays as it is", "error", err)
		case err == nil && failing:
			r.log.Info("the registry can be read again")
		}
		failing = err != nil
	}
}
