"""Tokens, users, the audit, tags and tasks."""
import csv
import io
import json

import pytest
from lazo_test import ApiError


def refused(lazo, method, path, body=None, **kw):
    with pytest.raises(ApiError) as e:
        lazo.api(method, path, body, **kw)
    return e.value.status, e.value.response.json()


def audit(lazo, **filters):
    return lazo.items("/v1/audit?" + "&".join(f"{k}={v}" for k, v in filters.items()))


def test_a_token_lives_and_ends(lazo):
    made = lazo.api("POST", "/v1/tokens", {"name": "web", "role": "recorder"})
    secret = made.pop("token")
    assert secret.startswith("lazo_") and len(secret) > 40
    listed = next(t for t in lazo.items("/v1/tokens") if t["id"] == made["id"])
    assert secret not in json.dumps(lazo.items("/v1/tokens")) and listed["role"] == "recorder" and listed["last_used_at"] is None
    assert lazo.request("POST", "/v1/contacts", token=secret, json={"email": "token@admin.example"}).status_code == 201
    assert lazo.request("GET", "/v1/tokens", token=secret).status_code == 403
    assert next(t for t in lazo.items("/v1/tokens") if t["id"] == made["id"])["last_used_at"] is not None
    lazo.api("DELETE", f"/v1/tokens/{made['id']}")
    # At once, though it was used a moment ago.
    assert lazo.request("POST", "/v1/contacts", token=secret, json={"email": "token@admin.example"}).status_code == 401
    assert lazo.request("DELETE", f"/v1/tokens/{made['id']}").status_code == 404
    assert [e["action"] for e in audit(lazo, what="token", name=made["id"])] == ["deleted", "created"]
    assert secret not in json.dumps(audit(lazo, what="token")) and "hash" not in json.dumps(audit(lazo, what="token"))
    assert refused(lazo, "POST", "/v1/tokens", {"name": "x", "role": "king", "more": 1})[1]["errors"] == [
        {"pointer": "/more", "detail": "this field is not known"}, {"pointer": "/role", "detail": "this must be reader, recorder, editor or owner"}]


def test_the_last_owner_stays(lazo):
    owners = [t for t in lazo.items("/v1/tokens") if t["role"] == "owner"]
    assert len(owners) == 1
    assert refused(lazo, "DELETE", f"/v1/tokens/{owners[0]['id']}")[0] == 409
    second = lazo.api("POST", "/v1/tokens", {"name": "second", "role": "owner"})
    lazo.api("DELETE", f"/v1/tokens/{second['id']}", token=second["token"])


def test_a_users_token_may_what_the_user_may(lazo):
    user = lazo.api("POST", "/v1/users", {"name": "Rosa", "email": "Rosa@Casa.example", "role": "editor"})
    assert user["email"] == "rosa@casa.example" and user["tokens"] == 0
    assert refused(lazo, "POST", "/v1/users", {"name": "Rosa", "email": "Rosa@casa.example", "role": "editor"})[0] == 409
    assert refused(lazo, "POST", "/v1/users", {"name": "", "email": "nobody"})[1]["errors"][0]["pointer"] == "/role"
    assert refused(lazo, "POST", "/v1/tokens", {"name": "t", "role": "owner", "user": user["id"]})[0] == 422
    assert refused(lazo, "POST", "/v1/tokens", {"name": "t", "role": "owner", "user": 999999})[0] == 422
    secret = lazo.api("POST", "/v1/tokens", {"name": "rosa's", "role": "editor", "user": user["id"]})["token"]
    assert [t["name"] for t in lazo.items(f"/v1/tokens?user={user['id']}")] == ["rosa's"]
    lazo.api("PUT", "/v1/topics/rosa", {"title": "Rosa"}, token=secret)
    entry = audit(lazo, what="topic", name="rosa")[0]
    assert (entry["by"], entry["user"], entry["action"]) == ("rosa's", "Rosa", "created")
    # Who may less has tokens that may less.
    lazo.api("PATCH", f"/v1/users/{user['id']}", {"role": "reader"})
    assert lazo.request("PUT", "/v1/topics/rosa", json={"title": "R"}, token=secret).status_code == 403
    assert lazo.request("GET", "/v1/topics", token=secret).status_code == 200
    lazo.api("DELETE", f"/v1/users/{user['id']}")
    assert lazo.request("GET", "/v1/topics", token=secret).status_code == 401
    assert lazo.request("GET", f"/v1/users/{user['id']}").status_code == 404


def test_the_only_owner_cannot_be_made_less(lazo):
    """Where the only owner's token is a user's, the user stays an owner."""
    boss = lazo.api("POST", "/v1/users", {"name": "Boss", "email": "boss@casa.example", "role": "owner"})["id"]
    lazo.sql("UPDATE token SET user_id = %s WHERE role = 'owner'", [boss])
    try:
        assert refused(lazo, "PATCH", f"/v1/users/{boss}", {"role": "editor"})[0] == 409
        assert refused(lazo, "DELETE", f"/v1/users/{boss}")[0] == 409
        lazo.api("PATCH", f"/v1/users/{boss}", {"name": "The boss"})
    finally:
        lazo.sql("UPDATE token SET user_id = NULL WHERE role = 'owner'")
    lazo.api("DELETE", f"/v1/users/{boss}")


def test_the_audit_tells_who_did_what(lazo):
    lazo.api("POST", "/v1/segments", {"name": "audited", "rule": "any(donation)"})
    lazo.api("PUT", "/v1/segments/audited", {"rule": "any(call)", "title": "T"})
    lazo.api("PUT", "/v1/segments/audited", {"rule": "any(call)", "title": "T"})  # the same: nothing to tell
    lazo.settle()
    lazo.api("DELETE", "/v1/segments/audited")
    entries = audit(lazo, what="segment", name="audited")
    assert [e["action"] for e in entries] == ["deleted", "changed", "created"]
    assert entries[1]["detail"] == {"rule": ["any(donation)", "any(call)"], "title": ["", "T"]}
    assert entries[0]["detail"]["rule"] == "any(call)"
    assert all(e["by"] and e["token"] and e["at"].startswith("2023-") for e in entries)
    # psql counts as much.
    lazo.psql("UPDATE topic SET title = 'by psql' WHERE name = 'news'")
    entry = audit(lazo, what="topic", name="news")[0]
    assert entry["by"] == "psql lazo_app" and entry["token"] is None and entry["detail"]["title"][1] == "by psql"
    # What is refused leaves nothing.
    before = len(lazo.items("/v1/audit"))
    assert refused(lazo, "PUT", "/v1/segments/audited", {"rule": "any("})[0] == 422
    assert len(lazo.items("/v1/audit")) == before


def test_the_audit_holds_nothing_personal(lazo):
    who = lazo.api("POST", "/v1/contacts", {"email": "private@admin.example"})["id"]
    lazo.api("POST", "/v1/suppressions", {"email": "private@admin.example", "reason": "manual"})
    lazo.api("DELETE", "/v1/suppressions/private@admin.example")
    task = lazo.api("POST", "/v1/tasks", {"contact": who, "title": "Private", "note": "Privatissima"})["id"]
    lazo.api("PATCH", f"/v1/tasks/{task}", {"note": "Privatissima again"})
    lazo.api("DELETE", f"/v1/contacts/{who}")
    everything = json.dumps(lazo.items("/v1/audit")).lower()
    assert "private@" not in everything and "privatissima" not in everything
    # Found by the address all the same.
    assert [e["action"] for e in audit(lazo, what="suppression", name="private@admin.example")] == ["deleted", "created"]
    assert [e["action"] for e in audit(lazo, what="contact", name=who)] == ["deleted"]
    assert [e["action"] for e in audit(lazo, what="task", name=task)] == ["deleted", "changed", "created"]
    assert lazo.request("GET", f"/v1/tasks/{task}").status_code == 404


def test_the_audit_as_a_file(lazo):
    for i in range(520):
        lazo.api("PUT", "/v1/topics/many", {"title": f"title {i}" if i != 3 else "=1+1"})
    entries = audit(lazo, what="topic", name="many")
    assert len(entries) == 520 and [e["id"] for e in entries] == sorted((e["id"] for e in entries), reverse=True)
    lines = lazo.request("GET", "/v1/audit/export?what=topic&name=many&format=ndjson").text.splitlines()
    assert [json.loads(line) for line in lines] == entries
    rows = list(csv.DictReader(io.StringIO(lazo.request("GET", "/v1/audit/export?what=topic&name=many").text, newline="")))
    assert [int(r["id"]) for r in rows] == [e["id"] for e in entries] and json.loads(rows[0]["detail"]) == entries[0]["detail"]
    assert lazo.request("GET", "/v1/audit/export?format=pdf").status_code == 400
    assert lazo.request("GET", "/v1/audit?from=yesterday").status_code == 400
    lazo.advance("1 hour")
    now = lazo.now()
    stamp = now if isinstance(now, str) else now.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert audit(lazo, **{"from": stamp}) == [] and len(audit(lazo, to=stamp, what="topic", name="many")) == 520


def test_nobody_rewrites_the_audit(lazo):
    for statement in ("UPDATE audit SET by = 'nobody'", "DELETE FROM audit"):
        with pytest.raises(Exception, match="permission denied"):
            lazo.sql(statement)


def test_tags_of_everybody(lazo):
    for i in range(6):
        lazo.api("POST", "/v1/contacts", {"email": f"tag{i}@tags.example", "tags": ["Vòluntario"] if i < 4 else ["voluntaria", "zzz"]})
    lazo.segment("tag-voluntaria", 'tag "voluntaria"')
    lazo.settle()
    counts = {t["tag"]: t["contacts"] for t in lazo.items("/v1/tags")}
    assert counts["Vòluntario"] == 4 and counts["voluntaria"] == 2 and counts["zzz"] == 2
    pages, after = [], ""
    while after is not None:
        page = lazo.get(f"/v1/tags?limit=1{after and '&after=' + after}")
        pages += [t["tag"] for t in page["items"]]
        after = page["next"]
    assert pages == [t["tag"] for t in lazo.items("/v1/tags")]
    assert lazo.api("PATCH", "/v1/tags/voluntario", {"tag": "Voluntaria"}) == {"tag": "Voluntaria", "contacts": 4}
    lazo.settle()
    assert lazo.count("tag-voluntaria") == 6
    assert sorted(t["contacts"] for t in lazo.items("/v1/tags") if t["tag"].lower() == "voluntaria") == [6]
    assert lazo.request("PATCH", "/v1/tags/voluntario", json={"tag": "x"}).status_code == 404
    lazo.api("DELETE", "/v1/tags/VOLUNTARIA")
    lazo.settle()
    assert lazo.count("tag-voluntaria") == 0 and lazo.request("DELETE", "/v1/tags/voluntaria").status_code == 404
    assert [e["action"] for e in audit(lazo, what="tag")][:2] == ["deleted", "renamed"]


def test_tasks(lazo):
    who = lazo.api("POST", "/v1/contacts", {"email": "task@admin.example"})["id"]
    user = lazo.api("POST", "/v1/users", {"name": "Iker", "email": "iker@casa.example", "role": "reader"})["id"]
    first = lazo.api("POST", "/v1/tasks", {"contact": who, "title": "Call Ana", "due_on": "2023-03-01", "user": user})
    lazo.api("POST", "/v1/tasks", {"contact": who, "title": "Write"})
    assert first["done"] is False and first["made_by"] and first["user"] == user
    assert [t["title"] for t in lazo.items(f"/v1/tasks?contact={who}&state=open")] == ["Call Ana", "Write"]
    assert [t["title"] for t in lazo.items("/v1/tasks?due=2023-03-01")] == ["Call Ana"]
    done = lazo.api("PATCH", f"/v1/tasks/{first['id']}", {"done": True})
    assert done["done"] and done["done_at"] and done["done_by"]
    assert [t["title"] for t in lazo.items(f"/v1/tasks?contact={who}&state=done")] == ["Call Ana"]
    open_again = lazo.api("PATCH", f"/v1/tasks/{first['id']}", {"done": False, "due_on": None, "user": None})
    assert not open_again["done"] and open_again["done_by"] is None and open_again["due_on"] is None and open_again["user"] is None
    assert refused(lazo, "POST", "/v1/tasks", {"contact": 99999999, "title": "x"})[0] == 422
    assert refused(lazo, "POST", "/v1/tasks", {"contact": who, "title": "x", "due_on": "2023-02-31"})[0] == 422
    assert {e["pointer"] for e in refused(lazo, "POST", "/v1/tasks", {"due_on": "soon"})[1]["errors"]} == {"/contact", "/title", "/due_on"}
    lazo.api("DELETE", f"/v1/users/{user}")
    lazo.api("DELETE", f"/v1/contacts/{who}")
    assert lazo.request("GET", f"/v1/tasks/{first['id']}").status_code == 404


def test_lazoctl_administers(lazo):
    who = lazo.api("POST", "/v1/contacts", {"email": "ctl@admin.example", "tags": ["ctl-tag"]})["id"]
    token = lazo.api("POST", "/v1/tokens", {"name": "ctl's", "role": "reader"})
    assert "ctl's" in lazo.ctl("token", "list").stdout
    lazo.ctl("token", "revoke", str(token["id"]))
    assert lazo.request("GET", "/v1/topics", token=token["token"]).status_code == 401
    lazo.ctl("users", "add", "Ctl", "ctl@casa.example", "editor")
    user = next(u for u in json.loads(lazo.ctl("users", "--json").stdout) if u["email"] == "ctl@casa.example")
    lazo.ctl("users", "remove", str(user["id"]))
    assert "ctl@casa.example" not in lazo.ctl("users").stdout
    lazo.ctl("tags", "rename", "ctl-tag", "ctl-other")
    assert "ctl-other" in lazo.ctl("tags").stdout
    lazo.ctl("tags", "delete", "ctl-other")
    assert "ctl-other" not in lazo.ctl("tags").stdout and lazo.ctl("tags", "delete", "ctl-other", check=False).returncode == 1
    lazo.ctl("tasks", "add", str(who), "Ring", "--due", "2027-01-01")
    task = next(t for t in json.loads(lazo.ctl("tasks", "--json").stdout) if t["contact"] == who)
    lazo.ctl("tasks", "done", str(task["id"]))
    assert "Ring" not in lazo.ctl("tasks").stdout and "Ring" in lazo.ctl("tasks", "--all").stdout
    entries = json.loads(lazo.ctl("audit", "--what", "user", "--name", str(user["id"]), "--json").stdout)
    assert [e["action"] for e in entries] == ["deleted", "created"]
    assert len(list(csv.DictReader(io.StringIO(lazo.ctl("audit", "--what", "tag", "--csv").stdout)))) >= 2
    for wrong in (["tags", "rename", "x"], ["tasks", "add", "x", "y"], ["audit", "x"], ["users", "add"], ["token", "revoke"]):
        assert lazo.ctl(*wrong, check=False).returncode == 2, wrong
