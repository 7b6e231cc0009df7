"""POST /v1/interactions as NDJSON of any length: in constant memory, the sender held back while the database is slow, each line for itself, and what
becomes of it when the sender stalls or goes away, or the database does."""
import concurrent.futures
import json
import re
import select
import signal
import socket

import pytest

from lazo_test import Instance, eventually

NDJSON = {"Content-Type": "application/x-ndjson"}
LINES, BYTES = 60_000, 900  # of the large body
GROWTH_MIB = 40


@pytest.fixture(scope="module")
def lazo():
    """Its sanitizer keeps little of what was freed, so that memory can be measured."""
    one = Instance()
    one.env["ASAN_OPTIONS"] = one.environment()["ASAN_OPTIONS"] + ":quarantine_size_mb=4:thread_local_quarantine_size_kb=64"
    one.start()
    yield one
    one.stop()


def line(i, kind="stream", pad=0, people=500):
    return json.dumps({"contact": {"external_id": f"p{i % people}"}, "kind": kind, "source": kind, "key": str(i), "amount": f"{i % 90}.25",
                       **({"data": {"payload": "x" * pad}} if pad else {})}) + "\n"


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
    said = send(lazo, ("".join(line(i, "large", BYTES) for i in range(at, at + 100)).encode() for at in range(0, LINES, 100))).json()
    grown = memory_mib(lazo) - before
    assert (said["recorded"], said["duplicates"], said["refused"]) == (LINES, 0, 0)
    listed = {i["line"] for i in said["items"]}
    assert len(said["items"]) == len(listed) == 1000 and max(listed) < 2000, "those that were recorded first: of two slices under way the second may be"
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


def test_the_simple_and_the_others_in_one_body(lazo):
    """What names a known contact alone goes a shorter way than the rest; the answer is as if all went the same."""
    who = {n: lazo.record({"external_id": f"mix{n}", "email": f"mix{n}@stream.example"}, "known") for n in range(3)}
    lines = [
        {"contact": {"external_id": "mix0"}, "kind": "known", "source": "mix", "key": "a", "amount": "5.00"},
        {"contact": {"external_id": "mix0"}, "kind": "known", "source": "mix", "key": "a", "amount": "6.00"},  # the key again
        {"contact": {"email": "MIX1@stream.example"}, "kind": "known", "source": "mix", "key": "b", "amount": "7.00"},
        {"contact": {"external_id": "mix-new"}, "kind": "known", "source": "mix", "key": "c"},  # somebody new
        {"contact": {"external_id": "mix-new"}, "kind": "known", "source": "mix", "key": "d"},
        {"contact": {"external_id": "mix1"}, "kind": "never before", "source": "mix", "key": "e"},  # a new kind
        {"contact": {"external_id": "mix1"}, "kind": "known", "source": "mix", "key": "f", "data": {"a": 1}},
        {"contact": {"external_id": "mix2", "email": "mix2@stream.example"}, "kind": "known", "source": "mix", "key": "g"},  # two names
        {"contact": {"external_id": "mix2", "email": "mix0@stream.example"}, "kind": "known", "source": "mix", "key": "h"},  # of two people
        {"contact": {"external_id": "mix2", "city": "Vigo"}, "kind": "known", "source": "mix", "key": "i"},  # says something new
        {"contact": {"id": who[2]}, "kind": "known", "source": "mix", "key": "j"},
        {"contact": {"external_id": "mix0"}, "amends": "a", "amount": "-2.00", "source": "mix", "key": "k"},
        {"contact": {"external_id": "mix2"}, "kind": "known"}, {"contact": {"external_id": "mix2"}, "kind": "known"},  # no key: two
    ]
    body = "".join(json.dumps(line) + "\n" for line in lines)
    said = send(lazo, body).json()
    assert (said["recorded"], said["duplicates"], said["refused"]) == (12, 1, 1)
    assert [(e["line"], e["pointer"]) for e in said["errors"]] == [(9, "/contact/email")]
    at = {i["line"]: i for i in said["items"]}
    new = lazo.sql("SELECT contact_id FROM identity WHERE value = 'mix-new'")[0][0]
    assert {n: i["contact"] for n, i in at.items()} == {1: who[0], 2: who[0], 3: who[1], 4: new, 5: new, 6: who[1], 7: who[1], 8: who[2],
                                                        10: who[2], 11: who[2], 12: who[0], 13: who[2], 14: who[2]}
    assert at[2]["id"] == at[1]["id"] and at[2]["duplicate"] and at[13]["id"] != at[14]["id"]
    assert sum("duplicate" in i for i in at.values()) == 1
    assert {(i, c) for i, c in lazo.sql("SELECT interaction_id, contact_id FROM interaction_key WHERE source = 'mix'")} == {
        (i["id"], i["contact"]) for n, i in at.items() if n < 13}
    assert lazo.sql("SELECT amount FROM interaction WHERE id = %s", (at[1]["id"],)) == [(300,)]
    again = send(lazo, body).json()
    assert (again["recorded"], again["duplicates"], again["refused"]) == (2, 11, 1)
    assert {i["line"]: i["id"] for i in again["items"] if i["line"] < 13} == {n: i["id"] for n, i in at.items() if n < 13}


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
    conf = lazo.home / "lazo.conf"
    conf.write_text(conf.read_text() + "[limits]\nstall = 2 s\n")
    lazo.kill("lazod", signal.SIGHUP)
    eventually(lambda: "reloaded" in lazo.log("lazod"))
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
