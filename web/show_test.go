package web

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// JSON is shown as it is: numbers digit for digit, markup as a person wrote it.
func TestShowJSON(t *testing.T) {
	for raw, shown := range map[string]string{
		``: "", `null`: "null", `"a\u003cb"`: "a<b", `1234567`: "1\u202f234\u202f567", `9007199254740993`: "9007199254740993", `0.1`: "0.1", `true`: "true",
		`{"b": "\u003cb\u003e", "a": [9007199254740993, "\\u003c"]}`: `{"b":"<b>","a":[9007199254740993,"\\u003c"]}`,
	} {
		require.Equal(t, shown, showJSON(json.RawMessage(raw)), raw)
	}
	require.Equal(t, "{\n  \"b\": \"<b>\",\n  \"n\": 9007199254740993\n}", textOf(json.RawMessage(`{"b":"\u003cb\u003e","n":9007199254740993}`)))
	require.Empty(t, textOf(nil))
}

// A share is 0 or 100 % only if it is none or all, and what a clock a little ahead of ours has written is of now.
func TestSharesAndTimes(t *testing.T) {
	for share, wanted := range map[float64]string{0: "0 %", 0.0004: "under 0.1 %", 0.0005: "0.1 %", 0.677: "67.7 %", 0.9994: "99.9 %", 0.9995: "over 99.9 %", 0.99999: "over 99.9 %", 1: "100 %"} {
		require.Equal(t, wanted, percent(share), "%v", share)
	}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for ahead, wanted := range map[time.Duration]string{0: "just now", 300 * time.Millisecond: "just now", -999 * time.Millisecond: "just now", time.Second: "in 1 second", -time.Second: "1 second ago", 90 * time.Minute: "in 1 hour"} {
		require.Equal(t, wanted, ago(now, now.Add(ahead)), "%v", ahead)
	}
}
