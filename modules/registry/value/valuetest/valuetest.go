// Package valuetest makes values for property tests: of every type, the boundaries among them.
package valuetest

import (
	"math"

	"pgregory.net/rapid"

	"featurestore/modules/registry/value"
)

// Types are all value types.
var Types = []value.Type{value.Boolean, value.Integer, value.Float, value.String, value.Timestamp, value.JSON,
	value.BooleanArray, value.IntegerArray, value.FloatArray, value.StringArray, value.TimestampArray}

const (
	firstTime = -62_135_596_800_000_000 // 0001-01-01T00:00:00Z
	lastTime  = 253_402_300_799_999_999 // 9999-12-31T23:59:59.999999Z
)

// Boundaries are the values of a type that are most likely to come out changed.
func Boundaries(t value.Type) (values []value.Value) {
	switch t {
	case value.Boolean:
		return []value.Value{value.OfBool(false), value.OfBool(true)}
	case value.Integer:
		for _, i := range integers {
			values = append(values, value.OfInt(i))
		}
	case value.Float:
		for _, f := range floats {
			values = append(values, value.OfFloat(f))
		}
	case value.String:
		for _, s := range strings {
			values = append(values, value.OfString(s))
		}
	case value.Timestamp:
		for _, us := range times {
			values = append(values, value.OfTime(us))
		}
	case value.JSON:
		for _, text := range documents {
			values = append(values, value.OfJSON(text))
		}
	case value.BooleanArray:
		values = append(values, value.OfBools(nil), value.OfBools([]bool{true, false}), value.OfBools(make([]bool, 1000)))
	case value.IntegerArray:
		values = append(values, value.OfInts(t, nil), value.OfInts(t, integers), value.OfInts(t, make([]int64, 1000)))
	case value.TimestampArray:
		values = append(values, value.OfInts(t, nil), value.OfInts(t, times), value.OfInts(t, make([]int64, 1000)))
	case value.FloatArray:
		values = append(values, value.OfFloats(nil), value.OfFloats(floats), value.OfFloats(make([]float64, 1536)))
	case value.StringArray:
		values = append(values, value.OfStrings(nil), value.OfStrings([]string{""}), value.OfStrings(strings))
	}
	return values
}

var (
	integers = []int64{0, 1, -1, math.MinInt64, math.MaxInt64, 1<<53 - 1, 1 << 53, 1<<53 + 1, -1<<53 - 1, math.MaxInt32, math.MinInt16, 127, 128, 1e18}
	floats   = []float64{0, 1, -1, 0.1, 1.5, 100, 1e21, 1e20, 999999999.999999, 1e-6, 1e-7, 123456789012345680, 1 << 53, 1<<53 + 2, math.Pi, math.MaxFloat64, -math.MaxFloat64,
		math.SmallestNonzeroFloat64, 2.2250738585072014e-308, 2.225073858507201e-308, math.MaxFloat32, 0.30000000000000004, 5e-5, 4.35, 0.000001, 1234.5678}
	strings = []string{"", " ", "a", "123", "1.0", "-0", "007", "true", "null", "NaN", "2026-01-01T00:00:00Z", `"`, `""`, `"quoted"`, `\`, `\u0041`, `\N`, ",", "a,b", "\n", "\r", "\r\n", "a\r\nb",
		"tab\there", "\u007f", "\x01", "\x1f", "é", "日本語", "😀", "👩‍👩‍👧", "e\u0301", "\u2028", "\ufeff", "\ufeffbom", "\ufffd", " leading", "trailing ", "'", "{}", "[1]", "#comment", "=1+1"}
	times     = []int64{0, 1, -1, firstTime, lastTime, 1_000_000, 500_000, -500_000, 1_767_225_600_000_000, 951_782_400_000_000, 999_999, -62_135_596_800_000_000 + 1}
	documents = []string{"{}", "[]", `{"a":1}`, `{"a":[1,2.50,1e400,-0]}`, `"text"`, `""`, "0", "-0.0", "true", "12345678901234567890123", `[null,{"b":"\u00e9 é 😀"}]`, `{"a b":" , \" "}`}
)

// Value makes values of a type.
func Value(t value.Type) *rapid.Generator[value.Value] {
	return rapid.OneOf(rapid.SampledFrom(Boundaries(t)), rapid.Custom(func(r *rapid.T) value.Value {
		switch t {
		case value.Boolean:
			return value.OfBool(rapid.Bool().Draw(r, "bool"))
		case value.Integer:
			return value.OfInt(rapid.Int64().Draw(r, "integer"))
		case value.Float:
			return value.OfFloat(Float().Draw(r, "float"))
		case value.String:
			return value.OfString(Text().Draw(r, "text"))
		case value.Timestamp:
			return value.OfTime(rapid.Int64Range(firstTime, lastTime).Draw(r, "time"))
		case value.JSON:
			return value.OfJSON(string(appendDocument(nil, r, 3)))
		case value.BooleanArray:
			return value.OfBools(rapid.SliceOfN(rapid.Bool(), 0, 20).Draw(r, "bools"))
		case value.IntegerArray:
			return value.OfInts(t, rapid.SliceOfN(rapid.Int64(), 0, 20).Draw(r, "integers"))
		case value.TimestampArray:
			return value.OfInts(t, rapid.SliceOfN(rapid.Int64Range(firstTime, lastTime), 0, 20).Draw(r, "times"))
		case value.FloatArray:
			return value.OfFloats(rapid.SliceOfN(Float(), 0, 20).Draw(r, "floats"))
		}
		return value.OfStrings(rapid.SliceOfN(Text(), 0, 20).Draw(r, "texts"))
	}))
}

// Float makes finite floats: any, by their bits, and decimals with few digits.
func Float() *rapid.Generator[float64] {
	return rapid.OneOf(
		rapid.Map(rapid.Uint64(), func(bits uint64) float64 {
			if f := math.Float64frombits(bits); !math.IsNaN(f) && !math.IsInf(f, 0) {
				return f
			}
			return 0
		}),
		rapid.Custom(func(r *rapid.T) float64 {
			digits := rapid.Int64Range(-1e12, 1e12).Draw(r, "digits")
			return float64(digits) / math.Pow10(rapid.IntRange(0, 12).Draw(r, "places"))
		}))
}

// Text makes valid UTF-8 without NUL.
func Text() *rapid.Generator[string] {
	return rapid.OneOf(rapid.SampledFrom(strings),
		rapid.StringOf(rapid.Rune().Filter(func(r rune) bool { return r != 0 })),
		rapid.StringOf(rapid.SampledFrom([]rune("ab,\"\r\n\\'{}[]: \t1.é😀"))))
}

// appendDocument writes minified JSON.
func appendDocument(dst []byte, r *rapid.T, depth int) []byte {
	kind := rapid.IntRange(0, 5).Draw(r, "kind")
	if depth == 0 {
		kind %= 4
	}
	n := 0
	if kind > 3 {
		n = rapid.IntRange(0, 4).Draw(r, "members")
	}
	switch kind {
	case 0:
		return append(dst, rapid.SampledFrom([]string{"true", "false", "0", "-1.50", "1e9", "2E-3"}).Draw(r, "scalar")...)
	case 1:
		return value.AppendJSON(dst, value.OfFloat(Float().Draw(r, "number")))
	case 2, 3:
		return value.AppendJSONString(dst, Text().Draw(r, "string"))
	case 4:
		dst = append(dst, '[')
		for i := range n {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendDocument(dst, r, depth-1)
		}
		return append(dst, ']')
	}
	dst = append(dst, '{')
	for i := range n {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '"', byte('a'+i), '"', ':')
		dst = appendDocument(dst, r, depth-1)
	}
	return append(dst, '}')
}
