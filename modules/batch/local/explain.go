package local

import (
	"regexp"
	"strings"

	duckdb "github.com/duckdb/duckdb-go-bindings"

	"featurestore/app/fault"
	"featurestore/modules/batch"
)

// kinds of errors begin what DuckDB says of them; where in the text of a statement it saw them ends it.
var (
	kindOfError  = regexp.MustCompile(`^[A-Za-z -]+ Error: `)
	placeOfError = regexp.MustCompile(`(?s)\n\n?LINE \d+:.*$`)
)

// explain makes a fault of what DuckDB says, by what kind of error it is.
func (e *duckError) explain(job *batch.Job) error {
	text := strings.TrimSpace(placeOfError.ReplaceAllString(e.text, ""))
	sentence, _, _ := strings.Cut(kindOfError.ReplaceAllString(text, ""), "\n")
	where := "source"
	if job.Plan.SQL != nil {
		where = "sql"
	}
	switch {
	case e.kind == duckdb.ErrorTypeOutOfMemory || strings.HasPrefix(text, "Out of Memory"):
		return fault.New(fault.Unprocessable, "too-much-memory", "the computation needs more memory than its limit of %d MB: raise limits.memory", job.Memory>>20).
			At("limits.memory", "", "is too small").Because(e)
	case e.kind == duckdb.ErrorTypeErrorIO || e.kind == duckdb.ErrorTypeInternal || e.kind == duckdb.ErrorTypeFatal:
		return e
	}
	return fault.New(fault.Unprocessable, "computation-failed", "%s", sentence).At(where, "", "%s", sentence).Because(e)
}
