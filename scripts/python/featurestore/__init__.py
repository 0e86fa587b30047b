"""A client for featurestore, which needs nothing but requests; pandas, polars and pyarrow are used where they are installed.

    fs = Client("http://localhost:8000")
    fs.store("customer", "12345", {"purchase_count_30d": 5}, datetime.now(timezone.utc))
    fs.get("customer", "12345", ["purchase_count_30d"])["purchase_count_30d"]
    fs.load("customer", frame)
    train = fs.training_set(spine, ["customer:purchase_count_30d"])

Calls that fail for a while (no connection, 429, 502, 503, 504) are repeated; a write carries the same Idempotency-Key each time.
"""

from __future__ import annotations

import random
import time
import uuid
import warnings
from datetime import datetime
from os import PathLike
from typing import Any, Iterable, Mapping, Optional, Sequence, Union

import requests

from .frames import PARQUET, Body, decode, encode, json_text, kind_of, like_times, readable

__all__ = ["Client", "FeatureStoreError", "Values"]


class FeatureStoreError(Exception):
    """What the server refused and why: status, title, detail, and violations, a list of {"location", "message", "value"}.

    >>> print(FeatureStoreError(422, {"title": "Bad rows", "detail": "nothing was stored", "violations": [{"location": "row 2", "message": "is bad"}]}))
    Bad rows (422): nothing was stored
      row 2: is bad
    """

    def __init__(self, status: int, problem: Mapping[str, Any]):
        self.status, self.problem = status, dict(problem)
        self.title, self.detail = str(problem.get("title", "Error")), str(problem.get("detail") or problem.get("error") or "")
        self.violations = list(problem.get("violations") or [])
        lines = [f"  {v['location']}: {v['message']}" + (f" (value: {v['value']})" if v.get("value") else "") for v in self.violations]
        super().__init__("\n".join([f"{self.title} ({status}): {self.detail}", *lines]))


class Values(dict):
    """The values of one entity by feature. statuses says of each PRESENT, NULL_VALUE, NOT_FOUND or OUTSIDE_MAX_AGE (the value is None in
    the last three), event_times when it was true, as RFC 3339."""

    def __init__(self, answer: Mapping[str, Any]):
        super().__init__(answer["features"])
        self.statuses: dict[str, str] = answer["statuses"]
        self.event_times: dict[str, Optional[str]] = answer["event_times"]


class Client:
    """Speaks to the registry and to the store, which are one process unless store_url names another. timeout is of one attempt, in
    seconds; retries is how often a call is repeated, with pauses of about 0.2, 0.4, 0.8 … seconds, or as the server says."""

    def __init__(self, registry_url: str = "http://localhost:8000", store_url: Optional[str] = None, *, timeout: float = 60, retries: int = 4):
        self.registry_url, self.store_url = registry_url.rstrip("/"), (store_url or registry_url).rstrip("/")
        self.timeout, self.retries, self.session = timeout, retries, requests.Session()
        self.format = "parquet" if readable() else "json"  # of tables; json once the server has refused the other
        self.known_at: Optional[str] = None  # names the moment of the training set asked for last: known_at= gives the same again

    def store(self, entity_type: str, entity_id: Any, features: Mapping[str, Any], event_time: Union[datetime, str, None] = None) -> dict:
        """Stores an observation of one entity, by default as of now. A time must have a zone. entity_id is the value of the only join key,
        or a mapping with all of them."""
        row = {"entity" if isinstance(entity_id, Mapping) else "entity_id": entity_id, "features": dict(features)}
        if event_time is not None:
            row["event_time"] = event_time
        return self._write(f"{self.store_url}/store/{_quote(entity_type)}", json_text({"rows": [row]}), "application/json").json()

    def get(self, entity_type: str, entity_id: Any, features: Optional[Sequence[str]] = None, *, service: Optional[str] = None) -> Values:
        """Reads the newest values of one entity: those named, or of a service, or all."""
        answer = self._read_many(entity_type, [entity_id], features, service).json()
        return Values({part: {name: column[0] for name, column in answer[part].items()} for part in ("features", "statuses", "event_times")})

    def get_many(self, entity_type: str, entity_ids: Iterable[Any], features: Optional[Sequence[str]] = None, *, service: Optional[str] = None,
                 like: Optional[str] = None, **options: Any) -> Any:
        """Reads many entities, as a frame of the join keys and a column per feature, in the order of the ids. like is "pandas", "polars",
        "pyarrow" or "dict" (of lists); by default the first that is installed. Options are those of the call, such as statuses=True."""
        ids = list(entity_ids)

        def ask(format: str) -> requests.Response:
            # In JSON a value that was never observed is left out; its status is not.
            form = {"format": "json_rows", **options, "statuses": True} if format == "json" else {"format": format, **options}
            return self._read_many(entity_type, ids, features, service, **form)

        return self._table(ask, like or kind_of(None), statuses=bool(options.get("statuses")))

    def load(self, group: str, data: Any, **options: Any) -> dict:
        """Loads a frame, a list of dicts, or the file of a path into a group: all of it or, where a row is bad, nothing. Options are those of
        POST /rows/{group}: on_error="skip", create=True, time_zone="Europe/Berlin", nulls="skip", wait="30s"."""
        return self._upload(f"{self.store_url}/rows/{_quote(group)}", data, options, write=True).json()

    def training_set(self, spine: Any, features: Optional[Sequence[str]] = None, *, service: Optional[str] = None, like: Optional[str] = None,
                     known_at: Union[datetime, str, None] = None, **options: Any) -> Any:
        """Joins features to each row of a spine, as they were at its event_time. The answer has the spine's rows, order and columns, and
        is a frame like the spine. With known_at, what self.known_at was after an earlier call, or a time, the answer goes by what was known
        then, whatever was stored and changed since. Options are those of POST /training-sets, such as full_feature_names=True."""
        moment = known_at.isoformat() if isinstance(known_at, datetime) else known_at
        asked = {"features": ",".join(_names(features)) or None, "service": service, "known_at": moment, **options}
        answer = self._table(lambda format: self._upload(f"{self.store_url}/training-sets", spine, {**asked, "format": format}), like or kind_of(spine))
        return like_times(answer, spine)

    def apply(self, definitions: Union[str, PathLike, Mapping[str, Any]], *, dry_run: bool = False) -> dict:
        """Applies definitions, given as a mapping, as YAML, or by the path of a YAML file, and answers what changed."""
        if isinstance(definitions, PathLike):
            with open(definitions, encoding="utf-8") as file:
                definitions = file.read()
        body, content_type = (definitions.encode(), "application/yaml") if isinstance(definitions, str) else (json_text(definitions), "application/json")
        return self._write(f"{self.registry_url}/apply", body, content_type, dry_run=dry_run).json()

    def materialize(self, groups: Optional[Sequence[str]] = None, mode: str = "incremental") -> list:
        """Brings the online copy of groups (by default of all) in step, waits until that is done, and answers the runs. One that fails
        is an error."""
        url = self.registry_url
        runs = self._write(f"{url}/materialize", json_text({"groups": _names(groups), "mode": mode}), "application/json").json()["runs"]
        for i, run in enumerate(runs):
            while run["state"] in ("queued", "running"):
                run = runs[i] = self._call("GET", f"{url}/runs/{run['id']}", params={"wait": "20s"}).json()
            if run["state"] != "succeeded":
                raise FeatureStoreError(409, {"title": f"Run {run['id']} {run['state']}", "detail": f"{run['subject']}: {run.get('reason', '')}"})
        return runs

    def _read_many(self, entity_type: str, ids: list, features: Optional[Sequence[str]], service: Optional[str], **params: Any) -> requests.Response:
        names = "entities" if ids and isinstance(ids[0], Mapping) else "entity_ids"
        asked = {names: ids, "features": _names(features), "service": service}
        body = json_text({name: value for name, value in asked.items() if value or name == names})
        return self._call("POST", f"{self.store_url}/get/{_quote(entity_type)}", Body(lambda: body, "application/json"), params=params)

    def _table(self, call: Any, like: str, statuses: bool = True) -> Any:
        """Asks for a table in the best format that the server takes, and makes a frame of it."""
        try:
            answer = call(self.format)
        except FeatureStoreError as error:
            if self.format == "json" or not error.problem.get("type", "").endswith(":unknown-format"):
                raise
            self.format = "json"
            answer = call(self.format)
        self.known_at = answer.headers.get("Known-At", self.known_at)
        if "X-Unmatched-Rows" in answer.headers:
            warnings.warn(f"of the first rows of the spine most found nothing: {answer.headers['X-Unmatched-Rows']}", stacklevel=3)
        return decode(answer.content, answer.headers.get("Content-Type", ""), like, statuses)

    def _upload(self, url: str, data: Any, params: Mapping[str, Any], write: bool = False) -> requests.Response:
        """Sends a table in the best format that the server takes."""
        headers = _key() if write else {}
        local = params.get("time_zone") is not None
        body = encode(data, self.format, local)
        try:
            return self._call("POST", url, body, params, headers)
        except FeatureStoreError as error:
            if error.status != 415 or body.content_type != PARQUET:
                raise
            self.format = "json"
            return self._call("POST", url, encode(data, self.format, local), {**params, **({"format": "json"} if "format" in params else {})}, headers)

    def _write(self, url: str, body: bytes, content_type: str, **params: Any) -> requests.Response:
        return self._call("POST", url, Body(lambda: body, content_type), params, _key())

    def _call(self, method: str, url: str, body: Optional[Body] = None, params: Optional[Mapping[str, Any]] = None,
              headers: Optional[Mapping[str, str]] = None) -> requests.Response:
        """Makes a call, again where it failed for a while. What is refused is a FeatureStoreError."""
        sent = {name: str(value).lower() if isinstance(value, bool) else value for name, value in (params or {}).items() if value is not None}
        headers = {**(headers or {}), **({"Content-Type": body.content_type} if body and body.content_type else {})}
        for attempt in range(self.retries + 1):
            pause = random.uniform(0.1, 0.2) * 2**attempt
            try:
                answer = self.session.request(method, url, params=sent, data=body.open() if body else None, headers=headers, timeout=self.timeout)
            except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError):
                if attempt == self.retries:
                    raise
            else:
                if answer.ok:
                    return answer
                wait = answer.headers.get("Retry-After", "")
                if attempt == self.retries or answer.status_code not in (429, 502, 503, 504) and not (answer.status_code == 409 and wait):
                    raise _error(answer)
                pause = max(pause, min(float(wait), 30)) if wait.isdigit() else pause
            time.sleep(pause)
        raise AssertionError("unreachable")


def _error(answer: requests.Response) -> FeatureStoreError:
    try:
        problem = answer.json()
    except ValueError:
        problem = {"title": answer.reason or "Error", "detail": answer.text[:1000]}
    return FeatureStoreError(answer.status_code, problem)


def _key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid.uuid4())}


def _names(given: Union[str, Iterable[str], None]) -> list[str]:
    """Names as a list; one may be given alone.

    >>> _names("city"), _names(("city", "count")), _names(None)
    (['city'], ['city', 'count'], [])
    """
    return [given] if isinstance(given, str) else [] if given is None else list(given)


def _quote(segment: str) -> str:
    return requests.utils.quote(segment, safe="")
