package test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// machine is a fresh one, as far as scripts/aws-user-data.sh looks at it.
type machine struct {
	t          *testing.T
	root, fake string
	sum        string // of the program
	listen     string
}

func newMachine(t *testing.T) *machine {
	m := &machine{t: t, root: t.TempDir(), fake: t.TempDir(), listen: freeAddress(t) + "," + freeAddress(t)}
	for _, folder := range []string{"etc/sysctl.d", "etc/systemd/system", "usr/local/bin"} {
		require.NoError(t, os.MkdirAll(filepath.Join(m.root, folder), 0o755))
	}
	built, err := os.ReadFile(program(t))
	require.NoError(t, err)
	sum := sha256.Sum256(built)
	m.sum = hex.EncodeToString(sum[:])
	require.NoError(t, os.WriteFile(m.fake+"/program", built, 0o600))
	require.NoError(t, os.WriteFile(m.fake+"/pem", []byte("certificates\n"), 0o600))
	stands, err := filepath.Abs("testdata/fake/machine")
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(m.fake+"/bin", 0o700))
	for _, name := range []string{"curl", "aws", "getent", "useradd", "systemctl", "mkswap", "swapon", "sysctl", "chgrp"} {
		require.NoError(t, os.Symlink(stands, m.fake+"/bin/"+name))
	}
	t.Cleanup(func() {
		text, err := os.ReadFile(m.fake + "/pid")
		if err != nil {
			return // nothing was started
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		require.NoError(t, err)
		if t.Failed() {
			said, err := os.ReadFile(m.fake + "/log")
			t.Logf("the program said: %s %v", said, err)
		}
		if errors.Is(syscall.Kill(pid, syscall.SIGTERM), syscall.ESRCH) {
			return // without its servers it ends by itself
		}
		require.Eventually(t, func() bool { return syscall.Kill(pid, 0) != nil }, time.Minute, 10*time.Millisecond)
	})
	return m
}

// run runs the script: how it ended, what it said, how the programs were called.
func (m *machine) run(variables ...string) (ok bool, output, calls string) {
	os.Remove(m.fake + "/calls") //nolint:errcheck // there may be none
	command := exec.CommandContext(m.t.Context(), "bash", "../../scripts/aws-user-data.sh")
	command.Env = append([]string{"PATH=" + m.fake + "/bin:" + os.Getenv("PATH"), "FAKE=" + m.fake, "ROOT=" + m.root, "SWAP_MIB=1", "PAUSE=1",
		"LISTEN=" + m.listen, "PROGRAM=https://files.example/featurestore", "PROGRAM_SHA256=" + m.sum}, variables...)
	said, err := command.CombinedOutput()
	text, _ := os.ReadFile(m.fake + "/calls") //nolint:errcheck // it may have ended before
	return err == nil, string(said), string(text)
}

func (m *machine) file(name string) string {
	text, err := os.ReadFile(filepath.Join(m.root, name))
	require.NoError(m.t, err)
	return string(text)
}

// A fresh machine serves afterwards, with the real program; run again the script brings it up to date and repeats nothing else.
func TestUserData(t *testing.T) {
	m := newMachine(t)
	ok, output, calls := m.run()
	require.True(t, ok, output)
	for _, call := range []string{"mkswap ", "swapon ", "useradd --system", "curl ", "systemctl daemon-reload", "systemctl enable featurestore.service", "systemctl restart featurestore.service"} {
		require.Contains(t, calls, call)
	}
	address, _, _ := strings.Cut(m.listen, ",")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/readyz", nil)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	response.Body.Close()
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Equal(t, "/swapfile none swap defaults 0 0\n", m.file("etc/fstab"))
	require.Contains(t, m.file("etc/featurestore/environment"), "FEATURESTORE_AUTH_ALLOW_UNAUTHENTICATED=false\n")
	about, err := os.Stat(m.root + "/etc/featurestore/environment")
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o640), about.Mode().Perm())
	require.FileExists(t, m.root+"/var/lib/featurestore/registry.db")

	ok, output, calls = m.run()
	require.True(t, ok, output)
	require.NotContains(t, calls, "mkswap")
	require.NotContains(t, calls, "useradd")
	require.NotContains(t, calls, "curl", "the program is the same")
	require.Equal(t, 1, strings.Count(m.file("etc/fstab"), "swapfile"))
}

// The unit keeps the program in its limits, and starts what was installed with the settings that were written.
func TestUserDataUnit(t *testing.T) {
	m := newMachine(t)
	ok, output, _ := m.run()
	require.True(t, ok, output)
	unit := m.file("etc/systemd/system/featurestore.service")
	for _, line := range []string{"ExecStart=/usr/local/bin/featurestore serve", "EnvironmentFile=/etc/featurestore/environment", "User=featurestore", "MemoryMax=700M",
		"NoNewPrivileges=true", "ProtectSystem=strict", "StateDirectory=featurestore", "Restart=always", "TimeoutStopSec=25"} {
		require.Contains(t, unit, "\n"+line+"\n")
	}
	// systemd-analyze looks whether what is started exists.
	for _, folder := range []string{"lib/systemd/system", "bin"} {
		require.NoError(t, os.MkdirAll(filepath.Join(m.root, folder), 0o755))
	}
	checked, err := exec.Command("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", "--root="+m.root, "featurestore.service").CombinedOutput()
	require.NoError(t, err, string(checked))
	require.NotContains(t, string(checked), "featurestore.service:", "an unknown or wrong line")
}

// With RDS and ElastiCache the URLs are secrets of the Parameter Store, and must have the servers verified.
func TestUserDataWithServers(t *testing.T) {
	m := newMachine(t)
	give := func(postgres, redis string) []string {
		require.NoError(t, os.WriteFile(m.fake+"/parameter-pg", []byte(postgres+"\n"), 0o600))
		require.NoError(t, os.WriteFile(m.fake+"/parameter-redis", []byte(redis+"\n"), 0o600))
		return []string{"POSTGRES_PARAMETER=pg", "REDIS_PARAMETER=redis"}
	}
	const postgres, redis = "postgres://someone:secret@db.example:5432/features", "rediss://someone:secret@cache.example:6379/0"
	for _, c := range []struct{ postgres, redis, sentence string }{
		{postgres, redis, "does not have the server verified: add ?sslmode=verify-full"},
		{postgres + "?sslmode=require", redis, "does not have the server verified"},
		{postgres + "?sslmode=verify-full", strings.Replace(redis, "rediss", "redis", 1), "is not for TLS: write rediss://"},
	} {
		ok, output, calls := m.run(give(c.postgres, c.redis)...)
		require.False(t, ok)
		require.Contains(t, output, c.sentence)
		require.NotContains(t, output+calls, "secret")
		require.NotContains(t, calls, "systemctl")
	}
	variables := append(give(postgres+"?sslmode=verify-full", redis), "LISTEN=127.0.0.1:1")
	ok, output, _ := m.run(append(variables, "PAUSE=0")...)
	require.False(t, ok, "there are no such servers")
	require.Contains(t, output, "it does not answer after 60 attempts: journalctl --unit featurestore")
	require.NotContains(t, output, "secret")
	require.Equal(t, postgres+"?sslmode=verify-full&sslrootcert=/etc/featurestore/rds.pem\n", m.file("etc/featurestore/postgres-url"))
	require.Equal(t, redis+"\n", m.file("etc/featurestore/redis-url"))
	require.Equal(t, "certificates\n", m.file("etc/featurestore/rds.pem"))
	require.NotContains(t, m.file("etc/featurestore/environment"), "secret")
}

func TestUserDataRefusals(t *testing.T) {
	for _, c := range []struct{ variable, sentence string }{
		{"PROGRAM=", "PROGRAM is empty"},
		{"PROGRAM_SHA256=abc", "PROGRAM_SHA256 is no SHA-256"},
		{"PROGRAM_SHA256=" + strings.Repeat("0", 64), "has another SHA-256 than PROGRAM_SHA256: nothing was installed"},
		{"PROGRAM=ftp://files.example/featurestore", "is no address"},
		{"REDIS_PARAMETER=redis", "one of POSTGRES_PARAMETER and REDIS_PARAMETER is empty"},
	} {
		m := newMachine(t)
		ok, output, calls := m.run(c.variable)
		require.False(t, ok)
		require.Contains(t, output, c.sentence)
		require.NotContains(t, calls, "systemctl")
		require.NoFileExists(t, m.root+"/usr/local/bin/featurestore")
	}
}

// What the machine lacks is named before anything is changed.
func TestUserDataWithoutItsTools(t *testing.T) {
	m := newMachine(t)
	for _, c := range []struct{ variable, sentence string }{
		{"PROGRAM=s3://files/featurestore", "aws, the command line of AWS, is not there"},
		{"PROGRAM=https://files.example/featurestore", "curl is not there"},
	} {
		ok, output, calls := m.run(c.variable, "PATH="+t.TempDir())
		require.False(t, ok)
		require.Contains(t, output, c.sentence)
		require.Empty(t, calls)
		require.NoFileExists(t, m.root+"/swapfile")
	}
}
