package scheduler

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain is also the program of the processes that processes_test.go starts.
func TestMain(m *testing.M) {
	if os.Getenv(processURL) != "" {
		os.Exit(process())
	}
	goleak.VerifyTestMain(m)
}
