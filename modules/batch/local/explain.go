package local

import (
	"errors"
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
	case e.kind == duckdb.ErrorTypeOutOfMemory:
		return fault.New(fault.Unprocessable, "too-much-memory", "the computation needs more memory than its limit of %d MB: raise limits.memory", job.Memory>>20).
			At("limits.memory", "", "is too small").Because(e)
	case e.kind == duckdb.ErrorTypeInternal, e.kind == duckdb.ErrorTypeFatal, e.kind == duckdb.ErrorTypeErrorIO && strings.Contains(text, job.Folder):
		return e
	case e.kind == duckdb.ErrorTypeInvalidInput && strings.HasPrefix(sentence, badRow):
		return fault.New(fault.Unprocessable, "bad-event", "%s", sentence).At(where, "", "%s", sentence).Because(e)
	}
	return fault.New(fault.Unprocessable, "computation-failed", "%s", sentence).At(where, "", "%s", sentence).Because(e)
}

// badRow is how sentences about rows of files begin.
const badRow = "a row has "

// outOfRange tells whether numbers are beyond what DuckDB computes with.
func outOfRange(err error) bool {
	var said *duckError
	return errors.As(err, &said) && (said.kind == duckdb.ErrorTypeConversion || said.kind == duckdb.ErrorTypeOutOfRange)
}
