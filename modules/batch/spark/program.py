"""Runs one computation on Spark, as a file says it that the engine wrote.

    spark-submit ... program.py SPEC       one computation; its exit status is 0, or 10 where it failed
    python program.py                      the paths of specs come on the standard input, one a line; each is answered with a line

What became of it stands in the file that the spec calls status, which is written whole and then renamed: {"state": "SUCCEEDED", "rows": [...]}, or
{"state": "FAILED", ...} with what Spark or the database said. A spec has
    source    {"parquet": path}, or {"jdbc": url, "user": name, "query": sql, "parts": [conditions], "session": sql, "keep": path or null}: where it is
              kept, it is read once, and from there as often as it is needed
    views     [[name, sql]]: over the view source, and each other
    results   [{"sql": ..., "path": ..., "ticks": n}]: written as Parquet, one after the other
The password of the database is in the environment.
"""
import json
import os
import sys
import time

from py4j.protocol import Py4JError, Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Observation, SparkSession
from pyspark.sql.functions import count, lit

PASSWORD = "FEATURESTORE_SPARK_PASSWORD"
FAILED = 10


def read(spark, source):
    """The rows of a source."""
    if "parquet" in source:
        return spark.read.parquet(source["parquet"])
    properties = {"driver": "org.postgresql.Driver", "user": source["user"], "fetchsize": "10000", "sessionInitStatement": source["session"]}
    if os.environ.get(PASSWORD):
        properties["password"] = os.environ[PASSWORD]
    rows = spark.read.jdbc(source["jdbc"], source["query"], predicates=source["parts"], properties=properties)
    if not source["keep"]:
        return rows
    rows.write.parquet(source["keep"])
    return spark.read.parquet(source["keep"])


def compute(spark, spec):
    """Computes a spec's results and answers how many rows each has. Its views are gone afterwards."""
    views = []

    def view(name, rows):
        rows.createOrReplaceTempView(name)
        views.append(name)

    try:
        view("source", read(spark, spec["source"]))
        for name, sql in spec["views"]:
            view(name, spark.sql(sql))
        rows, done = [], 0
        for result in spec["results"]:
            seen = Observation()
            spark.sql(result["sql"]).observe(seen, count(lit(1)).alias("rows")).write.parquet(result["path"])
            rows.append(seen.get["rows"])
            done += result["ticks"]
            print("featurestore: ticks", done, flush=True)
        return rows
    finally:
        for name in views:
            spark.catalog.dropTempView(name)


def deepest(error):
    """The first cause of an error in Java, None where there is none."""
    java = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    if java is None:
        return None
    while java.getCause() is not None:
        java = java.getCause()
    return java


def explain(error):
    """What went wrong, as the status says it."""
    said = {"state": "FAILED", "message": str(error), "condition": "", "sqlstate": "", "cause": "", "cause_message": ""}
    try:
        if isinstance(error, PySparkException):
            of = getattr(error, "getCondition", None) or error.getErrorClass
            said["condition"] = of() or ""
            said["sqlstate"] = error.getSqlState() or ""
        java = deepest(error)
        if java is not None:
            said["cause"] = java.getClass().getName()
            said["cause_message"] = java.getMessage() or ""
            if hasattr(java, "getSQLState") and said["cause"].startswith("org.postgresql."):
                said["sqlstate"] = java.getSQLState() or ""
            elif hasattr(java, "getCondition") and not said["condition"]:
                said["condition"] = java.getCondition() or ""
    except Exception:  # the gateway may be gone: what is known is said
        pass
    return said


def run(spark, path):
    """Runs one spec, once it is there, and answers whether it succeeded."""
    while not os.path.exists(path):
        time.sleep(0.01)
    with open(path, encoding="utf-8") as file:
        spec = json.load(file)
    try:
        status = {"state": "SUCCEEDED", "rows": compute(spark, spec)}
    except (PySparkException, Py4JJavaError, Py4JError) as error:
        status = explain(error)
    partial = spec["status"] + ".part"
    with open(partial, "w", encoding="utf-8") as file:
        json.dump(status, file)
    os.rename(partial, spec["status"])
    return status["state"] == "SUCCEEDED"


def main():
    spark = SparkSession.builder.appName("featurestore").getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    if len(sys.argv) > 1:
        succeeded = run(spark, sys.argv[1])
        spark.stop()
        sys.exit(0 if succeeded else FAILED)
    print("featurestore: ready", flush=True)
    for line in sys.stdin:
        run(spark, line.rstrip("\n"))
        print("featurestore: done", flush=True)
    spark.stop()


if __name__ == "__main__":
    main()
