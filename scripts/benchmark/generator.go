package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// call is an HTTP request that a load generator sends again and again; i counts up over all connections.
type call struct {
	method string
	path   func(i int) string
	body   func(i int) []byte // nil: none
}

// send makes n calls over so many connections, each waiting for its answer, and fails on the first answer that is not 2xx. It
// answers the time it took and the length of the last answer's body.
func send(base string, c call, n, connections int) (time.Duration, int, error) {
	address := strings.TrimPrefix(base, "http://")
	var (
		mu     sync.Mutex
		failed error
		length int
		next   int
		wait   sync.WaitGroup
	)
	take := func() (int, bool) {
		mu.Lock()
		defer mu.Unlock()
		if next >= n || failed != nil {
			return 0, false
		}
		next++
		return next - 1, true
	}
	began := time.Now()
	for range connections {
		wait.Add(1)
		go func() {
			defer wait.Done()
			size, err := converse(address, c, take)
			mu.Lock()
			defer mu.Unlock()
			if err != nil && failed == nil {
				failed = err
			}
			length = max(length, size)
		}()
	}
	wait.Wait()
	return time.Since(began), length, failed
}

// converse sends calls over one connection.
func converse(address string, c call, take func() (int, bool)) (int, error) {
	connection, err := net.Dial("tcp", address)
	if err != nil {
		return 0, err
	}
	defer connection.Close()
	reader := bufio.NewReaderSize(connection, 1<<16)
	var request []byte
	size := 0
	for {
		i, ok := take()
		if !ok {
			return size, nil
		}
		request = fmt.Appendf(request[:0], "%s %s HTTP/1.1\r\nHost: %s\r\n", c.method, c.path(i), address)
		if c.body != nil {
			body := c.body(i)
			request = fmt.Appendf(request, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
			request = append(append(request, "\r\n"...), body...)
		} else {
			request = append(request, "\r\n"...)
		}
		if _, err := connection.Write(request); err != nil {
			return size, err
		}
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			return size, err
		}
		if response.StatusCode >= 300 {
			words, _ := io.ReadAll(response.Body)
			return size, fmt.Errorf("%s %s: %s: %s", c.method, c.path(i), response.Status, words)
		}
		n, err := io.Copy(io.Discard, response.Body)
		if err != nil {
			return size, err
		}
		size = int(n)
	}
}

// perCPUSecond compares two servers under the same load, in turns: requests per second of processor time, ours and the limit's, which has n in
// a turn where ours has faster times as many, so that both work about as long. Their ratio is the median of the turns', so that what else
// the machine does in one turn counts for little.
func perCPUSecond(ours, limit *process, oursCall, limitCall call, n, faster, connections, rounds int) (float64, float64, error) {
	spent := func(p *process, c call, n int) (time.Duration, error) {
		before, err := p.cpu()
		if err != nil {
			return 0, err
		}
		if _, _, err := send(p.base, c, n, connections); err != nil {
			return 0, err
		}
		after, err := p.cpu()
		return after - before, err
	}
	var limits, ratios []float64
	for round := range rounds + 1 {
		a, err := spent(ours, oursCall, n*faster)
		if err != nil {
			return 0, 0, err
		}
		b, err := spent(limit, limitCall, n)
		if err != nil {
			return 0, 0, err
		}
		if round > 0 { // the first warms up
			limits, ratios = append(limits, float64(n)/b.Seconds()), append(ratios, b.Seconds()/a.Seconds()*float64(faster))
		}
	}
	bare := median(limits)
	return bare * median(ratios), bare, nil
}
