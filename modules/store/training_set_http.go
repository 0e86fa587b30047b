package store

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"featurestore/app/fault"
	"featurestore/app/httpapi"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/registry/value/jsonscan"
	"featurestore/modules/store/table"
)

// unmatchedHeader says in an answer how many of the rows found nothing at all.
const unmatchedHeader = "X-Unmatched-Rows"

// knownAtHeader gives with an answer what asks for the same again.
const knownAtHeader = "Known-At"

// KnownAtQuery is the query of a call that can be answered as of a moment of the past.
type KnownAtQuery struct {
	KnownAt string `query:"known_at" doc:"As known then: what the header Known-At of an earlier training set said, or a time before every write that is under way" example:"2026-11-01T00:00:00Z"`
}

// moment is the moment that the query names; nil if it names none.
func (q *KnownAtQuery) moment(ctx context.Context, s *Store, zone *time.Location) (*Moment, error) {
	if q.KnownAt == "" {
		return nil, nil
	}
	return s.KnownAt(ctx, q.KnownAt, zone)
}

// catalogOf is what a call resolves names in.
func (s *Store) catalogOf(m *Moment) *registry.Catalog {
	if m == nil {
		return s.definitions.Catalog()
	}
	return m.Catalog
}

// FeatureQuery names the features of a call about any entity types.
type FeatureQuery struct {
	Features         []string `query:"features" doc:"Which features: group:feature, or short names that only one entity type has" example:"customer_purchases:avg_order_value_90d"`
	Service          string   `query:"service" doc:"A feature service that lists them" example:"churn"`
	FullFeatureNames bool     `query:"full_feature_names" doc:"Columns are named group__feature"`
}

// requested resolves the features and names their columns; features and service say where the two stand, for messages.
func (q *FeatureQuery) requested(catalog *registry.Catalog, features, service string) ([]Requested, error) {
	var out []Requested
	switch {
	case len(q.Features) > 0 && q.Service != "":
		return nil, bothFeaturesAndService(service)
	case q.Service != "":
		found, err := serviceOf(catalog, q.Service, service)
		if err != nil {
			return nil, err
		}
		for i, f := range found.Features {
			out = append(out, Requested{Feature: f, Column: found.References[i]})
		}
	case len(q.Features) > 0:
		var err error
		if out, err = resolveAll(q.Features, features, catalog.ResolveReference); err != nil {
			return nil, err
		}
	default:
		return nil, fault.New(fault.Invalid, "no-features", "name the features, or a service that lists them").
			At(features, "", "is missing, and so is %s", service)
	}
	nameColumns(out, q.FullFeatureNames)
	for i, f := range out {
		if slices.ContainsFunc(out[:i], func(other Requested) bool { return other.Column == f.Column }) {
			return nil, fault.New(fault.Conflict, "column-taken", "two features would have the column %q: ask with full_feature_names=true", f.Column).
				At(features, f.Feature.Reference(), "would have a column of the name that another one has")
		}
	}
	return out, nil
}

// nameColumns names the columns of features that were asked for by references: without group and version, or group__feature, where a
// reference with a former name has that one. Where several generations of one feature are asked for, those that were asked for with a
// version keep it.
func nameColumns(requested []Requested, full bool) {
	generations := map[int64]uint16{} // the ordinal that was seen first, by feature
	several := map[int64]bool{}
	for _, r := range requested {
		if ordinal, seen := generations[r.Feature.ID]; seen && ordinal != r.Feature.Ordinal {
			several[r.Feature.ID] = true
		}
		generations[r.Feature.ID] = r.Feature.Ordinal
	}
	for i, r := range requested {
		name, version, pinned := strings.Cut(r.Column, "@")
		_, behind, found := strings.Cut(name, ":")
		switch {
		case full && found:
			name = r.Feature.Group.Name + "__" + behind
		case full:
			name = r.Feature.Group.Name + "__" + r.Feature.Name
		case found:
			name = behind
		}
		if pinned && several[r.Feature.ID] {
			name += "@" + version
		}
		requested[i].Column = name
	}
}

type trainingSetInput struct {
	httpapi.Payload
	FeatureQuery
	KnownAtQuery
	TimeColumn      string `query:"time_column" doc:"The spine's column of times; default event_time, else event_timestamp"`
	TimeZone        string `query:"time_zone" doc:"The zone of times without an offset; without it they are refused" example:"Europe/Berlin"`
	Statuses        bool   `query:"statuses" doc:"A column <name>__status beside each feature"`
	EventTimestamps bool   `query:"event_timestamps" doc:"A column <name>__event_timestamp beside each feature"`
	Format          string `query:"format" doc:"csv, ndjson, json, json_rows, parquet or arrow; default by Accept, else as the spine"`
	Accept          string `header:"Accept" doc:"The format by its media type" example:"text/csv"`
}

// trainingSetBody documents the body of POST /training-sets where the query names no features.
type trainingSetBody struct {
	Features []string         `json:"features,omitempty"`
	Service  string           `json:"service,omitempty"`
	Spine    map[string][]any `json:"spine" doc:"Columns: the join keys, the times, and any others"`
}

// trainingSet answers a spine with the features' values as they were at each row's time. The spine is received whole before the answer
// begins, since most clients read no answer before they have sent all of it.
func (s *Store) trainingSet(ctx context.Context, in *trainingSetInput) (*huma.StreamResponse, error) {
	request := TrainingRequest{TimeColumn: in.TimeColumn, Statuses: in.Statuses, EventTimestamps: in.EventTimestamps}
	var err error
	if request.Zone, err = zoneOf(in.TimeZone); err != nil {
		return nil, err
	}
	place, options := "query", table.ReadOptions{ContentType: jsonType}
	var spine *spooled
	if len(in.Features) > 0 || in.Service != "" {
		if spine, err = s.spool(&in.Payload); err == nil {
			options = s.tableOptions(&in.Payload, spine)
		}
	} else {
		place = "body"
		spine, err = s.spineOf(in)
	}
	if err != nil {
		return nil, err
	}
	answer, err := s.trainingSetOf(ctx, in, request, place, spine, options)
	if err != nil {
		spine.Close()
		return nil, err
	}
	return answer, nil
}

func (s *Store) trainingSetOf(ctx context.Context, in *trainingSetInput, request TrainingRequest, place string, spine *spooled, options table.ReadOptions) (*huma.StreamResponse, error) {
	var err error
	if request.Moment, err = in.moment(ctx, s, request.Zone); err != nil {
		return nil, err
	}
	request.Resolve = func(catalog *registry.Catalog) ([]Requested, error) {
		return in.requested(catalog, place+".features", place+".service")
	}
	if _, err = request.Resolve(s.catalogOf(request.Moment)); err != nil { // before the work on the spine
		return nil, err
	}
	source, sent, err := table.NewReader(spine, options)
	if err != nil {
		return nil, err
	}
	format, err := formatOf(in.Format, in.Accept, sent)
	if err != nil {
		return nil, err
	}
	request.Typed = format.Typed()
	request.Again = func() (table.Reader, error) {
		if err := spine.rewind(); err != nil {
			return nil, err
		}
		again, _, err := table.NewReader(spine, options)
		return again, err
	}
	return httpapi.Streaming(format.ContentType(), func(w io.Writer) error {
		defer spine.Close()
		_, err := s.TrainingSet(ctx, request, source, func(head Head) (table.Writer, error) {
			if head.KnownAt != "" {
				httpapi.SetHeader(w, knownAtHeader, head.KnownAt)
			}
			s.warnOfUnmatched(w, head)
			return table.NewWriter(format, w, head.Columns)
		})
		return err
	}), nil
}

// spineOf reads {"features": […] or "service": …, "spine": {…}}.
func (s *Store) spineOf(in *trainingSetInput) (*spooled, error) {
	noFeatures := fault.New(fault.Invalid, "no-features",
		"name the features, or a service that lists them: features= or service= in the query, or members beside spine in a JSON body").
		At("query.features", "", "is missing, and so is service")
	text, err := in.Payload.JSON(s.config.MaxBodyBytes)
	if problem, ok := fault.As(err); ok && problem.Kind == fault.Unsupported {
		return nil, noFeatures // a table
	}
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{") {
		return nil, noFeatures
	}
	spine := ""
	scanner := jsonscan.New(text)
	err = scanner.Object(func(name string) (err error) {
		switch name {
		case "features":
			in.Features, err = scanner.Texts()
		case "service":
			in.Service, err = scanner.Text()
		case "spine":
			spine, err = scanner.Value()
		default:
			err = scanner.Errorf("unknown member %q: the body is the spine, with features= or service= in the query, or an object with features or service, and spine", fault.Shorten(name))
		}
		return err
	})
	if err == nil {
		err = scanner.End()
	}
	if err != nil {
		return nil, jsonscan.Fault(err)
	}
	if spine == "" {
		return nil, fault.New(fault.Invalid, "no-spine", "the spine is missing: give its columns as the member spine").At("body.spine", "", "is missing")
	}
	return inMemory(strings.NewReader(spine)), nil
}

// disagrees tells whether so many rows found nothing that it is to be said: mostly keys are written in another way than in the store.
func (s *Store) disagrees(head *Head) bool {
	return float64(head.Unmatched) > s.config.DisagreementRate*float64(head.Rows)
}

// warnOfUnmatched says in a header and in the log that most rows found nothing, with a key of theirs against one that is stored.
func (s *Store) warnOfUnmatched(w io.Writer, head Head) {
	if !s.disagrees(&head) {
		return
	}
	example := strconv.QuoteToASCII(fault.Shorten(head.Example))
	if head.Stored != "" {
		example += " against " + strconv.QuoteToASCII(fault.Shorten(head.Stored))
	}
	httpapi.SetHeader(w, unmatchedHeader, fmt.Sprintf("%d of the first %d, for example %s", head.Unmatched, head.Rows, example))
	s.log.Warn("most rows of a training set found no value that counts; are the keys written as they were stored?",
		"unmatched", head.Unmatched, "rows", head.Rows, "example", example)
}

type templateInput struct {
	FeatureQuery
	Format string `query:"format" doc:"csv, ndjson, json, json_rows, parquet or arrow; default by Accept, else csv"`
	Accept string `header:"Accept" doc:"The format by its media type" example:"text/csv"`
}

// trainingSetTemplate answers an empty spine: the columns that a training set of these features needs.
func (s *Store) trainingSetTemplate(_ context.Context, in *templateInput) (*httpapi.Bytes, error) {
	features, err := in.requested(s.definitions.Catalog(), "query.features", "query.service")
	if err != nil {
		return nil, err
	}
	format, err := formatOf(in.Format, in.Accept, table.CSV)
	if err != nil {
		return nil, err
	}
	var columns []table.Column
	for _, f := range features {
		for _, k := range f.Feature.Group.EntityType.JoinKeys {
			if !slices.ContainsFunc(columns, func(c table.Column) bool { return c.Name == k.Name }) {
				columns = append(columns, table.Column{Name: k.Name, Type: k.ValueType})
			}
		}
	}
	columns = append(columns, table.Column{Name: eventTimeMember, Type: value.Timestamp})
	var body bytes.Buffer
	out, err := table.NewWriter(format, &body, columns)
	if err != nil {
		return nil, err
	}
	if err := out.Close(); err != nil {
		return nil, err
	}
	return &httpapi.Bytes{ContentType: format.ContentType(), Body: body.Bytes()}, nil
}
