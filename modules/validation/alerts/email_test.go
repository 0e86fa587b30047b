package alerts

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"mime"
	"mime/quotedprintable"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// mailPost is a process whose one receiver is a mail server; url may hold ADDRESS.
func mailPost(t *testing.T, sink *mailSink, url string, change ...func(*Config)) *post {
	p := newPost(t, func(c Config) Receiver {
		secretFile(t, c, "smtp", strings.ReplaceAll(url, "ADDRESS", sink.Addr().String()))
		return Receiver{Name: "team", Kind: Email, URLFile: "smtp", To: []string{"a@example.org", "b@example.org"}, MinSeverity: Info}
	}, change...)
	p.sender.tls = &tls.Config{RootCAs: sink.roots, MinVersion: tls.VersionTLS12}
	return p
}

func body(t *testing.T, mail mailGot) string {
	_, quoted, found := strings.Cut(mail.text, "\n\n")
	require.True(t, found)
	text, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(quoted)))
	require.NoError(t, err)
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

func TestEmail(t *testing.T) {
	sink := newMailSink(t)
	p := mailPost(t, sink, "smtp://features%40example.org:hidden1@ADDRESS", func(c *Config) { c.ExternalAddress = "https://features.example.org" })
	o := failing("nulls", epoch.Add(time.Second))
	o.Sentence = "Größe is null.\r\n.\r\nQUIT\r\nBcc: evil@example.org"
	require.NoError(t, p.Observe(t.Context(), o))
	p.work(t)
	sink.end()
	require.Equal(t, Delivered, p.only(t).State, p.only(t).Tries)
	require.Equal(t, 250, p.only(t).Tries[0].Code)
	require.Len(t, sink.mails, 1)
	mail := sink.mails[0]
	require.True(t, mail.secure)
	require.Equal(t, []string{"EHLO", "STARTTLS"}, sink.commands, "nothing else without TLS")
	require.Equal(t, []string{"PLAIN features@example.org hidden1"}, []string{strings.Replace(sink.logins[0], "PLAIN  ", "PLAIN ", 1)})
	require.Equal(t, "features@example.org", mail.from)
	require.Equal(t, []string{"a@example.org", "b@example.org"}, mail.to)
	require.Equal(t, "a@example.org, b@example.org", mail.header.Get("To"))
	require.Equal(t, "<features@example.org>", mail.header.Get("From"))
	require.Equal(t, "[error] 2 alerts of purchases", mail.header.Get("Subject"))
	require.Equal(t, p.only(t).Key, mail.header.Get(DeliveryHeader))
	require.Equal(t, "<"+p.only(t).Key+"@example.org>", mail.header.Get("Message-Id"))
	require.Empty(t, mail.header.Get("Bcc"))
	_, err := time.Parse(time.RFC1123Z, mail.header.Get("Date"))
	require.NoError(t, err)
	require.Equal(t, "firing (error): rule range on purchases:amount\n4.2 % of amount are outside 0 to 10000.\n"+
		"observed 4.2 % outside, expected at most 1 % outside 0 to 10000\nsince 2026-01-02 03:04:05 UTC, run 17, owner data_science\nhttps://features.example.org/admin/alerts?id=1\n\n"+
		"firing (error): rule nulls on purchases:amount\nGröße is null.  .  QUIT  Bcc: evil@example.org\n"+
		"observed 4.2 % outside, expected at most 1 % outside 0 to 10000\nsince 2026-01-02 03:04:06 UTC, run 17, owner data_science\nhttps://features.example.org/admin/alerts?id=2\n\n"+
		"Notification "+p.only(t).Key+"\n", body(t, mail))
	for line := range strings.SplitSeq(mail.text, "\n") {
		require.LessOrEqual(t, len(line), 78)
	}
}

// Nothing that is told ends up in a header, and nothing ends a header's line.
func TestNothingIsInjectedIntoHeaders(t *testing.T) {
	const evil = "x\r\nBcc: evil@example.org\r\n\r\nbody\u2028\x00"
	sink := newMailSink(t)
	p := mailPost(t, sink, "smtp://ADDRESS")
	o := failing("range"+evil, epoch.Add(time.Second))
	o.Group, o.Feature, o.Owner, o.Observed, o.Expected, o.Run = "g"+evil, "ö"+evil, evil, evil, evil, 1
	message := Message{Group: o.Group, Items: []Item{(&Alert{Rule: o.Rule, Group: o.Group, Feature: o.Feature, Owner: evil, Observed: evil, Severity: Error, Since: epoch}).item(EventNew)}}
	receiver := p.known.Receivers()[0]
	_, err := p.sender.send(t.Context(), receiver, &Delivery{Key: "KEY", Message: message})
	require.NoError(t, err)
	sink.end()
	require.Len(t, sink.mails, 1)
	names := []string{}
	for name := range sink.mails[0].header {
		names = append(names, name)
	}
	require.ElementsMatch(t, []string{"From", "To", "Subject", "Date", "Message-Id", DeliveryHeader, "Auto-Submitted", "Mime-Version", "Content-Type", "Content-Transfer-Encoding"}, names)
	require.Equal(t, receiver.To, sink.mails[0].to)
	subject, err := new(mime.WordDecoder).DecodeHeader(sink.mails[0].header.Get("Subject"))
	require.NoError(t, err)
	require.Contains(t, subject, "Bcc: evil@example.org", "as text")

	for _, address := range []string{"a@example.org\r\nRCPT TO:<evil@example.org>", "a@example.org>", "<a@example.org>", "A <a@example.org>", "a", "", "ä@example.org", "a b@example.org", "\"a\"@example.org", "a@example.org, b@example.org"} {
		require.False(t, plainAddress(address), address)
	}
	require.True(t, plainAddress("first.last+tag@mail.example.org"))
}

func TestEmailWays(t *testing.T) {
	for _, c := range []struct {
		name   string
		url    string
		secret string
		sink   func(*mailSink)
		state  DeliveryState
		tries  int
		code   int
		reason string // of the first try
		login  string
		secure bool
	}{
		{name: "TLS from the start", url: "smtps://ADDRESS", sink: func(s *mailSink) { s.implicit = true }, state: Delivered, code: 250, secure: true},
		{name: "AUTH LOGIN", url: "smtp://me:hidden1@ADDRESS", sink: func(s *mailSink) { s.offers = []string{"STARTTLS", "AUTH LOGIN"} }, state: Delivered, code: 250, login: "LOGIN me hidden1", secure: true},
		{name: "the password apart", url: "smtp://me@ADDRESS", secret: "hidden1", state: Delivered, code: 250, login: "PLAIN me hidden1", secure: true},
		{name: "no TLS", url: "smtp://ADDRESS", sink: func(s *mailSink) { s.offers = nil }, state: Dead, reason: "offers no STARTTLS"},
		{name: "no TLS, and none is wanted", url: "smtp://ADDRESS?starttls=optional", sink: func(s *mailSink) { s.offers = nil }, state: Delivered, code: 250},
		{name: "no TLS, and a password", url: "smtp://me:hidden1@ADDRESS?starttls=optional", sink: func(s *mailSink) { s.offers = []string{"AUTH PLAIN"} }, state: Dead, reason: "a password is not sent without"},
		{name: "STARTTLS is refused", url: "smtp://me:hidden1@ADDRESS?starttls=optional", sink: func(s *mailSink) { s.refuses["STARTTLS"] = "454 not now" }, state: Queued, code: 454, reason: "STARTTLS: 454"},
		{name: "a wrong password", url: "smtp://me:hidden2@ADDRESS", state: Dead, code: 535, reason: "535", login: "PLAIN me hidden2"},
		{name: "no way to log in", url: "smtp://me:hidden1@ADDRESS", sink: func(s *mailSink) { s.offers = []string{"STARTTLS", "AUTH CRAM-MD5"} }, state: Dead, reason: "neither AUTH PLAIN nor AUTH LOGIN"},
		{name: "the sender is refused", url: "smtp://ADDRESS", sink: func(s *mailSink) { s.refuses["MAIL"] = "550 no" }, state: Dead, code: 550, reason: `550 "no"`},
		{name: "all addressees are refused", url: "smtp://ADDRESS", sink: func(s *mailSink) { s.refuses["RCPT"] = "550 unknown" }, state: Dead, code: 550, reason: `b@example.org: 550 "unknown"`},
		{name: "one addressee is refused", url: "smtp://ADDRESS", sink: func(s *mailSink) { s.refuses["RCPT TO:<a@example.org>"] = "550 unknown" }, state: Delivered, code: 250, reason: `a@example.org: 550 "unknown"`, secure: true},
		{name: "greylisted", url: "smtp://ADDRESS", sink: func(s *mailSink) { s.refuses["RCPT"] = "451 later" }, state: Queued, code: 451, reason: `451 "later"`},
		{name: "the text is refused", url: "smtp://ADDRESS", sink: func(s *mailSink) { s.refuses["."] = "554 spam" }, state: Dead, code: 554, reason: `554 "spam"`},
		{name: "the text is not taken now", url: "smtp://ADDRESS", sink: func(s *mailSink) { s.refuses["."] = "452 full" }, state: Queued, code: 452, reason: `452 "full"`},
		{name: "cut at the beginning", url: "smtp://ADDRESS", sink: func(s *mailSink) { s.cutAt = "EHLO" }, state: Queued, reason: "it closed the connection before it had answered"},
		{name: "cut among the addressees", url: "smtp://ADDRESS", sink: func(s *mailSink) { s.cutAt = "RCPT" }, state: Queued, reason: "it closed the connection before it had answered"},
		{name: "cut after the text", url: "smtp://ADDRESS", sink: func(s *mailSink) { s.cutAt = "." }, state: Queued, reason: "it closed the connection before it had answered"},
		{name: "a certificate that nobody vouches for", url: "smtp://me:hidden1@ADDRESS", sink: func(s *mailSink) { s.roots = x509.NewCertPool() }, state: Queued, reason: "certificate"},
		{name: "an address of the web", url: "https://ADDRESS", state: Dead, reason: "write it as smtp://"},
		{name: "no address", url: "hidden1", state: Dead, reason: "write it as smtp://"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			sink := newMailSink(t, func(s *mailSink) {
				if c.sink != nil {
					c.sink(s)
				}
			})
			p := mailPost(t, sink, c.url)
			if c.secret != "" {
				secretFile(t, p.config, "password", c.secret)
				r := p.known.Receivers()[0]
				r.SecretFile = "password"
				p.known.set(r)
			}
			p.work(t)
			sink.end()
			d := p.only(t)
			require.Equal(t, c.state, d.State, d.Tries)
			require.Len(t, d.Tries, 1)
			require.Equal(t, c.code, d.Tries[0].Code)
			require.Contains(t, d.Tries[0].Error, c.reason)
			require.NotContains(t, d.Tries[0].Error, "hidden")
			if c.reason == "" {
				require.Empty(t, d.Tries[0].Error)
			}
			if c.state == Delivered {
				require.Len(t, sink.mails, 1)
				require.Equal(t, c.secure, sink.mails[0].secure)
				require.Equal(t, "featurestore@127.0.0.1", sink.mails[0].from, "when nobody says otherwise")
			} else {
				require.Empty(t, sink.mails)
			}
			if c.login != "" {
				require.Equal(t, []string{c.login}, []string{strings.Join(strings.Fields(sink.logins[0]), " ")})
			}
			require.NotContains(t, sink.commands, "AUTH", "without TLS")
			if c.name == "one addressee is refused" {
				require.Equal(t, []string{"b@example.org"}, sink.mails[0].to)
				failing, err := p.Failing(t.Context())
				require.NoError(t, err)
				require.Len(t, failing, 1, "it is visible")
			}
		})
	}
}

// A mail server that says nothing is given up in time, at whatever point.
func TestEmailSilence(t *testing.T) {
	sink := newMailSink(t, func(s *mailSink) { s.implicit = true }) // it waits for TLS, as the client does for a greeting
	p := mailPost(t, sink, "smtp://ADDRESS", func(c *Config) { c.Timeout = 300 * time.Millisecond })
	p.work(t)
	require.Equal(t, Queued, p.only(t).State)
	require.Contains(t, p.only(t).Tries[0].Error, "it did not answer in time")
}
