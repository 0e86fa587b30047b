package app

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/stretchr/testify/require"
)

// packedSize is how many bytes an address takes on the wire, and the page if it is one. A browser asks for gzip.
func packedSize(t testing.TB, url string) (int, *goquery.Document) {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	request.Header.Set("Accept-Encoding", "gzip")
	answer, err := http.DefaultTransport.RoundTrip(request)
	require.NoError(t, err)
	defer answer.Body.Close()
	packed, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, 200, answer.StatusCode, url)
	if !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/html") {
		return len(packed), nil
	}
	plain, err := http.Get(url)
	require.NoError(t, err)
	defer plain.Body.Close()
	page, err := goquery.NewDocumentFromReader(plain.Body)
	require.NoError(t, err)
	return len(packed), page
}

// large registers 200 groups with 2,000 features.
func large(t testing.TB, base string) {
	var b strings.Builder
	b.WriteString("groups:\n")
	for g := range 200 {
		fmt.Fprintf(&b, "  - name: group_%d\n    entity_type: customer\n    description: What customers do, part %d of two hundred\n    owner: team_%d\n    tags: [part_%d]\n    features:\n", g, g, g%7, g%5)
		for f := range 10 {
			fmt.Fprintf(&b, "      - {name: feature_%d_%d, value_type: FLOAT, description: \"How much of kind %d was seen in the last %d days\", owner: team_%d, tags: [core, kind_%d]}\n", g, f, f, f*7+1, g%7, f)
		}
	}
	answer, err := http.Post(base+"/apply", "application/yaml", strings.NewReader(b.String()))
	require.NoError(t, err)
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, 200, answer.StatusCode, "%s", said)
}

// The first page, with all that it needs, is small: with nothing registered, and with 200 groups.
func TestFirstPageIsSmall(t *testing.T) {
	base := "http://" + start(t, settings(t)).Addresses()[0]
	weigh := func() int {
		sum, page := packedSize(t, base+"/admin/")
		page.Find("link[href], script[src], img[src]").Each(func(_ int, s *goquery.Selection) {
			size, _ := packedSize(t, base+s.AttrOr("href", s.AttrOr("src", "")))
			sum += size
		})
		return sum
	}
	const most = 150_000
	empty := weigh()
	require.Less(t, empty, most)
	large(t, base)
	full := weigh()
	require.Less(t, full, most)
	t.Logf("empty %d bytes, with 200 groups %d", empty, full)
}

// BenchmarkCatalogue is the catalogue of 200 groups and 2,000 features as a browser gets it, packed. cpu-ms/op is what the whole process takes, with the
// client and what else it does meanwhile: on a loaded machine it says more than the time that passes.
func BenchmarkCatalogue(b *testing.B) {
	base := "http://" + start(b, settings(b)).Addresses()[0]
	large(b, base)
	for name, query := range map[string]string{"all": "", "search": "?search=feature_1", "owner": "?owner=team_3"} {
		b.Run(name, func(b *testing.B) {
			before := processorTime(b)
			for b.Loop() {
				packedPage(b, base+"/admin/catalogue"+query)
			}
			b.ReportMetric(float64(processorTime(b)-before)/float64(b.N)/1e6, "cpu-ms/op")
		})
	}
}

// packedPage reads an answer as it is sent.
func packedPage(t testing.TB, url string) {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	request.Header.Set("Accept-Encoding", "gzip")
	answer, err := http.DefaultTransport.RoundTrip(request)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, answer.Body)
	require.NoError(t, err)
	answer.Body.Close()
	require.Equal(t, 200, answer.StatusCode)
}

// processorTime is what this process has used so far, on all processors.
func processorTime(t testing.TB) time.Duration {
	var usage syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
