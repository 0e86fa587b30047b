package store_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/store/storetest"
	"featurestore/modules/store/table"
	"featurestore/modules/validation"
	"featurestore/modules/validation/rules"
)

// registered are the rules of the registry, with what the store tells of them noted.
type registered struct {
	*storetest.LiteralRules
	guards *validation.Guards
}

func (r registered) Guard(group *registry.Group) *rules.Set { return r.guards.Guard(group) }

// serveRuled has the rules that scenarios register.
func serveRuled(t *testing.T) (*served, *storetest.LiteralRules) {
	notes, err := storetest.NewLiteralRules()
	require.NoError(t, err)
	return serveChecking(t, func(definitions *registry.Registry) store.Rules {
		return registered{notes, validation.NewGuards(definitions, slog.New(slog.DiscardHandler))}
	}, store.DefaultHistory()), notes
}

// Every way in, with rules.
func TestHTTPRules(t *testing.T) {
	s, _ := serveRuled(t)
	s.Run(t, "testdata/http_rules/*.txt")
}

// What rules said is told once for each call that was stored, and of one that was refused by those that refused it; not again when the call is repeated.
func TestRulesAreToldOnce(t *testing.T) {
	s, rules := serveRuled(t)
	s.Run(t, "testdata/http_rules/1_writes.txt")
	rules.TakeWritten()
	require.Empty(t, rules.TakeLoads())
	said := func(rule string) storetest.Said { return rules.TakeWritten()[rule] }

	for i, way := range []struct {
		status int
		call   string
		body   string
		header string
		said   storetest.Said
	}{
		{202, "POST /store/customer/a", `{"purchases:amount": -1}`, "Idempotency-Key: told", storetest.Said{Rows: 1, Bad: 1}},
		{202, "POST /store/customer/a", `{"purchases:amount": -1}`, "Idempotency-Key: told", storetest.Said{}},
		{200, "POST /store/customer/a", `{"purchases:amount": 1}`, "", storetest.Said{Rows: 1}},
		{200, "POST /store/customer/a", `{"vip": true}`, "", storetest.Said{}},
		{422, "POST /store/customer/a", `{"purchases:amount": 1, "quantity": -1}`, "", storetest.Said{}}, // by another rule
		{422, "POST /store/customer/a", `{"purchases:amount": 1, "age": 200}`, "", storetest.Said{}},
		{422, "POST /store/customer/a", `{"purchases:amount": "x"}`, "", storetest.Said{}},
		{202, "POST /store/customer", `{"rows": [{"entity_id": 1, "features": {"purchases:amount": 1}}, {"entity_id": 2, "features": {"purchases:amount": -1}}]}`, "", storetest.Said{Rows: 2, Bad: 1}},
		{200, "POST /push", `{"push_source_name": "purchases", "df": {"customer_id": [1, 2, 3], "amount": [1, -1, 1], "event_timestamp": ["2026-05-01T10:00:00", "2026-05-01T10:00:00", "2026-05-01T10:00:00"]}}`,
			"", storetest.Said{Rows: 3, Bad: 1}},
		{422, "POST /push", `{"push_source_name": "purchases", "df": {"customer_id": [1], "amount": [1], "quantity": [0], "event_timestamp": ["2026-05-01T10:00:00"]}}`, "", storetest.Said{}},
	} {
		answer := s.Call(t, way.call, way.body, headersOf(way.header)...)
		require.Equal(t, way.status, answer.Status, answer.Body)
		require.Equal(t, way.said, said("amount_range"), "%d %s", i, way.body)
	}
	require.Empty(t, rules.TakeLoads())

	const good = "customer_id,amount\n1,1\n2,-1\n"
	for _, header := range []string{"", "Idempotency-Key: told-load", "Prefer: respond-async"} {
		answer := s.Call(t, "POST /rows/purchases", good, headersOf(strings.Trim(rowsCSV+"|"+header, "|"))...)
		if answer.Status == 202 {
			answer = s.Call(t, "GET "+answer.Header.Get("Location")+"?wait=60s", "")
		}
		told := rules.TakeLoads()
		require.Len(t, told, 1)
		require.Contains(t, answer.Body, fmt.Sprintf(`"validation_run_id":%d`, 1000+told[0].Run))
		require.True(t, told[0].Stored)
		require.Equal(t, storetest.Said{Rows: 2, Bad: 1}, told[0].Rules["amount_range"])
	}
	s.Call(t, "POST /rows/purchases", good, rowsCSV, "Idempotency-Key: told-load")
	require.Empty(t, rules.TakeLoads(), "a repeated load is not told again")

	answer := s.Call(t, "POST /rows/purchases", "customer_id,amount,quantity\n1,1,1\n2,-1,0\n", rowsCSV)
	require.Equal(t, 422, answer.Status)
	told := rules.TakeLoads()
	require.Len(t, told, 1)
	require.False(t, told[0].Stored)
	require.Equal(t, storetest.Said{Rows: 2, Bad: 1}, told[0].Rules["quantity_positive"])

	answer = s.Call(t, "POST /rows/profile", "customer_id,vip\n1,true\n", rowsCSV)
	require.Equal(t, 200, answer.Status)
	told = rules.TakeLoads()
	require.Len(t, told, 1, "a group has more than row rules")
	require.True(t, told[0].Stored)

	for _, body := range []string{"customer_id,amount\n1,x\n", "customer_id,amount\n"} {
		s.Call(t, "POST /rows/purchases", body, rowsCSV)
		require.Empty(t, rules.TakeLoads(), "nothing was loaded")
	}
	require.Empty(t, rules.TakeWritten())
}

// A call whose commit has to be repeated, since definitions or the ledger of erased entities have changed meanwhile, is judged again, told of
// once, and in quarantine once.
func TestRulesAreToldOnceWhereACommitIsRepeated(t *testing.T) {
	s, rules := serveRuled(t)
	s.Run(t, "testdata/http_rules/1_writes.txt")
	group, _ := s.definitions.Catalog().Group("purchases")
	waiting := func() int {
		entries, err := s.offline.ListQuarantined(t.Context(), store.QuarantineFilter{Groups: []*registry.Group{group}})
		require.NoError(t, err)
		return len(entries)
	}
	rules.TakeWritten()
	for _, refusal := range []error{store.ErrOutdated, store.ErrUnchecked} {
		for _, header := range []string{"", "Idempotency-Key: repeated " + refusal.Error()} {
			for call, body := range map[string]string{
				"POST /store/customer/r": `{"purchases:amount": -1, "vip": true}`,
				"POST /push":             `{"push_source_name": "purchases", "df": {"customer_id": ["r"], "amount": [-1], "event_timestamp": ["2026-05-01T10:00:00"]}}`,
			} {
				before := waiting()
				s.refuses.Store(&refusal)
				answer := s.Call(t, call, body, headersOf(strings.ReplaceAll(header, "repeated", call))...)
				require.Equal(t, 2, answer.Status/100, answer.Body)
				require.Nil(t, s.refuses.Load())
				require.Equal(t, storetest.Said{Rows: 1, Bad: 1}, rules.TakeWritten()["amount_range"])
				require.Equal(t, before+1, waiting())
			}
		}
	}
	failure := errors.New("connection refused")
	s.refuses.Store(&failure)
	answer := s.Call(t, "POST /store/customer/r", `{"purchases:amount": -1}`)
	require.Equal(t, 503, answer.Status)
	require.Empty(t, rules.TakeWritten(), "of what was not stored nothing is told")
}

// A row that rules keep out, of an entity that is erased between that and the commit, does not come into quarantine. The control does not
// compare the ledger's version.
func TestErasedBetweenRulesAndCommit(t *testing.T) {
	for _, blind := range []bool{false, true} {
		s, _ := serveRuled(t)
		s.Run(t, "testdata/http_rules/1_writes.txt")
		s.blind.Store(blind)
		held := make(chan struct{})
		s.held.Store(&held)
		answers := make(chan string)
		go func() {
			answers <- s.Call(t, "POST /store/customer/going?event_time=2026-05-01T10:00:00Z", `{"purchases:amount": -1}`).Body
		}()
		require.Eventually(t, func() bool { return s.waiting.Load() == 1 }, time.Minute, time.Millisecond)
		erasure := s.Call(t, "DELETE /store/customer/going?wait=60s", "")
		require.Contains(t, erasure.Body, `"state":"succeeded"`)
		s.held.Store(nil)
		close(held)
		answer := <-answers
		group, _ := s.definitions.Catalog().Group("purchases")
		entries, err := s.offline.ListQuarantined(t.Context(), store.QuarantineFilter{Groups: []*registry.Group{group}})
		require.NoError(t, err)
		there := slices.ContainsFunc(entries, func(e *store.Quarantined) bool { return e.Key.Encoded == "going" })
		require.Equal(t, blind, there, "in quarantine")
		require.Equal(t, blind, !strings.Contains(answer, `"erased":true`), answer)
	}
}

// What is remembered of a call under its key outlives the erasure of an entity, so it holds no value.
func TestRememberedAnswersHoldNoValues(t *testing.T) {
	s, _ := serveRuled(t)
	s.Run(t, "testdata/http_rules/1_writes.txt")
	for call, body := range map[string]string{
		"POST /store/customer/secretive": `{"purchases:amount": -77.25, "email": "nobody"}`,
		"POST /store/customer":           `{"rows": [{"entity_id": "secretive", "features": {"purchases:amount": -77.25, "email": "nobody"}}]}`,
	} {
		answer := s.Call(t, call, body, "Idempotency-Key: values of "+call)
		require.Contains(t, answer.Body, "-77.25")
		require.NotContains(t, answer.Body, "nobody")
		kept, err := s.offline.Recall(t.Context(), sha256.Sum256([]byte("values of "+call)))
		require.NoError(t, err)
		require.NotEmpty(t, kept.Answer)
		for _, value := range []string{"77.25", "nobody", "secretive"} {
			require.NotContains(t, string(kept.Answer)+kept.Outcome, value)
		}
		require.Equal(t, answer.Body, s.Call(t, call, body, "Idempotency-Key: values of "+call).Body)
	}
}

// Rows of every format are judged, and those that wait say what they observed and where they stood.
func TestLoadsOfEveryFormatAreJudged(t *testing.T) {
	s, _ := serveRuled(t)
	s.Run(t, "testdata/http_rules/1_writes.txt")
	group, _ := s.definitions.Catalog().Group("purchases")
	for _, format := range []table.Format{table.CSV, table.NDJSON, table.JSON, table.JSONRows, table.Parquet, table.Arrow} {
		t.Run(format.String(), func(t *testing.T) {
			answer := s.Call(t, "POST /rows/purchases?file=more."+format.String(), amounts(t, format, 1, -2, 3, -4), "Content-Type: "+format.ContentType())
			require.Equal(t, 200, answer.Status, answer.Body)
			var loaded store.Loaded
			require.NoError(t, json.Unmarshal([]byte(answer.Body), &loaded))
			require.Contains(t, answer.Body, `"received":4,"stored":2,"duplicate":0,"rejected":0,"quarantined":2,"erased":0`)
			entries, err := s.offline.ListQuarantined(t.Context(), store.QuarantineFilter{Groups: []*registry.Group{group}, Run: loaded.Run})
			require.NoError(t, err)
			require.Len(t, entries, 2)
			for i, e := range entries { // those that came later first
				row := int64(4 - 2*i)
				require.Equal(t, store.Source{Way: store.WayLoad, Run: loaded.Run, File: "more." + format.String(), Row: row}, e.Source)
				require.Equal(t, loaded.Entries[1-i], e.ID)
				require.Equal(t, fmt.Sprint("c", row), e.Key.Encoded)
				require.JSONEq(t, fmt.Sprintf(`{"amount": %d.0}`, -row), string(e.Document))
				require.Len(t, e.Broken, 1)
				require.Equal(t, "amount_range", e.Broken[0].Rule)
				require.Equal(t, 1, e.Broken[0].Version)
			}
		})
	}
}

// amounts is a table of rows c1, c2, … with an amount each.
func amounts(t *testing.T, format table.Format, amounts ...float64) string {
	var b bytes.Buffer
	w, err := table.NewWriter(format, &b, []table.Column{{Name: "customer_id", Type: value.String}, {Name: "event_time", Type: value.Timestamp}, {Name: "amount", Type: value.Float}})
	require.NoError(t, err)
	var cells []table.Cell
	for i, amount := range amounts {
		cells = append(cells, table.ValueCell(value.OfString(fmt.Sprint("c", i+1))), table.ValueCell(value.OfTime(noon.UnixMicro())), table.ValueCell(value.OfFloat(amount)))
	}
	require.NoError(t, w.Write(len(amounts), cells))
	require.NoError(t, w.Close())
	return b.String()
}
