package batch

import (
	"cmp"
	"fmt"
	"slices"

	"featurestore/modules/store"
)

// Result is what a run came to. Of one that failed or is held it is what was published before, or besides.
type Result struct {
	Pipeline string `json:"pipeline"`
	Version  int    `json:"version"` // of the definition
	Group    string `json:"group"`
	Engine   string `json:"engine"`

	Ticks     int    `json:"ticks"`     // that were published
	Late      int    `json:"late"`      // of them those whose source had changed since they were published before
	Published []Span `json:"published"` // by the run: those too that an earlier attempt of it has published

	Rows        int64 `json:"rows"` // stored + unchanged + rejected + quarantined + erased
	Stored      int64 `json:"stored"`
	Unchanged   int64 `json:"unchanged"`  // that said what the newest of the pipeline at that entity and tick says
	TakenBack   int64 `json:"taken_back"` // rows of earlier runs at these ticks that are wrong now
	Rejected    int64 `json:"rejected"`
	Quarantined int64 `json:"quarantined"`
	Erased      int64 `json:"erased"`

	Held        []HeldTick `json:"held,omitempty"`
	Publication int64      `json:"publication_run_id,omitempty"` // that brings the rows online
	Validation  int64      `json:"validation_run_id,omitempty"`  // that judges what is left to judge of them
	Unpublished []Moment   `json:"unpublished,omitempty"`        // the ticks that it failed at: none of them is published by it
}

// Span is some ticks that follow each other.
type Span struct {
	From Moment `json:"from"`
	To   Moment `json:"to"`
}

// maxSpans is how many a result lists; of more it has one that spans all of them.
const maxSpans = 200

// spans puts ticks together that follow each other in a pipeline's cycle.
func spans(plan *Plan, ticks []int64) []Span {
	all := []Span{}
	for i, tick := range ticks {
		if i > 0 {
			if next, found := plan.Ticks.After(ticks[i-1]); found && next == tick {
				all[len(all)-1].To = Moment(tick)
				continue
			}
		}
		all = append(all, Span{Moment(tick), Moment(tick)})
	}
	if len(all) > maxSpans {
		all = []Span{{all[0].From, all[len(all)-1].To}}
	}
	return all
}

// Inputs are what a run has read: a group and where it stood when the last ticks were computed, or a table or files.
type Inputs struct {
	Group string       `json:"group,omitempty"`
	Place *store.Place `json:"place,omitempty"`

	Connection string `json:"connection,omitempty"`
	Table      string `json:"table,omitempty"` // of a query: ""

	Root  string `json:"root,omitempty"`
	Files string `json:"files,omitempty"`
}

func inputsOf(plan *Plan, place store.Place) Inputs {
	switch source := &plan.Source; {
	case source.Group != nil:
		return Inputs{Group: source.Group.Name, Place: &place}
	case source.Table != nil:
		name := source.Table.Name
		if source.Table.Schema != "" {
			name = source.Table.Schema + "." + name
		}
		return Inputs{Connection: source.Table.Connection, Table: name}
	default:
		return Inputs{Root: source.Files.Root, Files: source.Files.Pattern}
	}
}

// Outputs are what a run has written so far.
type Outputs struct {
	Group string `json:"group"`
	Ticks []Span `json:"ticks"`
}

// HeldTick is a tick that was not published since it has far fewer rows than usual.
type HeldTick struct {
	Tick  Moment `json:"tick"`
	Rows  int64  `json:"rows"`
	Usual int64  `json:"usual"` // the median of the ticks before it
}

// add counts what became of a chunk.
func (r *Result) add(ticks []int64, late int, published *store.Published) {
	r.Ticks += len(ticks)
	r.Late += late
	r.Rows += published.Received
	r.Stored += published.Stored
	r.Unchanged += published.Duplicate
	r.TakenBack += published.TakenBack
	r.Rejected += published.Rejected
	r.Quarantined += published.Quarantined
	r.Erased += published.Erased
	r.Publication = cmp.Or(published.Publication, r.Publication)
	r.Validation = cmp.Or(published.Validation, r.Validation)
}

// span names ticks in a sentence.
func span(ticks []int64) string {
	switch len(ticks) {
	case 0:
		return "no tick"
	case 1:
		return "the tick " + Moment(ticks[0]).String()
	}
	return fmt.Sprintf("%d ticks from %s to %s", len(ticks), Moment(ticks[0]), Moment(ticks[len(ticks)-1]))
}

// heldBack says why ticks are held back.
func heldBack(held []HeldTick, ratio float64) string {
	slices.SortFunc(held, func(a, b HeldTick) int { return cmp.Compare(a.Tick, b.Tick) })
	named := fmt.Sprintf("the tick %s has %d rows, where %d are usual", held[0].Tick, held[0].Rows, held[0].Usual)
	if more := len(held) - 1; more > 0 {
		named += fmt.Sprintf(" (and %d more ticks are like it)", more)
	}
	return fmt.Sprintf("%s: less than min_rows_ratio %g of them, so its source is probably not complete, and it is not published: run the pipeline again once it is, or retry this run with force=true", named, ratio)
}
