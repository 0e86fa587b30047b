package runs

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"
)

// The log of a run keeps its last lines, and of those its last bytes.
const (
	tailLines = 200
	tailBytes = 16 << 10
	lineBytes = 2000 // of one line; what is longer is cut
)

// tail is the end of a log, oldest line first.
type tail struct {
	mu    sync.Mutex
	lines []string
	bytes int // of lines, with a line feed each
	fresh bool
}

// start begins with the lines that an earlier attempt left.
func (t *tail) start(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for line := range strings.Lines(text) {
		t.push(strings.TrimSuffix(line, "\n"))
	}
}

func (t *tail) add(stamp, text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for line := range strings.Lines(strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")) {
		t.push(stamp + " " + cut(strings.TrimRight(line, "\r\n")))
	}
	t.fresh = true
}

func (t *tail) push(line string) {
	t.lines = append(t.lines, line)
	t.bytes += len(line) + 1
	for len(t.lines) > tailLines || t.bytes > tailBytes {
		t.bytes -= len(t.lines[0]) + 1
		t.lines = t.lines[1:]
	}
}

// cut takes the end off a line that is too long, between characters.
func cut(line string) string {
	if len(line) <= lineBytes {
		return line
	}
	end := lineBytes
	for !utf8.RuneStart(line[end]) {
		end--
	}
	return line[:end] + "…"
}

// news is the tail as text, if a line came since the last call.
func (t *tail) news() (string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.fresh {
		return "", false
	}
	t.fresh = false
	var text strings.Builder
	for _, line := range t.lines {
		text.WriteString(line)
		text.WriteByte('\n')
	}
	return text.String(), true
}

// renew has the next call of news answer the tail again.
func (t *tail) renew() {
	t.mu.Lock()
	t.fresh = true
	t.mu.Unlock()
}

// Logf adds lines to the run's log, of which the last 200 (16 KiB) are kept and shown. It may be called often, by several goroutines: nothing
// of it waits for the database. Values and names of entities do not belong into it: it is kept when an entity is erased.
func (a *Active) Logf(format string, args ...any) {
	a.tail.add(a.runs.clock().UTC().Format("2006-01-02T15:04:05.000Z"), fmt.Sprintf(format, args...))
}

// Log is the end of a run's log, a line each; "" if it said nothing. An unknown run is a fault of kind NotFound.
func (r *Runs) Log(ctx context.Context, id int64) (string, error) {
	if _, err := r.repository.get(ctx, id); err != nil {
		return "", err
	}
	r.mu.Lock()
	active := r.active[id]
	r.mu.Unlock()
	if active != nil { // newer than the table
		if err := active.flush(ctx, false); err != nil {
			return "", unavailable(err)
		}
	}
	text, err := r.repository.readLog(ctx, id)
	return text, unavailable(err)
}

func (r repository) readLog(ctx context.Context, id int64) (string, error) {
	var found []string
	err := r.db.WithContext(ctx).Raw("SELECT lines FROM runs_logs WHERE run_id = ?", id).Scan(&found).Error
	if err != nil || len(found) == 0 {
		return "", err
	}
	return found[0], nil
}

// saveLog replaces the log of a run by what this claim of it says, unless it was claimed again.
func (r repository) saveLog(ctx context.Context, id, token int64, lines string) error {
	return r.db.WithContext(ctx).Exec("INSERT INTO runs_logs (run_id, lines) SELECT id, ? FROM runs WHERE id = ? AND token = ?"+
		" ON CONFLICT (run_id) DO UPDATE SET lines = excluded.lines", lines, id, token).Error
}

// saveNotes shows what the work says of itself. Unless it is to wait for it, a row that is in use is left as it is: false.
func (r repository) saveNotes(ctx context.Context, id int64, owner string, token int64, said notes, wait bool) (bool, error) {
	which := claimed
	if !wait {
		which = r.unlocked(claimed)
	}
	saved := r.db.WithContext(ctx).Exec("UPDATE runs SET progress = ?, inputs = ?, outputs = ?, row_count = ? WHERE "+which,
		said.progress, said.inputs, said.outputs, said.rows, id, owner, token)
	return saved.RowsAffected > 0, saved.Error
}
