package alerts

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/app/database/databasetest"
	"featurestore/app/httpapi/httpapitest"
)

func TestSecretsAreReadWithEachTry(t *testing.T) {
	first, second := newSink(t), newSink(t)
	c := testConfig(t)
	receiver := first.receiver(t, c, "ops")
	t.Setenv("ALERTS_TEST_KEY", "one")
	receiver.SecretEnv = "ALERTS_TEST_KEY"
	a := process(t, databasetest.SQLite(t)(), c, &listed{all: []Receiver{receiver}}, nil, quiet)
	_, err := a.Test(t.Context(), "ops")
	require.NoError(t, err)
	got := first.next(t)
	require.NoError(t, Verify("one", got.header.Get(SignatureHeader), got.raw, time.Now(), time.Minute))

	second.receiver(t, c, "ops") // the file changes
	t.Setenv("ALERTS_TEST_KEY", "two")
	_, err = a.Test(t.Context(), "ops")
	require.NoError(t, err)
	got = second.next(t)
	require.NoError(t, Verify("two", got.header.Get(SignatureHeader), got.raw, time.Now(), time.Minute))
	first.none(t)

	// What cannot be read is said without its content, and tried again: somebody may be about to write it.
	for what, spoil := range map[string]func(){
		"the address is empty": func() { secretFile(t, c, "ops-url", "") },
		"no such file":         func() { require.NoError(t, os.Remove(filepath.Join(c.SecretsFolder, "ops-url"))) },
		"it is no file":        func() { receiver.URLFile = "." },
		"it is larger than":    func() { secretFile(t, c, "ops-url", strings.Repeat("x", maxSecret)) },
		"the secret is empty":  func() { t.Setenv("ALERTS_TEST_KEY", " ") },
	} {
		receiver.URLFile = "ops-url"
		second.receiver(t, c, "ops")
		t.Setenv("ALERTS_TEST_KEY", "two")
		spoil()
		_, err := a.sender.send(t.Context(), receiver, &Delivery{Message: testMessage("ops", epoch)})
		require.ErrorContains(t, err, what)
		state, _ := after(err, 1, epoch)
		require.Equal(t, Queued, state, what)
	}
	second.none(t)
}

// Whatever happens, what is secret stands in no log, in no answer of the API and in no table.
func TestSecretsAreNeverShown(t *testing.T) {
	const token, password, key = "t0ken-in-the-path", "pa55word", "signing-k3y"
	databaseOpen := databasetest.SQLite(t)
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	sink, mails := newSink(t), newMailSink(t)
	sink.answer = func(w http.ResponseWriter, r *http.Request) { // an echo
		w.WriteHeader(400)
		w.Write([]byte(r.RequestURI + " " + r.Header.Get("Authorization"))) //nolint:errcheck // a test
	}
	host := sink.Listener.Addr().String()
	c := testConfig(t)
	c.Timeout = 10 * time.Second
	urls := map[string]string{
		"echo":     "http://me:" + password + "@" + host + "/" + token + "?x=" + token,
		"closed":   "http://me:" + password + "@127.0.0.1:1/" + token,
		"notls":    "https://" + host + "/" + token,
		"nowhere":  "https://" + "nowhere.invalid/" + token,
		"private":  "http://10.255.255.1/" + token,
		"garbled":  "http://[" + token,
		"noscheme": token,
		"control":  "http://" + host + "/\x7f" + token,
	}
	known := &listed{}
	for name, url := range urls {
		secretFile(t, c, name, url)
		secretFile(t, c, "key", key)
		known.all = append(known.all, Receiver{Name: name, Kind: Webhook, URLFile: name, SecretFile: "key", MinSeverity: Info},
			Receiver{Name: name + "_slack", Kind: Slack, URLFile: name, MinSeverity: Info})
	}
	secretFile(t, c, "smtp", "smtp://me:"+password+"@"+mails.Addr().String()) // answers with the password that it got
	known.all = append(known.all, Receiver{Name: "mail", Kind: Email, URLFile: "smtp", To: []string{"a@example.org"}, MinSeverity: Info})

	db := databaseOpen()
	a := process(t, db, c, known, nil, logger)
	a.sender.tls = mails.identity.Clone()
	a.sender.tls.RootCAs = mails.roots
	server := httpapitest.Listen(t, httpapitest.Serve(logger, a.Routes))
	answers := server.Call(t, "GET /openapi.json", "").Body
	for _, r := range known.all {
		answers += server.Call(t, "POST /receivers/"+r.Name+"/test", "").Body + server.Call(t, "GET /receivers/"+r.Name+"/deliveries", "").Body
	}
	answers += server.Call(t, "GET /receivers", "").Body
	require.Contains(t, answers, "it answered 400", "the echo answered")
	require.Contains(t, answers, "535", "so did the mail server")
	require.Contains(t, log.String(), "a notification was not delivered")
	var rows []deliveryRow
	require.NoError(t, db.Find(&rows).Error)
	require.Len(t, rows, len(known.all))
	var health []receiverRow
	require.NoError(t, db.Find(&health).Error)
	stored, err := json.Marshal([]any{rows, health})
	require.NoError(t, err)
	for what, text := range map[string]string{"log": log.String(), "answers": answers, "tables": string(stored)} {
		for _, secret := range []string{token, password, key} {
			require.NotContains(t, text, secret, what)
		}
	}
}
