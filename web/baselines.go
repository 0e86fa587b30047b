package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

type baselinesPage struct {
	asked
	Baselines []baseline
	Groups    []definition
	Next      string
}

// baseline is what features of a group are compared with.
type baseline struct {
	Name        string   `json:"name"`
	Group       string   `json:"group"`
	Features    []string `json:"features"`
	Owner       string   `json:"owner"`
	Description string   `json:"description"`
	Version     int      `json:"version"`
	Source      struct {
		Window *struct {
			From string `json:"from"`
			To   string `json:"to"`
		} `json:"window"`
		Run      int64 `json:"run"`
		Previous *struct {
			Period string `json:"period"`
		} `json:"previous"`
		TrainingSet json.RawMessage `json:"training_set"`
	} `json:"source"`
	Frozen *frozen // nil: nothing is
}

// About is which values it is of.
func (b baseline) About() string {
	switch s := b.Source; {
	case s.Window != nil:
		return "event times from " + s.Window.From + " to before " + s.Window.To
	case s.Run != 0:
		return fmt.Sprintf("what run %d brought", s.Run)
	case s.Previous != nil:
		return "the " + s.Previous.Period + " before what is judged"
	}
	return "a training set, which is sent"
}

// Freezable tells whether a call without a table freezes it.
func (b baseline) Freezable() bool {
	return b.Frozen == nil && (b.Source.Window != nil || b.Source.Run != 0)
}

// Moves tells whether it moves along with what is judged, so that nothing is ever frozen.
func (b baseline) Moves() bool { return b.Source.Previous != nil }

// frozen is what is kept of a baseline.
type frozen struct {
	Version  int       `json:"version"`
	Rows     int64     `json:"rows"`
	FrozenAt time.Time `json:"frozen_at"`
	Features []struct {
		Feature string `json:"feature"`
		Kind    string `json:"kind"`
		Rows    int64  `json:"rows"`
		Nulls   int64  `json:"nulls"`
		Bins    int    `json:"bins"`
	} `json:"features"`
}

// baselineFilters are the members of the address that narrow the list; each is one of GET /baselines.
var baselineFilters = []string{"group"}

func (w *Web) baselines(r *http.Request) (any, error) {
	ctx := r.Context()
	p := baselinesPage{asked: asked{r.URL.Query()}}
	var found struct {
		Baselines []baseline `json:"baselines"`
		Next      string     `json:"next_page_token"`
	}
	if err := w.api.get(ctx, "/baselines", narrowed(p.Asked, baselineFilters, perPage), &found); err != nil {
		return nil, err
	}
	var groups struct {
		Groups []definition `json:"groups"`
	}
	if err := w.api.get(ctx, "/groups", url.Values{"limit": {"1000"}}, &groups); ignoreMissing(err) != nil {
		return nil, err
	}
	for i := range found.Baselines {
		var err error
		if found.Baselines[i].Frozen, err = w.frozenOf(ctx, &found.Baselines[i]); err != nil {
			return nil, err
		}
	}
	p.Baselines, p.Groups, p.Next = found.Baselines, groups.Groups, nextPage("/admin/baselines", p.Asked, baselineFilters, found.Next)
	return p, nil
}

// frozenOf is what is frozen for a baseline as it is defined now; nil if nothing is.
func (w *Web) frozenOf(ctx context.Context, b *baseline) (*frozen, error) {
	if b.Moves() {
		return nil, nil
	}
	found := &frozen{}
	err := w.api.get(ctx, path("baselines", b.Name, "frozen"), nil, found)
	if p := (*problem)(nil); errors.As(err, &p) && p.Status == http.StatusNotFound {
		return nil, nil
	}
	return found, err
}

// registerBaseline defines a baseline, with the source of which a member is given.
func registerBaseline() action {
	return asking("Register", func(form url.Values) (string, string, url.Values, any) {
		source := map[string]any{}
		if from, to := form.Get("from"), form.Get("to"); from != "" || to != "" {
			source["window"] = map[string]string{"from": from, "to": to}
		}
		if run := form.Get("run"); run != "" {
			source["run"] = run
			if number, err := strconv.ParseInt(run, 10, 64); err == nil {
				source["run"] = number
			}
		}
		if period := form.Get("period"); period != "" {
			source["previous"] = map[string]string{"period": period}
		}
		return http.MethodPost, "/baselines", nil, map[string]any{"name": form.Get("name"), "group": form.Get("group"), "source": source}
	}, func(answer baseline, _ url.Values) outcome {
		said := outcome{Done: fmt.Sprintf("The baseline %s is registered.", answer.Name)}
		if answer.Freezable() {
			said.Next = []offer{{Action: "freeze-baseline", Label: "Freeze it", Fields: []field{{"name", answer.Name}}}}
		}
		return said
	})
}

// freezeBaseline freezes what a baseline's source says.
func freezeBaseline() action {
	return asking("Freeze", func(form url.Values) (string, string, url.Values, any) {
		return http.MethodPost, path("baselines", form.Get("name"), "freeze"), nil, nil
	}, func(answer frozen, form url.Values) outcome {
		return outcome{Done: fmt.Sprintf("%s is frozen: %s, %s.", form.Get("name"), plural(answer.Rows, "row"), plural(int64(len(answer.Features)), "feature"))}
	})
}

// Names are the features of it, as they are called in a sentence.
func (b baseline) Names() string {
	if len(b.Features) == 0 {
		return "all features"
	}
	return joined(slices.Sorted(slices.Values(b.Features)))
}
