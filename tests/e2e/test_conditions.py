"""ETag, If-Match and If-None-Match: of two editors one is told that the other was first; and nobody reads twice what did not change."""
import threading

import pytest
from lazo_test import ApiError

RULE = "any(donation)"
JOURNEY = {"start": {"interaction": "tried"}, "steps": [{"tag": "tried"}]}


@pytest.fixture(scope="module")
def things(lazo):
    """What can be edited by two: its path, how it is written, two bodies that differ."""
    lazo.template("cond", "A")
    lazo.api("POST", "/v1/segments", {"name": "cond-seg", "rule": RULE})
    contact = lazo.api("POST", "/v1/contacts", {"email": "cond@cond.example", "first_name": "A"})["id"]
    user = lazo.api("POST", "/v1/users", {"name": "Uma", "email": "uma@casa.example", "role": "editor"})["id"]
    task = lazo.api("POST", "/v1/tasks", {"contact": contact, "title": "Call"})["id"]
    mail = {"language": "es", "html": "<p>{{ unsubscribe_url }}</p>", "text": "{{ unsubscribe_url }}"}
    campaign = {"template": "cond", "segment": "cond-seg", "topic": "news"}
    hook = {"url": "https://hook.example/", "events": ["donation"]}
    form = {"topics": ["news"], "fields": ["first_name"], "wording": "Sí", "double_opt_in": False}
    puts = {"/v1/segments/cond-put": ({"rule": RULE}, {"rule": "any(call)"}), "/v1/rfm/cond": ({"kinds": ["donation"]}, {"kinds": ["call"]}),
            "/v1/templates/cond-put": ({**mail, "subject": "A"}, {**mail, "subject": "B"}), "/v1/topics/cond": ({"title": "A"}, {"title": "B"}),
            "/v1/fields/cond": ({"type": "text", "title": "A"}, {"type": "text", "title": "B"}),
            "/v1/webhooks/cond": (hook, {**hook, "events": []}), "/v1/forms/cond": (form, {**form, "wording": "Claro"}),
            "/v1/campaigns/cond-put": ({**campaign, "data": {"a": 1}}, {**campaign, "data": {"a": 2}}),
            "/v1/journeys/cond": (JOURNEY, {**JOURNEY, "again": "once"})}
    found = {path: ("PUT", *bodies) for path, bodies in puts.items()}
    for path, (a, _) in puts.items():
        lazo.api("PUT", path, a)
    found["/v1/organisation"] = ("PATCH", {"mail_from_name": "Casa"}, {"mail_from_name": "Casa Común"})
    found[f"/v1/contacts/{contact}"] = ("PATCH", {"first_name": "A"}, {"first_name": "B"})
    found[f"/v1/users/{user}"] = ("PATCH", {"name": "Uma"}, {"name": "Uma B"})
    found[f"/v1/tasks/{task}"] = ("PATCH", {"title": "Call"}, {"title": "Write"})
    lazo.settle()
    return found


def tag_of(lazo, path):
    r = lazo.request("GET", path)
    assert r.status_code == 200, r.text
    tag = r.headers["ETag"]
    assert tag.startswith('"') and tag.endswith('"'), tag
    return tag


def test_of_two_editors_the_second_is_refused(lazo, things):
    for path, (method, a, b) in things.items():
        tag = tag_of(lazo, path)
        first = lazo.request(method, path, json=b, headers={"If-Match": tag})
        assert first.status_code == 200, (path, first.text)
        assert tag_of(lazo, path) != tag, path
        second = lazo.request(method, path, json=a, headers={"If-Match": tag})
        assert second.status_code == 412 and second.headers["Content-Type"] == "application/problem+json", (path, second.text)
        detail = second.json()["detail"]
        assert tag_of(lazo, path).strip('"') in detail, (path, detail)
        assert "/contacts/" in path or ", at 2023-" in detail, (path, detail)
        assert lazo.request(method, path, json=a, headers={"If-Match": f'"nonsense", {tag_of(lazo, path)}'}).status_code == 200, path


def test_weak_tags_and_nonsense_match_nothing(lazo, things):
    for path, (method, _, b) in things.items():
        for said in (f"W/{tag_of(lazo, path)}", "nonsense", '"'):
            assert lazo.request(method, path, json=b, headers={"If-Match": said}).status_code == 412, (path, said)
        assert lazo.request(method, path, json=b, headers={"If-Match": "*"}).status_code == 200, path


def test_what_did_not_change_is_not_sent_again(lazo, things):
    for path in things:
        tag = tag_of(lazo, path)
        for said in (tag, f"W/{tag}", f'"x", {tag}', "*"):
            r = lazo.request("GET", path, headers={"If-None-Match": said})
            assert r.status_code == 304 and not r.content and r.headers["ETag"] == tag, (path, said)
        assert lazo.request("GET", path, headers={"If-None-Match": '"x"'}).status_code == 200, path


def test_create_only_and_change_only(lazo, things):
    for path, (method, a, b) in things.items():
        if method != "PUT":
            continue
        assert lazo.request("PUT", path, json=a, headers={"If-None-Match": "*"}).status_code == 412, path
        new = path + "-new"
        if "fields" in new:
            new = new.replace("-", "_")
        for said in ("*", '"x"'):
            assert lazo.request("PUT", new, json=a, headers={"If-Match": said}).status_code == 412, new
        assert lazo.request("GET", new).status_code == 404, new
        assert lazo.request("PUT", new, json=a, headers={"If-None-Match": "*"}).status_code == 201, new
        tag = tag_of(lazo, new)
        assert lazo.request("PUT", new, json=b).status_code == 200, new
        assert lazo.request("DELETE", new, headers={"If-Match": tag}).status_code == 412, new
        assert lazo.request("DELETE", new, headers={"If-Match": tag_of(lazo, new)}).status_code == 204, new
        # Made anew it is another one.
        lazo.api("PUT", new, a)
        assert tag_of(lazo, new) != tag, new
        lazo.api("DELETE", new)


def test_what_lazo_does_by_itself_changes_no_tag(lazo, things):
    """Members and counts come and go; who edits the rule is not refused for it."""
    tag = tag_of(lazo, "/v1/segments/cond-seg")
    lazo.record({"email": "cond-donor@cond.example"}, "donation", amount="5")
    lazo.settle()
    assert lazo.count("cond-seg") >= 1 and tag_of(lazo, "/v1/segments/cond-seg") == tag


def test_all_that_is_seen_of_a_contact_changes_its_tag(lazo):
    who = lazo.api("POST", "/v1/contacts", {"email": "seen@cond.example"})["id"]
    path, tags = f"/v1/contacts/{who}", []
    for body in ({"tags": ["x"]}, {"groups": ["g"]}, {"external_id": "seen-1"}, {"consents": [{"topic": "news", "action": "grant", "wording": "sí"}]}):
        tags.append(tag_of(lazo, path))
        lazo.api("POST", "/v1/contacts", {"id": who, **body})
    tags.append(tag_of(lazo, path))
    assert len(set(tags)) == len(tags)
    assert lazo.request("DELETE", path, headers={"If-Match": tags[0]}).status_code == 412
    assert lazo.request("DELETE", path, headers={"If-Match": tags[-1]}).status_code == 204


def test_two_at_the_same_time(lazo, things):
    """Many editors begin from one state at once: one of them is taken, each time."""
    for path, (method, a, b) in things.items():
        for turn in range(3):
            tag, barrier, statuses = tag_of(lazo, path), threading.Barrier(4), []

            def edit(n):
                body = dict(b if turn % 2 == 0 else a)
                barrier.wait()
                statuses.append(lazo.request(method, path, json=body, headers={"If-Match": tag}).status_code)

            lazo.api(method, path, a if turn % 2 == 0 else b)
            tag = tag_of(lazo, path)
            threads = [threading.Thread(target=edit, args=(n,)) for n in range(4)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            # A PUT of what is there by then already is no change, and may be answered well (RFC 9110, 13.1.1); a PATCH of a contact counts each time.
            assert statuses.count(200) >= 1 and set(statuses) <= {200, 412}, (path, statuses)
            if "/contacts/" in path:
                assert statuses.count(200) == 1, (path, statuses)


def test_different_edits_at_the_same_time(lazo):
    """The last word is that of the one who was taken."""
    for turn in range(8):
        tag, barrier, taken = tag_of(lazo, "/v1/topics/cond"), threading.Barrier(4), []

        def edit(n):
            barrier.wait()
            r = lazo.request("PUT", "/v1/topics/cond", json={"title": f"{turn} {n}"}, headers={"If-Match": tag})
            if r.status_code == 200:
                taken.append(n)
            else:
                assert r.status_code == 412, r.text

        threads = [threading.Thread(target=edit, args=(n,)) for n in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert len(taken) == 1 and lazo.get("/v1/topics/cond")["title"] == f"{turn} {taken[0]}"


def test_a_refused_patch_changes_nothing(lazo, things):
    path = next(p for p in things if "/contacts/" in p)
    tag = tag_of(lazo, path)
    with pytest.raises(ApiError) as e:
        lazo.api("PATCH", path, {"first_name": 5}, headers={"If-Match": tag})
    assert e.value.status == 422 and tag_of(lazo, path) == tag


def counters(lazo):
    """Things that hold a number: how it is written and read."""
    mail = {"language": "es", "html": "<p>{{ unsubscribe_url }}</p>", "text": "{{ unsubscribe_url }}"}
    who = lazo.api("POST", "/v1/contacts", {"email": "count@cond.example", "city": "0"})["id"]
    return {
        f"/v1/contacts/{who}": ("PATCH", lambda n: {"city": str(n)}, lambda d: int(d["city"])),
        "/v1/segments/cond-count": ("PUT", lambda n: {"rule": f"count(donation) > {n}"}, lambda d: int(d["rule"].split()[-1])),
        "/v1/campaigns/cond-count": ("PUT", lambda n: {"template": "cond", "segment": "cond-seg", "topic": "news", "data": {"n": n}}, lambda d: d["data"]["n"]),
        "/v1/journeys/cond-count": ("PUT", lambda n: {**JOURNEY, "steps": [{"tag": f"tried {n}"}]}, lambda d: int(d["definition"]["steps"][0]["tag"].split()[-1])),
        "/v1/templates/cond-count": ("PUT", lambda n: {**mail, "subject": f"Hola {n}"}, lambda d: int(d["versions"][0]["subject"].split()[-1])),
        "/v1/forms/cond-count": ("PUT", lambda n: {"topics": ["news"], "fields": ["first_name"], "wording": f"Sí {n}", "double_opt_in": False},
                                 lambda d: int(d["wording"].split()[-1])),
    }


@pytest.mark.parametrize("at", range(6), ids=["contact", "segment", "campaign", "journey", "template", "form"])
def test_no_edit_is_lost(lazo, things, at):
    """Two editors count on from what they read, 200 times each, on the condition that it is so still: each that was taken counts once. The lowest bit says who: what
    is there by then already is no change, and may be answered well (RFC 9110, 13.1.1)."""
    path, (method, write, read) = list(counters(lazo).items())[at]
    lazo.api(method, path, write(0))
    taken, wrong, barrier = [0, 0], [], threading.Barrier(2)

    def edit(me):
        barrier.wait()
        for _ in range(200):
            shown = lazo.request("GET", path)
            r = lazo.request(method, path, json=write((read(shown.json()) // 2 + 1) * 2 + me), headers={"If-Match": shown.headers["ETag"]})
            taken[me] += r.status_code == 200
            if r.status_code not in (200, 412):
                wrong.append(r.text)

    threads = [threading.Thread(target=edit, args=(me,)) for me in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong
    # Somebody was taken each time that both tried, and nobody wrote over what he had not seen.
    assert sum(taken) >= 200 and read(lazo.get(path)) // 2 == sum(taken), taken


def test_a_contact_is_patched_as_a_whole_or_not(lazo):
    lazo.api("POST", "/v1/contacts", {"email": "whose@cond.example"})
    path = f"/v1/contacts/{lazo.api('POST', '/v1/contacts', {'email': 'whole@cond.example', 'city': 'Ronda'})['id']}"
    tag = tag_of(lazo, path)
    for condition in ({"If-Match": tag}, {}):
        taken = lazo.request("PATCH", path, json={"email": "whose@cond.example", "city": "Vigo"}, headers=condition)
        assert taken.status_code == 409 and "belongs to another contact" in taken.json()["detail"], taken.text
        # The database refuses the custom field after it took the address.
        large = lazo.request("PATCH", path, json={"email": "whole2@cond.example", "postal_code": "x" * 21}, headers=condition)
        assert large.status_code == 422, large.text
        assert tag_of(lazo, path) == tag
    both = lazo.request("PATCH", path, json={"email": "whole2@cond.example", "city": "Vigo"}, headers={"If-Match": tag})
    assert both.status_code == 200 and (both.json()["email"], both.json()["city"]) == ("whole2@cond.example", "Vigo")
    assert lazo.request("PATCH", path, json={"email": "whole3@cond.example"}, headers={"If-Match": tag}).status_code == 412
    assert lazo.get(path)["email"] == "whole2@cond.example"
    assert lazo.request("PATCH", "/v1/contacts/999999", json={"city": "Vigo"}, headers={"If-Match": "*"}).status_code == 404
    assert lazo.request("PATCH", "/v1/contacts/999999", json={"email": "nobody@cond.example"}).status_code == 404
