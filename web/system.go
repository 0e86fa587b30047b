package web

import (
	"errors"
	"net/http"
	"slices"
)

type system struct {
	Version  versionAnswer
	Ready    string
	Problems []probe
	Erasures []erasure
}

type versionAnswer struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Go      string `json:"go"`
}

// erasure is an entity that was erased; nothing that names it is left.
type erasure struct {
	EntityType string `json:"entity_type"`
	ErasedAt   string `json:"erased_at"`
	Done       bool   `json:"done"`
	Run        int64  `json:"run_id"`
	Rows       int64  `json:"rows"`
}

// probe is a part of the program that does not work.
type probe struct{ Name, Why string }

func (w *Web) system(r *http.Request) (any, error) {
	ctx, s := r.Context(), system{}
	if err := w.api.get(ctx, "/version", nil, &s.Version); err != nil {
		return nil, err
	}
	var ready struct {
		Status   string            `json:"status"`
		Problems map[string]string `json:"problems"`
	}
	err := w.api.get(ctx, "/readyz", nil, &ready)
	var p *problem
	switch {
	case errors.As(err, &p):
		ready.Status = "not ready"
		ready.Problems = map[string]string{"this process": p.Detail}
	case err != nil:
		return nil, err
	}
	s.Ready = ready.Status
	for name, why := range ready.Problems {
		s.Problems = append(s.Problems, probe{name, why})
	}
	slices.SortFunc(s.Problems, func(a, b probe) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	var erasures struct {
		Erasures []erasure `json:"erasures"`
	}
	err = w.api.get(ctx, "/erasures", nil, &erasures)
	s.Erasures = erasures.Erasures
	return s, ignoreMissing(err)
}
