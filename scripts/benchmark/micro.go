package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	microMemory = 1 << 30 // bytes
	microRate   = 500     // reads a second
	microLimit  = 50      // ms, for 99 of 100 reads
	demoLimit   = 60      // s
)

// micro is what a t2.micro carries: one processor and 1 GiB, for the program and, with the stack servers, for PostgreSQL and Redis as well. That stack
// runs as the overlay for the free tier does, in two processes; the embedded one with the settings that a new installation has.
type micro struct {
	*subject
	machine  *machine
	registry string // URL of the registry API; base is that of the store API
	sizes    microSizes
}

// microSizes are how much is served, and how much the work beside is about.
type microSizes struct {
	served, copied          int // entities
	history, questions      int // rows of each of two groups, and of the spine
	events                  int
	alone, beside, watching time.Duration
}

// carries measures a stack on such a machine: the demo, the idling, and single reads at a constant rate: alone, and while a full materialization,
// a pipeline and a training set are done again and again.
func carries(o options, stack, folder string) (err error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	m := &micro{sizes: microSizes{served: 20_000, copied: 50_000, history: 200_000, questions: 20_000, events: 200_000,
		alone: 15 * time.Second, beside: 45 * time.Second, watching: 10 * time.Second}}
	if o.full {
		m.sizes = microSizes{served: 50_000, copied: 100_000, history: 500_000, questions: 50_000, events: 500_000,
			alone: time.Minute, beside: 3 * time.Minute, watching: time.Minute}
	}
	if m.machine, err = newMachine(microMemory); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.machine.close()) }()
	progress("%s: %s", stack, m.machine)
	stop, err := m.start(o, stack, folder)
	defer stop()
	if err != nil {
		return err
	}
	if err := m.idles(); err != nil {
		return err
	}
	if err := m.fill(); err != nil {
		return err
	}
	if err := m.answers(); err != nil {
		return fmt.Errorf("%w\nthe server said:\n%s", err, tail(m.log.String()))
	}
	return m.machine.sound()
}

// start runs the demo to its end, and then what is measured. stop ends what was started, also after an error.
func (m *micro) start(o options, stack, folder string) (stop func(), err error) {
	var running []interface{ stop() }
	stop = func() {
		for i := len(running) - 1; i >= 0; i-- {
			running[i].stop()
		}
	}
	m.subject = &subject{stack: "t2.micro, " + stack, folder: folder, scale: 1, report: func(r result) { printLine(os.Stdout, "t2.micro, "+stack, r) }}
	var common, shown, registry, values []string
	if stack == "servers" {
		tier, err := readFreeTier()
		if err != nil {
			return stop, err
		}
		both, err := m.startServers(tier)
		if err != nil {
			return stop, err
		}
		running = append(running, both)
		common = []string{"FEATURESTORE_POSTGRES_URL=" + both.Postgres, "FEATURESTORE_REDIS_URL=" + both.Redis}
		shown, registry, values = tier.process(shared), tier.process("feature-registry"), tier.process("feature-store")
	}
	if err := m.demo(o.binary, append(append(shown, common...), "FEATURESTORE_DATA="+filepath.Join(folder, "shown"))); err != nil {
		return stop, fmt.Errorf("the demo: %w", err)
	}
	launch := func(name string, environment []string) (*process, error) {
		port := freePort()
		program, args := m.machine.command(o.binary, "serve")
		p, err := start("http://127.0.0.1:"+port, "/readyz", append(append(environment, common...),
			"FEATURESTORE_HTTP_LISTEN=127.0.0.1:"+port, "FEATURESTORE_DATA="+filepath.Join(folder, name)), program, args...)
		if err == nil {
			running = append(running, p)
		}
		return p, err
	}
	if stack == "servers" {
		p, err := launch("registry", registry)
		if err != nil {
			return stop, err
		}
		m.registry = p.base
	}
	if m.process, err = launch("store", values); err != nil {
		return stop, err
	}
	if m.registry == "" {
		m.registry = m.base
	}
	return stop, nil
}

// idles measures processes that have nothing to do.
func (m *micro) idles() error {
	time.Sleep(5 * time.Second)
	m.machine.forgetPeak()
	before, err := m.machine.cpu()
	if err != nil {
		return err
	}
	time.Sleep(m.sizes.watching)
	after, err := m.machine.cpu()
	if err != nil {
		return err
	}
	m.report(result{work: fmt.Sprintf("idle for %.0f s, all processes", m.sizes.watching.Seconds()), unit: "% of a core", ours: 100 * (after - before).Seconds() / m.sizes.watching.Seconds(),
		limit: 1, upper: true, memory: fmt.Sprintf("%.0f MB", m.machine.highest())})
	return nil
}

// definitions are what is read, and what the work beside is about.
const definitions = `entity_types:
  - {name: customer, join_keys: [{name: customer_id, value_type: STRING}]}
groups:
%s  - name: bought
    entity_type: customer
    kind: events
    features: [{name: amount, value_type: FLOAT}]
  - name: bought_daily
    entity_type: customer
    features:
      - {name: bought_7d, value_type: INTEGER}
      - {name: bought_30d, value_type: INTEGER}
      - {name: spent_7d, value_type: FLOAT}
      - {name: spent_30d, value_type: FLOAT}
      - {name: largest_30d, value_type: FLOAT}
pipelines:
  - name: bought_daily
    source: {group: bought}
    target: bought_daily
    tick: daily
    aggregate:
      - {feature: bought_7d, function: count, window: 7d}
      - {feature: bought_30d, function: count, window: 30d}
      - {feature: spent_7d, function: sum, of: amount, window: 7d, decimals: 2}
      - {feature: spent_30d, function: sum, of: amount, window: 30d, decimals: 2}
      - {feature: largest_30d, function: max, of: amount, window: 30d}
services:
%s`

// fill registers and loads everything, and waits until nothing is done any more.
func (m *micro) fill() error {
	began := time.Now()
	var groups, services strings.Builder
	for _, g := range []string{"served", "copied", "history_a", "history_b"} {
		fmt.Fprintf(&groups, "  - name: %s\n    entity_type: customer\n    features:\n", g)
		for f := range 10 {
			fmt.Fprintf(&groups, "      - {name: f%d, value_type: FLOAT}\n", f)
		}
	}
	for name, of := range map[string][]string{"served": {"served"}, "history": {"history_a", "history_b"}} {
		fmt.Fprintf(&services, "  - name: %s\n    features:\n", name)
		for _, g := range of {
			for f := range 10 {
				fmt.Fprintf(&services, "      - %s:f%d\n", g, f)
			}
		}
	}
	if _, err := post(m.registry+"/apply", "application/yaml", strings.NewReader(fmt.Sprintf(definitions, &groups, &services))); err != nil {
		return err
	}
	if err := m.known("served"); err != nil {
		return err
	}
	for _, of := range []struct {
		groups []string
		observations
	}{
		{[]string{"served"}, observations{entities: m.sizes.served, perEntity: 1, shuffled: true}},
		{[]string{"copied"}, observations{entities: m.sizes.copied, perEntity: 1, shuffled: true}},
		{[]string{"history_a", "history_b"}, observations{entities: m.sizes.history / 100, perEntity: 100}},
	} {
		path := filepath.Join(m.folder, of.groups[0]+".csv")
		if err := table(path, of.observations); err != nil {
			return err
		}
		for _, group := range of.groups {
			if _, _, err := load(m.subject, group, path, ""); err != nil {
				return err
			}
		}
	}
	if err := spine(m.spine(), m.sizes.questions, m.sizes.history/100, 100); err != nil {
		return err
	}
	bought := filepath.Join(m.folder, "bought.csv")
	if err := purchases(bought, m.sizes.events); err != nil {
		return err
	}
	if _, _, err := load(m.subject, "bought", bought, ""); err != nil {
		return err
	}
	if err := m.settled(); err != nil {
		return err
	}
	progress("%s: filled in %.0f s, with %.0f MB at most", m.stack, time.Since(began).Seconds(), m.machine.highest())
	return nil
}

// known waits until the store API knows a service: a process of its own asks the registry now and then.
func (m *micro) known(service string) (err error) {
	for began := time.Now(); time.Since(began) < 30*time.Second; time.Sleep(50 * time.Millisecond) {
		if _, err = get(m.base + "/get/customer/0?service=" + service); err == nil {
			return nil
		}
	}
	return fmt.Errorf("the store API does not come to know the service %s: %w", service, err)
}

func (m *micro) spine() string { return filepath.Join(m.folder, "spine.csv") }

// eventsOfCustomer are over boughtDays from january on, as many on each.
const (
	eventsOfCustomer = 100
	boughtDays       = 200
)

// purchases writes a CSV of events.
func purchases(path string, events int) error {
	var out bytes.Buffer
	out.WriteString("customer_id,event_time,amount\n")
	for i := range events {
		at := january.Add(time.Duration(i) * boughtDays * 24 * time.Hour / time.Duration(events)).Truncate(time.Second)
		fmt.Fprintf(&out, "%d,%s,%s\n", i%(events/eventsOfCustomer), at.Format(time.RFC3339), strconv.FormatFloat(number(i, 0), 'f', -1, 64))
	}
	return os.WriteFile(path, out.Bytes(), 0o600)
}

// settled waits until all runs have ended.
func (m *micro) settled() error {
	for began := time.Now(); time.Since(began) < 5*time.Minute; time.Sleep(200 * time.Millisecond) {
		active := false
		for _, state := range []string{"queued", "running"} {
			answer, err := get(m.base + "/runs?limit=1&state=" + state)
			if err != nil {
				return err
			}
			active = active || bytes.Contains(answer, []byte(`"id"`))
		}
		if !active {
			return nil
		}
	}
	return errors.New("runs do not end")
}

// answers measures the reads.
func (m *micro) answers() error {
	read := func(lasting time.Duration) *arrivals {
		return arrive(m.base, func(i int) string { return "/get/customer/" + strconv.Itoa(i*7919%m.sizes.served) + "?service=served" }, microRate, lasting, ten)
	}
	line := func(name string, a *arrivals) error {
		m.report(result{work: fmt.Sprintf("%d reads/s for %.0f s, %s", microRate, float64(a.sent)/microRate, name), unit: "ms for 99 of 100", ours: a.within(0.99), limit: microLimit, upper: true,
			memory: fmt.Sprintf("%.0f of %d MB at most", m.machine.highest(), microMemory>>20)})
		progress("%s, %s: half of the reads within %.1f ms, 999 of 1000 within %.1f, all within %.1f, the longest %.1f s after the first; %d failed", m.stack, name,
			a.within(0.5), a.within(0.999), a.within(1), a.worst.Seconds(), a.failed)
		return a.err()
	}
	if err := read(3 * time.Second).err(); err != nil { // connections are made, and what is read the first time
		return err
	}
	m.machine.forgetPeak()
	if err := line("alone", read(m.sizes.alone)); err != nil {
		return err
	}
	m.machine.forgetPeak()
	during, end := context.WithCancel(context.Background())
	defer end()
	done, wait := m.work(during)
	a := read(m.sizes.beside)
	end()
	if err := errors.Join(wait(), line("beside a materialization, a pipeline and a training set", a)); err != nil {
		return err
	}
	progress("%s: beside them, %s", m.stack, done())
	for line := range strings.Lines(m.log.String()) {
		if strings.Contains(line, "level=WARN") || strings.Contains(line, "level=ERROR") || strings.Contains(line, `"level":"WARN"`) || strings.Contains(line, `"level":"ERROR"`) {
			progress("%s: the server said: %s", m.stack, strings.TrimSpace(line))
		}
	}
	return nil
}

// ten says what is wrong with an answer whose ten values should all be there.
func ten(body []byte) error {
	if n := bytes.Count(body, []byte(`"PRESENT"`)); n != 10 {
		return fmt.Errorf("%d values are present: %s", n, body)
	}
	return nil
}
