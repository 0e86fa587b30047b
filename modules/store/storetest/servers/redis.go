package servers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/rueidis"
)

// RedisOptions say how a Redis of one's own runs. The zero value keeps its data as safely as Redis can.
type RedisOptions struct {
	Fsync  string // appendfsync: always (the default), everysec or no
	Policy string // maxmemory-policy; noeviction by default
	Locale string // such as en_US.UTF-8, by which Lua's < then compares strings; none by default

	Arguments []string // others besides, which outrank those
}

// RedisServer is a Redis of one's own with an append-only file in a temporary folder and a port that stays the same over restarts.
type RedisServer struct {
	folder  string
	port    int
	options RedisOptions
	process *Process // nil while it is stopped
}

// StartRedis starts a Redis that is stopped and removed when the test ends. Where Redis is not installed it does as Redis
// does without a server.
func StartRedis(t testing.TB, options RedisOptions) *RedisServer {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		absent(t, err)
	}
	s, err := NewRedis(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// NewRedis is StartRedis without a test; Close stops and removes it.
func NewRedis(options RedisOptions) (*RedisServer, error) {
	folder, err := os.MkdirTemp("", "redis-")
	if err != nil {
		return nil, err
	}
	s := &RedisServer{folder: folder, options: options}
	if s.port, err = FreePort(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	if err := s.makeLocale(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	if err := s.Start(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// makeLocale compiles the locale into the server's folder, since few machines have another than C.
func (s *RedisServer) makeLocale() error {
	if s.options.Locale == "" {
		return nil
	}
	language, charset, _ := strings.Cut(s.options.Locale, ".")
	output, err := exec.Command("localedef", "--no-archive", "-i", language, "-f", charset, filepath.Join(s.folder, s.options.Locale)).CombinedOutput()
	if err != nil {
		return fmt.Errorf("making the locale %s from Debian's package locales, which scripts/test installs: %w: %s", s.options.Locale, err, output)
	}
	return nil
}

// URL is redis://127.0.0.1:PORT.
func (s *RedisServer) URL() string { return fmt.Sprintf("redis://127.0.0.1:%d", s.port) }

// Folder is where the server keeps its files.
func (s *RedisServer) Folder() string { return s.folder }

// PID is the server's process.
func (s *RedisServer) PID() int { return s.process.PID() }

// Start starts it, after Stop or Kill as well, and returns when it has read its data.
func (s *RedisServer) Start() (err error) {
	fsync, policy := s.options.Fsync, s.options.Policy
	if fsync == "" {
		fsync = "always"
	}
	if policy == "" {
		policy = "noeviction"
	}
	var environment []string
	if s.options.Locale != "" {
		environment = []string{"LOCPATH=" + s.folder, "LC_ALL=" + s.options.Locale}
	}
	s.process, err = Launch(Start{
		Program: "redis-server",
		Args: append([]string{"--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--dir", s.folder, "--save", "",
			"--appendonly", "yes", "--appendfsync", fsync, "--maxmemory-policy", policy}, s.options.Arguments...),
		Folder: s.folder, Environment: environment,
	})
	if err != nil {
		return err
	}
	return s.process.Ready(s.ping)
}

func (s *RedisServer) ping() error {
	conn, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)), time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return err
	}
	if answer = strings.TrimSpace(answer); answer != "+PONG" {
		return errors.New(answer)
	}
	return nil
}

// Do runs one command, whose answer is a text, a number or nil, and returns it as text, "" for nil.
func (s *RedisServer) Do(words ...string) (string, error) {
	client, err := dial(s.URL())
	if err != nil {
		return "", err
	}
	defer client.Close()
	answer := client.Do(context.Background(), client.B().Arbitrary(words...).Build())
	if err := answer.Error(); rueidis.IsRedisNil(err) {
		return "", nil
	} else if err != nil {
		return "", err
	}
	if number, err := answer.AsInt64(); err == nil {
		return strconv.FormatInt(number, 10), nil
	}
	return answer.ToString()
}

// dial opens a client without a cache.
func dial(url string) (rueidis.Client, error) {
	option, err := rueidis.ParseURL(url)
	if err != nil {
		return nil, err
	}
	option.DisableCache = true
	return rueidis.NewClient(option)
}

// Stop ends it in order: nothing is lost.
func (s *RedisServer) Stop() error { return s.end(syscall.SIGTERM) }

// Kill ends it with SIGKILL. What it had written to its file stays: to lose that as well, Restore an older copy.
func (s *RedisServer) Kill() error { return s.end(syscall.SIGKILL) }

// Freeze stops it in its tracks: connections stay open and are not answered until Thaw.
func (s *RedisServer) Freeze() error { return s.process.Signal(syscall.SIGSTOP) }

// Thaw lets it go on after Freeze.
func (s *RedisServer) Thaw() error { return s.process.Signal(syscall.SIGCONT) }

func (s *RedisServer) end(with syscall.Signal) error {
	if s.process == nil {
		return nil
	}
	p := s.process
	s.process = nil
	return p.End(with)
}

// Copy keeps the append-only file as it is now, for Restore.
func (s *RedisServer) Copy() (RedisCopy, error) {
	paths, err := filepath.Glob(filepath.Join(s.folder, "appendonlydir", "*"))
	if err != nil {
		return nil, err
	}
	kept := RedisCopy{}
	for _, path := range paths {
		if kept[path], err = os.ReadFile(path); err != nil {
			return nil, err
		}
	}
	return kept, nil
}

// Restore puts a copy in the place of what the server has; it must be stopped. With the next Start it has forgotten all
// that came after the copy.
func (s *RedisServer) Restore(kept RedisCopy) error {
	if s.process != nil {
		return errors.New("the server still runs")
	}
	folder := filepath.Join(s.folder, "appendonlydir")
	if err := errors.Join(os.RemoveAll(folder), os.Mkdir(folder, 0o755)); err != nil {
		return err
	}
	for path, content := range kept {
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// RedisCopy is the files of an append-only folder.
type RedisCopy map[string][]byte

// Close stops it and removes its data.
func (s *RedisServer) Close() error {
	return errors.Join(s.Kill(), os.RemoveAll(s.folder))
}

// absent ends a test whose server is not installed.
func absent(t testing.TB, err error) {
	t.Helper()
	if os.Getenv("FEATURESTORE_TEST_SERVERS") == "required" {
		t.Fatal(err)
	}
	t.Skip("left out: " + err.Error())
}
