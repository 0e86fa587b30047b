package store

import (
	"context"
	"time"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/runs"
	"featurestore/modules/store/table"
)

// zoneOf is the zone that a call names for its times without an offset; nil if it names none.
func zoneOf(name string) (*time.Location, error) {
	if name == "" {
		return nil, nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, fault.New(fault.Invalid, "unknown-time-zone", "there is no time zone %q: name one such as UTC or Europe/Berlin", name).
			At("query.time_zone", name, "is no time zone")
	}
	return zone, nil
}

// timeOf reads a time that a query gives; "" is otherwise.
func timeOf(parameter, text string, zone *time.Location, otherwise int64) (int64, error) {
	if text == "" {
		return otherwise, nil
	}
	t, err := value.ParseQueryTime(text, zone)
	if err != nil {
		return 0, fault.New(fault.Invalid, "invalid-time", "%s: %s", parameter, err).At("query."+parameter, text, "%s", err)
	}
	return t, nil
}

// Window is the query of a call that reads a range of event times.
type Window struct {
	From     string `query:"from" doc:"Event times from here on" example:"2026-01-01T00:00:00Z"`
	To       string `query:"to" doc:"Event times before this" example:"2026-02-01T00:00:00Z"`
	TimeZone string `query:"time_zone" doc:"The zone of times without an offset; without it they are refused" example:"Europe/Berlin"`
}

// read is the range [from, to); an end that was not given is nil.
func (w *Window) read() (from, to *int64, err error) {
	zone, err := zoneOf(w.TimeZone)
	if err != nil {
		return nil, nil, err
	}
	end := func(parameter, text string) *int64 {
		if text == "" || err != nil {
			return nil
		}
		var t int64
		t, err = timeOf(parameter, text, zone, 0)
		return &t
	}
	from, to = end("from", w.From), end("to", w.To)
	if err == nil && from != nil && to != nil && *from >= *to {
		err = fault.New(fault.Invalid, "empty-range", "from must be before to").At("query.from", w.From, "is not before to")
	}
	return from, to, err
}

// formatOf is the format of a table that is answered: the one that is named, else the one that is accepted, else otherwise.
func formatOf(named, accept string, otherwise table.Format) (table.Format, error) {
	if named != "" {
		format, ok := table.ParseFormat(named)
		if !ok {
			return 0, fault.New(fault.Invalid, "unknown-format", "there is no format %q: use %s", fault.Shorten(named), table.Names).
				At("query.format", named, "is no format")
		}
		return format, nil
	}
	format, ok := table.FormatByAccept(accept)
	if !ok {
		return 0, fault.New(fault.NotAcceptable, "unknown-format", "no format of a table is accepted: accept text/csv, for example, or name one with format=").
			At("header.Accept", accept, "names none of the media types of %s", table.Names)
	}
	if format == table.Unspecified {
		format = otherwise
	}
	return format, nil
}

// await waits for a run to end, for so long at most, and answers it as it is then.
func (s *Store) await(ctx context.Context, run int64, wait time.Duration) (runs.Run, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	return s.runs.Wait(ctx, run)
}

// entityTypeOf finds an entity type that a path names.
func entityTypeOf(catalog *registry.Catalog, name string) (*registry.EntityType, error) {
	if entityType, ok := catalog.EntityType(name); ok {
		return entityType, nil
	}
	return nil, located(catalog.UnknownEntityType(name), "path.entity_type", name)
}

// groupOf finds a group that a path names.
func groupOf(catalog *registry.Catalog, name string) (*registry.Group, error) {
	if group, ok := catalog.Group(name); ok {
		return group, nil
	}
	return nil, located(catalog.UnknownGroup(name), "path.group", name)
}

// located says where the name stands that a problem is about.
func located(err error, place, name string) error {
	if problem, ok := fault.As(err); ok {
		return problem.At(place, name, "%s", problem.Detail)
	}
	return err
}

// chosen is the features that a call about one entity type asks for, each under the name that it is answered by: as it was asked
// for; of a service, its short name. place is where the names stand: "query" or "body".
func chosen(catalog *registry.Catalog, entityType *registry.EntityType, names []string, service, place string) ([]Requested, error) {
	switch {
	case len(names) > 0 && service != "":
		return nil, bothFeaturesAndService(place + ".service")
	case service != "":
		return ofService(catalog, entityType, service, place)
	case len(names) > 0:
		return resolveAll(names, place+".features", func(name string) (*registry.Feature, error) { return catalog.Resolve(entityType.Name, name) })
	}
	return shortNames(catalog.Served(entityType.Name)), nil
}

func bothFeaturesAndService(place string) error {
	return fault.New(fault.Invalid, "features-and-service", "features and service are both given: name the features or a service that lists them").
		At(place, "", "is given beside features")
}

func ofService(catalog *registry.Catalog, entityType *registry.EntityType, name, place string) ([]Requested, error) {
	service, err := serviceOf(catalog, name, place+".service")
	if err != nil {
		return nil, err
	}
	for _, f := range service.Features {
		if f.Group.EntityType.Name != entityType.Name {
			return nil, fault.New(fault.Unprocessable, "other-entity-type",
				"the service %s also reads %s, a feature of %s: POST /get-online-features reads features of several entity types", name, f.Reference(), f.Group.EntityType.Name).
				At(place+".service", name, "is not of %s alone", entityType.Name)
		}
	}
	out := shortNames(service.Features)
	for i := range out {
		if out[i].Column != out[i].Feature.Name {
			out[i].Column = service.References[i] // with the version, if it names one
		}
	}
	return out, nil
}

func serviceOf(catalog *registry.Catalog, name, place string) (*registry.Service, error) {
	service, err := catalog.Service(name)
	return service, located(err, place, name)
}

// shortNames names features by their short names; those that share one, by their references.
func shortNames(features []*registry.Feature) []Requested {
	taken := make(map[string]int, len(features))
	for _, f := range features {
		taken[f.Name]++
	}
	out := make([]Requested, len(features))
	for i, f := range features {
		out[i] = Requested{Feature: f, Column: f.Name}
		if taken[f.Name] > 1 {
			out[i].Column = f.Reference()
		}
	}
	return out
}

// resolveAll finds features by the names that a call gives. Everything that is wrong with them is said at once.
func resolveAll(names []string, place string, resolve func(string) (*registry.Feature, error)) ([]Requested, error) {
	out := make([]Requested, len(names))
	var problem *fault.Error
	for i, name := range names {
		feature, err := resolve(name)
		if err != nil {
			found, ok := fault.As(err)
			if !ok {
				return nil, err
			}
			if problem == nil {
				problem = fault.New(found.Kind, found.Slug, "%s", found.Detail)
			}
			problem.At(place, name, "%s", found.Detail)
		}
		out[i] = Requested{Feature: feature, Column: name}
	}
	if problem != nil {
		return nil, problem
	}
	return out, distinct(out, place)
}

// distinct refuses two columns of one name.
func distinct(requested []Requested, place string) error {
	if len(requested) <= 8 {
		for i := range requested {
			for j := range i {
				if requested[i].Column == requested[j].Column {
					return askedTwice(requested[i].Column, place)
				}
			}
		}
		return nil
	}
	seen := make(map[string]struct{}, len(requested))
	for i := range requested {
		if seen[requested[i].Column] = struct{}{}; len(seen) == i {
			return askedTwice(requested[i].Column, place)
		}
	}
	return nil
}

func askedTwice(name, place string) error {
	return fault.New(fault.Invalid, "asked-twice", "the answer would have %q twice", name).At(place, name, "is asked for twice")
}
