package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"featurestore/app/httpapi"
)

const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10
)

// server answers on several addresses, the same on each.
type server struct {
	listeners []net.Listener
	http      *http.Server
	serving   sync.WaitGroup
	failed    chan error // why it answers no more, unless it was stopped

	log      *slog.Logger
	running  atomic.Int64 // requests under way
	draining atomic.Bool
	abort    context.CancelFunc // ends the context of all requests
}

// listen takes all addresses, so that nobody else does, and answers nothing yet.
func listen(ctx context.Context, addresses []string) (*server, error) {
	s := &server{failed: make(chan error, len(addresses))}
	for _, address := range addresses {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
		if err != nil {
			s.close()
			if errors.Is(err, syscall.EADDRINUSE) {
				return nil, refuse("another process listens on %s: stop it, or choose other addresses with --listen", address)
			}
			return nil, refuse("it is not possible to listen on %s: %v", address, errors.Unwrap(err))
		}
		s.listeners = append(s.listeners, listener)
	}
	return s, nil
}

func (s *server) addresses() []string {
	all := make([]string, len(s.listeners))
	for i, listener := range s.listeners {
		all[i] = listener.Addr().String()
	}
	return all
}

// serve begins to answer.
func (s *server) serve(handler http.Handler, log *slog.Logger) {
	ctx, abort := context.WithCancel(context.Background())
	s.abort, s.log = abort, log
	s.http = &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.running.Add(1)
			defer s.running.Add(-1)
			handler.ServeHTTP(w, r)
		}),
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext:       httpapi.GatherContext,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // what clients do wrong on the connection
	}
	for _, listener := range s.listeners {
		s.serving.Go(func() {
			if err := s.http.Serve(httpapi.Gathering{Listener: listener}); !errors.Is(err, http.ErrServerClosed) {
				s.failed <- fmt.Errorf("listen on %s: %w", listener.Addr(), err)
			}
		})
	}
}

// stop lets the requests under way finish, and others that come meanwhile, so that a load balancer can see that readiness has
// turned; after grace it breaks off what is left, which is no error: nothing of it was acknowledged.
func (s *server) stop(grace time.Duration) error {
	if s.http == nil { // never served
		s.close()
		return nil
	}
	s.draining.Store(true)
	s.http.SetKeepAlivesEnabled(false)
	deadline := time.Now().Add(grace)
	s.await(deadline)
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	err := s.http.Shutdown(ctx)
	s.abort()
	if errors.Is(err, context.DeadlineExceeded) {
		// What still runs sees its context end, and has a moment to leave things in order.
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		left := s.running.Load()
		if err = s.http.Shutdown(ctx); err != nil {
			s.log.Warn("requests that did not end were broken off", "requests", left, "after", grace)
			err = s.http.Close() // bodies that do not arrive end here
			s.await(time.Now().Add(time.Second))
		}
	}
	s.serving.Wait()
	return err
}

// await waits until no request is under way, or for the deadline.
func (s *server) await(deadline time.Time) {
	for s.running.Load() > 0 && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
}

func (s *server) close() {
	for _, listener := range s.listeners {
		listener.Close()
	}
}
