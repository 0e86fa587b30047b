package sqlite

import (
	"context"
	"fmt"
	"slices"

	"featurestore/app/database"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// Append waits for its turn in the writer's next commit.
func (o *Offline) Append(ctx context.Context, rows []*store.Rows) error {
	return o.AppendOnce(ctx, rows, nil)
}

// AppendOnce waits for its turn in the writer's next commit.
func (o *Offline) AppendOnce(ctx context.Context, rows []*store.Rows, requests []*store.KeyedRequest) error {
	return o.AppendTogether(ctx, &store.Together{Rows: rows, Requests: requests})
}

// AppendTogether waits for its turn in the writer's next commit. Where a request is known, or an entry does not wait, that commit is one
// without all this, so that the others in it are not harmed.
func (o *Offline) AppendTogether(ctx context.Context, all *store.Together) error {
	a := &appending{offline: o, all: all}
	if len(all.Replayed) > 0 {
		done, err := o.alter(ctx)
		if err != nil {
			return err
		}
		defer done()
	}
	if err := o.writer.do(ctx, single, a.do); err != nil {
		return fmt.Errorf("appending to the offline store: %w", err)
	}
	if a.known {
		return tell(all.Requests, a.earlier)
	}
	if a.gone {
		return store.ErrNotWaiting
	}
	for i, e := range all.Entries {
		e.At, e.EventTime = a.at, a.eventTimes[i]
	}
	for i, r := range all.Rows {
		r.IngestIDs = a.ids[i]
		for j, id := range r.IngestIDs {
			if id != store.NotStored {
				r.EventTimes[j] = a.times[i][j]
			}
		}
	}
	return nil
}

// appending is one call of Append. What it finds is given to the caller after the commit only.
type appending struct {
	offline *Offline
	all     *store.Together
	at      int64 // the time of the transaction
	ids     [][]int64
	times   [][]int64
	earlier []*store.Remembered
	known   bool
	gone    bool // an entry that is replayed does not wait

	eventTimes []int64 // of the entries
}

func (a *appending) do(c *conn) (err error) {
	o, now := a.offline, a.offline.clock.time()
	a.at = now
	if a.earlier, a.known, err = earlierOf(c, now, a.all.Requests); err != nil || a.known {
		return err
	}
	if len(a.all.Replayed) > 0 {
		marked, err := a.replay(c)
		if a.gone = !marked; err != nil || a.gone {
			return err
		}
	}
	if err := remember(c, now, a.all.Requests); err != nil {
		return err
	}
	if err := a.admit(c); err != nil {
		return err
	}
	a.ids, a.times = make([][]int64, len(a.all.Rows)), make([][]int64, len(a.all.Rows))
	for i, rows := range a.all.Rows {
		l, err := checkLayout(c, rows.Group)
		if err != nil {
			return err
		}
		if rows.Checked < o.ledger.erasures {
			return store.ErrUnchecked
		}
		ins := o.insertFor(l, rows.Group)
		ids, times := make([]int64, len(rows.Keys)), slices.Clone(rows.EventTimes)
		places, err := ins.places(rows.Features)
		if err != nil {
			return err
		}
		err = inSizes(len(ids), ins.sizes, func(at, size int) error {
			s, err := ins.statement(c, size)
			if err != nil {
				return err
			}
			ins.begin(s, now, rows.Run)
			for r := range size {
				at := at + r
				ids[at] = o.ledger.nextID
				o.ledger.nextID++
				if times[at] == value.NoTime {
					times[at] = now
				}
				ins.bind(s, r, rows, at, ids[at], times[at], places)
			}
			_, err = ins.exec(s, ids[at:at+size])
			return err
		})
		if err == nil && ins.unique {
			err = ins.held(c, rows, ids, places)
		}
		if err != nil {
			return fmt.Errorf("group %s: %w", rows.Group.Name, err)
		}
		a.ids[i], a.times[i] = ids, times
	}
	return a.noteReplayed(c)
}

// insert makes the statements that insert rows of one layout, several rows at a time: preparing and crossing to C cost more than
// a row does. Their first arguments are what all rows share.
type insert struct {
	group   *registry.Group
	table   string // quoted
	head    string
	tail    string
	keys    int
	width   int // arguments of one row
	sizes   []int
	text    map[int]string // by size
	unique  bool           // rows whose id is there are left out
	idPlace int            // of the id among the group's features
}

// manyRows is how many rows one statement inserts at most, as far as maxArguments allow: more of them are no faster.
const (
	manyRows     = 64
	maxArguments = 8192
)

// sharedArguments are ingest_time, run_id and schema_version.
const sharedArguments = 3

func (o *Offline) insertFor(l *layout, group *registry.Group) *insert {
	name := layoutOf{group.ID, group.SchemaVersion}
	if ins, ok := o.inserts[name]; ok {
		return ins
	}
	ins := newInsert(l, group)
	o.inserts[name] = ins
	return ins
}

func newInsert(l *layout, group *registry.Group) *insert {
	columns := append([]string{"ingest_time", "run_id", "schema_version", "ingest_id", "event_time", "presence"}, keyColumns(group, "")...)
	for _, feature := range group.Features {
		columns = append(columns, database.Quote(featureColumn(group, feature.Column)))
	}
	ins := &insert{group: group, keys: len(group.EntityType.JoinKeys), width: len(columns) - sharedArguments, text: map[int]string{},
		table: database.Quote(l.table), tail: onConflict(group), unique: group.IDColumn != ""}
	ins.idPlace = slices.Index(group.Features, group.RowID())
	ins.head = "INSERT INTO " + ins.table + " ("
	for i, column := range columns {
		if i > 0 {
			ins.head += ", "
		}
		ins.head += column
	}
	ins.head += ") VALUES "
	for _, size := range []int{manyRows, 8} {
		if size = min(size, maxArguments/ins.width); size > 1 {
			ins.sizes = append(ins.sizes, size)
		}
	}
	ins.sizes = append(ins.sizes, 1)
	return ins
}

// statement gives the statement that inserts size rows.
func (ins *insert) statement(c *conn, size int) (*statement, error) {
	if ins.text[size] == "" {
		b := []byte(ins.head)
		for r := range size {
			if r > 0 {
				b = append(b, ',')
			}
			b = append(b, "(?1,?2,?3"...)
			for i := range ins.width {
				b = fmt.Appendf(b, ",?%d", sharedArguments+r*ins.width+i+1)
			}
			b = append(b, ')')
		}
		ins.text[size] = string(append(b, ins.tail...))
	}
	return c.prepare(ins.text[size])
}

func (ins *insert) begin(s *statement, ingestTime, run int64) {
	s.args[0].Value, s.args[1].Value, s.args[2].Value = ingestTime, nil, int64(ins.group.SchemaVersion)
	if run != 0 {
		s.args[1].Value = run
	}
}

// places says for each feature of the group which value of a row over these features it is; -1: none.
func (ins *insert) places(features []*registry.Feature) ([]int, error) {
	places := make([]int, len(ins.group.Features))
	at := 0
	for i, feature := range ins.group.Features {
		places[i] = -1
		if at < len(features) && features[at].Ordinal == feature.Ordinal {
			places[i] = at
			at++
		}
	}
	if at < len(features) {
		return nil, fmt.Errorf("feature %s is none of group %s at version %d", features[at].Name, ins.group.Name, ins.group.SchemaVersion)
	}
	return places, nil
}

// bind makes row i of rows the statement's r-th.
func (ins *insert) bind(s *statement, r int, rows *store.Rows, i int, id, eventTime int64, places []int) {
	args := s.args[sharedArguments+r*ins.width:]
	row := rows.Row(i)
	args[0].Value, args[1].Value, args[2].Value = id, eventTime, nil
	if !rows.Whole(i) {
		args[2].Value = presence(rows.Features, row)
	}
	for k, key := range rows.Keys[i].Values {
		args[3+k].Value = encode(key)
	}
	args = args[3+ins.keys:]
	for f, place := range places {
		if place < 0 {
			args[f].Value = nil
		} else {
			args[f].Value = encode(row[place])
		}
	}
}
