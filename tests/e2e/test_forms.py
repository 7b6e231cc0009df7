"""Sign-up forms: from a plain form on another site to the entry in the ledger, with the mail in between."""
import concurrent.futures
import re

import pytest

from lazo_test import EXAMPLE, ApiError, Instance, eventually, never

SITE = "https://casa.example"
THANKS = f"{SITE}/gracias"
WORDING = "Sí, quiero recibir «Noticias» de Casa Común <por correo>."
numbers = iter(range(1, 10 ** 6))


@pytest.fixture(scope="module")
def form(lazo):
    """A form with double opt-in. Each test comes from a network of its own."""
    lazo.template("confirmar", subject="Confirma tu alta", text="Confirma: {{ confirm_url }} {{ form.title }} [{{ contact.first_name }}]")
    lazo.template("confirmar", subject="Confirm your sign-up", text="Confirm: {{ confirm_url }}", language="en")
    lazo.api("PUT", "/v1/fields/talla", {"type": "number"})
    lazo.api("PUT", "/v1/forms/alta", {
        "title": "Alta", "topics": ["news"], "fields": ["first_name", "city", "attr.talla"], "template": "confirmar", "wording": WORDING,
        "version": "2026-01", "language": "es", "purpose": "boletín", "redirect_to": [THANKS, f"{SITE}/otra"], "origins": [SITE], "tags": ["web"]})
    return lazo


def somewhere():
    n = next(numbers)
    return f"198.{18 + n // 200}.{n % 200}.7"


def post(lazo, form="alta", ip=None, **kw):
    headers = {"X-Forwarded-For": ip or somewhere(), "User-Agent": "Mozilla/5.0", **kw.pop("headers", {})}
    return lazo.request("POST", f"/f/{form}", token="", headers=headers, allow_redirects=False, **kw)


def link(mail):
    return re.search(r"https://mail\.example\.org(/f/confirm/\S+)", mail.text).group(1)


def confirm(lazo, path, method="POST"):
    return lazo.request(method, path, token="", headers={"X-Forwarded-For": "203.0.113.9", "User-Agent": "Phone"}, data={"confirm": "1"} if method == "POST" else None)


def known(lazo, address):
    return lazo.get(f"/v1/contacts?q={address}")["items"]


def test_plain_form_to_ledger(form, sink):
    address = "ana@forms.example"
    r = post(form, data={"email": " Ana@Forms.example ", "first_name": "Ana", "attr.talla": "38", "stage": "member", "submit": "Enviar"},
             ip="192.0.2.77", headers={"Origin": SITE, "Referer": f"{SITE}/apuntate"})
    assert (r.status_code, r.headers["Location"]) == (303, THANKS)
    assert r.headers["Access-Control-Allow-Origin"] == SITE
    mail, = sink.wait(address)
    assert mail.subject == "Confirma tu alta" and "Alta []" in mail.text
    assert mail["List-Unsubscribe"] is None, "it is no marketing"
    assert not known(form, address), "nobody is made before the confirmation"
    path = link(mail)
    page = confirm(form, path, "GET")
    assert page.status_code == 200 and "Confirmar" in page.text and "&lt;por correo&gt;" in page.text
    assert confirm(form, path, "HEAD").status_code == 200
    assert not known(form, address), "looking changes nothing"
    assert "confirmada" in confirm(form, path).text

    who, = known(form, address)
    assert (who["first_name"], who["attr"], who["tags"]) == ("Ana", {"talla": 38}, ["web"])
    assert who.get("stage") is None, "a field that the form does not ask for"
    facts = {i["kind"]: i["data"] for i in form.items(f"/v1/contacts/{who['id']}/interactions")}
    assert facts == {"signup": {"form": "alta"}, "subscribed": {"topic": "news", "form": "alta"}}
    entry, = form.get(f"/v1/contacts/{who['id']}/consents/evidence")["entries"]
    assert (entry["topic"], entry["action"], entry["method"], entry["version"]) == ("news", "grant", "double opt-in", "2026-01")
    assert (entry["wording"], entry["language"], entry["purpose"]) == (WORDING, "es", "boletín")
    assert (entry["source"], entry["ip"], entry["user_agent"]) == (f"{SITE}/apuntate", "203.0.113.0", "Phone")
    assert entry["request"]["ip"] == "192.0.2.0" and entry["request"]["user_agent"] == "Mozilla/5.0"
    assert entry["request"]["message_id"] == mail["Message-ID"]
    assert entry["request"]["at"] <= entry["at"]
    assert form.ctl("consent", "verify").returncode == 0


def test_a_link_works_once(form, sink):
    address = "once@forms.example"
    post(form, data={"email": address})
    path = link(sink.wait(address)[0])
    for _ in range(3):
        assert confirm(form, path).status_code == 200
    who, = known(form, address)
    assert len(form.items(f"/v1/contacts/{who['id']}/interactions")) == 2
    assert len(form.items(f"/v1/contacts/{who['id']}/consents")) == 1
    assert confirm(form, path[:-1] + ("A" if path[-1] != "A" else "B")).status_code == 404
    assert confirm(form, "/f/confirm/nothing").status_code == 404


def test_many_confirm_at_once(form, sink):
    address = "impatient@forms.example"
    post(form, data={"email": address})
    path = link(sink.wait(address)[0])
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert {r.status_code for r in pool.map(lambda _: confirm(form, path), range(24))} == {200}
    who, = known(form, address)
    assert sorted(i["kind"] for i in form.items(f"/v1/contacts/{who['id']}/interactions")) == ["signup", "subscribed"]
    assert len(form.items(f"/v1/contacts/{who['id']}/consents")) == 1


def test_many_ask_at_once(form, sink):
    address = "crowd@forms.example"
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert {r.status_code for r in pool.map(lambda _: post(form, data={"email": address}), range(24))} == {303}
    form.settle()
    assert len(sink.to(address)) == 1


def test_multipart_and_fetch(form, sink):
    assert post(form, files={"email": (None, "multi@forms.example")}).status_code == 303
    r = post(form, json={"email": "fetch@forms.example", "attr": {"talla": 40}}, headers={"Origin": SITE})
    assert (r.status_code, r.json()) == (202, {"status": "confirm"})
    assert r.headers["Access-Control-Allow-Origin"] == SITE
    r = post(form, data={"email": "fetch2@forms.example"}, headers={"Sec-Fetch-Mode": "cors", "Accept": "*/*"})
    assert r.status_code == 202
    for who in ("multi", "fetch", "fetch2"):
        sink.wait(f"{who}@forms.example")
    assert post(form, data={"email": "other@forms.example", "redirect_to": f"{SITE}/otra"}).headers["Location"] == f"{SITE}/otra"
    assert post(form, data={"email": "evil@forms.example", "redirect_to": "https://evil.example/"}).headers["Location"] == THANKS
    assert post(form, "demo.alta", data={"email": "slug@forms.example"}).status_code == 303
    assert post(form, "nobody.alta", data={"email": "slug@forms.example"}).status_code == 404
    assert post(form, "nothing", data={"email": "slug@forms.example"}).status_code == 404


def test_the_answer_does_not_tell_who_is_known(form, sink):
    form.api("POST", "/v1/contacts", {"email": "known@forms.example"})
    form.api("POST", "/v1/suppressions", {"email": "blocked@forms.example", "reason": "manual"})
    answers = set()
    for address in ("known@forms.example", "unknown@forms.example", "blocked@forms.example", "known@forms.example"):
        r = post(form, json={"email": address})
        answers.add((r.status_code, r.text, tuple(sorted(k for k in r.headers if k != "Date"))))
    r = post(form, json={"email": "bot@forms.example", "website": "https://spam.example"})
    answers.add((r.status_code, r.text, tuple(sorted(k for k in r.headers if k != "Date"))))
    assert len(answers) == 1
    form.settle()
    assert len(sink.to("known@forms.example")) == 1, "asked twice at once, mailed once"
    assert len(sink.to("unknown@forms.example")) == 1
    assert not sink.to("blocked@forms.example") and not sink.to("bot@forms.example")


def test_cors_preflight(form):
    def ask(origin):
        return form.request("OPTIONS", "/f/alta", token="", headers={"Origin": origin, "Access-Control-Request-Method": "POST"})
    good, bad = ask(SITE), ask("https://evil.example")
    assert good.status_code == bad.status_code == 204
    assert good.headers["Access-Control-Allow-Origin"] == SITE and "POST" in good.headers["Access-Control-Allow-Methods"]
    assert good.headers["Vary"] == "Origin"
    assert "Access-Control-Allow-Origin" not in bad.headers
    assert form.request("OPTIONS", "/v1/contacts").status_code == 405


def test_mistakes_are_told(form):
    r = post(form, json={"first_name": "X", "attr": {"talla": "grande"}})
    assert r.status_code == 422
    assert {e["pointer"] for e in r.json()["errors"]} == {"/email", "/attr/talla"}
    r = post(form, data={"email": "no address"}, headers={"Accept": "text/html"})
    assert r.status_code == 422 and "<li>email:" in r.text
    assert post(form, json=["x"]).status_code == 422
    assert post(form, data=b"{", headers={"Content-Type": "application/json"}).status_code == 400


def test_addresses_and_networks_are_limited(form):
    address = "192.88.99.1"
    statuses = [post(form, json={}, ip=address).status_code for _ in range(70)]
    assert statuses[:60] == [422] * 60 and 429 in statuses[60:]
    r = post(form, json={}, ip=address, headers={"Origin": SITE})
    assert r.status_code == 429 and int(r.headers["Retry-After"]) > 0
    assert r.headers["Access-Control-Allow-Origin"] == SITE
    assert post(form, json={}, ip="192.88.99.2").status_code == 422


def test_nobody_is_bombed(form, sink):
    """However many ask for one address, it gets one mail an hour and three a day."""
    address = "bombed@forms.example"
    for _ in range(5):
        assert post(form, data={"email": address}).status_code == 303
    form.settle()
    assert len(sink.to(address)) == 1
    for n in (2, 3, 3):
        form.advance("2 h")
        post(form, data={"email": address})
        post(form, data={"email": address})
        form.settle()
        assert len(sink.to(address)) == n


def test_an_old_request_is_gone(form, sink):
    address = "late@forms.example"
    post(form, data={"email": address, "first_name": "Late"})
    path = link(sink.wait(address)[0])
    form.advance("8 days")
    assert confirm(form, path).status_code == 404
    eventually(lambda: form.sql("SELECT count(*) FROM form_request WHERE email = %s", (address,)) == [(0,)])
    assert form.sql("SELECT count(*) FROM delivery WHERE address = %s", (address,)) == [(0,)]
    assert not known(form, address)
    never(lambda: len(sink.to(address)) > 1)


def test_what_waits_is_unreadable_to_who_reads_the_database(form, sink):
    address = "hash@forms.example"
    post(form, data={"email": address})
    token = link(sink.wait(address)[0]).rsplit("/", 1)[1]
    form.settle()
    for table in ("form_request", "job", "delivery", "job_key"):
        assert form.sql(f"SELECT count(*) FROM {table} t WHERE t::text LIKE %s", (f"%{token}%",)) == [(0,)]


def test_without_double_opt_in(form):
    form.api("PUT", "/v1/forms/directa", {"topics": ["news"], "double_opt_in": False, "wording": "Yes.", "language": "en"})
    assert post(form, "directa", json={"email": "direct@forms.example"}).json() == {"status": "subscribed"}
    r = post(form, "directa", data={"email": "direct2@forms.example"}, headers={"Accept": "text/html"})
    assert r.status_code == 200 and "Thank you" in r.text
    who, = known(form, "direct@forms.example")
    entry, = form.get(f"/v1/contacts/{who['id']}/consents")["items"]
    assert (entry["method"], entry["wording"], entry["request"]) == ("form", "Yes.", None)
    assert {i["kind"] for i in form.items(f"/v1/contacts/{who['id']}/interactions")} == {"signup", "subscribed"}


def test_a_stranger_changes_nobody(form):
    form.api("PUT", "/v1/forms/libre", {"topics": ["news"], "fields": ["first_name", "attr.talla"], "double_opt_in": False, "wording": "Yes.", "language": "en"})
    for name, size in (("Vera", 36), ("Mallory", 52)):
        assert post(form, "libre", json={"email": "vera@forms.example", "first_name": name, "attr": {"talla": size}}).status_code == 202
    who, = known(form, "vera@forms.example")
    assert (who["first_name"], who["attr"]) == ("Vera", {"talla": 36})


def test_the_mail_speaks_the_form_s_language(form, sink):
    form.api("PUT", "/v1/forms/english", {"topics": ["news"], "template": "confirmar", "wording": "Yes.", "language": "en"})
    post(form, "english", data={"email": "english@forms.example"})
    mail, = sink.wait("english@forms.example")
    assert mail.subject == "Confirm your sign-up"
    assert "Do you confirm" in confirm(form, link(mail), "GET").text


@pytest.mark.parametrize("change,pointer", [
    ({"topics": ["nothing"]}, "/topics/0"), ({"fields": ["id"]}, "/fields/0"), ({"fields": ["attr.nothing"]}, "/fields/0"), ({"template": None}, "/template"),
    ({"wording": ""}, "/wording"), ({"redirect_to": "javascript:alert(1)"}, "/redirect_to"), ({"redirect_to": ["https://a@b/"]}, "/redirect_to/0"),
    ({"origins": [f"{SITE}/"]}, "/origins/0"), ({"honeypot": "email"}, "/honeypot"), ({"colour": "red"}, "/colour"), ({"topics": 5}, "/topics")])
def test_bad_definitions(form, change, pointer):
    with pytest.raises(ApiError) as e:
        form.api("PUT", "/v1/forms/bad", {"topics": ["news"], "template": "confirmar", "wording": "Sí", **change})
    assert e.value.status == 422
    assert pointer in [m["pointer"] for m in e.value.response.json()["errors"]]


def why_kept(lazo, path):
    r = lazo.request("DELETE", f"/v1/{path}")
    assert r.status_code == 409, r.text
    return r.json()["detail"]


def test_definitions(form):
    body = {"topics": ["news"], "template": "confirmar", "wording": "Sí"}
    assert form.request("PUT", "/v1/forms/defs", json=body).status_code == 201
    assert form.api("PUT", "/v1/forms/defs", body)["changed"] is False
    assert form.api("PUT", "/v1/forms/defs", {**body, "title": "T"})["changed"] is True
    shown = form.get("/v1/forms/defs")
    assert (shown["title"], shown["topics"], shown["double_opt_in"], shown["path"]) == ("T", ["news"], True, "/f/demo.defs")
    assert "defs" in [f["name"] for f in form.items("/v1/forms")]
    assert form.request("PUT", "/v1/forms/defs", json={**body, "template": "nothing"}).status_code == 422
    form.api("PUT", "/v1/topics/defs-only", {"title": "T"})
    form.api("PUT", "/v1/fields/defs_size", {"type": "text"})
    form.api("PUT", "/v1/forms/defs", {**body, "topics": ["defs-only"], "fields": ["attr.defs_size"]})
    assert why_kept(form, "topics/defs-only") == 'the form "defs" uses this topic'
    assert why_kept(form, "fields/defs_size") == 'the form "defs" uses this field'
    assert 'the form "defs"' in why_kept(form, "templates/confirmar") and why_kept(form, "templates/confirmar").endswith(" use this template")
    assert form.request("DELETE", "/v1/forms/defs").status_code == 204
    for path in ("topics/defs-only", "fields/defs_size"):
        assert form.request("DELETE", f"/v1/{path}").status_code == 204
    assert form.request("GET", "/v1/forms/defs").status_code == 404


@pytest.fixture
def association(sink):
    """The example association as `lazoctl up --example` makes it, without history."""
    one = Instance(relay=sink.url, clock="2026-03-01T12:00:00Z", example=True, env={"LAZO_HTTP_PUBLIC_URL": "https://mail.example.org"}).start()
    yield one
    one.stop()


def test_the_example_s_form(association, sink):
    r = association.request("POST", "/f/alta", token="", data={"email": "nueva@personas.example", "first_name": "Nuria", "city": "Lugo"},
                        headers={"Accept": "text/html"})
    assert r.status_code == 200 and "Te hemos enviado un correo" in r.text
    mail, = sink.wait("nueva@personas.example")
    assert mail.subject == "Confirma tu alta en Asociación Lazo Verde"
    assert "boletín mensual de la Asociación Lazo Verde" in mail.text and link(mail) in mail.html
    assert confirm(association, link(mail)).status_code == 200
    who, = known(association, "nueva@personas.example")
    assert (who["first_name"], who["city"]) == ("Nuria", "Lugo")
    # The example's welcome journey adds "bienvenida" when it comes to it.
    assert "web" in who["tags"] and set(who["tags"]) <= {"web", "bienvenida"}
    assert {s["topic"]: s["subscribed"] for s in who["subscriptions"]} == {"boletin": True}
    mails = sink.wait("nueva@personas.example", 2)
    assert "Bienvenida" in mails[1].subject, "the journey that welcomes begins with the sign-up"
    assert association.ctl("consent", "verify").stdout.startswith("whole: ")
    assert association.ctl("apply", EXAMPLE, "--dry-run").stdout.splitlines()[-1].startswith("0 created, 0 changed")
