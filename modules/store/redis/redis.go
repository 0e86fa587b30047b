package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"github.com/redis/rueidis"

	"featurestore/app/fault"
	"featurestore/modules/store"
)

// Options say where the server is and what this installation's keys begin with.
type Options struct {
	URL    string // redis://user:password@host:6379/0, rediss:// for TLS
	Prefix string // letters, digits, '_', '-' and '.'

	Environment string // whose data it is; "" for none
	ReadOnly    bool   // Claim only compares
}

// Online is the online store. It has two connections: what somebody waits for does not stand behind a thousand rows.
type Online struct {
	client rueidis.Client
	bulk   rueidis.Client // for many rows: more patient
	keys   keys
	proofs proofs // of client

	options Options
}

var _ store.Online = (*Online)(nil)

// A server that does not answer is given up after a wait and two probe times at most: one to notice that nothing comes, one to
// begin to ask. A connection that has nothing to do asks once in a probe time, which is most of what an idle process does.
const (
	waitTime      = 700 * time.Millisecond
	probeTime     = time.Second
	bulkTime      = 3 * time.Second
	bulkProbeTime = 3 * time.Second
)

// What a connection has in memory, of which a process has two: rueidis would take 1 MiB of buffers and room for 1,024 commands under way. An
// answer or a script's call that is larger goes through in pieces; a command that finds no room waits for it.
const (
	bufferBytes = 64 << 10
	ringScale   = 8 // 256 commands
)

var prefixes = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)

// Open prepares the store. A server that is not there yet, or any more, is connected to once it is: every command tries.
func Open(_ context.Context, options Options) (*Online, error) {
	if !prefixes.MatchString(options.Prefix) {
		return nil, fmt.Errorf("redis.prefix: %q is not made of letters, digits, '_', '-' and '.'", options.Prefix)
	}
	o := &Online{keys: keys{options.Prefix}, options: options}
	var err error
	if o.client, err = connect(options.URL, waitTime, probeTime, o.proofs.dialling); err != nil {
		return nil, err
	}
	if o.bulk, err = connect(options.URL, bulkTime, bulkProbeTime, nil); err != nil {
		o.client.Close()
		return nil, err
	}
	return o, nil
}

// connect makes a client, which calls dialling before each connection.
func connect(url string, wait, probe time.Duration, dialling func(network, address string, c syscall.RawConn) error) (rueidis.Client, error) {
	o, err := rueidis.ParseURL(url)
	if err != nil {
		return nil, fmt.Errorf("redis.url: %w", err)
	}
	o.ClientName = "featurestore"
	o.ForceSingleClient = true // which also gives a client while the server is not there
	o.DisableCache = true
	o.PipelineMultiplex = -1 // one connection: fewer system calls, and after a restart of the server one that is broken
	o.ReadBufferEachConn, o.WriteBufferEachConn, o.RingScaleEachConn = bufferBytes, bufferBytes, ringScale
	o.ConnWriteTimeout = wait
	o.Dialer = net.Dialer{Timeout: waitTime, KeepAlive: probe, Control: dialling}
	// What does no harm is repeated once if it met a broken connection: the server may have restarted since the last command. What got no
	// answer is not: the caller asks the offline store.
	o.RetryDelay = func(attempts int, _ rueidis.Completed, err error) time.Duration {
		if attempts > 1 || errors.Is(err, os.ErrDeadlineExceeded) {
			return -1
		}
		return 0
	}
	client, err := rueidis.NewClient(o)
	if client == nil {
		return nil, fmt.Errorf("opening Redis: %w", err)
	}
	return client, nil
}

// Close ends the connections.
func (o *Online) Close() error {
	o.client.Close()
	o.bulk.Close()
	return nil
}

// Claim stamps the prefix with the installation's identity and its environment, or compares.
func (o *Online) Claim(ctx context.Context, installation string) error {
	owner, err := o.stamp(ctx, o.keys.installation(), installation)
	if err != nil {
		return fmt.Errorf("claiming the online store: %w", err)
	}
	if owner != installation {
		return fault.New(fault.Conflict, "another-installation",
			"the keys %s:* in Redis belong to another installation (%s, this one is %s): set redis.prefix to a name that is not taken", o.keys.prefix, owner, installation)
	}
	return o.claimEnvironment(ctx)
}

var (
	runID   = regexp.MustCompile(`(?m)^run_id:([0-9a-f]+)`)
	policy  = regexp.MustCompile(`(?m)^maxmemory_policy:(\S+)`)
	version = regexp.MustCompile(`(?m)^redis_version:(\d+)\.`)
)

// info reads values out of INFO, which services also answer that do not let one see the configuration.
func (o *Online) info(ctx context.Context, values ...*regexp.Regexp) ([]string, error) {
	text, err := o.client.Do(ctx, o.client.B().Info().Section("server", "memory").Build().ToRetryable()).ToString()
	if err != nil {
		return nil, fmt.Errorf("asking Redis: %w", err)
	}
	found := make([]string, len(values))
	for i, value := range values {
		match := value.FindStringSubmatch(text)
		if match == nil {
			return nil, fmt.Errorf("the INFO of this Redis has nothing like %s", value)
		}
		found[i] = match[1]
	}
	return found, nil
}

// Run is the server's run id, which is new after each start.
func (o *Online) Run(ctx context.Context) (string, error) {
	found, err := o.info(ctx, runID)
	if err != nil {
		return "", err
	}
	return found[0], nil
}

// Ping says whether the server answers, is recent enough and keeps what it is given.
func (o *Online) Ping(ctx context.Context) error {
	found, err := o.info(ctx, policy, version)
	if err != nil {
		return err
	}
	if major, _ := strconv.Atoi(found[1]); major < 7 {
		return fmt.Errorf("this Redis has version %s: 7.0 or later is needed", found[1])
	}
	if found[0] != "noeviction" {
		return fmt.Errorf("this Redis evicts keys when it is full (maxmemory-policy %s): set it to noeviction, or values are lost without a sign", found[0])
	}
	return nil
}
