package test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The test binary is kustomize for the fake kubectl.
func TestMain(m *testing.M) {
	folder := os.Getenv("FAKE_RENDER")
	if folder == "" {
		os.Exit(m.Run())
	}
	text, err := render(folder)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Stdout.Write(text) //nolint:errcheck // the script sees that something is missing
}

// cluster is what the deploy script meets: programs that record, and what they remember.
type cluster struct {
	t      *testing.T
	folder string
}

// newCluster is one of kind, without anything in it.
func newCluster(t *testing.T) *cluster {
	c := &cluster{t, t.TempDir()}
	require.NoError(t, os.Mkdir(c.folder+"/bin", 0o700))
	fake, err := filepath.Abs("testdata/fake/program")
	require.NoError(t, err)
	for _, name := range []string{"kubectl", "docker", "kind", "k3d", "minikube"} {
		require.NoError(t, os.Symlink(fake, c.folder+"/bin/"+name))
	}
	for _, name := range []string{"bash", "sh", "env", "cat", "cp", "sed", "grep", "tr", "wc", "head", "base64", "mktemp", "rm", "dirname", "id"} {
		path, err := exec.LookPath(name)
		require.NoError(t, err)
		require.NoError(t, os.Symlink(path, c.folder+"/bin/"+name))
	}
	c.write("context", "kind-demo\n")
	c.write("images", "pause:3.9 featurestore:0.1.0 ")
	return c
}

func (c *cluster) write(name, text string) {
	require.NoError(c.t, os.WriteFile(filepath.Join(c.folder, name), []byte(text), 0o600))
}

func (c *cluster) read(name string) string {
	text, err := os.ReadFile(filepath.Join(c.folder, name))
	require.NoError(c.t, err)
	return string(text)
}

// run runs the deploy script: how it ended, what it said, and how the programs were called.
func (c *cluster) run(args ...string) (code int, output, complaint string, calls []string) {
	os.Remove(c.folder + "/calls") //nolint:errcheck // there may be none
	command := exec.CommandContext(c.t.Context(), "../deploy-feature-engineering.sh", args...)
	self, err := os.Executable()
	require.NoError(c.t, err)
	command.Env = []string{"PATH=" + c.folder + "/bin", "FAKE=" + c.folder, "FAKE_TEST=" + self, "TMPDIR=" + c.t.TempDir()}
	var said, complained strings.Builder
	command.Stdout, command.Stderr = &said, &complained
	if err := command.Run(); err != nil {
		var ended *exec.ExitError
		require.True(c.t, errors.As(err, &ended), err)
		code = ended.ExitCode()
	}
	if text, err := os.ReadFile(c.folder + "/calls"); err == nil {
		calls = strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	}
	left, err := filepath.Glob("../overlays/.deploy-*")
	require.NoError(c.t, err)
	require.Empty(c.t, left, "it leaves what it rendered behind")
	return code, said.String(), complained.String(), calls
}

// succeed is run that must.
func (c *cluster) succeed(args ...string) (output string, calls []string) {
	code, output, complaint, calls := c.run(args...)
	require.Zero(c.t, code, "%s\n%s", output, complaint)
	return output, calls
}

// applied is what was applied last.
func (c *cluster) applied(calls []string) string {
	for i := len(calls); i > 0; i-- {
		if strings.Contains(calls[i-1], " apply ") {
			return c.read("applied-" + strconv.Itoa(i) + ".yaml")
		}
	}
	c.t.Fatal("nothing was applied")
	return ""
}
