package alerts

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// sink is a real receiver of webhooks. How it answers can be changed; by default with 200.
type sink struct {
	*httptest.Server
	answer http.HandlerFunc
	got    chan received
}

// received is one request.
type received struct {
	header http.Header
	raw    []byte
	body   WebhookBody
}

func newSink(t testing.TB) *sink {
	s := &sink{got: make(chan received, 10_000)}
	s.Server = httptest.NewServer(http.HandlerFunc(s.take))
	t.Cleanup(s.Close)
	return s
}

func (s *sink) take(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	got := received{header: r.Header.Clone(), raw: raw}
	if err := json.Unmarshal(raw, &got.body); err != nil {
		http.Error(w, "no JSON", http.StatusBadRequest)
		return
	}
	s.got <- got
	if s.answer != nil {
		s.answer(w, r)
	}
}

// receiver is one that leads to the sink, its address in a file of the secrets' folder.
func (s *sink) receiver(t testing.TB, c Config, name string) Receiver {
	secretFile(t, c, name+"-url", s.URL+"/hook")
	return Receiver{Name: name, Kind: Webhook, URLFile: name + "-url", MinSeverity: Info}
}

func secretFile(t testing.TB, c Config, name, content string) {
	require.NoError(t, os.WriteFile(filepath.Join(c.SecretsFolder, name), []byte(content+"\n"), 0o600))
}

func (s *sink) next(t testing.TB) received {
	select {
	case got := <-s.got:
		return got
	case <-time.After(30 * time.Second):
		require.Fail(t, "nothing was sent")
		return received{}
	}
}

// groups are the groups and states of the next so many requests, in the order in which they came.
func (s *sink) groups(t testing.TB, n int) (got []string) {
	for range n {
		body := s.next(t).body
		got = append(got, body.GroupLabels["group"]+" "+body.Status)
	}
	return got
}

// none makes sure that nothing else came.
func (s *sink) none(t testing.TB) {
	require.Empty(t, s.got)
}
