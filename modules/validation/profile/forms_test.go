package profile

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Each function says what its pattern says: of the texts below, of those with a change, and of any.
func TestFormsSayWhatTheirPatternsSay(t *testing.T) {
	texts := []string{
		"", "a", "123e4567-e89b-12d3-a456-426614174000", "123E4567-E89B-12D3-A456-42661417400G", "someone@example.org", "a.b+c%d@x-y.example.co", "@example.org", "a@b", "a@.org", "a@b.c1", "a@b.c", "a@@b.org",
		"2026-01-31", "2026-13-01", "2026-00-10", "2026-12-00", "2026-12-32", "2026-1-31", "2026-01-31T12:00:00Z", "2026-01-31 12:00", "2026-01-31T24:00", "2026-01-31T23:59:60Z",
		"2026-01-31T12:00:00.123456+02:00", "2026-01-31T12:00:00.Z", "2026-01-31T12:00:00+0200", "2026-01-31T12:00:00+02", "2026-01-31T12:00-02:00", "2026-01-31T12:00:0", "2026-01-31T12:60",
		"DE", "de", "D1", "EUR", "EURO", "+491701234567", "+123456", "+1234567890123456", "491701234567", "10.0.0.1", "1.2.3", "1.2.3.4.5", "1..2.3", "1234.1.1.1", "999.999.999.999",
		"http://example.org/a?b=c#d", "https://x", "http://", "ftp://x", "http://a b", "httpss://x", "https:/x", "0123", "12a", "ä", "2026-01-3ä", "DÄ",
	}
	patterns := make([]*regexp.Regexp, len(forms))
	for i, f := range forms {
		patterns[i] = regexp.MustCompile(f.Pattern)
	}
	agree := func(t require.TestingT, s string) {
		for i, f := range forms {
			require.Equal(t, patterns[i].MatchString(s), f.matches(s), "%s: %q", f.Name, s)
		}
	}
	matched := make([]int, len(forms))
	for _, s := range texts {
		agree(t, s)
		for i, f := range forms {
			if f.matches(s) {
				matched[i]++
			}
		}
	}
	require.NotContains(t, matched, 0, "every form is among the texts")
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.SampledFrom(texts).Draw(t, "text")
		if s != "" && rapid.Bool().Draw(t, "changed") {
			at := rapid.IntRange(0, len(s)-1).Draw(t, "at")
			with := rapid.StringMatching(`[-0-9A-Za-z.:@+ TZ/\n]?`).Draw(t, "with")
			s = s[:at] + with + s[at+1:]
		}
		agree(t, s)
		agree(t, rapid.StringMatching(`[0-9]{1,4}[-.@:/+A-Za-z0-9]{0,40}`).Draw(t, "any"))
	})
}
