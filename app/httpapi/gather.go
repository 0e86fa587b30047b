package httpapi

import (
	"context"
	"net"
	"sync"
)

// net/http hands what it writes to the kernel in pieces of 4 KB, the header in the first. Each piece is a system call, a packet and a
// wake-up of the client, which together cost more than making an answer of some KB. So answers that are known whole are gathered by the
// connection and sent in one piece.
const (
	gatherFrom = 3 << 10  // bytes: a shorter answer is one piece anyway
	gatherTo   = 64 << 10 // bytes: of a longer one the pieces are large anyway
)

// Gathering is a listener whose connections can gather what is written to them. It goes with GatherContext.
type Gathering struct{ net.Listener }

// Accept waits for the next connection.
func (l Gathering) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if tcp, ok := conn.(*net.TCPConn); ok && err == nil {
		return &gatheringConn{TCPConn: tcp}, nil
	}
	return conn, err
}

type gatherKey struct{}

// GatherContext lets the requests of a connection find it: it is for http.Server.ConnContext.
func GatherContext(ctx context.Context, conn net.Conn) context.Context {
	if gathering, ok := conn.(*gatheringConn); ok {
		return context.WithValue(ctx, gatherKey{}, gathering)
	}
	return ctx
}

// gatheringConn is written to by one goroutine at a time, as net/http does.
type gatheringConn struct {
	*net.TCPConn
	held *[]byte // nil: nothing is held back
}

var heldBuffers = sync.Pool{New: func() any { return new([]byte) }}

// gatheringOf is the connection of a request; nil if it cannot gather.
func gatheringOf(ctx context.Context) *gatheringConn {
	conn, _ := ctx.Value(gatherKey{}).(*gatheringConn)
	return conn
}

func (c *gatheringConn) Write(b []byte) (int, error) {
	if c.held != nil {
		*c.held = append(*c.held, b...)
		return len(b), nil
	}
	return c.TCPConn.Write(b)
}

// hold keeps back what is written from now on.
func (c *gatheringConn) hold() { c.held = heldBuffers.Get().(*[]byte) }

// send sends what was held back. A connection that fails is closed, since whoever wrote was told that all went well.
func (c *gatheringConn) send() {
	held := c.held
	c.held = nil
	if _, err := c.TCPConn.Write(*held); err != nil {
		c.TCPConn.Close()
	}
	*held = (*held)[:0]
	heldBuffers.Put(held)
}
