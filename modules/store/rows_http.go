package store

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"featurestore/app/httpapi"
	"featurestore/modules/runs"
	"featurestore/modules/store/table"
)

type loadInput struct {
	httpapi.Payload
	httpapi.Idempotent
	Group      string `path:"group" doc:"The group" example:"customer_purchases"`
	OnError    string `query:"on_error" enum:"reject_all,skip" default:"reject_all" doc:"reject_all: a bad row refuses the load; skip: bad rows are left out"`
	TimeColumn string `query:"time_column" doc:"The column of event times; default event_time, else event_timestamp, else every row is as of now"`
	TimeZone   string `query:"time_zone" doc:"The zone of times without an offset; without it they are refused" example:"Europe/Berlin"`
	Nulls      string `query:"nulls" enum:"keep,skip" default:"keep" doc:"skip: a null cell was not observed, instead of observed as null"`
	Presence   bool   `query:"presence" doc:"The column presence lists the features that each row observed, as an export with presence=true writes it"`
	Create     bool   `query:"create" doc:"Register unknown columns as drafts, instead of refusing them. The body is kept meanwhile and read twice: a load that is refused registers nothing"`
	File       string `query:"file" maxLength:"255" doc:"What the table is called where it came from; rows that wait in quarantine are shown with it" example:"purchases-2026-11.csv"`
	Wait       string `query:"wait" doc:"Wait so long, at most 10m, until the rows are online" example:"30s"`
	Prefer     string `header:"Prefer" doc:"respond-async: answer 202 once the body has arrived, and go on" example:"respond-async"`
}

func (in *loadInput) request() (LoadRequest, error) {
	zone, err := zoneOf(in.TimeZone)
	return LoadRequest{
		Group: in.Group, TimeColumn: in.TimeColumn, Zone: zone, SkipNulls: in.Nulls == "skip",
		Presence: in.Presence, SkipBad: in.OnError == "skip", File: strings.ToValidUTF8(strings.ReplaceAll(in.File, "\x00", "\ufffd"), "\ufffd"),
	}, err
}

// loadAnswer is the answer to a load that has ended.
type loadAnswer struct {
	Loaded
	Online string `json:"online" enum:"written,pending,none" doc:"pending: publication_run_id brings the rows online; none: there is nothing to bring"`
}

// loadOutput is 200 with a loadAnswer or 202 with a run.
type loadOutput struct {
	Status            int
	Location          string `header:"Location"`
	PreferenceApplied string `header:"Preference-Applied"`
	Body              any
}

// drained is how much of a body that is refused is read nevertheless, since a client that is still sending does not see an answer.
const drained = 256 << 20

// loadRows loads a table into a group.
func (s *Store) loadRows(ctx context.Context, in *loadInput) (*loadOutput, error) {
	request, err := in.request()
	if err != nil {
		return nil, err
	}
	wait, err := runs.ReadWait(in.Wait)
	if err != nil {
		return nil, err
	}
	keyed, err := in.Keyed()
	if err != nil {
		return nil, err
	}
	if keyed != nil {
		out, err := s.loadRowsOnce(ctx, in, request, wait, keyed)
		if err != nil {
			io.CopyN(io.Discard, &in.Payload, drained) //nolint:errcheck // the error that counts is known
		}
		return out, err
	}
	if prefersAsync(in.Prefer) {
		return s.loadLater(ctx, in, request)
	}
	loaded, err := s.loadNow(ctx, in, request)
	if err != nil {
		io.CopyN(io.Discard, &in.Payload, drained) //nolint:errcheck // the error that counts is known
		return nil, err
	}
	answer := loadAnswer{Loaded: *loaded, Online: OnlineNone}
	if loaded.Publication != 0 {
		answer.Online = OnlinePending
		if run, err := s.await(ctx, loaded.Publication, wait); err == nil && run.State == runs.Succeeded {
			answer.Online = OnlineWritten
		}
	}
	return &loadOutput{Status: http.StatusOK, Body: answer}, nil
}

func prefersAsync(header string) bool {
	for preference := range strings.SplitSeq(header, ",") {
		token, _, _ := strings.Cut(preference, ";")
		if strings.EqualFold(strings.TrimSpace(token), "respond-async") {
			return true
		}
	}
	return false
}

func (s *Store) loadNow(ctx context.Context, in *loadInput, request LoadRequest) (*Loaded, error) {
	if _, err := groupOf(s.definitions.Catalog(), request.Group); err != nil {
		return nil, err
	}
	body := &loadBody{store: s, in: in}
	defer body.Close()
	source, err := body.open(&in.Payload, &request)
	if err != nil {
		return nil, err
	}
	return s.Load(ctx, request, source)
}

// loadLater receives the body, which ends with the request, and loads it afterwards.
func (s *Store) loadLater(ctx context.Context, in *loadInput, request LoadRequest) (*loadOutput, error) {
	if _, err := groupOf(s.definitions.Catalog(), request.Group); err != nil {
		return nil, err
	}
	body := &loadBody{store: s, in: in, whole: true}
	source, err := body.open(&in.Payload, &request)
	if err != nil {
		body.Close()
		return nil, err
	}
	id, err := s.LoadLater(request, source, func() { body.Close() })
	if err != nil {
		body.Close()
		return nil, err
	}
	run, err := s.runs.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	return &loadOutput{Status: http.StatusAccepted, Location: fmt.Sprintf("/runs/%d", id), PreferenceApplied: "respond-async", Body: run.Show()}, nil
}

type exportInput struct {
	Group string `path:"group" doc:"The group" example:"customer_purchases"`
	Window
	KnownAtQuery
	Latest   bool   `query:"latest" doc:"One row per entity with the newest value of each feature, the TTL applied; from and to then bound the newest event time"`
	Presence bool   `query:"presence" doc:"A column presence with the names of the features that each row observed, for formats that cannot leave a cell out"`
	Format   string `query:"format" doc:"csv, ndjson, json, json_rows, parquet or arrow; default by Accept, else csv"`
	Accept   string `header:"Accept" doc:"The format by its media type" example:"text/csv"`
}

// exportRows answers the observations of a group as a table.
func (s *Store) exportRows(ctx context.Context, in *exportInput) (*huma.StreamResponse, error) {
	zone, err := zoneOf(in.TimeZone)
	if err != nil {
		return nil, err
	}
	moment, err := in.moment(ctx, s, zone)
	if err != nil {
		return nil, err
	}
	group, err := groupOf(s.catalogOf(moment), in.Group)
	if err != nil {
		return nil, err
	}
	request := ExportRequest{Group: group, Latest: in.Latest, Presence: in.Presence, Moment: moment}
	if request.From, request.To, err = in.Window.read(); err != nil {
		return nil, err
	}
	format, err := formatOf(in.Format, in.Accept, table.CSV)
	if err != nil {
		return nil, err
	}
	return httpapi.Streaming(format.ContentType(), func(w io.Writer) error {
		return s.Export(ctx, request, func(columns []table.Column) (table.Writer, error) { return table.NewWriter(format, w, columns) })
	}), nil
}
