package profile

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry/value"
)

// What is proposed for columns as they come: each line is kind, params, tolerance and reason.
func TestProposals(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	column := func(kind value.Type, n int, make func(i int) value.Value) *Profile {
		p := New(kind, Options{Seed: 9})
		for i := range n {
			p.Add(make(i))
		}
		return p
	}
	countries := []string{"DE", "FR", "IT", "ES"}
	for _, c := range []struct {
		name    string
		profile *Profile
		wanted  []string
	}{
		{"few rows", column(value.Integer, 49, func(i int) value.Value { return value.OfInt(int64(i)) }), nil},
		{"nothing but nulls", column(value.Integer, 100, func(int) value.Value { return value.Null() }), nil},
		{"few values among nulls", column(value.Integer, 1000, func(i int) value.Value {
			if i%25 == 0 {
				return value.OfInt(int64(i))
			}
			return value.Null()
		}), []string{`completeness {"min":0.01} 4 % of 1000 values are not null`}},
		{"amounts", column(value.Float, 200, func(i int) value.Value { return value.OfFloat(float64(i)*5 + 0.5) }), []string{
			`not_null none of 200 values is null`,
			`range {"min":0,"max":1100} the values are between 0.5 and 995.5, none is negative`}},
		{"temperatures", column(value.Float, 200, func(i int) value.Value { return value.OfFloat(float64(i%100) - 50) }), []string{
			`not_null none of 200 values is null`,
			`range {"min":-60,"max":59} the values are between -50.0 and 49.0`}},
		{"far from zero", column(value.Float, 200, func(i int) value.Value { return value.OfFloat(300 + float64(i%100)/100) }), []string{
			`not_null none of 200 values is null`,
			`range {"min":299.9,"max":301.09} the values are between 300.0 and 300.99`}},
		{"a constant float", column(value.Float, 60, func(int) value.Value { return value.OfFloat(1000) }), []string{
			`not_null none of 60 values is null`,
			`range {"min":900,"max":1100} the values are between 1000.0 and 1000.0`}},
		{"zeros", column(value.Float, 60, func(int) value.Value { return value.OfFloat(0) }), []string{
			`not_null none of 60 values is null`,
			`range {"min":0,"max":1} the values are between 0.0 and 0.0, none is negative`}},
		{"the whole range", column(value.Float, 60, func(i int) value.Value { return value.OfFloat(math.MaxFloat64 * float64(i%2*2-1)) }), []string{
			`not_null none of 60 values is null`,
			`range {"min":-1.7976931348623157e+308,"max":1.7976931348623157e+308} the values are between -1.7976931348623157e+308 and 1.7976931348623157e+308`}},
		{"counts", column(value.Integer, 300, func(i int) value.Value { return value.OfInt(int64(i % 30)) }), []string{
			`not_null none of 300 values is null`,
			`range {"min":0,"max":32} the values are between 0 and 29, none is negative`}},
		{"classes", column(value.Integer, 300, func(i int) value.Value { return value.OfInt(int64(i%3) - 1) }), []string{
			`not_null none of 300 values is null`,
			`in_set {"values":[-1,0,1]} there are only 3 different values among 300`}},
		{"ids", column(value.Integer, 300, func(i int) value.Value { return value.OfInt(math.MaxInt64 - int64(i)) }), []string{
			`not_null none of 300 values is null`,
			`unique all 300 values are different`}},
		{"countries", column(value.String, 400, func(i int) value.Value {
			if i%10 == 0 {
				return value.Null()
			}
			return value.OfString(countries[i%4])
		}), []string{
			`completeness {"min":0.84} 90 % of 400 values are not null`,
			`in_set {"values":["DE","ES","FR","IT"]} there are only 4 different values among 360`}},
		{"one text", column(value.String, 50, func(int) value.Value { return value.OfString("x\"y") }), []string{
			`not_null none of 50 values is null`,
			`in_set {"values":["x\"y"]} all 50 values are the same`}},
		{"e-mail addresses, some bad", column(value.String, 200, func(i int) value.Value {
			if i%50 == 0 {
				return value.OfString("unknown" + strconv.Itoa(i))
			}
			return value.OfString("a" + strconv.Itoa(1000+i) + "@example.org")
		}), []string{
			`not_null none of 200 values is null`,
			`length {"min":1,"max":26} the values have 8 to 17 characters`,
			`regex {"pattern":"^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\\.[A-Za-z]{2,}$"} 0.04 98 % of 200 values have a common form: e-mail address`,
			`unique all 200 values are different`}},
		{"UUIDs, many twice", column(value.String, 30_000, func(i int) value.Value {
			n := random.IntN(200_000)
			return value.OfString(fmt.Sprintf("%08x-0000-4000-8000-%012x", n, n))
		}), []string{
			`not_null none of 30000 values is null`,
			`length {"min":36,"max":36} all values have 36 characters`,
			`regex {"pattern":"^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$"} all of 30000 values have a common form: UUID`,
			`distinct_ratio {"min":0.82} about …`}},
		{"dates as texts", column(value.String, 100, func(i int) value.Value { return value.OfString(fmt.Sprintf("2026-01-%02d", 1+i%28)) }), []string{
			`not_null none of 100 values is null`,
			`length {"min":10,"max":10} all values have 10 characters`,
			`regex {"pattern":"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"} all of 100 values have a common form: date`}},
		{"times", column(value.Timestamp, 100, func(i int) value.Value { return value.OfTime(1_767_225_600_000_000 + int64(i)*86_400_000_000) }), []string{
			`not_null none of 100 values is null`,
			`range {"min":"2025-12-22T00:00:00Z"} the times are from 2026-01-01T00:00:00Z on; later ones than 2026-04-10T00:00:00Z are to be expected`}},
		{"embeddings", column(value.FloatArray, 60, func(i int) value.Value { return value.OfFloats([]float64{float64(i), 1, 2}) }), []string{
			`not_null none of 60 values is null`,
			`array_length {"min":3,"max":3} all values have 3 elements`}},
		{"lists", column(value.StringArray, 60, func(i int) value.Value { return value.OfStrings(make([]string, i%4)) }), []string{
			`not_null none of 60 values is null`,
			`array_length {"min":0,"max":5} the values have 0 to 3 elements`}},
		{"booleans", column(value.Boolean, 60, func(i int) value.Value { return value.OfBool(i%2 == 0) }), []string{`not_null none of 60 values is null`}},
	} {
		proposals := Propose(c.profile)
		require.Len(t, proposals, len(c.wanted), "%s: %v", c.name, proposals)
		for i, p := range proposals {
			line := p.Kind
			if p.Params != nil {
				line += " " + string(p.Params)
			}
			if p.MaxBadRate != nil {
				line += " " + strconv.FormatFloat(*p.MaxBadRate, 'g', -1, 64)
			}
			line += " " + p.Reason
			if wanted, open := c.wanted[i], len(c.wanted[i])-len("…"); wanted[open:] == "…" {
				require.Equal(t, wanted[:open], line[:open], c.name)
			} else {
				require.Equal(t, wanted, line, c.name)
			}
		}
	}
}
