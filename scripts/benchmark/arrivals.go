package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// arrivals are the answers to requests that came at a constant rate, whatever the server did: each took from the moment at which it was to be sent
// until it was answered whole, so that one that had to wait for those before it has waited.
type arrivals struct {
	sent   int
	failed int
	first  error // of those that failed
	took   []time.Duration
	worst  time.Duration // when the one was to be sent that took longest, after the first
}

// arrive sends GETs at a constant rate for a time, and waits for all answers. good says what is wrong with the body of an answer of 200.
func arrive(base string, path func(i int) string, rate int, lasting time.Duration, good func([]byte) error) *arrivals {
	transport := &http.Transport{MaxIdleConnsPerHost: 1000, DisableCompression: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	ask := func(i int) error {
		response, err := client.Get(base + path(i))
		if err != nil {
			return err
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		switch {
		case err != nil:
			return err
		case response.StatusCode != http.StatusOK:
			return fmt.Errorf("%s: %s: %s", path(i), response.Status, body)
		}
		return good(body)
	}
	var (
		a       = &arrivals{sent: int(lasting.Seconds() * float64(rate))}
		longest time.Duration
		mu      sync.Mutex
		wait    sync.WaitGroup
	)
	began := time.Now()
	for i := range a.sent {
		at := began.Add(time.Duration(i) * time.Second / time.Duration(rate))
		time.Sleep(time.Until(at))
		wait.Go(func() {
			err := ask(i)
			took := time.Since(at)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				if a.failed++; a.first == nil {
					a.first = err
				}
				return
			}
			if took > longest {
				longest, a.worst = took, at.Sub(began)
			}
			a.took = append(a.took, took)
		})
	}
	wait.Wait()
	slices.Sort(a.took)
	return a
}

// within is the time in milliseconds within which a share of the answers came.
func (a *arrivals) within(share float64) float64 {
	if len(a.took) == 0 {
		return 0
	}
	return a.took[min(len(a.took)-1, int(share*float64(len(a.took))))].Seconds() * 1000
}

// err is an error if a request failed.
func (a *arrivals) err() error {
	if a.failed == 0 {
		return nil
	}
	return errors.Join(fmt.Errorf("%d of %d requests failed", a.failed, a.sent), a.first)
}
