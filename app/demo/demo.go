// Package demo shows the main job on real data: the purchases of 23,570 customers of a CD shop, 1997 to 1998 (CDNOW), become
// registered features, computed by a pipeline, served values and a training set. It is a client like any other: every step is a call that a person can make
// by hand, and prints it.
package demo

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

//go:embed cdnow.csv.gz
var purchases []byte // customer_id, event_time, quantity, amount

//go:embed definitions.yaml
var definitions []byte

// Demo runs against a server that is up.
type Demo struct {
	Registry string // base URL of the registry API, such as http://localhost:8000
	Store    string // base URL of the store API
	Folder   string // where the training set is saved, and what was sent in the calls that are shown
	Out      io.Writer
	Client   *http.Client
}

// spineFile is the table that the demo works out itself and sends; it stays in its folder.
const spineFile = "spine.csv"

// backfill computes the features at the end of each month of the purchases.
const backfill = "/pipelines/purchases_monthly/backfill?from=1997-02-01&to=1998-07-01&wait=5m"

// step is one part of the demonstration: what it does, the call that does the same by hand, and the work, which answers what came of it.
type step struct {
	title string
	call  string
	work  func(context.Context) (string, error)
}

// Run shows all steps, each with its time. On a server that has the demo's data already, what would load it twice is left out.
func (d *Demo) Run(ctx context.Context) error {
	if err := os.MkdirAll(d.Folder, 0o755); err != nil {
		return fmt.Errorf("make the folder for the training set: %w", err)
	}
	loaded, err := d.loadedBefore(ctx, "purchases")
	if err != nil {
		return err
	}
	events := &events{}
	defer events.close()
	steps := []step{{
		"Register entity types, groups, features and a service",
		fmt.Sprintf("curl --data-binary @app/demo/definitions.yaml %s/apply", d.Registry),
		d.register,
	}}
	if !loaded {
		steps = append(steps, step{
			"Load the purchases into an event group, where every row counts",
			fmt.Sprintf("curl --data-binary @app/demo/cdnow.csv.gz %s/rows/purchases", d.Store),
			d.load,
		})
	}
	steps = append(steps, step{
		"Compute the features at the end of 18 months: staged, looked at by the rules, published",
		fmt.Sprintf("curl -X POST '%s%s'", d.Registry, backfill),
		d.compute,
	}, step{
		"See what became of each month",
		fmt.Sprintf("curl '%s/pipelines/purchases_monthly/ticks?to=1998-07-01&limit=3'", d.Registry),
		func(ctx context.Context) (string, error) {
			return d.get(ctx, d.Registry+"/pipelines/purchases_monthly/ticks?to=1998-07-01&limit=3")
		},
	}, step{
		"Materialize: bring the online store in step with history",
		fmt.Sprintf(`curl -d '{"groups":["customer_purchases"]}' '%s/materialize?wait=60s'`, d.Store),
		d.materialize,
	}, step{
		"Read one value of one customer",
		fmt.Sprintf("curl %s/get/customer/00005/customer_purchase_count_30d", d.Store),
		func(ctx context.Context) (string, error) {
			return d.get(ctx, d.Store+"/get/customer/00005/customer_purchase_count_30d")
		},
	}, step{
		"Read all features of a model for a customer",
		fmt.Sprintf("curl '%s/get/customer/00005?service=buys_again'", d.Store),
		func(ctx context.Context) (string, error) {
			return d.get(ctx, d.Store+"/get/customer/00005?service=buys_again")
		},
	}, step{
		"Read the purchases back, to tell of each customer and month whether they bought in the next 30 days",
		fmt.Sprintf("curl -H 'Accept: text/csv' %s/rows/purchases -o purchases.csv", d.Store),
		func(ctx context.Context) (string, error) { return d.fetch(ctx, events) },
	}, step{
		"Build a training set for \"buys in the next 30 days\", each row with the features as they were then",
		fmt.Sprintf("curl --data-binary @%s '%s/training-sets?service=buys_again' -o training_set.csv", filepath.Join(d.Folder, spineFile), d.Store),
		func(ctx context.Context) (string, error) { return d.trainingSet(ctx, events) },
	}, step{
		"Build it as Parquet, which keeps the types: pandas.read_parquet takes it as it is",
		fmt.Sprintf("curl --data-binary @%s '%s/training-sets?service=buys_again&format=parquet' -o training_set.parquet", filepath.Join(d.Folder, spineFile), d.Store),
		d.trainingSetAsParquet,
	})
	for i, s := range steps {
		began := time.Now()
		result, err := s.work(ctx)
		if err != nil {
			return fmt.Errorf("demo, step %d (%s): %w", i+1, s.title, err)
		}
		fmt.Fprintf(d.Out, "\n%d. %s\n   $ %s\n   %s   [%.2f s]\n", i+1, s.title, s.call,
			strings.ReplaceAll(result, "\n", "\n   "), time.Since(began).Seconds())
	}
	fmt.Fprintf(d.Out, "\nThe server goes on: the admin page is at %s/admin/, the API docs are at %s/docs. Stop it with Ctrl-C.\n", d.Registry, d.Registry)
	return nil
}

func (d *Demo) register(ctx context.Context) (string, error) {
	body, err := d.call(ctx, http.MethodPost, d.Registry+"/apply", bytes.NewReader(definitions), "application/yaml", "")
	if err != nil {
		return "", err
	}
	var plan struct {
		Created   []json.RawMessage `json:"created"`
		Changed   []json.RawMessage `json:"changed"`
		Unchanged []json.RawMessage `json:"unchanged"`
	}
	if err := json.Unmarshal(body, &plan); err != nil {
		return "", fmt.Errorf("read the plan: %w", err)
	}
	return fmt.Sprintf("%d created, %d changed, %d as they were", len(plan.Created), len(plan.Changed), len(plan.Unchanged)), nil
}

func (d *Demo) load(ctx context.Context) (string, error) {
	body, err := d.call(ctx, http.MethodPost, d.Store+"/rows/purchases", bytes.NewReader(purchases), "text/csv", "gzip")
	if err != nil {
		return "", err
	}
	return loadCounts(body)
}

func loadCounts(body []byte) (string, error) {
	var counts struct {
		Received int64 `json:"received"`
		Stored   int64 `json:"stored"`
		Run      int64 `json:"run_id"`
	}
	if err := json.Unmarshal(body, &counts); err != nil {
		return "", fmt.Errorf("read the counts: %w", err)
	}
	return fmt.Sprintf("%d rows received, %d stored, run %d", counts.Received, counts.Stored, counts.Run), nil
}

// loadedBefore tells whether the server has rows of a group from an earlier demo.
func (d *Demo) loadedBefore(ctx context.Context, group string) (bool, error) {
	response, err := d.open(ctx, http.MethodGet, d.Store+"/rows/"+group, nil, "", "")
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusNotFound {
		return false, nil
	}
	head := make([]byte, 256)
	n, err := io.ReadFull(response.Body, head)
	if err != nil && err != io.ErrUnexpectedEOF {
		return false, fmt.Errorf("look for rows of %s from an earlier demo: %w", group, err)
	}
	return bytes.Count(head[:n], []byte("\n")) > 1, nil
}

// compute has the pipeline computed at all ticks of the months.
func (d *Demo) compute(ctx context.Context) (string, error) {
	body, err := d.call(ctx, http.MethodPost, d.Registry+backfill, nil, "", "")
	if err != nil {
		return "", err
	}
	var run struct {
		ID     int64  `json:"id"`
		State  string `json:"state"`
		Reason string `json:"reason"`
		Result struct {
			Ticks     int   `json:"ticks"`
			Rows      int64 `json:"rows"`
			Stored    int64 `json:"stored"`
			Unchanged int64 `json:"unchanged"`
		} `json:"result"`
	}
	if err := json.Unmarshal(body, &run); err != nil {
		return "", fmt.Errorf("read the run of %q: %w", body, err)
	}
	if run.State != "succeeded" {
		return "", fmt.Errorf("run %d is %s: %s", run.ID, run.State, run.Reason)
	}
	return fmt.Sprintf("run %d: %d ticks, %d rows computed, %d stored, %d unchanged", run.ID, run.Result.Ticks, run.Result.Rows, run.Result.Stored, run.Result.Unchanged), nil
}

func (d *Demo) materialize(ctx context.Context) (string, error) {
	body, err := d.call(ctx, http.MethodPost, d.Store+"/materialize?wait=60s",
		strings.NewReader(`{"groups":["customer_purchases"]}`), "application/json", "")
	if err != nil {
		return "", err
	}
	var answer struct {
		Runs []struct {
			ID       int64  `json:"id"`
			State    string `json:"state"`
			Reason   string `json:"reason"`
			Progress struct {
				Read    int64 `json:"rows_read"`
				Written int64 `json:"rows_written"`
			} `json:"result"`
		} `json:"runs"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || len(answer.Runs) != 1 {
		return "", fmt.Errorf("read the run of %q: %w", body, err)
	}
	run := answer.Runs[0]
	if run.State != "succeeded" {
		return "", fmt.Errorf("run %d is %s: %s", run.ID, run.State, run.Reason)
	}
	return fmt.Sprintf("run %d: %d rows read, %d written now (a load's own run may have been first)", run.ID, run.Progress.Read, run.Progress.Written), nil
}

func (d *Demo) get(ctx context.Context, url string) (string, error) {
	body, err := d.call(ctx, http.MethodGet, url, nil, "", "")
	return strings.TrimSpace(string(body)), err
}

func (d *Demo) trainingSet(ctx context.Context, e *events) (string, error) {
	spine, result := e.csv(spineSQL)
	defer spine.Close()
	sent, err := d.keep(spineFile, spine)
	if err != nil {
		return "", err
	}
	defer sent.Close()
	saved, err := d.saveTrainingSet(ctx, "", sent, "training_set.csv")
	if err != nil {
		return "", err
	}
	rows, positive := result()
	return fmt.Sprintf("%d rows (%.1f %% of the customers bought), %s", rows, 100*float64(positive)/float64(max(rows, 1)), saved), nil
}

// trainingSetAsParquet sends the spine that has been kept.
func (d *Demo) trainingSetAsParquet(ctx context.Context) (string, error) {
	spine, err := os.Open(filepath.Join(d.Folder, spineFile))
	if err != nil {
		return "", fmt.Errorf("send what was kept: %w", err)
	}
	defer spine.Close()
	return d.saveTrainingSet(ctx, "&format=parquet", spine, "training_set.parquet")
}

// saveTrainingSet saves the training set of a spine in CSV in a file of the folder, and says how large it is.
func (d *Demo) saveTrainingSet(ctx context.Context, query string, spine io.Reader, name string) (string, error) {
	response, err := d.open(ctx, http.MethodPost, d.Store+"/training-sets?service=buys_again"+query, spine, "text/csv", "")
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	if err := problemOf(response); err != nil {
		return "", err
	}
	path := filepath.Join(d.Folder, name)
	size, err := save(path, response.Body)
	return fmt.Sprintf("%.1f MB in %s", float64(size)/1e6, path), err
}

// keep lets what is read from a table go to a file of the folder too, so that the call can be repeated by hand.
func (d *Demo) keep(name string, table io.Reader) (io.ReadCloser, error) {
	file, err := os.Create(filepath.Join(d.Folder, name))
	if err != nil {
		return nil, fmt.Errorf("keep what is sent: %w", err)
	}
	return struct {
		io.Reader
		io.Closer
	}{io.TeeReader(table, file), file}, nil
}

// save writes a file whole or not at all.
func save(path string, from io.Reader) (int64, error) {
	file, err := os.CreateTemp(filepath.Dir(path), ".training_set-*")
	if err != nil {
		return 0, fmt.Errorf("save the training set: %w", err)
	}
	defer os.Remove(file.Name())
	defer file.Close()
	size, err := io.Copy(file, from)
	if err != nil {
		return 0, fmt.Errorf("receive the training set: %w", err)
	}
	if err := file.Chmod(0o644); err != nil {
		return 0, fmt.Errorf("save the training set: %w", err)
	}
	if err := file.Close(); err != nil {
		return 0, fmt.Errorf("save the training set: %w", err)
	}
	return size, os.Rename(file.Name(), path)
}

// call answers the body of a successful call; anything else is an error with the server's own words.
func (d *Demo) call(ctx context.Context, method, url string, body io.Reader, contentType, encoding string) ([]byte, error) {
	response, err := d.open(ctx, method, url, body, contentType, encoding)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if err := problemOf(response); err != nil {
		return nil, err
	}
	return io.ReadAll(response.Body)
}

func (d *Demo) open(ctx context.Context, method, url string, body io.Reader, contentType, encoding string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	if encoding != "" {
		request.Header.Set("Content-Encoding", encoding)
	}
	request.Header.Set("Accept", "text/csv, application/json;q=0.9")
	return d.Client.Do(request)
}

func problemOf(response *http.Response) error {
	if response.StatusCode < 300 {
		return nil
	}
	body, _ := io.ReadAll(io.LimitReader(response.Body, 4096))
	return fmt.Errorf("%s: %s", response.Status, body)
}
