package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	feastEntities  = 20_000  // of each of the five groups that are read
	feastHistory   = 500_000 // observations, a hundred of an entity
	feastQuestions = 50_000
)

// beside is Feast with its own configuration, on the PostgreSQL and the Redis of a subject, and with the same data.
type beside struct {
	*subject
	python, program, home string
}

// besideFeast measures Feast where the limit programs stand otherwise: reads by its feature server, its materialization, and a join of
// history by its PostgreSQL store with a data frame. Both sides' answers are compared before they are timed.
func besideFeast(o options, folder string) error {
	s, done, err := newSubject(o, "servers", filepath.Join(folder, "feast"))
	if err != nil {
		return err
	}
	defer done()
	s.report = func(r result) { printLine(os.Stdout, "beside Feast", r) }
	program, err := filepath.Abs("scripts/benchmark/feast/beside.py")
	if err != nil {
		return err
	}
	b := &beside{subject: s, python: o.feast, program: program, home: filepath.Join(folder, "feast", "home")}
	if err := b.configure(); err != nil {
		return err
	}
	var failed []error
	for _, w := range []struct {
		name string
		do   func() error
	}{{"materialize", b.copies}, {"reads", b.reads}, {"history", b.joins}} {
		began := time.Now()
		progress("beside Feast, %s …", w.name)
		if err := w.do(); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", w.name, err))
		}
		progress("beside Feast, %s: %.0f s", w.name, time.Since(began).Seconds())
	}
	return errors.Join(failed...)
}

func (b *beside) configure() error {
	if err := os.MkdirAll(b.home, 0o755); err != nil {
		return err
	}
	postgres, err := pgx.ParseConfig(b.postgres)
	if err != nil {
		return err
	}
	redis, err := url.Parse(b.redis)
	if err != nil {
		return err
	}
	text := fmt.Sprintf(`project: beside
provider: local
registry: {path: registry.db, cache_ttl_seconds: 3600}
online_store: {type: redis, connection_string: "%s"}
offline_store: {type: postgres, host: %s, port: %d, database: %s, db_schema: public, user: %s, password: none, sslmode: disable}
entity_key_serialization_version: 3
`, redis.Host, postgres.Host, postgres.Port, postgres.Database, postgres.User)
	return os.WriteFile(filepath.Join(b.home, "feature_store.yaml"), []byte(text), 0o600)
}

// run calls the program and answers the seconds that it prints.
func (b *beside) run(arguments ...string) ([]float64, error) {
	cmd := exec.Command(b.python, append([]string{b.program}, arguments...)...)
	cmd.Dir, cmd.Env = b.home, b.environment()
	var words bytes.Buffer
	cmd.Stderr = &words
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", arguments[0], err, tail(words.String()))
	}
	var seconds []float64
	for line := range strings.Lines(string(out)) {
		if rest, ok := strings.CutPrefix(line, "seconds "); ok {
			for _, field := range strings.Fields(rest) {
				s, err := strconv.ParseFloat(field, 64)
				if err != nil {
					return nil, err
				}
				seconds = append(seconds, s)
			}
		}
	}
	return seconds, nil
}

func (b *beside) environment() []string {
	client := filepath.Join(filepath.Dir(b.program), "../../python")
	return append(os.Environ(), "FEAST_USAGE=False", "PYTHONDONTWRITEBYTECODE=1", "PYTHONPATH="+client)
}

// table copies a file into a table of Feast's, with the index that its queries can use.
func (b *beside) table(name, path string) error {
	ctx := context.Background()
	connection, err := pgx.Connect(ctx, b.postgres)
	if err != nil {
		return err
	}
	defer connection.Close(ctx)
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := connection.Exec(ctx, `CREATE TABLE `+name+` (customer_id text NOT NULL, event_timestamp timestamptz NOT NULL,
		f0 float8, f1 float8, f2 float8, f3 float8, f4 float8, f5 float8, f6 float8, f7 float8, f8 float8, f9 float8)`); err != nil {
		return err
	}
	if _, err := connection.PgConn().CopyFrom(ctx, file, `COPY `+name+` FROM STDIN (FORMAT csv, HEADER)`); err != nil {
		return err
	}
	_, err = connection.Exec(ctx, `CREATE INDEX ON `+name+` (customer_id, event_timestamp DESC); ANALYZE `+name)
	return err
}

// copies gives both the same data. Into an online store without it: ours by the runs that follow loads, Feast's by materialize.
func (b *beside) copies() error {
	path, history := b.folder+"/reads.csv", b.folder+"/history.csv"
	if err := table(path, observations{entities: feastEntities, perEntity: 1, shuffled: true}); err != nil {
		return err
	}
	if err := table(history, observations{entities: feastHistory / 100, perEntity: 100}); err != nil {
		return err
	}
	var ours time.Duration
	for g := range groupsRead {
		name := "group_" + strconv.Itoa(g)
		took, err := b.published(name, path)
		if err != nil {
			return err
		}
		ours += took
		if err := b.table("feast_"+name, path); err != nil {
			return err
		}
	}
	if err := b.table("feast_history_a", history); err != nil {
		return err
	}
	if _, _, err := load(b.subject, "history_a", history, ""); err != nil {
		return err
	}
	if _, err := b.run("apply"); err != nil {
		return err
	}
	theirs, err := b.run("materialize")
	if err != nil {
		return err
	}
	rows := float64(groupsRead * feastEntities)
	b.report(result{work: fmt.Sprintf("materialize %d × %d entities × 10", groupsRead, feastEntities), unit: "rows/s",
		ours: rows / ours.Seconds(), limit: rows / theirs[0], wanted: 25})
	return nil
}

// published loads a file and answers how long the run took that brought it online.
func (b *beside) published(group, path string) (time.Duration, error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	answer, err := post(b.base+"/rows/"+group+"?wait=5m", "text/csv", file)
	if err != nil {
		return 0, err
	}
	var loaded struct {
		Publication int64 `json:"publication_run_id"`
	}
	if err := json.Unmarshal(answer, &loaded); err != nil {
		return 0, err
	}
	if err := b.settle(loaded.Publication); err != nil {
		return 0, err
	}
	if answer, err = get(fmt.Sprintf("%s/runs/%d", b.base, loaded.Publication)); err != nil {
		return 0, err
	}
	var run struct {
		StartedAt  time.Time `json:"started_at"`
		FinishedAt time.Time `json:"finished_at"`
		Result     struct {
			Written int `json:"rows_written"`
		} `json:"result"`
	}
	if err := json.Unmarshal(answer, &run); err != nil {
		return 0, err
	}
	if run.Result.Written != feastEntities {
		return 0, fmt.Errorf("the run wrote %d of %d rows: another one was first", run.Result.Written, feastEntities)
	}
	return run.FinishedAt.Sub(run.StartedAt), nil
}

// reads sends the same requests to Feast's feature server, of one worker, and to ours.
func (b *beside) reads() error {
	port := freePort()
	server, err := startIn(b.home, "http://127.0.0.1:"+port, "/health", b.environment(), filepath.Join(filepath.Dir(b.python), "feast"), "serve", "--port", port,
		"--workers", "1", "--no-access-log", "--max-requests", "10000000", "--registry_ttl_sec", "3600")
	if err != nil {
		return err
	}
	defer server.stop()
	var names []string
	for g := range groupsRead {
		for f := range 10 {
			names = append(names, fmt.Sprintf("group_%d:f%d", g, f))
		}
	}
	for _, w := range []struct{ entities, n int }{{1, 500}, {100, 20}} {
		request := call{method: "POST", path: func(int) string { return "/get-online-features" }, body: func(i int) []byte {
			ids := make([]string, w.entities)
			for j := range ids {
				ids[j] = strconv.Itoa((i*w.entities + j) * 7919 % feastEntities)
			}
			body, _ := json.Marshal(map[string]any{"features": names, "entities": map[string]any{"customer_id": ids}, "full_feature_names": true})
			return body
		}}
		if err := sameAnswers(b.base, server.base, request); err != nil {
			return err
		}
		ours, theirs, err := perCPUSecond(b.process, server, request, request, w.n, 30, 8, 5)
		if err != nil {
			return err
		}
		b.report(result{work: fmt.Sprintf("read %d × 50 features of 5 groups, Feast's protocol", w.entities), unit: "requests per CPU second",
			ours: ours, limit: theirs, wanted: 40})
	}
	return nil
}

// sameAnswers compares the values of some answers, by name.
func sameAnswers(ours, theirs string, request call) error {
	for i := range 5 {
		var found [2]map[string][]any
		for side, base := range []string{ours, theirs} {
			answer, err := post(base+request.path(i), "application/json", bytes.NewReader(request.body(i)))
			if err != nil {
				return err
			}
			var columns struct {
				Metadata struct {
					Names []string `json:"feature_names"`
				} `json:"metadata"`
				Results []struct{ Values []any }
			}
			if err := json.Unmarshal(answer, &columns); err != nil {
				return err
			}
			found[side] = map[string][]any{}
			for c, name := range columns.Metadata.Names {
				found[side][name] = columns.Results[c].Values
			}
		}
		if len(found[0]) != 51 || !maps.EqualFunc(found[0], found[1], func(a, b []any) bool { return reflect.DeepEqual(a, b) }) {
			return fmt.Errorf("request %d is answered differently: ours %v, Feast's %v", i, found[0], found[1])
		}
	}
	return nil
}

// joins joins a data frame with history and gives back a data frame, by the Python clients of both.
func (b *beside) joins() error {
	path := b.folder + "/beside_spine.csv"
	if err := spine(path, feastQuestions, feastHistory/100, 100); err != nil {
		return err
	}
	took, err := b.run("history", path, b.base)
	if err != nil {
		return err
	}
	b.report(result{work: fmt.Sprintf("training set, %d rows against %d observations, data frames", feastQuestions, feastHistory), unit: "rows/s",
		ours: feastQuestions / took[0], limit: feastQuestions / took[1], wanted: 10})
	return nil
}
