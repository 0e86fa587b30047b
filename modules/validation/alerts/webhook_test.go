package alerts

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/app/database/databasetest"
	"featurestore/app/fault"
)

// post is a process whose one receiver is a sink, with one notification queued.
type post struct {
	*Alerts
	clock *fakeClock
	known *listed
}

func newPost(t *testing.T, receiver func(Config) Receiver, change ...func(*Config)) *post {
	c := testConfig(t)
	for _, f := range change {
		f(&c)
	}
	p := &post{clock: &fakeClock{now: epoch}, known: &listed{}}
	p.known.set(receiver(c))
	p.Alerts = process(t, databasetest.SQLite(t)(), c, p.known, p.clock, quiet)
	require.NoError(t, p.Observe(t.Context(), failing("range", epoch)))
	p.clock.Advance(30 * time.Second)
	return p
}

func (p *post) only(t *testing.T) *Delivery {
	all, err := p.Deliveries(t.Context(), p.known.Receivers()[0].Name, "", 0, 10)
	require.NoError(t, err)
	require.Len(t, all, 1)
	return all[0]
}

func TestWebhookBody(t *testing.T) {
	sink := newSink(t)
	p := newPost(t, func(c Config) Receiver {
		r := sink.receiver(t, c, "ops")
		secretFile(t, c, "key", "it is secret")
		r.SecretFile = "key"
		return r
	}, func(c *Config) { c.ExternalAddress = "https://features.example.org/" })
	o := failing("fresh", epoch.Add(time.Second))
	o.Feature, o.Severity, o.Observed = "", Warn, "3d <old> & quiet"
	require.NoError(t, p.Observe(t.Context(), o))
	before := time.Now()
	p.work(t)
	got := sink.next(t)
	delivery := p.only(t)
	require.Equal(t, Delivered, delivery.State)
	require.Equal(t, "application/json", got.header.Get("Content-Type"))
	require.Equal(t, delivery.Key, got.header.Get(DeliveryHeader))
	want := `{"version":"4","notificationId":"` + delivery.Key + `","groupKey":"{}:{group=\"purchases\", run=\"17\"}","truncatedAlerts":0,"status":"firing","receiver":"ops",
		"groupLabels":{"group":"purchases","run":"17"},
		"commonLabels":{"group":"purchases","owner":"data_science","class":"data"},
		"commonAnnotations":{"summary":"4.2 % of amount are outside 0 to 10000.","expected":"at most 1 % outside 0 to 10000","status":"fail","event":"new","run":"17"},
		"externalURL":"https://features.example.org/","alerts":[
		{"status":"firing","labels":{"alertname":"range","group":"purchases","feature":"amount","severity":"error","owner":"data_science","class":"data"},
		 "annotations":{"summary":"4.2 % of amount are outside 0 to 10000.","observed":"4.2 % outside","expected":"at most 1 % outside 0 to 10000","status":"fail","event":"new","run":"17","alert_id":"1"},
		 "startsAt":"2026-01-02T03:04:05Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"https://features.example.org/admin/alerts?id=1","fingerprint":"c29b71a1e0a2c6c8"},
		{"status":"firing","labels":{"alertname":"fresh","group":"purchases","severity":"warn","owner":"data_science","class":"data"},
		 "annotations":{"summary":"4.2 % of amount are outside 0 to 10000.","observed":"3d <old> & quiet","expected":"at most 1 % outside 0 to 10000","status":"fail","event":"new","run":"17","alert_id":"2"},
		 "startsAt":"2026-01-02T03:04:06Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"https://features.example.org/admin/alerts?id=2","fingerprint":"3a"}]}`
	for _, alert := range got.body.Alerts {
		require.Len(t, alert.Fingerprint, 16)
		want = strings.Replace(want, map[string]string{"range": "c29b71a1e0a2c6c8", "fresh": `"3a"`}[alert.Labels["alertname"]],
			map[string]string{"range": alert.Fingerprint, "fresh": `"` + alert.Fingerprint + `"`}[alert.Labels["alertname"]], 1)
	}
	require.JSONEq(t, want, string(got.raw))

	// The signature is the one that the documentation describes, and of nothing else.
	header := got.header.Get(SignatureHeader)
	require.Regexp(t, `^t=\d+,v1=[0-9a-f]{64}$`, header)
	at, err := strconv.ParseInt(header[2:strings.IndexByte(header, ',')], 10, 64)
	require.NoError(t, err)
	require.False(t, time.Unix(at+1, 0).Before(before))
	require.NoError(t, Verify("it is secret", header, got.raw, time.Now(), 5*time.Minute))
	require.Error(t, Verify("it is secret", header, bytes.Replace(got.raw, []byte("error"), []byte("warn"), 1), time.Now(), 5*time.Minute))
	require.Error(t, Verify("another", header, got.raw, time.Now(), 5*time.Minute))
	require.Error(t, Verify("it is secret", header, got.raw, time.Now().Add(time.Hour), 5*time.Minute))
	require.Error(t, Verify("it is secret", fmt.Sprintf("t=%d%s", at+1, header[strings.IndexByte(header, ','):]), got.raw, time.Now(), 5*time.Minute))
	require.Error(t, Verify("it is secret", "", got.raw, time.Unix(0, 0), 5*time.Minute))
	require.Equal(t, "t=1767323045,v1=2f8aca8f2dddb5889d857c7540a106302e936ea1f5291e72cc994ccccb32f812", Sign("s", []byte("{}"), epoch), "as another program computes it")

	// What has ended says when.
	p.clock.Advance(time.Hour)
	require.NoError(t, p.Observe(t.Context(), passing("range", epoch.Add(time.Hour))))
	p.clock.Advance(30 * time.Second)
	p.work(t)
	body := sink.next(t).body
	require.Equal(t, "resolved", body.Status)
	require.Equal(t, "resolved", body.Alerts[0].Status)
	require.Equal(t, epoch.Add(time.Hour+30*time.Second), body.Alerts[0].EndsAt)
	require.Equal(t, "recovered: the rule passes again", body.Alerts[0].Annotations["resolution"])
	require.NotEqual(t, delivery.Key, body.NotificationID)
}

// A body names at most 200 alerts, and counts the others.
func TestLongBodiesAreCut(t *testing.T) {
	sink := newSink(t)
	p := newPost(t, func(c Config) Receiver { return sink.receiver(t, c, "ops") })
	for i := range 210 {
		require.NoError(t, p.Observe(t.Context(), failing(fmt.Sprint("rule", i), epoch.Add(time.Second))))
	}
	p.work(t)
	body := sink.next(t).body
	require.Len(t, body.Alerts, 200)
	require.Equal(t, 11, body.TruncatedAlerts)
}

func TestSlackText(t *testing.T) {
	sink := newSink(t)
	p := newPost(t, func(c Config) Receiver {
		r := sink.receiver(t, c, "channel")
		r.Kind = Slack
		return r
	}, func(c *Config) { c.ExternalAddress = "http://features:8000" })
	o := failing("nulls", epoch.Add(time.Second))
	o.Feature, o.Sentence, o.Observed, o.Expected = "", "", "<!channel> & 3 %", ""
	require.NoError(t, p.Observe(t.Context(), o))
	p.work(t)
	var message map[string]string
	require.NoError(t, json.Unmarshal(sink.next(t).raw, &message))
	require.Equal(t, map[string]string{"text": "*[error] 2 alerts of purchases*\n\n" +
		"firing (error): rule range on purchases:amount\n4.2 % of amount are outside 0 to 10000.\nobserved 4.2 % outside, expected at most 1 % outside 0 to 10000\n" +
		"since 2026-01-02 03:04:05 UTC, run 17, owner data_science\n<http://features:8000/admin/alerts?id=1|alert 1>\n\n" +
		"firing (error): rule nulls on purchases\nobserved &lt;!channel&gt; &amp; 3 %, expected nothing\n" +
		"since 2026-01-02 03:04:06 UTC, run 17, owner data_science\n<http://features:8000/admin/alerts?id=2|alert 2>"}, message)
	require.Equal(t, Delivered, p.only(t).State)
}

// Each answer of a receiver has its consequence: another try after a while, or none.
func TestTries(t *testing.T) {
	status := func(code int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if len(header) == 2 {
				w.Header().Set(header[0], header[1])
			}
			w.WriteHeader(code)
			fmt.Fprint(w, "because")
		}
	}
	cut := func(begin string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				fmt.Fprint(conn, begin)
				conn.Close()
			}
		}
	}
	silent := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	slow := func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "x")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
	endless := func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(500)
		for {
			if _, err := fmt.Fprint(w, "because "); err != nil {
				return
			}
		}
	}
	ok := status(200)
	for _, c := range []struct {
		name    string
		answers []http.HandlerFunc // of the tries; the last of all others
		waits   []time.Duration    // before each further try
		state   DeliveryState
		code    int    // of the first try
		reason  string // of the first try
	}{
		{"taken", []http.HandlerFunc{ok}, nil, Delivered, 200, ""},
		{"taken, with nothing to say", []http.HandlerFunc{status(204)}, nil, Delivered, 204, ""},
		{"taken, and the answer never ends", []http.HandlerFunc{slow}, nil, Delivered, 200, ""},
		{"broken for a moment", []http.HandlerFunc{status(500), status(503), ok}, []time.Duration{10 * time.Second, time.Minute}, Delivered, 500, "it answered 500: because"},
		{"broken", []http.HandlerFunc{status(502)}, []time.Duration{10 * time.Second, time.Minute}, Dead, 502, "it answered 502: because"},
		{"wrong", []http.HandlerFunc{status(400), ok}, nil, Dead, 400, "it answered 400: because"},
		{"not found", []http.HandlerFunc{status(404), ok}, nil, Dead, 404, "it answered 404"},
		{"gone", []http.HandlerFunc{status(410), ok}, nil, Dead, 410, "it answered 410"},
		{"too late", []http.HandlerFunc{status(408), ok}, []time.Duration{10 * time.Second}, Delivered, 408, "it answered 408"},
		{"too many", []http.HandlerFunc{status(429), ok}, []time.Duration{10 * time.Second}, Delivered, 429, "it answered 429"},
		{"too many, wait", []http.HandlerFunc{status(429, "Retry-After", "120"), ok}, []time.Duration{2 * time.Minute}, Delivered, 429, "it answered 429"},
		{"too many, wait less than one would", []http.HandlerFunc{status(429, "Retry-After", "1"), ok}, []time.Duration{10 * time.Second}, Delivered, 429, "it answered 429"},
		{"busy, wait for a week", []http.HandlerFunc{status(503, "Retry-After", "604800"), ok}, []time.Duration{15 * time.Minute}, Delivered, 503, "it answered 503"},
		{"busy, wait for nonsense", []http.HandlerFunc{status(503, "Retry-After", "soon"), ok}, []time.Duration{10 * time.Second}, Delivered, 503, "it answered 503"},
		{"elsewhere", []http.HandlerFunc{status(302, "Location", "http://127.0.0.1:1/elsewhere"), ok}, nil, Dead, 302, "it answered 302, a redirect, which is not followed"},
		{"elsewhere with the same method", []http.HandlerFunc{status(307, "Location", "/elsewhere"), ok}, nil, Dead, 307, "it answered 307, a redirect, which is not followed"},
		{"cut before an answer", []http.HandlerFunc{cut(""), ok}, []time.Duration{10 * time.Second}, Delivered, 0, "EOF"},
		{"cut in the middle of an answer", []http.HandlerFunc{cut("HTTP/1.1 200 OK\r\nContent-Le"), ok}, []time.Duration{10 * time.Second}, Delivered, 0, "connection broken"},
		{"no HTTP", []http.HandlerFunc{cut("220 mail.example.org\r\n\r\n"), ok}, []time.Duration{10 * time.Second}, Delivered, 0, "malformed HTTP"},
		{"silent", []http.HandlerFunc{silent, ok}, []time.Duration{10 * time.Second}, Delivered, 0, "it did not answer in time"},
		{"broken, and the answer never ends", []http.HandlerFunc{endless, ok}, []time.Duration{10 * time.Second}, Delivered, 500, "it answered 500: because because"},
		{"broken, and the answer is cut", []http.HandlerFunc{cut("HTTP/1.1 500 Oh\r\nContent-Length: 100\r\n\r\nbecau"), ok}, []time.Duration{10 * time.Second}, Delivered, 500, "it answered 500: becau"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			sink := newSink(t)
			var mu sync.Mutex
			var ids []string // that each try carried
			tried := func() []string {
				mu.Lock()
				defer mu.Unlock()
				return slices.Clone(ids)
			}
			p := newPost(t, func(r Config) Receiver { return sink.receiver(t, r, "ops") })
			patience := p.config.Timeout
			if c.name == "silent" {
				p.config.Timeout = 5 * time.Second // the request arrives before
			}
			sink.answer = func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				n := len(ids)
				ids = append(ids, r.Header.Get(DeliveryHeader))
				mu.Unlock()
				c.answers[min(n, len(c.answers)-1)](w, r)
			}
			p.work(t)
			p.config.Timeout = patience
			for i, wait := range c.waits {
				require.Len(t, tried(), i+1)
				delivery := p.only(t)
				require.Equal(t, Queued, delivery.State)
				require.Equal(t, p.clock.Now().Add(wait), delivery.NextAt)
				health, err := p.health(t.Context())
				require.NoError(t, err)
				require.Equal(t, epoch.Add(30*time.Second), health["ops"].FailingSince)
				p.clock.Advance(wait - time.Microsecond)
				p.work(t)
				require.Len(t, tried(), i+1, "too early")
				p.clock.Advance(time.Microsecond)
				p.work(t)
			}
			require.Len(t, tried(), len(c.waits)+1)
			p.clock.Advance(2 * time.Hour)
			p.work(t)
			require.Len(t, tried(), len(c.waits)+1, "it is over")
			delivery := p.only(t)
			require.Equal(t, c.state, delivery.State)
			require.Len(t, delivery.Tries, len(c.waits)+1)
			require.Equal(t, c.code, delivery.Tries[0].Code)
			require.Contains(t, delivery.Tries[0].Error, c.reason)
			for _, id := range tried() {
				require.Equal(t, delivery.Key, id, "the same in every try")
			}
			failing, err := p.Failing(t.Context())
			require.NoError(t, err)
			if c.state == Dead {
				require.Len(t, failing, 1)
				require.EqualValues(t, 1, failing[0].Dead)
				require.NotEmpty(t, failing[0].LastError)
			} else {
				require.Empty(t, failing)
			}
		})
	}
}

// What was given up can be sent again, and has three tries again.
func TestResend(t *testing.T) {
	sink := newSink(t)
	sink.answer = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }
	p := newPost(t, func(c Config) Receiver { return sink.receiver(t, c, "ops") })
	p.work(t)
	dead := p.only(t)
	require.Equal(t, Dead, dead.State)
	first := sink.next(t)

	sink.answer = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }
	_, err := p.Resend(t.Context(), "ops", dead.ID)
	require.NoError(t, err)
	_, err = p.Resend(t.Context(), "ops", dead.ID)
	require.True(t, fault.Is(err, "delivery-not-dead"), err)
	p.work(t)
	require.Equal(t, Queued, p.only(t).State)
	sink.answer = nil
	p.clock.Advance(10 * time.Second)
	p.work(t)
	require.Equal(t, Delivered, p.only(t).State)
	require.Len(t, p.only(t).Tries, 3)
	sink.next(t)
	require.Equal(t, first.raw, sink.next(t).raw, "byte for byte")
	_, err = p.Resend(t.Context(), "ops", dead.ID)
	require.True(t, fault.Is(err, "delivery-not-dead"), err)
	_, err = p.Resend(t.Context(), "others", dead.ID)
	require.True(t, fault.Is(err, "unknown-delivery"), err)
}

// To one receiver, what is told of one group comes in its order, however the first fares; other groups and receivers do not wait.
func TestOrderIsKept(t *testing.T) {
	sink, other := newSink(t), newSink(t)
	p := newPost(t, func(c Config) Receiver { return sink.receiver(t, c, "ops") })
	p.known.set(p.known.Receivers()[0], other.receiver(t, p.config, "others"))
	broken := true
	sink.answer = func(w http.ResponseWriter, r *http.Request) {
		if broken {
			w.WriteHeader(500)
		}
	}
	p.work(t)
	require.Equal(t, "firing", sink.next(t).body.Status)
	require.Equal(t, "firing", other.next(t).body.Status)
	elsewhere := failing("range", epoch)
	elsewhere.Group = "customers"
	require.NoError(t, p.Observe(t.Context(), passing("range", epoch.Add(time.Minute)), elsewhere))
	p.clock.Advance(30 * time.Second)
	p.work(t)
	require.ElementsMatch(t, []string{"purchases resolved", "customers firing"}, other.groups(t, 2))
	require.ElementsMatch(t, []string{"purchases firing", "customers firing"}, sink.groups(t, 2), "the first one's second try, and not the resolution")
	sink.none(t)
	broken = false
	p.clock.Advance(time.Minute)
	p.work(t)
	p.work(t) // what had to wait for others
	require.ElementsMatch(t, []string{"purchases firing", "customers firing", "purchases resolved"}, sink.groups(t, 3))
	sink.none(t)
	all, err := p.Deliveries(t.Context(), "ops", Delivered, 0, 10)
	require.NoError(t, err)
	require.Len(t, all, 3)
	for _, d := range all[:len(all)-1] {
		if d.Group == "purchases" {
			require.False(t, d.FinishedAt.Before(all[len(all)-1].FinishedAt))
		}
	}
}

// A receiver that is defined no more gets nothing; that is a dead letter.
func TestReceiverIsGone(t *testing.T) {
	sink := newSink(t)
	sink.answer = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }
	p := newPost(t, func(c Config) Receiver { return sink.receiver(t, c, "ops") })
	p.work(t)
	sink.next(t)
	gone := p.known.Receivers()
	p.known.set()
	p.clock.Advance(time.Hour)
	p.work(t)
	sink.none(t)
	p.known.set(gone...)
	require.Equal(t, Dead, p.only(t).State)
	require.Equal(t, "the receiver is defined no more", p.only(t).Tries[1].Error)
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"": 0, "0": 0, "-1": 0, "7": 7 * time.Second, "x": 0, "99999999999": 0,
		"Fri, 02 Jan 2026 03:05:05 GMT": time.Minute, "Fri, 02 Jan 2026 03:00:05 GMT": 0,
	} {
		require.Equal(t, want, retryAfter(header, now), header)
	}
}
