package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"featurestore/modules/materialization"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/store/table"
)

// RunKnownHistories tells so many random histories to a store: writes, loads, corrections, columns, widening, generations, renames, TTLs,
// services, with loads under way. At random moments it takes training sets with their tokens, and at the end each of them is asked for
// again, by the same names: it must be the same to the byte. The control, which forgets what was under way when a token was made, must get
// others.
func RunKnownHistories(t *testing.T, pair Pair, histories int) {
	world := NewWorld(t, pair)
	number, failure := 0, ""
	var answers, without atomic.Int64
	defer func() {
		if t.Failed() {
			t.Log("the last failure:", failure)
		}
	}()
	tell := func(n int) {
		SetChecks(t, n)
		rapid.Check(t, func(t *rapid.T) {
			number++
			h := &remembering{telling: &telling{T: t, world: world, number: number, failure: &failure}}
			h.begin()
			h.serve()
			for range rapid.SampledFrom([]int{4, 7, 10}).Draw(t, "steps") {
				h.step()
			}
			answers.Add(int64(len(h.told)))
			without.Add(h.askAgain())
		})
	}
	tell(histories)
	for end := time.Now().Add(time.Minute); without.Load() == 0 && time.Now().Before(end) && !t.Failed(); {
		tell(1)
	}
	t.Logf("measured: %d histories, %d training sets the same when asked for again; %d would be others without what was under way", number, answers.Load(), without.Load())
	require.True(t, t.Failed() || without.Load() > 0)
}

// remembering is a history with the training sets that were taken of it.
type remembering struct {
	*telling
	renamed int
	told    []toldSet
}

// toldSet is a training set that was answered.
type toldSet struct {
	ask   func(*store.Moment) (body []byte, token string, err error)
	body  []byte
	token string
}

func (h *remembering) step() {
	groups := []string{h.name("spending"), h.name("profile")}
	switch rapid.SampledFrom([]string{"write", "write", "load", "under way", "under way", "clock", "column", "ttl", "retype", "widen", "rename", "service", "materialize", "take", "take"}).Draw(h.T, "step") {
	case "write":
		h.write(h.draw(append(groups, h.entityType)...))
	case "load":
		group := rapid.SampledFrom(groups).Draw(h.T, "group")
		h.load(group, h.draw(group))
	case "under way":
		h.loadUnderWay(rapid.SampledFrom(groups).Draw(h.T, "group"))
	case "clock":
		h.setClock(h.clock + rapid.SampledFrom([]int64{1, unit, 2 * unit}).Draw(h.T, "later"))
	case "column":
		group := rapid.SampledFrom(groups).Draw(h.T, "group")
		added := Column{fmt.Sprintf("added%d", len(h.columns[group])), rapid.SampledFrom([]value.Type{value.Integer, value.String, value.Float}).Draw(h.T, "type")}
		h.columns[group] = append(h.columns[group], added)
		h.change(group, map[string]any{"features": columnsAsJSON([]Column{added})})
	case "ttl":
		var ttl any
		if text := h.drawTTL(); text != "" {
			ttl = text
		}
		h.change(rapid.SampledFrom(groups).Draw(h.T, "group"), map[string]any{"ttl": ttl})
	case "retype":
		h.retype(rapid.SampledFrom(groups).Draw(h.T, "group"))
	case "widen":
		if !h.widened {
			h.widened = true
			h.columns[h.entityType] = []Column{{"draft", value.Float}}
			h.write([]told{{key: h.keys[1], at: h.clock, values: map[string]Values{h.entityType: {"draft": value.OfFloat(0.5)}}}})
		}
	case "rename":
		h.rename(rapid.SampledFrom(groups).Draw(h.T, "group"))
	case "service":
		h.serve()
	case "materialize":
		h.materialize(materialization.Incremental)
	case "take":
		h.take()
	}
}

// rename gives a feature another name.
func (h *remembering) rename(group string) {
	i := rapid.IntRange(0, len(h.columns[group])-1).Draw(h.T, "renamed")
	h.renamed++
	was := h.columns[group][i]
	is := Column{fmt.Sprintf("renamed%d", h.renamed), was.Type}
	columns := append([]Column(nil), h.columns[group]...)
	columns[i] = is
	h.columns[group] = columns
	h.change(group, map[string]any{"features": []any{map[string]any{"name": is.Name, "renamed_from": []string{was.Name}}}})
}

// serve makes or changes the service.
func (h *remembering) serve() {
	features := rapid.SliceOfNDistinct(rapid.SampledFrom(h.references()), 1, 4, rapid.ID[string]).Draw(h.T, "served")
	require.NoError(h, h.world.Apply(map[string]any{"services": []any{map[string]any{"name": h.name("service"), "features": features}}}))
}

func (h *remembering) references() (all []string) {
	for _, group := range h.groups() {
		for _, f := range group.Features {
			all = append(all, f.Reference())
		}
	}
	return all
}

// take makes a training set and keeps it: of the service, or of features by their names of now.
func (h *remembering) take() {
	names := h.references()
	service := rapid.Bool().Draw(h.T, "of the service")
	if !service {
		names = rapid.SliceOfNDistinct(rapid.SampledFrom(names), 1, len(names), rapid.ID[string]).Draw(h.T, "features")
	}
	request := store.TrainingRequest{Statuses: rapid.Bool().Draw(h.T, "statuses"), EventTimestamps: rapid.Bool().Draw(h.T, "times"), Typed: true,
		Resolve: func(catalog *registry.Catalog) (found []store.Requested, err error) {
			of := names
			if service {
				s, err := catalog.Service(h.name("service"))
				if err != nil {
					return nil, err
				}
				of = s.References
			}
			for _, name := range of {
				f, err := catalog.ResolveReference(name)
				if err != nil {
					return nil, err
				}
				found = append(found, store.Requested{Feature: f, Column: fmt.Sprintf("%s, which is %s@%d of %s for %s", name, f.Reference(), f.Version, f.ValueType, f.Group.TTL)})
			}
			return found, nil
		}}
	format := rapid.SampledFrom([]table.Format{table.CSV, table.NDJSON, table.Arrow, table.Parquet}).Draw(h.T, "format")
	times := make([]int64, len(h.keys))
	for i := range times {
		times[i] = h.drawTime()
	}
	ask := func(moment *store.Moment) ([]byte, string, error) {
		request := request
		request.Moment = moment
		var body bytes.Buffer
		token := ""
		_, err := h.world.Store.TrainingSet(h.world.ctx, request, h.spine(times), func(head store.Head) (table.Writer, error) {
			token = head.KnownAt
			return table.NewWriter(format, &body, head.Columns)
		})
		return body.Bytes(), token, err
	}
	body, token, err := ask(nil)
	require.NoError(h, err)
	require.NotEmpty(h, token)
	h.told = append(h.told, toldSet{ask, body, token})
}

func (h *remembering) spine(times []int64) *memoryTable {
	spine := &memoryTable{columns: []string{"event_time"}}
	for i := range h.keys[0].Values {
		spine.columns = append(spine.columns, fmt.Sprintf("k%d", i))
	}
	for i, key := range h.keys {
		spine.cells = append(spine.cells, table.ValueCell(value.OfTime(times[i])))
		for _, v := range key.Values {
			spine.cells = append(spine.cells, table.ValueCell(v))
		}
	}
	return spine
}

// pausingTable gives all that it has, and then waits before it ends.
type pausingTable struct {
	*memoryTable
	given, goOn chan struct{}
}

func (p *pausingTable) Next() (*table.Batch, error) {
	batch, err := p.memoryTable.Next()
	if errors.Is(err, io.EOF) {
		close(p.given)
		<-p.goOn
	}
	return batch, err
}

// underWayRows is so many that an engine begins to write before it has all of them.
const underWayRows = 3000

// loadUnderWay takes training sets while a load is open, and while it is being committed.
func (h *remembering) loadUnderWay(name string) {
	group := h.world.Group(name)
	t := &pausingTable{&memoryTable{}, make(chan struct{}), make(chan struct{})}
	for _, k := range group.EntityType.JoinKeys {
		t.columns = append(t.columns, k.Name)
	}
	t.columns = append(t.columns, "event_time", group.Features[0].Name)
	drawn := h.draw(name)
	v := h.drawValue(Column{"value", group.Features[0].ValueType})
	for i := range underWayRows {
		o := drawn[i%len(drawn)]
		for _, v := range o.key.Values {
			t.cells = append(t.cells, table.ValueCell(v))
		}
		t.cells = append(t.cells, table.ValueCell(value.OfTime(o.at)), table.ValueCell(v))
	}
	done := make(chan error, 1)
	go func() {
		_, err := h.world.Store.Load(h.world.ctx, store.LoadRequest{Group: name}, t)
		done <- err
	}()
	<-t.given
	h.take()
	h.write(h.draw(h.name("spending"), h.name("profile")))
	h.take()
	close(t.goOn)
	for range 3 {
		if len(done) == 0 {
			h.take()
		}
	}
	require.NoError(h, <-done)
}

// askAgain asks for every training set as known then. It answers how many would be others without what was under way.
func (h *remembering) askAgain() (without int64) {
	again := func(told toldSet) ([]byte, string) {
		moment, err := h.world.Store.KnownAt(h.world.ctx, told.token, nil)
		require.NoError(h, err)
		body, token, err := told.ask(moment)
		require.NoError(h, err)
		return body, token
	}
	for i, told := range h.told {
		body, token := again(told)
		if !bytes.Equal(told.body, body) {
			h.Fatalf("training set %d of %d is another when it is asked for again:\n%q\nwas\n%q", i, len(h.told), body, told.body)
		}
		require.Equal(h, told.token, token)
		h.world.forgetting.Store(true)
		if body, _ := again(told); !bytes.Equal(told.body, body) {
			without++
		}
		h.world.forgetting.Store(false)
	}
	return without
}
