package value_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"featurestore/modules/registry/value"
	"featurestore/modules/registry/value/valuetest"
)

// What is written must read back as the same, bit for bit, for every type.
func TestRoundTrip(t *testing.T) {
	check := func(t require.TestingT, typ value.Type, v value.Value) {
		raw := value.AppendJSON(nil, v)
		require.True(t, json.Valid(raw), "%s", raw)
		back, err := value.ParseJSON(typ, raw)
		require.NoError(t, err)
		require.Equal(t, v, back, "%s", raw)

		text := value.AppendText(nil, v)
		back, err = value.ParseText(typ, string(text), nil)
		require.NoError(t, err)
		require.True(t, value.Equal(v, back), "%s", text)
	}
	for _, typ := range valuetest.Types {
		t.Run(typ.String(), func(t *testing.T) {
			for _, v := range valuetest.Boundaries(typ) {
				check(t, typ, v)
			}
			rapid.Check(t, func(t *rapid.T) { check(t, typ, valuetest.Value(typ).Draw(t, "value")) })
		})
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		typ  value.Type
		json string
		want value.Value
	}{
		{value.Integer, "1.0", value.OfInt(1)},
		{value.Integer, "1e3", value.OfInt(1000)},
		{value.Integer, "1200e-2", value.OfInt(12)},
		{value.Integer, "-0", value.OfInt(0)},
		{value.Integer, "-0.0", value.OfInt(0)},
		{value.Integer, "0e99999999999999999999", value.OfInt(0)},
		{value.Integer, "9223372036854775807.0", value.OfInt(math.MaxInt64)},
		{value.Integer, "-9223372036854775808.000", value.OfInt(math.MinInt64)},
		{value.Integer, "922337203685477580.7e1", value.OfInt(math.MaxInt64)},
		{value.Integer, "9007199254740993.0", value.OfInt(1<<53 + 1)},
		{value.Float, "1", value.OfFloat(1)},
		{value.Float, "-0.0", value.OfFloat(0)},
		{value.Float, "-0", value.OfFloat(0)},
		{value.Float, "9007199254740994", value.OfFloat(1<<53 + 2)},
		{value.Float, "100000000000000000000", value.OfFloat(1e20)},
		{value.Float, "9007199254740993.0", value.OfFloat(1 << 53)}, // a fraction makes it a float: rounded to the nearest
		{value.Float, "1e-400", value.OfFloat(0)},
		{value.Float, "2.4703282292062328e-324", value.OfFloat(5e-324)},
		{value.String, `"a\u00e9\ud83d\ude00\n"`, value.OfString("aé😀\n")},
		{value.Timestamp, `"2026-01-31T12:00:00+02:00"`, value.OfTime(1769853600000000)},
		{value.JSON, `{ "a" : [ 1.50 , "x y" ] }`, value.OfJSON(`{"a":[1.50,"x y"]}`)},
		{value.JSON, `1e400`, value.OfJSON(`1e400`)},
		{value.FloatArray, "[ 1, 2.5 ,-0.0]", value.OfFloats([]float64{1, 2.5, 0})},
		{value.StringArray, `[ "a,b" , "]" ]`, value.OfStrings([]string{"a,b", "]"})},
		{value.Integer, "null", value.Null()},
		{value.JSON, "null", value.Null()},
	} {
		got, err := value.ParseJSON(c.typ, []byte(c.json))
		require.NoError(t, err, c.json)
		require.Equal(t, c.want, got, c.json)
	}
	for _, c := range []struct {
		typ  value.Type
		text string
		want value.Value
	}{
		{value.Float, "+1.5", value.OfFloat(1.5)},
		{value.Float, ".5", value.OfFloat(.5)},
		{value.Float, "5.", value.OfFloat(5)},
		{value.Boolean, "True", value.OfBool(true)},
		{value.Boolean, "FALSE", value.OfBool(false)},
		{value.JSON, ` {"a": 1} `, value.OfJSON(`{"a":1}`)},
		{value.IntegerArray, " [1, 2] ", value.OfInts(value.IntegerArray, []int64{1, 2})},
		{value.String, "", value.OfString("")},
	} {
		got, err := value.ParseText(c.typ, c.text, nil)
		require.NoError(t, err, c.text)
		require.Equal(t, c.want, got, c.text)
	}
}

func TestParseRefuses(t *testing.T) {
	long := `"` + strings.Repeat("x", value.MaxText+1) + `"`
	for _, c := range []struct {
		typ        value.Type
		json, want string
	}{
		{value.Integer, "1.5", "expected INTEGER, got 1.5"},
		{value.Integer, "1e-1", "expected INTEGER, got 1e-1"},
		{value.Integer, "1e-99999999999999999999", "expected INTEGER, got 1e-99999999999999999999"},
		{value.Integer, `"1"`, `expected INTEGER, got "1"`},
		{value.Integer, "true", "expected INTEGER, got true"},
		{value.Integer, "9223372036854775808", "9223372036854775808 is beyond 64 bits, the range of INTEGER"},
		{value.Integer, "-9223372036854775809", "-9223372036854775809 is beyond 64 bits, the range of INTEGER"},
		{value.Integer, "18446744073709551617", "18446744073709551617 is beyond 64 bits, the range of INTEGER"},
		{value.Integer, "9223372036854775808.0", "9223372036854775808.0 is beyond 64 bits, the range of INTEGER"},
		{value.Integer, "1e19", "1e19 is beyond 64 bits, the range of INTEGER"},
		{value.Integer, "1e99999999999999999999", "1e99999999999999999999 is beyond 64 bits, the range of INTEGER"},
		{value.Float, "9007199254740993", "9007199254740993 is beyond 2^53 and not exact as FLOAT"},
		{value.Float, "-9007199254740993", "-9007199254740993 is beyond 2^53 and not exact as FLOAT"},
		{value.Float, "18446744073709551615", "18446744073709551615 is beyond 2^53 and not exact as FLOAT"},
		{value.Float, "123456789012345678901", "123456789012345678901 is beyond 2^53 and not exact as FLOAT"},
		{value.Float, "1e400", "1e400 is beyond the range of FLOAT"},
		{value.Float, "-1e400", "-1e400 is beyond the range of FLOAT"},
		{value.Float, `"1.0"`, `expected FLOAT, got "1.0"`},
		{value.Boolean, "1", "expected BOOLEAN, got 1"},
		{value.String, "5", "expected STRING, got 5"},
		{value.String, long, "the STRING has 1048577 bytes, more than 1048576"},
		{value.JSON, long, "the JSON has 1048579 bytes, more than 1048576"},
		{value.Timestamp, "1769853600", "expected TIMESTAMP, got 1769853600"},
		{value.Timestamp, `"yesterday"`, "expected a time such as 2026-01-31T12:00:00Z, got yesterday"},
		{value.Timestamp, `"2026-01-31T12:00:00"`, "2026-01-31T12:00:00 has no offset from UTC: add Z or one such as +02:00, or name the zone with time_zone"},
		{value.IntegerArray, "[1,null]", "element 2 is null: arrays hold no nulls"},
		{value.IntegerArray, "[1,2.5]", "element 2: expected INTEGER, got 2.5"},
		{value.IntegerArray, "1", "expected INTEGER[], got 1"},
		{value.IntegerArray, "[[1]]", "element 1: expected INTEGER, got [1]"},
		{value.StringArray, `["a",5]`, "element 2: expected STRING, got 5"},
	} {
		_, err := value.ParseJSON(c.typ, []byte(c.json))
		require.EqualError(t, err, c.want)
	}
	for _, c := range []struct {
		typ        value.Type
		text, want string
	}{
		{value.Integer, "007", "expected INTEGER, got 007: a number must not begin with a zero"},
		{value.Integer, "+5", "expected INTEGER, got +5"},
		{value.Integer, " 5", "expected INTEGER, got  5"},
		{value.Integer, "", `expected INTEGER, got ""`},
		{value.Integer, "-", "expected INTEGER, got -"},
		{value.Integer, "1,000", "expected INTEGER, got 1,000"},
		{value.Integer, "5.", "expected INTEGER, got 5."},
		{value.Integer, "0x10", "expected INTEGER, got 0x10"},
		{value.Integer, "1_000", "expected INTEGER, got 1_000"},
		{value.Integer, "1\x00", "expected INTEGER, got 1\x00"},
		{value.Integer, "NaN", "NaN is refused, numbers are finite: for null leave the cell empty"},
		{value.Float, "nan", "nan is refused, numbers are finite: for null leave the cell empty"},
		{value.Float, "-inf", "-inf is refused, numbers are finite: for null leave the cell empty"},
		{value.Float, "Infinity", "Infinity is refused, numbers are finite: for null leave the cell empty"},
		{value.Float, "01.5", "expected FLOAT, got 01.5: a number must not begin with a zero"},
		{value.Float, "1e", "expected FLOAT, got 1e"},
		{value.Float, "1.5f", "expected FLOAT, got 1.5f"},
		{value.Float, "0x1p-2", "expected FLOAT, got 0x1p-2"},
		{value.Float, ".", "expected FLOAT, got ."},
		{value.Float, "\xff", "expected FLOAT, got \ufffd"},
		{value.Float, "1e400", "1e400 is beyond the range of FLOAT"},
		{value.Boolean, "yes", "expected BOOLEAN (true or false), got yes"},
		{value.Boolean, "1", "expected BOOLEAN (true or false), got 1"},
		{value.String, "a\x00b", "the text holds NUL, which is refused"},
		{value.String, "a\xffb", "the text is not valid UTF-8"},
		{value.JSON, "{'a':1}", "expected JSON, got {'a':1}: expected a member's name in double quotes, got ' (at byte 1)"},
		{value.JSON, `{"a":1} x`, `expected JSON, got {"a":1} x: something follows after the end of the value: x (at byte 8)`},
		{value.FloatArray, "[1,NaN]", "expected FLOAT[], got [1,NaN]: [1]: NaN is no JSON number: send null, or leave the member out (at byte 3)"},
		{value.FloatArray, "1", "expected FLOAT[], got 1"},
	} {
		_, err := value.ParseText(c.typ, c.text, nil)
		require.EqualError(t, err, c.want)
	}
}

// Reading and writing floats by hand must give what strconv gives.
func TestFloatsAgreeWithStrconv(t *testing.T) {
	parse := func(t require.TestingT, text string) {
		want, err := strconv.ParseFloat(text, 64)
		require.NoError(t, err)
		got, err := value.ParseText(value.Float, text, nil)
		require.NoError(t, err, text)
		require.Equal(t, math.Float64bits(want+0), math.Float64bits(got.Float()), text)
	}
	rapid.Check(t, func(t *rapid.T) {
		f := valuetest.Float().Draw(t, "float")
		for _, format := range []byte{'e', 'f'} {
			for _, precision := range []int{-1, 3, 17, 18, 19} {
				if text := strconv.FormatFloat(f, format, precision, 64); format == 'e' || strings.ContainsRune(text, '.') {
					parse(t, text)
				}
			}
		}
		text := string(value.AppendJSON(nil, value.OfFloat(f)))
		mantissa, _, _ := strings.Cut(strings.Trim(strings.Replace(text, ".", "", 1), "-0"), "e")
		want, _, _ := strings.Cut(strconv.FormatFloat(f, 'e', -1, 64), "e")
		require.Equal(t, strings.Trim(strings.Replace(want, ".", "", 1), "-0"), strings.Trim(mantissa, "0"), text)
	})
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 200_000 { // every exponent that is written by hand, and mantissas of few bits
		mantissa := r.Uint64() >> 12
		if i%2 == 0 {
			mantissa &^= 1<<r.IntN(52) - 1
		}
		f := math.Float64frombits(uint64(1075-70+i%80)<<52 | mantissa)
		want := strconv.FormatFloat(f, 'f', -1, 64)
		if !strings.ContainsRune(want, '.') {
			want += ".0"
		}
		if got := string(value.AppendJSON(nil, value.OfFloat(f))); got != want && f >= 1e-6 {
			require.Equal(t, want, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) { // halves between two floats, and digits around them
		f := rapid.Float64Range(1e-3, 1e15).Draw(t, "float")
		text := strconv.FormatFloat(f, 'f', rapid.IntRange(1, 19).Draw(t, "places"), 64)
		parse(t, text)
		parse(t, text+"5")
		parse(t, "-"+text[:len(text)-1]+"1")
	})
	for _, text := range []string{"9007199254740993.0", "9007199254740992.5", "9007199254740991.5", "18446744073709551615.0", "0.9223372036854775808", "1844674407370955161.5",
		"0.00000000000000000001", "4503599627370496.5", "4503599627370497.5", "0.500000000000000166533453693773481063544750213623046875"} {
		parse(t, text)
	}
}

func TestFloatText(t *testing.T) {
	for f, want := range map[float64]string{0: "0.0", 1: "1.0", -1: "-1.0", 0.5: "0.5", 1e20: "100000000000000000000.0", 1e21: "1e+21", 5e-324: "5e-324", 1e-6: "0.000001", 1e-7: "1e-07",
		123.456: "123.456", -12.3: "-12.3", 0.30000000000000004: "0.30000000000000004", 1e9: "1000000000.0", 999999999.999999: "999999999.999999", math.MaxFloat64: "1.7976931348623157e+308"} {
		require.Equal(t, want, string(value.AppendJSON(nil, value.OfFloat(f))))
	}
	require.Equal(t, "0.0", string(value.AppendJSON(nil, value.OfFloat(math.Copysign(0, -1)))))
	require.Equal(t, "[0.0]", string(value.AppendJSON(nil, value.OfFloats([]float64{math.Copysign(0, -1)}))))
}

func TestTimes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		us := valuetest.Value(value.Timestamp).Draw(t, "time").Time()
		text := string(value.AppendTime(nil, us))
		require.Equal(t, time.UnixMicro(us).UTC().Format(time.RFC3339Nano), text)
		offset := time.FixedZone("", 60*rapid.IntRange(-14*60, 14*60).Draw(t, "minutes"))
		if local := time.UnixMicro(us).In(offset); local.Year() >= 1 && local.Year() <= 9999 {
			got, err := value.ParseTime(local.Format("2006-01-02 15:04:05.000000-07:00"), nil)
			require.NoError(t, err)
			require.Equal(t, us, got)
		}
	})
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	for text, want := range map[string]string{
		"2026-01-31T12:00:00Z":                "2026-01-31T12:00:00Z",
		"2026-01-31t12:00:00z":                "2026-01-31T12:00:00Z",
		"2026-01-31 12:00Z":                   "2026-01-31T12:00:00Z",
		"2026-01-31 12:00:00.5+02":            "2026-01-31T10:00:00.5Z",
		"2026-01-31 12:00:00,123456789+0200":  "2026-01-31T10:00:00.123456Z",
		"2026-01-31T12:00:00.000001-23:59":    "2026-02-01T11:59:00.000001Z",
		"2026-01-31":                          "2026-01-30T23:00:00Z",
		"2026-07-31 12:00:00":                 "2026-07-31T10:00:00Z",
		"2026-03-29T01:59:59.999999":          "2026-03-29T00:59:59.999999Z",
		"2026-03-29T03:00:00":                 "2026-03-29T01:00:00Z",
		"2026-10-25T01:59:59":                 "2026-10-24T23:59:59Z",
		"2026-10-25T03:00:00":                 "2026-10-25T02:00:00Z",
		"2026-10-25T02:30:00+01:00":           "2026-10-25T01:30:00Z",
		"0001-01-01T00:00:00Z":                "0001-01-01T00:00:00Z",
		"9999-12-31T23:59:59.999999999+00:00": "9999-12-31T23:59:59.999999Z",
		"2000-02-29T00:00:00Z":                "2000-02-29T00:00:00Z",
	} {
		us, err := value.ParseTime(text, berlin)
		require.NoError(t, err, text)
		require.Equal(t, want, string(value.AppendTime(nil, us)), text)
	}
	us, err := value.ParseQueryTime("2026-01-31T12:00:00 02:00", nil)
	require.NoError(t, err)
	require.Equal(t, "2026-01-31T10:00:00Z", string(value.AppendTime(nil, us)))
	us, err = value.ParseQueryTime("2026-01-31 12:00:00Z", nil)
	require.NoError(t, err)
	require.Equal(t, "2026-01-31T12:00:00Z", string(value.AppendTime(nil, us)))
}

func TestTimesRefused(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	const noTime = "expected a time such as 2026-01-31T12:00:00Z, got "
	for text, want := range map[string]string{
		"":                          noTime + `""`,
		"20260131T120000Z":          noTime + "20260131T120000Z",
		"2026-13-01T00:00:00Z":      noTime + "2026-13-01T00:00:00Z",
		"2026-02-29T00:00:00Z":      noTime + "2026-02-29T00:00:00Z",
		"1900-02-29T00:00:00Z":      noTime + "1900-02-29T00:00:00Z",
		"2026-01-31T24:00:00Z":      noTime + "2026-01-31T24:00:00Z",
		"2026-01-31T23:59:60Z":      noTime + "2026-01-31T23:59:60Z",
		"2026-01-31T12:00:00.Z":     noTime + "2026-01-31T12:00:00.Z",
		"2026-01-31T12:00:00+24:00": noTime + "2026-01-31T12:00:00+24:00",
		"2026-01-31T12:00:00+2":     noTime + "2026-01-31T12:00:00+2",
		"2026-01-31T12:00:00Zx":     noTime + "2026-01-31T12:00:00Zx",
		"2026-01-31T1a:00:00Z":      noTime + "2026-01-31T1a:00:00Z",
		"+2026-01-31T12:00:00Z":     noTime + "+2026-01-31T12:00:00Z",
		"0000-12-31T00:00:00Z":      "0000-12-31T00:00:00Z is outside the years 1 to 9999",
		"0001-01-01T00:00:00+00:01": "0001-01-01T00:00:00+00:01 is outside the years 1 to 9999",
		"9999-12-31T23:59:59-00:01": "9999-12-31T23:59:59-00:01 is outside the years 1 to 9999",
		"2026-10-25T02:30:00":       "2026-10-25T02:30:00 came twice in Europe/Berlin, when the clocks were set back: add an offset",
		"2026-03-29T02:30:00":       "2026-03-29T02:30:00 never was in Europe/Berlin, where the clocks were set forward: add an offset",
	} {
		_, err := value.ParseTime(text, berlin)
		require.EqualError(t, err, want)
	}
	_, err = value.ParseTime("2026-01-31", nil)
	require.EqualError(t, err, "2026-01-31 has no offset from UTC: add Z or one such as +02:00, or name the zone with time_zone")
}

func TestConvert(t *testing.T) {
	for _, c := range []struct {
		from, want value.Value
	}{
		{value.OfInt(5), value.OfFloat(5)},
		{value.OfInt(1 << 60), value.OfFloat(1 << 60)},
		{value.OfFloat(5), value.OfInt(5)},
		{value.OfFloat(math.MinInt64), value.OfInt(math.MinInt64)},
		{value.OfString("2026-01-31T12:00:00Z"), value.OfTime(1769860800000000)},
		{value.OfString(`{"a": 1}`), value.OfJSON(`{"a":1}`)},
		{value.OfInts(value.IntegerArray, []int64{1, 2}), value.OfFloats([]float64{1, 2})},
	} {
		got, err := value.Convert(c.from, c.want.Type(), nil)
		require.NoError(t, err)
		require.Equal(t, c.want, got)
	}
	for _, c := range []struct {
		from value.Value
		to   value.Type
		want string
	}{
		{value.OfInt(math.MaxInt64), value.Float, "9223372036854775807 is beyond 2^53 and not exact as FLOAT"},
		{value.OfFloat(1.5), value.Integer, "expected INTEGER, got 1.5"},
		{value.OfFloat(-math.MinInt64), value.Integer, "expected INTEGER, got 9223372036854776000.0"},
		{value.OfString("1"), value.Integer, "expected INTEGER, got 1"},
		{value.OfInts(value.IntegerArray, []int64{1<<53 + 1}), value.FloatArray, "element 1: 9007199254740993 is beyond 2^53 and not exact as FLOAT"},
	} {
		_, err := value.Convert(c.from, c.to, nil)
		require.EqualError(t, err, c.want)
	}
	got, err := value.Convert(value.Null(), value.Integer, nil)
	require.NoError(t, err)
	require.True(t, got.IsNull())
}

func TestJSONStrings(t *testing.T) {
	require.Equal(t, `"a\"b\\c\n\r\t\u0001é😀\u001f"`, string(value.AppendJSONString(nil, "a\"b\\c\n\r\t\x01é😀\x1f")))
	require.Equal(t, "\"a\ufffdb\ufffd\ufffd\"", string(value.AppendJSONString(nil, "a\xffb\xed\xa0"))) // never invalid, whatever comes in
}
