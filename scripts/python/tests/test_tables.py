"""Tables of pandas, polars and pyarrow go in and come out as they were: types, nulls, 64-bit integers, microseconds, arrays."""

import datetime
import decimal
import io
import json
import math
import uuid

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
import requests

PARQUET = "application/vnd.apache.parquet"
ARROW = "application/vnd.apache.arrow.stream"
UTC = datetime.timezone.utc
TIMES = pa.timestamp("us", tz="UTC")

FEATURES = {
    "truth": ("BOOLEAN", pa.bool_(), [True, False, None]),
    "whole": ("INTEGER", pa.int64(), [-(2**63), 2**63 - 1, None, 2**53 + 1, 0, -1]),
    "number": ("FLOAT", pa.float64(), [0.1, -1.7976931348623157e308, None, 5e-324, 1.0, 123456789.123456789]),
    "text": ("STRING", pa.string(), ["", "a,\"b\"\r\n", None, "日本語 😀", "null", " x "]),
    "moment": ("TIMESTAMP", TIMES, [datetime.datetime(1, 1, 1, tzinfo=UTC), datetime.datetime(9999, 12, 31, 23, 59, 59, 999999, UTC), None,
                                    datetime.datetime(2026, 1, 31, 12, 0, 0, 1, UTC), datetime.datetime(1969, 12, 31, 23, 59, 59, 999999, UTC)]),
    "document": ("JSON", pa.string(), ['{"a":[1,2.50,null]}', "[]", None, '"text"', "12345678901234567890123"]),
    "truths": ("BOOLEAN[]", pa.list_(pa.bool_()), [[True, False], [], None]),
    "wholes": ("INTEGER[]", pa.list_(pa.int64()), [[-(2**63), 2**63 - 1], [], None, [0]]),
    "numbers": ("FLOAT[]", pa.list_(pa.float64()), [[0.1, 5e-324], [], None, [1.5] * 1536]),
    "texts": ("STRING[]", pa.list_(pa.string()), [["", "é", "a\nb"], [], None]),
    "moments": ("TIMESTAMP[]", pa.list_(TIMES), [[datetime.datetime(2026, 1, 1, 0, 0, 0, 1, UTC)], [], None]),
}


def call(method, url, **kwargs):
    answer = requests.request(method, url, timeout=120, **kwargs)
    assert answer.ok, answer.text
    return answer


def define(server, name, features):
    """An entity type and a group of a name of their own, with the join key id."""
    call("POST", server.url + "/apply", json={
        "entity_types": [{"name": name, "join_keys": [{"name": "id", "value_type": "STRING"}]}],
        "groups": [{"name": name, "entity_type": name, "features": [{"name": f, "value_type": t} for f, t in features.items()]}],
    })


def everything() -> pa.Table:
    """A row for each of the values at an edge, beside the first ones of the other types."""
    rows = max(len(values) for _, _, values in FEATURES.values())
    columns = {
        "id": pa.array([f"{i:03d}" for i in range(rows)]),
        "event_time": pa.array([datetime.datetime(2026, 1, 1, 0, 0, 0, i + 1, UTC) for i in range(rows)], TIMES),
    }
    for name, (_, kind, values) in FEATURES.items():
        columns[name] = pa.array([values[i % len(values)] for i in range(rows)], kind)
    return pa.table(columns)


def parquet(table, **options) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, **options)
    return out.getvalue()


def stream(table, compression=None) -> bytes:
    out = io.BytesIO()
    with pa.ipc.new_stream(out, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table)
    return out.getvalue()


def feather(table, compression="lz4") -> bytes:
    out = io.BytesIO()
    pa.feather.write_feather(table, out, compression=compression)
    return out.getvalue()


def by_pandas_parquet(table):
    return table.to_pandas(types_mapper=pd.ArrowDtype).to_parquet(index=False)


def by_polars_parquet(table):
    out = io.BytesIO()
    pl.from_arrow(table).write_parquet(out)
    return out.getvalue()


def by_polars_stream(table):
    out = io.BytesIO()
    pl.from_arrow(table).write_ipc_stream(out)
    return out.getvalue()


def by_polars_file(table):
    out = io.BytesIO()
    pl.from_arrow(table).write_ipc(out, compression="zstd")
    return out.getvalue()


def from_polars(frame):
    return frame.to_arrow().cast(everything().schema)


WRITERS = {
    "pyarrow parquet": parquet, "pyarrow stream": stream, "pyarrow feather": feather, "pandas parquet": by_pandas_parquet,
    "polars parquet": by_polars_parquet, "polars stream": by_polars_stream, "polars file": by_polars_file,
}
READERS = {
    "pyarrow parquet": (PARQUET, lambda b: pq.read_table(io.BytesIO(b))),
    "pyarrow stream": (ARROW, lambda b: pa.ipc.open_stream(b).read_all()),
    "pandas parquet": (PARQUET, lambda b: pa.Table.from_pandas(pd.read_parquet(io.BytesIO(b), dtype_backend="pyarrow"), schema=everything().schema)),
    "polars parquet": (PARQUET, lambda b: from_polars(pl.read_parquet(io.BytesIO(b)))),
    "polars stream": (ARROW, lambda b: from_polars(pl.read_ipc_stream(io.BytesIO(b)))),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_round_trip(server, writer):
    name = "trip_" + writer.replace(" ", "_")
    define(server, name, {f: kind for f, (kind, _, _) in FEATURES.items()})
    given = everything()
    loaded = call("POST", f"{server.url}/rows/{name}?wait=60s", data=WRITERS[writer](given)).json()
    assert (loaded["received"], loaded["stored"], loaded["online"]) == (given.num_rows, given.num_rows, "written")
    assert loaded["nulls"] == {f: n for f in FEATURES if (n := given[f].null_count)}
    for reader, (media_type, read) in READERS.items():
        answer = call("GET", f"{server.url}/rows/{name}", headers={"Accept": media_type})
        assert answer.headers["Content-Type"] == media_type
        got = read(answer.content).sort_by("id")
        assert got.column_names == given.column_names, reader
        for column in given.column_names:
            assert got[column].cast(given[column].type).to_pylist() == given[column].to_pylist(), (reader, column)

    spine = given.select(["id", "event_time"]).append_column("label", pa.array(range(given.num_rows), pa.int32()))
    for reader, (media_type, read) in READERS.items():
        if not reader.startswith("pyarrow"):
            continue
        answer = call("POST", f"{server.url}/training-sets", params={"features": ",".join(f"{name}:{f}" for f in FEATURES)},
                      data=WRITERS[writer](spine), headers={"Accept": media_type})
        got = read(answer.content)
        assert got["label"].type == pa.int64() and got["event_time"].type == TIMES
        assert got["label"].to_pylist() == spine["label"].to_pylist()
        for column in FEATURES:
            assert got[column].to_pylist() == given[column].to_pylist(), (reader, column)

        answer = call("POST", f"{server.url}/get/{name}", json={"entity_ids": given["id"].to_pylist()}, headers={"Accept": media_type})
        got = read(answer.content)
        for column in FEATURES:
            assert got[column].to_pylist() == given[column].to_pylist(), (reader, column)


def kinds() -> dict:
    """Columns of every type that the packages write: what goes in, the type that a draft gets, and what comes out as JSON."""
    day, moment = datetime.date(2026, 1, 31), datetime.datetime(2026, 1, 31, 12, 0, 0, 123456)
    d = decimal.Decimal
    one = lambda kind, value, draft, wanted: (pa.array([value, None, value], kind), draft, [wanted, None, wanted])
    columns = {f"int{n}": one(getattr(pa, f"int{n}")(), -(2 ** (n - 1)), "INTEGER", -(2 ** (n - 1))) for n in (8, 16, 32, 64)}
    columns |= {f"uint{n}": one(getattr(pa, f"uint{n}")(), 2**n - 1, "INTEGER", 2**n - 1) for n in (8, 16, 32)}
    columns |= {f"stamp_{unit}": one(pa.timestamp(unit, tz="Asia/Tokyo"), moment.replace(microsecond=0, tzinfo=UTC), "TIMESTAMP", "2026-01-31T12:00:00Z")
                for unit in ("s", "ms", "us", "ns")}
    columns |= {f"local_{unit}": one(pa.timestamp(unit), moment.replace(microsecond=0), "TIMESTAMP", "2026-01-31T11:00:00Z") for unit in ("s", "ms", "us", "ns")}
    return columns | {
        "uint64": one(pa.uint64(), 2**63 - 1, "INTEGER", 2**63 - 1),
        "half": one(pa.float16(), 1.5, "FLOAT", 1.5),
        "single": one(pa.float32(), 0.1, "FLOAT", 0.10000000149011612),
        "double": one(pa.float64(), 0.1, "FLOAT", 0.1),
        "truth": one(pa.bool_(), True, "BOOLEAN", True),
        "micros": one(pa.timestamp("us", tz="UTC"), moment.replace(tzinfo=UTC), "TIMESTAMP", "2026-01-31T12:00:00.123456Z"),
        "day": one(pa.date32(), day, "TIMESTAMP", "2026-01-30T23:00:00Z"),
        "day64": one(pa.date64(), day, "TIMESTAMP", "2026-01-30T23:00:00Z"),
        "clock": one(pa.time64("us"), datetime.time(1, 2, 3, 4), "STRING", "01:02:03.000004"),
        "cents": one(pa.decimal128(12, 2), d("-1234567.05"), "FLOAT", -1234567.05),
        "units": one(pa.decimal128(18, 0), d("-123456789012345678"), "INTEGER", -123456789012345678),
        "wide": one(pa.decimal256(50, 3), d("0.125"), "FLOAT", 0.125),
        "text": one(pa.string(), "é", "STRING", "é"),
        "large": one(pa.large_string(), "é", "STRING", "é"),
        "view": one(pa.string_view(), "longer than twelve bytes é", "STRING", "longer than twelve bytes é"),
        "bytes": one(pa.binary(), b"text", "STRING", "text"),
        "fixed": one(pa.binary(3), b"abc", "STRING", "abc"),
        "categories": (pa.array(["a", None, "b"]).dictionary_encode(), "STRING", ["a", None, "b"]),
        "list": one(pa.list_(pa.int32()), [1, 2], "INTEGER[]", [1, 2]),
        "large_list": one(pa.large_list(pa.string()), ["x", ""], "STRING[]", ["x", ""]),
        "vector": one(pa.list_(pa.float32(), 2), [0.5, -1], "FLOAT[]", [0.5, -1]),
        "days": one(pa.list_(pa.timestamp("us", tz="UTC")), [moment.replace(tzinfo=UTC)], "TIMESTAMP[]", ["2026-01-31T12:00:00.123456Z"]),
        "nested": one(pa.list_(pa.list_(pa.int64())), [[1], [], None], "JSON", [[1], [], None]),
        "record": one(pa.struct({"a": pa.int64(), "b": pa.list_(pa.string()), "c": pa.struct({"d": pa.float64()})}),
                      {"a": 1, "b": ["x", None], "c": None}, "JSON", {"a": 1, "b": ["x", None], "c": None}),
        "records": one(pa.list_(pa.struct({"a": pa.int64(), "b": pa.string()})), [{"a": 1, "b": None}, {"a": None, "b": "y"}], "JSON",
                       [{"a": 1, "b": None}, {"a": None, "b": "y"}]),
        "map": one(pa.map_(pa.string(), pa.int64()), [("x", 1), ("y", None)], "JSON", {"x": 1, "y": None}),
    }


ENCODED = {
    "whole": ("int64", ["PLAIN", "DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT"]),
    "number": ("float64", ["PLAIN", "BYTE_STREAM_SPLIT"]),
    "text": ("string", ["PLAIN", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"]),
    "truth": ("bool_", ["PLAIN", "RLE"]),
}
WAYS = {
    "snappy": lambda t: parquet(t),
    "gzip, version 1": lambda t: parquet(t, compression="gzip", version="2.4", use_dictionary=False),
    "zstd, pages 2": lambda t: parquet(t, compression="zstd", data_page_version="2.0"),
    "brotli, small pages": lambda t: parquet(t, compression="brotli", data_page_size=1, write_batch_size=1),
    "lz4, row groups": lambda t: parquet(t, compression="lz4", row_group_size=1),
    "plain, not compliant": lambda t: parquet(t, compression="none", use_compliant_nested_type=False),
    "stream": lambda t: stream(t),
    "stream, zstd": lambda t: stream(t, "zstd"),
    "stream, lz4": lambda t: stream(t, "lz4"),
    "file": lambda t: feather(t, "uncompressed"),
}


@pytest.mark.parametrize("way", WAYS)
def test_types(server, way):
    name = "kinds_" + "".join(c if c.isalnum() else "_" for c in way)[:30].replace("__", "_")
    columns = kinds()
    if "stream" not in way and way != "file":
        columns.pop("view")  # pyarrow does not write it to Parquet
    define(server, name, {})
    table = pa.table({"id": ["a", "b", "c"], "event_time": pa.array([datetime.datetime(2026, 1, 1, tzinfo=UTC)] * 3, pa.timestamp("ms", tz="UTC"))}
                     | {column: values for column, (values, _, _) in columns.items()})
    loaded = call("POST", f"{server.url}/rows/{name}", params={"create": "true", "time_zone": "Europe/Berlin"}, data=WAYS[way](table)).json()
    assert loaded["stored"] == 3 and loaded["registered"] == list(columns)
    group = call("GET", f"{server.url}/groups/{name}").json()
    assert {f["name"]: f["value_type"] for f in group["features"]} == {column: draft for column, (_, draft, _) in columns.items()}
    got = call("GET", f"{server.url}/rows/{name}?format=json").json()
    for column, (_, _, wanted) in columns.items():
        assert got[column] == wanted, column


@pytest.mark.parametrize("encodings", [(c, e) for c, (_, encodings) in ENCODED.items() for e in encodings], ids=lambda ce: " ".join(ce))
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_encodings(server, encodings, version):
    column, encoding = encodings
    kind = getattr(pa, ENCODED[column][0])()
    name = f"{column}_{encoding.lower()}_v{version[0]}"
    values = {
        "whole": [None if i % 7 == 0 else (i * 7919) ** 3 % 2**60 - 2**59 for i in range(5000)],
        "number": [None if i % 7 == 0 else math.sin(i) for i in range(5000)],
        "text": [None if i % 7 == 0 else f"prefix {i // 100:04d} {i}" for i in range(5000)],
        "truth": [None if i % 7 == 0 else i % 3 == 0 for i in range(5000)],
    }[column]
    define(server, name, {column: FEATURES[column][0]})
    table = pa.table({"id": [f"{i:05d}" for i in range(5000)], column: pa.array(values, kind)})
    body = parquet(table, use_dictionary=["id"], column_encoding={column: encoding}, data_page_version=version, data_page_size=4096)
    assert encoding in pq.ParquetFile(io.BytesIO(body)).metadata.row_group(0).column(1).encodings
    assert call("POST", f"{server.url}/rows/{name}", data=body).json()["stored"] == 5000
    got = pq.read_table(io.BytesIO(call("GET", f"{server.url}/rows/{name}?format=parquet").content)).sort_by("id")
    assert got[column].to_pylist() == values


def test_int96(server):
    """The times that Spark writes."""
    define(server, "spark", {"at": "TIMESTAMP"})
    at = [datetime.datetime(2026, 1, 31, 12, 0, 0, 123456), datetime.datetime(1969, 12, 31, 23, 59, 59, 999999), None]
    table = pa.table({"id": ["a", "b", "c"], "at": pa.array(at, pa.timestamp("us"))})
    call("POST", f"{server.url}/rows/spark", data=parquet(table, use_deprecated_int96_timestamps=True))
    assert call("GET", f"{server.url}/rows/spark?format=json").json()["at"] == ["2026-01-31T12:00:00.123456Z", "1969-12-31T23:59:59.999999Z", None]


def test_pandas_frame(server):
    """A frame as people have it: NaN for null, times in nanoseconds without a zone, an index."""
    define(server, "frame", {"n": "INTEGER", "x": "FLOAT", "kind": "STRING", "vector": "FLOAT[]"})
    frame = pd.DataFrame({
        "id": [1, 2, 3], "event_time": pd.to_datetime(["2026-01-31 12:00:00.000000001"] * 3),
        "n": [1.0, float("nan"), 3.0], "x": [0.5, None, -1.0], "kind": pd.Categorical(["a", "b", None]), "vector": [[1.0, 2.0], None, []],
    }, index=[7, 8, 9])
    for body in (frame.to_parquet(), stream(pa.Table.from_pandas(frame))):
        refused = requests.post(f"{server.url}/rows/frame", data=body, timeout=60)
        assert refused.status_code == 422 and "time_zone" in refused.text
        loaded = call("POST", f"{server.url}/rows/frame?time_zone=UTC&wait=60s", data=body).json()
        assert loaded["ignored_columns"] == ["__index_level_0__"]
        assert loaded["nulls"] == {"n": 1, "x": 1, "kind": 1, "vector": 1}
    assert len(pd.read_parquet(f"{server.url}/rows/frame?format=parquet")) == 6
    got = pd.read_parquet(io.BytesIO(call("POST", f"{server.url}/get/frame?format=parquet", json={"entity_ids": ["1", "2", "3"]}).content))
    assert got["n"].tolist()[0::2] == [1, 3] and got["kind"].tolist()[:2] == ["a", "b"] and got["kind"].isna()[2]
    spine = frame[["id", "event_time"]].set_index("id")  # a named index is a column like any other
    answer = call("POST", f"{server.url}/training-sets?features=frame:x&time_zone=UTC", data=spine.to_parquet(index=True))
    got = pd.read_parquet(io.BytesIO(answer.content))
    assert got["event_time"].dt.tz is None and got["x"].tolist()[0::2] == [0.5, -1.0]


def test_bad_values(server):
    """What has no place in a type is a bad row with its number and a reason."""
    define(server, "bad", {"n": "INTEGER", "x": "FLOAT", "text": "STRING", "list": "INTEGER[]"})
    rows = {"id": pa.array(["a", "b", "c"])}
    for column, values, reason in [
        ("n", pa.array([1, 2**63, 3], pa.uint64()), "beyond 64 bits"),
        ("n", pa.array([1, 2.5, 3]), "expected INTEGER, got 2.5"),
        ("n", pa.array([1, decimal.Decimal("2.50"), 3], pa.decimal128(9, 2)), "expected INTEGER, got 2.50"),
        ("x", pa.array([1, float("nan"), 3]), "NaN is refused"),
        ("x", pa.array([1, 2**53 + 1, 3]), "exact"),
        ("text", pa.array([b"a", b"\xff", b"c"]), "not valid UTF-8"),
        ("text", pa.array(["a", "\0", "c"]), "NUL"),
        ("list", pa.array([[1], [None], [3]], pa.list_(pa.int64())), "arrays hold no nulls"),
    ]:
        for write in (parquet, stream):
            body = write(pa.table(rows | {column: values}))
            refused = requests.post(f"{server.url}/rows/bad", data=body, timeout=60)
            assert refused.status_code == 422, refused.text
            violation = refused.json()["violations"][0]
            assert violation["location"] == f"row 2, column {column}" and reason in violation["message"], (violation, reason)
            skipped = call("POST", f"{server.url}/rows/bad?on_error=skip", data=body).json()
            assert (skipped["received"], skipped["stored"], skipped["rejected"]) == (3, 2, 1)
    for dt in (pa.duration("us"), pa.month_day_nano_interval()):
        refused = requests.post(f"{server.url}/rows/bad", data=stream(pa.table(rows | {"n": pa.nulls(3, dt)})), timeout=60)
        assert refused.status_code == 415 and '"n"' in refused.json()["detail"]


def test_spine_as_it_came(server):
    """Other columns of a spine keep their types; those of CSV are text, but for the join keys and the times."""
    define(server, "spined", {"n": "INTEGER"})
    call("POST", f"{server.url}/store/spined/a?event_time=2026-01-01T00:00:00Z", json={"n": 5})
    times = pa.array([datetime.datetime(2026, 2, 1)], pa.timestamp("us"))
    spine = pa.table({
        "id": ["a"], "event_time": times, "day": pa.array([datetime.date(2026, 2, 1)]), "label": pa.array([1], pa.int8()), "weight": pa.array([float("nan")]),
        "nothing": pa.nulls(1), "list": pa.array([[1, None]]), "record": pa.array([{"a": 1}]),
    })
    for body, media_type, read in ((parquet(spine), PARQUET, READERS["pyarrow parquet"][1]), (stream(spine), ARROW, READERS["pyarrow stream"][1])):
        answer = call("POST", f"{server.url}/training-sets?features=spined:n&time_zone=UTC", data=body)
        assert answer.headers["Content-Type"] == media_type  # as the spine
        got = read(answer.content)
        assert [str(field.type) for field in got.schema][1:5] == ["timestamp[us]", "date32[day]", "int64", "double"]
        row = got.to_pylist()[0]
        assert math.isnan(row.pop("weight"))
        assert json.loads(row.pop("record")) == {"a": 1}
        assert row == {"id": "a", "event_time": times[0].as_py(), "day": datetime.date(2026, 2, 1), "label": 1, "nothing": None, "list": [1, None], "n": 5}
    lines = "id,event_time,label\na,2026-02-01 01:00:00,1\n"
    got = pq.read_table(io.BytesIO(call("POST", f"{server.url}/training-sets?features=spined:n&time_zone=Europe/Berlin&format=parquet", data=lines).content))
    assert got.to_pylist() == [{"id": "a", "event_time": datetime.datetime(2026, 2, 1, tzinfo=UTC), "label": "1", "n": 5}]
    template = call("GET", f"{server.url}/training-sets/template?features=spined:n&format=arrow").content
    assert pa.ipc.open_stream(template).schema == pa.schema({"id": pa.string(), "event_time": TIMES})


def test_store_many(server):
    """POST /store takes a table too, compressed or not."""
    define(server, "many", {"n": "INTEGER"})
    table = pa.table({"id": ["a", "b"], "n": [1, None]})
    for body in (parquet(table), stream(table), pa.compress(stream(table), "gzip", asbytes=True), pa.compress(parquet(table), "zstd", asbytes=True)):
        assert call("POST", f"{server.url}/store/many", data=body).json()["stored"] == 2
    zstd = pa.compress(b"id,n\na,7\n", "zstd", asbytes=True)
    assert call("POST", f"{server.url}/rows/many", data=zstd, headers={"Content-Encoding": "zstd"}).json()["stored"] == 1


def test_many_columns(server):
    """More columns than a table may have are refused at once."""
    wide = pa.table({f"c{i}": [1] for i in range(10_000)})
    for body in (parquet(wide), stream(wide)):
        refused = requests.post(f"{server.url}/store/wide", data=body, timeout=60)
        assert refused.status_code == 413 and refused.json()["type"].endswith("too-many-columns")


def test_no_rows(server):
    """A table without rows is one, whatever writes it; so is a row group among others."""
    define(server, "none", {"n": "INTEGER"})
    empty = pa.table({"id": ["a"], "event_time": pa.array([datetime.datetime(2026, 1, 1, tzinfo=UTC)], TIMES), "n": [1]}).slice(0, 0)
    frame = io.BytesIO()
    pl.from_arrow(empty).write_parquet(frame)
    for body in (parquet(empty), stream(empty), empty.to_pandas().to_parquet(), frame.getvalue()):
        loaded = call("POST", f"{server.url}/rows/none?wait=60s", data=body).json()
        assert (loaded["received"], loaded["stored"]) == (0, 0)
    answer = call("POST", f"{server.url}/training-sets?features=none:n", data=parquet(empty.drop_columns("n")))
    got = pq.read_table(io.BytesIO(answer.content))
    assert got.column_names == ["id", "event_time", "n"] and got.num_rows == 0
    out, row = io.BytesIO(), pa.table({"id": ["a"], "n": [1]})
    with pq.ParquetWriter(out, row.schema) as writer:
        for part in (row.slice(0, 0), row, row.slice(0, 0), row):
            writer.write_table(part)
    assert call("POST", f"{server.url}/rows/none", data=out.getvalue()).json()["stored"] == 2


def test_uuid(server):
    define(server, "unique", {"u": "STRING"})
    u = uuid.uuid4()
    table = pa.table({"id": ["a"], "u": pa.array([u.bytes], pa.uuid())})
    call("POST", f"{server.url}/rows/unique", data=parquet(table))
    assert call("GET", f"{server.url}/rows/unique?format=json").json()["u"] == [str(u)]
