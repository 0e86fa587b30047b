package app

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"featurestore/app/httpapi"
)

// check asks one part of the process whether it can work.
type check struct {
	name    string
	values  bool // it holds values: while all that do fail, the process is not ready. Any other failure is only mentioned
	perform func(context.Context) error
}

// checkTimeout is how long all checks together may take.
const checkTimeout = 2 * time.Second

type healthOutput struct {
	Body struct {
		Status string `json:"status" enum:"ok"`
	}
}

type readyOutput struct {
	Status int
	Body   struct {
		Status   string            `json:"status" enum:"ready,ok,not ready,stopping"`
		Problems map[string]string `json:"problems,omitempty" doc:"What does not work; a process can be ready all the same"`
	}
}

type versionOutput struct{ Body Version }

// mountHealth mounts what every process answers, whatever its roles.
func (a *App) mountHealth(api huma.API) {
	tags := []string{"Process"}
	httpapi.Register(api, huma.Operation{
		OperationID: "healthz", Method: http.MethodGet, Path: "/healthz", Tags: tags,
		Summary: "Is the process alive?",
	}, func(context.Context, *struct{}) (*healthOutput, error) {
		out := &healthOutput{}
		out.Body.Status = "ok"
		return out, nil
	})
	httpapi.Register(api, huma.Operation{
		OperationID: "health", Method: http.MethodGet, Path: "/health", Tags: tags,
		Summary: "Can the process answer? 503 when /readyz says so, for Feast's clients",
	}, a.health)
	httpapi.Register(api, huma.Operation{
		OperationID: "readyz", Method: http.MethodGet, Path: "/readyz", Tags: tags,
		Summary: "Can the process answer?",
		Description: "503 while neither store can be used, and once it has been told to stop. With one of them the process goes on: online " +
			"reads without the offline store, everything from history without the online store.",
	}, a.ready)
	version := &versionOutput{ThisVersion()}
	httpapi.Register(api, huma.Operation{
		OperationID: "version", Method: http.MethodGet, Path: "/version", Tags: tags,
		Summary: "Which program is this?",
	}, func(context.Context, *struct{}) (*versionOutput, error) { return version, nil })
}

// health is ready in Feast's words.
func (a *App) health(ctx context.Context, in *struct{}) (*readyOutput, error) {
	out, err := a.ready(ctx, in)
	if err == nil && out.Status == http.StatusOK {
		out.Body.Status = "ok"
	}
	return out, err
}

func (a *App) ready(ctx context.Context, _ *struct{}) (*readyOutput, error) {
	out := &readyOutput{Status: http.StatusOK}
	out.Body.Status = "ready"
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	failures := make([]error, len(a.checks))
	var all sync.WaitGroup
	for i, c := range a.checks {
		all.Go(func() { failures[i] = c.perform(ctx) })
	}
	all.Wait()
	usable := false
	for i, c := range a.checks {
		if failures[i] == nil {
			usable = usable || c.values
			continue
		}
		if out.Body.Problems == nil {
			out.Body.Problems = map[string]string{}
		}
		out.Body.Problems[c.name] = failures[i].Error()
	}
	if !usable {
		out.Status, out.Body.Status = http.StatusServiceUnavailable, "not ready"
	}
	if a.server.draining.Load() {
		out.Status, out.Body.Status = http.StatusServiceUnavailable, "stopping"
	}
	return out, nil
}
