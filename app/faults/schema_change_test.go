package faults

import (
	"context"
	"fmt"
	"net/http"
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
	postgres, redis := servers.StartPostgres(t), servers.StartRedis(t, servers.RedisOptions{})
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
	await(t, 10*time.Second, "writes go on", func() error {
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
			require.Equal(t, one{Value: &i, Status: "PRESENT"}, p.get(t, "observed", feature))
			require.Equal(t, one{Status: "NOT_FOUND"}, p.get(t, "steady", feature))
		}
	}
	last := written.Load()
	require.Equal(t, one{Value: &last, Status: "PRESENT"}, changer.get(t, "steady", "n"))

	db := connect(t, postgres.URL())
	numbers := findTable(t, db, "numbers")
	tx, err := db.Begin(context.Background())
	require.NoError(t, err)
	numbers.insert(t, tx, "observed", 1) // whole under the newest version
	require.NoError(t, tx.Commit(context.Background()))
	changer.materialize(t, "incremental")
	require.Equal(t, one{Status: "NULL_VALUE"}, changer.get(t, "observed", "added_0"), "the control wipes it")
	t.Logf("measured: %d features added by another process during %d writes, none of them wiped or made up", changes, last)
}

// awaitCatalog waits until a process knows a feature.
func awaitCatalog(t *testing.T, p *program, feature string) {
	t.Helper()
	await(t, 10*time.Second, "the process learns of "+feature, func() error {
		status, answer, err := call("GET", p.store+"/get/account/steady/"+feature, "")
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("%d %s", status, answer)
		}
		return err
	})
}
