package value_test

import (
	"encoding/json"
	"math/big"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry/value"
)

// FuzzParseText: whatever is accepted means the same to the standard library, and reads back from what is written.
func FuzzParseText(f *testing.F) {
	for _, seed := range []string{"1", "-0.5", "1e3", "9223372036854775808", "9007199254740993", ".5", "007", "1200e-2", "0.1234567890123456789", "2026-01-31 12:00:00.5+02", "2026-01-31", "true", "[1,2]", "[\"x\"]", "NaN", "é", "1e-400", "123456789012345678901.0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if v, err := value.ParseText(value.Float, text, nil); err == nil {
			want, err := strconv.ParseFloat(text, 64)
			require.NoError(t, err)
			require.Equal(t, want+0, v.Float())
		}
		if v, err := value.ParseText(value.Integer, text, nil); err == nil && len(text) < 40 {
			want, ok := new(big.Rat).SetString(text)
			require.True(t, ok)
			require.Zero(t, want.Cmp(new(big.Rat).SetInt64(v.Int())))
		}
		for typ := value.Boolean; typ <= value.TimestampArray; typ++ {
			v, err := value.ParseText(typ, text, nil)
			if err != nil || v.IsNull() {
				continue
			}
			back, err := value.ParseText(typ, string(value.AppendText(nil, v)), nil)
			require.NoError(t, err)
			require.Equal(t, v, back)
			back, err = value.ParseJSON(typ, value.AppendJSON(nil, v))
			require.NoError(t, err)
			require.Equal(t, v, back)
		}
		require.True(t, json.Valid(value.AppendJSONString(nil, text)))
		var n value.TextInference
		n.Add(text)
		if typ := n.Type(); typ != value.Invalid && typ != value.Float && typ != value.String {
			_, err := value.ParseText(typ, text, nil)
			require.NoError(t, err)
		}
	})
}
