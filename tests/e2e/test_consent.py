"""The ledger of consent: its chains, what breaks them, and the evidence for one person."""
import concurrent.futures
import hashlib
import json

import psycopg2
import pytest

WORDING = "Sí, quiero recibir «Noticias» de Casa Común."


@pytest.fixture
def person(lazo, request):
    """A contact with a ledger of six entries."""
    address = f"{hashlib.sha256(request.node.name.encode()).hexdigest()[:20]}@consent.example"
    who = lazo.api("POST", "/v1/contacts", {"email": address})["id"]
    for i in range(6):
        lazo.api("POST", f"/v1/contacts/{who}/consents", {
            "topic": "news", "action": "grant" if i % 2 == 0 else "withdraw", "wording": WORDING, "version": f"v{i}", "language": "es",
            "source": "https://casa.example/alta", "ip": "192.0.2.77", "user_agent": 'Mozilla "5" \\ é☃', "purpose": "newsletter"})
    return who, address


def expected_hash(previous, org, contact, e):
    """The canonical text as lazo-consent(7) describes it, made by somebody else's program."""
    text = json.dumps([previous, org, contact, e["n"], e["id"], e["topic"], e["action"], e["purpose"], e["wording"], e["version"], e["language"],
                       e["source"], e["method"], e["ip"], e["user_agent"], e["at_us"], e["request"]], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def check_chain(evidence):
    org, who = evidence["organisation"]["id"], evidence["contact"]["id"]
    last = hashlib.sha256(f"lazo consent {org} {who}".encode()).hexdigest()
    assert last == evidence["origin"]
    for place, e in enumerate(evidence["entries"], 1):
        assert e["n"] == place
        assert e["hash"] == expected_hash(last, org, who, e)
        last = e["hash"]
    assert evidence["head"] == {"n": len(evidence["entries"]), "hash": last}


def verify(lazo):
    """What `lazoctl consent verify` says, and its status."""
    done = lazo.ctl("consent", "verify", check=False)
    return done.returncode, done.stdout


def test_evidence_can_be_checked_by_anybody(lazo, person):
    who, address = person
    evidence = json.loads(lazo.ctl("consent", "evidence", address).stdout)
    assert evidence["contact"]["email"] == address
    refused = lazo.ctl("consent", "evidence", address[:-1], check=False)
    assert refused.returncode == 1 and refused.stdout == "" and f"nobody has the address {address[:-1]}" in refused.stderr
    assert [e["action"] for e in evidence["entries"]] == ["grant", "withdraw"] * 3
    first = evidence["entries"][0]
    assert (first["topic"], first["wording"], first["version"], first["language"]) == ("news", WORDING, "v0", "es")
    assert first["source"] == "https://casa.example/alta" and first["method"] == "api" and first["at"].endswith("Z")
    check_chain(evidence)
    assert lazo.ctl("consent", "evidence", who).stdout
    assert verify(lazo)[0] == 0


def test_evidence_is_a_file(lazo, person):
    r = lazo.request("GET", f"/v1/contacts/{person[0]}/consents/evidence")
    assert r.headers["Content-Disposition"] == f'attachment; filename="consent-{person[0]}.json"'
    assert lazo.request("GET", "/v1/contacts/999999999/consents/evidence").status_code == 404


@pytest.mark.parametrize("policy,given,kept", [
    ("truncated", "192.0.2.77", "192.0.2.0"), ("truncated", "2001:db8:1:2::3", "2001:db8:1::"), ("truncated", "::ffff:192.0.2.77", "192.0.2.0"),
    ("truncated", "nowhere", None), ("full", "192.0.2.77", "192.0.2.77"), ("none", "192.0.2.77", None)])
def test_addresses_by_policy(lazo, policy, given, kept):
    lazo.api("PATCH", "/v1/organisation", {"keep_ip": policy})
    try:
        assert lazo.get("/v1/organisation")["keep_ip"] == policy
        who = lazo.api("POST", "/v1/contacts", {"consents": [{"topic": "news", "action": "grant", "ip": given}]})["id"]
        assert lazo.get(f"/v1/contacts/{who}/consents")["items"][0]["ip"] == kept
    finally:
        lazo.api("PATCH", "/v1/organisation", {"keep_ip": "truncated"})


def test_policy_is_one_of_three(lazo):
    assert lazo.request("PATCH", "/v1/organisation", json={"keep_ip": "some"}).status_code == 422


def test_rows_of_psql_are_chained_too(lazo, person):
    who, _ = person
    lazo.psql(f"INSERT INTO consent (org_id, contact_id, topic_id, action, source, n, hash) "
              f"SELECT 1, {who}, id, 'withdraw', 'psql', 99, 'x' FROM topic WHERE name = 'news'")
    evidence = lazo.get(f"/v1/contacts/{who}/consents/evidence")
    assert len(evidence["entries"]) == 7
    check_chain(evidence)


def test_many_write_one_chain_at_once(lazo, person):
    who, _ = person
    insert = (f"INSERT INTO consent (org_id, contact_id, topic_id, action, at) SELECT 1, {who}, id, %s, clock_now() FROM topic, generate_series(1, 5) "
              "WHERE name = 'news'")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: lazo.sql(insert, ("grant" if i % 2 else "withdraw",)), range(24)))
    evidence = lazo.get(f"/v1/contacts/{who}/consents/evidence")
    assert len(evidence["entries"]) == 6 + 24 * 5
    check_chain(evidence)
    assert verify(lazo)[0] == 0


BREAKS = {
    "wording": ("UPDATE consent SET wording = 'anything' WHERE contact_id = {0} AND n = 3", 3),
    "instant": ("UPDATE consent SET at = at - interval '1 microsecond' WHERE contact_id = {0} AND n = 2", 2),
    "address": ("UPDATE consent SET ip = NULL WHERE contact_id = {0} AND n = 1", 1),
    "middle": ("DELETE FROM consent WHERE contact_id = {0} AND n = 3", 4),
    "first": ("DELETE FROM consent WHERE contact_id = {0} AND n = 1", 2),
    "tail": ("DELETE FROM consent WHERE contact_id = {0} AND n >= 5", 5),
    "all": ("DELETE FROM consent WHERE contact_id = {0}", 1),
    "order": ("UPDATE consent SET n = -n WHERE contact_id = {0} AND n IN (3, 4); "
              "UPDATE consent SET n = 7 + n WHERE contact_id = {0} AND n < 0", 3),
    "renumbered": ("DELETE FROM consent WHERE contact_id = {0} AND n = 3; "
                   "UPDATE consent SET n = n + 100 WHERE contact_id = {0} AND n > 3; UPDATE consent SET n = n - 101 WHERE contact_id = {0} AND n > 100", 3),
    "head": ("DELETE FROM consent_head WHERE contact_id = {0}", 7),
}


@pytest.mark.parametrize("how", BREAKS)
def test_what_is_broken_is_found(lazo, person, how):
    """Somebody with all rights over the database changes history."""
    who, _ = person
    statement, place = BREAKS[how]
    keep = "CREATE TABLE kept AS SELECT * FROM consent WHERE contact_id = {0}; CREATE TABLE kept_head AS SELECT * FROM consent_head WHERE contact_id = {0}"
    lazo.sql(keep.format(who), user="postgres")
    try:
        lazo.sql(statement.format(who), user="postgres")
        status, said = verify(lazo)
        assert status == 1
        assert said.startswith(f"broken: contact {who}, entry number {place}"), said
    finally:
        lazo.sql(f"SET session_replication_role = replica; DELETE FROM consent WHERE contact_id = {who}; DELETE FROM consent_head WHERE contact_id = {who};"
                 "INSERT INTO consent OVERRIDING SYSTEM VALUE SELECT * FROM kept; INSERT INTO consent_head SELECT * FROM kept_head;"
                 "DROP TABLE kept, kept_head", user="postgres")
    assert verify(lazo)[0] == 0


@pytest.mark.parametrize("statement", [
    "UPDATE consent SET wording = 'x'", "DELETE FROM consent", "UPDATE consent_head SET n = 1", "DELETE FROM consent_head",
    "INSERT INTO consent_head SELECT 1, 1, 1, 'x'", "TRUNCATE consent, consent_head"])
def test_the_application_cannot(lazo, person, statement):
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        lazo.sql(statement)


def test_a_person_who_is_deleted_takes_the_chain_along(lazo, person):
    lazo.api("DELETE", f"/v1/contacts/{person[0]}")
    assert verify(lazo)[0] == 0


def test_the_last_word_of_one_request_holds(lazo):
    """Entries of one request are taken in their order; what the one before it said counts."""
    def say(*actions):
        lazo.api("POST", "/v1/interactions", [{"contact": {"email": "twice@consent.example", "consents": [{"topic": "news", "action": a}]}, "kind": "said"} for a in actions])
        entries = lazo.items(f"/v1/contacts/{lazo.contact_id('twice@consent.example')}/consents")
        held = lazo.sql("SELECT s.subscribed FROM subscription s JOIN contact c ON c.id = s.contact_id WHERE c.email = 'twice@consent.example'")
        return held, [e["action"] for e in sorted(entries, key=lambda e: e["id"])]

    assert say("grant", "grant", "withdraw") == ([(False,)], ["grant", "withdraw"])
    assert say("grant", "withdraw", "withdraw", "grant") == ([(True,)], ["grant", "withdraw"] * 2 + ["grant"])
    assert say("withdraw", "grant")[0] == [(True,)]
    assert say("grant")[1] == ["grant", "withdraw"] * 3 + ["grant"]
    assert verify(lazo)[0] == 0
