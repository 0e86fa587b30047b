package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// proposalsPage is what rules a group could have, by a profile of it that is stored.
type proposalsPage struct {
	asked
	Groups   []definition
	Profiles []storedProfile // the newest of the group
	Of       storedProfile   // the one that is looked at; 0: there is none
	Rows     int64
	Rules    []proposedRule
	Covered  []coveredFeature
	Wrong    *problem // nothing could be proposed
}

// storedProfile is what the page shows of a profile.
type storedProfile struct {
	profileHead
	From     *time.Time `json:"from"`
	To       *time.Time `json:"to"`
	Outdated bool       `json:"outdated"`
}

// About is which rows it is of.
func (p storedProfile) About() string {
	switch {
	case p.Run != 0:
		return fmt.Sprintf("run %d", p.Run)
	case p.From == nil && p.To == nil:
		return "all rows"
	case p.From == nil:
		return "rows before " + exact(*p.To)
	case p.To == nil:
		return "rows from " + exact(*p.From)
	}
	return "rows from " + exact(*p.From) + " to " + exact(*p.To)
}

type proposedRule struct {
	Name        string          `json:"name"`
	Kind        string          `json:"kind"`
	Features    []string        `json:"features"`
	Params      json.RawMessage `json:"params"`
	Tolerance   json.RawMessage `json:"tolerance"`
	Description string          `json:"description"`
}

type coveredFeature struct {
	Feature string `json:"feature"`
	Kind    string `json:"kind"`
	Rule    string `json:"rule"`
}

// profilesOffered is how many profiles can be chosen from.
const profilesOffered = "20"

func (w *Web) proposals(r *http.Request) (any, error) {
	ctx := r.Context()
	p := proposalsPage{asked: asked{r.URL.Query()}}
	var groups struct {
		Groups []definition `json:"groups"`
	}
	if err := w.api.get(ctx, "/groups", url.Values{"limit": {"1000"}}, &groups); err != nil {
		return nil, err
	}
	p.Groups = groups.Groups
	group := p.Get("group")
	if group == "" {
		return p, nil
	}
	var profiles struct {
		Profiles []storedProfile `json:"profiles"`
	}
	if err := w.api.get(ctx, "/profiles", url.Values{"group": {group}, "limit": {profilesOffered}}, &profiles); err != nil {
		return nil, err
	}
	p.Profiles = profiles.Profiles
	if len(p.Profiles) == 0 {
		return p, nil
	}
	p.Of = p.Profiles[0]
	for _, one := range p.Profiles {
		if strconv.FormatInt(one.ID, 10) == p.Get("profile") {
			p.Of = one
		}
	}
	var found struct {
		Rows    int64            `json:"rows"`
		Rules   []proposedRule   `json:"rules"`
		Covered []coveredFeature `json:"covered"`
	}
	_, err := w.api.call(ctx, http.MethodPost, "/rules/propose", nil, map[string]any{"group": group, "profiles": []int64{p.Of.ID}}, &found)
	if errors.As(err, &p.Wrong) {
		return p, nil
	}
	p.Rows, p.Rules, p.Covered = found.Rows, found.Rules, found.Covered
	return p, err
}

// applyProposals registers rules that are proposed: the one whose button was pressed, else those that are chosen.
func applyProposals() action {
	made := asking("Apply", func(form url.Values) (string, string, url.Values, any) {
		only := form["only"]
		if one := form.Get("one"); one != "" {
			only = []string{one}
		}
		body := map[string]any{"group": form.Get("group"), "apply": true, "only": only}
		if profile, err := strconv.ParseInt(form.Get("profile"), 10, 64); err == nil {
			body["profiles"] = []int64{profile}
		}
		return http.MethodPost, "/rules/propose", nil, body
	}, func(answer struct {
		Rules []proposedRule `json:"rules"`
	}, _ url.Values) outcome {
		said := outcome{Done: plural(int64(len(answer.Rules)), "rule") + " registered. They warn and record, and keep nothing out."}
		for _, rule := range answer.Rules {
			said.Lines = append(said.Lines, rule.Name)
		}
		return said
	})
	made.wrong = func(form url.Values) *problem {
		if len(form["only"]) > 0 || form.Get("one") != "" {
			return nil
		}
		return &problem{Title: "Nothing is chosen", Status: http.StatusUnprocessableEntity, Detail: "Tick the rules that are to be registered."}
	}
	return made
}

// profileNow makes a profile of all rows of a group.
func profileNow() action {
	return ending("Profile", func(form url.Values) (string, string, url.Values, any) {
		return http.MethodPost, "/profiles", nil, map[string]any{"group": form.Get("group")}
	}, func(result struct {
		Profile int64 `json:"profile_id"`
	}, _ url.Values) outcome {
		return outcome{Done: fmt.Sprintf("Profile %d was made.", result.Profile)}
	})
}
