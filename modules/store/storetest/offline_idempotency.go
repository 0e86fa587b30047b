package storetest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// keyed is a request with a key of that name, to be remembered for an hour.
func keyed(name string) *store.KeyedRequest {
	return &store.KeyedRequest{Key: sha256.Sum256([]byte(name)), Keep: time.Hour, Remembered: store.Remembered{
		Fingerprint: sha256.Sum256([]byte("request " + name)), Status: 200, Answer: []byte("answer\x00 " + name + "\x01"), Outcome: `"pending"`}}
}

// reserved is the reservation of a load.
func reserved(name string, run int64) *store.KeyedRequest {
	r := keyed(name)
	r.Run, r.Reserved, r.Fingerprint, r.Answer = run, true, [32]byte{}, nil
	return r
}

func (o *offline) recall(request *store.KeyedRequest) *store.Remembered {
	o.Helper()
	found, err := o.store.Recall(o.ctx, request.Key)
	require.NoError(o, err)
	return found
}

// events is a group with a table, whose rows are counted.
func (o *offline) events() *registry.Group {
	o.Helper()
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	return group
}

func once(group *registry.Group, at int64) []*store.Rows {
	return []*store.Rows{RowsOf(group, Seen{TextKey("x"), at, Values{"a": value.OfInt(1)}})}
}

func (o *offline) onceRemembers() {
	group, request := o.events(), keyed("one")
	require.Nil(o, o.recall(request))
	rows := once(group, value.NoTime)
	require.NoError(o, o.store.AppendOnce(o.ctx, rows, []*store.KeyedRequest{request}))
	require.NotZero(o, rows[0].IngestIDs[0])
	require.Equal(o, rows[0].EventTimes[0], request.At, "rows without a time are dated as the request is")
	for range 2 {
		require.Equal(o, &request.Remembered, o.recall(request), "also with bytes that are no text")
		require.Equal(o, 1, o.count(group))
		o.restart()
	}
	require.NoError(o, o.store.AppendOnce(o.ctx, nil, []*store.KeyedRequest{keyed("no rows")}))
	require.NotNil(o, o.recall(keyed("no rows")))
}

func (o *offline) onceKnown() {
	group, first := o.events(), keyed("first")
	require.NoError(o, o.store.AppendOnce(o.ctx, once(group, noon), []*store.KeyedRequest{first}))
	again, other := keyed("first"), keyed("other")
	again.Fingerprint, again.Answer = [32]byte{1}, []byte("another answer")
	for range 2 {
		requests := []*store.KeyedRequest{other, again}
		require.ErrorIs(o, o.store.AppendOnce(o.ctx, append(once(group, noon+1), once(group, noon+2)...), requests), store.ErrKnown)
		require.Equal(o, &first.Remembered, again.Earlier)
		require.Nil(o, other.Earlier)
		require.Nil(o, o.recall(other))
		require.Equal(o, &first.Remembered, o.recall(first))
		require.Equal(o, 1, o.count(group), "nothing was stored")
		o.restart()
	}
	require.NoError(o, o.store.AppendOnce(o.ctx, once(group, noon+1), []*store.KeyedRequest{other}))
	require.Equal(o, 2, o.count(group))
}

func (o *offline) onceRefused() {
	group, request := o.events(), keyed("one")
	o.ensure(WithColumn(group, Column{"d", value.Integer}))
	require.ErrorIs(o, o.store.AppendOnce(o.ctx, once(group, noon), []*store.KeyedRequest{request}), store.ErrOutdated)
	require.Nil(o, o.recall(request), "nothing was stored, so nothing is remembered")
}

// onceConcurrent sends each key from many callers at once, in calls of several keys in any order.
func (o *offline) onceConcurrent() {
	const keys, callers = 120, 12
	group := o.events()
	var stored, known atomic.Int64
	var work sync.WaitGroup
	failures := make(chan error, callers)
	for range callers {
		work.Go(func() {
			waiting := rand.Perm(keys)
			for len(waiting) > 0 {
				n := min(len(waiting), 1+rand.IntN(4))
				var rows []*store.Rows
				var requests []*store.KeyedRequest
				for _, k := range waiting[:n] {
					rows, requests = append(rows, once(group, noon+int64(k))...), append(requests, keyed(fmt.Sprint(k)))
				}
				err := o.store.AppendOnce(o.ctx, rows, requests)
				switch {
				case err == nil:
					stored.Add(int64(n))
					waiting = waiting[n:]
				case errors.Is(err, store.ErrKnown): // without those, the others are sent again
					left := waiting[n:]
					for i, r := range requests {
						if r.Earlier == nil {
							left = append(left[:len(left):len(left)], waiting[i])
						} else {
							known.Add(1)
						}
					}
					waiting = left
				default:
					failures <- err
					return
				}
			}
		})
	}
	work.Wait()
	close(failures)
	require.NoError(o, <-failures)
	require.EqualValues(o, keys, stored.Load())
	require.EqualValues(o, keys*(callers-1), known.Load())
	require.Equal(o, keys, o.count(group))
}

func (o *offline) onceOver() {
	group, short := o.events(), keyed("short")
	short.Keep = 0
	require.NoError(o, o.store.AppendOnce(o.ctx, once(group, noon), []*store.KeyedRequest{short}))
	require.Nil(o, o.recall(short), "its time is over, though it is still there")
	require.NoError(o, o.store.AppendOnce(o.ctx, once(group, noon), []*store.KeyedRequest{keyed("short")}))
	require.Equal(o, 2, o.count(group))
	require.NotNil(o, o.recall(short), "it is remembered anew")

	var requests []*store.KeyedRequest
	for i := range 7 {
		requests = append(requests, keyed(fmt.Sprint(i)))
		requests[i].Keep = 0
	}
	require.NoError(o, o.store.AppendOnce(o.ctx, nil, requests))
	for _, want := range []int{3, 3, 1, 0} {
		removed, err := o.store.Forget(o.ctx, 3)
		require.NoError(o, err)
		require.Equal(o, want, removed)
	}
	require.NotNil(o, o.recall(short), "its time is not over")
}

func (o *offline) onceSettled() {
	a, b, c := keyed("a"), keyed("b"), keyed("c")
	require.NoError(o, o.store.AppendOnce(o.ctx, nil, []*store.KeyedRequest{a, b, c}))
	require.NoError(o, o.store.Settle(o.ctx, [][32]byte{c.Key, a.Key, keyed("nobody's").Key}, `"written"`))
	for request, outcome := range map[*store.KeyedRequest]string{a: `"written"`, b: `"pending"`, c: `"written"`} {
		want := request.Remembered
		want.Outcome = outcome
		require.Equal(o, &want, o.recall(request))
	}
}

func (o *offline) onceReserved() {
	group, mine := o.events(), reserved("load", 5)
	require.NoError(o, o.store.AppendOnce(o.ctx, nil, []*store.KeyedRequest{mine}))
	for _, other := range []*store.KeyedRequest{keyed("load"), reserved("load", 6)} {
		require.ErrorIs(o, o.store.AppendOnce(o.ctx, once(group, noon), []*store.KeyedRequest{other}), store.ErrKnown)
		require.True(o, other.Earlier.Reserved)
		require.EqualValues(o, 5, other.Earlier.Run)
	}
	require.NoError(o, o.store.Release(o.ctx, mine.Key, 6))
	require.NotNil(o, o.recall(mine), "it is not that run's")
	require.NoError(o, o.store.Release(o.ctx, mine.Key, 5))
	require.Nil(o, o.recall(mine))

	require.NoError(o, o.store.AppendOnce(o.ctx, nil, []*store.KeyedRequest{reserved("load", 7)}))
	done := keyed("load")
	done.Run = 7
	require.NoError(o, o.store.AppendOnce(o.ctx, nil, []*store.KeyedRequest{done}), "its own run puts the request in place of the reservation")
	require.Equal(o, &done.Remembered, o.recall(done))
	require.NoError(o, o.store.Release(o.ctx, done.Key, 7))
	require.NotNil(o, o.recall(done), "it is no reservation any more")
	require.Zero(o, o.count(group))
}

// loadOnce brings one row in a load with a key.
func (o *offline) loadOnce(group *registry.Group, request *store.KeyedRequest) error {
	o.Helper()
	load := o.begin(group, request.Run)
	rows := once(group, noon)[0]
	rows.Run = request.Run
	require.NoError(o, load.Add(o.ctx, rows))
	return load.CommitOnce(o.ctx, request)
}

func (o *offline) onceLoad() {
	group := o.events()
	require.NoError(o, o.store.AppendOnce(o.ctx, nil, []*store.KeyedRequest{reserved("load", 5)}))
	first := keyed("load")
	first.Run = 5
	require.NoError(o, o.loadOnce(group, first))
	again := keyed("load")
	again.Run = 6
	require.ErrorIs(o, o.loadOnce(group, again), store.ErrKnown)
	require.Equal(o, &first.Remembered, again.Earlier)
	unreserved := keyed("unreserved")
	unreserved.Run = 7
	require.NoError(o, o.loadOnce(group, unreserved), "a reservation whose time was over is not missed")
	for range 2 {
		require.Equal(o, 2, o.count(group))
		require.Equal(o, &first.Remembered, o.recall(first))
		require.Equal(o, &unreserved.Remembered, o.recall(unreserved))
		o.restart()
	}
	empty := keyed("empty")
	empty.Run = 8
	require.NoError(o, o.begin(group, 8).CommitOnce(o.ctx, empty))
	require.Equal(o, &empty.Remembered, o.recall(empty))
}

func (o *offline) onceLoadTakenOver() {
	group := o.events()
	require.NoError(o, o.store.AppendOnce(o.ctx, nil, []*store.KeyedRequest{reserved("load", 5)}))
	load := o.begin(group, 5)
	require.NoError(o, load.Add(o.ctx, once(group, noon)[0]))
	require.NoError(o, o.store.Release(o.ctx, keyed("load").Key, 5))
	second := keyed("load")
	second.Run = 6
	require.NoError(o, o.loadOnce(group, second))
	late := keyed("load")
	late.Run = 5
	require.ErrorIs(o, load.CommitOnce(o.ctx, late), store.ErrKnown)
	require.EqualValues(o, 6, late.Earlier.Run)
	require.Equal(o, 1, o.count(group))
}
