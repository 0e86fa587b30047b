package alerts

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTargets(t *testing.T) {
	none, err := newTargets(nil)
	require.NoError(t, err)
	for _, address := range []string{
		"127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "100.100.100.200", "100.127.255.255",
		"169.254.169.254", "169.254.170.2", "168.63.129.16", "192.0.0.192", "0.0.0.0", "0.1.2.3", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
		"192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1",
		"::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::1", "2001::1", "2001:db8::1",
		"fe80::1", "fe80::1%lo", "fc00::1", "fd00:ec2::254", "fd12:3456::1", "fec0::1", "ff02::1", "100::1",
	} {
		err := none.check(netip.MustParseAddr(address), false)
		require.ErrorContains(t, err, "only if alerts.allowed_targets lists it", address)
		var final *finalError
		require.ErrorAs(t, err, &final, "another try would meet it again")
	}
	for _, address := range []string{"1.1.1.1", "93.184.216.34", "172.15.0.1", "172.32.0.1", "100.63.255.255", "100.128.0.1", "192.167.0.1", "11.0.0.1", "::ffff:1.1.1.1", "2606:4700::1111", "2a00:1450::1"} {
		require.NoError(t, none.check(netip.MustParseAddr(address), false), address)
	}

	some, err := newTargets([]string{"10.1.0.0/16", "192.168.1.7", "fd00::/8", "169.254.1.1", "Alertmanager.Monitoring.svc.", "localhost"})
	require.NoError(t, err)
	for _, address := range []string{"10.1.2.3", "::ffff:10.1.2.3", "192.168.1.7", "fd12::1", "169.254.1.1"} {
		require.NoError(t, some.check(netip.MustParseAddr(address), false), address)
	}
	for _, address := range []string{"10.2.0.1", "192.168.1.8", "169.254.169.254", "127.0.0.1"} {
		require.Error(t, some.check(netip.MustParseAddr(address), false), address)
	}
	require.True(t, some.names["alertmanager.monitoring.svc"])
	for _, address := range []string{"10.9.9.9", "127.0.0.1", "::1", "192.168.3.4", "fc00::1", "100.64.1.1"} {
		require.NoError(t, some.check(netip.MustParseAddr(address), true), address)
	}
	for _, address := range []string{"169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "0.0.0.0", "::", "224.0.0.1", "168.63.129.16", "192.0.0.192", "64:ff9b::a9fe:a9fe"} {
		require.Error(t, some.check(netip.MustParseAddr(address), true), address)
	}
	for _, wrong := range []string{"", "http://host", "host:80", "10.0.0.0/33", "10.1.2", "*.example.org", "a b", "fe80::1%lo"} {
		_, err := newTargets([]string{wrong})
		require.ErrorContains(t, err, "alerts.allowed_targets", wrong)
	}
}

// fickle is a name server of its own, over UDP, which answers each question for an address with the next of its answers, the last one
// for good.
type fickle struct {
	mu      sync.Mutex
	answers []netip.Addr
	asked   int
}

func (f *fickle) resolver(t *testing.T) *net.Resolver {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	var serving sync.WaitGroup
	serving.Go(func() {
		buffer := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			conn.WriteTo(f.reply(buffer[:n]), from) //nolint:errcheck // the client asks again
		}
	})
	t.Cleanup(func() { conn.Close(); serving.Wait() })
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// reply answers the one question of a query (RFC 1035): an A record, or nothing to other types.
func (f *fickle) reply(query []byte) []byte {
	end := 12
	for end < len(query) && query[end] != 0 {
		end += int(query[end]) + 1
	}
	end += 5
	if end > len(query) {
		return nil
	}
	reply := append([]byte{}, query[:end]...)
	reply[2], reply[3] = 0x81, 0x80 // an answer without an error
	clear(reply[6:12])
	if binary.BigEndian.Uint16(query[end-4:]) != 1 {
		return reply
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	address := f.answers[min(f.asked, len(f.answers)-1)].As4()
	f.asked++
	reply[7] = 1
	reply = append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
	return append(reply, address[:]...)
}

// A name that leads to a public address when somebody looks, and to this machine when the connection is made, reaches nothing. The control
// looks first and connects then, and is taken in.
func TestNamesThatChangeTheirAddress(t *testing.T) {
	public, here := netip.MustParseAddr("93.184.216.34"), netip.MustParseAddr("127.0.0.1")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	reached := make(chan struct{}, 10)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			reached <- struct{}{}
			conn.Close()
		}
	}()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	address := net.JoinHostPort("rebind.example.org", port)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()

	lookThenConnect := func(guard *targets) (net.Conn, error) {
		found, err := guard.resolver.LookupNetIP(ctx, "ip4", "rebind.example.org")
		if err != nil {
			return nil, err
		}
		for _, a := range found {
			if err := guard.check(a, false); err != nil {
				return nil, err
			}
		}
		return (&net.Dialer{Resolver: guard.resolver}).DialContext(ctx, "tcp4", address)
	}
	control := &targets{resolver: (&fickle{answers: []netip.Addr{public, here}}).resolver(t)}
	conn, err := lookThenConnect(control)
	require.NoError(t, err)
	conn.Close()
	<-reached

	names := &fickle{answers: []netip.Addr{public, here}}
	guard := &targets{resolver: names.resolver(t)}
	found, err := guard.resolver.LookupNetIP(ctx, "ip4", "rebind.example.org")
	require.NoError(t, err)
	require.Equal(t, public, found[0].Unmap(), "it looked harmless")
	_, err = guard.dial(ctx, "tcp", address)
	require.ErrorContains(t, err, "127.0.0.1 is loopback")
	require.Empty(t, reached)
	names.mu.Lock()
	require.GreaterOrEqual(t, names.asked, 2)
	names.mu.Unlock()

	// A name that config lists leads to private addresses, but not to where clouds keep their secrets.
	guard.names = map[string]bool{"rebind.example.org": true}
	conn, err = guard.dial(ctx, "tcp", address)
	require.NoError(t, err)
	conn.Close()
	<-reached
	guard.resolver = (&fickle{answers: []netip.Addr{netip.MustParseAddr("169.254.169.254")}}).resolver(t)
	_, err = guard.dial(ctx, "tcp", address)
	require.ErrorContains(t, err, "169.254.169.254 is link-local")
	var final *finalError
	require.True(t, errors.As(err, &final))
}

// Without a word in config, no receiver is reached on this machine, in whatever way its address is written.
func TestReceiversOnThisMachineAreNotReached(t *testing.T) {
	sink := newSink(t)
	_, port, err := net.SplitHostPort(sink.Listener.Addr().String())
	require.NoError(t, err)
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.1.", "[::]", "LOCALHOST"} {
		t.Run(host, func(t *testing.T) {
			p := newPost(t, func(c Config) Receiver {
				secretFile(t, c, "url", "http://"+host+":"+port+"/hook?token=hidden1")
				return Receiver{Name: "ops", Kind: Webhook, URLFile: "url", MinSeverity: Info}
			}, func(c *Config) { c.AllowedTargets = []string{} })
			p.work(t)
			sink.none(t)
			d := p.only(t)
			require.NotEqual(t, Delivered, d.State)
			require.NotContains(t, d.Tries[0].Error, "hidden1")
			if strings.HasPrefix(host, "127.0.0.1") && !strings.HasSuffix(host, ".") || strings.EqualFold(host, "localhost") || strings.HasPrefix(host, "[") {
				require.Equal(t, Dead, d.State, d.Tries)
				require.Contains(t, d.Tries[0].Error, "alerts.allowed_targets")
			}
		})
	}
}
