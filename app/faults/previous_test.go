package faults

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/app/database"
	"featurestore/modules/store/storetest/servers"
)

// previousCommit is the release before this one, and previousLevel the level of its data.
const (
	previousCommit = "2812106"
	previousLevel  = 3
)

// The program of the release before this one and this one take turns on the same data, as in a roll-out that is taken back: what either wrote
// the other answers. Where this one leaves the previous no place (database.OldestServed), that is refused in a sentence.
func TestThePreviousRelease(t *testing.T) {
	if os.Getenv("FEATURESTORE_TEST_FULL") != "1" {
		return // to build a second program takes minutes
	}
	previous := buildPrevious(t)
	postgres, schema := servers.Postgres(t)
	redis, prefix := servers.Redis(t)
	for name, variables := range map[string][]string{
		"embedded": nil,
		"servers": {"FEATURESTORE_POSTGRES_URL=" + postgres, "FEATURESTORE_POSTGRES_SCHEMA=" + schema,
			"FEATURESTORE_REDIS_URL=" + redis, "FEATURESTORE_REDIS_PREFIX=" + prefix},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProgram(t, variables...)
			current := p.what.Program
			for turn := range 4 {
				p.what.Program = []string{previous, current}[turn%2]
				if turn%2 == 0 && turn > 0 && database.OldestServed > previousLevel {
					output, err := runToEnd(p)
					require.Error(t, err)
					require.Contains(t, output, "install the newer release")
					return
				}
				p.start(t)
				for before := range turn + 1 {
					if before == turn {
						status, answer, err := call(http.MethodPost, fmt.Sprintf("%s/store/customer/%d", p.store, turn), `{"n": 5}`)
						require.NoError(t, err)
						require.Equal(t, http.StatusOK, status, answer)
					}
					status, answer, err := call(http.MethodGet, fmt.Sprintf("%s/get/customer/%d/n", p.store, before), "")
					require.NoError(t, err)
					require.Equal(t, http.StatusOK, status, answer)
					require.Contains(t, answer, `"value":5`)
				}
				p.stop(t)
			}
		})
	}
}

// runToEnd runs a program that is expected to end by itself.
func runToEnd(p *program) (string, error) {
	command := exec.Command(p.what.Program, p.what.Args...)
	command.Dir, command.Env = p.what.Folder, append(os.Environ(), p.what.Environment...)
	output, err := command.CombinedOutput()
	return string(output), err
}

func buildPrevious(t *testing.T) string {
	folder := t.TempDir()
	output, err := exec.Command("bash", "-c", fmt.Sprintf("set -o pipefail; cd ../.. && git archive %s | tar -x -C '%s'", previousCommit, folder)).CombinedOutput()
	require.NoError(t, err, string(output))
	path := filepath.Join(folder, "featurestore")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", path, ".")
	build.Dir = folder
	output, err = build.CombinedOutput()
	require.NoError(t, err, strings.TrimSpace(string(output)))
	return path
}
