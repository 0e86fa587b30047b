package app

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"featurestore/app/fault"
	"featurestore/config"
	"featurestore/modules/store"
	"featurestore/modules/store/postgres"
	"featurestore/modules/store/redis"
	"featurestore/modules/store/sqlite"
)

// storage is where the values are.
type storage struct {
	offline  store.Offline
	online   store.Online
	log      *slog.Logger
	claiming context.CancelFunc // ends the attempts to claim an online store that was not there at the start
	claimed  chan struct{}      // closed when there are no more of them
}

func openStorage(ctx context.Context, c *config.Config, f *folder, log *slog.Logger) (_ *storage, err error) {
	e := &storage{log: log}
	switch c.Engines.Offline {
	case config.Postgres:
		e.offline, err = postgres.Open(ctx, postgres.Options{URL: c.Postgres.URL.Reveal(), Schema: c.Postgres.Schema, ReadOnly: c.ReadOnly})
	default:
		e.offline, err = sqlite.OpenOffline(f.file("offline.db"), sqlite.Options{Log: log.With("module", "sqlite")})
	}
	if err != nil {
		return nil, err
	}
	switch c.Engines.Online {
	case config.Redis:
		e.online, err = redis.Open(ctx, redis.Options{URL: c.Redis.URL.Reveal(), Prefix: c.Redis.Prefix, Environment: c.Environment, ReadOnly: c.ReadOnly})
	default:
		e.online, err = sqlite.OpenOnline(f.file("online.db"), sqlite.Options{Log: log.With("module", "sqlite")})
	}
	if err != nil {
		return nil, errors.Join(err, e.offline.Close())
	}
	return e, nil
}

// claim makes sure that the stores are this installation's. An online store that is not there now is claimed once it is:
// without it the process can work.
func (e *storage) claim(ctx context.Context, installation string) error {
	if err := e.offline.Claim(ctx, installation); err != nil {
		return foreign(err)
	}
	err := e.online.Claim(ctx, installation)
	if _, conflict := fault.As(err); conflict || err == nil {
		return foreign(err)
	}
	e.log.Warn("the online store is not available; reads are answered by the offline store", "error", err)
	ctx, e.claiming = context.WithCancel(ctx)
	e.claimed = make(chan struct{})
	go e.claimLater(ctx, installation)
	return nil
}

func (e *storage) claimLater(ctx context.Context, installation string) {
	defer close(e.claimed)
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := e.online.Claim(ctx, installation)
		if err == nil {
			return
		}
		if _, conflict := fault.As(err); conflict {
			e.log.Error("the online store cannot be used", "error", err)
		}
	}
}

// adopt stamps the online store with this environment's name. That of SQLite belongs to its folder, and has none of its own.
func (e *storage) adopt(ctx context.Context) error {
	if online, ok := e.online.(*redis.Online); ok {
		return online.Adopt(ctx)
	}
	return nil
}

// foreign makes it a refusal that a store belongs to another installation or environment.
func foreign(err error) error {
	if f, ok := fault.As(err); ok {
		return refuse("%s", f.Detail)
	}
	return err
}

// rest ends the attempts to claim.
func (e *storage) rest() {
	if e.claiming != nil {
		e.claiming()
		<-e.claimed
	}
}

func (e *storage) close() error {
	return errors.Join(e.online.Close(), e.offline.Close())
}
