package redis

import (
	"context"
	"fmt"
	"regexp"
	"strconv"

	"github.com/redis/rueidis"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/store"
)

// Options say where the server is and what this installation's keys begin with.
type Options struct {
	URL    string // redis://user:password@host:6379/0, rediss:// for TLS
	Prefix string
}

// Online is the online store.
type Online struct {
	*connection
	keys keys
}

var _ store.Online = (*Online)(nil)

// Open prepares the store; a server that is not there now is connected to once it is. Commands are not repeated by themselves: a
// store that cannot answer says so at once, and the caller asks the offline store.
func Open(ctx context.Context, options Options) (*Online, error) {
	c, err := newConnection(options.URL)
	if err != nil {
		return nil, err
	}
	_, _ = c.client() // whoever uses it hears of the failure
	return &Online{connection: c, keys: keys{options.Prefix}}, nil
}

// Claim stamps the prefix with the installation's identity, or compares.
func (o *Online) Claim(ctx context.Context, installation string) error {
	client, err := o.client()
	if err != nil {
		return err
	}
	key := o.keys.installation()
	err = client.Do(ctx, client.B().Set().Key(key).Value(installation).Nx().Build()).Error()
	if err == nil {
		return nil
	}
	if !rueidis.IsRedisNil(err) {
		return fmt.Errorf("claim the online store: %w", err)
	}
	owner, err := client.Do(ctx, client.B().Get().Key(key).Build()).ToString()
	if err != nil {
		return fmt.Errorf("claim the online store: %w", err)
	}
	if owner != installation {
		return fault.New(fault.Conflict, "another-installation",
			"the keys %s:* in Redis belong to another installation (%s, this one is %s): set redis.prefix to a name that is not taken", o.keys.prefix, owner, installation)
	}
	return nil
}

var (
	runID  = regexp.MustCompile(`(?m)^run_id:([0-9a-f]+)`)
	policy = regexp.MustCompile(`(?m)^maxmemory_policy:(\S+)`)
)

// info reads one value of a section of INFO.
func (o *Online) info(ctx context.Context, section string, value *regexp.Regexp) (string, error) {
	client, err := o.client()
	if err != nil {
		return "", err
	}
	text, err := client.Do(ctx, client.B().Info().Section(section).Build()).ToString()
	if err != nil {
		return "", err
	}
	found := value.FindStringSubmatch(text)
	if found == nil {
		return "", fmt.Errorf("INFO %s of this Redis does not match %s", section, value)
	}
	return found[1], nil
}

// Run is the server's run id, which is new after each start.
func (o *Online) Run(ctx context.Context) (string, error) {
	id, err := o.info(ctx, "server", runID)
	if err != nil {
		return "", fmt.Errorf("ask Redis for its run: %w", err)
	}
	return id, nil
}

// Ping says whether the server answers and keeps what it is given.
func (o *Online) Ping(ctx context.Context) error {
	found, err := o.info(ctx, "memory", policy)
	if err != nil {
		return fmt.Errorf("ask Redis: %w", err)
	}
	if found != "noeviction" {
		return fmt.Errorf("this Redis evicts keys when it is full (maxmemory-policy %s): set it to noeviction, or values are lost without a sign", found)
	}
	return nil
}

// readKeys is how many keys one command reads: few enough that the server is not held up.
const readKeys = 4000

// Read asks for markers and rows in one command; where that would be very long in several, sent together, each with the markers.
func (o *Online) Read(ctx context.Context, questions []store.Question) ([][]string, []bool, error) {
	total := 0
	for i := range questions {
		total += len(questions[i].Keys)
	}
	markers := make([]string, len(questions), len(questions)+min(total, readKeys))
	names := make([]string, 0, total)
	for i := range questions {
		markers[i] = o.keys.marker(questions[i].Group)
		rows := o.keys.rows(questions[i].Group)
		for _, key := range questions[i].Keys {
			names = append(names, rows+key.Encoded)
		}
	}
	values, marked, err := o.readAll(ctx, questions, markers, names)
	if err != nil {
		return nil, nil, fmt.Errorf("read from Redis: %w", err)
	}
	rows := make([][]string, len(questions))
	for i := range questions {
		n := len(questions[i].Keys)
		rows[i], values = values[:n:n], values[n:]
	}
	return rows, marked, nil
}

func (o *Online) readAll(ctx context.Context, questions []store.Question, markers, names []string) (values []string, marked []bool, err error) {
	client, err := o.client()
	if err != nil {
		return nil, nil, err
	}
	marked = make([]bool, len(questions))
	for i := range marked {
		marked[i] = true
	}
	compare := func(found []string) {
		for i, marker := range found {
			marked[i] = marked[i] && marker == questions[i].Marker
		}
	}
	n := len(markers)
	if n == 0 {
		return nil, marked, nil
	}
	if len(names) <= readKeys {
		all, err := client.Do(ctx, client.B().Mget().Key(append(markers, names...)...).Build()).AsStrSlice()
		if err != nil {
			return nil, nil, err
		}
		compare(all[:n])
		return all[n:], marked, nil
	}
	var commands rueidis.Commands
	for from := 0; from < len(names); from += readKeys {
		part := names[from:min(from+readKeys, len(names))]
		commands = append(commands, client.B().Mget().Key(markers...).Key(part...).Build())
	}
	values = make([]string, 0, len(names))
	for _, result := range client.DoMulti(ctx, commands...) {
		all, err := result.AsStrSlice()
		if err != nil {
			return nil, nil, err
		}
		compare(all[:n])
		values = append(values, all[n:]...)
	}
	return values, marked, nil
}

// State reads marker and hash at one moment.
func (o *Online) State(ctx context.Context, group *registry.Group) (store.State, error) {
	client, err := o.client()
	if err != nil {
		return store.State{}, err
	}
	answers := client.DoMulti(ctx,
		client.B().Multi().Build(),
		client.B().Get().Key(o.keys.marker(group)).Build(),
		client.B().Hmget().Key(o.keys.state(group)).Field("store", "position", "ttl", "fence", "server").Build(),
		client.B().Exec().Build())
	both, err := answers[3].ToArray()
	if err != nil {
		return store.State{}, fmt.Errorf("read the state of %s from Redis: %w", group.Name, err)
	}
	var state store.State
	if state.Marker, err = both[0].ToString(); err != nil && !rueidis.IsRedisNil(err) {
		return store.State{}, fmt.Errorf("read the marker of %s: %w", group.Name, err)
	}
	members, err := both[1].AsStrSlice()
	if err != nil {
		return store.State{}, fmt.Errorf("read the state of %s: %w", group.Name, err)
	}
	state.Watermark.Store, state.Watermark.Position, state.Server = members[0], store.Position(members[1]), members[4]
	if members[2] != "" { // neither is there before the first swap
		if state.Watermark.TTL, err = strconv.ParseInt(members[2], 10, 64); err != nil {
			return store.State{}, fmt.Errorf("read the watermark of %s: %w", group.Name, err)
		}
		if state.Fence, err = strconv.ParseInt(members[3], 10, 64); err != nil {
			return store.State{}, fmt.Errorf("read the fence of %s: %w", group.Name, err)
		}
	}
	return state, nil
}

// Sweep removes the rows of a group in steps.
func (o *Online) Sweep(ctx context.Context, group *registry.Group) error {
	client, err := o.client()
	if err != nil {
		return err
	}
	pattern := o.keys.rows(group) + "*"
	for cursor := uint64(0); ; {
		entry, err := client.Do(ctx, client.B().Scan().Cursor(cursor).Match(pattern).Count(1000).Build()).AsScanEntry()
		if err != nil {
			return fmt.Errorf("sweep %s: %w", group.Name, err)
		}
		if len(entry.Elements) > 0 {
			if err := client.Do(ctx, client.B().Unlink().Key(entry.Elements...).Build()).Error(); err != nil {
				return fmt.Errorf("sweep %s: %w", group.Name, err)
			}
		}
		if cursor = entry.Cursor; cursor == 0 {
			return nil
		}
	}
}
