package httpapitest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCompareNoticesEveryDifference(t *testing.T) {
	kept := map[string]string{}
	for _, same := range [][2]string{
		{`{"a": 1, "b": [1.0, null]}`, `{"a":1,"b":[1.0,null]}`},
		{`{"a": "…", "b": 2}`, `{"a":{"x":[1]},"b":2}`},
		{`{"a": 1, "…": 0}`, `{"a":1,"b":2,"c":[3]}`},
		{`["…id"]`, `[17]`},
	} {
		require.NoError(t, compare(same[0], same[1], kept), same[0])
	}
	require.Equal(t, map[string]string{"id": "17"}, kept)
	for _, other := range [][2]string{
		{`{"a": 1, "b": 2}`, `{"b":2,"a":1}`},
		{`{"a": 1}`, `{"a":1,"b":2}`},
		{`{"a": 1, "b": 2}`, `{"a":1}`},
		{`[1]`, `[1.0]`},
		{`[1]`, `[1,2]`},
		{`[1, 2]`, `[1]`},
		{`[1]`, `["1"]`},
		{`{"a": "…"}`, `{}`},
		{`{}`, `{} {}`},
		{`{}`, `[]`},
	} {
		require.Error(t, compare(other[0], other[1], kept), other[0])
	}
}
