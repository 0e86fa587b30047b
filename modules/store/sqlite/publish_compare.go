package sqlite

import (
	"bytes"
	"context"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"

	"featurestore/modules/registry"
)

// records are sorted records: see merger.
type records interface {
	next() (key, rest []byte, more bool, err error)
}

// comparing gives those of the staged rows that are to be stored, by going through them side by side with what earlier publications of the
// ticks have brought, and keeps which of those are to be taken back.
type comparing struct {
	group     *registry.Group
	found     *sorter // the earlier rows: the key and the ingest id, 8 bytes big-endian; schema version, presence and the features
	gone      *sorter // those of them that are to be taken back: the key; the ingest id
	staged    records
	earlier   records
	key, rest []byte // of the next earlier row, without the id
	id        []byte
	more      bool // there is one

	unchanged     int64
	stored        map[int64]int64 // rows by tick
	least, latest int64           // event times of what is to be taken back
}

// newComparing sorts the earlier rows.
func (o *Offline) newComparing(ctx context.Context, group *registry.Group, ticks []int64, earlier []publication) (*comparing, error) {
	c := &comparing{group: group, found: newSorter(o.path, o.options.LoadBytes), gone: newSorter(o.path, quarantineBytes), stored: map[int64]int64{}, least: math.MaxInt64, latest: math.MinInt64}
	opened, err := o.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	if err = errors.Join(c.read(ctx, opened.(*snapshot), ticks, earlier), opened.Close()); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *comparing) close() {
	c.found.close() //nolint:errcheck // the file has no name any more
	c.gone.close()  //nolint:errcheck // neither has that one
}

func (c *comparing) read(ctx context.Context, s *snapshot, ticks []int64, earlier []publication) error {
	src, err := s.source(c.group, c.group.Features)
	if err != nil || src == nil {
		return err
	}
	keys := len(src.keys)
	statement, err := s.conn.prepare(fmt.Sprintf("SELECT %s, t.event_time, t.ingest_id, t.schema_version, t.presence%s FROM %s AS t NOT INDEXED WHERE t.ingest_id BETWEEN ? AND ? AND t.run_id = +?%s",
		strings.Join(src.keys, ", "), strings.Join(append([]string{""}, src.columns...), ", "), src.table, src.visible()))
	if err != nil {
		return err
	}
	dest := make([]driver.Value, keys+4+len(src.columns))
	var key, rest []byte
	for _, p := range earlier {
		err := statement.with(p.first, p.last, p.run).each(ctx, dest, func() error {
			if !among(ticks, integer(dest[keys])) {
				return nil
			}
			key = appendSortKey(key[:0], keyOf(dest[:keys]).Values, integer(dest[keys]))
			key = binary.BigEndian.AppendUint64(key, uint64(integer(dest[keys+1])))
			rest = rest[:0]
			for _, column := range dest[keys+2:] {
				rest = appendStored(rest, column)
			}
			return c.found.add(key, rest)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// with begins to compare.
func (c *comparing) with(staged records) (err error) {
	c.staged = staged
	if c.earlier, err = c.found.merge(); err != nil {
		return err
	}
	return c.advance()
}

// advance goes to the next earlier row.
func (c *comparing) advance() error {
	key, rest, more, err := c.earlier.next()
	if c.more = more && err == nil; c.more {
		c.key, c.id, c.rest = key[:len(key)-8], key[len(key)-8:], rest
	}
	return err
}

// takeBack keeps that the next earlier row is to be taken back.
func (c *comparing) takeBack() error {
	_, at := cutSortKey(c.key)
	c.least, c.latest = min(c.least, at), max(c.latest, at)
	return c.gone.add(c.key, c.id)
}

// next is the next row to be stored. At the end all earlier rows have been looked at.
func (c *comparing) next() (key, rest []byte, more bool, err error) {
	for {
		if key, rest, more, err = c.staged.next(); err != nil {
			return nil, nil, false, err
		}
		for c.more && (!more || bytes.Compare(c.key, key) < 0) { // of an entity and tick that is not there any more
			if err := errors.Join(c.takeBack(), c.advance()); err != nil {
				return nil, nil, false, err
			}
		}
		if !more {
			return nil, nil, false, nil
		}
		same := false // as the newest of them, which is the last
		for c.more && bytes.Equal(c.key, key) {
			var less bool
			if same, less = c.against(rest); less {
				err = c.takeBack()
			}
			if err = errors.Join(err, c.advance()); err != nil {
				return nil, nil, false, err
			}
		}
		if same {
			c.unchanged++
			continue
		}
		_, tick := cutSortKey(key)
		c.stored[tick]++
		return key, rest, true, nil
	}
}

// against compares a staged row with the next earlier one: whether it observes the same and has the same values, and whether it leaves
// something out that the other observes.
func (c *comparing) against(staged []byte) (same, less bool) {
	version, rest := cutColumn(c.rest)
	presence, columns := cutColumn(rest)
	names, values := cutColumn(staged)
	if presence == names && (names != nil || integer(version) == int64(c.group.SchemaVersion)) {
		return bytes.Equal(columns, values), false
	}
	now, before := observed(int64(c.group.SchemaVersion), names), observed(version, presence)
	same = true
	for _, f := range c.group.Features {
		has, had := now.observes(f), before.observes(f)
		same = same && has == had
		less = less || had && !has
	}
	return same && bytes.Equal(columns, values), less
}

// appendStored appends a column as it stands in the table, in the form of appendColumn.
func appendStored(b []byte, column driver.Value) []byte {
	switch v := column.(type) {
	case int64:
		return binary.LittleEndian.AppendUint64(append(b, tagInteger), uint64(v))
	case float64:
		return binary.LittleEndian.AppendUint64(append(b, tagReal), math.Float64bits(v))
	case string:
		return appendText(b, v)
	}
	return append(b, tagNull)
}
