package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"unsafe"

	"featurestore/modules/store"
)

// keySizes are how many entities one statement asks for.
var keySizes = []int{64, 16, 4, 1}

// Texts of reading, by place in keySizes: the rows of some keys of one group, each with its place.
var rowTexts = func() (texts [4]string) {
	for i, size := range keySizes {
		var b strings.Builder
		for k := range size {
			fmt.Fprintf(&b, ", (%d, ?%d)", k, k+2)
		}
		texts[i] = "WITH q (i, k) AS (VALUES " + b.String()[2:] + ") SELECT q.i, e.row FROM q CROSS JOIN entities AS e INDEXED BY by_key ON e.group_id = +?1 AND e.key = q.k"
	}
	return texts
}()

const (
	markerText = "SELECT marker FROM states WHERE group_id = +?"
	oneText    = "SELECT (SELECT marker FROM states WHERE group_id = +?1), (SELECT row FROM entities INDEXED BY by_key WHERE group_id = +?1 AND key = +?2)"
)

// Read answers all of the questions from one read transaction.
func (o *Online) Read(ctx context.Context, questions []store.Question) (rows [][]string, marked []bool, err error) {
	rows, marked = make([][]string, len(questions)), make([]bool, len(questions))
	err = o.reading(ctx, func(c *conn) error {
		if len(questions) == 1 && len(questions[0].Keys) == 1 {
			rows[0], marked[0], err = readOne(c, questions[0]) // one statement is one transaction
			return err
		}
		if err := c.exec("BEGIN"); err != nil {
			return err
		}
		for i, q := range questions {
			read := readMany
			if len(q.Keys) == 1 {
				read = readOne
			}
			if rows[i], marked[i], err = read(c, q); err != nil {
				return errors.Join(err, c.exec("ROLLBACK"))
			}
			if i%64 == 63 && ctx.Err() != nil {
				return errors.Join(ctx.Err(), c.exec("ROLLBACK"))
			}
		}
		return c.exec("COMMIT")
	})
	if err != nil {
		return nil, nil, fmt.Errorf("reading the online store: %w", err)
	}
	return rows, marked, nil
}

// reading lends a connection.
func (o *Online) reading(ctx context.Context, do func(*conn) error) error {
	c, err := o.readers.get(ctx)
	if err != nil {
		return err
	}
	err = do(c)
	return errors.Join(err, o.readers.put(c, err != nil))
}

func readOne(c *conn, q store.Question) ([]string, bool, error) {
	var dest [2]driver.Value
	if _, err := c.row(dest[:], oneText, q.Group.ID, bytesOf(q.Keys[0].Encoded)); err != nil {
		return nil, false, err
	}
	return []string{stringOf(dest[1])}, isMarker(dest[0], q.Marker), nil
}

func readMany(c *conn, q store.Question) ([]string, bool, error) {
	var dest [2]driver.Value
	if _, err := c.row(dest[:1], markerText, q.Group.ID); err != nil {
		return nil, false, err
	}
	marked, rows := isMarker(dest[0], q.Marker), make([]string, len(q.Keys))
	err := inSizes(len(rows), keySizes, func(at, size int) error {
		place := 0
		for keySizes[place] != size {
			place++
		}
		s, err := c.prepare(rowTexts[place])
		if err != nil {
			return err
		}
		s.args[0].Value = q.Group.ID
		for i, key := range q.Keys[at : at+size] {
			s.args[1+i].Value = bytesOf(key.Encoded)
		}
		return s.each(context.Background(), dest[:], func() error {
			rows[at+int(integer(dest[0]))] = stringOf(dest[1])
			return nil
		})
	})
	return rows, marked, err
}

func isMarker(column driver.Value, wanted string) bool {
	marker, ok := column.(string)
	return ok && marker == wanted
}

// bytesOf lends a text to the driver, which copies it.
func bytesOf(s string) []byte {
	if s == "" {
		return []byte{}
	}
	return unsafe.Slice(unsafe.StringData(s), len(s))
}

// stringOf takes over the bytes of a column, which the driver has copied for it; "" for null.
func stringOf(column driver.Value) string {
	b, _ := column.([]byte)
	return unsafe.String(unsafe.SliceData(b), len(b))
}
