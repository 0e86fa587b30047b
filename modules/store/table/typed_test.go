package table_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"featurestore/app/fault"
	"featurestore/modules/registry/value"
	"featurestore/modules/store/table"
)

// samples are files that pyarrow has written: every type, every encoding, every codec.
func samples(t testing.TB) map[string][]byte {
	names, err := filepath.Glob("testdata/typed/*")
	require.NoError(t, err)
	require.Len(t, names, 9)
	found := map[string][]byte{}
	for _, name := range names {
		found[filepath.Base(name)], err = os.ReadFile(name)
		require.NoError(t, err)
	}
	return found
}

// small are limits that a sample keeps, far below what its claims can ask for.
var small = table.Limits{Row: 1 << 20, Columns: 100, Held: 4 << 20, Pages: 8 << 20, Expanded: 64 << 20}

// readable reads a body to its end. Whatever it holds, the error is one that the sender can understand.
func readable(t testing.TB, body []byte) (rows int64, err error) {
	reader, _, err := table.NewReader(bytes.NewReader(body), table.ReadOptions{Limits: small})
	for err == nil {
		var batch *table.Batch
		if batch, err = reader.Next(); err == nil {
			rows += int64(batch.Rows + len(batch.Bad))
		}
	}
	if errors.Is(err, io.EOF) {
		return rows, nil
	}
	problem, ok := fault.As(err)
	require.True(t, ok, "%v", err)
	require.Contains(t, []fault.Kind{fault.Invalid, fault.TooLarge, fault.Unsupported}, problem.Kind, problem.Detail)
	return rows, err
}

func TestSamples(t *testing.T) {
	for name, body := range samples(t) {
		rows, err := readable(t, body)
		require.NoError(t, err, name)
		require.Contains(t, []int64{3, 300}, rows, name)
	}
}

// A body that is cut off anywhere is never taken for a whole one.
func TestCutOff(t *testing.T) {
	for name, body := range samples(t) {
		for range 200 {
			n := 8 + rand.IntN(len(body)-8)
			_, err := readable(t, body[:n])
			require.Error(t, err, "%s, %d of %d bytes", name, n, len(body))
		}
	}
}

// Damaged bodies are refused or read as something else, in bounded memory.
func TestDamaged(t *testing.T) {
	rounds := 200
	if os.Getenv("FEATURESTORE_TEST_FULL") == "1" {
		rounds = 20_000
	}
	random := rand.New(rand.NewPCG(1, 2))
	most := uint64(0)
	for name, body := range samples(t) {
		refused := 0
		for range rounds {
			damaged := damage(random, body)
			before := allocated()
			if _, err := readable(t, damaged); err != nil {
				refused++
			}
			most = max(most, allocated()-before)
			require.Less(t, most, uint64(256<<20), name)
		}
		require.NotZero(t, refused, name)
	}
	t.Logf("measured: at most %d MB allocated for a damaged body", most>>20)
}

// A description whose table ends in the middle of an entry says of its vectors what its decoder believes: none is longer than the body.
func TestTablesOfOddSize(t *testing.T) {
	refused := 0
	for _, body := range samples(t) {
		if !bytes.HasPrefix(body, []byte("ARROW1")) {
			continue
		}
		contents := len(body) - 10 - int(binary.LittleEndian.Uint32(body[len(body)-10:]))
		for table := contents; table < len(body)-10; table++ {
			if body[table] != 8 || body[table+1] != 0 {
				continue
			}
			for vector := contents; vector < len(body)-14; vector += 4 {
				damaged := bytes.Clone(body)
				damaged[table]--
				binary.LittleEndian.PutUint32(damaged[vector:], 1<<30)
				if _, err := readable(t, damaged); err != nil {
					refused++
				}
			}
		}
	}
	require.NotZero(t, refused)
}

// Columns of views each have a number of buffers in a batch's description. Where it has fewer numbers than columns, a decoder takes what comes
// behind them for one: of this body 8 billion buffers.
func TestTooFewCountsOfBuffers(t *testing.T) {
	schema := arrow.NewSchema([]arrow.Field{{Name: "a", Type: arrow.BinaryTypes.StringView}, {Name: "b", Type: arrow.BinaryTypes.StringView}}, nil)
	builder := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	for column := range 2 {
		builder.Field(column).(*array.StringViewBuilder).Append("a text that does not fit into a view")
	}
	var body bytes.Buffer
	w := ipc.NewWriter(&body, ipc.WithSchema(schema))
	require.NoError(t, w.Write(builder.NewRecordBatch()))
	require.NoError(t, w.Close())
	rows, err := readable(t, body.Bytes())
	require.NoError(t, err)
	require.EqualValues(t, 1, rows)

	counts := []byte{2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0}
	at := bytes.Index(body.Bytes(), counts)
	require.Positive(t, at)
	damaged := bytes.Clone(body.Bytes())
	damaged[at] = 1
	binary.LittleEndian.PutUint64(damaged[at+12:], 1<<33)
	_, err = readable(t, damaged)
	require.ErrorContains(t, err, "a description refers to where it has nothing")
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// damage changes some bytes of a copy, mostly to what claims a lot; often near the end, where Parquet has its metadata.
func damage(random *rand.Rand, body []byte) []byte {
	b := bytes.Clone(body)
	for range 1 + random.IntN(4) {
		at := random.IntN(len(b))
		if random.IntN(2) == 0 {
			at = len(b) - 1 - random.IntN(min(len(b), 2048))
		}
		switch random.IntN(5) {
		case 0:
			b[at] ^= 1 << random.IntN(8)
		case 1:
			b[at] = byte(random.IntN(256))
		case 2:
			copy(b[at:], []byte{0xff, 0xff, 0xff, 0xff, 0x0f})
		case 3:
			copy(b[at:], binary.LittleEndian.AppendUint64(nil, random.Uint64()>>random.IntN(64)))
		case 4:
			from := random.IntN(len(b))
			copy(b[at:], b[from:min(from+random.IntN(64), len(b))])
		}
	}
	return b
}

func FuzzTyped(f *testing.F) {
	for _, body := range samples(f) {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) { readable(t, body) }) //nolint:errcheck // what counts is checked there
}

// Few bytes that stand for many rows, or for one long text again and again, are believed up to a limit.
func TestFewBytesForMuch(t *testing.T) {
	columns := []table.Column{{Name: "text", Type: value.String}}
	cells := make([]table.Cell, 100_000)
	for i := range cells {
		cells[i] = table.ValueCell(value.OfString(fmt.Sprintf("%01000d", 7)))
	}
	var body bytes.Buffer
	write(t, table.Parquet, columns, len(cells), cells, &body)
	require.Less(t, body.Len(), 64<<10)
	_, err := readable(t, body.Bytes())
	require.True(t, fault.Is(err, "body-too-large"), "%v", err)
}

// Rows without values, more of them than a batch has.
func TestNulls(t *testing.T) {
	for _, format := range []table.Format{table.Parquet, table.Arrow} {
		columns := []table.Column{{Name: "a", Type: value.Integer}, {Name: "b", Type: value.FloatArray}, {Name: "c", Type: value.JSON}}
		cells := make([]table.Cell, 3*60_000)
		var body bytes.Buffer
		write(t, format, columns, 60_000, cells, &body)
		rows, err := readable(t, body.Bytes())
		require.NoError(t, err)
		require.EqualValues(t, 60_000, rows)
	}
}
