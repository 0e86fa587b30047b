package web

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// spineOptions are the fields of the form that say how a training set is made; each is a parameter of POST /training-sets. They stand before the
// spine in the form, so that it can be passed on as it arrives.
var spineOptions = []string{"time_column", "time_zone", "full_feature_names", "statuses", "event_timestamps"}

// longestSpine is how long a spine in the text field may be; a file can be of any length.
const longestSpine = 1 << 20

// spineOf reads what the address and the form of a training set ask for, and the spine: the file if one was chosen, else the text.
func spineOf(r *http.Request) (query url.Values, spine io.Reader, err error) {
	query = chosen(r.URL.Query()).query()
	unreadable := func(err error) error {
		return &problem{Title: "Bad request", Status: http.StatusBadRequest, Detail: "The form cannot be read: " + err.Error()}
	}
	form, err := r.MultipartReader()
	if err != nil {
		return nil, nil, unreadable(err)
	}
	text := ""
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return query, strings.NewReader(text), nil
		}
		if err != nil {
			return nil, nil, unreadable(err)
		}
		name := part.FormName()
		if name == "file" {
			if part.FileName() != "" {
				return query, part, nil
			}
			continue
		}
		value, err := io.ReadAll(io.LimitReader(part, longestSpine+1))
		switch {
		case err != nil:
			return nil, nil, unreadable(err)
		case len(value) > longestSpine:
			return nil, nil, &problem{Title: "Too long", Status: http.StatusRequestEntityTooLarge, Detail: "The text of the spine is longer than 1 MiB: choose a file instead."}
		case name == "spine":
			text = strings.ReplaceAll(string(value), "\r\n", "\n")
		case len(value) > 0 && slices.Contains(spineOptions, name):
			query.Set(name, string(value))
		}
	}
}

// preview is the first rows of a training set.
type preview struct {
	choice
	Wrong     *problem
	Columns   []previewColumn
	Rows      [][]previewCell
	Whole     bool   // these are all rows
	KnownAt   string // asks for the same again
	Unmatched string // says how many rows found nothing
}

type previewColumn struct {
	Name    string
	Feature bool
}

type previewCell struct {
	Text   string
	Status string // of a feature's value
}

// Long tells whether its text has to be broken into lines.
func (c previewCell) Long() bool { return len(c.Text) > 40 }

// Class is the style of its status.
func (c previewCell) Class() string { return stateClass(c.Status) }

// previewed is how many rows are shown.
const previewed = 20

// previewTrainingSet shows the first rows, in place where htmx asked, else as a page.
func (w *Web) previewTrainingSet(out http.ResponseWriter, r *http.Request) {
	p := preview{choice: chosen(r.URL.Query())}
	status := http.StatusOK
	if err := w.previewInto(r, &p); err != nil {
		p.Wrong = w.problemOf(r, err)
		if r.Header.Get("HX-Request") != "true" {
			status = p.Wrong.Status // htmx shows answers of 2xx only
		}
	}
	w.render(out, r, status, "preview", "Preview", p)
}

func (w *Web) previewInto(r *http.Request, p *preview) error {
	query, spine, err := spineOf(r)
	if err != nil {
		return err
	}
	query.Set("format", "csv")
	query.Set("statuses", "true")
	query.Del("event_timestamps")
	text, header, whole, err := w.api.head(r.Context(), http.MethodPost, "/training-sets", query, spine, 1+previewed+1)
	if err != nil {
		return err
	}
	p.Whole, p.KnownAt, p.Unmatched = whole, header.Get("Known-At"), header.Get("X-Unmatched-Rows")
	return p.read(text)
}

// read takes the rows of a text in CSV; the column of statuses beside a feature becomes part of it. What the text breaks off in is left out.
func (p *preview) read(text string) error {
	in := csv.NewReader(strings.NewReader(text))
	columns, err := in.Read()
	if err != nil {
		return fmt.Errorf("read the columns of a training set: %w", err)
	}
	of := make([]int, len(columns)) // of each column: the one that it becomes, −1: it is the status of the one before
	for i, name := range columns {
		if before, ok := strings.CutSuffix(name, "__status"); ok && i > 0 && columns[i-1] == before {
			of[i], p.Columns[len(p.Columns)-1].Feature = -1, true
			continue
		}
		of[i], p.Columns = len(p.Columns), append(p.Columns, previewColumn{Name: name})
	}
	for len(p.Rows) < previewed {
		record, err := in.Read()
		if err != nil {
			return nil //nolint:nilerr // the end, or a row that was cut off
		}
		row := make([]previewCell, 0, len(p.Columns))
		for i, text := range record {
			if of[i] >= 0 {
				row = append(row, previewCell{Text: shorten(text)})
			} else {
				row[len(row)-1].Status = text
			}
		}
		p.Rows = append(p.Rows, row)
	}
	return nil
}

// downloadTrainingSet sends a training set as a file. What is wrong before its first byte is a page; later it breaks off.
func (w *Web) downloadTrainingSet(out http.ResponseWriter, r *http.Request) {
	query, spine, err := spineOf(r)
	if err == nil {
		format := r.URL.Query().Get("format")
		query.Set("format", format)
		err = w.api.stream(r.Context(), http.MethodPost, "/training-sets", query, spine, out, saved(out, "training_set."+format))
	}
	w.failed(out, r, err)
}

// spineTemplate sends the columns that a spine needs.
func (w *Web) spineTemplate(out http.ResponseWriter, r *http.Request) {
	query := chosen(r.URL.Query()).query()
	query.Set("format", "csv")
	w.failed(out, r, w.api.stream(r.Context(), http.MethodGet, "/training-sets/template", query, http.NoBody, out, saved(out, "spine.csv")))
}

// saved begins an answer that the browser saves as a file.
func saved(out http.ResponseWriter, name string) func(http.Header) {
	return func(answered http.Header) {
		h := out.Header()
		for _, kept := range []string{"Content-Type", "Known-At", "X-Unmatched-Rows"} {
			if value := answered.Get(kept); value != "" {
				h.Set(kept, value)
			}
		}
		h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
	}
}

// failed shows what is wrong, if anything is, in place of an answer that has not begun.
func (w *Web) failed(out http.ResponseWriter, r *http.Request, err error) {
	if err != nil {
		w.problemPage(out, r, err)
	}
}
