package demo

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A demo that was stopped after the load of the purchases is taken up where it stopped: the purchases are not loaded twice, for equal rows
// count, and the features are computed.
func TestADemoThatWasStoppedHalfWay(t *testing.T) {
	changes := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) //nolint:errcheck // a test
		if r.Method == http.MethodPost {
			changes[r.URL.Path]++
		}
		switch r.Method + " " + r.URL.Path {
		case "POST /apply":
			fmt.Fprint(w, `{"created": [], "changed": [], "unchanged": []}`)
		case "GET /rows/purchases":
			fmt.Fprint(w, "customer_id,event_time,quantity,amount\n00001,1997-01-01T00:00:00Z,1,11.77\n")
		case "POST /pipelines/purchases_monthly/backfill":
			fmt.Fprint(w, `{"id": 1, "state": "succeeded", "result": {"ticks": 18}}`)
		case "POST /materialize":
			fmt.Fprint(w, `{"runs": [{"id": 2, "state": "succeeded", "result": {}}]}`)
		default:
			fmt.Fprint(w, `{}`)
		}
	}))
	defer server.Close()
	d := &Demo{Registry: server.URL, Store: server.URL, Folder: t.TempDir(), Out: io.Discard, Client: server.Client()}
	require.NoError(t, d.Run(t.Context()))
	require.Equal(t, map[string]int{"/apply": 1, "/pipelines/purchases_monthly/backfill": 1, "/materialize": 1, "/training-sets": 2}, changes)
}

// Every file that a shown call sends is there afterwards, and holds what the demo has sent in that call.
func TestShownCallsCanBeRepeated(t *testing.T) {
	sent := map[string][]byte{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		if r.Method == http.MethodPost {
			sent[r.URL.Path] = body
		}
		switch r.Method + " " + r.URL.Path {
		case "GET /rows/purchases":
			fmt.Fprint(w, "customer_id,event_time,quantity,amount\n")
			if len(sent["/rows/purchases"]) > 0 {
				fmt.Fprint(w, "00001,1997-01-01T00:00:00Z,1,11.77\n")
			}
		case "POST /rows/purchases":
			fmt.Fprint(w, `{"received": 1, "stored": 1, "run_id": 1}`)
		case "POST /pipelines/purchases_monthly/backfill":
			fmt.Fprint(w, `{"id": 1, "state": "succeeded", "result": {"ticks": 18}}`)
		case "POST /materialize":
			fmt.Fprint(w, `{"runs": [{"id": 2, "state": "succeeded", "result": {}}]}`)
		default:
			fmt.Fprint(w, `{}`)
		}
	}))
	defer server.Close()
	var shown strings.Builder
	d := &Demo{Registry: server.URL, Store: server.URL, Folder: t.TempDir(), Out: &shown, Client: server.Client()}
	require.NoError(t, d.Run(t.Context()))

	calls := regexp.MustCompile(`--data-binary @(\S+) '?`+server.URL+`(/[a-z_/-]+)`).FindAllStringSubmatch(shown.String(), -1)
	require.Len(t, calls, 4)
	for _, call := range calls {
		file, path := strings.TrimPrefix(call[1], "app/demo/"), call[2]
		content, err := os.ReadFile(file)
		require.NoError(t, err, call[0])
		require.NotEmpty(t, content)
		require.Equal(t, string(sent[path]), string(content), call[0])
	}
}
