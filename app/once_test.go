package app

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/config"
)

// A job beside other processes, and alone in a folder, brings copies in step and ends.
func TestMaterializeOnce(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	where := installation(t)
	apart := settings(t, where...)
	apart.Roles = []string{config.Registry, config.Store} // which keep no copies in step
	for _, c := range []*config.Config{apart, settings(t)} {
		var out bytes.Buffer
		require.NoError(t, Materialize(t.Context(), c, "incremental", nil, &out, log))
		require.Equal(t, "none defined\n", out.String())
		a := start(t, c)
		status, body := send(t, http.MethodPost, "http://"+a.Addresses()[0]+"/store/customer/1", `{"n": 5}`)
		require.Equal(t, http.StatusOK, status, body)
		if c.Embedded() {
			err := Materialize(t.Context(), c, "full", nil, &out, log)
			require.ErrorContains(t, err, "works on the data folder")
			require.NoError(t, a.Stop())
		}
		out.Reset()
		require.NoError(t, Materialize(t.Context(), c, "full", []string{"customer"}, &out, log))
		require.Regexp(t, `^run \d+  customer  succeeded  \{"mode":"full","rows_read":1,.*\} in .*\n$`, out.String())
		var refusal *Refusal
		require.ErrorAs(t, Materialize(t.Context(), c, "full", []string{"costumer"}, &out, log), &refusal)
		require.ErrorAs(t, Materialize(t.Context(), c, "some", nil, &out, log), &refusal)
		stopped, cancel := context.WithCancel(t.Context())
		cancel()
		require.Error(t, Materialize(stopped, c, "full", nil, &out, log))
	}
	apart.ReadOnly = true
	var refusal *Refusal
	require.ErrorAs(t, Materialize(t.Context(), apart, "full", nil, &bytes.Buffer{}, log), &refusal)
}
