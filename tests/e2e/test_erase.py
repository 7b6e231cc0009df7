"""Erasure: nothing of the person stays, the totals do, and no import brings them back."""
import json
import re

from lazo_test import ApiError, eventually

import pytest

BACK = "this person was erased; only a sign-up of their own brings them back"


def refused(lazo, method, path, body):
    with pytest.raises(ApiError) as e:
        lazo.api(method, path, body)
    return e.value.status, e.value.response.json()


@pytest.fixture(scope="module")
def gone(lazo, sink):
    """An erased person with two addresses, an external id, gifts, consent and a mail."""
    lazo.template("erase-thanks", "Gracias Erasmina", "Gracias {{ unsubscribe_url }}")
    lazo.journey("erase-thanks", {"start": {"interaction": "erasegift"}, "steps": [{"send": "erase-thanks"}, {"wait": "1 day"}, {"send": "erase-thanks"}]})
    who = lazo.api("POST", "/v1/contacts", {"email": "erasmina@erase.example", "external_id": "erasmina-7", "first_name": "Erasmina", "city": "Erasville",
                                            "tags": ["erasetag"], "consents": [{"topic": "news", "action": "grant", "wording": "Erasmina sí"}]})["id"]
    lazo.api("PATCH", f"/v1/contacts/{who}", {"email": "erasmina.second@erase.example"})
    for amount in ("10.00", "20.50"):
        lazo.record({"id": who}, "erasegift", amount=amount, key=f"erasmina {amount}", data={"note": "Erasmina"})
    sink.wait("erasmina.second@erase.example")
    lazo.settle()
    lazo.api("POST", f"/v1/contacts/{who}/erase", {"reason": "asked for it by letter"})
    return who


def test_nothing_stays(lazo, gone):
    assert lazo.request("GET", f"/v1/contacts/{gone}").status_code == 404
    tables = lazo.sql("SELECT table_name FROM information_schema.tables WHERE table_schema = 'lazo' AND table_type = 'BASE TABLE'", user="postgres")
    for (table,) in tables:
        found = lazo.sql(f"SELECT t::text FROM lazo.{table} t WHERE t::text ~* 'erasmina|erasville|erasetag'", user="postgres")
        assert not [f for f in found if table not in ("template_version", "template")], table
    columns = lazo.sql("SELECT table_name FROM information_schema.columns WHERE table_schema = 'lazo' AND column_name = 'contact_id'", user="postgres")
    for (table,) in columns:
        if table != "erasure":
            assert lazo.sql(f"SELECT count(*) FROM lazo.{table} WHERE contact_id = %s", [gone], user="postgres") == [(0,)], table
    lazo.advance("2 days")
    lazo.settle()


def test_totals_and_audit_stay(lazo, gone):
    totals = {t["kind"]: t for t in lazo.get("/v1/erasures/totals")["items"]}
    assert (totals["erasegift"]["count"], totals["erasegift"]["amount"]) == (2, "30.50")
    audit = next(e for e in lazo.items("/v1/erasures") if e["contact"] == gone)
    assert audit["reason"] == "asked for it by letter" and audit["token"]
    assert lazo.sql("SELECT state, address FROM delivery WHERE address IS NULL AND sort = 'mail' AND contact_id IS NULL")


def test_nobody_brings_them_back(lazo, gone):
    for contact in ({"email": "Erasmina@erase.example"}, {"email": "erasmina.second@erase.example"}, {"external_id": "erasmina-7"},
                    {"email": "new@erase.example", "external_id": "erasmina-7"}):
        status, problem = refused(lazo, "POST", "/v1/interactions", {"contact": contact, "kind": "erasegift"})
        assert status == 422 and problem["errors"][0]["detail"] == BACK
        assert refused(lazo, "POST", "/v1/contacts", contact)[0] == 422
    assert not lazo.get("/v1/contacts?q=new@erase.example")["items"]
    other = lazo.api("POST", "/v1/contacts", {"email": "other@erase.example"})["id"]
    status, problem = refused(lazo, "PATCH", f"/v1/contacts/{other}", {"email": "erasmina@erase.example"})
    assert status == 409 and problem["detail"] == BACK
    assert refused(lazo, "POST", "/v1/contacts", {"id": other, "email": "erasmina@erase.example"})[0] == 422
    lines = [json.dumps({"contact": {"email": who}, "kind": "erasegift"}) for who in ("fine@erase.example", "erasmina@erase.example")]
    said = lazo.request("POST", "/v1/interactions", data="\n".join(lines), headers={"Content-Type": "application/x-ndjson"}).json()
    assert said["recorded"] == 1 and said["errors"][0]["detail"] == BACK


def test_csv(lazo, gone, tmp_path):
    file = tmp_path / "people.csv"
    file.write_text("email,nombre\nerasmina@erase.example,Erasmina\ncsv@erase.example,Ana\n")
    lazo.ctl("import", "contacts", file, check=False)
    assert lazo.contact_id("csv@erase.example")
    assert not lazo.get("/v1/contacts?q=erasmina@erase.example")["items"]


def test_by_lazoctl_and_mistakes(lazo):
    who = lazo.api("POST", "/v1/contacts", {"email": "ctl@erase.example"})["id"]
    assert refused(lazo, "POST", f"/v1/contacts/{who}/erase", {})[0] == 422
    assert refused(lazo, "POST", "/v1/contacts/987654/erase", {"reason": "x"})[0] == 404
    lazo.ctl("erase", "ctl@erase.example", "--reason", "by phone")
    eventually(lambda: lazo.request("GET", f"/v1/contacts/{who}").status_code == 404)
    assert lazo.ctl("erase", "ctl@erase.example", "--reason", "again", check=False).returncode == 1


def test_a_sign_up_of_their_own_brings_them_back(lazo, gone, sink):
    """Last: it lifts the erasure of that address alone."""
    lazo.template("erase-confirm", "Confirma", "Confirma: {{ confirm_url }}")
    lazo.api("PUT", "/v1/forms/erase", {"title": "Alta", "topics": ["news"], "fields": [], "template": "erase-confirm", "wording": "Sí", "version": "1",
                                        "language": "es", "purpose": "boletín", "redirect_to": ["https://casa.example/"], "origins": [], "tags": []})
    lazo.api("PUT", "/v1/forms/erase-plain", {"title": "Alta", "topics": ["news"], "double_opt_in": False, "wording": "Sí", "version": "1", "language": "es",
                                              "redirect_to": ["https://casa.example/"]})
    plain = lazo.request("POST", "/f/erase-plain", token="", headers={"X-Forwarded-For": "198.51.100.8"}, allow_redirects=False, data={"email": "erasmina@erase.example"})
    assert plain.status_code == 303 and not lazo.get("/v1/contacts?q=erasmina@erase.example")["items"], "anybody could have typed it"
    sink.clear()
    asked = lazo.request("POST", "/f/erase", token="", headers={"X-Forwarded-For": "198.51.100.7"}, allow_redirects=False, data={"email": "erasmina@erase.example"})
    assert asked.status_code == 303
    mail, = sink.wait("erasmina@erase.example")
    assert not lazo.get("/v1/contacts?q=erasmina@erase.example")["items"]
    path = re.search(r"https://mail\.example\.org(/f/confirm/\S+)", mail.text).group(1)
    assert lazo.request("POST", path, token="", data={"confirm": "1"}).status_code == 200
    back, = lazo.get("/v1/contacts?q=erasmina@erase.example")["items"]
    assert back["id"] != gone and back["first_name"] is None
    lazo.record({"email": "erasmina@erase.example"}, "erasegift")
    assert refused(lazo, "POST", "/v1/contacts", {"email": "erasmina.second@erase.example"})[0] == 422
