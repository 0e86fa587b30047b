package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// driftFeatures is how many features are compared.
const driftFeatures = 50

// drifts measures comparing the features of a group with a frozen baseline. The limit streams the same values out of the same table by a query
// written by hand, and counts them into as many bins.
func drifts(s *subject) error {
	rows := 100_000
	if s.scale > 1 {
		rows = 1_000_000
	}
	path := s.folder + "/drifted.csv"
	if err := wideTable(path, rows); err != nil {
		return err
	}
	var group strings.Builder
	group.WriteString("groups:\n  - name: drifted\n    entity_type: customer\n    features:\n")
	for f := range driftFeatures {
		fmt.Fprintf(&group, "      - {name: d%d, value_type: FLOAT}\n", f)
	}
	group.WriteString("baselines:\n  - {name: first_days, group: drifted, source: {window: {from: \"2026-01-01T00:00:00Z\", to: \"2026-01-01T12:00:00Z\"}}}\n")
	if _, err := post(s.base+"/apply", "application/yaml", strings.NewReader(group.String())); err != nil {
		return err
	}
	if _, _, err := load(s, "drifted", path, ""); err != nil {
		return err
	}
	if _, err := post(s.base+"/baselines/first_days/freeze", "", nil); err != nil {
		return err
	}
	return s.inTurns(bulkWork{
		name: fmt.Sprintf("drift of %d features over %d rows", driftFeatures, rows), rows: rows, turns: s.turns, wanted: 0.6,
		ours: func(int) (time.Duration, error) {
			began := time.Now()
			answer, err := post(s.base+"/drift", "application/json", strings.NewReader(`{"group": "drifted", "baseline": "first_days"}`))
			took := time.Since(began)
			var compared struct{ Rows, Alerts int }
			if err == nil {
				err = json.Unmarshal(answer, &compared)
			}
			if err == nil && (compared.Rows != rows || compared.Alerts != 0) {
				err = fmt.Errorf("%.500s", answer)
			}
			return took, err
		},
		limit: func(int) (time.Duration, error) {
			began := time.Now()
			counted, err := s.countDrift()
			if err == nil && counted != rows*driftFeatures {
				err = fmt.Errorf("%d values were counted", counted)
			}
			return time.Since(began), err
		},
	})
}

// wideTable writes normal values as CSV, one row of each entity, spread over a day.
func wideTable(path string, rows int) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	random := rand.New(rand.NewPCG(5, 6))
	var out bytes.Buffer
	out.WriteString("customer_id,event_time")
	for f := range driftFeatures {
		fmt.Fprintf(&out, ",d%d", f)
	}
	for i := range rows {
		out.WriteByte('\n')
		out.Write(strconv.AppendInt(out.AvailableBuffer(), int64(i), 10))
		out.WriteByte(',')
		out.Write(january.Add(time.Duration(i%86400)*time.Second).AppendFormat(out.AvailableBuffer(), time.RFC3339))
		for range driftFeatures {
			out.WriteByte(',')
			out.Write(strconv.AppendFloat(out.AvailableBuffer(), random.NormFloat64(), 'f', 4, 64))
		}
		if out.Len() > 1<<20 {
			if _, err := out.WriteTo(file); err != nil {
				return err
			}
		}
	}
	out.WriteByte('\n')
	_, err = out.WriteTo(file)
	return err
}

// normalCuts are the deciles of the values.
var normalCuts = []float64{-1.2816, -0.8416, -0.5244, -0.2533, 0, 0.2533, 0.5244, 0.8416, 1.2816}

// countDrift reads the group's table by hand and counts every value into bins; it answers how many they were.
func (s *subject) countDrift() (int, error) {
	columns := make([]string, driftFeatures)
	for f := range columns {
		columns[f] = "d" + strconv.Itoa(f)
	}
	query := "SELECT " + strings.Join(columns, ", ") + " FROM "
	var bins [driftFeatures][10]int
	values, into := make([]float64, driftFeatures), make([]any, driftFeatures)
	for i := range values {
		into[i] = &values[i]
	}
	count := func() {
		for f, v := range values {
			bins[f][sort.SearchFloat64s(normalCuts, v)]++
		}
	}
	ctx := context.Background()
	if s.postgres != "" {
		connection, err := (&postgresLimit{postgres: s.postgres}).connect(ctx)
		if err != nil {
			return 0, err
		}
		defer connection.Close(ctx)
		rows, err := connection.Query(ctx, query+pgx.Identifier{"featurestore", "drifted"}.Sanitize())
		if err != nil {
			return 0, err
		}
		if _, err := pgx.ForEachRow(rows, into, func() error { count(); return nil }); err != nil {
			return 0, err
		}
	} else {
		db, err := sql.Open("sqlite3", "file:"+filepath.Join(s.folder, "data", "offline.db")+"?mode=ro")
		if err != nil {
			return 0, err
		}
		defer db.Close()
		rows, err := db.QueryContext(ctx, query+"drifted")
		if err != nil {
			return 0, err
		}
		defer rows.Close()
		for rows.Next() {
			if err := rows.Scan(into...); err != nil {
				return 0, err
			}
			count()
		}
		if err := rows.Err(); err != nil {
			return 0, err
		}
	}
	all := 0
	for _, of := range bins {
		for _, n := range of {
			all += n
		}
	}
	return all, nil
}
