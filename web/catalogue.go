package web

import (
	"net/http"
	"net/url"
)

// featureHead is what lists show of a feature.
type featureHead struct {
	definition
	Group      string   `json:"group"`
	Reference  string   `json:"reference"`
	ShortNames []string `json:"short_names"`
	ValueType  string   `json:"value_type"`
	Status     string   `json:"status"`
	Source     string   `json:"source"`
	Category   string   `json:"category"`
	Frequency  string   `json:"frequency"`
	Unit       string   `json:"unit"`
	DocsURL    string   `json:"docs_url"`
	Reason     string   `json:"reason"`
	Replaced   string   `json:"replacement"`
}

// Link is the feature's page.
func (f featureHead) Link() string { return linkTo("feature", f.Reference) }

// Class is the style of its status.
func (f featureHead) Class() string { return stateClass(f.Status) }

type catalogue struct {
	asked
	Features    []featureHead
	Total       int
	Next        string // the address of the next page; "": this is the last
	EntityTypes []definition
	Groups      []definition
	Services    []definition
	Statuses    []string
}

// perPage is how many entries of a list a page shows.
const perPage = "50"

// filters are the members of the address that narrow the list; each is one of GET /features.
var filters = []string{"search", "tag", "owner", "entity_type", "group", "status"}

func (w *Web) catalogue(r *http.Request) (any, error) {
	c := catalogue{asked: asked{r.URL.Query()}, Statuses: []string{"active", "draft", "deprecated", "archived"}}
	var found struct {
		Features []featureHead `json:"features"`
		Total    int           `json:"total"`
		Next     string        `json:"next_page_token"`
	}
	if err := w.api.get(r.Context(), "/features", narrowed(c.Asked, filters, perPage), &found); err != nil {
		return nil, err
	}
	c.Features, c.Total = found.Features, found.Total
	c.Next = nextPage("/admin/catalogue", c.Asked, filters, found.Next)
	all := url.Values{"limit": {"1000"}}
	var types struct {
		EntityTypes []definition `json:"entity_types"`
	}
	var groups struct {
		Groups []definition `json:"groups"`
	}
	var services struct {
		Services []definition `json:"services"`
	}
	for _, one := range []struct {
		path string
		into any
	}{{"/entity-types", &types}, {"/groups", &groups}, {"/services", &services}} {
		if err := w.api.get(r.Context(), one.path, all, one.into); err != nil {
			return nil, err
		}
	}
	c.EntityTypes, c.Groups, c.Services = types.EntityTypes, groups.Groups, services.Services
	return c, nil
}
