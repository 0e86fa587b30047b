package sqlite

import (
	"context"
	"errors"
	"sync"
)

var errClosed = errors.New("the store is closed")

// pool is the connections for reading. They are opened as they are needed, and a few of them stay open.
type pool struct {
	path    string
	pragmas []string
	slots   chan struct{} // one for each connection in use

	mu     sync.Mutex
	idle   []*conn
	closed bool
}

// maxIdle is how many connections for reading stay open.
const maxIdle = 4

func newPool(path string, connections int, pragmas ...string) *pool {
	return &pool{path: path, slots: make(chan struct{}, connections), pragmas: append(pragmas, "query_only = ON")}
}

// get waits for a connection; give it back with put.
func (p *pool) get(ctx context.Context) (*conn, error) {
	select {
	case p.slots <- struct{}{}:
	default:
		select {
		case p.slots <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	c, err := p.take()
	if err != nil {
		<-p.slots
		return nil, err
	}
	return c, nil
}

func (p *pool) take() (*conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errClosed
	}
	if n := len(p.idle); n > 0 {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		c.tidy()
		return c, nil
	}
	return connect(p.path, p.pragmas...)
}

// put takes a connection back; one that failed may be in any state and is closed.
func (p *pool) put(c *conn, failed bool) error {
	defer func() { <-p.slots }()
	p.mu.Lock()
	defer p.mu.Unlock()
	if failed || p.closed || len(p.idle) == maxIdle {
		return c.close()
	}
	p.idle = append(p.idle, c)
	return nil
}

// close closes what is idle now, and the rest when it comes back.
func (p *pool) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	var errs []error
	for _, c := range p.idle {
		errs = append(errs, c.close())
	}
	p.idle = nil
	return errors.Join(errs...)
}
