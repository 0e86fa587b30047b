"""What the tests of this folder share: Feast's SDK with its online store here, and a proxy that drops connections."""

import http.client
import http.server
import subprocess
import threading
from datetime import timedelta

import pytest
import requests
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import Array, Bool, Float64, Int64, String, UnixTimestamp

TYPES = {
    "trips": ("INTEGER", Int64), "conv_rate": ("FLOAT", Float64), "city": ("STRING", String), "active": ("BOOLEAN", Bool),
    "hired": ("TIMESTAMP", UnixTimestamp), "scores": ("FLOAT[]", Array(Float64)), "counts": ("INTEGER[]", Array(Int64)),
    "names": ("STRING[]", Array(String)), "flags": ("BOOLEAN[]", Array(Bool)), "visits": ("TIMESTAMP[]", Array(UnixTimestamp)),
}


def feast_store(folder, url, feature_views):
    """Feast's own store in a folder, whose online store is at url."""
    (folder / "feature_store.yaml").write_text(
        "project: driving\nprovider: local\nregistry: registry.db\nentity_key_serialization_version: 3\n"
        f"online_store: {{type: remote, path: {url}}}\n"
    )
    store = FeatureStore(repo_path=str(folder))
    store.apply([view for view in feature_views] + [driver()])
    return store


def driver():
    return Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)


def feature_view(name, source="stats.parquet", types=TYPES):
    return FeatureView(
        name=name, entities=[driver()], ttl=timedelta(0), source=FileSource(path=str(source), timestamp_field="event_timestamp"),
        schema=[Field(name="driver_id", dtype=Int64)] + [Field(name=feature, dtype=types[feature][1]) for feature in types],
    )


def register(url, group, types=TYPES, **members):
    """Registers the group that a feature view of that name is served from."""
    definitions = {
        "entity_types": [{"name": "driver", "join_keys": [{"name": "driver_id", "value_type": "INTEGER"}]}],
        "groups": [{"name": group, "entity_type": "driver", **members,
                    "features": [{"name": name, "value_type": types[name][0]} for name in types]}],
    }
    answer = requests.post(url + "/apply", json=definitions, timeout=60)
    assert answer.ok, answer.text


def rows(url, group):
    """All observations of a group."""
    answer = requests.get(f"{url}/rows/{group}?format=json_rows", timeout=60)
    assert answer.ok, answer.text
    return answer.json()


class DroppingProxy(http.server.ThreadingHTTPServer):
    """Hands POSTs on to a server. Of each of the next `drops` it lets the server do its work and then closes the connection, without an
    answer; `seen` is the statuses that the server answered."""

    def __init__(self, port):
        self.port, self.drops, self.seen = port, 0, []
        super().__init__(("127.0.0.1", 0), _Dropping)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Dropping(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        behind = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        behind.request("POST", self.path, body, {"Content-Type": self.headers.get("Content-Type", "")})
        answer = behind.getresponse()
        content = answer.read()
        behind.close()
        self.server.seen.append(answer.status)
        if self.server.drops > 0:
            self.server.drops -= 1
            self.close_connection = True
            return
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers["Content-Type"])
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def proxy(server):
    proxy = DroppingProxy(server.ports[0])
    yield proxy
    proxy.shutdown()
    proxy.server_close()


def run(command, server):
    """Runs a call of the README against a server."""
    for name, port in zip(["localhost:8000", "localhost:8001"], server.ports):
        command = command.replace(name, f"127.0.0.1:{port}")
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, timeout=60).stdout
