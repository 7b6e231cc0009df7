"""What a contact's fields were before: whoever changes them, each change is told once, with who said it."""

from lazo_test import eventually


def history(lazo, who, **more):
    query = "".join(f"&{k}={v}" for k, v in more.items())
    return [(h["field"], h["was"], h["became"]) for h in reversed(lazo.items(f"/v1/contacts/{who}/history?limit=3{query}"))]


def test_api(lazo):
    lazo.api("PUT", "/v1/fields/shoe", {"type": "number", "title": "Shoe"})
    who = lazo.api("POST", "/v1/contacts", {"email": "hist@history.example", "first_name": "Ana", "city": "Ronda", "tags": ["a"], "attr": {"shoe": 39}})["id"]
    assert history(lazo, who) == []
    made = lazo.now()
    lazo.advance("1 day")
    lazo.api("PATCH", f"/v1/contacts/{who}", {"first_name": "Ana", "city": "Lugo", "birth_date": "1980-03-09", "attr": {"shoe": 40}})
    lazo.api("PATCH", f"/v1/contacts/{who}", {"city": "Lugo", "attr": {"shoe": 40}})
    lazo.api("POST", f"/v1/contacts/{who}/tags", {"tags": ["a", "b"]})
    lazo.request("DELETE", f"/v1/contacts/{who}/tags/a")
    lazo.api("PATCH", f"/v1/contacts/{who}", {"email": "hist2@history.example", "attr": {"shoe": None}})
    lazo.api("POST", "/v1/contacts", {"email": "hist2@history.example", "external_id": "hist-1", "groups": ["Junta"]})
    told = history(lazo, who)
    assert sorted(told, key=str) == sorted([
        ("city", "Ronda", "Lugo"), ("birth_date", None, "1980-03-09"), ("attr.shoe", 39, 40), ("tag", None, "b"), ("tag", "a", None),
        ("email", "hist@history.example", "hist2@history.example"), ("attr.shoe", 40, None), ("external_id", None, "hist-1"), ("group", None, "Junta")], key=str)
    assert history(lazo, who, field="attr.shoe") == [("attr.shoe", 39, 40), ("attr.shoe", 40, None)]
    token = lazo.sql("SELECT name FROM token ORDER BY id LIMIT 1")[0][0]
    assert {(h["by"], h["source"]) for h in lazo.items(f"/v1/contacts/{who}/history") if h["field"] == "tag" and h["was"]} == {(token, "api")}
    assert {h["by"] for h in lazo.items(f"/v1/contacts/{who}/history")} == {token}
    was = lazo.get(f"/v1/contacts/{who}/as-of?at={made}")
    assert (was["city"], was["attr"], was["tags"], was["groups"], was["email"], was["birth_date"]) == ("Ronda", {"shoe": 39}, ["a"], [], "hist@history.example", None)
    assert lazo.request("GET", f"/v1/contacts/{who}/as-of?at=2001-01-01T00:00:00Z").status_code == 404
    assert lazo.request("GET", f"/v1/contacts/{who}/as-of?at=x").status_code == 400
    assert len(lazo.get(f"/v1/contacts/{who}/file")["field_history"]) == len(told)
    assert "Ronda" in lazo.ctl("contact", "history", "hist2@history.example").stdout


def test_each_field_is_told_by_who_said_it(lazo):
    """Items of one batch that speak of one contact, from several sources."""
    who = lazo.api("POST", "/v1/contacts", {"external_id": "told by many", "first_name": "Ana"})["id"]
    items = [{"contact": {"external_id": "told by many", **fields}, "kind": "seen", "source": source} for source, fields in
             (("one", {"city": "Ronda", "phone": "1"}), ("two", {"city": "Lugo", "country": "ES"}), ("one", {"last_name": "Ruiz"}), ("two", {"phone": "1"}))]
    assert lazo.api("POST", "/v1/interactions", items)["recorded"] == 4
    assert {h["field"]: (h["became"], h["source"]) for h in lazo.items(f"/v1/contacts/{who}/history")} == {
        "city": ("Lugo", "two"), "country": ("ES", "two"), "last_name": ("Ruiz", "one"), "phone": ("1", "two")}


def test_a_journey_and_a_stranger(lazo):
    lazo.api("PUT", "/v1/fields/mood", {"type": "text", "title": "Mood"})
    lazo.journey("moody", {"start": {"interaction": "mooded"}, "steps": [{"set": {"attr.mood": "glad"}}, {"set": {"stage": "member"}}, {"tag": "moody"}, {"untag": "old"}]})
    who = lazo.api("POST", "/v1/contacts", {"email": "mood@history.example", "tags": ["old"]})["id"]
    lazo.record({"id": who}, "mooded")
    told = eventually(lambda: [h for h in lazo.items(f"/v1/contacts/{who}/history")] if len(history(lazo, who)) == 4 else None)
    assert {(h["field"], h["was"], h["became"], h["by"]) for h in told} == {
        ("attr.mood", None, "glad", "journey:moody"), ("stage", None, "member", "journey:moody"), ("tag", None, "moody", "journey:moody"),
        ("tag", "old", None, "journey:moody")}
    lazo.psql(f"UPDATE contact SET city = 'Vigo' WHERE id = {who}")
    assert ("city", None, "Vigo") in history(lazo, who)
    assert next(h for h in lazo.items(f"/v1/contacts/{who}/history") if h["field"] == "city")["by"] == "psql"
