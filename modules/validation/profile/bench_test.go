package profile

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"featurestore/modules/registry/value"
)

// What a value costs in the write path, a window of 100,000 at a time.
func BenchmarkAdd(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 2))
	words := []string{"DE", "FR", "IT", "ES"}
	for _, c := range []struct {
		name string
		kind value.Type
		make func() value.Value
	}{
		{"floats", value.Float, func() value.Value { return value.OfFloat(random.NormFloat64()) }},
		{"counts", value.Integer, func() value.Value { return value.OfInt(int64(random.IntN(30))) }},
		{"booleans", value.Boolean, func() value.Value { return value.OfBool(random.IntN(2) == 0) }},
		{"times", value.Timestamp, func() value.Value { return value.OfTime(random.Int64N(1e15)) }},
		{"countries", value.String, func() value.Value { return value.OfString(words[random.IntN(4)]) }},
		{"addresses", value.String, func() value.Value { return value.OfString(fmt.Sprintf("someone.%d@example.org", random.IntN(1e6))) }},
		{"embeddings", value.FloatArray, func() value.Value { return value.OfFloats([]float64{random.Float64(), 1, 2, 3, 4, 5, 6, 7}) }},
	} {
		values := make([]value.Value, 100_000)
		for i := range values {
			values[i] = c.make()
		}
		b.Run(c.name, func(b *testing.B) {
			var p *Profile
			for i := range b.N {
				if i%len(values) == 0 {
					p = New(c.kind, Options{Seed: uint64(i)})
				}
				p.Add(values[i%len(values)])
			}
			encoded, err := p.Encode()
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(len(encoded)), "bytes")
		})
	}
}
