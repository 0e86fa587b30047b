"""What the tests of this folder share: a server of their own, and the counts for the stage's line in scripts/test."""

import contextlib
import os
import pathlib
import random
import signal
import socket
import subprocess
import time

import pytest
import requests


class Server:
    """A featurestore with its data in a folder; url serves every route."""

    def __init__(self, folder: pathlib.Path, **settings: str):
        self.ports = free_ports(2)
        self.url = f"http://127.0.0.1:{self.ports[0]}"
        environment = {
            **os.environ,
            "FEATURESTORE_DATA": str(folder / "data"),
            "FEATURESTORE_HTTP_LISTEN": ",".join(f"127.0.0.1:{port}" for port in self.ports),
            **settings,
        }
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [os.environ["FEATURESTORE_TEST_BINARY"], "serve"],
                cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )

    def ready(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                if requests.get(self.url + "/readyz", timeout=10).ok:
                    return
            except requests.ConnectionError:
                pass
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the server did not start:\n{self.log.read_text()}")
            time.sleep(0.02)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, below the range that outgoing connections, and those who ask for any port, take theirs from."""
    with contextlib.ExitStack() as listeners:
        ports = []
        while len(ports) < count:
            listener = listeners.enter_context(socket.socket())
            try:
                listener.bind(("127.0.0.1", random.randrange(15_000, 32_000)))
            except OSError:
                continue
            ports.append(listener.getsockname()[1])
        return ports


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """An empty server on the embedded engines, for all tests of the session: each uses entity types of its own."""
    server = Server(tmp_path_factory.mktemp("server"))
    try:
        server.ready()
        yield server
    finally:
        server.stop()


def pytest_terminal_summary(terminalreporter):
    """Writes "PASSED FAILED SKIPPED" to the file that FEATURESTORE_TEST_COUNTS names, if it does."""
    path = os.environ.get("FEATURESTORE_TEST_COUNTS")
    if path:
        count = lambda *outcomes: sum(len(terminalreporter.stats.get(outcome, [])) for outcome in outcomes)
        pathlib.Path(path).write_text(f"{count('passed', 'xpassed')} {count('failed', 'error')} {count('skipped', 'xfailed')}\n")
