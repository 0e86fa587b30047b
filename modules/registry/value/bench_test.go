package value_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"unsafe"

	"featurestore/modules/registry/value"
)

// floatTexts are decimals as they come: prices, ratios with six places, and floats in full.
func floatTexts(kind string) (floats []float64, texts []string) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		f := r.Float64()
		switch kind {
		case "price":
			f, _ = strconv.ParseFloat(fmt.Sprintf("%.2f", f*1000), 64)
		case "ratio":
			f, _ = strconv.ParseFloat(fmt.Sprintf("%.6f", f), 64)
		}
		floats, texts = append(floats, f), append(texts, strconv.FormatFloat(f, 'f', -1, 64))
	}
	return floats, texts
}

func BenchmarkFloat(b *testing.B) {
	for _, kind := range []string{"price", "ratio", "full"} {
		floats, texts := floatTexts(kind)
		b.Run("parse/"+kind, func(b *testing.B) {
			for i := range b.N {
				if _, err := value.ParseText(value.Float, texts[i%1000], nil); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("strconv.ParseFloat/"+kind, func(b *testing.B) {
			for i := range b.N {
				if _, err := strconv.ParseFloat(texts[i%1000], 64); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("append/"+kind, func(b *testing.B) {
			var dst []byte
			for i := range b.N {
				dst = value.AppendJSON(dst[:0], value.OfFloat(floats[i%1000]))
			}
		})
		b.Run("strconv.AppendFloat/"+kind, func(b *testing.B) {
			var dst []byte
			for i := range b.N {
				dst = strconv.AppendFloat(dst[:0], floats[i%1000], 'f', -1, 64)
			}
		})
	}
}

func BenchmarkInteger(b *testing.B) {
	texts := make([]string, 1000)
	for i := range texts {
		texts[i] = strconv.Itoa(i * i * i)
	}
	for i := range b.N {
		if _, err := value.ParseText(value.Integer, texts[i%1000], nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTime(b *testing.B) {
	texts := make([]string, 1000)
	for i := range texts {
		texts[i] = string(value.AppendTime(nil, int64(i)*1_234_567_000_000))
	}
	b.Run("parse", func(b *testing.B) {
		for i := range b.N {
			if _, err := value.ParseText(value.Timestamp, texts[i%1000], nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("append", func(b *testing.B) {
		var dst []byte
		for i := range b.N {
			dst = value.AppendTime(dst[:0], int64(i%1000)*1_234_567_000_000)
		}
	})
}

func BenchmarkString(b *testing.B) {
	text := `"customer_00012345"`
	raw := unsafe.Slice(unsafe.StringData(text), len(text))
	b.Run("parse", func(b *testing.B) {
		for range b.N {
			if _, err := value.ParseJSON(value.String, raw); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("append", func(b *testing.B) {
		var dst []byte
		for range b.N {
			dst = value.AppendJSON(dst[:0], value.OfString(text[1:18]))
		}
	})
}
