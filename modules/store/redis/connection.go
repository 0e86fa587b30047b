package redis

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// timeout is how long a server that does not answer is waited for.
const timeout = time.Second

// connection is a client that is made when the server can first be reached; from then on it connects anew by itself.
type connection struct {
	options rueidis.ClientOption
	made    atomic.Pointer[rueidis.Client]

	mu     sync.Mutex // held while connecting
	closed bool
	tried  time.Time
	err    error // of the last attempt
}

func newConnection(url string) (*connection, error) {
	options, err := rueidis.ParseURL(url)
	if err != nil {
		return nil, fmt.Errorf("redis.url: %w", err)
	}
	options.DisableCache = true
	options.DisableRetry = true
	options.ConnWriteTimeout = timeout
	options.Dialer = net.Dialer{Timeout: timeout, KeepAlive: timeout}
	options.ClientName = "featurestore"
	return &connection{options: options}, nil
}

// client is the client; while the server was never reached it is tried at most every half second.
func (c *connection) client() (rueidis.Client, error) {
	if made := c.made.Load(); made != nil {
		return *made, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if made := c.made.Load(); made != nil {
		return *made, nil
	}
	if c.closed {
		return nil, fmt.Errorf("connect to Redis: %w", rueidis.ErrClosing)
	}
	if time.Since(c.tried) < timeout/2 {
		return nil, c.err
	}
	client, err := rueidis.NewClient(c.options)
	c.tried = time.Now()
	if err != nil {
		c.err = fmt.Errorf("connect to Redis: %w", err)
		return nil, c.err
	}
	c.made.Store(&client)
	return client, nil
}

// Close ends the connections.
func (c *connection) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if made := c.made.Load(); made != nil {
		(*made).Close()
	}
	return nil
}
