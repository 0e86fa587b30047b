package spark

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"featurestore/modules/batch"
)

// installation is a Spark on this machine.
type installation struct {
	home   string // that has bin/spark-submit
	python string // that runs the program
	driver string // the JDBC driver of PostgreSQL; "": whatever Spark has
	master string // "": as many threads as the job has
	conf   []string
}

const noSpark = "the engine spark finds no Spark: install a Java of version 17 and pyspark (pip install pyspark==4.1.4), or set batch.spark_home to the folder of a Spark"

// find finds a Spark: where the settings say, where SPARK_HOME says, spark-submit on the path, or a pyspark that Python can import. why is a sentence where there is none.
func find(config batch.Config) (in *installation, why string) {
	in = &installation{driver: config.SparkJar, master: config.SparkMaster, conf: config.SparkConf, python: os.Getenv("PYSPARK_PYTHON")}
	switch {
	case config.SparkHome != "":
		if in.home = config.SparkHome; !in.complete() {
			return nil, "the engine spark finds no bin/spark-submit in batch.spark_home: set it to the folder of a Spark"
		}
	case os.Getenv("SPARK_HOME") != "":
		if in.home = os.Getenv("SPARK_HOME"); !in.complete() {
			return nil, "the engine spark finds no bin/spark-submit in SPARK_HOME: set batch.spark_home to the folder of a Spark"
		}
	default:
		if in.home = homeOf("spark-submit"); !in.complete() {
			in.home = imported()
		}
	}
	if !in.complete() {
		return nil, noSpark
	}
	if in.python == "" {
		in.python = pythonOf(in.home)
	}
	if _, err := exec.LookPath(in.python); err != nil {
		return nil, "the engine spark finds no Python: install Python 3.10 or later, or set PYSPARK_PYTHON"
	}
	if os.Getenv("JAVA_HOME") == "" {
		if _, err := exec.LookPath("java"); err != nil {
			return nil, "the engine spark finds no Java: install a JRE of version 17, such as openjdk-17-jre-headless, or set JAVA_HOME"
		}
	}
	return in, ""
}

func (in *installation) complete() bool {
	for _, name := range []string{"bin/spark-submit", "jars"} { // a virtual environment has the first alone
		if _, err := os.Stat(filepath.Join(in.home, name)); in.home == "" || err != nil {
			return false
		}
	}
	return true
}

// hasDriver tells whether the installation has a driver of PostgreSQL among its own jars.
func (in *installation) hasDriver() bool {
	found, err := filepath.Glob(filepath.Join(in.home, "jars", "postgresql-*.jar"))
	return err == nil && len(found) > 0
}

// homeOf is the folder of the Spark whose program is on the path, which may be a link; "": none.
func homeOf(program string) string {
	path, err := exec.LookPath(program)
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return ""
	}
	return filepath.Dir(filepath.Dir(path))
}

// imported is the folder of the package pyspark that python3 would import; "": none. It is looked for where Python looks, without running it.
func imported() string {
	for _, pattern := range []string{"lib/python3*/site-packages/pyspark", "lib/python3*/dist-packages/pyspark", "local/lib/python3*/dist-packages/pyspark", "lib/python3/dist-packages/pyspark"} {
		for _, home := range []string{os.Getenv("VIRTUAL_ENV"), homeOf("spark-submit"), homeOf("python3"), "/usr/local", "/usr"} {
			found, err := filepath.Glob(filepath.Join(home, pattern))
			if home != "" && err == nil && len(found) > 0 {
				return found[len(found)-1]
			}
		}
	}
	return ""
}

// pythonOf is the Python that a Spark is to use: that of the virtual environment in which it is, or python3.
func pythonOf(home string) string {
	if environment, _, found := strings.Cut(home, "/lib/python"); found {
		if python := filepath.Join(environment, "bin", "python"); executable(python) {
			return python
		}
	}
	return "python3"
}

func executable(path string) bool {
	_, err := exec.LookPath(path)
	return err == nil
}
