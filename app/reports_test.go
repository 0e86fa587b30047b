package app

import (
	"net/http/httputil"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/app/httpapi/httpapitest"
)

// scenarios runs scenarios against a whole process.
func scenarios(t *testing.T, a *App, pattern string) {
	base, err := url.Parse("http://" + a.Addresses()[0])
	require.NoError(t, err)
	httpapitest.Listen(t, httputil.NewSingleHostReverseProxy(base)).Run(t, pattern)
}

func TestReports(t *testing.T) {
	scenarios(t, start(t, settings(t)), "testdata/http/reports.txt")
}
