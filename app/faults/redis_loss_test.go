package faults

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	onlineredis "featurestore/modules/store/redis"
	"featurestore/modules/store/storetest/servers"
)

// Lua's < compares strings by the locale of the server. The control compares the same stamps with it.
func TestRedisUnderAnEnglishLocale(t *testing.T) {
	postgres, redis := servers.StartPostgres(t), servers.StartRedis(t, servers.RedisOptions{Fsync: "no", Locale: "en_US.UTF-8"})
	p := newProgram(t, append(onServers(postgres, redis), stillTicker)...)
	p.start(t)
	define(t, p)

	const pairs = 400
	now := time.Now().UnixMicro()
	random := rand.New(rand.NewPCG(1, 2))
	times := make([][2]int64, pairs) // the earlier one first
	for i := range times {
		a, b := random.Int64N(now), random.Int64N(now)
		times[i] = [2]int64{min(a, b), max(a, b)}
	}
	var done sync.WaitGroup
	for w := range writers {
		done.Go(func() {
			for i := w; i < pairs; i += writers {
				for _, k := range [][]int{{0, 1}, {1, 0}}[i%2] { // in order, and the newer one first
					p.writeAt(t, fmt.Sprint("pair-", i), int64(k), time.UnixMicro(times[i][k]))
				}
			}
		})
	}
	done.Wait()
	for i := range pairs {
		p.requireOnline(t, fmt.Sprint("pair-", i), 1)
	}

	wrong := 0
	for _, pair := range times {
		if command(t, redis, "EVAL", `return ARGV[1] < ARGV[2] and 1 or 0`, "0", stamp(pair[0]), stamp(pair[1])) != "1" {
			wrong++
		}
	}
	require.Positive(t, wrong)
	t.Logf("measured: %d pairs of writes in both orders, each newest value kept; Lua's < has %d of the pairs wrong", pairs, wrong)
}

// stamp is a time as the online rows hold it: big-endian with the sign bit flipped.
func stamp(us int64) string {
	return string(binary.BigEndian.AppendUint64(nil, uint64(us)^1<<63))
}

// After FLUSHALL a late row must not pass for the newest value. The control is a store that compares stamps and nothing else.
func TestALateRowAfterFlushall(t *testing.T) {
	postgres, redis := servers.StartPostgres(t), servers.StartRedis(t, servers.RedisOptions{Fsync: "no"})
	p := newProgram(t, append(onServers(postgres, redis), stillTicker)...)
	p.start(t)
	define(t, p)
	const compareAndSet = `local old = redis.call('HGET', KEYS[1], 'at')
		if not old or tonumber(old) < tonumber(ARGV[1]) then redis.call('HSET', KEYS[1], 'at', ARGV[1], 'n', ARGV[2]) end`

	const accounts = 20
	wrong := 0
	for i := range accounts {
		account, now := fmt.Sprint("flushed-", i), time.Now()
		late := now.Add(-24 * time.Hour)
		p.writeAt(t, account, 2, now)
		command(t, redis, "EVAL", compareAndSet, "1", "control", fmt.Sprint(now.UnixMicro()), "2")
		command(t, redis, "FLUSHALL")
		p.writeAt(t, account, 1, late)
		command(t, redis, "EVAL", compareAndSet, "1", "control", fmt.Sprint(late.UnixMicro()), "1")

		two := int64(2)
		require.Equal(t, one{Value: &two, Status: "PRESENT", Offline: true}, p.get(t, account, "n"))
		require.Equal(t, "PRESENT", p.get(t, "flushed-0", "n").Status, "one that nobody wrote to since")
		if command(t, redis, "HGET", "control", "n") != "2" {
			wrong++
		}
		p.materialize(t, "incremental")
		p.requireOnline(t, account, 2)
	}
	require.Equal(t, accounts, wrong)
	t.Logf("measured: %d late rows after FLUSHALL, no wrong answer; a store that only compares answers %d of them wrongly", accounts, wrong)
}

// A Redis that comes back without the last writes is not believed: no read shows an older value, not for a moment, and the ticker brings
// it up to date.
func TestRedisRestartedWithoutItsLastSecond(t *testing.T) {
	postgres, redis := servers.StartPostgres(t), servers.StartRedis(t, servers.RedisOptions{Fsync: "everysec"})
	p := newProgram(t, onServers(postgres, redis)...)
	p.start(t)
	define(t, p)
	names := make([]string, 40)
	for i := range names {
		names[i] = fmt.Sprint("lost-", i)
	}
	writeAll := func(n int64) {
		for _, name := range names {
			p.mustWrite(t, name, n)
		}
	}
	const restarts = 5
	for round := range int64(restarts) {
		before, after := 2*round+1, 2*round+2
		writeAll(before)
		kept, err := redis.Copy()
		require.NoError(t, err)
		writeAll(after)
		// The ticker has seen the writes: a watermark that is remembered anywhere but in Redis lies beyond them from now on.
		time.Sleep(1500 * time.Millisecond)
		require.NoError(t, redis.Kill())
		require.NoError(t, redis.Restore(kept))
		require.NoError(t, redis.Start())

		await(t, time.Minute, "the online copy is as it was", func() error {
			for _, name := range names {
				got := p.get(t, name, "n")
				require.Equal(t, "PRESENT", got.Status)
				require.Equal(t, after, *got.Value, "%s, offline: %t", name, got.Offline)
				if got.Offline {
					return fmt.Errorf("%s is read offline", name)
				}
			}
			return nil
		})
	}
	t.Logf("measured: %d restarts without the last writes, mended each time", restarts)
}

// The control: a process that goes by the watermark it remembers, instead of the one that came back with the data, never
// notices the loss.
func TestARememberedWatermarkMissesWhatRedisLost(t *testing.T) {
	ctx := context.Background()
	postgres, redis := servers.StartPostgres(t), servers.StartRedis(t, servers.RedisOptions{})
	p := newProgram(t, append(onServers(postgres, redis), stillTicker)...)
	p.start(t)
	define(t, p)
	p.mustWrite(t, "lost", 1)
	group := &registry.Group{About: registry.About{ID: findTable(t, connect(t, postgres.URL()), "numbers").group, Name: "numbers"}}
	engine, err := onlineredis.Open(ctx, onlineredis.Options{URL: redis.URL(), Prefix: "featurestore"})
	require.NoError(t, err)
	defer func() { require.NoError(t, engine.Close()) }()

	kept, err := redis.Copy()
	require.NoError(t, err)
	p.mustWrite(t, "lost", 2)
	p.materialize(t, "incremental")
	remembered, err := engine.State(ctx, group)
	require.NoError(t, err)
	require.NoError(t, redis.Kill())
	require.NoError(t, redis.Restore(kept))
	require.NoError(t, redis.Start())

	var came store.State
	await(t, time.Minute, "Redis answers again", func() error {
		came, err = engine.State(ctx, group)
		return err
	})
	require.NotEqual(t, remembered.Watermark, came.Watermark, "the watermark was lost with the data")
	remembered.Server, err = engine.Run(ctx)
	require.NoError(t, err)
	require.NotEqual(t, came.Server, remembered.Server, "the restart shows")
	swapped, err := engine.Swap(ctx, group, came, remembered)
	require.NoError(t, err)
	require.True(t, swapped)
	p.requireOnline(t, "lost", 1)
	p.materialize(t, "incremental")
	p.requireOnline(t, "lost", 1) // which is wrong, and stays so until a full run
	p.materialize(t, "full")
	p.requireOnline(t, "lost", 2)
}

// The same in the middle of a run: what it had written before the loss counts for nothing.
func TestRedisRestartedInTheMiddleOfARun(t *testing.T) {
	postgres, redis := servers.StartPostgres(t), servers.StartRedis(t, servers.RedisOptions{Fsync: "everysec"})
	p := newProgram(t, onServers(postgres, redis)...)
	p.start(t)
	define(t, p)
	const restarts = 4
	for round := range int64(restarts) {
		status, err := p.load(round)
		require.NoError(t, err)
		require.Equal(t, 200, status)
		kept, err := redis.Copy()
		require.NoError(t, err)
		mustCall(t, "POST", p.store+"/materialize", `{"groups": ["loads"], "mode": "full"}`, nil)
		time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
		require.NoError(t, redis.Kill())
		require.NoError(t, redis.Restore(kept))
		require.NoError(t, redis.Start())

		ids := make([]string, loadRows)
		for i := range ids {
			ids[i] = fmt.Sprint("loaded-", i)
		}
		await(t, time.Minute, "the whole load is online", func() error {
			v, err := p.read(ids, "load", "place") // so many are refused while the online store cannot answer
			if err != nil {
				return err
			}
			for i := range ids {
				load, place := v.Features["load"][i], v.Features["place"][i]
				if load == nil || *load != round || place == nil || *place != int64(i) {
					return fmt.Errorf("%s reads as load %s, place %s", ids[i], shown(load), shown(place))
				}
			}
			return nil
		})
	}
	t.Logf("measured: %d restarts in the middle of a run, %d rows right after each", restarts, loadRows)
}

// A Redis that is emptied once more while it is being brought back looks as it did when the run began: the run must notice.
func TestRedisEmptiedInTheMiddleOfARun(t *testing.T) {
	ctx := context.Background()
	url, schema := servers.Postgres(t)
	redis := servers.StartRedis(t, servers.RedisOptions{Fsync: "no"})
	online := &interrupted{}
	p := newInProcess(t, url, schema, redis.URL(), "featurestore", time.Now, online.wrap)
	accounts := make([]string, 9000)
	for i := range accounts {
		accounts[i] = fmt.Sprint("emptied-", i)
	}
	require.NoError(t, p.writeAll(ctx, accounts, 1, value.NoTime))
	require.NoError(t, p.writeAll(ctx, []string{"emptied-last"}, 1, value.NoTime))

	command(t, redis, "FLUSHALL")
	online.after = func() { command(t, redis, "FLUSHALL") }
	p.materialize(t)
	require.Nil(t, online.after, "the run was interrupted")
	for _, account := range append(accounts, "emptied-last") {
		require.EqualValues(t, 1, p.read(t, account), account)
	}
}

// What is acknowledged while the copy is being brought back is in it when it answers again.
func TestAWriteInTheMiddleOfARun(t *testing.T) {
	ctx := context.Background()
	url, schema := servers.Postgres(t)
	redis := servers.StartRedis(t, servers.RedisOptions{Fsync: "no"})
	online := &interrupted{}
	p := newInProcess(t, url, schema, redis.URL(), "featurestore", time.Now, online.wrap)
	require.NoError(t, p.write(ctx, "known", 1, value.NoTime))

	command(t, redis, "FLUSHALL")
	online.after = func() {
		require.NoError(t, p.write(ctx, "known", 2, value.NoTime))
		require.NoError(t, p.write(ctx, "new", 2, value.NoTime))
	}
	p.materialize(t)
	require.Nil(t, online.after, "the run was interrupted")
	require.EqualValues(t, 2, p.read(t, "known"))
	require.EqualValues(t, 2, p.read(t, "new"))
}

// interrupted is an online store where something happens once, after a run has written its first batch.
type interrupted struct {
	store.Online
	after func() // nil once it has happened
}

func (i *interrupted) wrap(engine store.Online) store.Online {
	i.Online = engine
	return i
}

func (i *interrupted) Merge(ctx context.Context, group *registry.Group, fence int64, unmarked bool, rows []store.PackedRow) (store.Merged, error) {
	merged, err := i.Online.Merge(ctx, group, fence, unmarked, rows)
	if after := i.after; unmarked && after != nil {
		i.after = nil
		after()
	}
	return merged, err
}

// command runs one command and returns its answer as text, "" for nil.
func command(t *testing.T, redis *servers.RedisServer, words ...string) string {
	t.Helper()
	answer, err := redis.Do(words...)
	require.NoError(t, err)
	return answer
}
