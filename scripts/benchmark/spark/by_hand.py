"""Twelve windows at one or many daily ticks, as one writes them by hand in PySpark.

    spark-submit … by_hand.py EVENTS RESULT FIRST TICKS

EVENTS is a Parquet file of customer_id, event_time and amount, RESULT the folder of Parquet that is written, FIRST the first tick, in µs since 1970, and
TICKS how many there are, a day apart.
"""
import sys

from pyspark.sql import SparkSession
from pyspark.sql import functions as f

DAY = 24 * 3600 * 1_000_000
LONGEST = 90 * DAY


def windows(tick):
    """The aggregates of the events up to a tick, of which the last is the newest event."""

    def within(days, of):
        return f.when(f.col("t") > tick - days * DAY, of)

    amount = f.col("amount")
    return (
        [f.count(within(d, f.lit(1))).alias(f"count_{d}d") for d in (1, 7, 30, 90)]
        + [f.sum(within(d, amount)).alias(f"sum_{d}d") for d in (7, 30, 90)]
        + [
            f.avg(within(30, amount)).alias("avg_30d"),
            f.min(within(90, amount)).alias("min_90d"),
            f.max(within(90, amount)).alias("max_90d"),
            f.stddev_samp(within(90, amount)).alias("stddev_90d"),
            f.max(within(90, f.col("t"))).alias("newest"),
        ]
    )


def main():
    path, result, first, ticks = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    last = first + (ticks - 1) * DAY
    spark = SparkSession.builder.appName("by hand").getOrCreate()
    events = spark.read.parquet(path).select("customer_id", f.unix_micros("event_time").alias("t"), "amount").where(f.col("t") <= last)
    if ticks == 1:
        rows = events.groupBy("customer_id").agg(*windows(f.lit(last))).withColumn("tick", f.lit(last))
    else:
        at = spark.range(ticks).select((f.lit(first) + f.col("id") * DAY).alias("tick"))
        tick = f.col("tick")
        pairs = events.where(f.col("t") > first - LONGEST).join(f.broadcast(at), (f.col("t") <= tick) & (f.col("t") > tick - LONGEST))
        rows = pairs.groupBy("customer_id", "tick").agg(*windows(tick))
    rows.withColumn("time_since_last_90d", (f.col("tick") - f.col("newest")) / 1e6).drop("newest").write.parquet(result)
    spark.stop()


if __name__ == "__main__":
    main()
