"""Where two features meet: what a person said holds whatever is merged, taken apart, imported and undone around it."""
import re

from lazo_test import eventually
from test_imports import run, settle, undo, upload


def contact(lazo, name, said=None, **fields):
    consents = [{"topic": "news", "action": said, "wording": f"{name} said so"}] if said else []
    return lazo.api("POST", "/v1/contacts", {"email": f"{name}@cross.example", **fields, "consents": consents})["id"]


def merge(lazo, keep, gone):
    return lazo.api("POST", "/v1/contacts/merge", {"keep": keep, "merge": gone})["id"]


def unmerge(lazo, number):
    lazo.api("POST", f"/v1/contacts/merges/{number}/undo")


def word(lazo, who):
    return {s["topic"]: s["subscribed"] for s in lazo.get(f"/v1/contacts/{who}")["subscriptions"]}.get("news")


def withdraw(lazo, who, action="withdraw"):
    lazo.api("POST", f"/v1/contacts/{who}/consents", {"topic": "news", "action": action})


def attest(lazo, *names):
    """An import that says that these people agreed."""
    one = upload(lazo, "email\n" + "".join(f"{n}@cross.example\n" for n in names))
    settle(lazo, one, columns={"email": "email"}, consent={"topic": "news", "attestation": "on paper"})
    run(lazo, one)
    return one


def link(lazo, sink, who, name):
    """The unsubscribe link of a mail about the topic."""
    lazo.template("cross-mail", "Hola", "T {{ unsubscribe_url }}")
    lazo.journey("cross-mail", {"start": {"interaction": "crossmail"}, "steps": [{"send": "cross-mail", "topic": "news"}]})
    had = len(sink.to(f"{name}@cross.example"))
    lazo.record({"id": who}, "crossmail")
    mail = sink.wait(f"{name}@cross.example", had + 1)[-1]
    return re.search(r"https://mail\.example\.org(/u/\S+)", mail.text).group(1)


def click(lazo, path):
    r = lazo.request("POST", path, token="", data={"List-Unsubscribe": "One-Click"})
    assert r.status_code == 200


def test_a_link_of_whom_was_merged_since(lazo, sink):
    keep, gone = contact(lazo, "link-keep", "grant"), contact(lazo, "link-gone", "grant")
    path = link(lazo, sink, gone, "link-gone")
    number = merge(lazo, keep, gone)
    assert "confirm" in lazo.request("GET", path, token="").text
    click(lazo, path)
    assert word(lazo, keep) is False
    unmerge(lazo, number)
    assert [word(lazo, keep), word(lazo, gone)] == [False, False]


def test_a_link_of_a_mail_to_an_address_that_went_back(lazo, sink):
    """The kept contact had no address; a mail in its name went to the other's, who is somebody else again."""
    keep, gone = lazo.api("POST", "/v1/contacts", {"external_id": "cross-back"})["id"], contact(lazo, "back-gone", "grant")
    withdraw(lazo, keep, "grant")
    number = merge(lazo, keep, gone)
    path = link(lazo, sink, keep, "back-gone")
    unmerge(lazo, number)
    click(lazo, path)
    assert [word(lazo, keep), word(lazo, gone)] == [False, False]


def test_a_no_that_a_merge_had_said_already(lazo, sink):
    """Who says no while a merge's no holds has said it: it stays when the merge is undone."""
    for name, say in (("click", None), ("api", withdraw)):
        keep, gone = contact(lazo, f"twice-{name}", "grant"), contact(lazo, f"twice-{name}-gone", "withdraw")
        path = link(lazo, sink, keep, f"twice-{name}")
        number = merge(lazo, keep, gone)
        assert word(lazo, keep) is False
        if say:
            say(lazo, keep)
        else:
            click(lazo, path)
        unmerge(lazo, number)
        assert [word(lazo, keep), word(lazo, gone)] == [False, False], name


def test_an_own_word_under_that_of_an_import(lazo):
    """What somebody says themselves while an import's yes holds stays when that is undone."""
    yes, no = contact(lazo, "own-yes"), contact(lazo, "own-no")
    one = attest(lazo, "own-yes", "own-no")
    withdraw(lazo, yes, "grant")
    withdraw(lazo, no)
    undo(lazo, one)
    assert [word(lazo, yes), word(lazo, no)] == [True, False]


def test_a_word_beside_an_imports_yes(lazo):
    """An import's yes of a merged contact is undone; what the kept one said holds."""
    for said in ("grant", "withdraw"):
        keep, gone = contact(lazo, f"beside-{said}", said), contact(lazo, f"beside-{said}-gone")
        one = attest(lazo, f"beside-{said}-gone")
        number = merge(lazo, keep, gone)
        undo(lazo, one)
        assert word(lazo, keep) is (said == "grant"), said
        unmerge(lazo, number)
        assert [word(lazo, keep), word(lazo, gone)] == [said == "grant", None], said
    lazo.ctl("consent", "verify")


def test_an_imports_yes_behind_a_merges_no(lazo):
    """The kept contact's yes was an import's, a merge said no; the import is undone, then the merge: nobody said yes."""
    keep, gone = contact(lazo, "behind"), contact(lazo, "behind-gone", "withdraw")
    one = attest(lazo, "behind")
    number = merge(lazo, keep, gone)
    undo(lazo, one)
    unmerge(lazo, number)
    assert [word(lazo, keep), word(lazo, gone)] == [None, False]
    lazo.ctl("consent", "verify")


def test_a_no_since_the_merge_is_both_s(lazo):
    """Also of whom the other one never heard."""
    keep, gone = contact(lazo, "both", "grant"), contact(lazo, "both-gone")
    number = merge(lazo, keep, gone)
    withdraw(lazo, keep)
    unmerge(lazo, number)
    assert [word(lazo, keep), word(lazo, gone)] == [False, False]


def test_nobody_sees_whom_an_undone_merge_told(lazo):
    """Erasure takes a person from the merges that were undone, and from the other contact's history."""
    keep, gone, third = contact(lazo, "erase-keep"), contact(lazo, "erase-gone", "grant", first_name="Crossmina", city="Crossville", tags=["crosstag"]), contact(lazo, "erase-third")
    first = merge(lazo, keep, gone)
    second = merge(lazo, keep, third)
    assert "Crossmina" in lazo.request("GET", f"/v1/contacts/{keep}/file").text
    unmerge(lazo, second)
    unmerge(lazo, first)
    assert not re.search("crossm|crossv|crosst|erase-g", lazo.request("GET", f"/v1/contacts/{keep}/file").text.lower()), "a person's file has nothing of another"
    lazo.api("POST", f"/v1/contacts/{gone}/erase", {"reason": "asked"})
    for (table,) in lazo.sql("SELECT table_name FROM information_schema.tables WHERE table_schema = 'lazo' AND table_type = 'BASE TABLE'", user="postgres"):
        assert not lazo.sql(f"SELECT t::text FROM lazo.{table} t WHERE t::text ~* 'crossmina|crossville|crosstag|erase-gone'", user="postgres"), table
    assert [m["undone_at"] is not None for m in lazo.items(f"/v1/contacts/merges?contact={keep}")] == [True, True]


def test_who_died_as_one_died_as_both(lazo):
    keep, gone = contact(lazo, "dead"), contact(lazo, "dead-gone", "grant")
    number = merge(lazo, keep, gone)
    lazo.api("PATCH", f"/v1/contacts/{keep}", {"deceased": True})
    unmerge(lazo, number)
    assert [lazo.get(f"/v1/contacts/{who}")["deceased"] for who in (keep, gone)] == [True, True]


def test_thanks_for_a_gift_of_whom_was_merged_and_is_back(lazo, sink):
    """A passage that began while they were one goes with the gift that it is about."""
    lazo.template("cross-thanks", "Gracias", "T")
    lazo.journey("cross-thanks", {"start": {"interaction": "crossgift"}, "steps": [{"wait": "1 hour"}, {"send": "cross-thanks"}]})
    keep, gone = contact(lazo, "thanks"), contact(lazo, "thanks-gone")
    lazo.record({"id": gone}, "crossgift", amount="5.00")
    number = merge(lazo, keep, gone)
    lazo.settle()
    unmerge(lazo, number)
    lazo.settle()
    lazo.advance("2 h")
    eventually(lambda: len(sink.to("thanks-gone@cross.example")) + len(sink.to("thanks@cross.example")) > 0, what="the thanks come")
    lazo.settle()
    assert len(sink.to("thanks-gone@cross.example")) == 1 and not sink.to("thanks@cross.example")


def test_an_erased_person_goes_from_files_that_wrote_nothing(lazo):
    """An import that was undone has left no trace with the contact; its file names the person still, and goes."""
    ids = [contact(lazo, f"filed{n}") for n in range(3)]
    files = []
    for n, code in enumerate(("utf-8", "utf-16", "latin-1")):
        rows = "email,amount\n" + f"Filed{n}@Cross.example,5\n" + f"other{n}@cross.example,5\n" * 3
        one = upload(lazo, rows, encoding=code)
        settle(lazo, one, kind="filedgift", columns={"email": "email", "amount": "amount"})
        run(lazo, one)
        undo(lazo, one)
        files.append(one["id"])
    for n, who in enumerate(ids):
        lazo.api("POST", f"/v1/contacts/{who}/erase", {"reason": "asked"})
        assert {i for (i,) in lazo.sql("SELECT import_id FROM import_piece WHERE import_id = ANY (%s)", [files])} == set(files[n + 1:])
    assert not lazo.sql("SELECT FROM import i WHERE id = ANY (%s) AND i::text ~* 'filed[0-9]@'", [files])


def test_a_mail_tried_again_goes_to_nobody_else(lazo, sink):
    """The address that a retry keeps went back to its owner meanwhile."""
    lazo.template("cross-again", "Otra vez", "T")
    keep, gone = lazo.api("POST", "/v1/contacts", {"external_id": "cross-again"})["id"], contact(lazo, "again-gone")
    number = merge(lazo, keep, gone)
    sink.answer = lambda mail: "451 4.3.0 later" if mail.subject == "Otra vez" else None
    try:
        made = lazo.api("POST", "/v1/messages", {"template": "cross-again", "contact": keep, "key": "cross-again"})["id"]
        eventually(lambda: [m for m, _ in sink.refused if m.subject == "Otra vez"], what="the relay refuses it")
        eventually(lambda: lazo.sql("SELECT FROM job WHERE id = %s AND lease IS NULL", [made]), what="it waits to be tried again")
        unmerge(lazo, number)
    finally:
        sink.answer = None
    lazo.advance("1 h")
    lazo.settle()
    assert not sink.to("again-gone@cross.example")
    assert lazo.get(f"/v1/messages/{made}")["state"] == "failed"


def test_a_yes_of_the_future_outweighs_no_no(lazo, sink):
    who = contact(lazo, "future")
    lazo.api("POST", f"/v1/contacts/{who}/consents", {"topic": "news", "action": "grant", "at": "2099-01-01T00:00:00Z"})
    assert lazo.get(f"/v1/contacts/{who}/consents")["items"][0]["at"] < "2090"
    click(lazo, link(lazo, sink, who, "future"))
    assert word(lazo, who) is False
    strange = contact(lazo, "strange")
    lazo.sql("INSERT INTO consent (org_id, contact_id, topic_id, action, at) SELECT 1, %s, id, 'grant', '2099-01-01Z' FROM topic WHERE name = 'news'", [strange])
    click(lazo, link(lazo, sink, strange, "strange"))
    assert word(lazo, strange) is False


def test_who_went_through_as_one_is_not_sent_through_as_the_other(lazo, sink):
    """A journey that is made once, or once in so many days: one mail for two who are one, whichever of them it came to first."""
    lazo.template("cross-once", "Una vez", "T")
    for name, again in (("cross-once", "once"), ("cross-days", "once per 30 days"), ("cross-always", "always")):
        lazo.journey(name, {"start": {"interaction": name.replace("-", "")}, "again": again, "steps": [{"wait": "1 day"}, {"send": "cross-once"}]})
    pairs = [(journey, first) for journey in ("once", "days", "always") for first in ("keep", "gone")]
    who = {(j, f, side): contact(lazo, f"through-{j}-{f}-{side}") for j, f in pairs for side in ("keep", "gone")}
    for j, f in pairs:
        lazo.record({"id": who[j, f, f]}, f"cross{j}")
    lazo.settle()
    lazo.advance("25 h")
    lazo.settle()
    numbers = []
    for j, f in pairs:
        lazo.record({"id": who[j, f, "gone" if f == "keep" else "keep"]}, f"cross{j}")
    lazo.settle()
    for j, f in pairs:
        numbers.append(merge(lazo, who[j, f, "keep"], who[j, f, "gone"]))
    lazo.advance("25 h")
    lazo.settle()
    got = {(j, f): sum(len([m for m in sink.to(f"through-{j}-{f}-{side}@cross.example") if m.subject == "Una vez"]) for side in ("keep", "gone")) for j, f in pairs}
    assert got == {(j, f): 2 if j == "always" else 1 for j, f in pairs}


STEPS = {"wait": [{"wait": "1 day"}, {"send": "cross-step", "topic": "news"}],
         "branch": [{"if": 'tag "never"', "then": [{"wait": "1 day"}], "else": [{"wait": "1 day"}, {"if": "any(crossstepgift)", "then": [{"send": "cross-step", "topic": "news"}]}]}],
         "until": [{"until": 'tag "never"', "up to": "3 minutes"}, {"send": "cross-step", "topic": "news"}],
         "mail": [{"send": "cross-step", "topic": "news"}],
         "webhook": [{"wait": "1 day"}, {"webhook": "cross-step"}, {"send": "cross-step", "topic": "news"}]}


def test_what_befalls_somebody_in_each_kind_of_step(lazo, sink, receiver):
    """Who leaves a topic, dies, is erased, or whose gift goes, has no mail any more wherever they stand; who is merged or taken apart has it once."""
    lazo.template("cross-step", "Paso", "T {{ unsubscribe_url }}")
    lazo.api("PUT", "/v1/webhooks/cross-step", {"url": receiver.url, "events": []})
    sink.answer = lambda mail: "451 4.3.0 later" if mail.subject == "Paso" else None
    acts = ("nothing", "leave", "die", "erase", "refund", "remove", "merge", "merged", "apart", "suppress")
    who, gift, other = {}, {}, {}
    try:
        for step, steps in STEPS.items():
            lazo.journey(f"cross-{step}", {"start": {"interaction": "crossstepgift", "where": f'data.step = "{step}"'}, "steps": steps})
        for step in STEPS:
            for act in acts:
                key = step, act
                who[key] = contact(lazo, f"step-{step}-{act}", "grant")
                other[key] = contact(lazo, f"other-{step}-{act}", "grant")
                made = lazo.api("POST", "/v1/interactions", {"contact": {"id": who[key]}, "kind": "crossstepgift", "amount": "5.00", "data": {"step": step}})
                gift[key] = made["items"][0]["id"]
        eventually(lambda: lazo.sql("SELECT count(*) FROM journey_position p JOIN journey j ON j.id = p.journey_id WHERE j.name ^@ 'cross-' AND p.contact_id = ANY (%s) AND (p.state = 'waiting' OR j.name = 'cross-mail')",
                                    [list(who.values())]) == [(len(who),)], what="all stand in their steps")
        eventually(lambda: lazo.sql("SELECT count(*) FROM job WHERE contact_id = ANY (%s) AND lease IS NULL AND attempt > 0", [list(who.values())]) == [(len(acts),)], what="the mails wait to be tried again")
        for (step, act), one in who.items():
            path = f"/v1/contacts/{one}"
            if act == "leave":
                withdraw(lazo, one)
            elif act == "die":
                lazo.api("PATCH", path, {"deceased": True})
            elif act == "erase":
                lazo.api("POST", f"{path}/erase", {"reason": "asked"})
            elif act == "refund":
                lazo.api("POST", "/v1/interactions", {"contact": {"id": one}, "kind": "refund", "amends": gift[step, act], "amount": "-5.00"})
            elif act == "remove":
                lazo.api("DELETE", f"{path}/interactions/{gift[step, act]}")
            elif act == "merge":
                merge(lazo, one, other[step, act])
            elif act == "merged":
                merge(lazo, other[step, act], one)
            elif act == "apart":
                unmerge(lazo, merge(lazo, other[step, act], one))
            elif act == "suppress":
                lazo.api("POST", "/v1/suppressions", {"email": f"step-{step}-{act}@cross.example", "reason": "manual"})
    finally:
        sink.answer = None
    for hours in (25, 1, 1, 1):  # `until` asks three times
        lazo.advance(f"{hours} h")
        lazo.settle()
    got = {(step, act): [len([m for m in sink.to(f"{side}-{step}-{act}@cross.example") if m.subject == "Paso"]) for side in ("step", "other")] for step, act in who}
    wanted = {(step, act): [0, 1] if act == "merged" and step != "mail" else [int(act in ("nothing", "merge", "merged", "apart")), 0] for step, act in who}
    assert got == wanted


def test_what_a_merge_lent_is_not_given_back_by_an_import(lazo):
    """A field that a merge filled is changed by an import; the merge is undone, then the import: the contact has what it had by itself."""
    lazo.api("PUT", "/v1/fields/lent", {"type": "text"})
    keep, gone = contact(lazo, "lent-keep", stage="lead"), contact(lazo, "lent-gone", city="Vigo", attr={"lent": "theirs"})
    number = merge(lazo, keep, gone)
    one = upload(lazo, "email,city,lent\nlent-keep@cross.example,Lugo,new\n")
    settle(lazo, one, columns={"email": "email", "city": "city", "lent": "attr.lent"})
    run(lazo, one)
    unmerge(lazo, number)
    assert [lazo.get(f"/v1/contacts/{keep}")[k] for k in ("city", "attr")] == ["Lugo", {"lent": "new"}]
    undo(lazo, one)
    assert [lazo.get(f"/v1/contacts/{keep}")[k] for k in ("city", "attr", "stage")] == [None, {}, "lead"]
    assert [lazo.get(f"/v1/contacts/{gone}")[k] for k in ("city", "attr")] == ["Vigo", {"lent": "theirs"}]
