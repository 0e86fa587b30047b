package table_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry/value"
	"featurestore/modules/store/table"
)

func TestCellValue(t *testing.T) {
	const noon = 1_769_860_800_000_000 // 2026-01-31T12:00:00Z
	for _, c := range []struct {
		cell table.Cell
		typ  value.Type
		want value.Value
	}{
		{table.MissingCell(), value.Integer, value.Value{}},
		{table.NullCell(), value.Integer, value.Null()},
		{table.JSONCell("null"), value.Integer, value.Null()},
		{table.ValueCell(value.Null()), value.Integer, value.Null()},
		{table.ValueCell(value.Value{}), value.Integer, value.Value{}},
		{table.TextCell(""), value.String, value.OfString("")},
		{table.TextCell("1.0"), value.Integer, value.OfInt(1)},
		{table.JSONCell("1.0"), value.Integer, value.OfInt(1)},
		{table.ValueCell(value.OfFloat(1)), value.Integer, value.OfInt(1)},
		{table.TextCell("2026-01-31 13:00:00"), value.Timestamp, value.OfTime(noon)},
		{table.JSONCell(`"2026-01-31 13:00:00"`), value.Timestamp, value.OfTime(noon)},
		{table.ValueCell(value.OfString("2026-01-31 13:00:00")), value.Timestamp, value.OfTime(noon)},
	} {
		got, err := c.cell.Value(c.typ, time.FixedZone("", 3600))
		require.NoError(t, err)
		require.Equal(t, c.want, got)
	}
	_, err := table.JSONCell(`"2026-01-31 13:00:00"`).Value(value.Timestamp, nil)
	require.EqualError(t, err, "2026-01-31 13:00:00 has no offset from UTC: add Z or one such as +02:00, or name the zone with time_zone")
}

func TestKeyValue(t *testing.T) {
	for _, c := range []struct {
		cell table.Cell
		typ  value.Type
		want value.Value
	}{
		{table.JSONCell("12345678901234567890123"), value.String, value.OfString("12345678901234567890123")},
		{table.JSONCell("-5"), value.String, value.OfString("-5")},
		{table.JSONCell(`"007"`), value.String, value.OfString("007")},
		{table.TextCell("007"), value.String, value.OfString("007")},
		{table.ValueCell(value.OfInt(7)), value.String, value.OfString("7")},
		{table.TextCell("-7"), value.Integer, value.OfInt(-7)},
		{table.JSONCell("7.0"), value.Integer, value.OfInt(7)},
		{table.NullCell(), value.Integer, value.Null()},
	} {
		got, err := c.cell.KeyValue(c.typ)
		require.NoError(t, err)
		require.Equal(t, c.want, got)
	}
	for _, c := range []struct {
		cell table.Cell
		typ  value.Type
		want string
	}{
		{table.TextCell("007"), value.Integer, "expected INTEGER, got 007: a number must not begin with a zero"},
		{table.JSONCell(`"7"`), value.Integer, `expected INTEGER, got "7"`},
		{table.JSONCell("7.5"), value.String, "expected STRING, got 7.5"},
		{table.JSONCell("7.0"), value.String, "expected STRING, got 7.0"},
		{table.JSONCell("true"), value.String, "expected STRING, got true"},
		{table.TextCell("9223372036854775808"), value.Integer, "9223372036854775808 is beyond 64 bits, the range of INTEGER"},
	} {
		_, err := c.cell.KeyValue(c.typ)
		require.EqualError(t, err, c.want)
	}
}

func TestInference(t *testing.T) {
	infer := func(zone *time.Location, cells ...table.Cell) (value.Type, error) {
		n := table.Inference{Zone: zone}
		for _, c := range cells {
			if err := n.Add(c); err != nil {
				return value.Invalid, err
			}
		}
		return n.Type()
	}
	for _, c := range []struct {
		cells []table.Cell
		want  value.Type
	}{
		{[]table.Cell{table.NullCell(), table.TextCell("1"), table.TextCell(""), table.TextCell("2.5")}, value.Float},
		{[]table.Cell{table.TextCell("1"), table.TextCell("x")}, value.String},
		{[]table.Cell{table.MissingCell(), table.JSONCell("1"), table.JSONCell("[]"), table.JSONCell("2.5")}, value.Float},
		{[]table.Cell{table.JSONCell("[]"), table.JSONCell("[1]"), table.JSONCell("[1.5]")}, value.FloatArray},
		{[]table.Cell{table.ValueCell(value.OfInt(1)), table.ValueCell(value.OfFloat(1))}, value.Float},
		{[]table.Cell{table.JSONCell(`"2026-01-31T12:00:00Z"`), table.JSONCell(`"x"`)}, value.String},
	} {
		got, err := infer(nil, c.cells...)
		require.NoError(t, err)
		require.Equal(t, c.want, got)
	}
	got, err := infer(time.UTC, table.JSONCell(`"2026-01-31 12:00:00"`))
	require.NoError(t, err)
	require.Equal(t, value.Timestamp, got)
	got, err = table.JSONCell("17").Infer()
	require.NoError(t, err)
	require.Equal(t, value.Integer, got)

	_, err = infer(nil, table.JSONCell("1"), table.JSONCell(`"x"`))
	require.EqualError(t, err, `"x" is STRING, values before it were INTEGER`)
	_, err = infer(nil, table.NullCell(), table.TextCell(""), table.JSONCell("[]"))
	require.EqualError(t, err, "there is no value but null and empty ones to tell the type from")

	n := table.Inference{}
	for i := range 2000 {
		cell := table.TextCell("1")
		if i >= 1000 {
			cell = table.TextCell("x") // beyond the first thousand
		}
		require.NoError(t, n.Add(cell))
	}
	got, err = n.Type()
	require.NoError(t, err)
	require.Equal(t, value.Integer, got)
}
