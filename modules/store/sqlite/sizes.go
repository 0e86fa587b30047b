package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"featurestore/app/database"
	"featurestore/modules/registry"
	"featurestore/modules/store"
)

const (
	countedRows = 20_000 // of a group; more are estimated
	sizeSpans   = 1000   // places all over a table that are looked at, evenly spaced in the order of ingestion
	spanIDs     = 64     // ingest ids of each
)

// GroupSize counts rows up to a limit. Beyond it, and for the bytes, it looks at spans of ingest ids, of which others' tables have some.
func (s *snapshot) GroupSize(ctx context.Context, group *registry.Group) (store.GroupSize, error) {
	size := store.GroupSize{}
	src, err := s.source(group, nil)
	if err == nil && src != nil {
		var l *layout
		if l, err = s.conn.layoutOf(group.ID); err == nil {
			size, err = src.size(ctx, s.conn, l)
		}
	}
	if err != nil {
		return store.GroupSize{}, fmt.Errorf("measuring group %s: %w", group.Name, err)
	}
	return size, nil
}

func (src *source) size(ctx context.Context, c *conn, l *layout) (size store.GroupSize, err error) {
	one := make([]driver.Value, 1)
	if _, err := c.row(one, fmt.Sprintf("SELECT count(*) FROM (SELECT 1 FROM %s AS t WHERE true%s LIMIT +?)", src.table, src.visible()), int64(countedRows+1)); err != nil {
		return size, err
	}
	if size.Rows = integer(one[0]); size.Rows == 0 {
		return size, nil
	}
	ends := make([]driver.Value, 2)
	if _, err := c.row(ends, fmt.Sprintf("SELECT (SELECT min(ingest_id) FROM %[1]s), (SELECT max(ingest_id) FROM %[1]s)", src.table)); err != nil {
		return size, err
	}
	first, last := integer(ends[0]), integer(ends[1])
	text := fmt.Sprintf("SELECT count(*), coalesce(sum(%s), 0) FROM %s AS t NOT INDEXED WHERE t.ingest_id BETWEEN +? AND +?%s", src.bytesOf(l), src.table, src.visible())
	var looked, rows, bytes int64
	step := max(spanIDs, (last-first+sizeSpans)/sizeSpans)
	found := make([]driver.Value, 2)
	for from := first; from <= last; from += step {
		if err := ctx.Err(); err != nil {
			return size, err
		}
		to := min(last, from+spanIDs-1)
		if _, err := c.row(found, text, from, to); err != nil {
			return size, err
		}
		looked, rows, bytes = looked+to-from+1, rows+integer(found[0]), bytes+integer(found[1])
	}
	if size.Rows > countedRows {
		size.Estimated = true
		size.Rows = max(size.Rows, int64(float64(rows)/float64(looked)*float64(last-first+1)))
	}
	if rows > 0 {
		size.Bytes = int64(float64(bytes) / float64(rows) * float64(size.Rows))
	}
	return size, nil
}

// bytesOf is the SQL of about how many bytes a row takes, with its place in the index: numbers with 8.
func (src *source) bytesOf(l *layout) string {
	const fixed = 64 // times, ids and versions, and what SQLite keeps with each row and each place
	parts := []string{fmt.Sprint(fixed + len(l.columns) + 2*len(l.keys))}
	for _, key := range src.keys {
		parts = append(parts, "2 * coalesce(octet_length("+key+"), 0)")
	}
	for _, column := range l.columns {
		at := strings.LastIndexByte(column, ' ')
		name := "t." + database.Quote(column[:at])
		if column[at+1:] == "TEXT" {
			parts = append(parts, "coalesce(octet_length("+name+"), 0)")
		} else {
			parts = append(parts, "8 * ("+name+" IS NOT NULL)")
		}
	}
	return balanced(parts)
}

// balanced is the sum of terms, nested no deeper than need be: SQLite takes a thousand levels.
func balanced(terms []string) string {
	if len(terms) == 1 {
		return terms[0]
	}
	half := len(terms) / 2
	return "(" + balanced(terms[:half]) + " + " + balanced(terms[half:]) + ")"
}

// Size is that of the file, with what is yet to be written into it.
func (o *Offline) Size(context.Context) (store.StoreSize, error) { return sizeOf(o.path) }

// Size is that of the file, with what is yet to be written into it.
func (o *Online) Size(context.Context) (store.StoreSize, error) { return sizeOf(o.path) }

func sizeOf(path string) (store.StoreSize, error) {
	size := store.StoreSize{Engine: "sqlite"}
	for _, suffix := range []string{"", "-wal"} {
		file, err := os.Stat(path + suffix)
		if errors.Is(err, fs.ErrNotExist) && suffix != "" {
			continue
		}
		if err != nil {
			return store.StoreSize{}, fmt.Errorf("measuring %s: %w", path, err)
		}
		size.Bytes += file.Size()
	}
	return size, nil
}
