// Package spark is the batch engine that computes on Apache Spark, with a program of Python that is part of this one (program.py).
//
// For each job Spark is started anew (start.go), as a process group that ends with the job, in a folder of its own below the job's, which is removed. What it is to do
// stands in a file that only the owner can read (spec.go); the password of a database is in the environment, and nothing that a definition says is on the command line.
//
// Events come from a PostgreSQL by JDBC, in parts that see one snapshot, or from Parquet that the engine local has written of a group or of files (source.go).
// Declared aggregations are one statement of Spark SQL, which adds up whole numbers only (aggregate.go); what is made of these is made here (finish.go), so that the last bits
// are those of every other engine. SQL that somebody wrote is run as the gate let it through (query.go). A job has succeeded if Spark ended with 0,
// its status says so, and as many rows are read as it says it has written.
//
// Where batch.spark_master names a cluster, its machines have to see the folder of jobs at the same path.
package spark
