package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
)

// outcome says what came of an action.
type outcome struct {
	Done  string
	Class string // of its style: good, fair or bad; "" is good
	Lines []string
	Next  []offer // what can be done then
	Run   int64   // that does it; 0: it is done
}

// Symbol stands beside the colour of its style.
func (o outcome) Symbol() string {
	switch o.Class {
	case "bad":
		return "✕"
	case "fair":
		return "!"
	}
	return "✓"
}

// offer is an action as a button.
type offer struct {
	Action, Label, Class string
	Confirm              string // what is asked first; "": nothing
	Fields               []field
}

// field is a value that goes with an action.
type field struct{ Name, Value string }

// fieldsOf are those members of a form or an address that have a value.
func fieldsOf(form url.Values, names ...string) []field {
	var fields []field
	for _, name := range names {
		for _, given := range form[name] {
			if given != "" {
				fields = append(fields, field{name, given})
			}
		}
	}
	return fields
}

// settledRun is a run that an action has asked for, as it was after a while.
type settledRun[T any] struct {
	ID     int64  `json:"id"`
	State  string `json:"state"`
	Reason string `json:"reason"`
	Result T      `json:"result"`
}

// whileLooking is how long a person waits for the end of a run before being told that it is under way.
const whileLooking = "5s"

// settled waits for the run that an answer is, and answers it as it is then.
func (w *Web) settled(ctx context.Context, answer []byte) ([]byte, error) {
	var asked settledRun[json.RawMessage]
	if err := json.Unmarshal(answer, &asked); err != nil {
		return nil, fmt.Errorf("read which run an action has asked for: %w", err)
	}
	var run []byte
	err := w.api.get(ctx, fmt.Sprintf("/runs/%d", asked.ID), url.Values{"wait": {whileLooking}}, &run)
	return run, err
}

// ending is an action that asks for a run, and says what its result comes to if it has succeeded meanwhile.
func ending[T any](title string, call calling, say func(result T, form url.Values) outcome) action {
	made := asking(title, call, func(run settledRun[T], form url.Values) outcome {
		said := outcome{Run: run.ID}
		switch run.State {
		case "succeeded":
			said = say(run.Result, form)
			said.Run = run.ID
		case "queued", "running":
			said.Done = fmt.Sprintf("Run %d is at it.", run.ID)
		default:
			said.Done, said.Class = fmt.Sprintf("Run %d is %s. %s", run.ID, run.State, run.Reason), "bad"
		}
		return said
	})
	made.waits = toTheEnd
	return made
}

// asking is an action that makes one call and says what its answer, decoded, comes to.
func asking[T any](title string, call calling, say func(answer T, form url.Values) outcome) action {
	return action{title: title, call: call, say: func(answer []byte, form url.Values) (outcome, error) {
		var decoded T
		if len(answer) > 0 {
			if err := json.Unmarshal(answer, &decoded); err != nil {
				return outcome{}, fmt.Errorf("read what came of an action: %w", err)
			}
		}
		return say(decoded, form), nil
	}}
}

// askedFor says that a run has been asked for.
const askedFor = "Run %d has been asked for."

// starting is an action that asks for a run, or several, and says so in a sentence with the number of the first.
func starting(title string, call calling, sentence string) action {
	type run struct {
		ID int64 `json:"id"`
	}
	return asking(title, call, func(answer struct {
		run
		Runs []run `json:"runs"`
	}, _ url.Values) outcome {
		first := answer.run
		if len(answer.Runs) > 0 {
			first = answer.Runs[0]
		}
		return outcome{Done: fmt.Sprintf(sentence, first.ID), Run: first.ID}
	})
}

// telling is an action of which nothing is to be said but that it was done.
func telling(title string, call calling, done string) action {
	return asking(title, call, func(struct{}, url.Values) outcome { return outcome{Done: done} })
}

// remove deletes a definition that a form names.
func remove(word, segment string) action {
	return asking("Delete", func(form url.Values) (string, string, url.Values, any) {
		return http.MethodDelete, path(segment, form.Get("name")), nil, nil
	}, func(_ struct{}, form url.Values) outcome {
		return outcome{Done: fmt.Sprintf("The %s %s is deleted.", word, form.Get("name"))}
	})
}
