package alerts

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// targets says which addresses receivers may have. It is asked when a connection is made, with the address that the name led
// to at that moment: what the name led to earlier does not matter, nor what it leads to later.
type targets struct {
	names    map[string]bool // hosts whose addresses may be private
	prefixes []netip.Prefix
	resolver *net.Resolver // nil: the system's
}

// refused are the addresses that are not public, or lead on to such ones; the first that fits counts. What config lists is allowed all the same; a host that it
// lists by its name never leads to those that are link-local, where clouds keep their metadata, or no host's.
var refused = []struct {
	prefix netip.Prefix
	what   string
	always bool // for hosts that are listed by name too
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "unspecified", true},
	{netip.MustParsePrefix("10.0.0.0/8"), "private", false},
	{netip.MustParsePrefix("100.64.0.0/10"), "a provider's own (CGNAT)", false},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback", false},
	{netip.MustParsePrefix("168.63.129.16/32"), "a cloud's own", true},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local", true},
	{netip.MustParsePrefix("172.16.0.0/12"), "private", false},
	{netip.MustParsePrefix("192.0.0.0/24"), "reserved", true},
	{netip.MustParsePrefix("192.0.2.0/24"), "for documentation", false},
	{netip.MustParsePrefix("192.88.99.0/24"), "reserved", true},
	{netip.MustParsePrefix("192.168.0.0/16"), "private", false},
	{netip.MustParsePrefix("198.18.0.0/15"), "for benchmarks", false},
	{netip.MustParsePrefix("198.51.100.0/24"), "for documentation", false},
	{netip.MustParsePrefix("203.0.113.0/24"), "for documentation", false},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast", true},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved", true},
	{netip.MustParsePrefix("::1/128"), "loopback", false},
	{netip.MustParsePrefix("::/96"), "unspecified, or an IPv4 address in another form", true},
	{netip.MustParsePrefix("64:ff9b::/96"), "an IPv4 address in another form", true},
	{netip.MustParsePrefix("64:ff9b:1::/48"), "an IPv4 address in another form", true},
	{netip.MustParsePrefix("100::/64"), "reserved", true},
	{netip.MustParsePrefix("2001::/23"), "reserved, or an IPv4 address in another form", true},
	{netip.MustParsePrefix("2001:db8::/32"), "for documentation", false},
	{netip.MustParsePrefix("2002::/16"), "an IPv4 address in another form", true},
	{netip.MustParsePrefix("fd00:ec2::/32"), "a cloud's own", true},
	{netip.MustParsePrefix("fc00::/7"), "private", false},
	{netip.MustParsePrefix("fe80::/10"), "link-local", true},
	{netip.MustParsePrefix("fec0::/10"), "private", false},
	{netip.MustParsePrefix("ff00::/8"), "multicast", true},
}

// check answers nil if a connection to the address may be made; named tells that config lists the host by its name.
func (t *targets) check(address netip.Addr, named bool) error {
	address = address.Unmap().WithZone("")
	for _, prefix := range t.prefixes {
		if prefix.Contains(address) {
			return nil
		}
	}
	for _, r := range refused {
		if !r.prefix.Contains(address) {
			continue
		}
		if named && !r.always {
			return nil
		}
		return &finalError{fmt.Errorf("the address %s is %s, and receivers may be there only if alerts.allowed_targets lists it", address, r.what)}
	}
	return nil
}

// dial connects to host:port, if the address that it leads to may be.
func (t *targets) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, &finalError{err}
	}
	named := t.names[hostName(host)]
	dialer := &net.Dialer{
		Resolver: t.resolver,
		Control: func(_, resolved string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(resolved)
			if err != nil {
				return &finalError{fmt.Errorf("the address %q cannot be judged", resolved)}
			}
			return t.check(to.Addr(), named)
		},
	}
	return dialer.DialContext(ctx, network, address)
}
