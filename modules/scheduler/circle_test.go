package scheduler

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/app/database/databasetest"
	"featurestore/app/fault"
	"featurestore/modules/registry"
)

// Of many schedules that are defined at once, none reads all the others: what each is checked against is read once.
func TestScheduleIsCheckedAgainstWhatIsReadOnce(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t)(), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	const chain = 300
	var pipelines, schedules []string
	for i := range chain {
		pipelines = append(pipelines, fmt.Sprintf(`{"name": "p%d", "target": "spending"}`, i))
		schedules = append(schedules, fmt.Sprintf(`{"name": "s%d", "what": "pipeline", "subject": "p%d", "every": "1h", "after": ["p%d"]}`, i, i, (i+1)%chain))
	}
	whole := `{"pipelines": [` + strings.Join(pipelines, ",") + `], "schedules": [%s]}`
	_, err := w.definitions.Apply(t.Context(), fmt.Appendf(nil, whole, strings.Join(schedules, ",")), "", registry.Options{})
	problem, is := fault.As(err)
	require.True(t, is, "%v", err)
	require.Len(t, problem.Violations, chain, "each of a circle is in it")
	require.Contains(t, problem.Violations[0].Message, "for ever: p0 after p1 after p2 after ")
	require.True(t, strings.HasSuffix(problem.Violations[0].Message, " after p299 after p0"))

	w.apply(fmt.Sprintf(whole, strings.Join(schedules[:chain-1], ",")))
	catalog, known := w.definitions.Catalog(), &waiting{}
	last := registry.Members{"what": json.RawMessage(`"pipeline"`), "subject": json.RawMessage(`"p298"`), "every": json.RawMessage(`"1h"`), "after": json.RawMessage(`["p299"]`)}
	require.Empty(t, checkSchedule(known, catalog, last))
	require.Less(t, testing.AllocsPerRun(10, func() { checkSchedule(known, catalog, last) }), float64(chain), "fewer than one for each pipeline")
}
