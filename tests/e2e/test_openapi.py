"""openapi.yaml is true: every operation in it is sent with its example, and answers what the document says; what it does not speak of is not there."""
import json
import pathlib
import re
import socket
import urllib.parse

import pytest
from lazo_test import ROOT, Instance, Sink, eventually
from openapi_walk import METHODS, Document, Walk, Wrong, load

@pytest.fixture(scope="module")
def mails():
    s = Sink().start()
    yield s
    s.stop()


@pytest.fixture(scope="module")
def world(mails):
    """The example association with four people of its own, of whom one gets a mail that can be confirmed and one that can be refused."""
    one = Instance(relay=mails.url, clock="2006-12-31T12:00:00Z", example=True,
                   env={"LAZO_HOOK_RETRY_FIRST": "1 s", "LAZO_HOOK_RETRIES": "2", "LAZO_HOOK_GIVE_UP": "1 s"}).start()
    one.record({"email": "primera@example.org", "first_name": "Primera", "consents": [{"topic": "boletin", "action": "grant", "wording": "Sí"}]}, "donation", amount="40")
    one.record({"email": "segunda@example.org", "first_name": "Segunda"}, "donation", amount="5")
    for i in (3, 4):  # two that may be one person, of whom the document speaks by these numbers
        made = one.api("POST", "/v1/contacts", {"email": f"dora{i}@example.org", "first_name": "Dora", "last_name": "Vidal", "phone": "+34600999888"})
        assert made["id"] == i
    one.settle(120)
    one.api("POST", "/v1/campaigns/boletin/start")
    yield one
    one.stop()


def link_in(mails, address, path):
    """The token of a link of that path in a mail to the address."""
    def look():
        for mail in mails.to(address):
            found = re.search(rf"/{path}/([A-Za-z0-9_.~%-]+)", mail.text + mail.html)
            if found:
                return urllib.parse.unquote(found.group(1))
        return None
    return eventually(look, what=f"a mail to {address} with /{path}/")


def first(walk, path, field="id"):
    return walk.lazo.get(path)["items"][0][field]


def rests(walk, path, method):
    """Lazo does its part of some operations by itself: the next one waits for it."""
    if path.startswith("/v1/imports"):
        last = walk.lazo.get("/v1/imports")["items"]
        eventually(lambda: not last or not walk.lazo.get(f"/v1/imports/{last[0]['id']}")["state"].endswith("ing"))
    elif method in ("put", "post") and path.startswith(("/v1/segments", "/v1/rfm", "/v1/journeys", "/v1/messages", "/v1/webhooks")):
        walk.lazo.settle(120)


def known(mails):
    """What only the instance knows."""
    interaction = "/v1/contacts/{id}/interactions/{interaction}"

    def recorded(field):
        return lambda walk: next(r.json()["items"][0] for path, _, r in walk.answers if path == "/v1/interactions")[field]
    return {
        (interaction, "id"): recorded("contact"), (interaction, "interaction"): recorded("id"),
        ("/v1/contacts/{id}/erase", "id"): lambda walk: walk.lazo.contact_id("segunda@example.org"),
        ("/v1/contacts/{id}/relations/{relation}/{contact}", "contact"): lambda walk: walk.lazo.contact_id("primera@example.org"),
        ("/v1/contacts/{id}/as-of", "at"): lambda walk: walk.lazo.now(),
        "contact": lambda walk: walk.made["/v1/contacts"],
        "merge": lambda walk: walk.made["/v1/contacts/merge"],
        ("/v1/deliveries/{id}", "id"): lambda walk: eventually(lambda: first(walk, "/v1/deliveries")),
        ("/v1/deliveries/{id}/resend", "id"): lambda walk: first(walk, "/v1/deliveries?state=failed"),
        ("/f/confirm/{token}", "token"): lambda walk: link_in(mails, "nueva@example.org", "f/confirm"),
        ("/u/{token}", "token"): lambda walk: link_in(mails, "primera@example.org", "u"),
    }


def test_every_operation_does_what_the_document_says(world, mails):
    document = Document()
    walk = Walk(world, document, known(mails))
    wrong, succeeded = [], set()
    for path, method, operation, parameters in document.operations():
        try:
            r = walk.step(path, method, operation, parameters)
            walk.judge(path, method, operation, r)
            rests(walk, path, method)
            if r.status_code < 400:
                succeeded.add((path, method))
        except Wrong as e:
            wrong.append(str(e))
    assert not wrong, "\n".join(wrong)
    refused = [f"{method} {path}" for path, method, _, _ in document.operations() if (path, method) not in succeeded]
    assert sorted(refused) == sorted(load()["x-refused"]), "operations whose example is refused stand in x-refused"


def test_every_operation_refuses_strangers(world):
    """Without a token 401, with one that may too little 403: each time a problem."""
    document = Document()
    reader = world.api("POST", "/v1/tokens", {"name": "reader", "role": "reader"})["token"]
    for path, method, operation, _ in document.operations():
        filled = re.sub(r"\{[^}]*\}", "1", path)
        if operation.get("security") == []:
            continue
        for token, status in (("", 401), ("lazo_nobody", 401)) + (() if "(reader)" in operation["summary"] else ((reader, 403),)):
            r = world.request(method.upper(), filled, token=token)
            assert r.status_code == status, (method, path, r.status_code, r.text)
            document.check(r.json(), {"$ref": "#/components/schemas/Problem"})
            assert r.headers["Content-Type"] == "application/problem+json"
            assert status != 401 or r.headers["WWW-Authenticate"].startswith("Bearer")


def test_other_methods_are_refused(world):
    document = Document()
    for path, item in document.doc["paths"].items():
        filled = re.sub(r"\{[^}]*\}", "1", path)
        there = {m.upper() for m in METHODS if m in item}
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - there:
            if any(other != path and re.fullmatch(re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(other)), filled) and method.lower() in o for other, o in
                   document.doc["paths"].items()):
                continue
            r = world.request(method, filled)
            assert r.status_code == 405, (method, path, r.status_code)
            assert there <= set(re.split(r",\s*", r.headers["Allow"])), (path, r.headers["Allow"])
            document.check(r.json(), {"$ref": "#/components/schemas/Problem"})


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/", "/v2/contacts", "/v1/contacts/", "/v1/contact", "/v1/contacts/1/interactions/2/3", "/openapi.json", "/f", "/u", "/.env"])
def test_other_paths_are_not_there(world, path):
    r = world.request("GET", path)
    assert r.status_code == 404 and r.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("head, status", [
    (b"GET / HTTP/3.0\r\nHost: x\r\n\r\n", 505), (b"GET / HTTP/1.1\r\nHost x\r\n\r\n", 400),
    (b"GET /" + b"a" * 200000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414), (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 200000 + b"\r\n\r\n", 431),
    (b"GET / HTTP/1.1\r\n\r\n", 400)])
def test_what_is_no_request_gets_a_problem(world, head, status):
    """Those that libmicrohttpd refuses by itself, too."""
    where = urllib.parse.urlsplit(world.url)
    with socket.create_connection((where.hostname, where.port), timeout=60) as s:
        s.sendall(head)
        answer = b""
        while b"}" not in answer:
            piece = s.recv(65536)
            if not piece:
                break
            answer += piece
    first, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in first, answer[:300]
    problem = json.loads(body)
    Document().check(problem, {"$ref": "#/components/schemas/Problem"})
    assert problem["status"] == status == int(first.split()[1]), answer[:300]


def test_every_metric_says_what_it_is(world):
    """And the manual names none that is not there."""
    def told():
        text = world.request("GET", "/metrics", token="").text
        return text if "lazo_import_running" in text else None

    said = eventually(told)
    samples = set(re.findall(r"^([a-z_]+)[ {]", said, re.M))
    for what in ("HELP", "TYPE"):
        assert set(re.findall(rf"^# {what} (\w+) \S", said, re.M)) == samples, what
    page = (ROOT / "daemon" / "lazod.8").read_text()
    assert set(re.findall(r"\blazo_[a-z_]+", page.split(".Ss Metrics")[1].split(".Sh SIGNALS")[0])) <= samples


def test_the_document_is_served(world):
    assert world.request("GET", "/openapi.yaml", token="").text == (pathlib.Path(__file__).resolve().parents[2] / "daemon/http/openapi.yaml").read_text()


def test_the_document_is_whole():
    """Each answer has a schema of its own, each name that is referred to is there and each that is there is referred to."""
    document = Document()
    text = str(document.doc)
    for path, method, operation, parameters in document.operations():
        place = f"{method} {path}"
        assert operation.get("summary") and operation.get("tags"), place
        # What is not quoted and has a comma falls apart.
        assert set(operation) <= {"tags", "summary", "description", "security", "parameters", "requestBody", "responses"}, place
        assert all(set(p) <= {"name", "in", "required", "schema", "description", "example"} for p in parameters), place
        assert {p["name"] for p in parameters if p["in"] == "path"} == set(re.findall(r"\{([^}]*)\}", path)), place
        for status, said in operation["responses"].items():
            for kind, media in document.at(said).get("content", {}).items():
                schema = document.at(media["schema"])
                assert kind not in ("application/json", "application/problem+json") or document.properties(schema), f"{place} {status}: the answer has no properties"
    for group, parts in document.doc["components"].items():
        for name in parts:
            assert group == "securitySchemes" or f"'#/components/{group}/{name}'" in text, f"nobody refers to {group}/{name}"


@pytest.mark.parametrize("value, schema, fits", [
    (1, {"type": "integer"}, True), (True, {"type": "integer"}, False), ("x", {"type": ["string", "null"]}, True), (1.5, {"type": "integer"}, False),
    ({"a": 1}, {"type": "object", "additionalProperties": False, "properties": {"b": {}}}, False), ({}, {"required": ["a"]}, False), ("a", {"enum": ["b"]}, False),
    ([1, "x"], {"type": "array", "items": {"type": "integer"}}, False), ("2026-02-30", {"format": "date"}, False), ("2026-02-28", {"format": "date-time"}, False),
    ("2026-02-28T10:00:00+00:00", {"format": "date-time"}, True), (5, {"oneOf": [{"type": "integer"}, {"minimum": 3}]}, False), ("abc", {"maxLength": 2}, False)])
def test_the_judge(value, schema, fits):
    assert Document({"paths": {}}).fits(value, schema) is fits
