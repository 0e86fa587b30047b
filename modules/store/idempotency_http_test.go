package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/app/httpapi/httpapitest"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/store/table"
)

var badKeys = []badCase{
	{"an empty key", storeOne, `{"vip": true}`, "Idempotency-Key: ", 400, "invalid-idempotency-key", "header.Idempotency-Key"},
	{"a key of 256 characters", storeOne, `{"vip": true}`, "Idempotency-Key: " + strings.Repeat("k", 256), 400, "invalid-idempotency-key", "header.Idempotency-Key"},
	{"a key with a tab", storeOne, `{"vip": true}`, "Idempotency-Key: a\tb", 400, "invalid-idempotency-key", "header.Idempotency-Key"},
	{"a key beyond ASCII", storeOne, `{"vip": true}`, "Idempotency-Key: schlüssel", 400, "invalid-idempotency-key", "header.Idempotency-Key"},
	{"a bad key for many rows", storeAll, `{"rows": [{"entity_id": "1", "features": {"vip": true}}]}`, "Idempotency-Key: ", 400, "invalid-idempotency-key", "header.Idempotency-Key"},
	{"a bad key for a load", load, "customer_id,avg_order_value\n1,2\n", rowsCSV + "|Idempotency-Key: ", 400, "invalid-idempotency-key", "header.Idempotency-Key"},
	{"a bad key for a load that goes on after its answer", load, "customer_id,avg_order_value\n1,2\n", rowsCSV + "|Prefer: respond-async|Idempotency-Key: ", 400,
		"invalid-idempotency-key", "header.Idempotency-Key"},
	{"a bad value with a key", storeOne, `{"vip": 2}`, "Idempotency-Key: bad-value", 422, "invalid-observation", "vip"},
	{"the same bad value with the same key", storeOne, `{"vip": 2}`, "Idempotency-Key: bad-value", 422, "invalid-observation", "vip"},
	{"a body that is none with a key", storeOne, `{"vip": `, "Idempotency-Key: bad-value", 400, "invalid-json", "vip"},
	{"a bad load with a key", load, "customer_id,avg_order_value\n1,much\n", rowsCSV + "|Idempotency-Key: bad-load", 422, "bad-rows", "row 1"},
	{"a load into nothing with a key", "POST /rows/nothing", "customer_id,x\n1,1\n", rowsCSV + "|Idempotency-Key: bad-load", 404, "unknown-group", "group"},
	{"an empty load with a key", load, "", rowsCSV + "|Idempotency-Key: bad-load", 400, "empty-body", "body"},
}

// withKey is a request of each sort that takes a key. Sent twice without one it makes two rows of an event group.
var withKey = []struct{ name, request, body, headers string }{
	{"one observation", "POST /store/customer/once", `{"purchases:amount": 1.5}`, ""},
	{"many observations", "POST /store/customer", `{"rows": [{"entity_id": "once", "features": {"purchases:amount": 1.5}}]}`, ""},
	{"a load", "POST /rows/purchases", "customer_id,amount\nonce,1.5\n", rowsCSV},
	{"a load that goes on after its answer", "POST /rows/purchases", "customer_id,amount\nonce,1.5\n", rowsCSV + "|Prefer: respond-async"},
	{"a load of Parquet", "POST /rows/purchases", amountOf(table.Parquet), "Content-Type: application/vnd.apache.parquet"},
	{"a load of an Arrow stream", "POST /rows/purchases", amountOf(table.Arrow), ""},
	{"a load of Parquet that goes on after its answer", "POST /rows/purchases", amountOf(table.Parquet), "Prefer: respond-async"},
	{"a load of an Arrow stream, packed", "POST /rows/purchases", gzipped(amountOf(table.Arrow)), "Content-Encoding: gzip"},
}

// amountOf is a table with one row of the entity once.
func amountOf(format table.Format) string {
	var b bytes.Buffer
	w, err := table.NewWriter(format, &b, []table.Column{{Name: "customer_id", Type: value.String}, {Name: "amount", Type: value.Float}})
	if err == nil {
		err = w.Write(1, []table.Cell{table.ValueCell(value.OfString("once")), table.ValueCell(value.OfFloat(1.5))})
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err)
	}
	return b.String()
}

// keyServer has an event group and counts its rows.
type keyServer struct{ *served }

func serveKeys(t *testing.T, change ...func(*store.Config)) keyServer {
	s := keyServer{serve(t, change...)}
	s.Run(t, "testdata/http/1_storing.txt")
	return s
}

func (s keyServer) send(t *testing.T, request, body, headers, key string) httpapitest.Answer {
	t.Helper()
	return s.Call(t, request, body, append(headersOf(headers), "Idempotency-Key: "+key)...)
}

func headersOf(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, "|")
}

// stored waits for loads that go on after their answer.
func (s keyServer) stored(t *testing.T) int {
	t.Helper()
	s.settled(t)
	answer := s.Call(t, "GET /rows/purchases?format=csv", "")
	require.Equal(t, 200, answer.Status, answer.Body)
	return strings.Count(answer.Body, "\nonce,")
}

// settled waits until all loads have ended.
func (s keyServer) settled(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for strings.Contains(s.Call(t, "GET /runs?state=running&kind=load", "").Body, `"id"`) {
		require.True(t, time.Now().Before(deadline), "a load does not end")
		time.Sleep(time.Millisecond)
	}
}

func TestTwoKeysAreNone(t *testing.T) {
	s := serveKeys(t)
	request, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+"/store/customer/once", strings.NewReader(`{"purchases:amount": 1.5}`))
	require.NoError(t, err)
	request.Header.Add("Idempotency-Key", "one")
	request.Header.Add("Idempotency-Key", "one")
	response, err := s.Client().Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, 400, response.StatusCode)
	require.Zero(t, s.stored(t))
}

func TestReplaysAreByteForByte(t *testing.T) {
	s := serveKeys(t)
	for i, c := range withKey {
		t.Run(c.name, func(t *testing.T) {
			first := s.send(t, c.request, c.body, c.headers, c.name)
			require.Equal(t, 2, first.Status/100, first.Body)
			require.Empty(t, first.Header.Get("Idempotency-Replayed"))
			for range 3 {
				again := s.send(t, c.request, c.body, c.headers, c.name)
				require.Equal(t, first.Body, again.Body)
				require.Equal(t, first.Status, again.Status)
				require.Equal(t, "true", again.Header.Get("Idempotency-Replayed"))
				for _, header := range []string{"Content-Type", "Location", "Preference-Applied"} {
					require.Equal(t, first.Header.Get(header), again.Header.Get(header))
				}
				s.settled(t)
			}
			require.Equal(t, i+1, s.stored(t))
		})
	}
	for i, c := range withKey { // the control
		for range 2 {
			require.Equal(t, 2, s.Call(t, c.request, c.body, headersOf(c.headers)...).Status/100)
		}
		require.Equal(t, len(withKey)+2*(i+1), s.stored(t), "without a key")
	}
}

// What could not be stored is not remembered.
func TestOutagesDoNotUseKeysUp(t *testing.T) {
	s := serveKeys(t)
	for i, c := range withKey {
		t.Run(c.name, func(t *testing.T) {
			s.down.Store(new("offline"))
			for range 2 {
				answer := s.send(t, c.request, c.body, c.headers, c.name)
				require.Equal(t, 503, answer.Status, answer.Body)
				require.NotEmpty(t, answer.Header.Get("Retry-After"))
			}
			s.down.Store(nil)
			answer := s.send(t, c.request, c.body, c.headers, c.name)
			require.Equal(t, 2, answer.Status/100, answer.Body)
			require.Empty(t, answer.Header.Get("Idempotency-Replayed"))
			require.Equal(t, i+1, s.stored(t))
		})
	}
}

// A request whose key is under way is told to come again; its first sender may have gone meanwhile.
func TestKeysInFlight(t *testing.T) {
	for _, gone := range []bool{false, true} {
		s := serveKeys(t)
		for i, c := range withKey {
			t.Run(c.name, func(t *testing.T) {
				held := make(chan struct{})
				s.held.Store(&held)
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				answered := make(chan int, 1)
				go func() {
					method, path, _ := strings.Cut(c.request, " ")
					request, err := http.NewRequestWithContext(ctx, method, s.URL+path, strings.NewReader(c.body))
					if err == nil {
						request.Header.Set("Idempotency-Key", c.name)
						for _, h := range headersOf(c.headers) {
							name, value, _ := strings.Cut(h, ": ")
							request.Header.Set(name, value)
						}
						if response, err := s.Client().Do(request); err == nil {
							answered <- response.StatusCode
							response.Body.Close()
							return
						}
					}
					answered <- 0
				}()
				await(t, func() bool { return s.waiting.Load() > 0 })
				if gone {
					leave()
					require.Zero(t, <-answered)
				}
				for _, body := range []string{c.body, c.body + "\n"} {
					answer := s.send(t, c.request, body, c.headers, c.name)
					require.Equal(t, 409, answer.Status, answer.Body)
					require.Equal(t, "1", answer.Header.Get("Retry-After"))
					require.Contains(t, answer.Body, "urn:featurestore:problem:idempotency-key-in-flight")
				}
				other := s.Call(t, "POST /store/customer/neighbour", `{"vip": true}`)
				require.Equal(t, 200, other.Status, "requests without a key do not wait: %s", other.Body)
				s.held.Store(nil)
				close(held)
				if !gone {
					require.Equal(t, 2, <-answered/100)
				}
				var answer httpapitest.Answer
				await(t, func() bool {
					answer = s.send(t, c.request, c.body, c.headers, c.name)
					return answer.Status != 409
				})
				require.Equal(t, 2, answer.Status/100, answer.Body)
				if !gone {
					require.Equal(t, "true", answer.Header.Get("Idempotency-Replayed"))
				}
				require.Equal(t, i+1, s.stored(t), "of a load that was broken off nothing is left, of a write all")
			})
		}
	}
}

func await(t *testing.T, ready func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ready(); time.Sleep(time.Millisecond) {
		require.True(t, time.Now().Before(deadline), "it does not come")
	}
}

func TestKeysAreForgotten(t *testing.T) {
	s := serveKeys(t, func(c *store.Config) { c.IdempotencyRetention = time.Microsecond })
	for i, c := range withKey {
		for round := range 2 {
			answer := s.send(t, c.request, c.body, c.headers, c.name)
			require.Equal(t, 2, answer.Status/100, answer.Body)
			require.Empty(t, answer.Header.Get("Idempotency-Replayed"))
			require.Equal(t, 2*i+round+1, s.stored(t))
			s.later.Add(1)
		}
	}

	const many = 1_200 // more than are removed in one step
	var requests []*store.KeyedRequest
	for i := range many {
		requests = append(requests, &store.KeyedRequest{Key: [32]byte{byte(i), byte(i >> 8)}})
	}
	require.NoError(t, s.offline.AppendOnce(t.Context(), nil, requests))
	require.NoError(t, s.offline.AppendOnce(t.Context(), nil, []*store.KeyedRequest{{Key: [32]byte{1, 1, 1}, Keep: time.Hour}}))
	require.NoError(t, s.values.ForgetRequests(t.Context()))
	require.Equal(t, 1, s.remembered(t))
}

// remembered counts the requests that the offline store keeps, those whose time is over too.
func (s keyServer) remembered(t *testing.T) (n int) {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(s.folder, "offline.db")+"?mode=ro")
	require.NoError(t, err)
	defer db.Close()
	require.NoError(t, db.QueryRow("SELECT count(*) FROM __idempotency").Scan(&n))
	return n
}

// Neither a key nor what it was given for can be read where it is kept: an entity that is erased is not there.
func TestKeysAndEntitiesAreNotKept(t *testing.T) {
	s := serveKeys(t)
	for _, c := range withKey[:2] {
		answer := s.send(t, c.request, c.body, c.headers, "a-key-that-is-seen-nowhere "+c.name)
		require.Equal(t, 200, answer.Status, answer.Body)
	}
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(s.folder, "offline.db")+"?mode=ro")
	require.NoError(t, err)
	defer db.Close()
	kept := strings.Join(texts(t, db, "SELECT CAST(key AS TEXT) || fingerprint || answer || outcome FROM __idempotency"), " ")
	require.NotEmpty(t, kept)
	require.NotContains(t, kept, "a-key-that")
	require.NotContains(t, kept, "once")
}
