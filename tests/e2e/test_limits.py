"""How often and how many: requests of one token, connections of one address."""
import contextlib
import re
import socket
import time

import pytest
import requests

from lazo_test import Instance, eventually

BURST, CONNECTIONS = 30, 20


@pytest.fixture(scope="module")
def strict():
    one = Instance(env={"LAZO_LIMITS_RATE": "1", "LAZO_LIMITS_BURST": str(BURST),
                        "LAZO_LIMITS_ADDRESS_CONNECTIONS": str(CONNECTIONS)}).start()
    yield one
    one.stop()


def limited(lazo):
    return int(re.search(r'^lazo_http_limited_total (\d+)$', lazo.request("GET", "/metrics").text, re.M).group(1))


def test_a_token_that_asks_too_often(strict):
    other = strict.ctl("token", "create", "--organisation", "demo", "--database", f"host={strict.sockets()} dbname=lazo user=postgres", "--role", "reader", "--name", "other").stdout.split()[-1]
    answers = [strict.request("GET", "/v1/topics") for _ in range(BURST + 20)]
    while len(answers) < 10 * BURST and answers[-1].status_code != 429:  # a second's wait allows one more
        answers.append(strict.request("GET", "/v1/topics"))
    refused = [a for a in answers if a.status_code == 429]
    assert refused and all(a.status_code in (200, 429) for a in answers)
    assert all(a.status_code == 200 for a in answers[:BURST - 5]), "the burst was not allowed"
    assert all(int(a.headers["Retry-After"]) >= 1 for a in refused)
    assert refused[0].headers["Content-Type"].startswith("application/problem+json")
    assert strict.request("GET", "/v1/topics", token=other).status_code == 200, "one token's requests count for another"
    assert limited(strict) == len(refused)
    # Refused before its body is read, recorded afterwards.
    fact = {"contact": {"email": "late@example.org"}, "kind": "late", "key": "1"}
    post = lambda: strict.request("POST", "/v1/interactions", json=fact)  # noqa: E731
    said = eventually(lambda: (a := post()).status_code == 429 and [a])
    time.sleep(int(said[0].headers["Retry-After"]))
    assert eventually(lambda: (a := post()).status_code == 201 and a.json())["items"][0]["id"] > 0
    assert strict.sql("SELECT count(*) FROM interaction_key WHERE key = '1'")[0][0] == 1


def healthy(lazo):
    try:
        return lazo.request("GET", "/healthz").status_code == 200
    except requests.ConnectionError:
        return False


def test_connections_of_one_address(strict):
    strict.session().close()
    host, port = strict.url.removeprefix("http://").rsplit(":", 1)
    held = []
    try:
        for _ in range(CONNECTIONS + 5):
            s = socket.create_connection((host, int(port)), timeout=60)
            held.append(s)
            with contextlib.suppress(ConnectionError):  # it may have hung up already
                s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        heard = []
        for s in held:
            try:
                heard.append(s.recv(100)[:15])
            except ConnectionResetError:
                heard.append(b"")
        assert heard.count(b"HTTP/1.1 200 OK") <= CONNECTIONS and heard.count(b"") >= 5
    finally:
        for s in held:
            s.close()
    eventually(lambda: healthy(strict))  # the server sees after a while that they went away
