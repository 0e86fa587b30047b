"""The package featurestore against a server: what a notebook does, and what it is told when that goes wrong."""

import doctest
import http.server
import math
import pathlib
import re
import shutil
import subprocess
import sys
import threading
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import numpy
import pandas
import polars
import pyarrow
import pytest
import requests

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
import featurestore  # noqa: E402
from featurestore import Client, FeatureStoreError, frames  # noqa: E402

AT = datetime(2026, 2, 1, 12, 30, 0, 250000, tzinfo=timezone.utc)


@pytest.fixture(params=["parquet", "json"])
def client(server, request):
    """A client that prefers one format of tables; it finds out by itself where the server does not have that."""
    client = Client(server.url)
    client.format = request.param
    return client


used = set()


def define(client, entity_type, value_type="STRING", **features):
    """Registers an entity type with these features and answers its name, which begins so and was not there before."""
    entity_type += f"_{len(used)}"
    used.add(entity_type)
    types = features or {"count": "INTEGER", "amount": "FLOAT", "city": "STRING", "vip": "BOOLEAN", "seen": "TIMESTAMP", "scores": "FLOAT[]"}
    client.apply({
        "entity_types": [{"name": entity_type, "join_keys": [{"name": "id", "value_type": value_type}]}],
        "groups": [{"name": entity_type, "entity_type": entity_type, "features": [{"name": n, "value_type": t} for n, t in types.items()]}],
    })
    return entity_type


def test_documented_examples():
    for module in [featurestore, frames]:
        assert doctest.testmod(module).failed == 0


def test_the_section_of_the_readme(server):
    text = (HERE.parents[2] / "README.md").read_text().replace("http://localhost:8000", server.url)
    section = re.search(r"^## From a notebook$(.*?)^## ", text, re.M | re.S).group(1)
    examples = doctest.DocTestParser().get_doctest(re.search(r"^```pycon\n(.*?)^```$", section, re.M | re.S).group(1), {}, "README", "README.md", 0)
    assert len(examples.examples) > 10
    result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(examples)
    assert result.failed == 0


def test_the_best_format_that_the_server_has_is_used(server):
    client = Client(server.url)
    client.get_many(define(client, "chooser", n="INTEGER"), ["1"])
    takes = "application/vnd.apache.parquet" in requests.get(server.url + "/openapi.json", timeout=60).text
    assert client.format == ("parquet" if takes else "json")


def test_store_and_get(client):
    buyer = define(client, "buyer")
    answer = client.store(buyer, "1", {"count": 2**63 - 1, "amount": 2.0, "city": None, "vip": True, "seen": AT, "scores": [0.5, 1]}, AT)
    assert (answer["stored"], answer["online"]) == (1, "written")
    values = client.get(buyer, "1")
    assert values == {"count": 2**63 - 1, "amount": 2.0, "city": None, "vip": True, "seen": "2026-02-01T12:30:00.25Z", "scores": [0.5, 1.0]}
    assert values.statuses["city"] == "NULL_VALUE" and values.statuses["count"] == "PRESENT"
    assert values.event_times["count"] == "2026-02-01T12:30:00.25Z"
    assert client.get(buyer, "2", ["count"]).statuses == {"count": "NOT_FOUND"}
    assert client.store(buyer, "1", {"count": 1})["event_times"] != [None], "as of now"
    with pytest.raises(ValueError, match="time zone"):
        client.store(buyer, "1", {"count": 1}, datetime(2026, 1, 1))


def test_many_of_each_frame(client):
    shop = define(client, "shop", "INTEGER", n="INTEGER", x="FLOAT")
    client.store(shop, 1, {"n": 2**62 + 1, "x": 0.1}, AT)
    client.store(shop, {"id": 2}, {"n": None, "x": math.nan}, AT)
    asked = dict(features=["n", "x"])
    frame = client.get_many(shop, [2, 1, 3, 1], **asked)
    assert list(frame["id"]) == [2, 1, 3, 1] and list(frame["n"].isna()) == [True, False, True, False]
    assert frame["n"][1] == 2**62 + 1 and frame["x"][1] == 0.1
    assert client.get_many(shop, [1, 2], like="polars", **asked).rows() == [(1, 2**62 + 1, 0.1), (2, None, None)]
    assert client.get_many(shop, [1, 2], like="pyarrow", **asked).to_pydict() == {"id": [1, 2], "n": [2**62 + 1, None], "x": [0.1, None]}
    assert client.get_many(shop, [{"id": 1}], like="dict", statuses=True, **asked) == {
        "id": [1], "n": [2**62 + 1], "n__status": ["PRESENT"], "x": [0.1], "x__status": ["PRESENT"]}


def loads():
    """The same rows in every form that is loaded."""
    columns = {"id": ["007", "8", "9"], "event_time": [AT, AT + timedelta(days=1), AT], "n": [1, None, 2**62 + 1], "x": [0.1, 2.0, None], "city": ["", None, "Z\u00fcrich"]}
    yield "pandas", pandas.DataFrame({**columns, "n": pandas.array(columns["n"], dtype="Int64")})
    yield "polars", polars.DataFrame(columns)
    yield "pyarrow", pyarrow.table(columns)
    yield "columns", columns
    yield "rows", [dict(zip(columns, row)) for row in zip(*columns.values())]


@pytest.mark.parametrize("name, data", list(loads()), ids=lambda v: v if isinstance(v, str) else "")
def test_load_and_training_set(client, name, data):
    visitor = define(client, "visitor", n="INTEGER", x="FLOAT", city="STRING")
    answer = client.load(visitor, data, wait="60s")
    assert (answer["received"], answer["stored"], answer["online"]) == (3, 3, "written")
    assert answer["nulls"] == {"n": 1, "x": 1, "city": 1}
    spine = pandas.DataFrame({"id": ["9", "007", "8", "none"], "event_time": [AT, AT, AT, AT], "label": [1, 0, 1, 0]})
    train = client.training_set(spine, [f"{visitor}:n", f"{visitor}:x", f"{visitor}:city"])
    assert list(train.columns) == ["id", "event_time", "label", "n", "x", "city"]
    assert list(train["id"]) == ["9", "007", "8", "none"] and list(train["label"]) == [1, 0, 1, 0]
    assert [None if pandas.isna(n) else int(n) for n in train["n"]] == [2**62 + 1, 1, None, None]
    assert list(train["city"])[:2] == ["Z\u00fcrich", ""]
    assert train["event_time"].dt.tz is not None and list(train["event_time"]) == [AT] * 4
    other = client.training_set(polars.from_pandas(spine), [f"{visitor}:n"])
    assert isinstance(other, polars.DataFrame) and other["n"].to_list() == [2**62 + 1, 1, None, None]
    rows = client.training_set([{"id": "9", "event_time": AT}], [f"{visitor}:x"], like="dict", full_feature_names=True)
    assert rows[f"{visitor}__x"] == [None] and rows["id"] == ["9"]


def test_training_set_as_known_then(client):
    rider = define(client, "rider", n="INTEGER")
    client.store(rider, "1", {"n": 1}, AT)
    spine = pandas.DataFrame({"id": ["1"], "event_time": [AT]})
    first = client.training_set(spine, [f"{rider}:n"])
    token, between = client.known_at, datetime.now(timezone.utc)
    assert token
    client.store(rider, "1", {"n": 2}, AT)
    assert list(client.training_set(spine, [f"{rider}:n"])["n"]) == [2] and client.known_at != token
    then = client.training_set(spine, [f"{rider}:n"], known_at=token)
    assert then.equals(first) and client.known_at == token
    assert list(client.training_set(spine, [f"{rider}:n"], known_at=between)["n"]) == [1]
    with pytest.raises(FeatureStoreError, match="known_at") as refused:
        client.training_set(spine, [f"{rider}:n"], known_at="yesterday")
    assert refused.value.status == 400


def test_times_without_a_zone(client):
    drifter = define(client, "drifter", n="INTEGER")
    berlin = datetime(2026, 2, 1, 13, 30)
    frame = pandas.DataFrame({"id": ["1", "2"], "event_time": [berlin, berlin], "n": [1, 2]})
    for data in (frame, {name: frame[name].values.astype("datetime64[ns]") if name == "event_time" else frame[name] for name in frame}):
        with pytest.raises((ValueError, FeatureStoreError), match="zone"):
            client.load(drifter, data)
        assert client.load(drifter, data, time_zone="Europe/Berlin", wait="60s")["stored"] == 2
    assert client.get(drifter, "1").event_times == {"n": "2026-02-01T12:30:00Z"}
    spine = frame[["id", "event_time"]]
    train = client.training_set(spine, [f"{drifter}:n"], time_zone="Europe/Berlin")
    assert list(train["n"]) == [1, 2] and list(train["event_time"]) == [berlin] * 2


def test_a_named_index_is_a_column(client):
    indexed = define(client, "indexed", n="INTEGER")
    frame = pandas.DataFrame({"id": ["1", "2"], "event_time": [AT, AT], "n": [1, 2]}, index=[7, 8])
    for data in (frame.set_index("event_time"), frame.set_index(["id", "event_time"]), frame.set_index("n", append=True), frame.set_index("id", drop=False)):
        assert client.load(indexed, data, wait="60s")["nulls"] == {}
    assert client.get(indexed, "2").event_times == {"n": "2026-02-01T12:30:00.25Z"}
    train = client.training_set(frame.set_index("id")[["event_time"]], [f"{indexed}:n"])
    assert list(train["id"]) == ["1", "2"] and list(train["n"]) == [1, 2]


def test_frames_without_rows(client):
    hermit = define(client, "hermit", n="INTEGER")
    frame = pandas.DataFrame({"id": ["1"], "event_time": [AT], "n": [1]}).iloc[:0]
    for data in (frame, polars.from_pandas(frame), pyarrow.Table.from_pandas(frame, preserve_index=False), {"id": [], "event_time": [], "n": []}):
        assert client.load(hermit, data, wait="60s")["received"] == 0
    train = client.training_set(frame[["id", "event_time"]], [f"{hermit}:n"])
    assert list(train.columns) == ["id", "event_time", "n"] and len(train) == 0
    assert len(client.get_many(hermit, [], ["n"])) == 0


def test_names_and_values_as_people_give_them(client):
    tailor = define(client, "tailor", count="INTEGER", amount="FLOAT", city="STRING")
    client.store(tailor, "1", {"count": numpy.int64(3), "amount": Decimal("2.50"), "city": b"Z\xc3\xbcrich", "weight": Decimal("0.5")}, AT)
    assert client.get(tailor, "1") == {"count": 3, "amount": 2.5, "city": "Z\u00fcrich", "weight": 0.5}
    assert client.get(tailor, "1", "city") == {"city": "Z\u00fcrich"}
    spine = pandas.DataFrame({"id": ["1"], "event_time": [AT]})
    assert list(client.training_set(spine, f"{tailor}:city")["city"]) == ["Z\u00fcrich"]
    assert list(client.get_many(tailor, spine["id"], pandas.Index(["count", "amount"]))["count"]) == [3]
    assert [run["subject"] for run in client.materialize(tailor)] == [tailor]
    with pytest.raises(ValueError, match="polars"):
        client.get_many(tailor, ["1"], like="Polars")


def test_load_a_file(client, tmp_path):
    walker = define(client, "walker", n="INTEGER")
    path = tmp_path / "rows.csv"
    path.write_text("id,event_time,n\na,2026-01-01 00:00,1\nb,2026-01-01 00:00,x\n")
    with pytest.raises(FeatureStoreError, match="no offset"):
        client.load(walker, path)
    answer = client.load(walker, str(path), time_zone="Europe/Berlin", on_error="skip", wait="60s")
    assert (answer["stored"], answer["rejected"], answer["bad_rows"][0]["row"]) == (1, 1, 2)
    assert client.get(walker, "a").event_times == {"n": "2025-12-31T23:00:00Z"}


def test_apply(client, tmp_path):
    text = "entity_types: [{name: runner, join_keys: [{name: runner_id, value_type: STRING}]}]\n"
    assert client.apply(text, dry_run=True)["dry_run"] is True
    path = tmp_path / "definitions.yaml"
    path.write_text(text)
    client.apply(path)
    assert client.apply(text)["unchanged"] == [{"kind": "entity_type", "name": "runner"}]


def test_materialize(client):
    rider = define(client, "rider", n="INTEGER")
    client.store(rider, "1", {"n": 1}, AT)
    runs = client.materialize([rider], mode="full")
    assert [(run["subject"], run["state"]) for run in runs] == [(rider, "succeeded")]
    with pytest.raises(FeatureStoreError, match="there is no group"):
        client.materialize([rider[:-1]])


def test_errors_are_readable(client):
    diver = define(client, "diver", n="INTEGER")
    with pytest.raises(FeatureStoreError) as raised:
        client.store(diver, "1", {"n": 1.5})
    assert str(raised.value) == "Invalid observation (422): nothing was stored: the observation is not valid\n  rows[0].n: expected INTEGER, got 1.5 (value: 1.5)"
    assert raised.value.status == 422 and raised.value.violations[0]["location"] == "rows[0].n"
    with pytest.raises(FeatureStoreError, match=r"Bad rows \(422\)(.|\n)*row 2, column n: expected INTEGER"):
        client.load(diver, [{"id": "1", "event_time": AT, "n": 1}, {"id": "2", "event_time": AT, "n": "x"}])
    with pytest.raises(FeatureStoreError, match="there is no entity type"):
        client.get("divr", "1")


class Flaky(http.server.ThreadingHTTPServer):
    """Answers what `answers` says, in turn: a status with headers, or None to drop the connection; seen are the requests."""

    def __init__(self, answers):
        self.answers, self.seen = list(answers), []
        super().__init__(("127.0.0.1", 0), _Flaky)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Flaky(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.seen.append((self.headers.get("Idempotency-Key"), self.rfile.read(int(self.headers["Content-Length"]))))
        answer = self.server.answers.pop(0)
        if answer is None:
            return
        status, headers = answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b'{"stored": 1}' if status == 200 else b"busy")

    def log_message(self, *_):
        pass


@pytest.fixture
def flaky(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: pauses.append(seconds))
    pauses, servers = [], []

    def start(*answers):
        servers.append(Flaky(answers))
        return servers[-1], Client(f"http://127.0.0.1:{servers[-1].server_address[1]}"), pauses

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_writes_are_repeated_under_one_key(flaky, tmp_path):
    server, client, pauses = flaky(None, (503, {"Retry-After": "7"}), (409, {"Retry-After": "1"}), (429, {}), (200, {}))
    assert client.store("customer", "1", {"n": 1}) == {"stored": 1}
    assert len(server.seen) == 5 and len(set(server.seen)) == 1 and re.fullmatch(r"[0-9a-f-]{36}", server.seen[0][0])
    assert len(pauses) == 4 and pauses[1] == 7 and pauses[0] < pauses[3]
    server, client, _ = flaky(None, (200, {}), (200, {}))
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n1,2\n")
    client.load("g", path)
    client.load("g", path)
    assert [body for _, body in server.seen] == [b"a,b\n1,2\n"] * 3, "a file is read anew"
    assert server.seen[0][0] == server.seen[1][0] != server.seen[2][0], "another write has another key"


def test_giving_up(flaky):
    _, client, _ = flaky(*[(503, {})] * 5)
    with pytest.raises(FeatureStoreError, match=r"\(503\): busy"):
        client.store("customer", "1", {"n": 1})
    _, client, _ = flaky(*[None] * 5)
    with pytest.raises(requests.ConnectionError):
        client.store("customer", "1", {"n": 1})
    server, client, _ = flaky((400, {}))
    with pytest.raises(FeatureStoreError):
        client.store("customer", "1", {"n": 1})
    assert len(server.seen) == 1, "a mistake is not repeated"


def test_it_needs_only_requests(server, tmp_path):
    """Installed by pip, without pandas, polars and pyarrow."""
    source = tmp_path / "python"
    shutil.copytree(HERE.parent / "featurestore", source / "featurestore", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(HERE.parent / "pyproject.toml", source)
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target", tmp_path / "installed", source], check=True)
    assert (tmp_path / "installed" / "featurestore" / "py.typed").exists()
    script = f"""
import sys
for name in ["pandas", "polars", "pyarrow"]:
    sys.modules[name] = None
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name in ("pandas", "polars", "pyarrow") else found(name, *rest)
import featurestore
assert featurestore.__file__.startswith({str(tmp_path)!r})
client = featurestore.Client({server.url!r})
client.apply("entity_types: [{{name: plain}}]")
client.store("plain", "1", {{"n": 1}}, "2026-01-01T00:00:00Z")
print(client.get_many("plain", ["1", "2"]), client.training_set([{{"plain_id": "1", "event_time": "2026-01-02T00:00:00Z"}}], ["plain:n"])["n"])
"""
    out = subprocess.run([sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(tmp_path / 'installed')!r})\n" + script], capture_output=True, text=True)
    assert out.stdout == "{'plain_id': ['1', '2'], 'n': [1, None]} [1]\n", out.stderr
