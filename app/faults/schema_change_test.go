package faults

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/store/storetest/servers"
)

// Two processes share the stores. One adds features to a group while the other, which learns of them later, keeps writing rows
// that are whole as far as it knows: these have not observed the new features, and leave what was observed of them as it is.
// The control is such a row that says it was written under the new schema.
func TestASchemaChangeBetweenCheckAndInsert(t *testing.T) {
	postgres, redis := servers.StartPostgres(t), servers.StartRedis(t, servers.RedisOptions{Fsync: "no"})
	settings := append(onServers(postgres, redis), "FEATURESTORE_REGISTRY_POLL=2s")
	writer, changer := newProgram(t, settings...), newProgram(t, settings...)
	writer.start(t)
	define(t, writer)
	changer.start(t)
	writer.mustWrite(t, "steady", 0)

	var written atomic.Int64
	stop, stopped := make(chan struct{}), make(chan error)
	go func() {
		for n := int64(1); ; n++ {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			status, _, err := writer.write("steady", n)
			if err != nil || status != http.StatusOK {
				stopped <- fmt.Errorf("write %d: %d %v", n, status, err)
				return
			}
			written.Store(n)
		}
	}()
	const changes = 20
	for i := range changes {
		feature := fmt.Sprint("added_", i)
		mustCall(t, "POST", changer.registry+"/apply",
			`{"groups": [{"name": "numbers", "entity_type": "account", "features": [{"name": "`+feature+`", "value_type": "INTEGER"}]}]}`, nil)
		status, answer, err := call("POST", changer.store+"/store/account/observed", fmt.Sprintf(`{%q: %d}`, feature, i))
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status, answer)
		for range 3 { // at least these are written under the schema that the writer knows, or has just learned
			writer.mustWrite(t, "observed", int64(i))
		}
	}
	before := written.Load()
	await(t, time.Minute, "writes go on", func() error {
		if n := written.Load(); n < before+50 {
			return fmt.Errorf("%d more", n-before)
		}
		return nil
	})
	close(stop)
	require.NoError(t, <-stopped)

	awaitCatalog(t, writer, fmt.Sprint("added_", changes-1))
	for _, p := range []*program{writer, changer} {
		for i := range int64(changes) {
			feature := fmt.Sprint("added_", i)
			require.Equal(t, one{Value: &i, Status: "PRESENT"}, p.getOnline(t, "observed", feature))
			require.Equal(t, one{Status: "NOT_FOUND"}, p.getOnline(t, "steady", feature))
		}
	}
	last := written.Load()
	require.Equal(t, one{Value: &last, Status: "PRESENT"}, changer.getOnline(t, "steady", "n"))

	db := connect(t, postgres.URL())
	numbers := findTable(t, db, "numbers")
	tx, err := db.Begin(context.Background())
	require.NoError(t, err)
	numbers.insert(t, tx, "observed", 1) // whole under the newest version
	require.NoError(t, tx.Commit(context.Background()))
	changer.materialize(t, "incremental")
	require.Equal(t, one{Status: "NULL_VALUE"}, changer.getOnline(t, "observed", "added_0"), "the control wipes it")
	t.Logf("measured: %d features added by another process during %d writes, none of them wiped or made up", changes, last)
}

// awaitCatalog waits until a process knows a feature.
func awaitCatalog(t *testing.T, p *program, feature string) {
	t.Helper()
	await(t, time.Minute, "the process learns of "+feature, func() error {
		status, answer, err := call("GET", p.store+"/get/account/steady/"+feature, "")
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("%d %s", status, answer)
		}
		return err
	})
}

// One process, which does not reach Redis, changes the definitions and stores under them; the other, which has not heard of it, brings
// the rows online and is asked. It must notice: what it does not know of it would leave out for good, and a value that was widened it
// would take for a null.
func TestDefinitionsThatAnotherProcessHasChanged(t *testing.T) {
	postgres, redis := servers.StartPostgres(t), servers.StartRedis(t, servers.RedisOptions{Fsync: "no"})
	settings := append(onServers(postgres, redis), "FEATURESTORE_REGISTRY_POLL=3s")
	changer := newProgram(t, append(settings, stillTicker, "FEATURESTORE_REDIS_URL=redis://"+freeAddress(t))...)
	behind := newProgram(t, append(settings, "FEATURESTORE_MATERIALIZATION_INTERVAL=10ms")...)
	behind.start(t)
	define(t, behind)
	changer.start(t)
	changer.mustWrite(t, "steady", 0)

	const changes = 20
	for i := range changes {
		feature := fmt.Sprint("added_", i)
		mustCall(t, "POST", changer.registry+"/apply",
			`{"groups": [{"name": "numbers", "entity_type": "account", "features": [{"name": "`+feature+`", "value_type": "INTEGER"}]}]}`, nil)
		mustCall(t, "POST", changer.store+"/store/account/steady", fmt.Sprintf(`{%q: %d}`, feature, i), nil)
	}
	await(t, time.Minute, "the copies are in step", func() error {
		for i := range int64(changes) {
			status, answer, err := call("GET", behind.store+fmt.Sprintf("/get/account/steady/added_%d", i), "")
			if err != nil || status != http.StatusOK || !strings.Contains(answer, fmt.Sprintf(`"value":%d,`, i)) {
				return fmt.Errorf("added_%d: %d %s %v", i, status, answer, err)
			}
		}
		return nil
	})
	for i := range int64(changes) {
		require.Equal(t, one{Value: &i, Status: "PRESENT"}, behind.getOnline(t, "steady", fmt.Sprint("added_", i)))
	}

	mustCall(t, "POST", changer.store+"/store/account/steady", `{"draft": 1}`, nil)
	awaitCatalog(t, behind, "draft")
	at := time.Now().UTC().Add(time.Minute).Format(time.RFC3339)
	mustCall(t, "POST", changer.store+"/store/account/steady", `{"draft": 1.5}`, nil)
	for _, path := range []string{"/history/account/steady?features=draft&at=" + at, "/history/account/steady?features=draft&limit=1", "/explain/account/steady/draft"} {
		status, answer, err := call("GET", behind.store+path, "")
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status, answer)
		require.Contains(t, answer, "1.5", path)
	}
}
