"""Bad input: a clear error with place and reason, nothing stored, nothing dropped, no crash."""
import contextlib
import json
import re
import select
import socket
import time
import urllib.parse

import pytest

from lazo_test import SHARED, WAIT_S, eventually

TABLES = ("contact", "identity", "interaction", "interaction_key", "kind", "segment", "rfm_model", "template", "template_version", "topic", "field",
          "campaign", "journey", "webhook", "suppression", "job", "consent", "contact_tag", "token")


def stored(lazo):
    return lazo.sql("SELECT " + ", ".join(f"(SELECT count(*) FROM {t})" for t in TABLES), user="postgres")[0]


@pytest.fixture(autouse=True)
def nothing_is_stored(lazo):
    lazo.settle()
    before, pid = stored(lazo), lazo.pid("lazod")
    yield
    assert stored(lazo) == before
    assert lazo.pid("lazod") == pid, "lazod died"


@pytest.fixture(scope="module", autouse=True)
def ground(lazo):
    lazo.template("letter", "S", "{{ unsubscribe_url }}")
    lazo.api("PUT", "/v1/topics/news", {"title": "Noticias"})
    lazo.api("PUT", "/v1/fields/size", {"type": "number"})


FACT = {"contact": {"email": "bad@input.example"}, "kind": "bad"}
REFUSED = [  # method, path, body, status, pointer of the first error or None
    ("POST", "/v1/interactions", 7, 400, None),
    ("POST", "/v1/interactions", {}, 422, "/contact"),
    ("POST", "/v1/interactions", {**FACT, "contact": {}}, 422, "/contact"),
    ("POST", "/v1/interactions", {**FACT, "contact": {"email": "a@b@c"}}, 422, "/contact/email"),
    ("POST", "/v1/interactions", {**FACT, "contact": {"email": "bad@input.example\r\nBcc: all@input.example"}}, 422, "/contact/email"),
    ("POST", "/v1/interactions", {**FACT, "contact": {"email": "bad@input.example", "birth_date": "1999-02-30"}}, 422, "/contact/birth_date"),
    ("POST", "/v1/interactions", {**FACT, "contact": {"email": "bad@input.example", "country": "Spain"}}, 422, "/contact/country"),
    ("POST", "/v1/interactions", {**FACT, "contact": {"email": "bad@input.example", "time_zone": "Mars/Base"}}, 422, "/contact/time_zone"),
    ("POST", "/v1/interactions", {**FACT, "contact": {"email": "bad@input.example", "frist_name": "x"}}, 422, "/contact/frist_name"),
    ("POST", "/v1/interactions", {**FACT, "contact": {"email": "bad@input.example", "attr": {"sise": 1}}}, 422, "/contact/attr/sise"),
    ("POST", "/v1/interactions", {**FACT, "contact": {"email": "bad@input.example", "attr": {"size": "big"}}}, 422, "/contact/attr/size"),
    ("POST", "/v1/interactions", {**FACT, "contact": {"email": "bad@input.example", "consents": [{"topic": "nwes", "action": "grant"}]}}, 422,
     "/contact/consents/0/topic"),
    ("POST", "/v1/interactions", {**FACT, "contact": {"id": 999999999}}, 422, "/contact/id"),
    ("POST", "/v1/interactions", {**FACT, "first_name": "x" * 201}, 422, "/first_name"),
    ("POST", "/v1/interactions", {**FACT, "kind": ""}, 422, "/kind"),
    ("POST", "/v1/interactions", {**FACT, "kind": "x" * 81}, 422, "/kind"),
    ("POST", "/v1/interactions", {**FACT, "kind": "a\nb"}, 422, "/kind"),
    ("POST", "/v1/interactions", {**FACT, "amount": "ten"}, 422, "/amount"),
    ("POST", "/v1/interactions", {**FACT, "amount": "1.001"}, 422, "/amount"),
    ("POST", "/v1/interactions", {**FACT, "amount": "1", "currency": "USD"}, 422, "/currency"),
    ("POST", "/v1/interactions", {**FACT, "occurred_at": "yesterday"}, 422, "/occurred_at"),
    ("POST", "/v1/interactions", {**FACT, "occurred_at": "2020-13-01T00:00:00Z"}, 422, "/occurred_at"),
    ("POST", "/v1/interactions", {**FACT, "data": []}, 422, "/data"),
    ("POST", "/v1/interactions", {**FACT, "key": "k" * 201}, 422, "/key"),
    ("POST", "/v1/interactions", {**FACT, "colour": "red"}, 422, "/colour"),
    ("POST", "/v1/interactions", [FACT] * 1001, 413, None),
    ("POST", "/v1/interactions?import=perhaps", FACT, 400, None),
    ("POST", "/v1/contacts", {"email": "nobody"}, 422, "/email"),
    ("POST", "/v1/track", {"event": "x"}, 422, None),
    ("POST", "/v1/batch", {"batch": [{"type": "dance", "userId": "u"}]}, 422, "/batch/0/type"),
    ("POST", "/v1/rules/check", {"rule": 7}, 422, "/rule"),
    ("POST", "/v1/rules/explain", {"rule": "true", "contact": 999999999}, 404, None),
    ("POST", "/v1/rules/explain", {"segment": "nosuch", "contact": 1}, 404, None),
    ("PUT", "/v1/segments/bad", {"kind": "dynamic"}, 422, "/rule"),
    ("PUT", "/v1/segments/bad", {"kind": "rubber", "rule": "true"}, 422, "/kind"),
    ("PUT", "/v1/segments/bad", {"kind": "dynamic", "rule": 'in segment "nosuch"'}, 422, "/rule"),
    ("PUT", "/v1/segments/bad", {"kind": "dynamic", "rule": 'in segment "bad"'}, 422, "/rule"),
    ("PUT", "/v1/segments/bad", {"kind": "dynamic", "rule": 'subscribed "nosuch"'}, 422, "/rule"),
    ("PUT", "/v1/segments/a%2Fb", {"kind": "fixed"}, 422, "/name"),
    ("PUT", "/v1/rfm/bad", {"kinds": []}, 422, "/kinds"),
    ("PUT", "/v1/rfm/bad", {"kinds": ["x"], "classes": 99}, 422, "/classes"),
    ("PUT", "/v1/rfm/bad", {"kinds": ["x"], "scoring": "fixed"}, 422, "/breaks"),
    ("PUT", "/v1/rfm/bad", {"kinds": ["x"], "labels": [{"label": "l", "r": [5, 1]}]}, 422, "/labels/0/r"),
    ("PUT", "/v1/rfm/bad", {"kinds": ["x"], "look_back": "3 moons"}, 422, "/look_back"),
    ("PUT", "/v1/templates/bad", {"language": "es", "subject": "s", "html": "{{", "text": "t"}, 422, "/html"),
    ("PUT", "/v1/templates/bad", {"language": "es", "subject": "s\nBcc: x", "html": "h", "text": "t"}, 422, "/subject"),
    ("PUT", "/v1/templates/bad", {"language": "Spanish", "subject": "s", "html": "h", "text": "t"}, 422, "/language"),
    ("PUT", "/v1/templates/bad", {"language": "es", "subject": "s", "html": "h"}, 422, "/text"),
    ("PUT", "/v1/templates/Bad!", {"language": "es", "subject": "s", "html": "h", "text": "t"}, 422, "/name"),
    ("PUT", "/v1/campaigns/bad", {"template": "nosuch", "rule": "true", "topic": "news"}, 422, "/template"),
    ("PUT", "/v1/campaigns/bad", {"template": "letter", "rule": "true", "topic": "nosuch"}, 422, "/topic"),
    ("PUT", "/v1/campaigns/bad", {"template": "letter", "segment": "nosuch", "topic": "news"}, 422, "/segment"),
    ("PUT", "/v1/campaigns/bad", {"template": "letter", "rule": "true", "segment": "x", "topic": "news"}, 422, "/segment"),
    ("PUT", "/v1/campaigns/bad", {"template": "letter", "rule": "cuont(x) > 1", "topic": "news"}, 422, "/rule"),
    ("PUT", "/v1/campaigns/bad", {"template": "letter", "rule": "true", "topic": "news", "start_at": "soon"}, 422, "/start_at"),
    ("POST", "/v1/campaigns/nosuch/start", None, 404, None),
    ("PUT", "/v1/journeys/bad", {}, 422, None),
    ("PUT", "/v1/journeys/bad", {"start": {"interaction": "x"}, "steps": [{"sned": "letter"}]}, 422, "/steps/0/sned"),
    ("PUT", "/v1/journeys/bad", {"start": {"interaction": "x"}, "steps": [{"send": "nosuch"}]}, 422, "/steps/0/send"),
    ("PUT", "/v1/journeys/bad", {"start": {"interaction": "x"}, "steps": [{"webhook": "nosuch"}]}, 422, "/steps/0/webhook"),
    ("PUT", "/v1/journeys/bad", {"start": {"interaction": "x"}, "steps": [{"send": "letter", "topic": "nosuch"}]}, 422, "/steps/0/topic"),
    ("PUT", "/v1/journeys/bad", {"start": {"interaction": "x"}, "steps": [{"wait": "ten minutes"}]}, 422, "/steps/0/wait"),
    ("PUT", "/v1/journeys/bad", {"start": {"interaction": "x"}, "steps": [{"if": "tag", "then": []}]}, 422, "/steps/0/if"),
    ("PUT", "/v1/journeys/bad", {"start": {"moon": "full"}, "steps": []}, 422, None),
    ("PUT", "/v1/journeys/bad", {"start": {"segment": {"enter": "nosuch"}}, "steps": []}, 422, "/start/segment/enter"),
    ("PUT", "/v1/journeys/bad", {"start": {"interaction": "x", "where": "amuont > 0"}, "steps": []}, 422, "/start/where"),
    ("POST", "/v1/journeys/nosuch/enable", None, 404, None),
    ("POST", "/v1/messages", {"template": "letter"}, 422, "/to"),
    ("POST", "/v1/messages", {"template": "nosuch", "to": "a@input.example"}, 422, "/template"),
    ("POST", "/v1/messages", {"template": "letter", "to": "nobody"}, 422, "/to"),
    ("POST", "/v1/messages", {"template": "letter", "contact": 999999999}, 422, "/contact"),
    ("POST", "/v1/deliveries/999999999/resend", None, 404, None),
    ("PUT", "/v1/fields/size", {"type": "text"}, 409, None),
    ("PUT", "/v1/fields/bad", {"type": "colour"}, 422, "/type"),
    ("PUT", "/v1/topics/BAD", {}, 422, "/name"),
    ("POST", "/v1/suppressions", {"email": "nobody"}, 422, "/email"),
    ("PATCH", "/v1/organisation", {"time_zone": "Mars/Base"}, 422, "/time_zone"),
    ("PATCH", "/v1/organisation", {"currency": "euro"}, 422, "/currency"),
    ("PATCH", "/v1/organisation", {"mail_from": "x\r\ny"}, 422, "/mail_from"),
    ("POST", "/v1/clock", {"advance": "soon"}, 422, "/advance"),
    ("POST", "/v1/clock", {"to": "1999-01-01T00:00:00Z"}, 409, None),
    ("POST", "/v1/clock", {"advance": "1 h", "to": "2099-01-01T00:00:00Z"}, 422, None),
    ("GET", "/v1/contacts/nobody", None, 404, None),
    ("GET", "/v1/contacts/99999999999999999999", None, 404, None),
    ("GET", "/v1/contacts?limit=0", None, 400, None),
    ("GET", "/v1/contacts?limit=x", None, 400, None),
    ("GET", "/v1/contacts?after=x", None, 400, None),
    ("GET", "/v1/contacts?rule=" + urllib.parse.quote('city = '), None, 422, None),
    ("GET", "/v1/contacts?q=%ff", None, 400, None),
    ("GET", "/v1/deliveries?state=lost", None, 400, None),
    ("GET", "/v1/nothing", None, 404, None),
    ("DELETE", "/v1/interactions", None, 405, None),
]


@pytest.mark.parametrize("method,path,body,status,pointer", REFUSED,
                         ids=[f"{i}-{r[0]}-{re.sub('[^a-z]+', '-', r[1])}-{r[4] or r[3]}" for i, r in enumerate(REFUSED)])
def test_refused(lazo, method, path, body, status, pointer):
    r = lazo.request(method, path, json=body) if body is not None else lazo.request(method, path)
    assert r.status_code == status, r.text
    assert r.headers["Content-Type"].startswith("application/problem+json"), r.headers
    problem = r.json()
    assert problem["status"] == status and problem["detail"], problem
    if pointer is not None:
        pointers = [e["pointer"] for e in problem["errors"]]
        assert pointer in pointers, problem
        assert all(e["detail"] for e in problem["errors"])


@pytest.mark.parametrize("rule,line,column,says", [
    ('country = "ES" and\n  cuont(donation) > 1', 2, 3, "count"),
    ("first_nam = \"x\"", 1, 1, "first_name"),
    ("count(donation >= 2", 1, None, None),
    ('country = "ES', 1, 11, None),
    ("amount > 5 and", 1, None, None),
    ("age > \"x\"", 1, None, None),
    ('city matches "("', 1, None, None),
    ("any(donation in last 5 parsecs)", 1, 24, None),
    ("created_at in last 999999999999 days", 1, None, None),
    ("(" * 5000 + "true" + ")" * 5000, 1, None, None),
    ("", 1, None, None),
    ("'; DROP TABLE contact; --", 1, 1, None),
], ids=lambda value: str(value)[:60])
def test_rules_with_errors(lazo, rule, line, column, says):
    said = lazo.api("POST", "/v1/rules/check", {"rule": rule}) if rule else None
    if said is not None:
        assert said["valid"] is False
        error = said["errors"][0]
        assert error["line"] == line and error["message"]
        assert column is None or error["column"] == column, error
        assert says is None or says in error["message"], error
    r = lazo.request("PUT", "/v1/segments/wrong", json={"kind": "dynamic", "rule": rule})
    assert r.status_code == 422
    if rule:
        first = r.json()["errors"][0]
        assert (first["pointer"], first["line"]) == ("/rule", line)


@pytest.mark.parametrize("text,line", [
    ("{{ contact.first_name", 1), ("a\n{% if x %}", 2), ("a\nb\n{{ x | nosuch }}", 3), ("{% for x in %}{% endfor %}", 1), ("{% nosuch %}", 1),
    ("{% endif %}", 1), ("{% if a == %}{% endif %}", 1), ("{% if a %}" * 500 + "{% endif %}" * 500, 1),
], ids=lambda value: str(value)[:60])
def test_templates_with_errors(lazo, text, line):
    r = lazo.request("PUT", "/v1/templates/wrong", json={"language": "es", "subject": "s", "html": text, "text": "t"})
    assert r.status_code == 422, r.text
    error = r.json()["errors"][0]
    assert (error["pointer"], error["line"]) == ("/html", line) and error["column"] >= 1 and error["detail"]


def test_a_template_that_never_ends_is_cut(lazo):
    """Its work is bounded when it is rendered."""
    text = "{% for a in (1..1000000) %}{% for b in (1..1000000) %}{{ a }}{% endfor %}{% endfor %}"
    r = lazo.request("PUT", "/v1/templates/letter", json={"language": "es", "subject": "S", "html": "<p>{{ unsubscribe_url }}</p>",
                                                          "text": "{{ unsubscribe_url }}"})
    assert r.status_code == 200
    r = lazo.request("POST", "/v1/templates/letter/preview", json={"data": {"x": 1}})
    assert r.status_code == 200
    done = lazo.ctl("template", "render", "/dev/stdin", "--data", "/dev/null", input=text, check=False)
    assert done.returncode == 1


# --- HTTP itself -----------------------------------------------------------------------------------------------------------

def raw(lazo, data, heads=1, pieces=0):
    """What comes back for these bytes: so many answers are waited for, and what else comes within a moment is there as well; the connection may stay open. With
    `heads` 0 there may be none. The bytes are sent in pieces of so many, 0: at once, until an answer comes."""
    host, port = lazo.url.removeprefix("http://").split(":")
    answer = b""
    with socket.create_connection((host, int(port)), timeout=WAIT_S) as s:
        # Who is refused and goes on sending is cut off; the answer is there before that.
        with contextlib.suppress(OSError):
            for i in range(0, len(data), pieces or len(data)):
                if pieces and select.select([s], [], [], 0.001)[0]:
                    break
                s.sendall(data[i:i + (pieces or len(data))])
            # An end that comes together with the bytes is only seen when the request's time is over.
            time.sleep(0.1)
            s.shutdown(socket.SHUT_WR)
        with contextlib.suppress(OSError):
            while len(answer) < 65536:
                s.settimeout(3 if heads == 0 and not answer else 0.3 if answer.count(b"\r\n\r\n") >= heads else WAIT_S)
                piece = s.recv(65536)
                if not piece:
                    break
                answer += piece
    return answer


AUTH = "Authorization: Bearer {}\r\n"


def test_absolute_target(lazo):
    """What a proxy asks for (RFC 9112, 3.2.2) is the same as without the host."""
    head = f"GET http://lazo.example/v1/contacts?limit=1 HTTP/1.1\r\nHost: other\r\nConnection: close\r\n{AUTH.format(lazo.token)}\r\n"
    assert raw(lazo, head.encode()).startswith(b"HTTP/1.1 200 "), head


@pytest.mark.parametrize("request_text", [
    "\x00\x01\x02\xff\xfe\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET /v1/contacts HTTP/1.1\r\n\r\n",
    "GET /v1/contacts HTTP/1.1\r\nHost: a\r\nHost: b\r\n{auth}\r\n",
    "POST /v1/interactions HTTP/1.1\r\nHost: x\r\n{auth}Content-Length: -5\r\n\r\n{{}}",
    "POST /v1/interactions HTTP/1.1\r\nHost: x\r\n{auth}Content-Length: 5\r\nContent-Length: 6\r\n\r\n{{}}abcd",
    "POST /v1/interactions HTTP/1.1\r\nHost: x\r\n{auth}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST /v1/interactions HTTP/1.1\r\nHost: x\r\n{auth}Transfer-Encoding: chunked\r\n\r\nZZ\r\nabc\r\n0\r\n\r\n",
    "POST /v1/interactions HTTP/1.1\r\nHost: x\r\n{auth}Content-Length: 99999999999999999999\r\n\r\n{{}}",
    "POST /v1/interactions HTTP/1.1\r\nHost: x\r\n{auth}Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{{}}",
    "GET /v1/contacts%00 HTTP/1.1\r\nHost: x\r\n{auth}\r\n", "GET /v1/contacts?q=%zz HTTP/1.1\r\nHost: x\r\n{auth}\r\n",
    "GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n{auth}\r\n",
    "GET /" + "a" * 100_000 + " HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\n" + "X: y\r\n" * 5000 + "\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nX: " + "y" * 200_000 + "\r\n\r\n",
], ids=lambda text: text[:60])
def test_malformed_http(lazo, request_text):
    answer = raw(lazo, request_text.replace("{auth}", AUTH.format(lazo.token)).replace("{{}}", "{}").encode("latin-1"), heads=0)
    assert answer == b"" or re.match(rb"HTTP/1\.[01] [45]\d\d ", answer), answer[:200]
    assert lazo.request("GET", "/healthz", token="").text == "ok\n"


@pytest.mark.parametrize("length", ["abc", "-5", "1a", "99999999999999999999", "0x5", "+5", "5,5", ""])
def test_a_length_that_is_none(lazo, length):
    """One answer, with one head."""
    answer = raw(lazo, f"POST /v1/interactions HTTP/1.1\r\nHost: x\r\n{AUTH.format(lazo.token)}Content-Length: {length}\r\n\r\n{{}}".encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert re.match(rb"HTTP/1\.1 4\d\d ", head) and answer.count(b"HTTP/1.1") == 1, answer
    assert b"application/problem+json" in head and b"Connection: close" in head.title().replace(b"Close", b"close") and json.loads(body)["status"] in (400, 413)


SMUGGLED = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("request_text", [
    "GET /healthz HTTP/1.1\r\nHost: x\r\nX: one\r\n two\r\n\r\n", "GET /healthz HTTP/1.1\r\nHost: x\r\nX: one\r\n\ttwo\r\nY: 1\r\n\r\n",
    f"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n {len(SMUGGLED)}\r\n\r\n{SMUGGLED}",
    f"GET /healthz HTTP/1.1\r\nHost: x\r\nX: 1\r\nContent-Length:\r\n {len(SMUGGLED)}\r\nY: 1\r\n\r\n{SMUGGLED}",
    "GET /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "GET /healthz HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n", "GET /healthz HTTP/1.1\r\nHost: x\0\r\n\r\n", "GET /healthz HTTP/1.1\r\nHost: x\r\nX: a\0b\r\nY: 1\r\n\r\n",
    f"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\x005\r\n\r\n{SMUGGLED}",
    "GET /healthz HTTP/1.1\nHost: x\n\n", "GET /healthz HTTP/1.1\nHost: x\r\n\r\n", "GET /healthz HTTP/1.1\r\nHost: x\n\r\n", "GET /healthz HTTP/1.1\r\nHost: x\nY: 1\r\n\r\n",
    "GET /healthz HTTP/1.1\r\nHost: x\r\n\n", "GET /healthz HTTP/1.1\r\nHost: x\rY: 1\r\n\r\n"], ids=repr)
@pytest.mark.parametrize("whole", [True, False])
def test_lines_of_a_head_that_are_none(lazo, request_text, whole):
    """Refused, and nothing behind it is taken for a request, whether it comes at once or byte by byte."""
    answer = raw(lazo, request_text.encode("latin-1"), pieces=0 if whole else 1)
    assert answer.startswith(b"HTTP/1.1 400 ") and answer.count(b"HTTP/1.1 ") == 1, answer


@pytest.mark.parametrize("head", [
    "Host:x\r\n", "Host: x\r\nX:1\r\n", "Host: x\r\nX: 1  \r\nY: 2\r\n", "Host: x\r\nX:\t1\t\r\n", "Host: x\r\nX:\r\nY: 1\r\n", "Host: x\r\nX: \r\n", "Host: x\r\nX:   a  b  \r\nX: c\r\n",
    "Host: x\r\nCookie: a=b; c=\"d\"; e\r\nY: 1\r\n", "Host: x\r\nContent-Length: 0\r\n", "Host: x\r\n" + "".join(f"X-{i}: {'v' * i}\r\n" for i in range(100))], ids=lambda h: repr(h)[:60])
def test_lines_of_a_head_as_they_may_be(lazo, head):
    """Two requests behind each other; in pieces; and after an empty line, as RFC 9112, 2.2 allows."""
    request = f"GET /healthz HTTP/1.1\r\n{head}\r\n".encode()
    for answer, n in ((raw(lazo, request + request, heads=2), 2), (raw(lazo, request, pieces=7), 1), (raw(lazo, b"\r\n" + request), 1)):
        assert answer.count(b"HTTP/1.1 200 ") == n, answer


def test_a_request_that_breaks_off_stores_nothing(lazo):
    body = json.dumps(FACT).encode()
    head = f"POST /v1/interactions HTTP/1.1\r\nHost: x\r\n{AUTH.format(lazo.token)}Content-Length: {len(body) + 10}\r\n\r\n".encode()
    raw(lazo, head + body, heads=0)
    assert lazo.request("GET", "/healthz", token="").status_code == 200


def test_a_body_that_is_too_large(lazo):
    r = lazo.request("POST", "/v1/interactions", data=b"[" + b" " * (8 << 20) + b"]", headers={"Content-Type": "application/json"})
    assert r.status_code == 413 and r.headers["Content-Type"].startswith("application/problem+json")
    big = {**FACT, "data": {"x": "y" * 70_000}}
    r = lazo.request("POST", "/v1/interactions", data=json.dumps(big), headers={"Content-Type": "application/x-ndjson"})
    assert r.status_code == 422 and r.json()["errors"][0]["line"] == 1


def test_json_suite(lazo):
    folder = SHARED / "suites" / "json" / "test_parsing"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    # JSON that may be written, but not for us: a name twice, and U+0000, which the database cannot hold.
    ours = {"y_object_duplicated_key.json", "y_object_duplicated_key_and_value.json", "y_object_escaped_null_in_key.json",
            "y_string_null_escape.json"}
    wrong = []
    for path in sorted(folder.glob("*.json")):
        r = lazo.request("POST", "/v1/rules/check", data=path.read_bytes(), headers={"Content-Type": "application/json"})
        text = path.read_bytes().strip()
        read = path.name not in ours and text[:1] in (b"[", b"{")  # a body is an array or an object
        good = {"y": (422,) if read else (400,), "n": (400,), "i": (400, 422)}[path.name[0]]
        if r.status_code not in good:
            wrong.append((path.name, r.status_code, r.text[:200]))
    assert not wrong, wrong


# --- CSV -------------------------------------------------------------------------------------------------------------------

CSV = """email,first_name,date,amount,birth_date
good1@csv.example,Ana,2023-01-05,10.50,1990-01-01
not an address,Bad,2023-01-05,10,
good2@csv.example,"Quo""ted, Name",2023-01-06,20,
good3@csv.example,Amount,2023-01-06,ten,
good4@csv.example,Date,2023-02-30,5,
good5@csv.example,Birth,2023-02-01,5,1990-13-01
short@csv.example
,Nobody,2023-01-06,20,
good6@csv.example,Íñigo,2023-01-07,7,
"""


@pytest.fixture
def broken(tmp_path):
    path = tmp_path / "broken.csv"
    path.write_text(CSV)
    return path


class TestCsv:
    @pytest.fixture(autouse=True)
    def nothing_is_stored(self):
        """Here something is: the good lines."""

    def test_broken_lines_are_told(self, lazo, broken):
        done = lazo.ctl("import", "interactions", broken, "--kind", "csv", "--source", "csv", check=False)
        assert done.returncode == 1
        assert "3 recorded" in done.stdout
        found = {c["email"]: c["first_name"] for c in lazo.get("/v1/contacts?rule=any(csv)")["items"]}
        assert found == {"good1@csv.example": "Ana", "good2@csv.example": 'Quo"ted, Name', "good6@csv.example": "Íñigo"}
        rejected = (broken.parent / "broken.csv.rejected.csv").read_text()
        for line in (3, 5, 6, 7, 8, 9):
            assert re.search(rf",{line},\S", rejected), f"line {line} is not told in:\n{rejected}"
        lazo.settle()
        before = stored(lazo)
        again = lazo.ctl("import", "interactions", broken, "--kind", "csv", "--source", "csv", check=False)
        assert "0 recorded" in again.stdout
        assert stored(lazo) == before

    @pytest.mark.parametrize("content", [b"", b"\n\n", b"email\n\xff\xfe\x00bad\n", b'email,first_name\n"never closed, x\n', b"colour,shape\nred,round\n",
                                         b"email," * 3000 + b"\n", b"email,first_name,first_name\na@csv.example,Ana,Eva\n"], ids=lambda content: repr(content[:40]))
    def test_files_that_are_none(self, lazo, tmp_path, content):
        path = tmp_path / "none.csv"
        path.write_bytes(content)
        before = stored(lazo)
        done = lazo.ctl("import", "contacts", path, check=False)
        assert done.returncode in (0, 1, 2) and (done.returncode or content.strip() == b""), done
        assert done.stderr or done.stdout
        lazo.settle()
        assert stored(lazo) == before

    def test_files_that_are_not_there(self, lazo):
        done = lazo.ctl("import", "contacts", "/nonexistent.csv", check=False)
        assert done.returncode == 1 and "/nonexistent.csv" in done.stderr


def test_lazoctl_with_wrong_words(lazo):
    for words in (["dance"], ["import"], ["import", "people", "x.csv"], ["campaign", "start"], ["clock", "advance"], ["up"], ["--nosuch"]):
        done = lazo.ctl(*words, check=False)
        assert done.returncode == 2 and done.stderr, words
    done = lazo.ctl("campaign", "start", "nosuch", check=False)
    assert done.returncode == 1 and "nosuch" in done.stderr or "no campaign" in done.stderr
    eventually(lambda: lazo.ctl("status").returncode == 0)


@pytest.mark.parametrize("path", ["/v1/contacts?rul=deceased", "/v1/exports?what=contacts&roule=deceased", "/v1/segments?limit=2&limit=3", "/v1/status?x"])
def test_what_is_misspelt_in_a_query_is_not_passed_over(lazo, path):
    """A rule that nobody reads would be everybody."""
    r = lazo.request("GET", path)
    assert r.status_code == 400 and "query" in r.json()["detail"], r.text
