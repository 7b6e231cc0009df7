"""Naughty strings: as names, subjects, rule literals, tags and data they come back as they went in, and break no header, HTML or SQL."""
import html
import json
import re
import urllib.parse

import pytest

from lazo_test import SHARED, eventually

FILE = SHARED / "suites" / "strings" / "naughty.json"


@pytest.fixture(scope="module")
def strings():
    if not FILE.exists():
        pytest.skip(f"{FILE} is not there")
    return json.loads(FILE.read_text())


def storable(s):
    """What a field of one line takes: something, at most 200 characters, no control characters or ends of lines."""
    return bool(s.strip(" ")) and len(s) <= 200 and not re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029]", s)


def test_names_and_data(lazo, strings):
    usable = [s for s in strings if storable(s)]
    assert len(usable) > 400
    facts = [{"contact": {"email": f"n{i}@strings.example", "first_name": s}, "kind": "naughty", "data": {"s": s, "i": i}} for i, s in enumerate(usable)]
    done = lazo.api("POST", "/v1/interactions", facts)
    assert done["recorded"] == len(usable)
    for s, item in zip(usable, done["items"]):
        assert lazo.get(f"/v1/contacts/{item['contact']}")["first_name"] == s.strip(" ")
        fact = lazo.get(f"/v1/contacts/{item['contact']}/interactions")["items"][-1]
        assert fact["data"]["s"] == s


def test_others_are_refused_with_their_place(lazo, strings):
    for s in strings:
        if storable(s) or not s.strip(" "):
            continue
        r = lazo.request("POST", "/v1/interactions", json={"contact": {"email": "no@strings.example", "first_name": s}, "kind": "naughty"})
        assert r.status_code == 422 and r.json()["errors"][0]["pointer"] == "/contact/first_name"


def test_rule_literals_and_search(lazo, strings):
    """A literal finds the contact that has it."""
    for i, s in enumerate(strings):
        if not storable(s) or i % 3:
            continue
        literal = s.strip(" ").replace("\\", "\\\\").replace('"', '\\"')
        rule = f'first_name = "{literal}" and email ends with "@strings.example"'
        said = lazo.api("POST", "/v1/rules/check", {"rule": rule})
        assert said["valid"], (s, said)
        assert said["count"] >= 1, s
        assert lazo.request("GET", "/v1/contacts?q=" + urllib.parse.quote(s[:60])).status_code == 200, s


def test_subjects(lazo, sink, strings):
    """In a header and in both parts of a mail."""
    usable = [s for s in strings if storable(s)]
    lazo.template("naughty", "{{ contact.first_name }}", "[{{ contact.first_name }}]", "<p>[{{ contact.first_name }}]</p>")
    lazo.journey("naughty", {"start": {"interaction": "naughty_mail"}, "steps": [{"send": "naughty"}]})
    facts = [{"contact": {"email": f"n{i}@strings.example"}, "kind": "naughty_mail"} for i in range(len(usable))]
    lazo.api("POST", "/v1/interactions", facts)
    eventually(lambda: sum(m.to[0].endswith("@strings.example") for m in sink.all()) >= len(usable), 120)
    wrong = []
    for i, s in enumerate(usable):
        mail, = sink.to(f"n{i}@strings.example")
        head = mail.content.split(b"\r\n\r\n", 1)[0]
        name = s.strip(" ")
        assert len(mail.parsed.get_all("Subject")) == 1 and mail.parsed.get("Bcc") is None
        assert all(len(line) <= 998 for line in mail.content.split(b"\r\n")), s
        assert head.isascii(), s
        if " ".join(mail.subject.split()) != " ".join(name.split()):
            wrong.append((s, mail.subject))
        if f"[{name}]" not in mail.text:
            wrong.append((s, mail.text))
        if f"[{html.escape(name, quote=True)}]".replace("&#x27;", "&#39;") not in mail.html:
            wrong.append((s, mail.html))
    assert not wrong, wrong[:10]


def test_names_of_things(lazo, strings):
    """Segments, kinds and tags may be called almost anything."""
    for i, s in enumerate(strings):
        if not storable(s) or i % 10 or "/" in s or len(s) > 80 or s != s.strip(" "):
            continue
        path = "/v1/segments/" + urllib.parse.quote(s, safe="")
        r = lazo.request("PUT", path, json={"kind": "fixed"})
        if s in (".", ".."):
            continue
        assert r.status_code in (200, 201), (s, r.text)
        assert lazo.get(path)["name"] == s
        assert lazo.request("DELETE", path).status_code == 204
        who = lazo.record({"email": "things@strings.example", "tags": [s]}, s)
        assert s in lazo.get(f"/v1/contacts/{who}")["tags"]
        assert lazo.request("DELETE", f"/v1/contacts/{who}/tags/" + urllib.parse.quote(s, safe="")).status_code == 204
