package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

type quarantinePage struct {
	asked
	Counts []groupCounts // of each group of which a row was ever kept out
	Rows   []quarantined
	Next   string
}

// States are all that entries can be in.
func (p quarantinePage) States() []string {
	return []string{"waiting", "replayed", "discarded", "expired", "all"}
}

// Waits tells whether the page is of rows that wait, which can be replayed and discarded.
func (p quarantinePage) Waits() bool { return p.Get("state") == "" || p.Get("state") == "waiting" }

// Filter is what narrows the list, for the actions on all of it.
func (p quarantinePage) Filter() []field {
	filter := fieldsOf(p.Asked, "group", "rule", "run_id")
	if len(filter) == 0 {
		return []field{{"all", "true"}}
	}
	return filter
}

// Which says in words what Filter does.
func (p quarantinePage) Which() string {
	which := "every waiting row"
	for _, f := range p.Filter() {
		switch f.Name {
		case "group":
			which += " of " + f.Value
		case "rule":
			which += " that breaks " + f.Value
		case "run_id":
			which += " of run " + f.Value
		}
	}
	return which
}

// ForAll are the actions on all rows that fit.
func (p quarantinePage) ForAll() []offer {
	return []offer{
		{Action: "try-replay", Label: "Try all that fit", Class: "secondary outline", Fields: p.Filter()},
		{Action: "replay", Label: "Replay all that fit", Class: "secondary", Fields: p.Filter()},
		{Action: "discard", Label: "Discard all that fit", Class: "secondary", Confirm: "Discard " + p.Which() + "? Their values are deleted, for good.", Fields: p.Filter()},
	}
}

// groupCounts are how many rows of a group rules kept out, by what became of them.
type groupCounts struct {
	Group     string `json:"group"`
	Waiting   int64  `json:"waiting"`
	Replayed  int64  `json:"replayed"`
	Discarded int64  `json:"discarded"`
	Expired   int64  `json:"expired"`
	Erased    int64  `json:"erased"`
	Reverted  int64  `json:"reverted"`
}

type quarantineCounts struct {
	Groups []groupCounts `json:"groups"`
}

func (c quarantineCounts) waiting() (n int64) {
	for _, group := range c.Groups {
		n += group.Waiting
	}
	return n
}

// quarantined is a row that rules keep out of the stores.
type quarantined struct {
	ID         string          `json:"id"`
	Group      string          `json:"group"`
	EntityType string          `json:"entity_type"`
	EntityID   json.RawMessage `json:"entity_id"`
	EventTime  string          `json:"event_time"`
	State      string          `json:"state"`
	Since      time.Time       `json:"quarantined_at"`
	Ended      time.Time       `json:"ended_at"`
	Version    int             `json:"version"`
	Features   json.RawMessage `json:"features"`
	Broken     []breach        `json:"broken"`
	Source     struct {
		Way  string `json:"way"`
		Run  int64  `json:"run_id"`
		File string `json:"file"`
		Row  int64  `json:"row"`
	} `json:"source"`
}

// breach is a rule that a row breaks.
type breach struct {
	Rule     string          `json:"rule"`
	Feature  string          `json:"feature"`
	Value    json.RawMessage `json:"value"`
	Expected string          `json:"expected"`
}

// sentence says it in words.
func (b breach) sentence() string {
	text := b.Rule
	if b.Feature != "" {
		text += ": " + b.Feature
	}
	if len(b.Value) > 0 {
		text += " is " + showJSON(b.Value)
	}
	if b.Expected != "" {
		text += ", expected " + b.Expected
	}
	return text
}

// Class is the style of its state.
func (q quarantined) Class() string {
	if q.State == "waiting" {
		return "fair"
	}
	return "none"
}

// Waiting tells whether it can be amended, replayed or discarded.
func (q quarantined) Waiting() bool { return q.State == "waiting" }

// ForOne are the actions on it.
func (q quarantined) ForOne() []offer {
	id := []field{{"id", q.ID}}
	return []offer{
		{Action: "replay", Label: "Replay", Fields: id},
		{Action: "discard", Label: "Discard", Class: "secondary", Confirm: "Discard this row? Its values are deleted, for good.", Fields: id},
	}
}

// quarantineFilters are the members of the address that narrow the list; each is one of GET /quarantine.
var quarantineFilters = []string{"group", "rule", "run_id", "state"}

func (w *Web) quarantine(r *http.Request) (any, error) {
	p := quarantinePage{asked: asked{r.URL.Query()}}
	var found struct {
		Rows []quarantined `json:"rows"`
		Next string        `json:"next_page_token"`
	}
	if err := w.api.get(r.Context(), "/quarantine", narrowed(p.Asked, quarantineFilters, perPage), &found); err != nil {
		return nil, err
	}
	var counts quarantineCounts
	if err := w.api.get(r.Context(), "/quarantine/counts", nil, &counts); err != nil {
		return nil, err
	}
	p.Counts, p.Rows, p.Next = counts.Groups, found.Rows, nextPage("/admin/quarantine", p.Asked, quarantineFilters, found.Next)
	return p, nil
}

// selected names the quarantined rows of a form: those whose ids it has, or all that fit.
func selected(form url.Values) map[string]any {
	if ids := form["id"]; len(ids) > 0 {
		return map[string]any{"ids": ids}
	}
	body := map[string]any{}
	for _, f := range fieldsOf(form, "group", "rule") {
		body[f.Name] = f.Value
	}
	if given := form.Get("run_id"); given != "" {
		body["run_id"] = given // which the API refuses, as it does what is no number: to leave it out would take more rows
		if run, err := strconv.ParseInt(given, 10, 64); err == nil {
			body["run_id"] = run
		}
	}
	if form.Get("all") != "" {
		body["all"] = true
	}
	return body
}

// unchosen says that a form selects no row; nil: it does.
func unchosen(form url.Values) *problem {
	if len(selected(form)) > 0 {
		return nil
	}
	return &problem{Title: "Nothing is chosen", Status: http.StatusUnprocessableEntity, Detail: "Tick the rows that it is to be done with."}
}

// mostAtOnce is how many rows one action on all that fit looks at; where there are more, it offers to go on.
const mostAtOnce = "10000"

// aboutSelected is a call about the rows that a form selects.
func aboutSelected(at string, dry bool) func(form url.Values) (string, string, url.Values, any) {
	return func(form url.Values) (string, string, url.Values, any) {
		query := url.Values{}
		if len(form["id"]) == 0 {
			query.Set("limit", mostAtOnce)
		}
		if token := form.Get("page_token"); token != "" {
			query.Set("page_token", token)
		}
		if dry {
			query.Set("dry_run", "true")
		}
		return http.MethodPost, at, query, selected(form)
	}
}

// goOn offers an action on what is left of a selection.
func goOn(action, label, token string, form url.Values) []offer {
	if token == "" {
		return nil
	}
	return []offer{{Action: action, Label: label, Class: "secondary", Fields: append(fieldsOf(form, "group", "rule", "run_id", "all"), field{"page_token", token})}}
}

// replayed is what came of rows that were to be replayed.
type replayed struct {
	Selected  int64 `json:"selected"`
	Replayed  int64 `json:"replayed"`
	Duplicate int64 `json:"duplicate"`
	Waiting   int64 `json:"waiting"`
	Erased    int64 `json:"erased"`
	Gone      int64 `json:"gone"`
	Failed    []struct {
		Group  string   `json:"group"`
		Broken []breach `json:"broken"`
		Reason string   `json:"reason"`
	} `json:"failed"`
	Next string `json:"next_page_token"`
}

// failuresShown is how many rows that still wait an answer tells of.
const failuresShown = 5

// replay stores rows whom today's rules keep, or with dry tells what would be.
func replay(title string, dry bool) action {
	made := asking(title, aboutSelected("/quarantine/replay", dry), func(a replayed, form url.Values) outcome {
		said := outcome{Done: fmt.Sprintf("%s stored, %s still waiting.", plural(a.Replayed, "row"), count(a.Waiting))}
		if dry {
			said.Done = fmt.Sprintf("%s would be stored, %s would go on waiting. Nothing was changed.", plural(a.Replayed, "row"), count(a.Waiting))
		}
		if a.Selected == 0 {
			said.Done, said.Class = "No such row waits.", "fair"
		}
		for _, left := range []struct {
			n    int64
			what string
		}{{a.Duplicate, "was stored already"}, {a.Erased, "is of an erased entity"}, {a.Gone, "was replayed or discarded by somebody else"}} {
			if left.n > 0 {
				said.Lines = append(said.Lines, fmt.Sprintf("%s × %s", count(left.n), left.what))
			}
		}
		if a.Waiting > 0 {
			said.Class = "fair"
		}
		for _, failed := range a.Failed[:min(len(a.Failed), failuresShown)] {
			if failed.Reason != "" {
				said.Lines = append(said.Lines, failed.Reason)
			}
			for _, broken := range failed.Broken {
				said.Lines = append(said.Lines, broken.sentence())
			}
		}
		said.Lines = slices.Compact(said.Lines)
		action := "replay"
		if dry {
			action = "try-replay"
		}
		said.Next = goOn(action, "Go on with older rows", a.Next, form)
		if dry && a.Replayed > 0 {
			said.Next = append(said.Next, offer{Action: "replay", Label: "Replay them", Fields: fieldsOf(form, "id", "group", "rule", "run_id", "all", "page_token")})
		}
		return said
	})
	made.wrong = unchosen
	return made
}

// discard gives rows up.
func discard() action {
	made := asking("Discard", aboutSelected("/quarantine/discard", false), func(a struct {
		Discarded int64  `json:"discarded"`
		Next      string `json:"next_page_token"`
	}, form url.Values) outcome {
		said := outcome{Done: plural(a.Discarded, "row") + " discarded.", Next: goOn("discard", "Discard older rows too", a.Next, form)}
		if a.Discarded == 0 {
			said = outcome{Done: "No such row waits.", Class: "fair"}
		}
		return said
	})
	made.wrong = unchosen
	return made
}
