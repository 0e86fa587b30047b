package table_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry/value"
	"featurestore/modules/store/table"
)

const benchRows = 100_000

var benchColumns = func() []table.Column {
	columns := []table.Column{{Name: "customer_id", Type: value.String}, {Name: "event_time", Type: value.Timestamp}}
	for i := range 10 {
		columns = append(columns, table.Column{Name: fmt.Sprintf("feature_%d", i), Type: value.Float})
	}
	return columns
}()

// benchCells are rows of an id, a time and ten floats: short ones with six places, or full ones with about 17 digits.
func benchCells(full bool) []table.Cell {
	r := rand.New(rand.NewPCG(1, 2))
	cells := make([]table.Cell, 0, benchRows*len(benchColumns))
	for i := range benchRows {
		cells = append(cells, table.ValueCell(value.OfString("customer_"+strconv.Itoa(r.IntN(1_000_000)))), table.ValueCell(value.OfTime(1_700_000_000_000_000+int64(i)*1_000_000)))
		for range 10 {
			f := r.Float64() * 1000
			if !full {
				f, _ = strconv.ParseFloat(strconv.FormatFloat(f, 'f', 6, 64), 64)
			}
			cells = append(cells, table.ValueCell(value.OfFloat(f)))
		}
	}
	return cells
}

func write(b require.TestingT, format table.Format, columns []table.Column, rows int, cells []table.Cell, to io.Writer) {
	w, err := table.NewWriter(format, to, columns)
	require.NoError(b, err)
	n := len(columns)
	for at := 0; at < rows; at += 1000 {
		end := min(at+1000, rows)
		require.NoError(b, w.Write(end-at, cells[at*n:end*n]))
	}
	require.NoError(b, w.Close())
}

// cpu is the CPU time that the process has used, in ns: other than the wall clock it says the same on a busy machine.
func cpu() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

func perCell(b *testing.B, before int64) {
	b.ReportMetric(float64(cpu()-before)/float64(b.N*benchRows*len(benchColumns)), "cpu-ns/cell")
}

// BenchmarkRead reads 100,000 rows and converts every cell: a tenth of the goal's million.
func BenchmarkRead(b *testing.B) {
	for _, full := range []bool{false, true} {
		cells := benchCells(full)
		for _, format := range []table.Format{table.CSV, table.NDJSON, table.JSONRows, table.JSON} {
			var body bytes.Buffer
			write(b, format, benchColumns, benchRows, cells, &body)
			for _, convert := range []bool{false, true} {
				b.Run(fmt.Sprintf("%s/full=%t/convert=%t", format, full, convert), func(b *testing.B) {
					b.ReportAllocs()
					b.SetBytes(int64(body.Len()))
					before := cpu()
					for range b.N {
						reader, _, err := table.NewReader(bytes.NewReader(body.Bytes()), table.ReadOptions{})
						require.NoError(b, err)
						rows := 0
						for {
							batch, err := reader.Next()
							if err == io.EOF {
								break
							}
							require.NoError(b, err)
							rows += batch.Rows
							if !convert {
								continue
							}
							for i := range batch.Rows {
								for c, cell := range batch.Row(i) {
									if _, err := cell.Value(benchColumns[c].Type, nil); err != nil {
										b.Fatal(err)
									}
								}
							}
						}
						require.Equal(b, benchRows, rows)
					}
					perCell(b, before)
				})
			}
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	for _, full := range []bool{false, true} {
		cells := benchCells(full)
		for _, format := range []table.Format{table.CSV, table.NDJSON, table.JSONRows, table.JSON} {
			b.Run(fmt.Sprintf("%s/full=%t", format, full), func(b *testing.B) {
				b.ReportAllocs()
				before := cpu()
				for range b.N {
					write(b, format, benchColumns, benchRows, cells, io.Discard)
				}
				perCell(b, before)
			})
		}
	}
}
