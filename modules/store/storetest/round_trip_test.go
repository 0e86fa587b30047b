package storetest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/store"
	"featurestore/modules/store/redis"
	"featurestore/modules/store/storetest"
	"featurestore/modules/store/storetest/servers"
)

// On a line where every round trip takes 150 ms, a read of a thousand entities in each of five groups takes less than two of them.
func TestReadIsOneRoundTrip(t *testing.T) {
	const trip = 150 * time.Millisecond
	address, prefix := servers.Redis(t)
	server, err := url.Parse(address)
	require.NoError(t, err)
	server.Host = slowLine(t, server.Host, trip)
	online, err := redis.Open(context.Background(), redis.Options{URL: server.String(), Prefix: prefix})
	require.NoError(t, err)
	defer func() { require.NoError(t, online.Close()) }()
	var questions []store.Question
	for id := range int64(5) {
		question := store.Question{Group: storetest.Group(id+1, fmt.Sprint("group", id), storetest.Customers), Marker: "complete"}
		for i := range 1000 {
			question.Keys = append(question.Keys, storetest.TextKey(fmt.Sprint(i)))
		}
		questions = append(questions, question)
	}
	fastest := time.Hour
	for tries := 0; tries < 5 || fastest >= 2*trip && tries < 100; tries++ { // a machine that is held up needs longer for the work itself
		began := time.Now()
		_, _, err := online.Read(context.Background(), questions)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			continue
		}
		require.NoError(t, err)
		fastest = min(fastest, time.Since(began))
	}
	t.Logf("measured: 5,000 rows of 5 groups in %s on a line of %s", fastest.Round(time.Millisecond), trip)
	require.Greater(t, fastest, trip*9/10, "the line is slow")
	require.Less(t, fastest, 2*trip)
}

// slowLine is the address of a proxy that holds back what clients send.
func slowLine(t *testing.T, server string, delay time.Duration) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			behind, err := net.Dial("tcp", server)
			if err != nil {
				_ = client.Close()
				continue
			}
			go hold(behind, client, delay)
			go func() { _, _ = io.Copy(client, behind) }()
		}
	}()
	return listener.Addr().String()
}

// hold passes on what it reads after a delay, without holding up what comes behind it any longer.
func hold(to, from net.Conn, delay time.Duration) {
	type part struct {
		due   time.Time
		bytes []byte
	}
	parts := make(chan part, 10_000)
	go func() {
		defer to.Close()
		for p := range parts {
			time.Sleep(time.Until(p.due))
			if _, err := to.Write(p.bytes); err != nil {
				return
			}
		}
	}()
	defer close(parts)
	for {
		buffer := make([]byte, 64<<10)
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		parts <- part{time.Now().Add(delay), buffer[:n]}
	}
}
