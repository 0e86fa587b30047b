package postgres

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// AsOf finds each question's newest row by a look-up in the index. Where that row observes all of the features, as whole rows
// do, it is the answer. For the rest, a few older rows are fetched the same way and put together here, at once where the first questions
// show that most need them; what is missing even then is looked up feature by feature. Many questions are shared out to two connections.
func (s *snapshot) AsOf(ctx context.Context, group *registry.Group, features []*registry.Feature, keys []store.Key, times, since []int64) (*store.Current, error) {
	current := &store.Current{Group: group, Features: features, Keys: keys,
		Values: make([]value.Value, len(keys)*len(features)), Stamps: make([]store.Stamp, len(keys)*len(features))}
	l, err := s.layout(ctx, group)
	if err == nil && l.table != "" && len(current.Values) > 0 {
		asked := sortedQuestions(keys, times)
		if twin := s.twinFor(ctx, len(asked)); twin != nil {
			half := len(asked) / 2
			work, ctx := errgroup.WithContext(ctx)
			work.Go(func() error { return s.newLookUp(l, current, since).answer(ctx, asked[:half]) })
			work.Go(func() error { return twin.newLookUp(l, current, since).answer(ctx, asked[half:]) })
			err = work.Wait()
		} else {
			err = s.newLookUp(l, current, since).answer(ctx, asked)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("looking up %d entities of group %s: %w", len(keys), group.Name, err)
	}
	return current, nil
}

// lookUp puts the newest values of some entities together.
type lookUp struct {
	snapshot *snapshot
	layout   layout
	current  *store.Current // the answers; a value is absent while it is not found
	since    []int64
	columns  []string // SQL of the features
}

// question asks for the rows of the entity with that index that are older than the stamp.
type question struct {
	index   int
	stamp   store.Stamp
	feature int // the only one that is asked for, in each
}

func (s *snapshot) newLookUp(l layout, current *store.Current, since []int64) *lookUp {
	q := &lookUp{snapshot: s, layout: l, current: current, since: since, columns: make([]string, len(current.Features))}
	for j, feature := range current.Features {
		q.columns[j] = l.column(feature)
	}
	return q
}

const (
	olderRows = 4   // of an entity whose newest row does not observe all features are fetched before those are looked up one by one
	probed    = 256 // questions show whether that is worth doing for all of them at once
)

// answer finds the values for some of the questions.
func (q *lookUp) answer(ctx context.Context, asked []question) error {
	probe, rest := asked[:min(probed, len(asked))], asked[min(probed, len(asked)):]
	open, err := q.back(ctx, probe, 1)
	if err != nil {
		return err
	}
	if 2*len(open) <= len(probe) {
		more, err := q.back(ctx, rest, 1)
		if err != nil {
			return err
		}
		return q.complete(ctx, append(open, more...))
	}
	if open, err = q.back(ctx, open, olderRows); err != nil {
		return err
	}
	more, err := q.back(ctx, rest, 1+olderRows)
	if err != nil {
		return err
	}
	return q.each(ctx, append(open, more...))
}

// sortedQuestions ask for rows up to times, in the order of the index.
func sortedQuestions(keys []store.Key, times []int64) []question {
	questions := make([]question, len(keys))
	for i, index := range store.KeyOrder(keys, times) {
		questions[i] = question{index: int(index), stamp: store.Stamp{EventTime: times[index], IngestID: math.MaxInt64}}
	}
	return questions
}

// complete looks for what the newest rows did not observe.
func (q *lookUp) complete(ctx context.Context, open []question) error {
	open, err := q.back(ctx, open, olderRows)
	if err != nil {
		return err
	}
	return q.each(ctx, open)
}

// back takes the newest rows of each question, at most so many. It answers what is still open: where features are missing, and there may be
// older rows.
func (q *lookUp) back(ctx context.Context, asked []question, limit int) (open []question, err error) {
	if len(asked) == 0 {
		return nil, nil
	}
	fetched, oldest := make([]int, len(asked)), make([]store.Stamp, len(asked))
	columns := strings.Join(append(q.layout.observedColumns(), q.columns...), ", ")
	err = q.ask(ctx, asked, columns, "", limit, func(i int, stamp store.Stamp, row [][]byte) {
		q.take(asked[i].index, stamp, row)
		if fetched[i]++; fetched[i] == 1 || oldest[i].Newer(stamp) {
			oldest[i] = stamp
		}
	})
	for i := range asked {
		if fetched[i] == limit && q.lacks(asked[i].index) {
			open = append(open, question{index: asked[i].index, stamp: oldest[i]})
		}
	}
	return open, err
}

// take takes what a row of an entity observes and is newer than what is known of it. The row is of observedColumns and the features'.
func (q *lookUp) take(index int, stamp store.Stamp, row [][]byte) {
	found, columns, n := observationOf(row), row[2:], len(q.columns)
	values, stamps := q.current.Values[index*n:(index+1)*n], q.current.Stamps[index*n:(index+1)*n]
	for j, feature := range q.current.Features {
		if (values[j].IsAbsent() || stamp.Newer(stamps[j])) && found.observes(feature, columns[j]) {
			values[j], stamps[j] = decode(feature.ValueType, columns[j]), stamp
		}
	}
}

// lacks tells whether a feature of an entity is missing.
func (q *lookUp) lacks(index int) bool {
	n := len(q.columns)
	return slices.ContainsFunc(q.current.Values[index*n:(index+1)*n], value.Value.IsAbsent)
}

// eachBatch is how many values are looked up one by one in one query.
const eachBatch = 8192

// each looks the missing features of entities up one by one.
func (q *lookUp) each(ctx context.Context, open []question) error {
	var lacking []question
	n := len(q.columns)
	for i := range open {
		for j := range n {
			if q.current.Values[open[i].index*n+j].IsAbsent() {
				lacking = append(lacking, question{open[i].index, open[i].stamp, j})
			}
		}
		if len(lacking) >= eachBatch || i == len(open)-1 {
			if err := q.one(ctx, lacking); err != nil {
				return err
			}
			lacking = lacking[:0]
		}
	}
	return nil
}

// one looks up a single feature for each question.
func (q *lookUp) one(ctx context.Context, asked []question) error {
	if len(asked) == 0 {
		return nil
	}
	columns, observed := make([]string, len(q.columns)), " AND CASE s.feature"
	for j, feature := range q.current.Features {
		columns[j] = fmt.Sprintf("CASE WHEN s.feature = %d THEN %s END", j, q.columns[j])
		observed += fmt.Sprintf(" WHEN %d THEN %s", j, q.layout.observed(feature))
	}
	return q.ask(ctx, asked, strings.Join(columns, ", "), observed+" END", 1, func(i int, stamp store.Stamp, row [][]byte) {
		j := asked[i].feature
		at := asked[i].index*len(q.columns) + j
		q.current.Values[at], q.current.Stamps[at] = decode(q.current.Features[j].ValueType, row[j]), stamp
	})
}

// ask finds for each question the newest rows that are older than its stamp and meet the condition, at most so many, and gives found
// the question's place and the row's columns. The questions go as arrays; the server takes them in their order. A condition may be about
// s.feature.
func (q *lookUp) ask(ctx context.Context, asked []question, columns, condition string, limit int, found func(i int, stamp store.Stamp, row [][]byte)) error {
	group := q.current.Group
	e := &spineEncoder{asked: asked}
	for i, key := range group.EntityType.JoinKeys {
		e.column("k"+strconv.Itoa(i), key.ValueType, func(b []byte, asked question) []byte {
			return appendField(b, q.current.Keys[asked.index].Values[i])
		})
	}
	e.column("until", value.Timestamp, func(b []byte, asked question) []byte {
		return appendInt64(append(b, 0, 0, 0, 8), timestamp(asked.stamp.EventTime))
	})
	e.column("id", value.Integer, func(b []byte, asked question) []byte {
		return appendInt64(append(b, 0, 0, 0, 8), asked.stamp.IngestID)
	})
	if condition != "" {
		e.column("feature", value.Integer, func(b []byte, asked question) []byte {
			return appendInt64(append(b, 0, 0, 0, 8), int64(asked.feature))
		})
	}
	if q.since != nil {
		condition = " AND o.event_time >= s.since" + condition
		e.column("since", value.Timestamp, func(b []byte, asked question) []byte {
			return appendInt64(append(b, 0, 0, 0, 8), timestamp(q.since[asked.index]))
		})
	}
	text := fmt.Sprintf(`SELECT s.n, r.* FROM unnest(%s) WITH ORDINALITY AS s(%s, n) CROSS JOIN LATERAL (SELECT o.event_time, o.ingest_id, %s `+
		`FROM %s WHERE %s AND (o.event_time, o.ingest_id) < (s.until, s.id)%s ORDER BY o.event_time DESC, o.ingest_id DESC LIMIT %d) r`,
		strings.Join(e.unnested, ", "), strings.Join(e.names, ", "), columns, q.snapshot.rows(group, q.layout), sameKey(group), condition, limit)
	return q.snapshot.query(ctx, text, e.out, func(row [][]byte) error {
		found(int(decodeInt64(row[0]))-1, store.Stamp{EventTime: decodeTime(row[1]), IngestID: decodeInt64(row[2])}, row[3:])
		return nil
	})
}

// spineEncoder encodes questions column by column, one array parameter each.
type spineEncoder struct {
	asked    []question
	names    []string
	unnested []string
	out      [][]byte
}

func (e *spineEncoder) column(name string, t value.Type, field func([]byte, question) []byte) {
	b := beginArray(make([]byte, 0, arrayHead+16*len(e.asked)), typeIDs[t], len(e.asked))
	for _, asked := range e.asked {
		b = field(b, asked)
	}
	e.out, e.names = append(e.out, b), append(e.names, name)
	e.unnested = append(e.unnested, fmt.Sprintf("$%d::%s[]", len(e.out), sqlTypes[t]))
}
