"""The server's memory does not grow with a table of Parquet or Arrow, in or out."""

import numpy
import pyarrow as pa
import pytest
import requests

from conftest import Server
from test_tables import call, define, parquet, stream


@pytest.fixture
def fresh(tmp_path):
    # A tight limit: the heap holds what is needed, and not as much garbage as the collector leaves lying when there is room.
    server = Server(tmp_path, GOMEMLIMIT="64MiB")
    try:
        server.ready()
        yield server
    finally:
        server.stop()


def highest(server) -> int:
    """The most memory that the server has had so far, in MB."""
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) >> 10 for line in status if line.startswith("VmHWM"))


def spine(rows) -> pa.Table:
    """One record batch, one row group."""
    random = numpy.random.default_rng(1)
    return pa.table({"id": pa.array(numpy.arange(rows) % 1000).cast(pa.string()),
                     "event_time": pa.array(1_750_000_000_000_000 + numpy.arange(rows), pa.timestamp("us", tz="UTC"))}
                    | {f"f{i}": random.normal(size=rows) for i in range(8)})


@pytest.mark.parametrize("write", [parquet, stream])
def test_flat(fresh, write):
    define(fresh, "flat", {"n": "INTEGER"})
    call("POST", f"{fresh.url}/rows/flat", data=parquet(pa.table({"id": [str(i) for i in range(1000)], "n": range(1000)})))
    peaks, sizes = [], []
    for rows in (200_000, 1_400_000):
        body = write(spine(rows))
        with requests.post(f"{fresh.url}/training-sets?features=flat:n", data=body, stream=True, timeout=300) as answer:
            assert answer.ok, answer.text
            sizes.append(sum(len(part) for part in answer.iter_content(1 << 20)))
        peaks.append(highest(fresh))
    print("measured:", peaks, "MB")
    assert sizes[1] - sizes[0] > 64 << 20
    assert peaks[1] - peaks[0] < 56
