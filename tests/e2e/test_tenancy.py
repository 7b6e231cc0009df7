"""Two organisations in one instance: the token of one sees and changes nothing of the other. And what a token's role allows."""
import base64

import pytest

from lazo_test import eventually


@pytest.fixture(scope="module")
def other(lazo):
    """The token of a second organisation; lazoctl needs the database, as an administrator has it."""
    database = (lazo.home / "database").read_text().strip().replace("user=postgres", "user=lazo_owner")
    lazo.ctl("organisation", "create", "rival", "--name", "Rival", "--language", "en", "--database", database)
    return lazo.ctl("token", "create", "--organisation", "rival", "--role", "owner", "--database", database).stdout.split()[-1]


def token(lazo, role):
    database = (lazo.home / "database").read_text().strip().replace("user=postgres", "user=lazo_owner")
    return lazo.ctl("token", "create", "--organisation", "demo", "--role", role, "--database", database).stdout.split()[-1]


def test_nothing_is_seen(lazo, other):
    who = lazo.record({"email": "mine@tenancy.example", "external_id": "mine"}, "secret", key="s", source="s")
    lazo.segment("tenancy", "any(secret)")
    lazo.template("tenancy", "x")
    for path in (f"/v1/contacts/{who}", f"/v1/contacts/{who}/interactions", f"/v1/contacts/{who}/segments", "/v1/segments/tenancy",
                 "/v1/segments/tenancy/members", "/v1/templates/tenancy"):
        assert lazo.request("GET", path).status_code == 200, path
        assert lazo.request("GET", path, token=other).status_code == 404, path
    for path in ("/v1/contacts", "/v1/segments", "/v1/templates", "/v1/campaigns", "/v1/journeys", "/v1/webhooks", "/v1/topics", "/v1/fields",
                 "/v1/deliveries", "/v1/suppressions", "/v1/rfm", "/v1/contacts?rule=any(secret)", "/v1/contacts?q=mine"):
        r = lazo.request("GET", path, token=other)
        assert r.status_code == 200 and r.json()["items"] == [], path
    assert lazo.request("GET", "/v1/organisation", token=other).json()["name"] == "Rival"


def test_nothing_is_changed(lazo, other):
    who = lazo.record({"email": "kept@tenancy.example"}, "kept")
    for method, path, body in (("PATCH", f"/v1/contacts/{who}", {"first_name": "X"}), ("DELETE", f"/v1/contacts/{who}", None),
                               ("POST", f"/v1/contacts/{who}/tags", {"tags": ["x"]}), ("DELETE", "/v1/segments/tenancy", None),
                               ("DELETE", "/v1/templates/tenancy", None)):
        assert lazo.request(method, path, token=other, json=body).status_code in (404, 422), path
    r = lazo.request("POST", "/v1/interactions", token=other, json={"contact": {"id": who}, "kind": "kept"})
    assert r.status_code == 422
    assert lazo.get(f"/v1/contacts/{who}")["first_name"] is None
    assert len(lazo.items(f"/v1/contacts/{who}/interactions")) == 1


def test_same_names_side_by_side(lazo, other):
    mine = lazo.record({"email": "both@tenancy.example"}, "both", key="b", source="s")
    theirs = lazo.request("POST", "/v1/interactions", token=other, json={"contact": {"email": "both@tenancy.example"}, "kind": "both",
                                                                         "key": "b", "source": "s"}).json()
    assert theirs["recorded"] == 1 and theirs["items"][0]["contact"] != mine
    r = lazo.request("PUT", "/v1/segments/tenancy", token=other, json={"kind": "dynamic", "rule": "any(both)"})
    assert r.status_code == 201
    eventually(lambda: lazo.request("GET", "/v1/segments/tenancy", token=other).json()["count"] == 1)


def test_search_and_imports_side_by_side(lazo, other):
    """Words, mistakes of typing and names in files find one's own people alone; nobody else's import is there."""
    for bearer, name in ((None, "Zenobia"), (other, "Zenobio")):
        r = lazo.request("POST", "/v1/contacts", json={"email": "zen@tenancy.example", "first_name": name, "phone": "600 999 888"}, **({"token": bearer} if bearer else {}))
        assert r.status_code in (200, 201)
    for q in ("zenob", "zenobix", "zen@tenancy.example", "600999888", "zeno zen@"):
        found = [c["first_name"] for c in lazo.request("GET", "/v1/contacts", params={"q": q}, token=other).json()["items"]]
        assert found in (["Zenobio"], []) and (found or q == "zeno zen@"), q
    assert lazo.request("GET", "/v1/contacts", params={"q": "zenobia"}, token=other).json()["items"][0]["first_name"] == "Zenobio", "what may have been meant"
    after = lazo.request("GET", "/v1/contacts", params={"q": "zen", "limit": 1}).json()["next"]
    if after is not None:
        assert not {"Zenobia"} & {c["first_name"] for c in lazo.request("GET", "/v1/contacts", params={"q": "zen", "after": after}, token=other).json()["items"]}
    text = b"external_id,email,trabaja en\nzen-1,zen@tenancy.example,Rival S.A.\n"
    one = lazo.request("POST", "/v1/imports?name=z.csv", data=text, token=other).json()
    for path in ("", "/mapping", "/rejected", "/start", "/undo", "/pieces?offset=0"):
        method = "PUT" if path == "/mapping" else "POST" if path in ("/start", "/undo", "/pieces?offset=0") else "GET"
        assert lazo.request(method, f"/v1/imports/{one['id']}{path}", **({"json": {}} if method == "PUT" else {})).status_code == 404, path
    assert lazo.request("PUT", f"/v1/imports/{one['id']}/mapping", json={"others": "make", "two_contacts": "merge"}, token=other).status_code == 200
    lazo.request("POST", f"/v1/imports/{one['id']}/start", token=other)
    did = eventually(lambda: (s := lazo.request("GET", f"/v1/imports/{one['id']}", token=other).json()) and s["state"] == "finished" and s["report"])
    assert (did["matched"], did["created"], did["related"]) == (1, 1, 1)
    assert lazo.get("/v1/contacts/%d" % lazo.contact_id("zen@tenancy.example"))["external_id"] is None
    lazo.request("POST", f"/v1/imports/{one['id']}/undo", token=other)
    eventually(lambda: lazo.request("GET", f"/v1/imports/{one['id']}", token=other).json()["state"] == "undone")


def test_database_roles(lazo, other):
    """What the API shows is the database's own doing: the application's role sees one organisation, or none."""
    orgs = [o for o, in lazo.sql("SELECT DISTINCT org_id FROM contact", user="postgres")]
    assert len(orgs) == 2
    for org in orgs:
        assert lazo.sql("SELECT DISTINCT org_id FROM contact", org=org) == [(org,)]
    assert lazo.sql("SELECT count(*) FROM contact", org=None) == [(0,)]
    assert lazo.sql("SELECT rolbypassrls OR rolsuper FROM pg_roles WHERE rolname IN ('lazo_app', 'lazo_owner')", user="postgres") == [(False,), (False,)]


def test_tokens(lazo):
    assert lazo.request("GET", "/v1/contacts", token="").status_code == 401
    for wrong in ("x", lazo.token[:-1], lazo.token + "x", "a" * 5000, "'; DROP TABLE token"):
        assert lazo.request("GET", "/v1/contacts", token=wrong).status_code in (400, 401, 431), wrong
    basic = base64.b64encode(f"{lazo.token}:".encode()).decode()
    assert lazo.request("GET", "/v1/contacts", headers={"Authorization": f"Basic {basic}"}).status_code == 200
    assert lazo.request("GET", "/v1/contacts", headers={"Authorization": "Basic !!!"}).status_code == 401
    assert "WWW-Authenticate" in lazo.request("GET", "/v1/contacts", token="").headers


@pytest.mark.parametrize("role,may,may_not", [
    ("reader", [("GET", "/v1/contacts", None)], [("POST", "/v1/contacts", {"email": "r@tenancy.example"})]),
    ("recorder", [("POST", "/v1/contacts", {"email": "r@tenancy.example"})], [("PUT", "/v1/topics/role", {}), ("DELETE", "/v1/contacts/1", None)]),
    ("editor", [("PUT", "/v1/topics/role", {})], [("PATCH", "/v1/organisation", {"name": "X"}), ("POST", "/v1/clock", {"advance": "1 s"})]),
])
def test_roles(lazo, role, may, may_not):
    t = token(lazo, role)
    for method, path, body in may:
        assert lazo.request(method, path, token=t, json=body).status_code < 300, (role, path)
    for method, path, body in may_not:
        r = lazo.request(method, path, token=t, json=body)
        assert r.status_code == 403 and role in r.json()["detail"], (role, path)
