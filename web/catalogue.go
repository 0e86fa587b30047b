package web

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
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
	Features []catalogued
	Total    int
	Next     string // the address of the next page; "": this is the last
	First    string // that of the first; "": this is it
	found           // definitions of the other kinds that meet the same search and filters

	AllEntityTypes []definition // to choose from
	AllGroups      []groupHead
	Owners, Tags   []string
}

// found are definitions other than features.
type found struct {
	Groups      []groupHead
	EntityTypes []typed
	Services    []service
}

// catalogued is a feature in the catalogue.
type catalogued struct {
	featureHead
	Health string
}

// HealthClass is the style of its health.
func (c catalogued) HealthClass() string { return stateClass(c.Health) }

// Statuses, Healths and Sorts are what can be chosen.
func (catalogue) Statuses() []string { return []string{"active", "draft", "deprecated", "archived"} }
func (catalogue) Healths() []string  { return healthsInOrder }
func (catalogue) Sorts() []string {
	return []string{"name", "group", "type", "status", "owner", "updated"}
}

// Narrowed tells whether the address leaves anything out.
func (c catalogue) Narrowed() bool {
	return slices.ContainsFunc(append(filters[:len(filters):len(filters)], "health"), func(name string) bool { return name != "sort" && c.Get(name) != "" })
}

// perPage is how many entries of a list a page shows.
const perPage = "50"

// filters are the members of the address that narrow or order the list; each is one of GET /features.
var filters = []string{"search", "tag", "owner", "entity_type", "group", "status", "sort"}

func (w *Web) catalogue(r *http.Request) (any, error) {
	ctx := r.Context()
	c := catalogue{asked: asked{r.URL.Query()}}
	judged, err := w.judgements(ctx)
	if err != nil {
		return nil, err
	}
	if err := w.cataloguedInto(ctx, &c, judged); err != nil {
		return nil, err
	}
	if c.AllGroups, err = listOf[groupHead](ctx, w.api, "/groups", "groups", nil); err != nil {
		return nil, err
	}
	types, err := w.entityTypes(ctx)
	if err != nil {
		return nil, err
	}
	services, err := listOf[service](ctx, w.api, "/services", "services", nil)
	if err != nil {
		return nil, err
	}
	for _, t := range types {
		c.AllEntityTypes = append(c.AllEntityTypes, t.definition)
	}
	if c.Get("group") == "" && c.Get("status") == "" && c.Asked.Get("page_token") == "" {
		c.found = c.others(types, services, judged)
	}
	c.Owners, c.Tags = c.words(services)
	return c, nil
}

// cataloguedInto adds the features of the page that is asked for.
func (w *Web) cataloguedInto(ctx context.Context, c *catalogue, judged judgements) error {
	health := c.Get("health")
	if health != "" && !slices.Contains(healthsInOrder, health) {
		return &problem{Title: "Unknown health", Status: http.StatusUnprocessableEntity, Detail: fmt.Sprintf("there is no health %q: use one of %s", health, joined(healthsInOrder))}
	}
	named := append(filters[:len(filters):len(filters)], "health")
	add := func(features []featureHead) {
		for _, f := range features {
			if is := judged.of(f.Group, f.Name); health == "" || is == health {
				c.Features = append(c.Features, catalogued{f, is})
			}
		}
	}
	if health == "" {
		var page struct {
			Features []featureHead `json:"features"`
			Total    int           `json:"total"`
			Next     string        `json:"next_page_token"`
		}
		if err := w.api.get(ctx, "/features", narrowed(c.Asked, filters, perPage), &page); err != nil {
			return err
		}
		add(page.Features)
		c.Total, c.Next = page.Total, nextPage("/admin/catalogue", c.Asked, named, page.Next)
	} else {
		query := narrowed(c.Asked, filters, perPage)
		query.Del("page_token")
		all, err := listOf[featureHead](ctx, w.api, "/features", "features", query)
		if err != nil {
			return err
		}
		add(all)
		c.Total = len(c.Features)
		c.Features, c.Next = c.pageOf(c.Features, named)
	}
	if c.Get("page_token") != "" {
		c.First = "/admin/catalogue?" + nextQuery(c.Asked, named).Encode()
	}
	return nil
}

// pageOf cuts the page out of a list that was narrowed here; its token is how many entries come before it.
func (c catalogue) pageOf(all []catalogued, named []string) (page []catalogued, next string) {
	each, _ := strconv.Atoi(perPage)
	from, err := strconv.Atoi(c.Get("page_token"))
	if err != nil || from < 0 || from > len(all) {
		from = 0
	}
	to := min(len(all), from+each)
	if to < len(all) {
		next = nextPage("/admin/catalogue", c.Asked, named, strconv.Itoa(to))
	}
	return all[from:to], next
}

// others are the definitions of the other kinds that meet the search and the filters.
func (c catalogue) others(types []typed, services []service, judged judgements) (f found) {
	words := strings.Fields(strings.ToLower(c.Get("search")))
	meets := func(d definition, more ...string) bool {
		text := strings.ToLower(strings.Join(append(append(more, d.Name, d.Description, d.Owner), d.Tags...), "\n"))
		return !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(text, word) }) &&
			(c.Get("owner") == "" || d.Owner == c.Get("owner")) && (c.Get("tag") == "" || slices.Contains(d.Tags, c.Get("tag")))
	}
	of, health := c.Get("entity_type"), c.Get("health")
	for _, g := range c.AllGroups {
		g.Health = judged.ofGroup(g.Name)
		if meets(g.definition) && (of == "" || g.EntityType == of) && (health == "" || g.Health == health) {
			f.Groups = append(f.Groups, g)
		}
	}
	for _, t := range types {
		if meets(t.definition) && (of == "" || t.Name == of) && health == "" {
			f.EntityTypes = append(f.EntityTypes, t)
		}
	}
	for _, s := range services {
		if meets(s.definition, s.Features...) && (of == "" || slices.Contains(s.EntityTypes, of)) && health == "" {
			f.Services = append(f.Services, s)
		}
	}
	return f
}

// words are the owners and tags to choose from: those of groups and services and of the features that are shown.
func (c catalogue) words(services []service) (owners, tags []string) {
	note := func(d definition) {
		if d.Owner != "" {
			owners = append(owners, d.Owner)
		}
		tags = append(tags, d.Tags...)
	}
	for _, g := range c.AllGroups {
		note(g.definition)
	}
	for _, s := range services {
		note(s.definition)
	}
	for _, f := range c.Features {
		note(f.definition)
	}
	slices.Sort(owners)
	slices.Sort(tags)
	return slices.Compact(owners), slices.Compact(tags)
}
