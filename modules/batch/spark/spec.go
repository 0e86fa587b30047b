package spark

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"strconv"

	"featurestore/modules/batch"
)

//go:embed program.py
var program []byte

// spec is what the program is to do. Its text says what the members are.
type spec struct {
	Source  source      `json:"source"`
	Views   [][2]string `json:"views"`
	Results []result    `json:"results"`
	Status  string      `json:"status"`
}

type source struct {
	Parquet string   `json:"parquet,omitempty"`
	JDBC    string   `json:"jdbc,omitempty"`
	User    string   `json:"user,omitempty"`
	Query   string   `json:"query,omitempty"`
	Parts   []string `json:"parts,omitempty"`
	Session string   `json:"session,omitempty"`
	Keep    *string  `json:"keep"`
}

type result struct {
	SQL   string `json:"sql"`
	Path  string `json:"path"`
	Ticks int    `json:"ticks"` // that are done with it
}

// work is one start of the program, in a folder of its own.
type work struct {
	folder    string
	driver    bool // it reads a PostgreSQL
	password  string
	spec      spec
	spooled   *batch.Spooled // what is known of the source; nil: nothing
	ticks     [][]int64      // of each result
	statement *statement     // nil: SQL
	status    status         // once the program has ended
}

// newWork makes its folder.
func newWork(job *batch.Job) (*work, error) {
	w := &work{folder: below(job.Folder, "spark"), spec: spec{Views: [][2]string{}}}
	for _, folder := range []string{w.folder, below(w.folder, "temporary")} {
		if err := os.Mkdir(folder, 0o700); err != nil {
			return nil, fmt.Errorf("make a folder for Spark: %w", err)
		}
	}
	w.spec.Status = below(w.folder, "status.json")
	return w, nil
}

// describe says what is to be computed, over the view source.
func (w *work) describe(job *batch.Job) {
	if job.Plan.SQL == nil {
		w.statement = newStatement(job, w.spooled)
		if len(job.Ticks) > 1 {
			w.spec.Views = append(w.spec.Views, [2]string{"ticks", ticksOf(job, job.Ticks)})
		}
		w.result(job.Ticks, w.statement.text)
		return
	}
	w.spec.Views = append(w.spec.Views, [2]string{"all_events", eventsOf(job)})
	if !job.Plan.SQL.PerTick {
		w.spec.Views = append(w.spec.Views, [2]string{"events", "SELECT * FROM all_events"}, [2]string{"ticks", ticksOf(job, job.Ticks)})
		w.result(job.Ticks, transform(job, job.From, job.Ticks))
		return
	}
	for i := range job.Ticks {
		w.result(job.Ticks[i:i+1], transform(job, before(job, i), job.Ticks[i:i+1]))
	}
}

func (w *work) result(ticks []int64, sql string) {
	w.ticks = append(w.ticks, ticks)
	w.spec.Results = append(w.spec.Results, result{SQL: sql, Path: below(w.folder, "result-"+strconv.Itoa(len(w.spec.Results))), Ticks: len(ticks)})
}

// Files of a work.
func (w *work) specPath() string    { return below(w.folder, "spec.json") }
func (w *work) programPath() string { return below(w.folder, "program.py") }

// begin writes the program, for its owner alone.
func (w *work) begin() error {
	if err := os.WriteFile(w.programPath(), program, 0o600); err != nil {
		return fmt.Errorf("write Spark's program: %w", err)
	}
	return nil
}

// tell writes the spec, for its owner alone. The program may be waiting for it: it is there when it is whole.
func (w *work) tell() error {
	text, err := json.Marshal(w.spec)
	if err == nil {
		err = os.WriteFile(w.specPath()+".part", text, 0o600)
	}
	if err == nil {
		err = os.Rename(w.specPath()+".part", w.specPath())
	}
	if err != nil {
		return fmt.Errorf("tell Spark what to do: %w", err)
	}
	return nil
}

// status is what the program says of its end.
type status struct {
	State        string  `json:"state"`
	Rows         []int64 `json:"rows"` // of each result
	Message      string  `json:"message"`
	Condition    string  `json:"condition"`
	SQLState     string  `json:"sqlstate"`
	Cause        string  `json:"cause"`
	CauseMessage string  `json:"cause_message"`
}

const succeeded = "SUCCEEDED"

// readStatus reads what the program said. The error wraps fs.ErrNotExist where it has said nothing.
func (w *work) readStatus() error {
	text, err := os.ReadFile(w.spec.Status)
	if err == nil {
		err = json.Unmarshal(text, &w.status)
	}
	if err != nil {
		return fmt.Errorf("read how Spark ended: %w", err)
	}
	return nil
}
