package store_test

import (
	"testing"
	"time"

	"featurestore/modules/store"
)

func TestCompactionRoutes(t *testing.T) {
	s := serve(t)
	s.Run(t, "testdata/http_compact/1_before.txt")
	s.later.Store((8 * 24 * time.Hour).Microseconds())
	s.Run(t, "testdata/http_compact/2_after.txt")
}

func TestNothingReachesBeyondTheHorizon(t *testing.T) {
	s := serveKeeping(t, store.History{})
	s.Run(t, "testdata/http_compact/3_beyond.txt")
	s.later.Store(time.Second.Microseconds())
	s.Run(t, "testdata/http_compact/4_gone.txt")
}
