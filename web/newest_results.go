package web

import (
	"context"
	"fmt"
	"net/url"
)

// lastInto adds what the newest evaluation of a rule came to: for one of its features if that is named, else the worst of all.
func (w *Web) lastInto(ctx context.Context, rule *ruleHead, feature string) error {
	var history struct {
		Points []point `json:"points"`
	}
	if err := w.api.get(ctx, path("rules", rule.Name, "history"), url.Values{"limit": {fmt.Sprint(max(1, len(rule.Features)))}}, &history); err != nil {
		return err
	}
	for i := range history.Points {
		p := &history.Points[i]
		switch {
		case p.Report != history.Points[0].Report:
			return nil // of an evaluation before
		case rule.Last == nil, feature == "" && ranks[p.Status] > ranks[rule.Last.Status], feature != "" && p.Feature == feature:
			rule.Last = p
		}
	}
	return nil
}
