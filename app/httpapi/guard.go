package httpapi

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"featurestore/app/fault"
)

const requestIDHeader = "X-Request-Id"

// Guard stands before all routes. It gives each request an id, answers HEAD like GET, and refuses Host headers outside an
// allow-list (a page whose name was made to point here could read everything) and cross-origin writes (bodies without a JSON
// content type are read, so that any page could send some).
type Guard struct {
	Hosts     []string     // names and addresses that a Host header may have, without port, besides loopback's and the address that the connection came to
	Origins   []string     // pages that may write although they come from elsewhere: https://tools.example.org
	RequestID string       // begins all request ids that this process makes
	AccessLog *slog.Logger // nil: requests are not logged
}

// Wrap puts the guard before an API. It refuses a malformed origin.
func (g Guard) Wrap(api huma.API) (http.Handler, error) {
	a := api.Adapter().(*adapter)
	h := &guarded{adapter: a, hosts: map[string]bool{"localhost": true, "127.0.0.1": true, "[::1]": true}, prefix: g.RequestID + "-", accessLog: g.AccessLog}
	for _, host := range g.Hosts {
		if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
			host = "[" + host + "]"
		}
		h.hosts[strings.ToLower(host)] = true
	}
	for _, origin := range g.Origins {
		if err := h.origins.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("trusted origin %q: %w", origin, err)
		}
	}
	return h, nil
}

type guarded struct {
	*adapter
	hosts     map[string]bool
	origins   http.CrossOriginProtection
	prefix    string
	count     atomic.Uint64
	accessLog *slog.Logger
}

func (g *guarded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header()[requestIDHeader] = []string{g.requestID(r)}
	if g.accessLog != nil {
		logged := &loggedWriter{ResponseWriter: w}
		defer g.logAccess(logged, r, time.Now())
		w = logged
	}
	if !g.knownHost(r) {
		g.write(w, r, problemOf(fault.New(fault.Forbidden, "unknown-host",
			"the Host header %q is not a name of this server; add it to http.allowed_hosts if it should be", fault.Shorten(r.Host)).
			At("header.Host", r.Host, "is not a name of this server")))
		return
	}
	if err := g.origins.Check(r); err != nil {
		g.write(w, r, problemOf(fault.New(fault.Forbidden, "cross-origin",
			"a page of another origin (%s) may not write here; add it to http.trusted_origins if it should", fault.Shorten(r.Header.Get("Origin"))).
			At("header.Origin", r.Header.Get("Origin"), "is another origin")))
		return
	}
	if r.Method == http.MethodHead {
		get := *r
		get.Method = http.MethodGet // net/http leaves the body out
		r = &get
	}
	g.echo.ServeHTTP(w, r)
}

// requestID takes over the caller's id if it is a harmless one.
func (g *guarded) requestID(r *http.Request) string {
	if given := r.Header[requestIDHeader]; len(given) == 1 && len(given[0]) <= 64 && given[0] != "" && strings.IndexFunc(given[0], notInID) < 0 {
		return given[0]
	}
	var buffer [64]byte
	return string(strconv.AppendUint(append(buffer[:0], g.prefix...), g.count.Add(1), 36))
}

func notInID(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_' || r == '.')
}

func (g *guarded) knownHost(r *http.Request) bool {
	host := r.Host
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	if g.hosts[host] || host == "" || g.hosts[strings.ToLower(strings.TrimSuffix(host, "."))] {
		return true
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ok && ip != nil && ip.Equal(local.IP)
}

func (g *guarded) logAccess(w *loggedWriter, r *http.Request, started time.Time) {
	g.accessLog.Info("request", "request", requestID(w), "method", r.Method, "path", r.URL.Path, "query", r.URL.RawQuery,
		"status", w.status, "bytes", w.bytes, "took", time.Since(started), "from", r.RemoteAddr)
}

// loggedWriter counts what is answered.
type loggedWriter struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *loggedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *loggedWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *loggedWriter) Write(b []byte) (int, error) {
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}
