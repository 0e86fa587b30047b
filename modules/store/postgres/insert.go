package postgres

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"featurestore/app/database"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// insert is the statement that adds rows with certain features to one version of a group's table:
//
//	INSERT INTO t (k, event_time, run_id, schema_version, presence, f, g)
//	SELECT u.k0, coalesce(u.t, now()), $3, $2, ($4::smallint[])[u.p:u.q], u.f0, ($10::bigint[])[u.f1:u.g1]
//	FROM unnest($6::text[], …) AS u(k0, t, p, q, f0, f1, g1)
//	WHERE 1 / (SELECT count(*) FROM __layouts WHERE group_id = $1 AND version = $2 …) = 1
//	  AND ln((SELECT version <= $5 FROM __ledger)::int) = 0
//	RETURNING ingest_id, event_time
//
// The guards divide by zero when the table's layout is of another version, and take the logarithm of zero when entities were erased since the
// rows were checked. So the whole transaction fails, whatever else
// goes down the same pipeline, and needs no answer in between. They are evaluated after the lock on the table is had: see the package's
// comment. Arrays of arrays do not exist in PostgreSQL, so the elements of all rows go as one array, of which each row
// takes a slice; presence too.
type insert struct {
	group    *registry.Group
	features []*registry.Feature
	text     string
	id       int // of the features the row id; -1: the group has none
}

// insertRows bounds the rows of one statement: slices of arrays of texts are found by counting from the start.
const insertRows = 1000

// insertKey tells inserts apart: those with the same bytes are the same statement for the same layout.
func insertKey(rows *store.Rows) string {
	b := make([]byte, 0, 12+2*len(rows.Features))
	b = binary.AppendVarint(b, rows.Group.ID)
	b = binary.AppendVarint(b, int64(rows.Group.SchemaVersion))
	for _, key := range rows.Group.EntityType.JoinKeys {
		b = append(b, byte(key.ValueType))
	}
	for _, feature := range rows.Features {
		b = append(b, byte(feature.Ordinal>>8), byte(feature.Ordinal))
	}
	return string(b)
}

// insertFor gives the statement for rows with that key.
func (o *Offline) insertFor(key string, rows *store.Rows) *insert {
	o.mu.Lock()
	defer o.mu.Unlock()
	if made, ok := o.inserts[key]; ok && made.suits(rows) {
		return made
	}
	if len(o.inserts) >= 10*maxStatements {
		clear(o.inserts)
	}
	made := o.newInsert(rows.Group, rows.Features)
	o.inserts[key] = made
	return made
}

// suits tells whether what has the insert's numbers also has its names: after a restore to an earlier moment the same numbers can be given to
// other groups and features.
func (in *insert) suits(rows *store.Rows) bool {
	if in.group == rows.Group {
		return true
	}
	return in.group.Name == rows.Group.Name && in.group.EntityType.Name == rows.Group.EntityType.Name &&
		slices.EqualFunc(in.features, rows.Features, func(a, b *registry.Feature) bool {
			return a.Column == b.Column && a.Widened == b.Widened && a.ValueType == b.ValueType
		})
}

// The parameters before those that are unnested.
const (
	groupParameter = iota
	versionParameter
	runParameter
	presenceParameter
	ledgerParameter
	firstUnnested
)

func (o *Offline) newInsert(group *registry.Group, features []*registry.Feature) *insert {
	parameters := firstUnnested
	var unnested, names []string
	unnest := func(name, elementType string) {
		parameters++
		unnested = append(unnested, fmt.Sprintf("$%d::%s[]", parameters, elementType))
		names = append(names, name)
	}
	columns := keyColumns(group, "")
	var selected []string
	for i, key := range group.EntityType.JoinKeys {
		name := "k" + strconv.Itoa(i)
		unnest(name, sqlTypes[key.ValueType])
		selected = append(selected, "u."+name)
	}
	columns = append(columns, "event_time", "run_id", "schema_version", "presence")
	selected = append(selected, "coalesce(u.t, now())", "$3::bigint", "$2::integer", "($4::smallint[])[u.p:u.q]")
	unnest("t", "timestamptz")
	unnest("p", "integer")
	unnest("q", "integer")
	for i, feature := range features {
		columns = append(columns, database.Quote(featureColumn(group, feature.Column)))
		name := strconv.Itoa(i)
		if !feature.ValueType.Array() {
			unnest("f"+name, sqlTypes[feature.ValueType])
			selected = append(selected, "u.f"+name)
			continue
		}
		parameters++
		selected = append(selected, fmt.Sprintf("($%d::%s)[u.f%s:u.g%s]", parameters, sqlTypes[feature.ValueType], name, name))
		unnest("f"+name, "integer")
		unnest("g"+name, "integer")
	}
	order, id := "", placeOf(features, group.RowID())
	returned := "ingest_id, event_time"
	if id >= 0 {
		order = " ORDER BY u.f" + strconv.Itoa(id)
		returned += ", " + database.Quote(idColumn(group))
	}
	return &insert{group: group, features: features, id: id, text: fmt.Sprintf(`INSERT INTO %s (%s) SELECT %s FROM unnest(%s) AS u(%s) `+
		`WHERE 1 / (SELECT count(*) FROM %s WHERE group_id = $1 AND version = $2::integer AND table_name = %s) = 1 `+
		`AND ln((SELECT (version <= $5::bigint)::int FROM %s)::double precision) = 0%s%s RETURNING %s`,
		o.table(group.Name), strings.Join(columns, ", "), strings.Join(selected, ", "), strings.Join(unnested, ", "), strings.Join(names, ", "),
		o.table("__layouts"), literal(group.Name), o.table("__ledger"), order, onConflict(group), returned)}
}

// span is some rows of a Rows.
type span struct {
	rows     *store.Rows
	from, to int
}

// parameters encodes rows for the statement; all of them are of the same run.
func (in *insert) parameters(run int64, spans []span) [][]byte {
	e := &columnEncoder{spans: spans}
	for _, s := range spans {
		e.n += s.to - s.from
	}
	e.scalar(appendInt64(nil, in.group.ID))
	e.scalar(appendInt32(nil, in.group.SchemaVersion))
	if run == 0 {
		e.out = append(e.out, nil)
	} else {
		e.scalar(appendInt64(nil, run))
	}
	presence := e.presence()
	checked := spans[0].rows.Checked
	for _, s := range spans {
		checked = min(checked, s.rows.Checked)
	}
	e.scalar(appendInt64(nil, checked))
	for i, key := range in.group.EntityType.JoinKeys {
		e.column(typeIDs[key.ValueType], func(b []byte, rows *store.Rows, row int) []byte { return appendField(b, rows.Keys[row].Values[i]) })
	}
	e.column(typeIDs[value.Timestamp], func(b []byte, rows *store.Rows, row int) []byte {
		if rows.EventTimes[row] == value.NoTime {
			return appendNull(b)
		}
		return appendInt64(append(b, 0, 0, 0, 8), timestamp(rows.EventTimes[row]))
	})
	e.cuts(presence)
	for j, feature := range in.features {
		if feature.ValueType.Array() {
			e.cuts(e.arrays(j, feature))
			continue
		}
		e.column(typeIDs[feature.ValueType], func(b []byte, rows *store.Rows, row int) []byte {
			return appendField(b, rows.Values[row*len(rows.Features)+j])
		})
	}
	return e.out
}

// columnEncoder encodes rows column by column, one parameter each.
type columnEncoder struct {
	spans []span
	n     int
	out   [][]byte
}

func (e *columnEncoder) scalar(b []byte) { e.out = append(e.out, b) }

func (e *columnEncoder) column(elementType uint32, field func(b []byte, rows *store.Rows, row int) []byte) {
	b := beginArray(make([]byte, 0, arrayHead+16*e.n), elementType, e.n)
	for _, s := range e.spans {
		for row := s.from; row < s.to; row++ {
			b = field(b, s.rows, row)
		}
	}
	e.out = append(e.out, b)
}

// cut is where a row's elements stand in the array that holds those of all rows, counted from 1, both ends inclusive.
type cut struct{ first, last int }

// noCut is that of a row whose array is null.
var noCut = cut{-1, -1}

// cuts adds the two columns with the first and last element of each row's slice.
func (e *columnEncoder) cuts(cuts []cut) {
	for _, last := range []bool{false, true} {
		b := beginArray(make([]byte, 0, arrayHead+8*e.n), integerID, e.n)
		for _, c := range cuts {
			switch {
			case c == noCut:
				b = appendNull(b)
			case last:
				b = appendInt32(append(b, 0, 0, 0, 4), c.last)
			default:
				b = appendInt32(append(b, 0, 0, 0, 4), c.first)
			}
		}
		e.out = append(e.out, b)
	}
}

// presence adds the observed ordinals of the rows that are not whole. Rows that follow each other with the same ones share them.
func (e *columnEncoder) presence() []cut {
	cuts := make([]cut, 0, e.n)
	var ordinals, before []uint16
	var observed []byte
	n := 0
	for _, s := range e.spans {
		for row := s.from; row < s.to; row++ {
			if s.rows.Whole(row) {
				cuts = append(cuts, noCut)
				continue
			}
			ordinals = observedOrdinals(ordinals[:0], s.rows, row)
			if n == 0 || !slices.Equal(ordinals, before) {
				observed = appendOrdinals(observed, ordinals)
				n += len(ordinals)
				before = append(before[:0], ordinals...)
			}
			cuts = append(cuts, cut{n - len(ordinals) + 1, n})
		}
	}
	e.scalar(append(beginArray(make([]byte, 0, arrayHead+len(observed)), smallintID, n), observed...))
	return cuts
}

// arrays adds the elements of an array feature of all rows as one array.
func (e *columnEncoder) arrays(j int, feature *registry.Feature) []cut {
	cuts := make([]cut, 0, e.n)
	var elements []byte
	n := 0
	for _, s := range e.spans {
		for row := s.from; row < s.to; row++ {
			v := s.rows.Values[row*len(s.rows.Features)+j]
			if v.Type() == value.Invalid {
				cuts = append(cuts, noCut)
				continue
			}
			elements = appendElements(elements, v)
			n += v.Len()
			cuts = append(cuts, cut{n - v.Len() + 1, n})
		}
	}
	e.scalar(append(beginArray(make([]byte, 0, arrayHead+len(elements)), typeIDs[feature.ValueType.Element()], n), elements...))
	return cuts
}

// observedOrdinals adds the ordinals of the features that a row observes.
func observedOrdinals(into []uint16, rows *store.Rows, row int) []uint16 {
	for i, v := range rows.Row(row) {
		if !v.IsAbsent() {
			into = append(into, rows.Features[i].Ordinal)
		}
	}
	return into
}

// appendOrdinals adds ordinals as elements of a smallint[].
func appendOrdinals(b []byte, ordinals []uint16) []byte {
	for _, ordinal := range ordinals {
		b = append(b, 0, 0, 0, 2, byte(ordinal>>8), byte(ordinal))
	}
	return b
}

// check finds values that are not of their feature's type: a defect of the caller, which would be stored as something else.
func check(rows *store.Rows) error {
	for i := range rows.Keys {
		for j, v := range rows.Row(i) {
			if t := v.Type(); t != value.Invalid && t != rows.Features[j].ValueType {
				return fmt.Errorf("row %d has a value of type %s for the feature %s, which is of type %s", i, t, rows.Features[j].Reference(), rows.Features[j].ValueType)
			}
		}
	}
	return nil
}
