package web

import (
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/stretchr/testify/require"
)

// A plot carries what is drawn, whatever its names are, and the same as a table.
func TestPlot(t *testing.T) {
	w := &Web{}
	var err error
	w.assets, err = newAssets()
	require.NoError(t, err)
	pages, err := w.parse()
	require.NoError(t, err)
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	low, high := -1.5, 12345.0
	var b strings.Builder
	require.NoError(t, pages["look_up"].ExecuteTemplate(&b, "plot", series{
		Title: `a "title" <b>`, Unit: "EUR", Times: []time.Time{at, at.Add(time.Hour)}, Lines: []line{{`"><script>`, []*float64{&low, nil}}, {"other", []*float64{nil, &high}}},
	}))
	page, err := goquery.NewDocumentFromReader(strings.NewReader(b.String()))
	require.NoError(t, err)
	require.Zero(t, page.Find("script").Length())
	require.JSONEq(t, `{"unit": "EUR", "times": [1767225600, 1767229200], "lines": [{"name": "\"><script>", "values": [-1.5, null]}, {"name": "other", "values": [null, 12345]}], "steps": false, "small": false}`,
		page.Find("figure.plot").AttrOr("data-series", ""))
	require.Equal(t, `a "title" <b> in EUR`, page.Find("figcaption").Text())
	cells := page.Find("td").Map(func(_ int, s *goquery.Selection) string { return s.Text() })
	require.Equal(t, []string{"2026-01-01 01:00:00 UTC", "–", "12\u202f345", "2026-01-01 00:00:00 UTC", "−1.5", "–"}, cells)
}
