"""POST /v1/interactions as NDJSON of any length: in constant memory, the sender held back while the database is slow, each line for itself, and what
becomes of it when the sender stalls or goes away, or the database does."""
import concurrent.futures
import json
import re
import select
import socket

import pytest

from lazo_test import Instance, eventually

NDJSON = {"Content-Type": "application/x-ndjson"}
LINES, BYTES = 100_000, 500  # of the large body
GROWTH_MIB = 40


@pytest.fixture(scope="module")
def lazo():
    """Its sanitizer keeps little of what was freed, so that memory can be measured."""
    one = Instance()
    one.env["LAZO_LIMITS_STALL"] = "2 s"
    one.env["ASAN_OPTIONS"] = one.environment()["ASAN_OPTIONS"] + ":quarantine_size_mb=4:thread_local_quarantine_size_kb=64"
    one.start()
    yield one
    one.stop()


def line(i, kind="stream", pad=0, people=500):
    return json.dumps({"contact": {"external_id": f"p{i % people}"}, "kind": kind, "source": kind, "key": str(i), "amount": f"{i % 90}.25",
                       **({"data": {"note": "x" * pad}} if pad else {})}) + "\n"


def send(lazo, data, **headers):
    return lazo.request("POST", "/v1/interactions", data=data, headers={**NDJSON, **headers}, timeout=300)


def recorded(lazo, kind):
    return lazo.sql("SELECT count(*) FROM interaction i JOIN kind k ON k.id = i.kind_id WHERE k.name = %s", (kind,))[0][0]


def keys(lazo, source):
    return {int(key) for key, in lazo.sql("SELECT key FROM interaction_key WHERE source = %s", (source,))}


def memory_mib(lazo):
    with open(f"/proc/{lazo.pid('lazod')}/status", encoding="ascii") as f:
        return int(re.search(r"VmHWM:\s+(\d+)", f.read()).group(1)) // 1024


def metric(lazo, name):
    return int(re.search(rf"^{name} (\d+)$", lazo.request("GET", "/metrics").text, re.M).group(1))


def begin(lazo, length=None):
    """A connection of our own on which the head is said."""
    host, port = lazo.url.removeprefix("http://").rsplit(":", 1)
    s = socket.create_connection((host, int(port)), timeout=120)
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    s.sendall((f"POST /v1/interactions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {lazo.token}\r\nContent-Type: application/x-ndjson\r\n"
               f"{framing}\r\n\r\n").encode())
    return s


def answer(s):
    """Status and body of the answer, which is whole when its length is there."""
    said = b""
    while b"\r\n\r\n" not in said:
        more = s.recv(65536)
        if not more:
            return None, said
        said += more
    head, body = said.split(b"\r\n\r\n", 1)
    length = int(re.search(rb"(?i)content-length: (\d+)", head).group(1))
    while len(body) < length:
        body += s.recv(65536)
    return int(head.split()[1]), json.loads(body)


def test_a_large_body_in_constant_memory(lazo):
    assert send(lazo, "".join(line(i, "warm") for i in range(3000))).json()["recorded"] == 3000
    before = memory_mib(lazo)
    said = send(lazo, (line(i, "large", BYTES).encode() for i in range(LINES))).json()
    grown = memory_mib(lazo) - before
    assert (said["recorded"], said["duplicates"], said["refused"]) == (LINES, 0, 0)
    assert [len(said["items"]), said["items"][0]["line"]] == [1000, 1]
    assert recorded(lazo, "large") == LINES
    assert grown < GROWTH_MIB, f"lazod grew by {grown} MiB for a body of {LINES * BYTES >> 20} MiB"
    assert metric(lazo, "lazo_http_streamed_bytes_total") > LINES * BYTES


def test_the_sender_is_held_back(lazo):
    """While a lock keeps the recorder from writing, lazod takes some of the body and then no more."""
    send(lazo, line(0, "held"))
    body = "".join(line(i, "held", 20_000) for i in range(1, 3001)).encode()
    stranger = lazo.connect("postgres")
    stranger.autocommit = False
    stranger.cursor().execute("LOCK TABLE lazo.interaction_key IN EXCLUSIVE MODE")
    s = begin(lazo, len(body))
    s.setblocking(False)
    sent = 0
    while sent < len(body) and select.select([], [s], [], 3)[1]:
        sent += s.send(body[sent:sent + 65536])
    assert sent < len(body) // 2, "nothing held the sender back"
    stranger.rollback()
    stranger.close()
    s.settimeout(120)
    s.sendall(body[sent:])
    status, said = answer(s)
    assert (status, said["recorded"]) == (201, 3000)
    s.close()


def test_any_framing(lazo):
    """Lines are the same whatever pieces they come in; ends may be CRLF, lines empty, the last one without an end."""
    lines = [line(i, "framed").strip() for i in range(40)]
    text = ("\r\n".join(lines[:20]) + "\n\n\r\n" + "\n".join(lines[20:39]) + "\n{broken\n" + lines[39]).encode()
    s = begin(lazo)
    for at in range(0, len(text), 7):
        piece = text[at:at + 7]
        s.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
    s.sendall(b"0\r\n\r\n")
    status, said = answer(s)
    assert (status, said["recorded"], said["refused"]) == (201, 40, 1)
    assert [e["line"] for e in said["errors"]] == [42]
    assert [i["line"] for i in said["items"]] == [*range(1, 21), *range(23, 42), 43]
    s.close()
    assert send(lazo, "").json() == {"recorded": 0, "duplicates": 0, "refused": 0, "items": []}


def test_a_line_that_is_too_long_fails_alone(lazo):
    for much in (65_536, 70_000, 2_000_000):
        long = '{"data": "' + "x" * much + '"}'
        said = send(lazo, line(1, f"long{much}") + long + "\n" + line(2, f"long{much}") + long).json()
        assert (said["recorded"], said["refused"]) == (2, 2)
        assert [(e["line"], e["detail"]) for e in said["errors"]] == [(n, "the line is longer than 65536 bytes") for n in (2, 4)]
        assert [i["line"] for i in said["items"]] == [1, 3]


def test_mistakes_are_listed_up_to_a_number_and_counted(lazo):
    said = send(lazo, "".join(line(i, "mixed") if i % 2 else "nonsense\n" for i in range(6000))).json()
    assert (said["recorded"], said["refused"], len(said["items"]), len(said["errors"])) == (3000, 3000, 1000, 1000)
    assert said["errors"][0]["line"] == 1 and said["errors"][-1]["line"] == 1999
    r = send(lazo, "nonsense\n" * 3)
    assert r.status_code == 422 and r.json()["refused"] == 3


def test_a_key_for_the_whole(lazo):
    """Idempotency-Key: each line has the key and its number, and its own content."""
    lines = [json.dumps({"contact": {"external_id": "whole"}, "kind": "whole", "amount": str(i)}) for i in range(3)]
    said = [send(lazo, "\n".join(lines), **{"Idempotency-Key": "upload-1"}).json() for _ in range(2)]
    assert [(s["recorded"], s["duplicates"]) for s in said] == [(3, 0), (0, 3)]
    lines[1] = lines[1].replace('"1"', '"100"')
    other = send(lazo, "\n".join(lines), **{"Idempotency-Key": "upload-1"}).json()
    assert (other["recorded"], other["duplicates"], [e["line"] for e in other["errors"]]) == (0, 2, [2])
    assert recorded(lazo, "whole") == 3


def test_a_broken_connection_leaves_what_was_read(lazo):
    s = begin(lazo)
    first = "".join(line(i, "broken") for i in range(4000)).encode()
    s.sendall(b"%x\r\n%s\r\n" % (len(first), first))
    eventually(lambda: recorded(lazo, "broken") >= 1000)
    rest = "".join(line(i, "broken") for i in range(4000, 6000)).encode()[:-20]
    s.sendall(b"%x\r\n%s" % (len(rest) + 100, rest))
    s.close()
    eventually(lambda: metric(lazo, "lazo_http_in_flight") == 1)
    said = send(lazo, line(5999, "broken")).json()
    assert said["recorded"] == 1, "a line that did not come whole was recorded"
    there = keys(lazo, "broken") - {5999}
    assert there == set(range(len(there))) and 1000 <= len(there) < 6000
    said = send(lazo, "".join(line(i, "broken") for i in range(6000))).json()
    assert said["recorded"] + said["duplicates"] == 6000 and said["duplicates"] > len(there)
    assert keys(lazo, "broken") == set(range(6000)) and recorded(lazo, "broken") == 6000


def test_a_sender_that_stalls_is_cut(lazo):
    """Bytes that make no line do not count as going on."""
    cut = metric(lazo, "lazo_http_cut_total")
    s = begin(lazo)
    whole = line(1, "stalled").encode()
    s.sendall(b"%x\r\n%s\r\n" % (len(whole), whole))
    s.settimeout(0.2)
    said = None
    for _ in range(600):
        try:
            s.sendall(b"1\r\n \r\n")
            said = s.recv(100)
            break
        except TimeoutError:
            continue
        except OSError:
            said = b""
            break
    assert said == b""
    s.close()
    assert metric(lazo, "lazo_http_cut_total") == cut + 1
    assert recorded(lazo, "stalled") == 1


def test_many_streams_at_once(lazo):
    def go(n):
        return send(lazo, (line(i, f"many{n % 4}", 300, 50).encode() for i in range(3000))).json()
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        said = list(pool.map(go, range(12)))
    assert all(s["recorded"] + s["duplicates"] == 3000 and s["refused"] == 0 for s in said)
    assert [recorded(lazo, f"many{n}") for n in range(4)] == [3000] * 4


def test_the_database_goes_away(lazo):
    """503, and all may be sent again."""
    send(lazo, line(0, "away"))
    stranger = lazo.connect("postgres")
    stranger.autocommit = False
    stranger.cursor().execute("LOCK TABLE lazo.interaction_key IN EXCLUSIVE MODE")
    body = "".join(line(i, "away") for i in range(1500))
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        said = pool.submit(send, lazo, body)
        eventually(lambda: lazo.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = 'lazo_app'", user="postgres")[0][0])
        lazo.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'lazo_app' AND wait_event_type = 'Lock'", user="postgres")
        stranger.rollback()
        stranger.close()
        assert said.result().status_code == 503
    again = eventually(lambda: (r := send(lazo, body)).status_code == 201 and r).json()
    assert again["recorded"] + again["duplicates"] == 1500 and recorded(lazo, "away") == 1500


def test_who_may(lazo):
    assert lazo.request("POST", "/v1/interactions", data=line(1), headers=NDJSON, token="").status_code == 401
    assert lazo.request("POST", "/v1/interactions?import=yes", data=line(1), headers=NDJSON).status_code == 400
