package store

import (
	"encoding/base64"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// drawToken draws what the bytes of a token can say.
func drawToken(t *rapid.T) token {
	made := token{store: storeHash(rapid.String().Draw(t, "identity")), revision: rapid.Int64Min(0).Draw(t, "revision"), since: rapid.Int64().Draw(t, "since")}
	if rapid.Bool().Draw(t, "by time") {
		made.rows.Time = made.since
		return made
	}
	made.rows.Head = rapid.Int64Range(1, math.MaxInt64).Draw(t, "head")
	end := int64(0)
	for range rapid.IntRange(0, 40).Draw(t, "open") {
		first := end + rapid.Int64Range(0, 1<<40).Draw(t, "gap")
		end = first + rapid.Int64Range(0, 1<<40).Draw(t, "length")
		made.rows.Open = append(made.rows.Open, Span{first, end})
	}
	return made
}

func TestTokensComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		made := drawToken(t)
		text := made.text()
		require.Regexp(t, `^A[A-Za-z0-9_-]+$`, text)
		read, ok := readToken(text)
		require.True(t, ok)
		require.Equal(t, made, read)
	})
	usual := token{store: storeHash("x"), revision: 1000, since: 1_800_000_000_000_000, rows: Known{Head: 10_000_000, Open: []Span{{9_999_990, 9_999_990}}}}
	require.Len(t, usual.text(), 44)
}

// A token that was changed in any way is none: not another one.
func TestDamagedTokensAreNone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(drawToken(t).text())
		switch rapid.IntRange(0, 3).Draw(t, "damage") {
		case 0:
			at := rapid.IntRange(0, len(text)-1).Draw(t, "at")
			other := rapid.SampledFrom([]byte("ABCxyz019-_=+/ %")).Draw(t, "other")
			if text[at] == other {
				return
			}
			text[at] = other
		case 1:
			text = text[:rapid.IntRange(0, len(text)-1).Draw(t, "end")]
		case 2:
			text = append(text, rapid.SampledFrom([]string{"A", "AA", "AAAA", "=", "\n", " "}).Draw(t, "more")...)
		case 3:
			at := rapid.IntRange(0, len(text)-2).Draw(t, "at")
			if text[at] == text[at+1] {
				return
			}
			text[at], text[at+1] = text[at+1], text[at]
		}
		_, ok := readToken(string(text))
		require.False(t, ok)
	})
	for _, bytes := range [][]byte{nil, {1}, make([]byte, 13), make([]byte, 1<<16)} {
		_, ok := readToken(base64.RawURLEncoding.EncodeToString(bytes))
		require.False(t, ok)
	}
}

func TestPlacesThatFollowEachOtherAreOneSpan(t *testing.T) {
	known := Known{Head: 100}
	for _, place := range []int64{3, 4, 5, 9, 11, 12} {
		known.Hide(Span{place, place})
	}
	known.Hide(Span{13, 20})
	require.Equal(t, []Span{{3, 5}, {9, 9}, {11, 20}}, known.Open)
}
