package validation

import (
	"fmt"
	"time"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

// WindowRequest says which rows are looked at: those of a range of event times, of the time up to now, or those of a load.
type WindowRequest struct {
	From string `json:"from,omitempty" format:"date-time" doc:"Event times from here on"`
	To   string `json:"to,omitempty" format:"date-time" doc:"Event times before this"`
	Last string `json:"last,omitempty" doc:"Event times of so long up to now, instead of from and to" example:"7d"`
	Run  int64  `json:"run,omitempty" doc:"Only what that load brought"`
}

// read makes a window of the request, and says in words what it is.
func (w *WindowRequest) read(now time.Time) (*Window, string, error) {
	problem := fault.New(fault.Unprocessable, "invalid-window", "the window is not valid")
	window, lookedAt := &Window{Run: w.Run}, ""
	end := func(at, text string) *int64 {
		if text == "" {
			return nil
		}
		t, err := value.ParseTime(text, nil)
		if err != nil {
			problem.At("body.window."+at, text, "%v", err)
		}
		return &t
	}
	window.From, window.To = end("from", w.From), end("to", w.To)
	if w.From != "" {
		lookedAt += " from " + w.From
	}
	if w.To != "" {
		lookedAt += " up to " + w.To
	}
	if w.Last != "" {
		last, err := registry.ParseDuration(w.Last)
		switch {
		case err != nil:
			problem.At("body.window.last", w.Last, "%v", err)
		case last <= 0:
			problem.At("body.window.last", w.Last, "is no time at all")
		case w.From != "" || w.To != "":
			problem.At("body.window.last", w.Last, "stands beside from or to: give the one or the other")
		}
		from := now.Add(-last).UnixMicro()
		window.From, lookedAt = &from, " of "+theLast(w.Last)
	}
	if window.From != nil && window.To != nil && *window.From >= *window.To {
		problem.At("body.window.to", w.To, "is not after from")
	}
	if w.Run < 0 {
		problem.At("body.window.run", fmt.Sprint(w.Run), "is no run")
	}
	if *w == (WindowRequest{}) {
		problem.At("body.window", "", "is empty: leave it out, or give last, from and to, or run")
	}
	if len(problem.Violations) > 0 {
		problem.Detail = problem.Violations[0].Location + ": " + problem.Violations[0].Message
		return nil, "", problem
	}
	if w.Run != 0 {
		return window, broughtBy(w.Run) + lookedAt, nil
	}
	return window, "what is stored" + lookedAt, nil
}

func theLast(duration string) string { return "the last " + duration }
