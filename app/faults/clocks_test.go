package faults

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/app/database"
	"featurestore/modules/materialization"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/runs"
	"featurestore/modules/store"
	"featurestore/modules/store/postgres"
	"featurestore/modules/store/redis"
	"featurestore/modules/store/storetest/servers"
	"featurestore/modules/store/table"
)

// Two processes whose clocks are two seconds apart write to the same entity in turn. A write that names no time takes that of
// the offline store, so the last one to be acknowledged is the newest. The control dates each write by its own process's clock.
func TestTwoProcessesWithClocksApart(t *testing.T) {
	ctx := context.Background()
	url, schema := servers.Postgres(t)
	redisURL, prefix := servers.Redis(t)
	ahead := func() time.Time { return time.Now().Add(2 * time.Second) }
	processes := []*inProcess{newInProcess(t, url, schema, redisURL, prefix, time.Now, nil), newInProcess(t, url, schema, redisURL, prefix, ahead, nil)}
	require.NoError(t, processes[0].write(ctx, "first", 0, value.NoTime)) // registers the feature
	_, err := processes[1].registry.Refresh(ctx)
	require.NoError(t, err)

	const writes = 200
	wrong := 0
	for n := range int64(writes) {
		writer, reader := processes[n%2], processes[(n+1)%2]
		require.NoError(t, writer.write(ctx, "undated", n, value.NoTime))
		require.Equal(t, n, reader.read(t, "undated"))
		require.NoError(t, writer.write(ctx, "dated", n, writer.clock().UnixMicro()))
		if reader.read(t, "dated") != n {
			wrong++
		}
	}
	require.Positive(t, wrong)
	t.Logf("measured: %d writes in turn, each read back as the newest; dated by the processes' clocks %d are not", writes, wrong)
}

// inProcess is the part of a process that writes and reads, with a clock of its own.
type inProcess struct {
	clock    func() time.Time
	registry *registry.Registry
	runs     *runs.Runs
	store    *store.Store
}

// newInProcess starts one. Its online store is what wrap makes of the engine, if wrap is not nil.
func newInProcess(t *testing.T, url, schema, redisURL, prefix string, clock func() time.Time, wrap func(store.Online) store.Online) *inProcess {
	ctx, log := context.Background(), slog.New(slog.DiscardHandler)
	db, err := database.OpenPostgres(ctx, url, schema+"_registry", log)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, database.Close(db)) })
	require.NoError(t, runs.Migrate(ctx, db))
	require.NoError(t, registry.Migrate(ctx, db))
	p := &inProcess{clock: clock}
	p.registry, err = registry.New(db, registry.DefaultConfig(), log)
	require.NoError(t, err)
	require.NoError(t, p.registry.Start(ctx))
	t.Cleanup(p.registry.Stop)
	offline, err := postgres.Open(ctx, postgres.Options{URL: url, Schema: schema})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, offline.Close()) })
	online, err := redis.Open(ctx, redis.Options{URL: redisURL, Prefix: prefix})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, online.Close()) })
	require.NoError(t, online.Claim(ctx, p.registry.Installation()))
	var wrapped store.Online = online
	if wrap != nil {
		wrapped = wrap(online)
	}
	p.runs = runs.New(db, runs.DefaultConfig(), clock, log)
	p.store = store.New(store.DefaultConfig(), p.registry, p.runs, offline, wrapped, clock, log)
	require.NoError(t, p.store.Start(ctx))
	t.Cleanup(p.store.Stop)
	return p
}

func (p *inProcess) write(ctx context.Context, account string, n, at int64) error {
	return p.writeAll(ctx, []string{account}, n, at)
}

func (p *inProcess) writeAll(ctx context.Context, accounts []string, n, at int64) error {
	observations := make([]store.Observation, len(accounts))
	for i, account := range accounts {
		observations[i] = store.Observation{
			Entity: store.Entity{Path: account}, EventTime: at,
			Fields: []store.Field{{Name: "n", Cell: table.JSONCell(fmt.Sprint(n))}},
		}
	}
	_, err := p.store.Write(ctx, "account", observations)
	return err
}

// materialize brings the group in step as the ticker does.
func (p *inProcess) materialize(t *testing.T) {
	t.Helper()
	group, ok := p.registry.Catalog().Group("account")
	require.True(t, ok)
	m := materialization.New(materialization.DefaultConfig(), p.registry, p.store, p.runs, p.clock, slog.New(slog.DiscardHandler))
	_, err := m.Group(context.Background(), group, materialization.Incremental, nil)
	require.NoError(t, err)
}

func (p *inProcess) read(t *testing.T, account string) int64 {
	t.Helper()
	catalog := p.registry.Catalog()
	entityType, ok := catalog.EntityType("account")
	require.True(t, ok)
	key, err := store.ParseKey(entityType, account)
	require.NoError(t, err)
	n, err := catalog.Resolve("account", "n")
	require.NoError(t, err)
	var cell store.Cell
	await(t, time.Minute, account+" is answered online", func() error { // see getOnline
		answer, err := p.store.Read(context.Background(), store.Read{Rows: 1, Keys: map[string][]store.Key{"account": {key}}, Features: []*registry.Feature{n}})
		require.NoError(t, err)
		if answer.Offline {
			return errors.New("served from the offline store")
		}
		cell = answer.Cells[0]
		return nil
	})
	require.Equal(t, store.Present, cell.Status)
	return cell.Value.Int()
}
