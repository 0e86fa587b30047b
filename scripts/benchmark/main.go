// Command benchmark measures featurestore against limit programs in the same run, and prints a table of ratios. The limit of a
// work is the least that any program must do for it: a bare handler that fetches and writes as many bytes, a COPY of the same rows, the
// best SQL written by hand. Start it with scripts/bench.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/labstack/echo/v4"
	_ "github.com/mattn/go-sqlite3" // the driver "sqlite3"
	"github.com/redis/rueidis"

	"featurestore/modules/store/storetest/servers"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "limit" {
		work := serveLimit
		if len(os.Args) == 5 && os.Args[2] == "pipelines" {
			work = func(a []string) error { return computeAlone(a[1], a[2]) }
		}
		if err := work(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "limit:", err)
			os.Exit(1)
		}
		return
	}
	if len(os.Args) == 3 && os.Args[1] == "servers" {
		if err := serveServers(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, "servers:", err)
			os.Exit(1)
		}
		return
	}
	var o options
	flag.StringVar(&o.binary, "binary", "", "the program to measure")
	flag.BoolVar(&o.full, "full", false, "all works and sizes; without it most works and a fraction of the sizes")
	flag.StringVar(&o.only, "only", "", "a regular expression: only the works whose stack and name it matches, such as \"servers reads\"")
	flag.StringVar(&o.feast, "feast", "", "a Python that has Feast: measure it beside ours, too")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "benchmark:", err)
		os.Exit(1)
	}
}

type options struct {
	binary, only, feast string
	full                bool
}

// subject is our server on one stack, and what its limit programs need.
type subject struct {
	*process
	stack, folder   string
	scale           int
	turns           int    // of a bulk work
	postgres, redis string // "": embedded
	bulk            bulkLimit
	report          func(result)
	done            map[string]bool // what several works need, by name
}

// once does what several works need before the first of them.
func (s *subject) once(name string, do func() error) error {
	if s.done[name] {
		return nil
	}
	if err := do(); err != nil {
		return err
	}
	s.done[name] = true
	return nil
}

// works are what is measured on each stack, in this order: some of them only in the long form or where they are asked for. Trainings end
// with a TTL on the groups that parquet asks too.
var works = []struct {
	name string
	do   func(*subject) error
	long bool
}{{"idle", idle, false}, {"reads", reads, false}, {"writes", writes, false}, {"loads", loads, false}, {"copies", copies, false},
	{"rebuilds", rebuilds, true}, {"reverts", reverts, true}, {"parquet", parquet, true}, {"validation", validations, true}, {"drift", drifts, true},
	{"publish", publishes, true}, {"trainings", trainings, false}, {"pipelines", pipelines, false},
	{"spark", sparks, true}}

// measures tells whether anything is chosen.
func (o options) measures(chosen *regexp.Regexp) bool {
	names := []string{"t2micro"}
	for _, w := range works {
		names = append(names, w.name)
	}
	for _, name := range names {
		if chosen.MatchString("embedded "+name) || chosen.MatchString("servers "+name) {
			return true
		}
	}
	return o.feast != "" && chosen.MatchString("feast")
}

// run prints each line of the table as soon as it is known. A work that fails does not keep the others from being done; its error is
// answered in the end.
func run(o options) error {
	chosen, err := regexp.Compile(o.only)
	if err != nil {
		return err
	}
	if !o.measures(chosen) {
		return fmt.Errorf("no work matches %q: scripts/bench --help names them, and feast is measured with --feast alone", o.only)
	}
	folder, err := os.MkdirTemp("", "featurestore-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	stop, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	began := time.Now()
	printHead(os.Stdout)
	var failed []error
	for _, stack := range []string{"embedded", "servers"} {
		failed = append(failed, runStack(stop, o, stack, filepath.Join(folder, stack), chosen)...)
	}
	for _, stack := range []string{"embedded", "servers"} {
		if (o.full || o.only != "") && chosen.MatchString(stack+" t2micro") && stop.Err() == nil {
			if err := carries(o, stack, filepath.Join(folder, "t2micro", stack)); err != nil {
				failed = append(failed, fmt.Errorf("t2micro, %s: %w", stack, err))
			}
		}
	}
	if o.feast != "" && chosen.MatchString("feast") && stop.Err() == nil {
		if err := besideFeast(o, folder); err != nil {
			failed = append(failed, fmt.Errorf("feast: %w", err))
		}
	}
	progress("all: %.0f s", time.Since(began).Seconds())
	return errors.Join(append(failed, stop.Err())...)
}

func runStack(stop context.Context, o options, stack, folder string, chosen *regexp.Regexp) (failed []error) {
	var s *subject
	for _, w := range works {
		if !chosen.MatchString(stack+" "+w.name) || w.long && !o.full && o.only == "" || stop.Err() != nil {
			continue
		}
		if s == nil {
			started, done, err := newSubject(o, stack, folder)
			if err != nil {
				return append(failed, fmt.Errorf("%s: %w", stack, err))
			}
			defer done()
			s = started
		}
		began := time.Now()
		progress("%s, %s …", stack, w.name)
		if err := w.do(s); err != nil {
			failed = append(failed, fmt.Errorf("%s, %s: %w\nthe server said:\n%s", stack, w.name, err, tail(s.log.String())))
			progress("%s, %s: failed after %.0f s: %v", stack, w.name, time.Since(began).Seconds(), err)
			continue
		}
		progress("%s, %s: %.0f s", stack, w.name, time.Since(began).Seconds())
	}
	return failed
}

// progress tells who waits how far it is.
func progress(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, time.Now().UTC().Format(time.TimeOnly)+" "+format+"\n", arguments...)
}

func tail(text string) string { return text[max(0, len(text)-2000):] }

func newSubject(o options, stack, folder string) (*subject, func(), error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, nil, err
	}
	s := &subject{stack: stack, folder: folder, scale: 1, turns: 2, done: map[string]bool{}, report: func(r result) { printLine(os.Stdout, stack, r) }}
	switch {
	case o.full:
		s.scale = 5
	case stack == "servers": // embedded, all of them are far above what is wanted
		s.turns = 3
	}
	port, port2 := freePort(), freePort()
	environment := []string{
		"FEATURESTORE_DATA=" + filepath.Join(folder, "data"),
		"FEATURESTORE_HTTP_LISTEN=127.0.0.1:" + port + ",127.0.0.1:" + port2,
	}
	var closers []io.Closer
	if stack == "servers" {
		postgres, err := servers.NewPostgres()
		if err != nil {
			return nil, nil, err
		}
		closers = append(closers, postgres)
		redis, err := servers.NewRedis(servers.RedisOptions{Fsync: "everysec"})
		if err != nil {
			return nil, nil, errors.Join(err, postgres.Close())
		}
		closers = append(closers, redis)
		s.postgres, s.redis = postgres.URL(), redis.URL()
		s.bulk = &postgresLimit{s.postgres, s.redis}
		environment = append(environment, "FEATURESTORE_POSTGRES_URL="+s.postgres, "FEATURESTORE_REDIS_URL="+s.redis)
	} else {
		limit, err := newSQLiteLimit(filepath.Join(folder, "limit_bulk.db"), filepath.Join(folder, "limit_bulk_online.db"))
		if err != nil {
			return nil, nil, err
		}
		s.bulk = limit
	}
	done := func() {
		if s.process != nil {
			s.process.stop()
		}
		for _, c := range closers {
			_ = c.Close()
		}
	}
	var err error
	if s.process, err = start("http://127.0.0.1:"+port2, "/readyz", environment, o.binary, "serve"); err != nil {
		done()
		return nil, nil, err
	}
	if err = register(s); err != nil {
		done()
		return nil, nil, err
	}
	return s, done, nil
}

// limit starts a bare server for one work on the subject's engines.
func (s *subject) limit(arguments ...string) (*process, error) {
	port := freePort()
	// It collects garbage as seldom as featurestore does.
	environment := []string{"GOGC=300", "GOMEMLIMIT=256MiB", "LIMIT_POSTGRES=" + s.postgres, "LIMIT_REDIS=" + s.redis, "LIMIT_FOLDER=" + s.folder, "LIMIT_PORT=" + port}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return start("http://127.0.0.1:"+port, "/ready", environment, self, append([]string{"limit"}, arguments...)...)
}

// serveLimit is a bare server: limit reads ENTITIES BYTES10 BYTES50, or limit writes.
func serveLimit(arguments []string) error {
	ctx := context.Background()
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.GET("/ready", func(c echo.Context) error { return c.NoContent(http.StatusOK) })
	embedded := os.Getenv("LIMIT_POSTGRES") == ""
	entities, bytes10, bytes50 := 1, 2, 2
	if arguments[0] == "reads" {
		entities, _ = strconv.Atoi(arguments[1])
		bytes10, _ = strconv.Atoi(arguments[2])
		bytes50, _ = strconv.Atoi(arguments[3])
	}
	var (
		fetch  fetcher
		commit committer
		err    error
	)
	if embedded {
		online, folder := filepath.Join(os.Getenv("LIMIT_FOLDER"), "limit_"+arguments[0]+".db"), os.Getenv("LIMIT_FOLDER")
		fetched, db, openErr := sqliteFetcher(online, entities)
		if openErr != nil {
			return openErr
		}
		fetch = fetched
		commit, err = sqliteCommitter(filepath.Join(folder, "limit_offline_"+arguments[0]+".db"), db)
	} else {
		var client rueidis.Client
		if fetch, client, err = redisFetcher(ctx, os.Getenv("LIMIT_REDIS"), entities); err != nil {
			return err
		}
		if arguments[0] == "writes" {
			commit, err = postgresCommitter(ctx, os.Getenv("LIMIT_POSTGRES"), client)
		}
	}
	if err != nil {
		return err
	}
	limitReads(e, fetch, bytes10, bytes50)
	if arguments[0] == "writes" {
		lanes := 2
		if embedded {
			lanes = 1
		}
		limitWrites(e, lanes, commit)
	}
	return e.Start("127.0.0.1:" + os.Getenv("LIMIT_PORT"))
}

// idle measures a server that was just started and has nothing to do.
func idle(s *subject) error {
	if s.stack != "embedded" {
		return nil
	}
	time.Sleep(2 * time.Second)
	s.report(result{work: "start until ready", unit: "s", ours: s.ready.Seconds(), limit: 0.2, wanted: 1, upper: true})
	s.report(result{work: "idle, all roles", unit: "MB RSS", ours: s.process.memory("VmRSS"), limit: 80, wanted: 1, upper: true,
		memory: fmt.Sprintf("%.0f MB anonymous", s.process.memory("RssAnon"))})
	return nil
}

func freePort() string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return port
}

// printHead begins the table, which is Markdown.
func printHead(out io.Writer) {
	fmt.Fprintf(out, "%s, %d cores, %s/%s, %s\n\n", time.Now().UTC().Format(time.DateOnly), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	fmt.Fprintln(out, "| stack | work | ours | limit | ratio | wanted | memory |\n|---|---|---|---|---|---|---|")
}

func printLine(out io.Writer, stack string, r result) {
	wanted := "≥ " + figure(r.wanted)
	if r.upper {
		wanted = "≤ 1"
	}
	fmt.Fprintf(out, "| %s | %s | %s %s | %s | %.2f | %s | %s |\n", stack, r.work, figure(r.ours), r.unit, figure(r.limit), r.ours/r.limit, wanted, r.memory)
}

func figure(x float64) string {
	if x < 10 {
		return strings.TrimRight(strings.TrimRight(fmt.Sprintf("%.2f", x), "0"), ".")
	}
	return fmt.Sprintf("%.0f", x)
}

func get(url string) ([]byte, error) {
	body, err := answered(http.Get(url))
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(body)
}

func postStream(url, contentType string, body io.Reader) (io.ReadCloser, error) {
	return answered(http.Post(url, contentType, body))
}

// answered is the body of an answer of 2xx; anything else is an error with the server's words.
func answered(response *http.Response, err error) (io.ReadCloser, error) {
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= 300 {
		words, _ := io.ReadAll(response.Body)
		response.Body.Close()
		return nil, fmt.Errorf("%s: %s: %s", response.Request.URL, response.Status, words)
	}
	return response.Body, nil
}

func post(url, contentType string, body io.Reader) ([]byte, error) {
	answer, err := postStream(url, contentType, body)
	if err != nil {
		return nil, err
	}
	defer answer.Close()
	return io.ReadAll(answer)
}
