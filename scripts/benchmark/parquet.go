package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"featurestore/modules/registry/value"
	tables "featurestore/modules/store/table" // table makes one
)

// isParquet tells the format of a file that is loaded or sent as a spine; the others are CSV.
func isParquet(path string) bool { return strings.HasSuffix(path, ".parquet") }

// answerHeader names the columns of a training set.
const answerHeader = "customer_id,event_time,label,f0,f1,f2,f3,f4,f5,f6,f7,f8,f9,b0,b1,b2,b3,b4,b5,b6,b7,b8,b9\n"

// mediaTypeOf is the content type of such a file.
func mediaTypeOf(path string) string {
	if isParquet(path) {
		return tables.Parquet.ContentType()
	}
	return "text/csv"
}

// typesOf are the types of the columns of the tables here.
func typesOf(names []string) []tables.Column {
	columns := make([]tables.Column, len(names))
	for i, name := range names {
		columns[i] = tables.Column{Name: name, Type: value.Float}
		switch name {
		case "customer_id":
			columns[i].Type = value.String
		case "event_time":
			columns[i].Type = value.Timestamp
		case "label":
			columns[i].Type = value.Integer
		}
	}
	return columns
}

// asParquet writes a file in CSV again as Parquet, and answers its name.
func asParquet(path string) (string, error) {
	from, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer from.Close()
	path = strings.TrimSuffix(path, ".csv") + ".parquet"
	to, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer to.Close()
	return path, translate(from, to, tables.Parquet)
}

// translate reads a table and writes it in a format.
func translate(from io.Reader, to io.Writer, format tables.Format) error {
	var out tables.Writer
	err := eachBatch(from, func(batch *tables.Batch) (err error) {
		if out == nil {
			if out, err = tables.NewWriter(format, to, typesOf(batch.Columns)); err != nil {
				return err
			}
		}
		return out.Write(batch.Rows, batch.Cells)
	})
	if err != nil || out == nil {
		return err
	}
	return out.Close()
}

// wholeFile is a file as the reader of Parquet wants it.
type wholeFile struct {
	*os.File
	size int64
}

func (f wholeFile) Size() int64            { return f.size }
func (f wholeFile) Bytes() ([]byte, error) { return os.ReadFile(f.Name()) }
func (f wholeFile) Forget()                {}

// eachBatch reads a table whose rows must all be good.
func eachBatch(from io.Reader, each func(*tables.Batch) error) error {
	if file, ok := from.(*os.File); ok {
		info, err := file.Stat()
		if err != nil {
			return err
		}
		from = wholeFile{file, info.Size()}
	}
	reader, _, err := tables.NewReader(from, tables.ReadOptions{})
	if err != nil {
		return err
	}
	for {
		batch, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil && len(batch.Bad) > 0 {
			err = fmt.Errorf("row %d: %s", batch.Bad[0].Number, batch.Bad[0].Reason)
		}
		if err == nil {
			err = each(batch)
		}
		if err != nil {
			return err
		}
	}
}

// asCSV is a file as CSV while it is read.
func asCSV(file *os.File) io.ReadCloser {
	if !isParquet(file.Name()) {
		return file
	}
	read, write := io.Pipe()
	go func() { write.CloseWithError(translate(file, write, tables.CSV)) }()
	return read
}

// answerOf takes the CSV of an answer and writes it in the format of the spine; wait for its end with the function that comes with it.
func answerOf(spine string) (io.WriteCloser, func() error) {
	if !isParquet(spine) {
		return discard{}, func() error { return nil }
	}
	read, write := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := translate(read, io.Discard, tables.Parquet)
		read.CloseWithError(err)
		ended <- err
	}()
	return write, func() error { return <-ended }
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) Close() error                { return nil }

// parquetRows reads the rows of a file in Parquet.
func parquetRows(file *os.File) ([]loadedRow, error) {
	var rows []loadedRow
	err := eachBatch(file, func(batch *tables.Batch) error {
		for r := range batch.Rows {
			cells := batch.Row(r)
			id, err := cells[0].Value(value.String, nil)
			if err != nil {
				return err
			}
			at, err := cells[1].Value(value.Timestamp, time.UTC)
			if err != nil {
				return err
			}
			row := loadedRow{entity: id.Text(), at: at.Time()}
			for i := range row.values {
				v, err := cells[2+i].Value(value.Float, nil)
				if err != nil {
					return err
				}
				row.values[i] = v.Float()
			}
			rows = append(rows, row)
		}
		return nil
	})
	return rows, err
}
