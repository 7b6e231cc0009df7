"""Contacts that are one person: proposed, merged, taken apart; what comes for the merged one lands at the kept one."""
import concurrent.futures
import os
import random

from lazo_test import ApiError, eventually

import pytest


def refused(lazo, method, path, body=None):
    with pytest.raises(ApiError) as e:
        lazo.api(method, path, body)
    return e.value.status, e.value.response.json()


def contact(lazo, name, **fields):
    return lazo.api("POST", "/v1/contacts", {"email": f"{name}@merge.example", "external_id": f"m-{name}", **fields})["id"]


def merge(lazo, keep, gone, **more):
    return lazo.api("POST", "/v1/contacts/merge", {"keep": keep, "merge": gone, **more})["id"]


def topics(lazo, who):
    return {s["topic"]: s["subscribed"] for s in lazo.get(f"/v1/contacts/{who}")["subscriptions"]}


def test_merged_and_taken_apart(lazo, sink):
    lazo.api("PUT", "/v1/topics/merge-events", {"title": "E"})
    lazo.segment("merge-donors", "sum(mergegift.amount) >= 30")
    lazo.api("PUT", "/v1/rfm/merging", {"kinds": ["mergegift"], "scoring": "fixed", "classes": 3, "breaks": {"recency": [30, 60], "frequency": [2, 3], "monetary": ["10.00", "20.00"]},
                                        "labels": [{"label": "all", "r": [1, 3], "f": [1, 3], "m": [1, 3]}]})
    keep = contact(lazo, "keep", first_name="Ana", tags=["a"], consents=[{"topic": "news", "action": "grant", "wording": "Sí"}, {"topic": "merge-events", "action": "withdraw"}])
    gone = contact(lazo, "gone", first_name="Ana María", city="Lugo", tags=["b"],
                   consents=[{"topic": "news", "action": "withdraw"}, {"topic": "merge-events", "action": "grant", "wording": "Sí"}])
    for who, amount in ((keep, "10.00"), (gone, "20.00")):
        lazo.record({"id": who}, "mergegift", amount=amount, key=f"gift {who}", source="web")
    lazo.settle()
    assert lazo.members("merge-donors") == set()
    before = {who: lazo.get(f"/v1/contacts/{who}") for who in (keep, gone)}

    number = merge(lazo, keep, gone)
    got = lazo.get(f"/v1/contacts/{keep}")
    assert (got["first_name"], got["city"], got["tags"], got["email"]) == ("Ana", "Lugo", ["a", "b"], "keep@merge.example")
    assert {i["value"] for i in got["identities"]} == {"keep@merge.example", "m-keep", "gone@merge.example", "m-gone"}
    assert topics(lazo, keep) == {"news": False, "merge-events": False}, "a no of either is a no"
    assert len(lazo.items(f"/v1/contacts/{keep}/interactions?kind=mergegift")) == 2
    r = lazo.request("GET", f"/v1/contacts/{gone}", allow_redirects=False)
    assert r.status_code == 308 and r.headers["Location"] == f"/v1/contacts/{keep}"
    r = lazo.request("GET", f"/v1/contacts/{gone}/interactions?kind=mergegift&limit=1", allow_redirects=False)
    assert r.status_code == 308 and r.headers["Location"] == f"/v1/contacts/{keep}/interactions?kind=mergegift&limit=1"
    assert lazo.get(f"/v1/contacts/{gone}")["id"] == keep
    for method, rest in (("POST", "erase"), ("GET", "consents/evidence"), ("DELETE", "interactions/1"), ("PUT", f"relations/spouse/{keep}"), ("DELETE", "groups/none"),
                         ("DELETE", "emails/a@merge.example"), ("DELETE", "tags/none")):
        r = lazo.request(method, f"/v1/contacts/{gone}/{rest}", allow_redirects=False, **({"json": {"reason": "asked"} if rest == "erase" else {}} if method != "GET" else {}))
        assert r.status_code == 308 and r.headers["Location"] == f"/v1/contacts/{keep}/{rest}", (method, rest, r.text)
    assert refused(lazo, "PUT", f"/v1/contacts/{keep}/relations/spouse/{gone}", {})[1]["detail"] == "nobody is related to themselves"
    lazo.api("PUT", "/v1/segments/merge-hand", {"kind": "fixed"})
    for method, path in (("PUT", "segments/merge-hand/members/"), ("DELETE", "segments/merge-hand/members/"), ("PUT", "segments/merge-donors/exceptions/"),
                         ("DELETE", "segments/merge-donors/exceptions/"), ("DELETE", "groups/a%20%2F%20b/members/"), ("DELETE", f"contacts/{gone}/relations/spouse/")):
        r = lazo.request(method, f"/v1/{path}{gone}", allow_redirects=False, **({"json": {"mode": "in"} if "exceptions" in path else {}} if method == "PUT" else {}))
        assert r.status_code == 308 and r.headers["Location"] == f"/v1/{path.replace(f'contacts/{gone}', f'contacts/{keep}')}{keep}", (method, path, r.text)
    assert lazo.api("PUT", f"/v1/segments/merge-hand/members/{gone}")["contact"] == keep
    assert refused(lazo, "DELETE", f"/v1/groups/a/members/{keep}")[0] == 404
    for words in (("contact", "show"), ("contact", "history"), ("address", "list")):
        assert lazo.ctl(*words, gone).stdout == lazo.ctl(*words, keep).stdout != "", words
    assert ("merged.first_name", "Ana María") in {(h["field"], h["was"]) for h in lazo.items(f"/v1/contacts/{keep}/history")}
    lazo.settle()
    assert lazo.members("merge-donors") == {"keep@merge.example"}, "the sum of both"
    lazo.ctl("check", "--segments", "--rfm")
    lazo.ctl("consent", "verify")

    # A number in a body or a query means the kept one.
    explained = lazo.api("POST", "/v1/rules/explain", {"segment": "merge-donors", "contact": gone})
    assert explained == lazo.api("POST", "/v1/rules/explain", {"segment": "merge-donors", "contact": keep}) and explained["holds"]
    assert lazo.api("POST", "/v1/tasks", {"contact": gone, "title": "Llamar"})["contact"] == keep
    lazo.template("merge-hello", "Hola {{ contact.first_name }}", "T")
    assert lazo.api("POST", "/v1/templates/merge-hello/preview", {"contact": gone})["subject"] == "Hola Ana"
    assert lazo.get(f"/v1/messages/{lazo.api('POST', '/v1/messages', {'template': 'merge-hello', 'contact': gone, 'key': 'merge-hello'})['id']}")["contact"] == keep
    sink.wait("keep@merge.example")
    for path in ("/v1/tasks?contact=", "/v1/deliveries?contact=", "/v1/rfm/merging/scores?contact=", "/v1/contacts/merges?contact=", "/v1/contacts/duplicates?contact="):
        eventually(lambda: lazo.items(f"{path}{gone}") == lazo.items(f"{path}{keep}"))
        assert lazo.items(f"{path}{keep}") or "duplicates" in path, path
    assert [s["contact"] for s in lazo.items(f"/v1/rfm/merging/scores?contact={gone}")] == [keep]
    assert refused(lazo, "POST", "/v1/contacts/merge", {"keep": keep, "merge": gone})[1]["detail"] == f"these are one already: contact {keep}"
    third = contact(lazo, "third")
    assert lazo.api("POST", f"/v1/contacts/merges/{merge(lazo, gone, third)}/undo")["contact"] == keep
    lazo.api("POST", "/v1/contacts/duplicates/dismiss", {"contacts": [gone, third]})

    # What comes for the merged one, by whatever name.
    for who in ({"id": gone}, {"email": "gone@merge.example"}, {"external_id": "m-gone"}):
        assert lazo.api("POST", "/v1/interactions", {"contact": who, "kind": "mergenote"})["items"][0]["contact"] == keep
    again = lazo.api("POST", "/v1/interactions", {"contact": {"id": gone}, "kind": "mergegift", "amount": "20.00", "key": f"gift {gone}", "source": "web"})
    assert again["duplicates"] == 1 and again["items"][0]["contact"] == keep

    evidence = lazo.get(f"/v1/contacts/{keep}/consents/evidence")
    assert [m["contact"] for m in evidence["merged"]] == [gone] and len(evidence["merged"][0]["entries"]) == 2
    assert lazo.get(f"/v1/contacts/{keep}/file")["merged"][0]["contact"] == gone

    assert refused(lazo, "POST", "/v1/contacts/merges/999999/undo")[0] == 404
    done = lazo.api("POST", f"/v1/contacts/merges/{number}/undo")
    assert (done["contact"], done["merged"]) == (keep, gone)
    assert refused(lazo, "POST", f"/v1/contacts/merges/{number}/undo")[0] == 409
    for who in (keep, gone):
        now = lazo.get(f"/v1/contacts/{who}")
        for field in ("first_name", "city", "tags", "email", "external_id", "identities", "created_at", "emails"):
            assert now[field] == before[who][field], field
        assert {s["topic"]: s["subscribed"] for s in now["subscriptions"]} == {s["topic"]: s["subscribed"] for s in before[who]["subscriptions"]}
    assert len(lazo.items(f"/v1/contacts/{keep}/interactions?kind=mergenote")) == 3, "what came since stays"
    assert [len(lazo.items(f"/v1/contacts/{who}/interactions?kind=mergegift")) for who in (keep, gone)] == [1, 1]
    lazo.settle()
    assert lazo.members("merge-donors") == set()
    lazo.ctl("check", "--segments", "--rfm")
    lazo.ctl("consent", "verify")
    assert 'lazo_contact_merges_total{what="undone"}' in lazo.request("GET", "/metrics").text
    listed = lazo.items(f"/v1/contacts/merges?contact={gone}")[0]
    assert listed["id"] == number and listed["undone_at"] and listed["was"]["first_name"] == "Ana María"


def test_what_waits_goes_along(lazo, sink):
    """A mail that waits and a passage through a journey are the kept contact's; one passage, one mail of a campaign."""
    lazo.template("merge-mail", "Hola", "T {{ unsubscribe_url }}")
    lazo.journey("merge-wait", {"start": {"interaction": "mergestart"}, "steps": [{"wait": "1 day"}, {"send": "merge-mail"}]})
    keep, gone = contact(lazo, "wait-keep"), contact(lazo, "wait-gone")
    for who in (keep, gone):
        lazo.record({"id": who}, "mergestart")
    eventually(lambda: lazo.sql("SELECT count(*) FROM journey_position WHERE contact_id = ANY (%s) AND state = 'waiting'", [[keep, gone]]) == [(2,)])
    merge(lazo, keep, gone)
    lazo.advance("1 day")
    sink.wait("wait-keep@merge.example")
    lazo.settle()
    assert len(sink.to("wait-keep@merge.example")) == 1 and not sink.to("wait-gone@merge.example")


def test_refused(lazo):
    who = contact(lazo, "alone")
    assert refused(lazo, "POST", "/v1/contacts/merge", {"keep": who, "merge": who})[1]["detail"] == "a contact is not merged with itself"
    assert refused(lazo, "POST", "/v1/contacts/merge", {"keep": who, "merge": 99999999})[0] == 422
    home = contact(lazo, "home", kind="household", last_name="Soto")
    assert refused(lazo, "POST", "/v1/contacts/merge", {"keep": who, "merge": home})[1]["detail"] == (
        f'contact {who} is a person and contact {home} a household: "fields" must say whose "kind" is kept, if the two are one')
    said = lazo.ctl("contact", "merge", who, home, check=False)
    assert said.returncode == 1 and "whose \"kind\" is kept" in said.stderr
    number = lazo.ctl("contact", "merge", who, home, "--take", "kind", "--keep", "city").stdout.split()[1]
    assert lazo.get(f"/v1/contacts/{who}")["kind"] == "household"
    lazo.ctl("contact", "undo", number)
    assert [lazo.get(f"/v1/contacts/{c}")["kind"] for c in (who, home)] == ["person", "household"]
    number = merge(lazo, who, home, fields={"kind": "keep"})
    assert lazo.get(f"/v1/contacts/{who}")["kind"] == "person"
    lazo.api("POST", f"/v1/contacts/merges/{number}/undo")
    status, problem = refused(lazo, "POST", "/v1/contacts/merge", {"keep": who, "fields": {"shoe": "keep", "city": "x"}})
    assert status == 422 and [e["pointer"] for e in problem["errors"]] == ["/merge", "/fields/shoe", "/fields/city"]


def test_duplicates(lazo):
    def pairs():
        return {tuple(c["id"] for c in p["contacts"]): (p["score"], p["reasons"]) for p in lazo.items("/v1/contacts/duplicates?limit=2")}

    known = set(pairs())
    a = contact(lazo, "dup-a", first_name="José Luis", last_name="Núñez Arce", phone="+34600777888", birth_date="1950-01-02", postal_code="28001")
    b = contact(lazo, "dup-b", first_name="Jose Luis", last_name="NUÑEZ ARCE", phone="600 777 888", country="ES")
    c = contact(lazo, "dup-c", first_name="José Luis", last_name="Núñez Arcé", birth_date="1950-01-02")
    d = contact(lazo, "dup-d", first_name="José Luis", last_name="Núñez Arca", birth_date="1950-01-02")
    e = lazo.api("POST", "/v1/contacts", {"email": "dup.mail@gmail.com", "first_name": "Eva"})["id"]
    f = lazo.api("POST", "/v1/contacts", {"email": "dupmail+news@googlemail.com"})["id"]
    spouse = contact(lazo, "dup-spouse", first_name="Carmen", last_name="Soto", phone="+34600777888")
    found = {p: v for p, v in pairs().items() if p not in known}
    assert found.pop((a, b)) == (0.95, ["same name", "same phone"])
    assert found.pop((a, c)) == (0.95, ["same name", "same birth date"])
    assert found.pop((a, d)) == found.pop((c, d)) == (0.85, ["names one letter apart", "same birth date"])
    assert found.pop((e, f)) == (0.9, ["e-mail addresses of one mailbox"])
    assert not found and spouse, "who shares a phone is not the same"
    assert "names one letter apart" in lazo.ctl("contact", "duplicates").stdout
    lazo.ctl("contact", "distinct", c, d)
    assert refused(lazo, "POST", "/v1/contacts/duplicates/dismiss", {"contacts": [c, 99999999]})[0] == 404
    assert (c, d) not in pairs() and (a, d) in pairs()
    for who in (a, b, c, d, e, f, spouse):
        its = {tuple(x["id"] for x in p["contacts"]) for p in lazo.items(f"/v1/contacts/duplicates?contact={who}")}
        assert its == {p for p in pairs() if who in p}, who
    said = lazo.ctl("contact", "merge", "dup-a@merge.example", b).stdout.split()
    assert said[0] == "merge" and said[1] in lazo.ctl("contact", "merges").stdout
    assert (a, b) not in pairs()
    lazo.ctl("contact", "undo", said[1])
    assert (a, b) in pairs()


def test_merging_while_recording(lazo):
    """Facts come for two contacts while they are merged and taken apart: none is lost, none is doubled, none stands at nobody."""
    keep, gone = contact(lazo, "race-keep"), contact(lazo, "race-gone")
    rnd = random.Random(11)
    names = [{"email": "race-keep@merge.example"}, {"email": "race-gone@merge.example"}, {"external_id": "m-race-gone"}]
    recorded = []

    def record(i):
        body = {"contact": {**rnd.choice(names), "tags": [f"t{i % 7}"], "city": f"C{i % 3}"}, "kind": "mergerace", "key": f"race {i}", "source": "race"}
        r = lazo.request("POST", "/v1/interactions", json=body)
        for _ in range(20):
            if r.status_code != 503:
                break
            r = lazo.request("POST", "/v1/interactions", json=body)
        assert r.status_code == 201, r.text
        recorded.append(i)
        for _ in range(3):  # what was written is answered, whoever it is by then
            r = lazo.request("PATCH", f"/v1/contacts/{rnd.choice((keep, gone))}", json={"first_name": f"N{i}"})
            assert r.status_code in (200, 503), r.text

    def turn(_):
        for _ in range(20):
            r = lazo.request("POST", "/v1/contacts/merge", json={"keep": keep, "merge": gone})
            if r.status_code == 200:
                break
            assert r.status_code == 503, r.text
        for _ in range(20):
            u = lazo.request("POST", f"/v1/contacts/merges/{r.json()['id']}/undo")
            if u.status_code == 200:
                return
            assert u.status_code == 503, u.text

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        merging = pool.submit(lambda: [turn(i) for i in range(15)])
        list(pool.map(record, range(200)))
        merging.result()
    rows = lazo.sql("SELECT i.contact_id, count(*) FROM interaction i JOIN kind k ON k.id = i.kind_id WHERE k.name = 'mergerace' GROUP BY 1")
    assert sum(n for _, n in rows) == len(recorded) == 200 and {c for c, _ in rows} <= {keep, gone}
    lazo.settle()
    lazo.ctl("check", "--segments", "--rfm")
    lazo.ctl("consent", "verify")
    merge(lazo, keep, gone)
    assert len(lazo.items(f"/v1/contacts/{keep}/interactions?kind=mergerace")) == 200


@pytest.mark.parametrize("first", ["grant", "withdraw"])
def test_nobody_keeps_what_others_said(lazo, first):
    """Who said nothing, was merged with a yes and a no, and taken apart from both, has said nothing."""
    second = "grant" if first == "withdraw" else "withdraw"
    keep = contact(lazo, f"quiet-{first}")
    others = [contact(lazo, f"loud{n}-{first}", consents=[{"topic": "news", "action": action}]) for n, action in enumerate((first, second))]
    merges = [merge(lazo, keep, who) for who in others]
    assert topics(lazo, keep) == {"news": False}
    for number in reversed(merges):
        lazo.api("POST", f"/v1/contacts/merges/{number}/undo")
    assert topics(lazo, keep) == {}
    assert [topics(lazo, who) for who in others] == [{"news": first == "grant"}, {"news": second == "grant"}]
    assert lazo.ctl("consent", "verify").returncode == 0


def test_what_was_related_and_is_gone_since_stays_gone(lazo):
    keep, gone, spouse = (contact(lazo, name) for name in ("rel-keep", "rel-gone", "rel-spouse"))
    for who in (keep, gone):
        lazo.api("PUT", f"/v1/contacts/{who}/relations/spouse/{spouse}", {})
    number = merge(lazo, keep, gone)
    lazo.api("DELETE", f"/v1/contacts/{spouse}")
    lazo.api("POST", f"/v1/contacts/merges/{number}/undo")
    assert lazo.items(f"/v1/contacts/{gone}/relations") == lazo.items(f"/v1/contacts/{keep}/relations") == []


def test_duplicates_of_many(lazo):
    """More contacts than are compared while somebody waits: pairs are kept, and shown as they are now."""
    first = contact(lazo, "many-a", first_name="Zoraida", last_name="Quesada", birth_date="1971-05-06")
    second = contact(lazo, "many-b", first_name="Zoraida", last_name="Quesada", birth_date="1971-05-06")
    third = contact(lazo, "many-c", first_name="Zoraida", last_name="Quesads", birth_date="1971-05-06")
    lazo.sql("INSERT INTO contact (org_id, first_name, external_id) SELECT 1, 'M' || i, 'many' || i FROM generate_series(1, 5001) i")

    def pairs():
        found, after = [], None
        while True:
            r = lazo.request("GET", "/v1/contacts/duplicates", params={"limit": 2, **({"after": after} if after else {})})
            if r.status_code == 503:
                assert r.headers["Retry-After"] == "5" and "compared" in r.json()["detail"]
                return None
            assert r.status_code == 200, r.text
            found += [(tuple(c["id"] for c in p["contacts"]), p["score"]) for p in r.json()["items"]]
            after = r.json()["next"]
            if after is None:
                return found

    assert pairs() is None
    told = lazo.ctl("contact", "duplicates")
    assert "Zoraida" in told.stdout and told.stderr in ("", "contact: all contacts are being compared for the first time; ask again in a moment; waiting\n")
    found = eventually(pairs, what="all were compared once")
    assert len(found) == len({p for p, _ in found})
    assert {((first, second), 0.95), ((first, third), 0.85), ((second, third), 0.85)} <= set(found)
    assert [s for _, s in found] == sorted((s for _, s in found), reverse=True), "the likeliest first"
    # What changed since is seen; a new pair is found an hour later.
    lazo.api("PATCH", f"/v1/contacts/{third}", {"last_name": "Otra"})
    lazo.api("POST", "/v1/contacts/duplicates/dismiss", {"contacts": [first, second]})
    fourth = contact(lazo, "many-d", first_name="Zoraida", last_name="Quesada", birth_date="1971-05-06")
    now = {p for p, _ in pairs()}
    assert not {(first, second), (first, third), (second, third), (first, fourth)} & now
    its = {tuple(c["id"] for c in p["contacts"]) for p in lazo.items(f"/v1/contacts/duplicates?contact={first}")}
    assert its == {(first, fourth)}, "of one contact they are found at once"
    lazo.advance("61 min")
    eventually(lambda: {(first, fourth), (second, fourth)} <= {p for p, _ in pairs()}, what="found anew")
    lazo.api("DELETE", f"/v1/contacts/{fourth}")
    assert not {(first, fourth), (second, fourth)} & {p for p, _ in pairs()}
    lazo.sql("DELETE FROM contact WHERE external_id ^@ 'many'")


# --- apart in any order ------------------------------------------------------------------------------------------------------

class Family:
    """People with fields, labels and words of their own that are merged and taken apart."""

    def __init__(self, lazo, name, people):
        self.lazo, self.name = lazo, name
        self.ids = [self.make(n, *person) for n, person in enumerate(people)]
        self.made = [lazo.get(f"/v1/contacts/{i}")["created_at"] for i in self.ids]
        self.merges = []

    @staticmethod
    def people(rnd, n):
        def some(values, share):
            return [v for v in values if rnd.random() < share]
        return [({**{f: rnd.choice(["es", "fr", "de"]) for f in some(("city", "first_name", "stage", "language"), .5)},
                  **{"birth_date": rnd.choice(["1980-01-02", "--03-04"]) for _ in some("x", .5)}, **{"phone": rnd.choice(["+34600111222", "+34600111333"]) for _ in some("x", .5)},
                  "tags": some("abc", .4), "groups": some("gh", .4), "attr": {a: rnd.randrange(3) for a in some(("shoe", "hat"), .5)}},
                 {t: rnd.choice(["grant", "withdraw"]) for t in some(("news", "fair"), .5)}, rnd.randrange(3), rnd.random() < .3) for _ in range(n)]

    def make(self, n, fields, consents, gifts, member):
        who = self.lazo.api("POST", "/v1/contacts", {"email": f"{self.name}-{n}@family.example", **fields})["id"]
        for topic, action in consents.items():
            self.lazo.api("POST", f"/v1/contacts/{who}/consents", {"topic": topic, "action": action, "wording": "w"})
        for k in range(gifts):
            self.lazo.record({"id": who}, "familygift", amount=f"{n}{k}", key=f"{self.name}-{n}-{k}")
        if member:
            self.lazo.api("PUT", f"/v1/segments/family/members/{who}")
        return who

    def merge(self, keep, gone, fields):
        self.merges.append(self.lazo.api("POST", "/v1/contacts/merge", {"keep": self.ids[keep], "merge": self.ids[gone], "fields": fields})["id"])

    def seen(self, n):
        """All that the contact is, whichever family it is of."""
        r = self.lazo.request("GET", f"/v1/contacts/{self.ids[n]}", allow_redirects=False)
        if r.status_code == 308:
            return self.ids.index(int(r.headers["Location"].rsplit("/", 1)[1]))
        doc = r.json()
        told = {k: doc[k] for k in ("first_name", "stage", "language", "city", "birth_date", "phone", "attr", "deceased")}
        told.update({k: sorted(doc[k]) for k in ("tags", "groups")}, emails=sorted(e["email"].split("-")[-1] for e in doc["emails"]),
                    made=self.made.index(doc["created_at"]), subscriptions=sorted((s["topic"], s["subscribed"]) for s in doc["subscriptions"]), phones=sorted(p["phone"] for p in doc["phones"]),
                    gifts=sorted(i["amount"] for i in self.lazo.items(f"/v1/contacts/{self.ids[n]}/interactions?kind=familygift")),
                    segments=[s["name"] for s in self.lazo.items(f"/v1/contacts/{self.ids[n]}/segments") if s["name"] == "family"])
        return told


def test_apart_in_any_order(lazo):
    """However many merges there are, one that is undone leaves what would be if it had never been made; when all are, everybody is as before."""
    seed = int(os.environ.get("LAZO_SEED") or random.SystemRandom().randrange(10**9))
    print("LAZO_SEED", seed)
    rnd = random.Random(seed)
    for name in ("shoe", "hat"):
        lazo.api("PUT", f"/v1/fields/{name}", {"type": "number"})
    lazo.api("PUT", "/v1/topics/fair", {"title": "F"})
    lazo.api("PUT", "/v1/segments/family", {"kind": "fixed"})
    for turn in range(int(os.environ.get("LAZO_ROUNDS") or 4) * 2):
        people = Family.people(rnd, 4)
        one, other = (Family(lazo, f"{name}{seed % 1000}x{turn}", people) for name in "ab")
        lazo.settle()
        before = [one.seen(n) for n in range(4)]
        alive, plan = list(range(4)), []
        for _ in range(rnd.randrange(2, 4)):
            keep, gone = rnd.sample(alive, 2)
            alive.remove(gone)
            plan.append((keep, gone, {f: rnd.choice(["keep", "merge"]) for f in ("city", "first_name", "birth_date") if rnd.random() < .3}))
        for step in plan:
            one.merge(*step)
        undone = rnd.sample(range(len(plan)), rnd.randrange(1, len(plan)))
        for n in undone:
            lazo.api("POST", f"/v1/contacts/merges/{one.merges[n]}/undo")
        for n, step in enumerate(plan):
            if n not in undone:
                other.merge(*step)
        assert [one.seen(n) for n in range(4)] == [other.seen(n) for n in range(4)], (seed, turn, plan, undone)
        for n in rnd.sample(range(len(plan)), len(plan)):
            if n not in undone:
                lazo.api("POST", f"/v1/contacts/merges/{one.merges[n]}/undo")
        assert [one.seen(n) for n in range(4)] == before, (seed, turn, plan)
    lazo.settle()
    lazo.ctl("check")
    lazo.ctl("consent", "verify")


def test_what_was_changed_since_stays_where_it_is(lazo):
    lazo.api("PUT", "/v1/fields/size", {"type": "number"})
    keep, middle, gone = (contact(lazo, f"since-{n}", **more) for n, more in
                          enumerate(({}, {"city": "Vigo", "attr": {"size": 38}}, {"last_name": "Gil", "stage": "lead", "tags": ["t"]})))
    first, second = merge(lazo, middle, gone), merge(lazo, keep, middle)
    lazo.api("PATCH", f"/v1/contacts/{keep}", {"city": None, "stage": "member", "attr": {"size": 40}})
    lazo.api("POST", f"/v1/contacts/merges/{first}/undo")
    got = lazo.get(f"/v1/contacts/{keep}")
    assert (got["city"], got["stage"], got["attr"], got["last_name"], got["tags"]) == (None, "member", {"size": 40}, None, [])
    told = [(h["field"], h["was"], h["became"]) for h in lazo.items(f"/v1/contacts/{keep}/history") if h["source"] == f"merge:{first}:undone" and not h["field"].startswith("merged.")]
    assert sorted(told) == [("last_name", "Gil", None), ("tag", "t", None)], "what the others did is told once"
    lazo.api("POST", f"/v1/contacts/merges/{second}/undo")
    seen = [(c["city"], c["stage"], c["attr"], c["last_name"], c["tags"]) for c in (lazo.get(f"/v1/contacts/{i}") for i in (keep, middle, gone))]
    assert seen == [(None, "member", {"size": 40}, None, []), ("Vigo", None, {"size": 38}, None, []), (None, "lead", {}, "Gil", ["t"])]


def test_a_label_taken_while_merged_was_there_before(lazo):
    """Who comes back without a tag or group that was taken from both meanwhile had it before: the past is told by the history, which says so."""
    keep, gone = contact(lazo, "label-keep"), contact(lazo, "label-gone", tags=["Mecenas", "Otra"])
    lazo.sql("INSERT INTO contact_group VALUES (1, %s, 'Patronato')", (gone,))
    lazo.advance("1 minute")
    before = lazo.now()
    lazo.advance("1 minute")
    number = merge(lazo, keep, gone)
    lazo.request("DELETE", f"/v1/contacts/{keep}/tags/mecenas")
    lazo.sql("DELETE FROM contact_group WHERE contact_id = %s", (keep,))
    lazo.advance("1 minute")
    lazo.api("POST", f"/v1/contacts/merges/{number}/undo")
    told = [(h["field"], h["was"], h["became"]) for h in lazo.items(f"/v1/contacts/{gone}/history")]
    assert ("tag", "Mecenas", None) in told and ("group", "Patronato", None) in told, told
    assert lazo.get(f"/v1/contacts/{gone}")["tags"] == ["Otra"]
    then = lazo.get(f"/v1/contacts/{gone}/as-of?at={before}")
    assert sorted(then["tags"]) == ["Mecenas", "Otra"] and then["groups"] == ["Patronato"]
    for rule, who, holds in (('tag "mecenas"', gone, True), ('in group "patronato"', gone, True), ('tag "otra"', gone, True), ('tag "mecenas"', keep, False), ('in group "patronato"', keep, False)):
        assert lazo.api("POST", "/v1/rules/explain", {"rule": rule, "contact": who, "as_of": before})["holds"] is holds, (rule, who)
        assert lazo.api("POST", "/v1/rules/explain", {"rule": rule, "contact": who})["holds"] is (rule == 'tag "otra"')
