"""The example organisation with its history: scores of all 995 people, and that doing things twice changes nothing."""
import collections
import csv
import shutil

from lazo_test import EXAMPLE, EXPECTED_SCORES, eventually

TABLES = ("contact", "identity", "interaction", "interaction_key", "consent", "membership", "rfm_score", "segment", "template_version", "journey",
          "campaign", "webhook", "journey_position", "delivery", "job")


def counts(lazo):
    """Of all tables, when nothing is under way."""
    lazo.settle()
    return {t: lazo.sql(f"SELECT count(*) FROM {t}")[0][0] for t in TABLES}


def addresses():
    with open(EXAMPLE / "history" / "donations.csv", newline="") as f:
        return {row["external_id"]: row["email"].lower() for row in csv.DictReader(f)}


def test_rfm_of_all(example):
    with open(EXPECTED_SCORES, newline="") as f:
        expected = {row["customer_id"]: row for row in csv.DictReader(f)}
    address = addresses()
    assert len(expected) == 995
    seen = {s["email"]: s for s in example.items("/v1/rfm/donations/scores")}
    assert len(seen) == 995
    wrong = []
    for name, row in expected.items():
        s = seen[address[name]]
        if (s["r"], s["f"], s["m"]) != tuple(int(row[k]) for k in ("recency_score", "frequency_score", "monetary_score")) \
                or (s["frequency"], s["monetary"]) != (int(row["transaction_count"]), row["amount"] + ".00"):
            wrong.append((name, s, row))
    assert not wrong, wrong[:5]


def test_rfm_summary_and_breaks(example):
    with open(EXPECTED_SCORES, newline="") as f:
        cells = collections.Counter((int(r["recency_score"]), int(r["frequency_score"])) for r in csv.DictReader(f))
    summary = example.get("/v1/rfm/donations/summary")
    assert summary["contacts"] == 995
    assert {(c["r"], c["f"]): c["contacts"] for c in summary["grid"] if c["contacts"]} == dict(cells)
    labels = {one["label"]: one["contacts"] for one in summary["labels"]}
    assert labels["champion"] == 158 and sum(labels.values()) == 995
    breaks = example.get("/v1/rfm/donations/breaks")
    assert breaks["frequency"] == [4, 5, 6, 8]
    assert [float(b) for b in breaks["monetary"]] == [255.8, 382, 506.4, 666]


def test_import_started_nothing(example, example_sink):
    assert len(example_sink) == 0
    assert example.sql("SELECT count(*) FROM journey_position") == [(0,)]


def test_import_again_changes_nothing(example, example_sink):
    before = counts(example)
    files = EXAMPLE / "history"
    said = example.ctl("import", "interactions", files / "donations.csv", "--kind", "donation", "--source", "history").stdout
    assert "0 recorded" in said and "4906 duplicates" in said
    said = example.ctl("import", "contacts", files / "contacts.csv", "--topic", "boletin", "--attestation", "on paper").stdout
    assert "0 created" in said
    example.settle()
    assert counts(example) == before
    assert len(example_sink) == 0


def test_sheet_of_the_manual(example):
    """config/example/import, as lazo-import(7) tells it; and taken back."""
    def given():
        # That somebody entered and left a segment meanwhile stays told.
        rest = {t: n for t, n in counts(example).items() if t != "interaction"}
        return rest, example.sql("SELECT count(*) FROM interaction i JOIN kind k ON k.id = i.kind_id WHERE k.name NOT IN ('segment_entered', 'segment_left')")

    before, folder = given(), EXAMPLE / "import"
    words = ["import", "interactions", folder / "donativos.csv", "--mapping", folder / "donativos.yaml"]
    said = example.ctl(*words, "--dry-run").stdout
    assert "this would be done: 5 recorded, 0 duplicates, 0 refused" in said and "Correo electrónico" in said
    assert given() == before
    said = example.ctl(*words).stdout
    assert "5 recorded, 0 duplicates, 0 refused" in said and "3 contacts created" in said and "1 interactions amend others" in said
    assert "1 rows say nobody" in said
    number = said.split("import undo ")[1].split()[0]
    seen = example.sql("SELECT k.name, i.amount FROM interaction i JOIN kind k ON k.id = i.kind_id WHERE i.source = 'excel' ORDER BY i.occurred_at, i.id")
    assert sorted(seen, key=str) == sorted([("donation", 125000), ("donation", 2550), ("donation", 2550), ("refunded", 0), ("refund", None)], key=str)
    assert number in example.ctl("import", "list").stdout and '"finished"' in example.ctl("import", "show", number).stdout
    assert example.ctl("import", "rejected", number).stdout.startswith("Nº socio,")
    said = example.ctl("import", "undo", number).stdout
    assert "5 interactions and 3 contacts removed" in said and "kept" not in said
    example.settle()
    assert given() == before


def test_members_come_from_a_sheet(example):
    """With further addresses, and whom they belong to."""
    people, folder = example.sql("SELECT count(*) FROM contact"), EXAMPLE / "import"
    said = example.ctl("import", "contacts", folder / "socios.csv", "--mapping", folder / "socios.yaml").stdout
    assert "5 created" in said and "5 relations" in said
    nuria = example.get("/v1/contacts?q=nuria@trabajo.example")["items"][0]
    assert len(nuria["emails"]) == len(nuria["phones"]) == 2 and nuria["email"] == "nuria.salas@example.org" and nuria["groups"] == ["Junta"]
    assert sorted(r["relation"] for r in example.items(f"/v1/contacts/{nuria['id']}/relations")) == ["employee of", "member of household", "spouse"]
    example.ctl("import", "undo", said.split("import undo ")[1].split()[0])
    assert example.sql("SELECT count(*) FROM contact") == people


def test_apply_again_changes_nothing(example, receiver):
    before, env = counts(example), {"LAZO_EXAMPLE_HOOK": receiver.url}
    for words in (["apply", EXAMPLE, "--dry-run"], ["apply", EXAMPLE]):
        said = example.ctl(*words, env=env).stdout
        assert "created" not in said.replace("0 created", "") and "changed" not in said.replace("0 changed", "").replace("unchanged", ""), said
    example.settle()
    assert counts(example) == before


def test_apply_says_what_and_where(example, receiver, tmp_path):
    folder = tmp_path / "org"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("history", "import"))
    env = {"LAZO_EXAMPLE_HOOK": receiver.url}
    rule = folder / "segments" / "nuevos.rule"
    rule.write_text('# Nuevos\nfirst(donation) in last 30 days\n')
    said = example.ctl("apply", folder, "--dry-run", env=env).stdout
    assert "would change segment nuevos" in said
    assert example.get("/v1/segments/nuevos")["rule"].endswith("90 days\n")
    rule.write_text('# Nuevos\nfirst(donation) in last 30 parsecs\n')
    (folder / "templates" / "welcome" / "es" / "body.txt.liquid").write_text("Hola\n{% if contact.first_name %}\n")
    (folder / "journeys" / "welcome.yaml").write_text("start: { interaction: signup }\nsteps:\n  - sned: welcome\n")
    before = counts(example)
    done = example.ctl("apply", folder, env=env, check=False)
    assert done.returncode == 1
    assert "segments/nuevos.rule:2:" in done.stderr
    assert "templates/welcome/es/body.txt.liquid:2:" in done.stderr
    assert "journeys/welcome.yaml:3:" in done.stderr and "send" in done.stderr
    assert counts(example) == before


def test_history_counts_like_facts(example):
    assert example.count("donantes") == 995
    assert example.count("dormidos") == 344
    assert example.count("nuevos") == 1


def test_restart_loses_nothing(example, example_sink, receiver):
    calls = len(receiver.calls)
    who = example.record({"email": "before@restart.example", "first_name": "Ana"}, "signup")
    mail, = example_sink.wait("before@restart.example")
    assert mail.subject == "Bienvenida a Asociación Lazo Verde, Ana"
    receiver.wait(calls + 1)
    example.settle()
    before, clock = counts(example), example.now()
    example.restart()
    example.settle()
    assert counts(example) == before
    assert example.now() >= clock and example.now()[:4] == "2006", "the clock goes on where it was"
    assert example.get(f"/v1/contacts/{who}")["first_name"] == "Ana"
    example.record({"id": who}, "donation", amount=25)
    assert eventually(lambda: {m.subject for m in example_sink.wait("before@restart.example", 2)} >=
                      {"Tu primer donativo: gracias por tus 25,00\u00a0€"})
