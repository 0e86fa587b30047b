package app

import (
	"bytes"
	"cmp"
	"compress/gzip"
	_ "embed"
	"encoding/csv"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/config"
)

//go:embed demo/cdnow.csv.gz
var realPurchases []byte // customer_id, event_time, quantity, amount

// purchase is a row of the file; amount "" is null.
type purchase struct {
	customer         string
	at               time.Time
	quantity, amount string
}

func (p purchase) null() bool     { return p.amount == "" }
func (p purchase) negative() bool { return strings.HasPrefix(p.amount, "-") }
func (p purchase) barred() bool   { return p.null() || p.negative() }

// table is purchases in the order of their times.
type table []purchase

// purchasesOf are real purchases from one month until before another, and from then until before a third, all moved by as many days as
// bring the end of the last month to the beginning of today.
func purchasesOf(from, then, until string) (before, month table) {
	end, err := time.Parse("2006-01", until)
	if err != nil {
		panic(err)
	}
	days := time.Now().UTC().Truncate(24 * time.Hour).Sub(end)
	unpacked, err := gzip.NewReader(bytes.NewReader(realPurchases))
	if err != nil {
		panic(err)
	}
	records, err := csv.NewReader(unpacked).ReadAll()
	if err != nil {
		panic(err)
	}
	for _, r := range records[1:] {
		at, err := time.Parse(time.RFC3339, r[1])
		if err != nil {
			panic(err)
		}
		p := purchase{r[0], at.Add(days), r[2], r[3]}
		switch {
		case r[1] >= from && r[1] < then:
			before = append(before, p)
		case r[1] >= then && r[1] < until:
			month = append(month, p)
		}
	}
	for _, rows := range []table{before, month} {
		slices.SortStableFunc(rows, func(a, b purchase) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.customer, b.customer)) })
	}
	return before, month
}

// split parts the first days from the rest.
func (rows table) split(days int) (first, rest table) {
	i := slices.IndexFunc(rows, func(p purchase) bool { return p.at.Sub(rows[0].at) >= time.Duration(days)*24*time.Hour })
	return slices.Clone(rows[:i]), slices.Clone(rows[i:])
}

// plant spoils rows: amounts are in another currency, some are missing, some negative, and some rows are there twice.
func (rows *table) plant() {
	var spoilt table
	for i, p := range *rows {
		amount, err := strconv.ParseFloat(p.amount, 64)
		if err != nil {
			panic(err)
		}
		p.amount = strconv.FormatFloat(1.7*amount, 'f', 2, 64)
		switch {
		case i%100 == 3:
			p.amount = ""
		case i%100 == 53:
			p.amount = "-" + p.amount
		case i%25 == 7:
			spoilt = append(spoilt, p)
		}
		spoilt = append(spoilt, p)
	}
	*rows = spoilt
}

func (rows table) count(which func(purchase) bool) (n int) {
	for _, p := range rows {
		if which(p) {
			n++
		}
	}
	return n
}

// twice counts the rows that have an equal.
func (rows table) twice() int {
	times := map[purchase]int{}
	for _, p := range rows {
		times[p]++
	}
	return rows.count(func(p purchase) bool { return times[p] > 1 })
}

func (rows table) newest() time.Time { return rows[len(rows)-1].at }

func (rows table) csv() string {
	var b strings.Builder
	b.WriteString("customer_id,event_time,quantity,amount\n")
	for _, p := range rows {
		b.WriteString(p.customer + "," + p.at.Format(time.RFC3339) + "," + p.quantity + "," + p.amount + "\n")
	}
	return b.String()
}

// hook is a webhook receiver on loopback.
type hook struct {
	t      *testing.T
	bodies chan hookBody
	seen   map[string]bool
}

type hookBody struct {
	NotificationID string `json:"notificationId"`
	Alerts         []struct {
		Status string
		Labels struct{ AlertName, Feature string }
	}
}

// receive starts a receiver, allows it, and puts its address where a definition finds it. What is to be told is told at once.
func receive(t *testing.T, c *config.Config, name string) *hook {
	h := &hook{t, make(chan hookBody, 100), map[string]bool{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body hookBody
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		h.bodies <- body
	}))
	t.Cleanup(server.Close)
	c.Alerts.SecretsFolder, c.Alerts.AllowedTargets = t.TempDir(), []string{"127.0.0.1"}
	c.Alerts.GroupWait, c.Alerts.Poll = 50*time.Millisecond, 10*time.Millisecond
	require.NoError(t, os.WriteFile(filepath.Join(c.Alerts.SecretsFolder, name), []byte(server.URL), 0o600))
	return h
}

// next waits for a notification and says of what it tells: "firing rule:feature". One that is sent again under the same id is passed over.
func (h *hook) next() (events []string) {
	h.t.Helper()
	for {
		select {
		case body := <-h.bodies:
			if h.seen[body.NotificationID] {
				continue
			}
			h.seen[body.NotificationID] = true
			for _, a := range body.Alerts {
				events = append(events, a.Status+" "+a.Labels.AlertName+":"+a.Labels.Feature)
			}
			return events
		case <-time.After(time.Minute):
			require.Fail(h.t, "the receiver hears nothing more")
		}
	}
}
