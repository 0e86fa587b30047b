package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"featurestore/modules/store/storetest/servers"
)

// demo runs it to its end on the machine, and measures that.
func (m *micro) demo(binary string, environment []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	program, args := m.machine.command(binary, "demo")
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(append(os.Environ(), environment...), "FEATURESTORE_HTTP_LISTEN=127.0.0.1:"+freePort()+",127.0.0.1:"+freePort())
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var log lockedBuffer
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	shown, took := false, time.Duration(0)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "The server goes on") {
			shown, took = true, time.Since(began)
			_ = cmd.Process.Signal(syscall.SIGTERM)
		}
	}
	if err := cmd.Wait(); err != nil || !shown {
		return fmt.Errorf("it did not come to its end: %w; it said:\n%s", errors.Join(err, m.machine.sound()), tail(log.String()))
	}
	m.report(result{work: "the demo, from the start of the program", unit: "s", ours: took.Seconds(), limit: demoLimit, upper: true,
		memory: fmt.Sprintf("%.0f of %d MB at most", m.machine.highest(), microMemory>>20)})
	return nil
}

// both are a PostgreSQL and a Redis on the machine.
type both struct {
	Postgres, Redis string // URLs
	cmd             *exec.Cmd
	end             io.Closer
}

// startServers starts them by a process that does nothing else, since what a process starts is on the machine that it is on.
func (m *micro) startServers(tier *freeTier) (*both, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	said, err := json.Marshal(serverSettings{tier.postgres(), tier.redis()})
	if err != nil {
		return nil, err
	}
	program, args := m.machine.command(self, "servers", string(said))
	b := &both{cmd: exec.Command(program, args...)}
	b.cmd.Stderr = os.Stderr
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if b.end, err = b.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := b.cmd.Start(); err != nil {
		return nil, err
	}
	if err := json.NewDecoder(out).Decode(b); err != nil {
		b.stop()
		return nil, fmt.Errorf("the servers did not start: %w", err)
	}
	return b, nil
}

func (b *both) stop() {
	_ = b.end.Close()
	_ = b.cmd.Wait()
}

// serverSettings are name=value for PostgreSQL, and arguments of Redis.
type serverSettings struct{ Postgres, Redis []string }

// serveServers starts both, prints where they are, and ends them once the standard input has ended.
func serveServers(settings string) (err error) {
	var s serverSettings
	if err := json.Unmarshal([]byte(settings), &s); err != nil {
		return err
	}
	postgres, err := servers.NewPostgres(s.Postgres...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, postgres.Close()) }()
	redis, err := servers.NewRedis(servers.RedisOptions{Fsync: "everysec", Arguments: s.Redis})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, redis.Close()) }()
	if err := json.NewEncoder(os.Stdout).Encode(both{Postgres: postgres.URL(), Redis: redis.URL()}); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}
