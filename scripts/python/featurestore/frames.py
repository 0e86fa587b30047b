"""Data frames in and out: Parquet where pyarrow or polars can write and read it, else JSON."""

from __future__ import annotations

import importlib.util
import io
import json
import math
from datetime import date, datetime, timezone
from decimal import Decimal
from os import PathLike
from typing import Any, Callable, Mapping, NamedTuple, Union

PARQUET = "application/vnd.apache.parquet"


class Body(NamedTuple):
    """The body of a call, made anew for each attempt. Without a content type the server looks at its first bytes."""

    open: Callable[[], Union[bytes, io.BufferedIOBase]]
    content_type: str


def installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def readable() -> bool:
    """Whether Parquet can be read and written."""
    return installed("pyarrow")


def kind_of(data: Any) -> str:
    """Which package a frame is of; for anything else the first of those that are installed, or dict.

    >>> kind_of([{"customer_id": "1"}]) in ("pandas", "polars", "pyarrow", "dict")
    True
    """
    packages = ["pandas", "polars", "pyarrow"]
    of = type(data).__module__.partition(".")[0]
    return of if of in packages else next((p for p in packages if installed(p)), "dict")


def encode(data: Any, format: str, local: bool = False) -> Body:
    """A frame, a mapping of columns, an iterable of mappings, or the path of a file as a body. local allows times without a zone."""
    if isinstance(data, (str, PathLike)):
        return Body(lambda: open(data, "rb"), "")
    kind = type(data).__module__.partition(".")[0]
    named = [name for name in data.index.names if name is not None and name not in data.columns] if kind == "pandas" else []
    if named:  # an index that has a name is a column like any other
        data = data.reset_index(level=named)
    if kind in ("pandas", "polars", "pyarrow") and format == "parquet":
        out = io.BytesIO()
        if kind == "polars":
            data.write_parquet(out)
        else:
            import pyarrow
            import pyarrow.parquet
            table = data if kind == "pyarrow" else pyarrow.Table.from_pandas(data, preserve_index=False)
            pyarrow.parquet.write_table(table, out)
        return Body(out.getvalue, PARQUET)
    if kind == "pandas":
        rows, names = data.to_dict("records"), list(data)
    elif kind == "polars":
        rows, names = data.iter_rows(named=True), data.columns
    elif kind == "pyarrow":
        rows, names = data.to_pylist(), data.column_names
    elif isinstance(data, Mapping):
        rows, names = (dict(zip(data, row)) for row in zip(*data.values())), list(data)
    else:
        rows, names = data, []
    text = b"\n".join(json_text(row, local) for row in rows)
    if names and not text:  # by columns, since no row names them
        text = json_text({name: [] for name in names})
        return Body(lambda: text, "application/json")
    return Body(lambda: text, "application/x-ndjson")


def json_text(value: Any, local: bool = False) -> bytes:
    """JSON with times that have a zone, or with local any times; NaN and pandas' missing values are null.

    >>> json_text({"at": datetime(2026, 1, 31, 12, tzinfo=timezone.utc), "amount": math.nan})
    b'{"at": "2026-01-31T12:00:00+00:00", "amount": null}'
    >>> json_text(datetime(2026, 1, 31))
    Traceback (most recent call last):
    ValueError: 2026-01-31 00:00:00 has no time zone: give it one, such as tzinfo=timezone.utc
    >>> json_text(datetime(2026, 1, 31), local=True)
    b'"2026-01-31T00:00:00"'
    """
    return json.dumps(plain(value, local)).encode()


def plain(value: Any, local: bool = False) -> Any:
    """A value as JSON has it. Numbers of numpy become Python's, arrays lists, bytes the text that they are in UTF-8.

    >>> plain([Decimal("2.50"), b"text"])
    [2.5, 'text']
    """
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, Mapping):
        return {str(name): plain(member, local) for name, member in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(element, local) for element in value]
    if hasattr(value, "tolist"):  # of numpy, whose times of nanoseconds would become numbers
        of_times = getattr(getattr(value, "dtype", None), "kind", "") == "M"
        return plain((value.astype("datetime64[us]") if of_times else value).tolist(), local)
    if isinstance(value, (float, Decimal)):
        return None if math.isnan(value) else float(value)
    if isinstance(value, bytes):
        return value.decode()
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    if isinstance(value, datetime):
        if value.tzinfo is None and not local:
            raise ValueError(f"{value} has no time zone: give it one, such as tzinfo=timezone.utc")
        return value.isoformat()
    return value.isoformat() if isinstance(value, date) else str(value)


def decode(content: bytes, content_type: str, like: str, statuses: bool = True) -> Any:
    """An answer as a frame: Parquet, or JSON by columns or rows."""
    if like not in ("pandas", "polars", "pyarrow", "dict"):
        raise ValueError(f'like is {like!r}: use "pandas", "polars", "pyarrow" or "dict"')
    if content_type.startswith(PARQUET):
        import pyarrow.parquet
        table = pyarrow.parquet.read_table(io.BytesIO(content))
        if like == "polars":
            import polars
            return polars.from_arrow(table)
        if like == "pandas":
            return pandas_of(table)
        return table if like == "pyarrow" else table.to_pydict()
    columns = json.loads(content)
    if isinstance(columns, list):
        columns = columns_of(columns, statuses)
    if like == "pandas":
        import pandas
        return pandas.DataFrame({name: pandas.array(values, dtype="Int64") if nullable(values) else values for name, values in columns.items()})
    if like in ("polars", "pyarrow"):
        package = importlib.import_module(like)
        return package.DataFrame(columns, strict=False) if like == "polars" else package.table(columns)
    return columns


def columns_of(rows: list, statuses: bool) -> dict[str, list]:
    """Rows by columns. Each feature has a column even where all rows leave it out, since its status is there.

    >>> columns_of([{"id": 1, "n__status": "NOT_FOUND"}, {"id": 2, "n": 5, "n__status": "PRESENT"}], statuses=False)
    {'id': [1, 2], 'n': [None, 5]}
    """
    names: dict[str, None] = {}
    for row in rows:
        for name in row:
            feature, suffix, _ = name.partition("__status")
            names.update({feature: None, name: None} if statuses or not suffix else {feature: None})
    return {name: [row.get(name) for row in rows] for name in names}


def pandas_of(table: Any) -> Any:
    """An Arrow table for pandas, whose integers stay exact beside nulls."""
    frame = table.to_pandas(integer_object_nulls=True)
    for name, column in zip(table.column_names, table.columns):
        if str(column.type) == "int64" and column.null_count > 0:
            frame[name] = frame[name].astype("Int64")
    return frame


def like_times(frame: Any, spine: Any) -> Any:
    """Makes times of the columns that JSON made text, where both are pandas frames and the spine has times."""
    if type(frame).__module__.startswith("pandas") and type(spine).__module__.startswith("pandas"):
        import pandas
        for name, dtype in spine.dtypes.items():
            if dtype.kind == "M" and frame[name].dtype.kind != "M":
                frame[name] = pandas.to_datetime(frame[name], utc=getattr(dtype, "tz", None) is not None, format="ISO8601").astype(dtype)
    return frame


def nullable(values: list) -> bool:
    """Whether a column is of integers and None.

    >>> nullable([1, None]), nullable([1, 2]), nullable([None, True]), nullable([None])
    (True, False, False, False)
    """
    present = [value for value in values if value is not None]
    return 0 < len(present) < len(values) and all(type(value) is int for value in present)
