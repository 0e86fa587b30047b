package gate

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	_ "github.com/duckdb/duckdb-go/v2" // the driver duckdb of database/sql

	"featurestore/modules/registry/value"
)

// MaxSource is how many bytes a text may have.
const MaxSource = 32 << 10

const (
	kept    = 200              // texts whose outcome is remembered
	longest = 10 * time.Second // that reading one may take
)

// Gate lets texts of SQL through, or says why not. It remembers what it said. It is safe for concurrent use.
type Gate struct {
	mu   sync.Mutex
	said map[string]said
}

type said struct {
	query   *Query
	problem *Problem
}

// New makes one.
func New() *Gate { return &Gate{said: map[string]said{}} }

// Events are the columns that the relation events has beside event_time, event_us and seq.
type Events struct {
	Keys    []Column
	Columns []Column
	Former  []Column // names that columns had, and are still called by
}

// Transformation judges a SELECT over events, and says what it yields.
func (g *Gate) Transformation(text string, events Events) (*Query, *Problem) {
	return g.once(fmt.Sprintf("%q %v", text, events), func(ctx context.Context) (*Query, *Problem, error) {
		s, marks, err := read(text)
		if err != nil {
			return nil, &Problem{Message: err.Error()}, nil
		}
		q := &Query{Text: string(s.clean), Marks: marks}
		q.PerTick = q.Has(Tick)
		names := s.names()
		used := func(c Column) bool { return !names[c.Name] }
		former := slices.DeleteFunc(slices.Clone(events.Former), used)
		for _, c := range slices.DeleteFunc(slices.Concat(events.Columns, former), used) {
			q.Reads = append(q.Reads, c.Name)
		}
		db, err := open(ctx)
		if err != nil {
			return nil, nil, err
		}
		defer db.Close()
		w := &walker{texts: map[string]bool{}}
		for _, c := range slices.Concat(events.Keys, events.Columns, former) {
			w.texts[c.Name] = c.Type == value.String || c.Type == value.JSON
		}
		if problem, err := parse(ctx, db, s, w); problem != nil || err != nil {
			return nil, problem, err
		}
		q.Ticks = w.ticks
		if q.PerTick && q.Ticks {
			return nil, &Problem{Message: "a query with :tick is run for each tick alone: read the relation ticks, or :tick, not both"}, nil
		}
		problem, err := q.describe(ctx, db, slices.Concat(events.Keys, events.Columns, former))
		if problem != nil || err != nil {
			return nil, problem, err
		}
		return q, nil, nil
	})
}

// Source judges a SELECT over tables of a connection. What it yields is not known here.
func (g *Gate) Source(text string) (*Query, *Problem) {
	return g.once(fmt.Sprintf("%q source", text), func(ctx context.Context) (*Query, *Problem, error) {
		s, marks, err := read(text)
		if err != nil {
			return nil, &Problem{Message: err.Error()}, nil
		}
		if slices.ContainsFunc(marks, func(m Mark) bool { return m.Parameter != "" }) {
			return nil, &Problem{Message: "a query of a source has no parameters: it yields all events"}, nil
		}
		db, err := open(ctx)
		if err != nil {
			return nil, nil, err
		}
		defer db.Close()
		problem, err := parse(ctx, db, s, &walker{tables: true})
		if problem != nil || err != nil {
			return nil, problem, err
		}
		return &Query{Text: string(s.clean), Marks: marks}, nil, nil
	})
}

// once judges a text that has not been judged yet. What cannot be judged now is a problem that is not remembered.
func (g *Gate) once(key string, judge func(context.Context) (*Query, *Problem, error)) (*Query, *Problem) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s, ok := g.said[key]; ok {
		return s.query, s.problem
	}
	ctx, cancel := context.WithTimeout(context.Background(), longest)
	defer cancel()
	query, problem, err := judge(ctx)
	if err != nil {
		return nil, &Problem{Message: fmt.Sprintf("cannot be read now: %v", err)}
	}
	if len(g.said) >= kept {
		clear(g.said)
	}
	g.said[key] = said{query, problem}
	return query, problem
}

// read cuts a text into words and judges them.
func read(source string) (*scanner, []Mark, error) {
	if len(source) > MaxSource {
		return nil, nil, fmt.Errorf("has %d bytes, more than %d", len(source), MaxSource)
	}
	s, err := scan(source)
	if err != nil {
		return nil, nil, err
	}
	marks, err := s.judgeWords()
	return s, marks, err
}

// open opens an empty database in memory that reads nothing outside of itself.
func open(ctx context.Context) (*sql.DB, error) {
	db, err := sql.Open("duckdb", "")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	for _, setting := range []string{"enable_external_access = false", "autoload_known_extensions = false", "autoinstall_known_extensions = false",
		"threads = 1", "memory_limit = '128MB'", "max_expression_depth = 250", "lock_configuration = true"} {
		if _, err := db.ExecContext(ctx, "SET "+setting); err != nil {
			_ = db.Close()
			return nil, fmt.Errorf("open DuckDB: %w", err)
		}
	}
	return db, nil
}

// parse has DuckDB's parser read a text, and walks what it answers.
func parse(ctx context.Context, db *sql.DB, s *scanner, w *walker) (*Problem, error) {
	var answer string
	err := db.QueryRowContext(ctx, "SELECT CAST(json_serialize_sql(CAST(? AS VARCHAR), skip_null := true, skip_empty := true, skip_default := true) AS VARCHAR)",
		s.forDuckDB()).Scan(&answer)
	if err != nil {
		return nil, fmt.Errorf("have it parsed: %w", err)
	}
	var parsed struct {
		Error      bool   `json:"error"`
		Message    string `json:"error_message"`
		Position   string `json:"position"`
		Statements []struct {
			Node tree `json:"node"`
		} `json:"statements"`
	}
	if err := json.Unmarshal([]byte(answer), &parsed); err != nil {
		return nil, fmt.Errorf("read what the parser answered: %w", err)
	}
	switch {
	case parsed.Error && parsed.Position != "":
		return &Problem{Message: fmt.Sprintf("%s, at byte %s", parsed.Message, parsed.Position)}, nil
	case parsed.Error:
		return &Problem{Message: "write one SELECT: " + parsed.Message}, nil
	case len(parsed.Statements) != 1:
		return &Problem{Message: fmt.Sprintf("has %d statements: write one SELECT", len(parsed.Statements))}, nil
	}
	if err := w.query(parsed.Statements[0].Node, scope{}); err != nil {
		return &Problem{Message: err.Error()}, nil
	}
	return nil, nil
}

// describe has DuckDB bind the query to a relation with these columns, which finds wrong names and types, and says what it yields.
func (q *Query) describe(ctx context.Context, db *sql.DB, columns []Column) (*Problem, error) {
	create := []string{`"event_time" TIMESTAMP`, `"event_us" BIGINT`, `"seq" BIGINT`}
	for _, c := range columns {
		create = append(create, `"`+c.Name+`" `+DuckType(c.Type))
	}
	for _, statement := range []string{"CREATE TABLE events (" + strings.Join(create, ", ") + ")", "CREATE TABLE ticks (tick_us BIGINT, from_us BIGINT)"} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return nil, fmt.Errorf("make the relation events: %w", err)
		}
	}
	same := func(name string) string { return name }
	text := q.Bind(func(string) string { return "CAST(0 AS BIGINT)" }, same)
	rows, err := db.QueryContext(ctx, "DESCRIBE "+text)
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		line, _, _ := strings.Cut(err.Error(), "\n")
		return &Problem{Message: line}, nil
	}
	defer rows.Close()
	for rows.Next() {
		var name, kind string
		var rest [4]any
		if err := rows.Scan(&name, &kind, &rest[0], &rest[1], &rest[2], &rest[3]); err != nil {
			return nil, fmt.Errorf("describe the query: %w", err)
		}
		t, ok := typeOf(kind)
		if !ok {
			return &Problem{Value: name, Message: fmt.Sprintf("yields %s as %s, which no feature has", name, kind)}, nil
		}
		q.Columns = append(q.Columns, Column{strings.ToLower(name), t})
	}
	return nil, rows.Err()
}

// DuckType is how DuckDB holds a type.
func DuckType(t value.Type) string {
	switch t {
	case value.Boolean:
		return "BOOLEAN"
	case value.Integer:
		return "BIGINT"
	case value.Float:
		return "DOUBLE"
	case value.Timestamp:
		return "TIMESTAMP"
	}
	if t.Array() {
		return DuckType(t.Element()) + "[]"
	}
	return "VARCHAR"
}

// typeOf is the type of a column that a query yields; ok is false where no feature could have it.
func typeOf(kind string) (t value.Type, ok bool) {
	name, _, _ := strings.Cut(kind, "(")
	switch name {
	case "BOOLEAN":
		return value.Boolean, true
	case "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT":
		return value.Integer, true
	case "DOUBLE", "DECIMAL":
		return value.Float, true
	case "VARCHAR":
		return value.String, true
	case "TIMESTAMP":
		return value.Timestamp, true
	}
	if element, array := strings.CutSuffix(kind, "[]"); array { // a column of events as it is
		t, ok := typeOf(element)
		return value.BooleanArray + t - value.Boolean, ok && !t.Array()
	}
	return value.Invalid, false
}
