package spark

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"featurestore/app/fault"
	"featurestore/modules/registry/value"
	"featurestore/modules/store/table"
)

// cells are those of one row, in the order of the statement's columns.
type cells []table.Cell

// of reads a cell as a type; null is null.
func (c cells) of(i int, t value.Type) (value.Value, error) { return c[i].Value(t, nil) }

// int reads a whole number that is never null.
func (c cells) int(i int) (int64, error) {
	v, err := c.of(i, value.Integer)
	if err == nil && v.IsNull() {
		err = errors.New("expected INTEGER, got null")
	}
	if err != nil {
		return 0, err
	}
	return v.Int(), nil
}

// read hands on the rows of a result, which have to be as many as Spark says.
func (w *work) read(ctx context.Context, of int, take func(row cells) error) error {
	parts, err := filepath.Glob(filepath.Join(w.spec.Results[of].Path, "part-*.parquet"))
	if err != nil {
		return fmt.Errorf("find what Spark wrote: %w", err)
	}
	slices.Sort(parts)
	rows := int64(0)
	for _, part := range parts {
		n, err := readPart(ctx, part, take)
		if err != nil {
			return err
		}
		rows += n
	}
	if rows != w.status.Rows[of] {
		return fmt.Errorf("read what Spark wrote: there are %d rows, and it says that it wrote %d", rows, w.status.Rows[of])
	}
	return nil
}

func readPart(ctx context.Context, part string, take func(row cells) error) (rows int64, err error) {
	file, err := table.OpenFile(part, table.Limits{Ratio: 1 << 40, Expanded: 1 << 60})
	if err != nil {
		return 0, fmt.Errorf("read what Spark wrote: %w", err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	for {
		batch, err := file.Next()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return 0, fmt.Errorf("read what Spark wrote: %w", err)
		}
		if len(batch.Bad) > 0 {
			bad := batch.Bad[0]
			return 0, fault.New(fault.Unprocessable, "computation-failed", "the SQL yields for %s what is no value of a feature: %s", bad.Column, bad.Reason).
				At("sql", fault.Shorten(bad.Value), "%s", bad.Reason)
		}
		for i := range batch.Rows {
			if err := take(batch.Row(i)); err != nil {
				return 0, err
			}
		}
		rows += int64(batch.Rows)
	}
}
