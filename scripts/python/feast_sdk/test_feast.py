"""Feast's SDK, from PyPI, against a server of ours: what its users call, and what becomes of their mistakes."""

import math
import pathlib
import re
from datetime import datetime, timedelta, timezone

import pandas
import pytest
import requests
from feast import FeatureService

from sdk import TYPES, feast_store, feature_view, proxy, register, rows, run  # noqa: F401 (proxy is a fixture)

AT = datetime(2026, 2, 1, 10, 30, tzinfo=timezone.utc)


def frame(ids, **columns):
    return pandas.DataFrame({"driver_id": ids, **columns, "event_timestamp": [AT] * len(ids)})


def everything(ids):
    """A row with a value of every type for each id."""
    values = {"trips": 12, "conv_rate": 2.0, "city": "Z\u00fcrich", "active": True, "hired": AT, "scores": [1.0, 2.5], "counts": [1, 2],
              "names": ["a", "b"], "flags": [True, False], "visits": [AT]}
    return frame(ids, **{name: [value] * len(ids) for name, value in values.items()})


@pytest.fixture(scope="module")
def feast(server, tmp_path_factory):
    register(server.url, "driver_stats")
    register(server.url, "driver_more", {"trips": TYPES["trips"]})
    answer = requests.post(server.url + "/apply", json={"services": [
        {"name": "acceptance", "features": ["driver_stats:conv_rate", "driver_more:trips"]}]}, timeout=60)
    assert answer.ok, answer.text
    views = [feature_view("driver_stats"), feature_view("driver_more", types={"trips": TYPES["trips"]})]
    store = feast_store(tmp_path_factory.mktemp("feast"), server.url, views)
    store.apply([FeatureService(name="acceptance", features=[views[0][["conv_rate"]], views[1][["trips"]]])])
    return store


def read(feast, features, ids, **options):
    return feast.get_online_features(features=features, entity_rows=[{"driver_id": i} for i in ids], **options)


def test_values_statuses_and_types(feast, server):
    feast.write_to_online_store("driver_stats", everything([1001]))
    answer = read(feast, [f"driver_stats:{name}" for name in TYPES], [1001, 9999, 1001])
    values = answer.to_dict()
    seconds = int(AT.timestamp())
    wanted = {"trips": 12, "conv_rate": 2.0, "city": "Z\u00fcrich", "active": True, "hired": seconds, "scores": [1.0, 2.5], "counts": [1, 2],
              "names": ["a", "b"], "flags": [True, False], "visits": [seconds]}
    assert values == {"driver_id": [1001, 9999, 1001], **{name: [wanted[name], None, wanted[name]] for name in TYPES}}
    for name in TYPES:
        assert type(values[name][0]) is type(wanted[name]), name
    kinds = {name: vector.values[0].WhichOneof("val") for name, vector in zip(answer.proto.metadata.feature_names.val, answer.proto.results)}
    assert kinds["trips"] == "int64_val" and kinds["conv_rate"] == "double_val" and kinds["active"] == "bool_val" and kinds["city"] == "string_val"
    present, not_found = 1, 3  # as serving/ServingService.proto numbers them
    assert [list(vector.statuses) for vector in answer.proto.results[1:]] == [[present, not_found, present]] * len(TYPES)
    assert rows(server.url, "driver_stats")[0]["event_time"] == "2026-02-01T10:30:00Z"


def test_nulls_and_empty_arrays(feast):
    data = everything([2001, 2002]).assign(trips=[None, 1], conv_rate=[math.nan, 0.5], hired=[pandas.NaT, AT], scores=[[], [0.5]])
    feast.write_to_online_store("driver_stats", data)
    answer = read(feast, ["driver_stats:trips", "driver_stats:conv_rate", "driver_stats:hired", "driver_stats:scores"], [2001, 2002])
    assert answer.to_dict() == {
        "driver_id": [2001, 2002], "trips": [None, 1], "conv_rate": [None, 0.5], "hired": [None, int(AT.timestamp())], "scores": [None, [0.5]]}
    assert [list(vector.statuses) for vector in answer.proto.results[1:4]] == [[2, 1]] * 3  # NULL_VALUE, PRESENT
    with pytest.raises(RuntimeError, match="arrays hold no nulls"):
        feast.write_to_online_store("driver_stats", everything([2003]).assign(visits=[[AT, pandas.NaT]]))


def test_full_names_and_services(feast):
    feast.write_to_online_store("driver_stats", everything([3001]).assign(conv_rate=[0.25]))
    feast.write_to_online_store("driver_more", frame([3001], trips=[7]))
    asked = ["driver_stats:conv_rate", "driver_more:trips"]
    wanted = {"driver_id": [3001], "driver_stats__conv_rate": [0.25], "driver_more__trips": [7]}
    assert read(feast, asked, [3001], full_feature_names=True).to_dict() == wanted
    assert read(feast, feast.get_feature_service("acceptance"), [3001]).to_dict() == {"driver_id": [3001], "conv_rate": [0.25], "trips": [7]}


@pytest.mark.parametrize("features, row, told", [
    (["driver_stats:trip"], {"driver_id": 1}, "did you mean"),
    (["driver_stat:trips"], {"driver_id": 1}, "driver_stat"),
    (["driver_stats:trips"], {"courier_id": 1}, "no join key"),
    (["driver_stats:trips"], {"driver_id": "x"}, "expected INTEGER"),
])
def test_mistakes_raise_with_the_reason(feast, features, row, told):
    with pytest.raises(RuntimeError, match=told):
        feast.get_online_features(features=features, entity_rows=[row])


def test_mistakes_in_a_write_raise_and_store_nothing(feast, server):
    before = rows(server.url, "driver_more")
    late = frame([4001, 4002], trips=[1, 2])
    late["event_timestamp"] = [AT, datetime.now(timezone.utc) + timedelta(days=1)]
    with pytest.raises(RuntimeError, match="in the future"):
        feast.write_to_online_store("driver_more", late)
    assert rows(server.url, "driver_more") == before


def test_a_dropped_connection_is_retried_and_changes_nothing(server, proxy, tmp_path):
    register(server.url, "driver_dropped")
    store = feast_store(tmp_path, proxy.url, [feature_view("driver_dropped")])
    proxy.drops = 2
    store.write_to_online_store("driver_dropped", everything([1, 2, 3]))
    assert proxy.seen == [200, 200, 200], "the SDK sent the rows three times"
    assert len(rows(server.url, "driver_dropped")) == 3
    assert read(store, ["driver_dropped:trips"], [1, 2, 3]).to_dict()["trips"] == [12, 12, 12]


def test_events_need_an_id_column(server, proxy, tmp_path):
    types = {"scan_id": ("STRING", TYPES["city"][1]), "trips": TYPES["trips"]}
    register(server.url, "driver_scans", types, kind="events")
    register(server.url, "driver_known_scans", types, kind="events", id_column="scan_id")
    store = feast_store(tmp_path, proxy.url, [feature_view("driver_scans", types=types), feature_view("driver_known_scans", types=types)])
    with pytest.raises(RuntimeError, match="id_column"):
        store.write_to_online_store("driver_scans", frame([1], scan_id=["a"], trips=[1]))
    proxy.drops, proxy.seen = 2, []
    store.write_to_online_store("driver_known_scans", frame([1, 1], scan_id=["a", "b"], trips=[1, 1]))
    assert proxy.seen == [200, 200, 200]
    assert [row["scan_id"] for row in rows(server.url, "driver_known_scans")] == ["a", "b"]


def test_materialize_is_done_by_the_server(server, feast):
    body = "driver_id,event_time,trips\n5001,2026-01-01T00:00:00Z,46\n"
    assert requests.post(server.url + "/rows/driver_more", data=body, timeout=60).ok
    feast.materialize(AT - timedelta(days=60), AT, feature_views=["driver_more"])
    assert read(feast, ["driver_more:trips"], [5001]).to_dict()["trips"] == [46]
    feast.materialize_incremental(AT)
    feast.materialize_incremental(AT, run_async=True)
    runs = requests.get(server.url + "/runs?kind=materialization", timeout=60).json()["runs"]
    assert {"full", "incremental"} <= {run["parameters"]["mode"] for run in runs}
    with pytest.raises(Exception, match="driver_mor"):
        feast.materialize_incremental(AT, feature_views=["driver_mor"])


def test_the_section_of_the_readme(server, tmp_path, monkeypatch):
    text = (pathlib.Path(__file__).parents[3] / "README.md").read_text()
    section = re.search(r"^## From Feast$(.*?)^## ", text, re.M | re.S).group(1)
    blocks = dict(re.findall(r"^```(\w+)\n(.*?)^```$", section, re.M | re.S))
    run(re.search(r"^\$ (.*)$", blocks["console"], re.M).group(1), server)
    monkeypatch.chdir(tmp_path)
    pathlib.Path("feature_store.yaml").write_text(blocks["yaml"].replace("localhost:8001", f"127.0.0.1:{server.ports[1]}"))
    *statements, asked, shown = blocks["python"].strip().split("\n")
    scope = {}
    exec("\n".join(statements), scope)
    assert repr(eval(asked, scope)) == shown.removeprefix("# ")
