package table

import (
	"mime"
	"strconv"
	"strings"
)

// Format is a way to write a table down.
type Format uint8

const (
	Unspecified Format = iota
	CSV
	NDJSON   // a JSON object per line; members that were not observed are left out
	JSON     // by columns: {"a": [1, 2], "b": [3, 4]}
	JSONRows // an array of objects; members that were not observed are left out
	Parquet
	Arrow // a stream of record batches (Arrow IPC)
)

var formatNames = [...]string{CSV: "csv", NDJSON: "ndjson", JSON: "json", JSONRows: "json_rows", Parquet: "parquet", Arrow: "arrow"}

// Names are those of all formats, for a message.
const Names = "csv, ndjson, json, json_rows, parquet or arrow"

// String is the format's name; ParseFormat reads it.
func (f Format) String() string { return formatNames[f] }

// Typed tells whether each column of the format has a type that its cells cannot leave.
func (f Format) Typed() bool { return f == Parquet || f == Arrow }

// ParseFormat reads a format's name.
func ParseFormat(name string) (Format, bool) {
	for f, known := range formatNames {
		if name == known && name != "" {
			return Format(f), true
		}
	}
	return Unspecified, false
}

// ContentType is the media type that answers carry.
func (f Format) ContentType() string {
	switch f {
	case CSV:
		return "text/csv; charset=utf-8"
	case NDJSON:
		return "application/x-ndjson"
	case Parquet:
		return "application/vnd.apache.parquet"
	case Arrow:
		return "application/vnd.apache.arrow.stream"
	}
	return "application/json"
}

// mediaTypes are the names that are known. Of JSON the first bytes tell rows from columns.
var mediaTypes = map[string]Format{
	"text/csv": CSV, "application/csv": CSV, "text/comma-separated-values": CSV,
	"application/x-ndjson": NDJSON, "application/ndjson": NDJSON, "application/jsonl": NDJSON, "application/x-jsonlines": NDJSON, "application/jsonlines": NDJSON,
	"application/json": JSON, "text/json": JSON,
	"application/vnd.apache.parquet": Parquet, "application/x-parquet": Parquet, "application/parquet": Parquet,
	"application/vnd.apache.arrow.stream": Arrow,
}

// FormatByAccept reads an Accept header: the format that is wanted most, of equals the first; Unspecified and true where any will
// do; Unspecified and false where none of those that are wanted is known.
func FormatByAccept(accept string) (Format, bool) {
	best, bestWeight, any := Unspecified, 0.0, strings.TrimSpace(accept) == ""
	for _, part := range strings.Split(accept, ",") {
		mediaType, parameters, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		weight := 1.0
		if q, ok := parameters["q"]; ok {
			if weight, err = strconv.ParseFloat(q, 64); err != nil {
				continue
			}
		}
		format, known := mediaTypes[mediaType]
		switch mediaType {
		case "*/*":
			known, any = true, any || weight > 0
		case "application/*":
			format, known = JSON, true
		case "text/*":
			format, known = CSV, true
		}
		if known && weight > bestWeight {
			best, bestWeight = format, weight
		}
	}
	return best, any || best != Unspecified
}
