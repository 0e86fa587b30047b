import requests


def test_health(server):
    assert requests.get(server.url + "/healthz", timeout=10).json()["status"] == "ok"
