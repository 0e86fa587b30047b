package faults

import (
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// cutter stands before a program's store address. It passes connections of one request each on, and cuts some after the request has been
// sent: half of them as the answer comes, so that the request was done, the others at once, so that nobody knows.
type cutter struct {
	listener net.Listener
	target   string
	share    atomic.Int64 // of 100 connections, how many are cut
	late     atomic.Bool  // all that are cut are cut as the answer comes
	cut      atomic.Int64 // how many were
	open     sync.WaitGroup
}

func cutBefore(t *testing.T, p *program, share int64) (*cutter, *program) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	c := &cutter{listener: listener, target: strings.TrimPrefix(p.store, "http://")}
	c.share.Store(share)
	c.open.Go(c.accept)
	t.Cleanup(func() {
		listener.Close()
		c.open.Wait()
	})
	behind := *p
	behind.store = "http://" + listener.Addr().String()
	return c, &behind
}

func (c *cutter) accept() {
	for {
		caller, err := c.listener.Accept()
		if err != nil {
			return
		}
		c.open.Go(func() { c.pass(caller) })
	}
}

func (c *cutter) pass(caller net.Conn) {
	defer caller.Close()
	server, err := net.Dial("tcp", c.target)
	if err != nil {
		return
	}
	defer server.Close()
	_ = caller.SetDeadline(time.Now().Add(time.Minute))
	_ = server.SetDeadline(time.Now().Add(time.Minute))
	cuts, late := rand.Int64N(100) < c.share.Load(), c.late.Load() || rand.IntN(2) == 0
	var buffer [64 << 10]byte
	n, err := caller.Read(buffer[:]) // a small request comes in one piece, or the rest of it is cut off with the answer
	if err != nil {
		return
	}
	if _, err := server.Write(buffer[:n]); err != nil {
		return
	}
	if !cuts {
		go func() {
			_, _ = io.Copy(server, caller)
		}()
		_, _ = io.Copy(caller, server)
		return
	}
	c.cut.Add(1)
	if late {
		_, _ = server.Read(buffer[:])
	}
}
