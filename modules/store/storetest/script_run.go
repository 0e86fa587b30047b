package storetest

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/app/fault"
	"featurestore/modules/materialization"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/registry/value/jsonscan"
	"featurestore/modules/store"
	"featurestore/modules/store/table"
)

// caseBegins is 100d of a script.
const caseBegins = start + 100*24*3600*second

// RunScripts runs the cases of all scripts on one pair of engines and answers how many there were.
func RunScripts(t *testing.T, pair Pair, scripts []Script) (cases int) {
	world := NewWorld(t, pair)
	for _, script := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(script.Path), ".test"), func(t *testing.T) {
			for _, c := range script.Cases {
				cases++
				number := cases
				t.Run(c.Name, func(t *testing.T) {
					world.TB = t
					world.SetClock(caseBegins)
					run := &scriptRun{World: world, path: script.Path, number: number, entityOf: map[string]string{}}
					run.all(c.Statements)
				})
			}
		})
	}
	world.TB = t
	return cases
}

// scriptRun is one case on its way.
type scriptRun struct {
	*World
	path     string
	number   int
	entityOf map[string]string // script's group → script's entity type
	unsynced bool              // something was loaded that no materialization has brought online yet
	outcome  string            // of the online half of the last write
	repeated int               // observations of the last write that were there already
	loaded   int64             // the run of the last load
	line     int
}

// own is the real name behind a name of the script.
func (r *scriptRun) own(name string) string { return fmt.Sprintf("%s_%d", name, r.number) }

func (r *scriptRun) must(err error) {
	r.Helper()
	require.NoError(r, err, "%s:%d", r.path, r.line)
}

func (r *scriptRun) all(statements []Statement) {
	for _, s := range statements {
		r.line = s.Line
		if s.Refuse != "" {
			before := r.stored()
			err := r.run(s)
			problem, ok := fault.As(err)
			require.True(r, ok && problem.Slug == s.Refuse, "%s:%d: wanted the problem %s, got %v", r.path, s.Line, s.Refuse, err)
			require.Equal(r, before, r.stored(), "%s:%d: what is refused changes nothing", r.path, s.Line)
			continue
		}
		err := r.run(s)
		if problem, ok := fault.As(err); ok {
			err = fmt.Errorf("%w %v", err, problem.Violations)
		}
		r.must(err)
	}
}

func (r *scriptRun) run(s Statement) error {
	do, ok := map[string]func(*scriptRun, []string, []Line) error{
		"entity": (*scriptRun).entity, "group": (*scriptRun).group, "events": (*scriptRun).group, "add": (*scriptRun).add, "ttl": (*scriptRun).ttl,
		"retype": (*scriptRun).retype, "rename": (*scriptRun).rename,
		"id": (*scriptRun).idColumn, "duplicates": (*scriptRun).duplicates,
		"write": (*scriptRun).write, "load": (*scriptRun).load, "online": (*scriptRun).online, "lose": (*scriptRun).lose, "clock": (*scriptRun).moveClock, "materialize": (*scriptRun).materialize,
		"revert": (*scriptRun).revert, "retract": (*scriptRun).retract,
		"expect": (*scriptRun).expect, "train": (*scriptRun).train, "history": (*scriptRun).history, "export": (*scriptRun).export, "count": (*scriptRun).count,
	}[s.Words[0]]
	if !ok {
		return fmt.Errorf("there is no statement %q", s.Words[0])
	}
	return do(r, s.Words, s.Block)
}

func (r *scriptRun) moveClock(words []string, _ []Line) error {
	at, err := parseTime(words[1])
	r.SetClock(at)
	return err
}

func (r *scriptRun) materialize(words []string, _ []Line) error {
	mode := materialization.Incremental
	if len(words) > 1 {
		mode = materialization.Mode(words[1])
	}
	r.Materialize(mode, r.groups()...)
	r.unsynced = false
	return nil
}

// groups are the groups of this case, those that came by themselves too.
func (r *scriptRun) groups() []*registry.Group {
	var own []*registry.Group
	for _, g := range r.Registry.Catalog().Groups() {
		if strings.HasSuffix(g.Name, fmt.Sprintf("_%d", r.number)) {
			own = append(own, g)
		}
	}
	return own
}

// observation reads ID [@TIME] F=VALUE ….
func (r *scriptRun) observation(words []string, place string) (store.Observation, error) {
	o := store.Observation{Entity: store.Entity{Path: words[0]}, EventTime: value.NoTime, Place: place}
	for _, word := range words[1:] {
		if at, ok := strings.CutPrefix(word, "@"); ok {
			var err error
			if o.EventTime, err = parseTime(at); err != nil {
				return o, err
			}
			continue
		}
		name, raw, found := strings.Cut(word, "=")
		if !found {
			return o, fmt.Errorf("%q is no F=VALUE", word)
		}
		scanner := jsonscan.New(raw)
		checked, err := scanner.Value()
		if err == nil {
			err = scanner.End()
		}
		if err != nil {
			return o, jsonscan.Fault(err)
		}
		o.Fields = append(o.Fields, store.Field{Name: r.reference(name), Cell: table.JSONCell(checked)})
	}
	return o, nil
}

// reference is the real form of F or G:F.
func (r *scriptRun) reference(name string) string {
	if group, feature, found := strings.Cut(name, ":"); found {
		return r.own(group) + ":" + feature
	}
	return name
}

func (r *scriptRun) write(words []string, block []Line) error {
	var observations []store.Observation
	entityType := strings.TrimSuffix(words[1], ":")
	if strings.HasSuffix(words[1], ":") {
		for i, line := range block {
			o, err := r.observation(line.Words, fmt.Sprintf("rows[%d]", i))
			if err != nil {
				return err
			}
			observations = append(observations, o)
		}
	} else {
		o, err := r.observation(words[2:], "")
		if err != nil {
			return err
		}
		observations = append(observations, o)
	}
	written, err := r.Store.Write(r.ctx, r.own(entityType), observations)
	if err != nil {
		return err
	}
	for i, o := range observations {
		wanted := o.EventTime
		if wanted == value.NoTime {
			wanted = r.Now().UnixMicro()
		}
		if written.EventTimes[i] != wanted {
			return fmt.Errorf("observation %d was answered as of %d, not %d", i, written.EventTimes[i], wanted)
		}
	}
	r.outcome, r.repeated = written.Online, written.Duplicates
	r.unsynced = r.unsynced || written.Online == store.OnlinePending
	return nil
}

func (r *scriptRun) online(words []string, _ []Line) error {
	if r.outcome != words[1] {
		return fmt.Errorf("the online half of the last write is %s, not %s", r.outcome, words[1])
	}
	return nil
}

func (r *scriptRun) lose(words []string, _ []Line) error { return r.Lose(r.Group(r.own(words[1]))) }

func (r *scriptRun) load(words []string, block []Line) error {
	name := strings.TrimSuffix(words[1], ":")
	request := store.LoadRequest{Group: r.own(name)}
	creates := false
	format, counts := table.NDJSON, map[string]int64{"stored": -1, "rejected": -1, "duplicate": -1}
	for _, option := range words[2:] {
		option = strings.TrimSuffix(option, ":")
		key, text, isPair := strings.Cut(option, "=")
		switch {
		case option == "":
		case !isPair:
			var ok bool
			if format, ok = table.ParseFormat(option); !ok {
				return fmt.Errorf("%q is no format", option)
			}
		case option == "nulls=skip":
			request.SkipNulls = true
		case option == "on_error=skip":
			request.SkipBad = true
		case option == "create=true":
			creates = true
		default:
			var n int64
			if _, err := fmt.Sscan(text, &n); err != nil {
				return fmt.Errorf("%q is no option of a load", option)
			}
			counts[key] = n
		}
	}
	rows, err := r.tableOf(r.own(r.entityOf[name]), block)
	if err != nil {
		return err
	}
	request.Presence = slices.Contains(rows.columns, presence)
	body, err := rows.encode(format)
	if err != nil {
		return err
	}
	open := func() (table.Reader, error) {
		source, _, err := table.NewReader(bytes.NewReader(body), table.ReadOptions{ContentType: format.ContentType()})
		return source, err
	}
	if creates {
		request.Create = open
	}
	source, err := open()
	if err != nil {
		return err
	}
	loaded, err := r.Store.Load(r.ctx, request, source)
	if err != nil {
		return err
	}
	r.unsynced, r.loaded = true, loaded.Run
	for key, wanted := range counts {
		got := map[string]int64{"received": loaded.Received, "stored": loaded.Stored, "rejected": loaded.Rejected, "duplicate": loaded.Duplicate}[key]
		if wanted >= 0 && got != wanted {
			return fmt.Errorf("%s=%d, not %d; bad rows: %v", key, got, wanted, loaded.Bad)
		}
	}
	if sum := loaded.Stored + loaded.Duplicate + loaded.Rejected + loaded.Quarantined + loaded.Erased; sum != loaded.Received {
		return fmt.Errorf("the counts do not add up: %+v", loaded)
	}
	return nil
}

func (r *scriptRun) count(words []string, _ []Line) error {
	var wanted int
	if _, err := fmt.Sscan(words[2], &wanted); err != nil {
		return err
	}
	got, err := r.rowsOf(r.Group(r.own(words[1])))
	if err == nil && got != wanted {
		err = fmt.Errorf("%d rows, not %d", got, wanted)
	}
	return err
}

// rowsOf is how many rows a group has in history.
func (r *scriptRun) rowsOf(group *registry.Group) (n int, err error) {
	err = r.Store.Export(r.ctx, store.ExportRequest{Group: group}, func([]table.Column) (table.Writer, error) {
		return counter{&n}, nil
	})
	return n, err
}

// stored is how many rows each group of the case has.
func (r *scriptRun) stored() map[string]int {
	counts := map[string]int{}
	for _, group := range r.groups() {
		n, err := r.rowsOf(group)
		r.must(err)
		counts[group.Name] = n
	}
	return counts
}

type counter struct{ rows *int }

func (c counter) Write(rows int, _ []table.Cell) error { *c.rows += rows; return nil }
func (c counter) Close() error                         { return nil }

func (r *scriptRun) history(words []string, block []Line) error {
	entityType, err := r.entityType(words[1])
	if err != nil {
		return err
	}
	request := store.HistoryRequest{}
	if request.Key, err = store.ParseKey(entityType, words[2]); err != nil {
		return err
	}
	names := slices.Clone(words[3:])
	names[len(names)-1] = strings.TrimSuffix(names[len(names)-1], ":")
	if request.Features, err = r.features(entityType.Name, names); err != nil {
		return err
	}
	var got []string
	err = r.Store.History(r.ctx, request, func(rows *store.Rows) error {
		for i, at := range rows.EventTimes {
			line := []string{fmt.Sprintf("@%d", at-start)}
			for _, v := range rows.Row(i) {
				text := string(value.AppendJSON(nil, v))
				if v.IsAbsent() {
					text = "-"
				}
				line = append(line, text)
			}
			got = append(got, strings.Join(line, " "))
		}
		return nil
	})
	if err != nil {
		return err
	}
	var wanted []string
	for _, line := range block {
		at, err := parseTime(strings.TrimPrefix(line.Words[0], "@"))
		if err != nil {
			return err
		}
		wanted = append(wanted, strings.Join(append([]string{fmt.Sprintf("@%d", at-start)}, line.Words[1:]...), " "))
	}
	if !slices.Equal(wanted, got) {
		return fmt.Errorf("history is\n%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(wanted, "\n"))
	}
	return nil
}

func (r *scriptRun) export(words []string, block []Line) error {
	name := strings.TrimSuffix(words[1], ":")
	group := r.Group(r.own(name))
	out := &memoryTable{}
	err := r.Store.Export(r.ctx, store.ExportRequest{Group: group, Latest: len(words) > 2}, func(columns []table.Column) (table.Writer, error) {
		for _, c := range columns {
			out.columns = append(out.columns, c.Name)
		}
		return out, nil
	})
	if err != nil {
		return err
	}
	wanted, err := r.tableOf(group.EntityType.Name, block)
	if err != nil {
		return err
	}
	for i := range wanted.cells {
		if name := wanted.columns[i%len(wanted.columns)]; slices.ContainsFunc(group.Features, func(f *registry.Feature) bool { return f.Name == name }) {
			v, err := wanted.cells[i].Value(FeatureOf(group, name).ValueType, nil)
			if err != nil {
				return err
			}
			wanted.cells[i] = table.ValueCell(v)
		}
	}
	got, want := out.lines(), wanted.lines()
	if !slices.Equal(got, want) {
		return fmt.Errorf("the rows are\n%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	return nil
}

// lines writes rows down in a form in which they can be compared: sorted, each with its cells by name, without those that are missing.
func (m *memoryTable) lines() []string {
	var lines []string
	n := len(m.columns)
	for at := 0; at < len(m.cells); at += n {
		var line []string
		for i, cell := range m.cells[at : at+n] {
			if !cell.IsMissing() && m.columns[i] != presence {
				line = append(line, m.columns[i]+"="+cell.Display())
			}
		}
		sort.Strings(line)
		lines = append(lines, strings.Join(line, " "))
	}
	sort.Strings(lines)
	return lines
}
