package demo

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// A demo that was stopped between the load of the purchases and the features is taken up where it stopped: the purchases are not
// loaded twice, for equal rows count, and the features are computed.
func TestADemoThatWasStoppedHalfWay(t *testing.T) {
	loads := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) //nolint:errcheck // a test
		switch r.Method + " " + r.URL.Path {
		case "POST /apply":
			fmt.Fprint(w, `{"created": [], "changed": [], "unchanged": []}`)
		case "GET /rows/purchases":
			fmt.Fprint(w, "customer_id,event_time,quantity,amount\n00001,1997-01-01T00:00:00Z,1,11.77\n")
		case "GET /rows/customer_purchases":
			fmt.Fprint(w, "customer_id,event_time,customer_purchase_count_30d\n")
		case "POST /rows/purchases", "POST /rows/customer_purchases":
			loads[r.URL.Path]++
			fmt.Fprint(w, `{"received": 1, "stored": 1, "run_id": 1}`)
		case "POST /materialize":
			fmt.Fprint(w, `{"runs": [{"id": 2, "state": "succeeded", "result": {}}]}`)
		default:
			fmt.Fprint(w, `{}`)
		}
	}))
	defer server.Close()
	d := &Demo{Registry: server.URL, Store: server.URL, Folder: t.TempDir(), Out: io.Discard, Client: server.Client()}
	require.NoError(t, d.Run(t.Context()))
	require.Equal(t, map[string]int{"/rows/customer_purchases": 1}, loads)
}
