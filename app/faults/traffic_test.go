package faults

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	writers   = 8
	accounts  = 16 // of each writer
	loadRows  = 4000
	loadTimes = 100 // rows of a load that share an event time
)

// traffic writes until it is stopped, and keeps what was sent and what was acknowledged.
type traffic struct {
	program *program
	name    string // begins the accounts' ids, so that each round has its own
	since   time.Time
	stop    chan struct{}
	done    sync.WaitGroup
	down    atomic.Bool // nothing can be stored: what is sent from now on must not be acknowledged

	mu           sync.Mutex
	sent         map[string]int64   // by account: the highest number sent
	acknowledged map[string][]int64 // by account, ascending
	online       map[string]int64   // by account: the highest number that was answered with "written"
	pending      int                // writes that were acknowledged with "pending"
	loads        map[int64]bool     // by number: whether it was acknowledged
	strange      []string           // answers that are wrong whatever happened
}

// begin starts the writers, each with accounts of its own. Their numbers rise, so that an account's newest value is its highest.
func begin(p *program, name string) *traffic {
	tr := &traffic{
		program: p, name: name, since: time.Now().Add(-time.Minute), stop: make(chan struct{}), sent: map[string]int64{}, acknowledged: map[string][]int64{},
		online: map[string]int64{}, loads: map[int64]bool{},
	}
	for w := range writers {
		tr.done.Go(func() { tr.write(w) })
	}
	return tr
}

// beginLoads starts one loader beside them, whose loads are numbered from first on, and a reader that looks for halves of them.
func (tr *traffic) beginLoads(first int64) {
	tr.done.Go(func() { tr.load(first) })
	tr.done.Go(func() { tr.look() })
}

// end stops them and waits.
func (tr *traffic) end() {
	close(tr.stop)
	tr.done.Wait()
}

func (tr *traffic) stopped() bool {
	select {
	case <-tr.stop:
		return true
	default:
		return false
	}
}

func (tr *traffic) write(w int) {
	for n := int64(1); !tr.stopped(); n++ {
		account := fmt.Sprintf("%s-%d-%d", tr.name, w, n%accounts)
		tr.mu.Lock()
		tr.sent[account] = n
		tr.mu.Unlock()
		down := tr.down.Load()
		status, online, err := tr.program.write(account, n)
		down = down && tr.down.Load()
		tr.mu.Lock()
		switch {
		case down && err == nil && status != http.StatusServiceUnavailable:
			tr.strange = append(tr.strange, fmt.Sprintf("%d of account %s was answered with %d while nothing could be stored", n, account, status))
		case err != nil || status != http.StatusOK: // something is down
		case online == "written":
			tr.acknowledged[account] = append(tr.acknowledged[account], n)
			tr.online[account] = n
		case online == "pending":
			tr.acknowledged[account] = append(tr.acknowledged[account], n)
			tr.pending++
		default:
			tr.strange = append(tr.strange, fmt.Sprintf("a write was answered with online %q", online))
		}
		tr.mu.Unlock()
		if err != nil || status != http.StatusOK {
			time.Sleep(5 * time.Millisecond)
		}
	}
}

// loadTime is the event time of a load's first rows; each load has an hour of its own in the past.
func loadTime(number int64) time.Time {
	return time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(number) * time.Hour)
}

func (tr *traffic) load(number int64) {
	for ; !tr.stopped(); number++ {
		tr.mu.Lock()
		tr.loads[number] = false
		tr.mu.Unlock()
		status, err := tr.program.load(number)
		acknowledged := err == nil && status == http.StatusOK
		tr.mu.Lock()
		tr.loads[number] = acknowledged
		tr.mu.Unlock()
		if !acknowledged {
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// load sends one load slowly enough to be hit in the middle.
func (p *program) load(number int64) (status int, err error) {
	reader, writer := io.Pipe()
	go func() {
		_, err := io.WriteString(writer, "account_id,event_time,load,place\n")
		for i := 0; i < loadRows && err == nil; i++ {
			at := loadTime(number).Add(time.Duration(i/loadTimes) * time.Second)
			_, err = fmt.Fprintf(writer, "loaded-%d,%s,%d,%d\n", i, at.Format(time.RFC3339), number, i)
			if i%400 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		_ = writer.CloseWithError(err)
	}()
	request, err := http.NewRequest("POST", p.store+"/rows/loads", reader)
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "text/csv")
	response, err := client.Do(request)
	if err != nil {
		_ = reader.CloseWithError(err)
		return 0, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}

// look reads the newest loads again and again: each must be whole or not there.
func (tr *traffic) look() {
	for !tr.stopped() {
		time.Sleep(20 * time.Millisecond)
		tr.mu.Lock()
		newest := int64(-1)
		for number := range tr.loads {
			newest = max(newest, number)
		}
		tr.mu.Unlock()
		for number := newest; number >= 0 && number > newest-2; number-- {
			rows, err := tr.program.loaded(number)
			if err == nil && rows != 0 && rows != loadRows {
				tr.mu.Lock()
				tr.strange = append(tr.strange, fmt.Sprintf("load %d was seen with %d of %d rows", number, rows, loadRows))
				tr.mu.Unlock()
			}
		}
	}
}

// loaded counts the rows of a load in the offline store.
func (p *program) loaded(number int64) (rows int, err error) {
	err = p.export("loads", loadTime(number), loadTime(number+1), func(row map[string]string) error {
		if row["load"] != strconv.FormatInt(number, 10) {
			return fmt.Errorf("row %v is not of load %d", row, number)
		}
		rows++
		return nil
	})
	return rows, err
}

// export reads the rows of a group; the zero time is open.
func (p *program) export(group string, from, to time.Time, row func(map[string]string) error) error {
	request, err := http.NewRequest("GET", p.store+"/rows/"+group, nil)
	if err != nil {
		return err
	}
	query := request.URL.Query()
	if !from.IsZero() {
		query.Set("from", from.Format(time.RFC3339Nano))
	}
	if !to.IsZero() {
		query.Set("to", to.Format(time.RFC3339Nano))
	}
	request.URL.RawQuery = query.Encode()
	request.Header.Set("Accept", "text/csv")
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(response.Body)
		return fmt.Errorf("%d %s", response.StatusCode, text)
	}
	reader := csv.NewReader(response.Body)
	header, err := reader.Read()
	if err != nil {
		return err
	}
	header = slices.Clone(header)
	for {
		fields, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		named := map[string]string{}
		for i, name := range header {
			named[name] = fields[i]
		}
		if err := row(named); err != nil {
			return err
		}
	}
}

// numbers reads the offline store: the numbers that each of the accounts has of a feature, ascending.
func (tr *traffic) numbers(group, feature string) (map[string][]int64, error) {
	found := map[string][]int64{}
	err := tr.program.export(group, tr.since, time.Time{}, func(row map[string]string) error {
		if !strings.HasPrefix(row["account_id"], tr.name+"-") {
			return nil
		}
		n, err := strconv.ParseInt(row[feature], 10, 64)
		if err != nil {
			return fmt.Errorf("row %v: %w", row, err)
		}
		if text, ok := row["n_text"]; ok && text != row[feature] {
			return fmt.Errorf("row %v is half of one and half of another", row)
		}
		found[row["account_id"]] = append(found[row["account_id"]], n)
		return nil
	})
	for _, numbers := range found {
		slices.Sort(numbers)
	}
	return found, err
}

// missing reads the offline store and names the first of what is not as it should be.
func (tr *traffic) missing() (count int, example string, err error) {
	numbers, err := tr.numbers("numbers", "n")
	if err != nil {
		return 0, "", err
	}
	mirrors, err := tr.numbers("mirrors", "mirror")
	if err != nil {
		return 0, "", err
	}
	count, example = tr.lost(numbers)
	for account, n := range numbers {
		if !slices.Equal(n, mirrors[account]) {
			count, example = count+1, fmt.Sprintf("account %s has %d numbers and %d mirrors of them, written in one transaction", account, len(n), len(mirrors[account]))
		}
	}
	return count, example, nil
}

// lost compares what was acknowledged with what is there, and names the first of what is missing or was never sent.
func (tr *traffic) lost(found map[string][]int64) (missing int, example string) {
	note := func(format string, args ...any) {
		missing++
		if example == "" {
			example = fmt.Sprintf(format, args...)
		}
	}
	for account, numbers := range tr.acknowledged {
		there := found[account]
		for _, n := range numbers {
			if _, ok := slices.BinarySearch(there, n); !ok {
				note("%d of account %s was acknowledged and is not there", n, account)
			}
		}
		for i, n := range there {
			if n > tr.sent[account] {
				note("%d of account %s was never sent", n, account)
			}
			if i > 0 && there[i-1] == n {
				note("%d of account %s is there twice", n, account)
			}
		}
	}
	return missing, example
}

// verify looks whether all of it is there: offline at once, online at once as far as an answer said so and within half a minute
// for the rest.
func (tr *traffic) verify(t *testing.T) {
	t.Helper()
	require.Empty(t, tr.strange)
	missing, example, err := tr.missing()
	require.NoError(t, err)
	require.Zero(t, missing, example)

	require.NoError(t, tr.behind(tr.online), "what was answered as written online")
	newest := tr.newest()
	await(t, 30*time.Second, "the online copy meets the offline store", func() error { return tr.behind(newest) })

	for number, acknowledged := range tr.loads {
		rows, err := tr.program.loaded(number)
		require.NoError(t, err)
		if acknowledged || rows != 0 {
			require.Equal(t, loadRows, rows, "load %d, acknowledged: %v", number, acknowledged)
		}
	}
}

// newest is the highest acknowledged number of each account.
func (tr *traffic) newest() map[string]int64 {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	newest := map[string]int64{}
	for account, numbers := range tr.acknowledged {
		newest[account] = numbers[len(numbers)-1]
	}
	return newest
}

// known is the highest number of some accounts that was answered as written online.
func (tr *traffic) known() map[string]int64 {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	known := map[string]int64{}
	for account, n := range tr.online {
		if known[account] = n; len(known) == 20 {
			break
		}
	}
	return known
}

// behind says which account's value read online is older than that number.
func (tr *traffic) behind(least map[string]int64) error {
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(least)), atOnce) {
		v, err := tr.program.read(ids, "n", "mirror")
		if err != nil {
			return err
		}
		for i, account := range v.IDs {
			for _, feature := range []string{"n", "mirror"} {
				got := v.Features[feature][i]
				if got == nil || *got < least[account] {
					return fmt.Errorf("%s of %s reads as %s %s, and %d was acknowledged", feature, account, v.Statuses[feature][i], shown(got), least[account])
				}
			}
		}
	}
	return nil
}

// atOnce is how many accounts are read in one call: so many are answered by the offline store where the online store is not there.
const atOnce = 50

func shown(n *int64) string {
	if n == nil {
		return "null"
	}
	return strconv.FormatInt(*n, 10)
}

// acknowledgements counts them.
func (tr *traffic) acknowledgements() (count int) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for _, numbers := range tr.acknowledged {
		count += len(numbers)
	}
	return count
}

// awaitMore waits until so many more writes have been acknowledged, then a moment more, of a length left to chance.
func (tr *traffic) awaitMore(t *testing.T, more int) {
	t.Helper()
	want := tr.acknowledgements() + more
	await(t, time.Minute, "writes are acknowledged", func() error {
		if got := tr.acknowledgements(); got < want {
			return fmt.Errorf("%d of %d", got, want)
		}
		return nil
	})
	time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond)
}
