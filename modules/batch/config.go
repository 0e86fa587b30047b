package batch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"featurestore/app/fault"
	"featurestore/modules/registry"
)

// Config is the module's part of the settings.
type Config struct {
	Folder       string        // where runs have their files; "": batch in the data folder
	Engine       string        // of pipelines that name none
	MemoryBytes  int64         // that an engine may use, where the pipeline does not say; 0: as Within says
	Threads      int           // that an engine may use
	Timeout      time.Duration // of one computation, where the pipeline does not say; 0: none
	ChunkRows    int           // about so many rows are computed and published at once
	ChunkTicks   int           // and at most so many ticks
	MinRowsRatio float64       // of the usual number of rows of a tick, below which it is held back, where the pipeline does not say
	Roots        []string      // name=folder: below it are files that pipelines may read
	Connections  []string      // name=file or name=$VARIABLE: where the URL of a PostgreSQL is that pipelines may read
	SparkHome    string        // the folder of a Spark; "": it is looked for
	SparkMaster  string        // of the engine spark; "": as many threads of this machine as Threads says
	SparkJar     string        // the JDBC driver of PostgreSQL; "": Spark has one
	SparkConf    []string      // name=value: settings of Spark besides, of those that sparkSettings names
}

// DefaultConfig holds what config/default.yaml explains.
func DefaultConfig() Config {
	return Config{Engine: Local, Threads: 2, Timeout: time.Hour, ChunkRows: 2_000_000, ChunkTicks: 10_000, MinRowsRatio: 0.5, Roots: []string{}, SparkConf: []string{}, Connections: []string{}}
}

// usualMemory is what an engine may use on a machine that has it.
const usualMemory = 512 << 20

// Within is the settings in a process that may use so much memory, 0 for what is not known: where they do not say what an engine may use, it is
// 512 MiB or, if that is less, a quarter of the process's, since DuckDB takes some more than it is told and the process has other work beside it.
func (c Config) Within(memory int64) Config {
	if c.MemoryBytes == 0 {
		c.MemoryBytes = usualMemory
		if memory > 0 {
			c.MemoryBytes = max(minMemory, min(c.MemoryBytes, memory/4))
		}
	}
	return c
}

// Validate names everything that is wrong.
func (c Config) Validate() []error {
	var errs []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	wrong(!slices.Contains(engineNames, c.Engine), "batch.engine is %q: use %s", c.Engine, strings.Join(engineNames, " or "))
	wrong(c.MemoryBytes != 0 && c.MemoryBytes < minMemory, "batch.memory is %d bytes: use at least %dMiB, or 0", c.MemoryBytes, minMemory>>20)
	wrong(c.Threads < 1 || c.Threads > 1024, "batch.threads is %d: use 1 to 1024", c.Threads)
	wrong(c.Timeout < 0, "batch.timeout is %s: use 0s, for none, or more", c.Timeout)
	wrong(c.ChunkRows < 1, "batch.chunk_rows is %d: use at least 1", c.ChunkRows)
	wrong(c.ChunkTicks < 1, "batch.chunk_ticks is %d: use at least 1", c.ChunkTicks)
	wrong(c.MinRowsRatio < 0 || c.MinRowsRatio > 1, "batch.min_rows_ratio is %g: use a share from 0 to 1", c.MinRowsRatio)
	for _, setting := range c.SparkConf {
		name, _, given := strings.Cut(setting, "=")
		wrong(!given || !slices.Contains(sparkSettings, name), "batch.spark_conf: %q is no setting that can be made: write name=value, of %s", name, strings.Join(sparkSettings, ", "))
	}
	wrong(strings.ContainsAny(c.SparkMaster, " ,") && !strings.HasPrefix(c.SparkMaster, "local["), "batch.spark_master is %q: use local[2], spark://host:7077 or another master of Spark", c.SparkMaster)
	entries := func(key, what string, list []string, check func(name, of string) string) {
		seen := map[string]bool{}
		for _, entry := range list {
			name, of, given := strings.Cut(entry, "=")
			switch {
			case !given || registry.CheckName(name) != nil:
				wrong(true, "%s: %q is no entry: write a name of lower-case letters, digits and _, then = and %s", key, shownEntry(entry), what)
				continue
			case seen[name]:
				wrong(true, "%s: %s is there twice", key, name)
			}
			seen[name] = true
			if reason := check(name, of); reason != "" {
				wrong(true, "%s: %s %s", key, name, reason)
			}
		}
	}
	entries("batch.roots", "a folder", c.Roots, func(_, folder string) string {
		if !filepath.IsAbs(folder) {
			return "is no absolute folder: write one such as /srv/data"
		}
		return ""
	})
	entries("batch.connections", "a file, or $ and an environment variable, that holds the URL", c.Connections, func(_, place string) string {
		switch variable, named := strings.CutPrefix(place, "$"); {
		case strings.Contains(place, "://"):
			return "has the URL itself: put it into a file or an environment variable, and name that"
		case named && !variableForm.MatchString(variable):
			return "names no environment variable: write $ and letters, digits and _"
		case place == "":
			return "names nothing: write a file, or $ and an environment variable, that holds the URL"
		}
		return ""
	})
	return errs
}

// sparkSettings are the settings of Spark that batch.spark_conf can make: what a cluster needs, and none that runs or loads something else.
var sparkSettings = []string{
	"spark.blockManager.port", "spark.cores.max", "spark.default.parallelism", "spark.driver.bindAddress", "spark.driver.host", "spark.driver.port", "spark.executor.cores",
	"spark.executor.instances", "spark.executor.memory", "spark.memory.fraction", "spark.sql.shuffle.partitions",
}

var variableForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// shownEntry leaves out what could be a password.
func shownEntry(entry string) string {
	if strings.Contains(entry, "://") {
		name, _, _ := strings.Cut(entry, "=")
		return name + "=…"
	}
	return entry
}

// Root is the folder of a root. The fault unknown-root names the known ones.
func (c Config) Root(name string) (string, error) {
	return named(c.Roots, name, "unknown-root", "root", "batch.roots")
}

// connection is where the URL of a connection is. The fault unknown-connection names the known ones.
func (c Config) connection(name string) (string, error) {
	return named(c.Connections, name, "unknown-connection", "connection", "batch.connections")
}

func named(entries []string, name, slug, word, key string) (string, error) {
	var names []string
	for _, entry := range entries {
		known, of, _ := strings.Cut(entry, "=")
		if known == name {
			return of, nil
		}
		names = append(names, known)
	}
	if len(names) == 0 {
		return "", fault.New(fault.NotFound, slug, "there is no %s %q: %s names none", word, fault.Shorten(name), key)
	}
	return "", fault.New(fault.NotFound, slug, "there is no %s %q: %s names %s%s", word, fault.Shorten(name), key, strings.Join(names, ", "),
		registry.DidYouMean(name, slices.Values(names)))
}

// URL reads the URL of a connection, which is a secret. Faults: unknown-connection; connection-unreadable, where its file or variable is not there.
func (c Config) URL(name string) (string, error) {
	place, err := c.connection(name)
	if err != nil {
		return "", err
	}
	if variable, named := strings.CutPrefix(place, "$"); named {
		if url := os.Getenv(variable); url != "" {
			return url, nil
		}
		return "", fault.New(fault.Internal, "connection-unreadable", "the environment variable %s, which holds the URL of the connection %s, is empty", variable, name)
	}
	content, err := os.ReadFile(place)
	if err == nil && len(strings.TrimSpace(string(content))) == 0 {
		err = errors.New("it is empty")
	}
	if err != nil {
		return "", fault.New(fault.Internal, "connection-unreadable", "the file with the URL of the connection %s cannot be read", name).Because(err)
	}
	return strings.TrimSpace(string(content)), nil
}
