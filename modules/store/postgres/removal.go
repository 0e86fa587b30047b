package postgres

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"featurestore/app/database"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// errNothing rolls back a removal that finds nothing.
var errNothing = errors.New("nothing is there to be taken back")

// Remove deletes or narrows the rows and notes them in one transaction. Removals of one group follow each other: each has its number
// only once the one before is committed, so that no snapshot shows a number before a lower one.
func (o *Offline) Remove(ctx context.Context, group *registry.Group, what store.Selection) (removed store.Removed, err error) {
	if what.Run != 0 {
		if err := o.closeRun(ctx, what.Run); err != nil {
			return removed, fmt.Errorf("taking back rows of group %s: %w", group.Name, err)
		}
	}
	var waited int64
	var nothing bool // no row was found, but entries of the quarantine, or publications
	err = o.inTransaction(ctx, "taking back rows of group "+group.Name, func(tx pgx.Tx) error {
		waited, nothing = 0, false
		l, exists, err := o.readLayout(ctx, tx, group.ID, "")
		if err != nil {
			return err
		}
		if !exists {
			return errNothing
		}
		// As an insert: no column comes between the look at the layout and the rows.
		if _, err := tx.Exec(ctx, "LOCK TABLE "+o.table(l.table)+" IN ROW EXCLUSIVE MODE"); err != nil {
			return writeError(err)
		}
		if l, _, err = o.readLayout(ctx, tx, group.ID, ""); err != nil {
			return err
		}
		if l.version <= group.SchemaVersion && !l.keyedAs(group) {
			return errNothing
		}
		var released int64
		if released, waited, err = o.release(ctx, tx, group, what); err != nil {
			return err
		}
		if what.Run != 0 {
			ended, err := o.unpublish(ctx, tx, group, what.Run)
			if err != nil {
				return err
			}
			released += ended
		}
		if released == 0 {
			removed, err = o.removeRows(ctx, tx, group, l, what)
			return err
		}
		err = pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) (err error) {
			removed, err = o.removeRows(ctx, tx, group, l, what)
			return err
		})
		if nothing = errors.Is(err, errNothing); nothing {
			return nil // what was released stays so
		}
		return err
	})
	if nothing && err == nil || errors.Is(err, errNothing) {
		removed, err = o.removedRun(ctx, group, what.Run)
	}
	removed.Quarantined = waited
	return removed, err
}

// removeRows deletes or narrows rows under the group's next number; where there are none it is errNothing.
func (o *Offline) removeRows(ctx context.Context, tx pgx.Tx, group *registry.Group, l layout, what store.Selection) (removed store.Removed, err error) {
	var number int64
	err = tx.QueryRow(ctx, "INSERT INTO "+o.table("__removals")+" AS r (group_id, last, forgotten) VALUES ($1, 1, 0) "+
		"ON CONFLICT (group_id) DO UPDATE SET last = r.last + 1 RETURNING last", group.ID).Scan(&number)
	if err != nil {
		return removed, err
	}
	if what.Run != 0 {
		removed, err = o.removeRun(ctx, tx, group, l, what.Run, number)
	} else {
		removed, err = o.removeEntity(ctx, tx, group, l, what, number)
	}
	if err == nil && !removed.Any() {
		err = errNothing
	}
	return removed, err
}

// closeRun keeps a load of the run that is still open from committing. One that is about to, which passed first, is waited for.
func (o *Offline) closeRun(ctx context.Context, run int64) error {
	_, err := o.writers.Exec(ctx, "INSERT INTO "+o.table("__reverted")+" (run_id) VALUES ($1) ON CONFLICT DO NOTHING", run)
	return err
}

// pass makes sure that the load's run was not taken back. Whoever does so from now on waits for the end of the transaction.
func (l *load) pass(ctx context.Context) error {
	table := l.offline.table("__reverted")
	_, err := l.conn.Exec(ctx, "INSERT INTO "+table+" (run_id) VALUES ($1)", l.run)
	if code(err) == uniqueViolation {
		return store.RunTakenBack(l.run)
	}
	if err == nil {
		_, err = l.conn.Exec(ctx, "DELETE FROM "+table+" WHERE run_id = $1", l.run)
	}
	if err != nil {
		return fmt.Errorf("looking whether run %d was taken back: %w", l.run, err)
	}
	return nil
}

// removedRun counts what the notes have of a run.
func (o *Offline) removedRun(ctx context.Context, group *registry.Group, run int64) (removed store.Removed, err error) {
	if run == 0 {
		return removed, nil
	}
	err = o.writers.QueryRow(ctx, "SELECT coalesce(sum(cardinality(ids)), 0), count(*) FROM "+o.table("__removed")+" WHERE group_id = $1 AND run_id = $2", group.ID, run).
		Scan(&removed.Rows, &removed.Entities)
	if err != nil {
		return store.Removed{}, fmt.Errorf("taking back rows of group %s: %w", group.Name, err)
	}
	return removed, nil
}

func (o *Offline) removeRun(ctx context.Context, tx pgx.Tx, group *registry.Group, l layout, run, number int64) (removed store.Removed, err error) {
	keys := strings.Join(keyColumns(group, "gone."), ", ")
	var least, latest *int64
	err = tx.QueryRow(ctx, fmt.Sprintf("WITH gone AS (DELETE FROM %s WHERE run_id = $1 RETURNING %s, ingest_id, event_time), "+
		"noted AS (INSERT INTO %s (group_id, number, run_id, entity, ids) SELECT $2, $3, $1, %s, array_agg(gone.ingest_id) FROM gone GROUP BY %s RETURNING cardinality(ids) AS n) "+
		"SELECT coalesce(sum(n), 0), count(*), (SELECT %s FROM gone), (SELECT %s FROM gone) FROM noted",
		o.table(l.table), strings.Join(keyColumns(group, ""), ", "), o.table("__removed"), entityText(group, "gone."), keys,
		microseconds("min(event_time)"), microseconds("max(event_time)")),
		run, group.ID, number).Scan(&removed.Rows, &removed.Entities, &least, &latest)
	if err == nil && removed.Any() {
		_, err = tx.Exec(ctx, o.removalTimesText(), group.ID, number, *least, *latest)
	}
	return removed, err
}

// removalTimesText notes between which event times lay what a removal took.
func (o *Offline) removalTimesText() string {
	return "INSERT INTO " + o.table("__removal_times") + " (group_id, number, least, latest) VALUES ($1, $2, $3, $4)"
}

// entityText is the SQL of an entity as a note names it: the text of each join key.
func entityText(group *registry.Group, prefix string) string {
	texts := keyColumns(group, prefix)
	for i := range texts {
		texts[i] += "::text"
	}
	return "ARRAY[" + strings.Join(texts, ", ") + "]"
}

// entity is the condition that a row is of that entity and of the event times, with its parameters.
func (o *Offline) entity(group *registry.Group, what store.Selection) (condition string, parameters []any) {
	for i, column := range keyColumns(group, "") {
		v := what.Key.Values[i]
		parameters = append(parameters, any(v.Text()))
		if v.Type() == value.Integer {
			parameters[i] = v.Int()
		}
		condition += column + " = $" + strconv.Itoa(i+1) + " AND "
	}
	if what.UpTo {
		return condition + "event_time <= " + timeLiteral(what.At), parameters
	}
	return condition + "event_time = " + timeLiteral(what.At), parameters
}

// narrowed is what becomes of some rows.
type narrowed struct {
	gone []int64            // rows that go
	stay map[int64][]uint16 // the features that a row is left with
	ids  []int64            // of both
	runs []int64            // that brought both

	least, latest int64 // event times of both, µs
}

func (n *narrowed) counts() store.Removed {
	removed := store.Removed{Rows: int64(len(n.gone)), Narrowed: int64(len(n.stay)), Runs: n.runs}
	if removed.Any() {
		removed.Entities = 1
	}
	return removed
}

// narrow looks at an entity's rows of an event time.
func (o *Offline) narrow(ctx context.Context, q interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}, group *registry.Group, l layout, what store.Selection, suffix string) (*narrowed, error) {
	if l.version > group.SchemaVersion {
		return nil, fmt.Errorf("group %s, version %d: %w", group.Name, group.SchemaVersion, store.ErrOutdated)
	}
	condition, parameters := o.entity(group, what)
	rows, err := q.Query(ctx, "SELECT ingest_id, schema_version, presence, "+microseconds("event_time")+", coalesce(run_id, 0) FROM "+o.table(l.table)+" WHERE "+condition+suffix, parameters...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	n := &narrowed{stay: map[int64][]uint16{}, least: math.MaxInt64, latest: math.MinInt64}
	for rows.Next() {
		var id, at, run int64
		var version int
		var presence []int16
		if err := rows.Scan(&id, &version, &presence, &at, &run); err != nil {
			return nil, err
		}
		var rest []uint16
		if what.Features != nil {
			var changed bool
			if rest, changed = store.Rest(group, what.Features, func(f *registry.Feature) bool { return present(f, version, presence) }); !changed {
				continue
			}
		}
		n.ids = append(n.ids, id)
		n.runs = store.WithRun(n.runs, run)
		n.least, n.latest = min(n.least, at), max(n.latest, at)
		if len(rest) > 0 {
			n.stay[id] = rest
		} else {
			n.gone = append(n.gone, id)
		}
	}
	return n, rows.Err()
}

// present tells whether a row observes a feature.
func present(f *registry.Feature, version int, presence []int16) bool {
	if presence == nil {
		return version >= f.Since && (f.Until == 0 || version < f.Until)
	}
	for _, ordinal := range presence {
		if uint16(ordinal) == f.Ordinal {
			return true
		}
	}
	return false
}

func (o *Offline) removeEntity(ctx context.Context, tx pgx.Tx, group *registry.Group, l layout, what store.Selection, number int64) (store.Removed, error) {
	n, err := o.narrow(ctx, tx, group, l, what, " FOR UPDATE")
	if err != nil || len(n.ids) == 0 {
		return store.Removed{}, err
	}
	condition, parameters := o.entity(group, what)
	next := len(parameters) + 1
	if len(n.gone) > 0 {
		text := fmt.Sprintf("DELETE FROM %s WHERE %s AND ingest_id = ANY ($%d)", o.table(l.table), condition, next)
		if _, err := tx.Exec(ctx, text, append(parameters[:len(parameters):len(parameters)], n.gone)...); err != nil {
			return store.Removed{}, err
		}
	}
	set := ""
	for _, f := range what.Features {
		for _, column := range []string{f.Column, f.Widened} {
			if name := featureColumn(group, column); column != "" && l.has(name) {
				set += ", " + database.Quote(name) + " = NULL"
			}
		}
	}
	for id, rest := range n.stay {
		presence := make([]int16, len(rest))
		for i, ordinal := range rest {
			presence[i] = int16(ordinal)
		}
		text := fmt.Sprintf("UPDATE %s SET presence = $%d%s WHERE %s AND ingest_id = $%d", o.table(l.table), next, set, condition, next+1)
		if _, err := tx.Exec(ctx, text, append(parameters[:len(parameters):len(parameters)], presence, id)...); err != nil {
			return store.Removed{}, err
		}
	}
	texts := make([]string, len(what.Key.Values))
	for i, v := range what.Key.Values {
		texts[i] = string(value.AppendText(nil, v))
	}
	_, err = tx.Exec(ctx, "INSERT INTO "+o.table("__removed")+" (group_id, number, entity, ids) VALUES ($1, $2, $3, $4)", group.ID, number, texts, n.ids)
	if err == nil {
		_, err = tx.Exec(ctx, o.removalTimesText(), group.ID, number, n.least, n.latest)
	}
	if err == nil && !what.UpTo {
		err = o.noteRetraction(ctx, tx, store.Retraction{Group: group.ID, Number: number, At: what.At, Runs: n.runs})
	}
	return n.counts(), err
}

// ForgetRemovals deletes the notes.
func (o *Offline) ForgetRemovals(ctx context.Context, group *registry.Group, upTo int64) error {
	return o.inTransaction(ctx, "forgetting what was taken back from group "+group.Name, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE "+o.table("__removals")+" SET forgotten = greatest(forgotten, least(last, $2)) WHERE group_id = $1", group.ID, upTo)
		if err == nil {
			_, err = tx.Exec(ctx, "DELETE FROM "+o.table("__removed")+" WHERE group_id = $1 AND number <= $2", group.ID, upTo)
		}
		return err
	})
}

// Removable reads the whole table for a run, and the index for an entity.
func (s *snapshot) Removable(ctx context.Context, group *registry.Group, what store.Selection) (removed store.Removed, err error) {
	l, err := s.layout(ctx, group)
	if err != nil || l.table == "" {
		return removed, err
	}
	if what.Run == 0 {
		n, err := s.offline.narrow(ctx, s.conn, group, l, what, "")
		if err != nil {
			return removed, fmt.Errorf("counting rows of group %s: %w", group.Name, err)
		}
		removed = n.counts()
		if what.Features == nil {
			condition, parameters := waitingOf(group, what)
			err = s.conn.QueryRow(ctx, "SELECT count(*) FROM "+s.offline.table("__quarantine")+" WHERE "+condition, parameters...).Scan(&removed.Quarantined)
		}
		return removed, err
	}
	err = s.conn.QueryRow(ctx, fmt.Sprintf("SELECT coalesce(sum(n), 0)::bigint, count(*) FROM (SELECT count(*) AS n FROM %s WHERE run_id = $1 GROUP BY %s) AS e",
		s.offline.table(l.table), strings.Join(keyColumns(group, ""), ", ")), what.Run).Scan(&removed.Rows, &removed.Entities)
	if err == nil {
		err = s.conn.QueryRow(ctx, "SELECT count(*) FROM "+s.offline.table("__quarantine")+" WHERE "+ofRun+" AND state = 'waiting'", what.Run, group.ID).Scan(&removed.Quarantined)
	}
	if err != nil {
		return removed, fmt.Errorf("counting rows of group %s: %w", group.Name, err)
	}
	return removed, nil
}

// Removals reads the numbers of all groups.
func (s *snapshot) Removals(ctx context.Context) (map[int64]store.Removals, error) {
	rows, err := s.conn.Query(ctx, "SELECT group_id, last, forgotten FROM "+s.offline.table("__removals"))
	if err != nil {
		return nil, fmt.Errorf("reading the removals: %w", err)
	}
	all := map[int64]store.Removals{}
	var group int64
	var r store.Removals
	_, err = pgx.ForEachRow(rows, []any{&group, &r.Last, &r.Forgotten}, func() error {
		all[group] = r
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the removals: %w", err)
	}
	return all, nil
}

// takenBatch is how many entities are yielded at once.
const takenBatch = 1000

// Taken reads the notes in the order of their numbers.
func (s *snapshot) Taken(ctx context.Context, group *registry.Group, after int64, yield func([]store.Taken) error) error {
	var batch []store.Taken
	text := "SELECT entity, ids FROM " + s.offline.table("__removed") + " WHERE group_id = $1 AND number > $2"
	err := s.queryOnce(ctx, text, [][]byte{appendInt64(nil, group.ID), appendInt64(nil, after)}, func(row [][]byte) error {
		key, err := entityKey(group, decodeTexts(row[0]))
		if err != nil {
			return err
		}
		batch = append(batch, store.Taken{Key: key, IDs: decodeIDs(row[1])})
		if len(batch) < takenBatch {
			return nil
		}
		full := batch
		batch = make([]store.Taken, 0, takenBatch)
		return yield(full)
	})
	if err == nil && len(batch) > 0 {
		err = yield(batch)
	}
	if err != nil {
		return fmt.Errorf("reading what was taken back from group %s: %w", group.Name, err)
	}
	return nil
}

// decodeTexts and decodeIDs read an array of one dimension that has no nulls.
func decodeTexts(b []byte) (texts []string) {
	for b = b[min(arrayHead, len(b)):]; len(b) > 0; {
		size := decodeInt32(b)
		texts = append(texts, string(b[4:4+size]))
		b = b[4+size:]
	}
	return texts
}

func decodeIDs(b []byte) (ids []int64) {
	for b = b[min(arrayHead, len(b)):]; len(b) > 0; b = b[12:] {
		ids = append(ids, decodeInt64(b[4:]))
	}
	return ids
}

// entityKey is the key that a note names.
func entityKey(group *registry.Group, texts []string) (store.Key, error) {
	values := make([]value.Value, len(texts))
	for i, text := range texts {
		values[i] = value.OfString(text)
		if group.EntityType.JoinKeys[i].ValueType == value.Integer {
			number, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return store.Key{}, err
			}
			values[i] = value.OfInt(number)
		}
	}
	return store.NewKey(values), nil
}
