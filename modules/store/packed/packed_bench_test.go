package packed

import (
	"testing"

	"featurestore/modules/registry/value"
)

func tenFloats() ([]uint16, []value.Value) {
	ordinals, values := make([]uint16, 10), make([]value.Value, 10)
	for i := range ordinals {
		ordinals[i], values[i] = uint16(i+1), value.OfFloat(float64(i)*1.37+0.11)
	}
	return ordinals, values
}

func BenchmarkAppend(b *testing.B) {
	ordinals, values := tenFloats()
	var row []byte
	for b.Loop() {
		row = Append(row[:0], "12345", ordinals, values, Stamp{1, 2})
	}
}

func BenchmarkPick(b *testing.B) {
	ordinals, values := tenFloats()
	row := string(Append(nil, "12345", ordinals, values, Stamp{1, 2}))
	cells := make([]Cell, 10)
	for b.Loop() {
		view, err := Open(row)
		if err != nil {
			b.Fatal(err)
		}
		if err := view.Pick(ordinals, cells); err != nil {
			b.Fatal(err)
		}
	}
}
