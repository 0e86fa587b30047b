package app

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"featurestore/config"
	"featurestore/modules/runs"
	"featurestore/modules/store/storetest/servers"
)

// settings are the defaults, on free ports and in a folder of the test's own, with changes as environment variables.
func settings(t testing.TB, changes ...string) *config.Config {
	loaded, err := config.Load(config.Sources{Environment: append([]string{
		"FEATURESTORE_DATA=" + filepath.Join(t.TempDir(), "data"),
		"FEATURESTORE_HTTP_LISTEN=127.0.0.1:0,127.0.0.1:0",
	}, changes...)})
	require.NoError(t, err)
	return &loaded.Config
}

// start starts an app that is stopped with the test, unless the test does it.
func start(t testing.TB, c *config.Config) *App {
	a, err := New(t.Context(), c, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.NoError(t, a.Start(t.Context()))
	t.Cleanup(func() {
		if !a.server.draining.Load() {
			require.NoError(t, a.Stop())
		}
	})
	return a
}

func get(t *testing.T, url string) (int, http.Header, string) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Get(url)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, response.Header, string(body)
}

func TestProcess(t *testing.T) {
	a := start(t, settings(t))
	require.Len(t, a.Addresses(), 2)
	for _, address := range a.Addresses() {
		base := "http://" + address
		for path, want := range map[string]string{
			"/healthz": `{"status":"ok"}`, "/health": `{"status":"ok"}`, "/readyz": `{"status":"ready"}`, "/runs": `{"runs":[]}`,
		} {
			status, header, body := get(t, base+path)
			require.Equal(t, 200, status, path)
			require.JSONEq(t, want, body, path)
			require.NotEmpty(t, header.Get("X-Request-Id"))
		}
		for path, want := range map[string]string{
			"/features": "{", "/version": `"go":"go1`, "/metrics": `featurestore_http_request_duration_seconds_count{code="200",method="GET",path="/healthz"}`,
			"/docs": "swagger-ui-bundle.js", "/docs/": "swagger-ui", "/docs/swagger-ui.css": ".swagger-ui", "/docs/start.js": "/openapi.json",
			"/docs/swagger-ui-bundle.js": "SwaggerUIBundle", "/docs/favicon-32x32.png": "PNG",
		} {
			status, _, body := get(t, base+path)
			require.Equal(t, 200, status, path)
			require.Contains(t, body, want, path)
		}
		status, header, _ := get(t, base+"/")
		require.Equal(t, 302, status)
		require.Equal(t, "/docs", header.Get("Location"))
		for path, want := range map[string]int{"/nothing": 404, "/docs/nothing.js": 404, "/docs/..%2Fgo.mod": 404, "/runs/1": 404} {
			status, header, body := get(t, base+path)
			require.Equal(t, want, status, path)
			require.Equal(t, "application/problem+json", header.Get("Content-Type"), body)
		}
	}
}

// The docs need nothing from elsewhere, and what they are given is sent packed.
func TestDocsWorkOffline(t *testing.T) {
	a := start(t, settings(t))
	base := "http://" + a.Addresses()[0]
	_, header, page := get(t, base+"/docs")
	require.NotContains(t, page, "//", "an address of another server")
	require.Contains(t, header.Get("Content-Security-Policy"), "default-src 'self'")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/docs/swagger-ui-bundle.js", nil)
	require.NoError(t, err)
	request.Header.Set("Accept-Encoding", "gzip")
	response, err := http.DefaultTransport.RoundTrip(request)
	require.NoError(t, err)
	response.Body.Close()
	require.Equal(t, "gzip", response.Header.Get("Content-Encoding"))
	require.Contains(t, response.Header.Get("Content-Type"), "javascript")
}

func TestDescription(t *testing.T) {
	a := start(t, settings(t))
	_, header, body := get(t, "http://"+a.Addresses()[0]+"/openapi.json")
	require.Equal(t, "application/json", header.Get("Content-Type"))
	var document struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			OperationID string
			Summary     string
			Parameters  []struct{ Name, In string }
			Responses   map[string]struct{ Headers map[string]any }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(body), &document))
	require.Equal(t, "3.1.0", document.OpenAPI)
	for path, methods := range document.Paths {
		for method, operation := range methods {
			require.NotEmpty(t, operation.OperationID, "%s %s", method, path)
			require.NotEmpty(t, operation.Summary, "%s %s", method, path)
			require.Contains(t, operation.Responses, "default", "%s %s", method, path)
		}
	}
	for _, path := range []string{
		"/features", "/groups", "/services", "/entity-types", "/apply", "/store/{entity_type}/{entity_id}", "/get/{entity_type}/{entity_id}",
		"/rows/{group}", "/training-sets", "/materialize", "/materialize-incremental", "/push", "/write-to-online-store", "/runs", "/healthz", "/readyz", "/version",
	} {
		require.Contains(t, document.Paths, path)
	}
	for path, status := range map[string]string{"/store/{entity_type}/{entity_id}": "200", "/store/{entity_type}": "200", "/rows/{group}": "202"} {
		operation := document.Paths[path]["post"]
		require.Contains(t, operation.Parameters, struct{ Name, In string }{"Idempotency-Key", "header"}, path)
		require.Contains(t, operation.Responses[status].Headers, "Idempotency-Replayed", path)
	}
}

func TestBanner(t *testing.T) {
	c := settings(t)
	a := start(t, c)
	banner := a.Banner()
	for _, part := range []string{c.Data, "http://" + a.Addresses()[0], "http://" + a.Addresses()[1], "SQLite", "http://" + a.Addresses()[0] + "/docs"} {
		require.Contains(t, banner, part)
	}
	require.Equal(t, "localhost:8000", reachable("[::]:8000"))
	require.Equal(t, "[::1]:8000", reachable("[::1]:8000"))
}

func TestFolderIsForOneProcess(t *testing.T) {
	c := settings(t)
	start(t, c)
	_, err := New(t.Context(), c, slog.New(slog.DiscardHandler))
	var refusal *Refusal
	require.ErrorAs(t, err, &refusal)
	require.Contains(t, err.Error(), "works on the data folder "+c.Data)
	require.NotContains(t, err.Error(), "\n")
}

func TestTakenPort(t *testing.T) {
	a := start(t, settings(t))
	_, err := New(t.Context(), settings(t, "FEATURESTORE_HTTP_LISTEN=127.0.0.1:0,"+a.Addresses()[1]), slog.New(slog.DiscardHandler))
	var refusal *Refusal
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, "another process listens on "+a.Addresses()[1]+": stop it, or choose other addresses with --listen", err.Error())

	_, err = New(t.Context(), settings(t, "FEATURESTORE_HTTP_LISTEN=127.0.0.1:99999"), slog.New(slog.DiscardHandler))
	require.ErrorAs(t, err, &refusal)
}

func TestFolderThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := New(t.Context(), settings(t, "FEATURESTORE_DATA="+file), slog.New(slog.DiscardHandler))
	var refusal *Refusal
	require.ErrorAs(t, err, &refusal)
}

// waiting begins a request that takes as long as it is let, and answers a channel with its status.
func waiting(t *testing.T, a *App) <-chan int {
	run, err := runs.New(a.db, a.config.Runs, time.Now, slog.New(slog.DiscardHandler)).Submit(t.Context(), "nobody's", "", nil)
	require.NoError(t, err)
	require.NotZero(t, run.ID)
	status := make(chan int, 1)
	go func() {
		response, err := http.Get("http://" + a.Addresses()[0] + "/runs/1?wait=60s")
		if err != nil {
			status <- 0
			return
		}
		io.Copy(io.Discard, response.Body) //nolint:errcheck // only the status is wanted
		response.Body.Close()
		status <- response.StatusCode
	}()
	require.Eventually(t, func() bool { return a.server.running.Load() == 1 }, 30*time.Second, time.Millisecond)
	return status
}

func TestStopLetsRequestsFinish(t *testing.T) {
	a := start(t, settings(t))
	status := waiting(t, a)
	stopped := make(chan error, 1)
	go func() { stopped <- a.Stop() }()
	require.Eventually(t, a.server.draining.Load, 30*time.Second, time.Millisecond)

	ready, _, body := get(t, "http://"+a.Addresses()[1]+"/readyz")
	require.Equal(t, 503, ready)
	require.Contains(t, body, "stopping")
	alive, _, _ := get(t, "http://"+a.Addresses()[1]+"/healthz")
	require.Equal(t, 200, alive)
	select {
	case <-stopped:
		t.Fatal("a request was still running")
	case <-time.After(50 * time.Millisecond):
	}
	response, err := http.Post("http://"+a.Addresses()[0]+"/runs/1/cancel", "", nil)
	require.NoError(t, err)
	response.Body.Close()
	require.Equal(t, 200, <-status)
	require.NoError(t, <-stopped)
	_, err = http.Get("http://" + a.Addresses()[0] + "/healthz")
	require.ErrorContains(t, err, "refused")
}

func TestStopBreaksOffWhatTakesTooLong(t *testing.T) {
	a := start(t, settings(t, "FEATURESTORE_HTTP_GRACE=50ms"))
	status := waiting(t, a)
	began := time.Now()
	require.NoError(t, a.Stop())
	require.Less(t, time.Since(began), 30*time.Second)
	require.Equal(t, 200, <-status, "the request saw its context end and answered what it had")
}

// A caller that never finishes its request holds up the end for the grace only, and does not make it a failure.
func TestStopBreaksOffABodyThatDoesNotArrive(t *testing.T) {
	a := start(t, settings(t, "FEATURESTORE_HTTP_GRACE=50ms"))
	address := a.Addresses()[0]
	response, err := http.Post("http://"+address+"/features", "", strings.NewReader(`{"name": "n", "entity_type": "customer", "value_type": "INTEGER"}`))
	require.NoError(t, err)
	response.Body.Close()
	require.Equal(t, 201, response.StatusCode)
	connection, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer connection.Close()
	_, err = io.WriteString(connection, "POST /rows/customer HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\nContent-Length: 1000\r\n\r\ncustomer_id")
	require.NoError(t, err)
	require.Eventually(t, func() bool { return a.server.running.Load() == 1 }, 30*time.Second, time.Millisecond)

	began := time.Now()
	require.NoError(t, a.Stop())
	require.Less(t, time.Since(began), 30*time.Second)
	require.Zero(t, a.server.running.Load(), "modules stop after the last request")
}

// Nothing stays behind: goroutines, the folder's lock, the ports.
func TestStopLeavesNothing(t *testing.T) {
	http.DefaultClient.CloseIdleConnections()
	before := goleak.IgnoreCurrent()
	c := settings(t)
	for range 2 {
		a := start(t, c)
		c.HTTP.Listen = a.Addresses() // the same ones again
		get(t, "http://"+a.Addresses()[0]+"/readyz")
		require.NoError(t, a.Stop())
	}
	goleak.VerifyNone(t, before)

	// Nor after a failure half-way.
	broken := settings(t)
	require.NoError(t, os.MkdirAll(filepath.Join(broken.Data, "registry.db"), 0o750))
	_, err := New(context.Background(), broken, slog.New(slog.DiscardHandler))
	require.Error(t, err)
	goleak.VerifyNone(t, before)
}

func TestAccessLog(t *testing.T) {
	var out bytes.Buffer
	c := settings(t, "FEATURESTORE_HTTP_ACCESS_LOG=true")
	a, err := New(t.Context(), c, slog.New(slog.NewTextHandler(&out, nil)))
	require.NoError(t, err)
	require.NoError(t, a.Start(t.Context()))
	get(t, "http://"+a.Addresses()[0]+"/healthz?x=1")
	require.NoError(t, a.Stop())
	require.Equal(t, 1, strings.Count(out.String(), "path=/healthz"))
	require.Contains(t, out.String(), "status=400")
}

func TestMigrate(t *testing.T) {
	c := settings(t)
	for range 2 {
		require.NoError(t, Migrate(t.Context(), c, false, slog.New(slog.DiscardHandler)))
	}
	start(t, c)
	var refusal *Refusal
	require.ErrorAs(t, Migrate(t.Context(), c, false, slog.New(slog.DiscardHandler)), &refusal)
}

// on are the settings of both stacks: embedded, and on servers where there are some.
func on(t *testing.T, test func(t *testing.T, c *config.Config)) {
	t.Run("embedded", func(t *testing.T) { test(t, settings(t)) })
	t.Run("servers", func(t *testing.T) {
		postgres, schema := servers.Postgres(t)
		redis, prefix := servers.Redis(t)
		test(t, settings(t, "FEATURESTORE_POSTGRES_URL="+postgres, "FEATURESTORE_POSTGRES_SCHEMA="+schema,
			"FEATURESTORE_REDIS_URL="+redis, "FEATURESTORE_REDIS_PREFIX="+prefix))
	})
}

// The calls that everything began with, sent as curl -d sends them, and again after a restart.
func TestOwnersCalls(t *testing.T) {
	on(t, func(t *testing.T, c *config.Config) {
		a := start(t, c)
		post := func(url, body string) (int, string) {
			response, err := http.Post(url, "application/x-www-form-urlencoded", strings.NewReader(body))
			require.NoError(t, err)
			defer response.Body.Close()
			answer, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			return response.StatusCode, string(answer)
		}
		registry, values := "http://"+a.Addresses()[0], "http://"+a.Addresses()[1]
		status, answer := post(registry+"/features", `{"name":"customer_purchase_count_30d","description":"Purchases in the last 30 days","entity_type":"customer",
			"value_type":"INTEGER","source":"orders","category":"behaviour","frequency":"DAILY","owner":"data_science_team","tags":["core"]}`)
		require.Equal(t, 201, status, answer)
		status, answer = post(values+"/store/customer/12345", `{"customer_purchase_count_30d": 7}`)
		require.Equal(t, 200, status, answer)
		require.Contains(t, answer, `"online":"written"`)
		for range 2 {
			values := "http://" + a.Addresses()[1]
			status, _, answer = get(t, values+"/get/customer/12345/customer_purchase_count_30d")
			require.Equal(t, 200, status, answer)
			require.Contains(t, answer, `"value":7,`)
			status, _, answer = get(t, values+"/get/customer/12345?features=customer_purchase_count_30d,purchase_count_30d")
			require.Equal(t, 200, status, answer)
			require.Contains(t, answer, `"features":{"customer_purchase_count_30d":7,"purchase_count_30d":7}`)
			require.NoError(t, a.Stop())
			a = start(t, c)
		}
	})
}

func TestStoresOfAnotherInstallation(t *testing.T) {
	redis, prefix := servers.Redis(t)
	start(t, settings(t, "FEATURESTORE_REDIS_URL="+redis, "FEATURESTORE_REDIS_PREFIX="+prefix))
	other, err := New(t.Context(), settings(t, "FEATURESTORE_REDIS_URL="+redis, "FEATURESTORE_REDIS_PREFIX="+prefix), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	var refusal *Refusal
	require.ErrorAs(t, other.Start(t.Context()), &refusal)
	require.NoError(t, other.Stop())
}
