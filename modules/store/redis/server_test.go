package redis

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"featurestore/modules/registry"
	"featurestore/modules/store"
	"featurestore/modules/store/storetest/servers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func openServer(t *testing.T, server *servers.RedisServer) *Online {
	o, err := Open(context.Background(), Options{URL: server.URL(), Prefix: "test"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, o.Close()) })
	return o
}

func question() []store.Question {
	return []store.Question{{Group: groupOf(1), Marker: "m", Keys: []store.Key{keyOf("customer000001")}}}
}

// A server that hangs is noticed, within some 2.7 s where the machine is not loaded, by who asks first and by those who wait already; the
// write path as well.
func TestAServerThatHangsIsGivenUp(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background()) // as a request's: it can end, and has no deadline
	defer cancel()
	server := servers.StartRedis(t, servers.RedisOptions{})
	o := openServer(t, server)
	read := func() error { _, _, err := o.Read(ctx, question()); return err }
	write := func() error { _, err := o.Merge(ctx, groupOf(1), 0, true, packedRows(3, 0, 2, 1)); return err }
	require.NoError(t, read())
	require.NoError(t, write())
	for range 2 {
		require.NoError(t, server.Freeze())
		var callers sync.WaitGroup
		start := time.Now()
		for i := range 8 {
			callers.Go(func() {
				call := read
				if i%2 == 0 {
					call = write
				}
				if err := call(); err == nil {
					t.Error("a server that hangs has answered")
				}
			})
		}
		callers.Wait()
		require.Less(t, time.Since(start), 10*time.Second)
		require.NoError(t, server.Thaw())
		require.Eventually(t, func() bool { return read() == nil && write() == nil }, time.Minute, 10*time.Millisecond)
	}
}

func TestAServerThatIsNotThereIsConnectedToLater(t *testing.T) {
	ctx := context.Background()
	server := servers.StartRedis(t, servers.RedisOptions{})
	require.NoError(t, server.Stop())
	o := openServer(t, server)
	fastest := time.Hour
	for tries := 0; tries < 20 && fastest >= time.Second; tries++ { // on a machine that is held up one may take longer
		start := time.Now()
		_, _, err := o.Read(ctx, question())
		require.Error(t, err)
		require.Error(t, o.Ping(ctx))
		require.Error(t, o.Claim(ctx, "one"))
		fastest = min(fastest, time.Since(start))
	}
	require.Less(t, fastest, time.Second)
	require.NoError(t, server.Start())
	_, _, err := o.Read(ctx, question())
	require.NoError(t, err)
	require.NoError(t, o.Claim(ctx, "one"))
}

// After a restart the first read and write work, the scripts are known again, and the run is another.
func TestTheServerRestarts(t *testing.T) {
	ctx := context.Background()
	server := servers.StartRedis(t, servers.RedisOptions{})
	o := openServer(t, server)
	g := groupOf(1)
	run, err := o.Run(ctx)
	require.NoError(t, err)
	state := store.State{Marker: "m", Watermark: store.Watermark{Store: "s", Position: "7", TTL: 9}, Fence: 3, Server: run}
	swapped, err := o.Swap(ctx, g, store.State{}, state)
	require.NoError(t, err)
	require.True(t, swapped)
	rows := packedRows(1000, 0, 5, 1)
	_, err = o.Merge(ctx, g, 3, false, rows)
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, server.Kill())
		require.NoError(t, server.Start())
		found, marked, err := o.Read(ctx, []store.Question{{Group: g, Marker: "m", Keys: []store.Key{rows[0].Key}}})
		require.NoError(t, err)
		require.Equal(t, []bool{false}, marked, "it may have lost something")
		require.Equal(t, rows[0].Row, found[0][0])
		merged, err := o.Merge(ctx, g, 3, false, rows)
		require.NoError(t, err)
		require.Equal(t, store.Merged{Older: len(rows), Fence: 3}, merged)
		again, err := o.State(ctx, g)
		require.NoError(t, err)
		require.Equal(t, state, again)
		to := state
		to.Watermark.Position = "8"
		swapped, err := o.Swap(ctx, g, state, to)
		require.NoError(t, err)
		require.False(t, swapped, "this is another run of the server")
	}
	run, err = o.Run(ctx)
	require.NoError(t, err)
	to := state
	to.Server = run
	swapped, err = o.Swap(ctx, g, state, to)
	require.NoError(t, err)
	require.True(t, swapped)
	for range 2 {
		_, marked, err := o.Read(ctx, []store.Question{{Group: g, Marker: "m", Keys: []store.Key{rows[0].Key}}})
		require.NoError(t, err)
		require.Equal(t, []bool{true}, marked)
	}
}

// A server is killed and comes back without its last rows, and with the markers of their groups. No read takes the rows for never
// written, not the first one either, whether there was a read before or not. As a control, the markers alone say that nothing is missing.
func TestAServerThatLostItsLastRowsIsNotBelieved(t *testing.T) {
	ctx := context.Background()
	server := servers.StartRedis(t, servers.RedisOptions{})
	writer, reader, fresh := openServer(t, server), openServer(t, server), openServer(t, server)
	run, err := writer.Run(ctx)
	require.NoError(t, err)
	groups := []*registry.Group{groupOf(1), groupOf(2)}
	rows := packedRows(10, 0, 5, 1)
	questions := []store.Question{{Group: groups[0], Marker: "m", Keys: []store.Key{rows[0].Key}}, {Group: groups[1], Marker: "m", Keys: []store.Key{rows[0].Key}}}
	for _, g := range groups {
		swapped, err := writer.Swap(ctx, g, store.State{}, store.State{Marker: "m", Server: run})
		require.NoError(t, err)
		require.True(t, swapped)
	}
	_, marked, err := reader.Read(ctx, questions)
	require.NoError(t, err)
	require.Equal(t, []bool{true, true}, marked)
	kept, err := server.Copy()
	require.NoError(t, err)
	for _, g := range groups {
		merged, err := writer.Merge(ctx, g, 0, false, rows)
		require.NoError(t, err)
		require.Equal(t, len(rows), merged.Written)
	}
	require.NoError(t, errors.Join(server.Kill(), server.Restore(kept), server.Start()))
	for _, o := range []*Online{reader, fresh, writer} {
		found, marked, err := o.Read(ctx, questions)
		require.NoError(t, err)
		require.Equal(t, []bool{false, false}, marked)
		require.Equal(t, [][]string{{""}, {""}}, found)
		markers, err := o.client.Do(ctx, o.client.B().Mget().Key(o.keys.marker(groups[0]), o.keys.marker(groups[1])).Build()).AsStrSlice()
		require.NoError(t, err)
		require.Equal(t, []string{"m", "m"}, markers, "the control")
	}
	run, err = writer.Run(ctx)
	require.NoError(t, err)
	state, err := writer.State(ctx, groups[0])
	require.NoError(t, err)
	to := state
	to.Server = run
	swapped, err := writer.Swap(ctx, groups[0], state, to) // as a run does that has brought everything
	require.NoError(t, err)
	require.True(t, swapped)
	for _, o := range []*Online{reader, fresh, writer} {
		_, marked, err := o.Read(ctx, questions)
		require.NoError(t, err)
		require.Equal(t, []bool{true, false}, marked)
	}
}

func TestScriptsAreForgottenInBetween(t *testing.T) {
	ctx := context.Background()
	server := servers.StartRedis(t, servers.RedisOptions{})
	o := openServer(t, server)
	rows := packedRows(5000, 0, 5, 1)
	for range 3 {
		require.NoError(t, o.client.Do(ctx, o.client.B().ScriptFlush().Build()).Error())
		merged, err := o.Merge(ctx, groupOf(1), 0, true, rows)
		require.NoError(t, err)
		require.Equal(t, len(rows), merged.Written+merged.Older)
	}
}

func TestAServerThatEvictsIsNotReady(t *testing.T) {
	ctx := context.Background()
	server := servers.StartRedis(t, servers.RedisOptions{Policy: "allkeys-lru"})
	o := openServer(t, server)
	require.ErrorContains(t, o.Ping(ctx), "noeviction")
}

func TestPrefixesThatCouldMeetAnothersKeys(t *testing.T) {
	for _, prefix := range []string{"", "a:b", "a*", "a b", "{a}"} {
		_, err := Open(context.Background(), Options{URL: "redis://127.0.0.1:1", Prefix: prefix})
		require.ErrorContains(t, err, "redis.prefix")
	}
}

// An expiry is only ever moved back.
func TestExpiries(t *testing.T) {
	ctx := context.Background()
	o := open(t)
	g := groupOf(1)
	hour := func(n int) int64 {
		return time.Now().Truncate(time.Second).Add(time.Duration(n) * time.Hour).UnixMilli()
	}
	own := func(key string) int64 {
		at, err := o.client.Do(ctx, o.client.B().Pexpiretime().Key(o.keys.rows(g)+key).Build()).AsInt64()
		require.NoError(t, err)
		return at
	}
	one, two := hour(1), hour(2)
	for i, c := range []struct {
		first, second int64
		at            int64 // of the second row; the first is at 5
		wanted        int64
	}{
		{one, two, 6, two}, {two, one, 6, two}, {one, 0, 6, -1}, {0, one, 6, -1}, // newer
		{one, two, 4, two}, {two, one, 4, two}, {one, 0, 4, -1}, {0, one, 4, -1}, // older
		{one, two, 5, two}, {two, one, 5, two}, {one, 0, 5, -1}, {0, one, 5, -1}, // the same
	} {
		for _, features := range []int{3, 2, 1} { // whole and partial
			rows := append(packedRows(1, 0, 2, 5), packedRows(1, 0, features, c.at)...)
			rows[0].Expires, rows[1].Expires = c.first, c.second
			_, err := o.Merge(ctx, g, 0, true, rows)
			require.NoError(t, err)
			require.Equal(t, c.wanted, own(rows[0].Key.Encoded), "case %d", i)
			_, err = o.Sweep(ctx, g, 0)
			require.NoError(t, err)
		}
	}
}
