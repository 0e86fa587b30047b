package spark

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"featurestore/modules/batch"
	"featurestore/modules/runs/child"
)

// leastMemory is the least that a driver of Spark starts with, in bytes.
const leastMemory = 512 << 20

// tailLines is how much of what Spark writes is kept.
const tailLines = 50

// passwordVariable holds the password of the database, where nobody sees it who lists processes.
const passwordVariable = "FEATURESTORE_SPARK_PASSWORD"

// start runs the program to its end, and reads what it says of it. told is closed once the program can read what it is to do. The error is what went wrong: that of
// Spark, or an *ended.
func start(ctx context.Context, in *installation, w *work, job *batch.Job, told <-chan struct{}) error {
	var tail []string
	err := child.Run(ctx, child.Command{
		Path: below(in.home, "bin/spark-submit"),
		Args: arguments(in, w, job),
		Dir:  w.folder,
		Env:  environment(in, w),
		Line: func(line string) {
			if ticks, is := strings.CutPrefix(line, "featurestore: ticks "); is {
				if n, err := strconv.Atoi(ticks); err == nil && job.Progress != nil {
					job.Progress(n, len(job.Ticks))
				}
				return
			}
			if tail = append(tail, line); len(tail) > tailLines {
				tail = tail[1:]
			}
		},
	})
	reading := w.readStatus()
	if err != nil {
		return &ended{err: err, tail: tail, status: w.status, memory: memoryOf(job)}
	}
	if reading != nil {
		return reading
	}
	<-told // as it was, or there would be no status
	if w.status.State != succeeded || len(w.status.Rows) != len(w.spec.Results) {
		return fmt.Errorf("run Spark: it ended well and says %s of %d results", w.status.State, len(w.status.Rows))
	}
	return nil
}

// arguments are those of spark-submit: nothing that a definition says is among them.
func arguments(in *installation, w *work, job *batch.Job) []string {
	threads := max(job.Threads, 1)
	master := in.master
	if master == "" {
		master = "local[" + strconv.Itoa(threads) + "]"
	}
	java := []string{"-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError", "-XX:-UsePerfData", "-Djava.io.tmpdir=temporary", "-Dfile.encoding=UTF-8", "-Duser.timezone=UTC"}
	if job.Sample > 0 { // what is short does not repay a better compiler
		java = append(java, "-XX:TieredStopAtLevel=1")
	}
	arguments := []string{"--master", master, "--driver-memory", strconv.FormatInt(memoryOf(job)>>20, 10) + "m", "--driver-java-options", strings.Join(java, " ")}
	if w.driver && in.driver != "" {
		arguments = append(arguments, "--jars", in.driver)
	}
	conf := []string{
		"spark.ui.enabled=false", "spark.ui.showConsoleProgress=false",
		"spark.local.dir=" + below(w.folder, "temporary"), "spark.sql.warehouse.dir=" + below(w.folder, "temporary"), "spark.sql.catalogImplementation=in-memory",
		"spark.sql.session.timeZone=UTC", "spark.sql.timestampType=TIMESTAMP_NTZ", "spark.sql.ansi.enabled=true",
		"spark.sql.shuffle.partitions=" + strconv.Itoa(2*threads), "spark.sql.sources.partitionColumnTypeInference.enabled=false",
	}
	for _, c := range append(conf, in.conf...) {
		arguments = append(arguments, "--conf", c)
	}
	return append(arguments, w.programPath(), w.specPath())
}

// memoryOf is how much a driver has, in bytes.
func memoryOf(job *batch.Job) int64 { return max(job.Memory, leastMemory) }

// environment is all that the program inherits.
func environment(in *installation, w *work) []string {
	variables := []string{
		"SPARK_HOME=" + in.home, "PYSPARK_PYTHON=" + in.python, "PYSPARK_DRIVER_PYTHON=" + in.python,
		"HOME=" + w.folder, "TZ=UTC", "LANG=C.UTF-8", "PYTHONDONTWRITEBYTECODE=1",
	}
	if in.master == "" || strings.HasPrefix(in.master, "local") {
		variables = append(variables, "SPARK_LOCAL_IP=127.0.0.1")
	}
	if w.password != "" {
		variables = append(variables, passwordVariable+"="+w.password)
	}
	for _, name := range []string{"PATH", "JAVA_HOME", "SPARK_CONF_DIR"} {
		if text := os.Getenv(name); text != "" {
			variables = append(variables, name+"="+text)
		}
	}
	return variables
}

// ended is how the program ended, where it failed.
type ended struct {
	err    error // of the process
	tail   []string
	status status // zero: it said nothing
	memory int64  // bytes that it had
}

func (e *ended) Error() string { return fmt.Sprintf("run Spark: %v", e.err) }
func (e *ended) Unwrap() error { return e.err }

// code is the status that the program ended with; a signal counts as shells count it. 0: it could not be run.
func (e *ended) code() int {
	var how *child.Ended
	switch {
	case !errors.As(e.err, &how):
		return 0
	case how.Signal != 0:
		return 128 + int(how.Signal)
	}
	return how.Status
}
