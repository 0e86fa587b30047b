package web

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The template of every page parses, those too that are parsed only when they are asked for.
func TestTemplatesParse(t *testing.T) {
	w, err := New(Config{}, nil, nil, time.Now, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	for name, page := range w.pages {
		_, err := page()
		require.NoError(t, err, name)
	}
	for _, file := range w.assets.files {
		require.NotEmpty(t, file.kind)
	}
}
