package store

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store/table"
)

// TrainingRequest says which features a spine's rows get.
type TrainingRequest struct {
	Resolve         func(*registry.Catalog) ([]Requested, error) // finds the features, among the definitions that the answer goes by
	Moment          *Moment                                      // nil: now; else the answer is as known then
	TimeColumn      string                                       // "": event_time, else event_timestamp
	Zone            *time.Location                               // of times without an offset; nil refuses them
	Statuses        bool                                         // a column <name>__status beside each feature
	EventTimestamps bool                                         // a column <name>__event_timestamp beside each feature
	Typed           bool                                         // join keys and times that come without a type are written as values of theirs
	Again           func() (table.Reader, error)                 // the spine from its beginning, once more; nil: it can be read once only

	features []Requested
}

// Requested is a feature and the name of its column in an answer.
type Requested struct {
	Feature *registry.Feature
	Column  string
}

// Head is what is known of a training set before its first row is written.
type Head struct {
	Columns   []table.Column
	Unmatched int    // of the first Rows rows, how many found nothing that counts in any feature
	Rows      int    // rows looked at so far
	Example   string // a key that found nothing
	KnownAt   string // the token by which the same can be asked for again; "" if it cannot be had
	Stored    string // where so many found nothing that it is to be said: a key that is stored; "" if there is none
}

// TrainingSet answers every row of the spine, in its order, with the features' values as they were at the row's time (rule 8). It
// streams: the writer that begin makes gets the rows as they come. All of it is of one moment of the offline store. It
// answers how many rows there were.
func (s *Store) TrainingSet(ctx context.Context, request TrainingRequest, spine table.Reader, begin func(Head) (table.Writer, error)) (int64, error) {
	v, err := s.trainingView(ctx, &request)
	if err != nil {
		return 0, err
	}
	defer v.snapshot.Close()
	for i := range v.shares {
		if v.shares[i].group.Kind == registry.Events {
			return 0, eventGroup(v.shares[i].group)
		}
	}
	j := &join{store: s, request: request, snapshot: v.snapshot, spine: spine, shares: v.shares, knownAt: v.knownAt}
	if j.kept, err = s.retained(ctx, v.snapshot, v.shares, request.Moment); err != nil {
		return 0, err
	}
	if err := j.foresee(ctx); err != nil {
		return 0, err
	}
	// Three stages work side by side, each on one chunk: reading the spine, looking up, writing.
	work, ctx := errgroup.WithContext(ctx)
	read, looked := make(chan *chunk), make(chan *chunk)
	work.Go(func() error { defer close(read); return j.read(ctx, read) })
	work.Go(func() error { defer close(looked); return j.lookUp(ctx, read, looked) })
	work.Go(func() error { return j.write(looked, begin) })
	err = work.Wait()
	return j.rows, err
}

// trainingView is what a training set is read from, and how it can be asked for again.
type trainingView struct {
	snapshot Snapshot
	shares   []share
	knownAt  string
}

// trainingView resolves the request's features and opens a snapshot that they can be read from: by the definitions of one revision.
func (s *Store) trainingView(ctx context.Context, request *TrainingRequest) (v trainingView, err error) {
	const doing = "make a training set"
	if m := request.Moment; m != nil {
		v.knownAt = m.token
		if request.features, err = request.Resolve(m.Catalog); err == nil {
			v.shares = split(featuresOf(request.features))
			v.snapshot, err = s.then(ctx, doing, m)
		}
		return v, err
	}
	settled, unsettled := s.offline.Settled(ctx)
	catalog := s.definitions.Catalog()
	for range maxAttempts {
		if request.features, err = request.Resolve(catalog); err != nil {
			return v, err
		}
		v.shares = split(featuresOf(request.features))
		v.snapshot, err = s.fitting(ctx, doing, groupsOf(v.shares))
		if err == nil {
			break
		}
		if !errors.Is(err, ErrOutdated) {
			return v, err
		}
		if catalog, err = s.definitions.Refresh(ctx); err != nil {
			return v, err
		}
	}
	switch {
	case v.snapshot == nil:
		return v, definitionsChanging()
	case unsettled != nil:
		s.log.Warn("an answer goes without its "+knownAtHeader, "error", unsettled)
	default:
		v.knownAt = s.remembered(ctx, v.snapshot, settled, catalog)
	}
	return v, nil
}

func featuresOf(requested []Requested) []*registry.Feature {
	features := make([]*registry.Feature, len(requested))
	for i, r := range requested {
		features[i] = r.Feature
	}
	return features
}

// join is one training set on its way.
type join struct {
	store    *Store
	request  TrainingRequest
	snapshot Snapshot
	spine    table.Reader
	shares   []share
	knownAt  string
	kept     retained
	rows     int64

	columns  []string // of the spine
	typed    []table.Column
	time     int // which of them is the time
	keys     []keyColumns
	retyped  []retyped
	together int // rows that a chunk may have
}

// retyped is a column of the spine whose cells are written as the values that they were read as.
type retyped struct {
	column int
	of     func(c *chunk, row int) value.Value
}

func (j *join) outColumns() []table.Column {
	return append(slices.Clone(j.typed), j.request.columns()...)
}

// retype gives the time and the join keys their types, where the spine's format has none.
func (j *join) retype() {
	as := func(column int, t value.Type, of func(*chunk, int) value.Value) {
		if j.typed[column].Type == value.Invalid {
			j.typed[column].Type = t
			j.retyped = append(j.retyped, retyped{column, of})
		}
	}
	as(j.time, value.Timestamp, func(c *chunk, row int) value.Value { return value.OfTime(c.times[row]) })
	for _, k := range j.keys {
		for i, at := range k.at {
			as(at, k.entityType.JoinKeys[i].ValueType, func(c *chunk, row int) value.Value { return c.keys[k.entityType.Name][row].Values[i] })
		}
	}
}

// columns are those of the answers to a request: its features, each with its status and event timestamp where they are asked for.
func (r *TrainingRequest) columns() []table.Column {
	out := make([]table.Column, 0, len(r.features))
	for _, f := range r.features {
		out = append(out, table.Column{Name: f.Column, Type: f.Feature.ValueType})
		if r.Statuses {
			out = append(out, table.Column{Name: f.Column + "__status", Type: value.String})
		}
		if r.EventTimestamps {
			out = append(out, table.Column{Name: f.Column + "__event_timestamp", Type: value.Timestamp})
		}
	}
	return out
}

func (j *join) lookUp(ctx context.Context, in <-chan *chunk, out chan<- *chunk) error {
	first := true
	for c := range in {
		if err := j.kept.reach(c.times...); err != nil {
			return err
		}
		if err := j.find(ctx, c); err != nil {
			return err
		}
		if first {
			first, c.head = false, &Head{Columns: j.outColumns(), Rows: c.rows, KnownAt: j.knownAt}
			if err := j.lookAtUnmatched(ctx, c); err != nil {
				return err
			}
		}
		if !j.request.Typed {
			c.keys = nil // only retyped cells are made of them
		}
		select {
		case out <- c:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (j *join) write(in <-chan *chunk, begin func(Head) (table.Writer, error)) error {
	var out table.Writer
	cells := make([]table.Cell, 0, 1024*16)
	for c := range in {
		if out == nil {
			var err error
			if out, err = begin(*c.head); err != nil {
				return err
			}
		}
		for from := 0; from < c.rows; from += 1024 {
			to := min(from+1024, c.rows)
			cells = cells[:0]
			for r := from; r < to; r++ {
				before := len(cells)
				cells = append(cells, c.cells[r*len(j.columns):(r+1)*len(j.columns)]...)
				for _, t := range j.retyped {
					cells[before+t.column] = table.ValueCell(t.of(c, r))
				}
				for i := range c.found {
					cells = j.request.appendAnswer(cells, c.found[i].at(r))
				}
			}
			if err := out.Write(to-from, cells); err != nil {
				return err
			}
		}
		j.rows += int64(c.rows)
	}
	if out == nil {
		return nil // another stage failed
	}
	return out.Close()
}

// appendAnswer appends the cells of one feature of a row.
func (r *TrainingRequest) appendAnswer(cells []table.Cell, a Cell) []table.Cell {
	cells = append(cells, table.ValueCell(a.Value))
	if r.Statuses {
		cells = append(cells, table.ValueCell(value.OfString(a.Status.String())))
	}
	if r.EventTimestamps {
		if a.EventTime == value.NoTime {
			cells = append(cells, table.NullCell())
		} else {
			cells = append(cells, table.ValueCell(value.OfTime(a.EventTime)))
		}
	}
	return cells
}

// lookAtUnmatched counts the rows of the first chunk that found nothing, for a warning.
func (j *join) lookAtUnmatched(ctx context.Context, c *chunk) error {
	head := c.head
	for r := range c.rows {
		// Whether an expired value is found at all depends on what else is asked for, so it counts as none.
		if slices.ContainsFunc(c.found, func(f found) bool { return f.statuses[r] == Present || f.statuses[r] == NullValue }) {
			continue
		}
		if head.Unmatched == 0 {
			head.Example = plainKey(c.keys[j.keys[0].entityType.Name][r])
		}
		head.Unmatched++
	}
	if !j.store.disagrees(head) {
		return nil
	}
	group := j.shares[0].group // of the entity type of the example
	err := j.snapshot.Observations(ctx, group, nil, Range{Limit: 1}, func(rows *Rows) error {
		for _, key := range rows.Keys {
			head.Stored = plainKey(key)
		}
		return nil
	})
	return unavailable("look for a key of "+group.Name, err)
}

// plainKey shows the values of a key to a person.
func plainKey(key Key) string {
	var b []byte
	for i, v := range key.Values {
		if i > 0 {
			b = append(b, ' ')
		}
		b = value.AppendText(b, v)
	}
	return string(b)
}
