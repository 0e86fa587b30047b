package web

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// trainingSet is where one is chosen, looked at and downloaded.
type trainingSet struct {
	asked
	choice
	Services []definition
	Chosen   []featureHead // in the order of their columns
	Groups   []choosable   // what else can be chosen
	Matches  int           // how many features there are to choose from
	Columns  []string      // that a spine needs; nil: nothing is chosen
	Example  string        // a spine of entities that are stored
	Wrong    *problem      // with what is chosen
	Calls    []snippet
}

func (t trainingSet) pageStatus() int {
	if t.Wrong != nil {
		return t.Wrong.Status
	}
	return http.StatusOK
}

// choice is which features a training set has: those of a service, or some in an order.
type choice struct {
	Service  string
	Features []string
}

// chosen reads a choice from an address. A service outranks features.
func chosen(address url.Values) choice {
	c := choice{Service: address.Get("service")}
	if c.Service != "" {
		return c
	}
	for _, given := range address["features"] {
		for name := range strings.SplitSeq(given, ",") {
			if name != "" && !slices.Contains(c.Features, name) {
				c.Features = append(c.Features, name)
			}
		}
	}
	return c
}

// None tells whether nothing is chosen.
func (c choice) None() bool { return c.Service == "" && len(c.Features) == 0 }

// query is the choice in a query of the API, and in an address of ours.
func (c choice) query() url.Values {
	switch {
	case c.Service != "":
		return url.Values{"service": {c.Service}}
	case len(c.Features) > 0:
		return url.Values{"features": {strings.Join(c.Features, ",")}}
	}
	return url.Values{}
}

// PageLink is the page on which its spine is given, TemplateLink an empty spine to save, and DownloadLink what makes a file of a format of it.
func (c choice) PageLink() string { return "/admin/training-set?" + c.query().Encode() }

func (c choice) TemplateLink() string { return "/admin/training-set/template?" + c.query().Encode() }

func (c choice) DownloadLink(format string) string {
	query := c.query()
	query.Set("format", format)
	return "/admin/training-set/rows?" + query.Encode()
}

// choosable are features of a group that can be chosen.
type choosable struct {
	Group    string
	Features []featureHead
}

func (w *Web) trainingSet(r *http.Request) (any, error) {
	ctx := r.Context()
	t := trainingSet{asked: asked{r.URL.Query()}, choice: chosen(r.URL.Query())}
	var services struct {
		Services []definition `json:"services"`
	}
	if err := w.api.get(ctx, "/services", url.Values{"limit": {"1000"}}, &services); err != nil {
		return nil, err
	}
	t.Services = services.Services
	if err := w.choosableInto(ctx, &t); err != nil {
		return nil, err
	}
	if t.None() {
		return t, nil
	}
	var p *problem
	if err := w.spineInto(ctx, &t); errors.As(err, &p) {
		t.Wrong = p
		return t, nil
	} else if err != nil {
		return nil, err
	}
	t.Calls = t.calls(w.storeAt(r))
	return t, nil
}

// choosableInto adds the features that can be chosen: those of groups with values to read, which match what is looked for.
func (w *Web) choosableInto(ctx context.Context, t *trainingSet) error {
	var groups struct {
		Groups []groupHead `json:"groups"`
	}
	if err := w.api.get(ctx, "/groups", url.Values{"limit": {"1000"}}, &groups); err != nil {
		return err
	}
	events := map[string]bool{}
	for _, g := range groups.Groups {
		events[g.Name] = g.Kind == "events"
	}
	byReference := map[string]featureHead{}
	for _, search := range slices.Compact([]string{"", t.Get("find")}) {
		found, err := w.allFeatures(ctx, url.Values{"search": {search}})
		if err != nil {
			return err
		}
		t.Groups, t.Matches = nil, 0
		for _, f := range found {
			if search == "" {
				byReference[f.Reference] = f
			}
			if events[f.Group] || f.Status == "archived" || slices.Contains(t.Features, f.Reference) {
				continue
			}
			i := slices.IndexFunc(t.Groups, func(c choosable) bool { return c.Group == f.Group })
			if i < 0 {
				i, t.Groups = len(t.Groups), append(t.Groups, choosable{Group: f.Group})
			}
			t.Groups[i].Features = append(t.Groups[i].Features, f)
			t.Matches++
		}
	}
	references := t.Features
	if t.Service != "" {
		var of struct {
			Features []string `json:"features"`
		}
		if err := w.api.get(ctx, path("services", t.Service), nil, &of); err != nil {
			return err
		}
		references = of.Features
	}
	for _, reference := range references {
		name, _, _ := strings.Cut(reference, "@")
		head, ok := byReference[name]
		if !ok {
			head.Name = name
		}
		head.Reference = reference
		t.Chosen = append(t.Chosen, head)
	}
	return nil
}

// allFeatures are all features of a search, whatever their number.
func (w *Web) allFeatures(ctx context.Context, query url.Values) ([]featureHead, error) {
	query.Set("limit", "1000")
	var all []featureHead
	for {
		var page struct {
			Features []featureHead `json:"features"`
			Next     string        `json:"next_page_token"`
		}
		if err := w.api.get(ctx, "/features", query, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Features...)
		if page.Next == "" {
			return all, nil
		}
		query.Set("page_token", page.Next)
	}
}

// spineInto adds the columns that a spine needs, and one of entities that are stored.
func (w *Web) spineInto(ctx context.Context, t *trainingSet) error {
	query := t.query()
	query.Set("format", "csv")
	var header []byte
	if err := w.api.get(ctx, "/training-sets/template", query, &header); err != nil {
		return err
	}
	columns, err := csv.NewReader(bytes.NewReader(header)).Read()
	if err != nil {
		return fmt.Errorf("read the columns of a spine: %w", err)
	}
	t.Columns = columns
	t.Example, err = w.exampleSpine(ctx, t.Chosen, columns)
	return err
}

// exampleRows is how many rows the example of a spine has.
const exampleRows = 5

// exampleSpine is a spine in CSV of some entities that are stored, each at the time of its newest observation; without rows if there are none.
func (w *Web) exampleSpine(ctx context.Context, features []featureHead, columns []string) (string, error) {
	types, err := w.entityTypes(ctx)
	if err != nil {
		return "", err
	}
	rows := make([]map[string]string, exampleRows)
	for i := range rows {
		rows[i] = map[string]string{}
	}
	filled := exampleRows
	for _, of := range types {
		var groups []string
		for _, f := range features {
			if f.EntityType == of.Name && !slices.Contains(groups, f.Group) {
				groups = append(groups, f.Group)
			}
		}
		if len(groups) == 0 {
			continue
		}
		some, err := w.someEntities(ctx, of, groups, exampleRows)
		if err != nil {
			return "", err
		}
		filled = min(filled, len(some))
		for i, e := range some {
			for _, k := range e.Keys {
				rows[i][k.Name] = k.Value
			}
			when, err := w.newest(ctx, e)
			if err != nil {
				return "", err
			}
			if when > rows[i]["event_time"] {
				rows[i]["event_time"] = when
			}
		}
	}
	var b strings.Builder
	out := csv.NewWriter(&b)
	record := make([]string, len(columns))
	if err := out.Write(columns); err != nil {
		return "", err
	}
	for _, row := range rows[:filled] {
		for i, column := range columns {
			record[i] = row[column]
		}
		if err := out.Write(record); err != nil {
			return "", err
		}
	}
	out.Flush()
	return b.String(), out.Error()
}

// newest is when an entity was last observed, to the second and not before; now if it never was.
func (w *Web) newest(ctx context.Context, e entity) (string, error) {
	var history struct {
		Observations []observation `json:"observations"`
	}
	if err := w.api.get(ctx, e.at("history"), url.Values{"limit": {"1"}}, &history); err != nil {
		return "", err
	}
	when := w.clock()
	if len(history.Observations) > 0 {
		when = history.Observations[0].EventTime.Add(time.Second - 1).Truncate(time.Second)
	}
	return when.UTC().Format(time.RFC3339), nil
}

// calls are how a program makes the same.
func (t *trainingSet) calls(host string) []snippet {
	at := host + "/training-sets?" + t.query().Encode()
	read := "import io, pandas, requests\n\nspine = open(\"spine.csv\", \"rb\")  # " + strings.Join(t.Columns, ", ") + "\n" +
		"r = requests.post(\"" + at + "&format=parquet\", data=spine)\nr.raise_for_status()\ntraining_set = pandas.read_parquet(io.BytesIO(r.content))\n" +
		"known_at = r.headers[\"Known-At\"]  # &known_at=… asks for the same again, whatever was stored since"
	return []snippet{
		{"curl", "curl --data-binary @spine.csv '" + at + "&format=parquet' -o training_set.parquet"},
		{"Python", read},
	}
}
