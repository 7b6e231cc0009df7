"""Several addresses of a row, and whom its people belong to: companies, households, each other."""
from lazo_test import eventually
from test_imports import apart, check, numbers, rejected, run, settle, state, undo, upload


def related(lazo, who):
    """Relation and other's id of each."""
    return sorted((r["relation"], r["contact"]["id"]) for r in lazo.items(f"/v1/contacts/{who}/relations"))


def test_several_addresses(lazo):
    lazo.sql("UPDATE organisation SET country = 'ES'")
    old = lazo.api("POST", "/v1/contacts", {"external_id": "sev1", "email": "sev1@sev.example", "phone": "600 000 001", "phones": ["600 000 002"]})["id"]
    bare = lazo.api("POST", "/v1/contacts", {"external_id": "sev3"})["id"]
    before = apart(lazo)
    one = upload(lazo, "id;correo;Correo 2;email (work);teléfono;móvil;Teléfono 3\n"
                       "sev1;sev1@sev.example;sev1b@sev.example;;+34600000001;600-000-002;600 000 003\n"
                       "sev2;;sev2b@sev.example;SEV2@sev.example / sev2b@sev.example;;600 000 004 / 600000005;\n"
                       "sev3;z3@sev.example;a3@sev.example;;;;\n"
                       "sev4;ok@sev.example;no correo;;;;\n"
                       "sev5;ok5@sev.example;;sev1b@sev.example;;;\n"
                       + "".join(f"fill{i};;;;;;\n" for i in range(1000)) +
                       "sev2;sev2@sev.example;;;0034600000005;;+34 600 000 006\n")
    assert set(one["guess"]["settings"]["columns"].values()) == {"external_id", "email", "phone"} and one["guess"]["unknown"] == ["email (work)"]
    assert one["guess"]["settings"].get("split") is None, "the column is not known yet"
    settle(lazo, one, columns={"email (work)": "email"}, split="/")
    would = check(lazo, one)
    assert apart(lazo) == before
    did = run(lazo, one)
    assert numbers(did) == numbers(would)
    assert did["fields"] == {"email": 3, "phone": 3} and (did["created"], did["changed"], did["refused"]) == (1001, 3, 2)
    # The last row gives sev2 a primary phone that it has, one that is new, and an address that it has.
    assert [(r["line"], r["column"]) for r in rejected(lazo, one)] == [("5", "Correo 2"), ("6", "email (work)")]
    who = {n: lazo.get(f"/v1/contacts/{lazo.sql('SELECT contact_id FROM identity WHERE value = %s', [n])[0][0]}") for n in ("sev1", "sev2", "sev3")}
    assert [e["email"] for e in who["sev1"]["emails"]] == ["sev1@sev.example", "sev1b@sev.example"] and who["sev1"]["id"] == old
    assert [p["phone"] for p in who["sev1"]["phones"]] == ["+34600000001", "+34600000002", "+34600000003"]
    assert who["sev2"]["email"] == "sev2b@sev.example" and {e["email"] for e in who["sev2"]["emails"]} == {"sev2b@sev.example", "sev2@sev.example"}
    assert who["sev2"]["phone"] == "+34600000005" and len(who["sev2"]["phones"]) == 3
    assert who["sev3"]["email"] == "z3@sev.example", "the first one that is said, not the first of the alphabet"
    again = run(lazo, one)
    assert (again["created"], again["fields"]) == (0, {"phone": 2}), "the primary phone of sev2 goes to and fro"
    undo(lazo, one)
    lazo.settle()
    assert apart(lazo) == before and lazo.get(f"/v1/contacts/{bare}")["emails"] == []
    lazo.sql("UPDATE organisation SET country = NULL")


STAFF = """external_id,email,nombre,razón social,tipo de contacto,trabaja en,hogar,cónyuge,miembro de
rel1,,Ana,,,Acme S.A.,,rel2,rel-club
rel2,rel2@rel.example,Luis,,,ACME s.a.,Casa Ruiz,,
rel3,,Eva,,,rel-co,Casa Ruiz,rel2@rel.example,Nadie
rel4,no correo,Leo,,,Acme S.A.,,,
rel5,,Teo,,,,,rel5,
rel-co,,,Cooperativa Río,company,,,,
rel2,,,,,Acme S.A.,,rel1,Acme S.A. | rel-club
"""
STAFF_COLUMNS = {"tipo de contacto": "contact_kind"}


def test_relations(lazo):
    acme = lazo.api("POST", "/v1/contacts", {"kind": "company", "company_name": "Acme S.A.", "external_id": "rel-acme"})["id"]
    club = lazo.api("POST", "/v1/contacts", {"kind": "company", "company_name": "Club", "external_id": "rel-club"})["id"]
    lazo.segment("rel-workers", 'related as "employee of" where (company)')
    lazo.settle()
    before = state(lazo)
    one = upload(lazo, STAFF)
    assert one["guess"]["settings"]["columns"]["trabaja en"] == "relation.employee of" and one["guess"]["settings"]["columns"]["hogar"] == "relation.member of household"
    settle(lazo, one, columns=STAFF_COLUMNS, split="|")
    would = check(lazo, one)
    assert state(lazo) == before
    did = run(lazo, one)
    assert numbers(did) == numbers(would)
    # rel1 and rel2 work for Acme, rel1's spouse said twice, both are the club's, rel3 works for the cooperative that comes further down; the house and "Nadie" are nobody.
    assert (did["created"], did["refused"], did["related"], did["unrelated"]) == (5, 1, 8, 3)
    why = {r["line"]: (r["column"], r["reason"]) for r in rejected(lazo, one)}
    assert {k: v[0] for k, v in why.items()} == {"3": "hogar", "4": "hogar", "5": "email", "6": "cónyuge"}
    assert "recorded" in why["3"][1] and "themselves" in why["6"][1]
    ids = dict(lazo.sql("SELECT value, contact_id FROM identity WHERE value ^@ 'rel'"))
    assert related(lazo, ids["rel1"]) == sorted([("employee of", acme), ("spouse", ids["rel2"]), ("member of", club)])
    assert related(lazo, ids["rel2"]) == sorted([("employee of", acme), ("member of", acme), ("member of", club), ("spouse", ids["rel1"]), ("spouse", ids["rel3"])])
    assert related(lazo, ids["rel3"]) == sorted([("employee of", ids["rel-co"]), ("spouse", ids["rel2"])])
    lazo.settle()
    assert lazo.count("rel-workers") == 3
    again = run(lazo, one)
    assert (again["related"], again["created"]) == (0, 0)
    gone = undo(lazo, one)
    lazo.settle()
    assert (gone["relations_removed"], gone["contacts_removed"]) == (8, 5)
    assert state(lazo) == before and lazo.count("rel-workers") == 0 and related(lazo, acme) == []


def test_relations_make_companies(lazo):
    one = upload(lazo, "external_id,hogar,empresa donde trabaja\n" + "".join(f"maker{i},Casa {i % 700},Taller {i % 3}\n" for i in range(2100)) + "maker1,CASA 1,taller 1\nmaker1,Casa 7,\n")
    before = state(lazo)
    settle(lazo, one, columns={"empresa donde trabaja": "relation.employee of"}, others="make")
    would = check(lazo, one)
    did = run(lazo, one)
    assert numbers(did) == numbers(would)
    assert (did["created"], did["related"], did["unrelated"]) == (2100 + 700 + 3, 4201, 0)
    kinds = dict(lazo.sql("SELECT kind, count(*) FROM contact WHERE import_id = %s GROUP BY 1", [one["id"]]))
    assert kinds == {"person": 2100, "household": 700, "company": 3}
    gone = undo(lazo, one)
    lazo.settle()
    assert (gone["relations_removed"], gone["contacts_removed"], gone["contacts_kept"]) == (4201, 2803, 0)
    assert state(lazo) == before


def test_companies_that_are_called_otherwise(lazo):
    """A relation means who has the name when all rows are recorded, however often it changed; a dry run knows it across its blocks."""
    head = "external_id,contact_kind,company_name,relation.employee of\n"
    lazo.api("POST", "/v1/contacts", {"external_id": "cao-old", "kind": "company", "company_name": "Cao Old"})
    lazo.api("POST", "/v1/contacts", {"external_id": "cao-person", "kind": "person", "company_name": "Cao P"})
    files = {
        "a company first": "cao1,company,Cao A,\ncaop1,person,,Cao A\n",
        "twice in a block": "cao2,company,Cao B,\ncaop2,person,,Cao B\ncao2,company,Cao C,\ncaop3,person,,Cao C\ncao2,company,Cao B,\ncaop4,person,,Cao C\n",
        "in another block": "cao3,company,Cao D,\ncaop5,person,,Cao D\nPADcao3,company,Cao E,\ncaop6,person,,Cao E\ncaop7,person,,Cao D\n",
        "one that was there": "cao-old,company,Cao F,\nPADcao-old,company,Cao G,\ncaop8,person,,Cao F\ncaop9,person,,Cao Old\ncaop10,person,,Cao G\n",
        "back again": "cao-old,company,Cao H,\nPADcao-old,company,Cao Old,\ncaop11,person,,Cao Old\n",
        "of two one is left": "cao4,company,Cao I,\nPADcao5,company,Cao I,\nPADcao4,company,Cao J,\ncaop12,person,,Cao I\ncaop13,person,,Cao J\n",
        "a person after all": "cao6,company,Cao K,\nPADcao6,person,,\ncaop14,person,,Cao K\n",
        "a person's employer": "cao-person,,Cao L,\ncaop15,person,,Cao L\n",
    }
    for others in ("refuse", "make"):
        for n, (name, rows) in enumerate(files.items() if others == "refuse" else list(files.items())[:3]):
            rows = rows.replace("cao", f"{others}-cao") if others == "make" else rows
            for k in range(rows.count("PAD")):
                rows = rows.replace("PAD", "".join(f"{others}pad{n}-{k}-{i},person,,\n" for i in range(1000)), 1)
            one = upload(lazo, head + rows)
            settle(lazo, one, others=others)
            would = check(lazo, one)
            assert numbers(run(lazo, one)) == numbers(would), (name, others)
            undo(lazo, one)


def test_relations_that_others_speak_of(lazo):
    """What somebody said of a relation since makes it theirs, and both of its contacts stay."""
    one = upload(lazo, "external_id,trabaja en\nowr1,Owr\nowr2,Owr\n")
    settle(lazo, one, others="make")
    run(lazo, one)
    ids = dict(lazo.sql("SELECT value, contact_id FROM identity WHERE value ^@ 'owr'"))
    company = lazo.items(f"/v1/contacts/{ids['owr1']}/relations")[0]["contact"]["id"]
    lazo.api("PUT", f"/v1/contacts/{ids['owr1']}/relations/employee%20of/{company}", {"note": "jefa"})
    gone = undo(lazo, one)
    assert (gone["relations_removed"], gone["contacts_removed"], gone["kept"]) == (1, 1, sorted([ids["owr1"], company]))
    assert related(lazo, ids["owr1"]) == [("employee of", company)]


def test_relations_are_judged(lazo):
    one = upload(lazo, "external_id,trabaja en\na,b\n")
    for said, where in (({"columns": {"trabaja en": "relation.friend of"}}, "/columns/trabaja en"), ({"columns": {"trabaja en": "relation.same household"}}, "/columns/trabaja en"),
                        ({"columns": {"trabaja en": "relation."}}, "/columns/trabaja en"), ({"others": "invent"}, "/others"), ({"split": "-"}, "/split")):
        r = lazo.request("PUT", f"/v1/imports/{one['id']}/mapping", json=said)
        assert r.status_code == 422 and [e["pointer"] for e in r.json()["errors"]] == [where], r.text


def test_relations_survive_a_kill(lazo):
    def up():
        try:
            return lazo.get(f"/v1/imports/{one['id']}")
        except Exception:  # pylint: disable=broad-except
            return None
    one = upload(lazo, "external_id,hogar\n" + "".join(f"kil{i},{'Hogar %d' % (i % 900) if i % 40 else 'kil%d' % i}\n" for i in range(6000)))
    settle(lazo, one, others="make")
    would = check(lazo, one)
    lazo.api("POST", f"/v1/imports/{one['id']}/start")
    eventually(lambda: (up() or {"report": None})["report"] and up()["report"]["related"] > 0, what="relations are made")
    lazo.kill("lazod")
    did = eventually(lambda: (s := up()) and s["state"] == "finished" and s, 120, "the import is finished")["report"]
    assert numbers(did) == numbers(would) and (did["unrelated"], did["related"]) == (150, 5850)
    assert lazo.sql("SELECT count(*) FROM relation WHERE import_id = %s", [one["id"]]) == [(2 * 5850,)]
    lazo.api("POST", f"/v1/imports/{one['id']}/undo")
    eventually(lambda: (s := up()) and (s["undone"] or {}).get("relations_removed"), what="relations go")
    lazo.kill("lazod")
    gone = eventually(lambda: (s := up()) and s["state"] == "undone" and s, 120, "the import is undone")["undone"]
    assert (gone["relations_removed"], gone["contacts_removed"]) == (5850, 6000 + 900)
