"""Feast's part of scripts/bench --feast, one command a call, in a folder with a feature_store.yaml:

    beside.py apply             registers the views group_0 to group_4 and history_a over tables of the same names
    beside.py materialize       copies group_0 to group_4 into the online store; prints seconds
    beside.py history SPINE URL joins a spine with history_a, in Feast and at a server of ours; prints seconds of both

Only the work itself is timed, not the start of Python and the import of Feast.
"""

import sys
import time
from datetime import datetime, timedelta, timezone

import pandas
from feast import Entity, FeatureStore, FeatureView, Field, ValueType
from feast.infra.offline_stores.contrib.postgres_offline_store.postgres_source import PostgreSQLSource
from feast.types import Float64, String

from featurestore import Client

GROUPS = [f"group_{g}" for g in range(5)]
FEATURES = [f"f{f}" for f in range(10)]


def views():
    customer = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.STRING)
    yield customer
    for name in GROUPS + ["history_a"]:
        source = PostgreSQLSource(name=f"source_{name}", query=f"SELECT * FROM feast_{name}", timestamp_field="event_timestamp")
        yield FeatureView(name=name, entities=[customer], ttl=timedelta(0), source=source,
                          schema=[Field(name="customer_id", dtype=String)] + [Field(name=f, dtype=Float64) for f in FEATURES])


def timed(work):
    began = time.perf_counter()
    answer = work()
    return time.perf_counter() - began, answer


def history(store, path, url):
    spine = pandas.read_csv(path, dtype={"customer_id": str}, parse_dates=["event_time"])
    theirs = spine.rename(columns={"event_time": "event_timestamp"})
    names = [f"history_a:{f}" for f in FEATURES]
    theirs_took, joined = timed(lambda: store.get_historical_features(entity_df=theirs, features=names).to_df())
    client = Client(url, timeout=600)
    ours_took, answer = timed(lambda: client.training_set(spine, names))
    order = ["customer_id", "event_time", "label"]
    joined = joined.rename(columns={"event_timestamp": "event_time"})[order + FEATURES].sort_values(order).reset_index(drop=True)
    answer = answer[order + FEATURES].sort_values(order).reset_index(drop=True)
    pandas.testing.assert_frame_equal(joined[FEATURES].astype("float64"), answer[FEATURES].astype("float64"), check_exact=True)
    assert joined["customer_id"].astype(str).tolist() == answer["customer_id"].astype(str).tolist()
    assert answer[FEATURES].notna().any(axis=None)
    return ours_took, theirs_took


def main(command, *arguments):
    store = FeatureStore(repo_path=".")
    if command == "apply":
        store.apply(list(views()))
    elif command == "materialize":
        began, ends = datetime(2025, 12, 1, tzinfo=timezone.utc), datetime(2026, 3, 1, tzinfo=timezone.utc)
        print("seconds", timed(lambda: store.materialize(began, ends, feature_views=GROUPS))[0])
    elif command == "history":
        print("seconds", *history(store, *arguments))


if __name__ == "__main__":
    main(*sys.argv[1:])
