package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// PostgresServer is a PostgreSQL cluster of one's own, with fsync on, data in a temporary folder and a port that stays the same
// over restarts. Its texts sort by the rules of English and its time zone is far from UTC, so that nothing depends on either.
type PostgresServer struct {
	folder  string
	bin     string
	port    int
	account *syscall.Credential
	process *Process // nil while it is stopped
}

// StartPostgres starts a cluster that is stopped and removed when the test ends. settings are "name=value" as in
// postgresql.conf. Where PostgreSQL is not installed it does as Postgres does without a server.
func StartPostgres(t testing.TB, settings ...string) *PostgresServer {
	t.Helper()
	if _, err := postgresPrograms(); err != nil {
		absent(t, err)
	}
	s, err := NewPostgres(settings...)
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

// NewPostgres is StartPostgres without a test; Close stops and removes the cluster.
func NewPostgres(settings ...string) (*PostgresServer, error) {
	bin, err := postgresPrograms()
	if err != nil {
		return nil, err
	}
	account, err := unprivileged()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "postgres-")
	if err != nil {
		return nil, err
	}
	s := &PostgresServer{folder: folder, bin: bin, account: account}
	if err := s.initialize(settings); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	if err := s.Start(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *PostgresServer) initialize(settings []string) (err error) {
	if s.port, err = FreePort(); err != nil {
		return err
	}
	if s.account != nil {
		if err := os.Chown(s.folder, int(s.account.Uid), int(s.account.Gid)); err != nil {
			return err
		}
	}
	data := filepath.Join(s.folder, "data")
	cmd := exec.Command(filepath.Join(s.bin, "initdb"), "--pgdata", data, "--username", "postgres", "--auth", "trust",
		"--encoding", "UTF8", "--locale", "C.UTF-8", "--locale-provider", "icu", "--icu-locale", "en-US", "--no-sync")
	cmd.Dir = s.folder
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.account}
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb in %s: %w: %s", s.folder, err, output)
	}
	conf, err := os.OpenFile(filepath.Join(data, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	all := append([]string{
		"port=" + strconv.Itoa(s.port), "listen_addresses='127.0.0.1'", "unix_socket_directories=''",
		"fsync=on", "max_connections=200", "timezone='Asia/Kathmandu'", "log_timezone='UTC'",
	}, settings...)
	_, err = conf.WriteString(strings.Join(all, "\n") + "\n")
	return errors.Join(err, conf.Close())
}

// URL connects as a superuser to the database postgres.
func (s *PostgresServer) URL() string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", s.port)
}

// PIDs are the server's processes, the main one first.
func (s *PostgresServer) PIDs() ([]int, error) {
	children, err := childrenOf(s.process.PID())
	return append([]int{s.process.PID()}, children...), err
}

// Start starts it, after Stop or Kill as well, and returns when it answers.
func (s *PostgresServer) Start() (err error) {
	s.process, err = Launch(Start{
		Program: filepath.Join(s.bin, "postgres"), Args: []string{"-D", filepath.Join(s.folder, "data")},
		Folder: s.folder, Account: s.account, Dying: syscall.SIGQUIT,
	})
	if err != nil {
		return err
	}
	return s.process.Ready(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		conn, err := pgx.Connect(ctx, s.URL())
		if err != nil {
			return err
		}
		return conn.Close(ctx)
	})
}

// Stop ends it in order, breaking the connections that are open.
func (s *PostgresServer) Stop() error {
	if s.process == nil {
		return nil
	}
	p := s.process
	s.process = nil
	return p.End(syscall.SIGINT)
}

// Kill ends all of its processes at once with SIGKILL, as a power cut would.
func (s *PostgresServer) Kill() error {
	p := s.process
	s.process = nil
	// Stopped, it starts no further ones while they are counted.
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	children, err := childrenOf(p.PID())
	if err != nil {
		return err
	}
	for _, pid := range children {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	if err := p.End(syscall.SIGKILL); err != nil {
		return err
	}
	// They hold on to the shared memory, which the next start wants for itself, until they are gone.
	for _, pid := range children {
		for alive(pid) {
			time.Sleep(time.Millisecond)
		}
	}
	return nil
}

// Close stops it and removes its data.
func (s *PostgresServer) Close() error {
	return errors.Join(s.Stop(), os.RemoveAll(s.folder))
}

// postgresPrograms is the folder with initdb and postgres: Debian keeps them off the PATH, one folder a version.
func postgresPrograms() (string, error) {
	for _, version := range []string{"15", "16", "17", "18"} {
		bin := filepath.Join("/usr/lib/postgresql", version, "bin")
		if _, err := os.Stat(filepath.Join(bin, "initdb")); err == nil {
			return bin, nil
		}
	}
	if program, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(program), nil
	}
	return "", errors.New("PostgreSQL 15 or later is not installed (scripts/test installs it)")
}

// unprivileged is the account to run PostgreSQL under where this process is root, which PostgreSQL refuses to be.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		account, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(account.Uid, 10, 32)
		if err != nil {
			return nil, err
		}
		gid, err := strconv.ParseUint(account.Gid, 10, 32)
		if err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")
}

// childrenOf lists the processes whose parent that one is.
func childrenOf(parent int) ([]int, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	var children []int
	for _, path := range stats {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			return nil, err
		}
		if _, of := status(pid); of == strconv.Itoa(parent) {
			children = append(children, pid)
		}
	}
	return children, nil
}

// alive tells whether a process has memory of its own, or still gives it back.
func alive(pid int) bool {
	state, _ := status(pid)
	return state != "" && state != "Z"
}

// status is a process's state and its parent; "" for one that has ended.
func status(pid int) (state, parent string) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return "", ""
	}
	// The name in brackets may hold anything, so count from its end.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 2 {
		return "", ""
	}
	return fields[0], fields[1]
}
