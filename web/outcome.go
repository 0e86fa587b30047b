package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// outcome says what came of an action where a sentence is not enough.
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

// telling is an action of which more than a sentence may be said.
type telling struct {
	action
	outcome func(answer []byte, form url.Values) (outcome, error) // nil: done says it
	waits   bool                                                  // the answer is a run, whose end is waited for as long as a person does
}

// tellings are those actions, by the last segment of their path.
func tellings() map[string]telling {
	return map[string]telling{
		"replay": replay("Replay", false), "try-replay": replay("Try", true), "discard": discard(), "amend": amend("Save", false), "try-amend": amend("Check", true),
		"acknowledge": acknowledge(), "resolve": resolve(), "silence": silenceAction("Silence", false), "try-silence": silenceAction("Try", true), "end-silence": endSilence(),
		"test-receiver": testReceiver(), "resend": resend(),
		"apply-proposals": applyProposals(), "profile-now": profileNow(), "judge-rule": judgeRule(), "switch-rule": switchRule(), "delete-rule": remove("rule", "rules"),
		"register-baseline": registerBaseline(), "freeze-baseline": freezeBaseline(), "delete-baseline": remove("baseline", "baselines"),
	}
}

// actionNamed finds any action by the last segment of its path.
func actionNamed(name string) (telling, bool) {
	if found, ok := tellings()[name]; ok {
		return found, true
	}
	found, ok := actions()[name]
	return telling{action: found}, ok
}

// tell says what came of the action.
func (t telling) tell(answer []byte, form url.Values) (outcome, error) {
	if t.outcome != nil {
		return t.outcome(answer, form)
	}
	var decoded answered
	if len(answer) > 0 {
		if err := json.Unmarshal(answer, &decoded); err != nil {
			return outcome{}, fmt.Errorf("read what came of an action: %w", err)
		}
	}
	if len(decoded.Runs) > 0 {
		decoded.ID = decoded.Runs[0].ID
	}
	said := outcome{Done: t.done(decoded)}
	if strings.Contains(said.Done, "Run ") || strings.Contains(said.Done, "run ") {
		said.Run = decoded.ID
	}
	return said, nil
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
func ending[T any](title string, call func(form url.Values) (method, path string, query url.Values, body any), say func(result T, form url.Values) outcome) telling {
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
	made.waits = true
	return made
}

// asking is an action that makes one call and says what its answer, decoded, comes to.
func asking[T any](title string, call func(form url.Values) (method, path string, query url.Values, body any), say func(answer T, form url.Values) outcome) telling {
	return telling{
		action: action{title: title, call: func(_ *Web, form url.Values) (string, string, url.Values, any) { return call(form) }},
		outcome: func(answer []byte, form url.Values) (outcome, error) {
			var decoded T
			if len(answer) > 0 {
				if err := json.Unmarshal(answer, &decoded); err != nil {
					return outcome{}, fmt.Errorf("read what came of an action: %w", err)
				}
			}
			return say(decoded, form), nil
		},
	}
}

// remove deletes a definition that a form names.
func remove(word, segment string) telling {
	return asking("Delete", func(form url.Values) (string, string, url.Values, any) {
		return http.MethodDelete, path(segment, form.Get("name")), nil, nil
	}, func(_ struct{}, form url.Values) outcome {
		return outcome{Done: fmt.Sprintf("The %s %s is deleted.", word, form.Get("name"))}
	})
}
