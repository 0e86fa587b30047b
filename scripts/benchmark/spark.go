package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"featurestore/modules/batch"
	"featurestore/modules/batch/local"
	"featurestore/modules/batch/spark"
	"featurestore/modules/batch/tick"
	"featurestore/modules/registry/value"
	tables "featurestore/modules/store/table"
)

const (
	sparkMemory = 1 << 30 // bytes, of a driver
	sparkTurns  = 2
)

// sparks measures the engine spark beside a program of PySpark that was written by hand (spark/by_hand.py), starts included: twelve windows over events in
// a file, at one tick and at thirty. What both say is compared.
func sparks(s *subject) error {
	if s.stack != "embedded" {
		return nil
	}
	p := &pipelining{folder: filepath.Join(s.folder, "spark"), events: 500_000}
	if s.scale > 1 {
		p.events = 5_000_000
	}
	if err := p.write(); err != nil {
		return err
	}
	for _, ticks := range []int{1, 30} {
		var ours, theirs map[sparkPlace][]float64
		if err := s.inTurns(bulkWork{
			name: fmt.Sprintf("12 windows over %d events, %d ticks, Spark", p.events, ticks), rows: p.events, turns: sparkTurns, wanted: 0.9,
			ours: func(int) (took time.Duration, err error) {
				took, ours, err = p.onSpark(ticks)
				return took, err
			},
			limit: func(int) (took time.Duration, err error) {
				if took, theirs, err = p.onSparkByHand(ticks); err == nil {
					err = alike(ours, theirs)
				}
				return took, err
			},
		}); err != nil {
			return err
		}
	}
	return nil
}

// sparkPlace is a row's entity and tick.
type sparkPlace struct{ customer, tick int64 }

// onSpark computes the last ticks with the engine, and answers its rows.
func (p *pipelining) onSpark(ticks int) (took time.Duration, rows map[sparkPlace][]float64, err error) {
	folder, err := os.MkdirTemp(p.folder, "job-")
	if err != nil {
		return 0, nil, err
	}
	defer os.RemoveAll(folder)
	job := &batch.Job{Plan: pipelinePlan(), Folder: folder, Threads: 2, Memory: sparkMemory}
	if job.Plan.Ticks, err = tick.New(tick.Daily, time.UTC); err != nil {
		return 0, nil, err
	}
	for i := range ticks {
		job.Ticks = append(job.Ticks, lastTick.Add(-24*time.Hour*time.Duration(ticks-1-i)).UnixMicro())
	}
	engine := spark.New(batch.DefaultConfig(), "", spark.Sources{Spool: func(ctx context.Context, job *batch.Job) (*batch.Spooled, error) { return local.Spool(ctx, p, job) }})
	began := time.Now()
	staged, err := engine.Compute(context.Background(), job)
	took = time.Since(began)
	if err != nil {
		return 0, nil, err
	}
	rows, err = sparkRows(staged.Files)
	return took, rows, err
}

// onSparkByHand computes them with the program, which has the settings that the engine starts Spark with.
func (p *pipelining) onSparkByHand(ticks int) (took time.Duration, rows map[sparkPlace][]float64, err error) {
	folder, err := os.MkdirTemp(p.folder, "by-hand-")
	if err != nil {
		return 0, nil, err
	}
	defer os.RemoveAll(folder)
	program, err := filepath.Abs("scripts/benchmark/spark/by_hand.py")
	if err != nil {
		return 0, nil, err
	}
	result := filepath.Join(folder, "result")
	arguments := []string{"--master", "local[2]", "--driver-memory", strconv.Itoa(sparkMemory>>20) + "m",
		"--driver-java-options", "-XX:+UseSerialGC -XX:+ExitOnOutOfMemoryError -XX:-UsePerfData -Duser.timezone=UTC"}
	for _, setting := range []string{"spark.ui.enabled=false", "spark.ui.showConsoleProgress=false", "spark.local.dir=" + folder, "spark.sql.warehouse.dir=" + folder,
		"spark.sql.catalogImplementation=in-memory", "spark.sql.session.timeZone=UTC", "spark.sql.ansi.enabled=true", "spark.sql.shuffle.partitions=4"} {
		arguments = append(arguments, "--conf", setting)
	}
	command := exec.Command(filepath.Join(os.Getenv("SPARK_HOME"), "bin", "spark-submit"), append(arguments, program, p.source(), result,
		strconv.FormatInt(lastTick.Add(-24*time.Hour*time.Duration(ticks-1)).UnixMicro(), 10), strconv.Itoa(ticks))...)
	command.Env = append(os.Environ(), "SPARK_LOCAL_IP=127.0.0.1", "TZ=UTC")
	began := time.Now()
	said, err := command.CombinedOutput()
	took = time.Since(began)
	if err != nil {
		return 0, nil, fmt.Errorf("PySpark by hand: %w: %s", err, tail(string(said)))
	}
	parts, err := filepath.Glob(filepath.Join(result, "part-*.parquet"))
	if err == nil {
		rows, err = sparkRows(parts)
	}
	return took, rows, err
}

// sparkRows reads files of rows: the values of each entity and tick, in the order of their columns' names, NaN for null and for a count of zero.
func sparkRows(files []string) (map[sparkPlace][]float64, error) {
	rows := map[sparkPlace][]float64{}
	for _, path := range files {
		file, err := tables.OpenFile(path, tables.Limits{Ratio: 1 << 40, Expanded: 1 << 60})
		if err != nil {
			return nil, err
		}
		for {
			batch, err := file.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, errors.Join(err, file.Close())
			}
			for i := range batch.Rows {
				if err := addSparkRow(rows, batch.Columns, batch.Row(i)); err != nil {
					return nil, errors.Join(fmt.Errorf("%s: %w", path, err), file.Close())
				}
			}
		}
		if err := file.Close(); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

func addSparkRow(rows map[sparkPlace][]float64, columns []string, cells []tables.Cell) error {
	var place sparkPlace
	named := map[string]float64{}
	for i, name := range columns {
		of := value.Float
		switch {
		case name == "event_time":
			of = value.Timestamp
		case name == "customer_id" || name == "tick" || strings.HasPrefix(name, "count_"):
			of = value.Integer
		}
		v, err := cells[i].Value(of, nil)
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", name, err)
		case name == "customer_id":
			place.customer = v.Int()
		case name == "tick":
			place.tick = v.Int()
		case name == "event_time":
			place.tick = v.Time()
		case v.IsNull() || of == value.Integer && v.Int() == 0:
			named[name] = math.NaN()
		case of == value.Integer:
			named[name] = float64(v.Int())
		default:
			named[name] = v.Float()
		}
	}
	if _, there := rows[place]; there {
		return fmt.Errorf("customer %d has two rows at %d", place.customer, place.tick)
	}
	for _, name := range slices.Sorted(maps.Keys(named)) {
		rows[place] = append(rows[place], named[name])
	}
	return nil
}

// alike is an error where two sides do not say the same. Sums in floating point are alike, and not equal to the last bit.
func alike(ours, theirs map[sparkPlace][]float64) error {
	if len(ours) == 0 || len(ours) != len(theirs) {
		return fmt.Errorf("there are %d rows, and %d by hand", len(ours), len(theirs))
	}
	for place, row := range ours {
		by, there := theirs[place]
		if !there || len(by) != len(row) {
			return fmt.Errorf("customer %d at %d has %v, and by hand %v", place.customer, place.tick, row, by)
		}
		for i, v := range row {
			if math.IsNaN(v) != math.IsNaN(by[i]) || math.Abs(v-by[i]) > 1e-9*max(1, math.Abs(v)) {
				return fmt.Errorf("customer %d at %d has %v, and by hand %v", place.customer, place.tick, row, by)
			}
		}
	}
	return nil
}
