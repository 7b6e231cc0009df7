"""Files and requests of somebody who means no good, or whose program is broken: each is answered, and nothing else stops."""
import json

import pytest
from test_imports import check, numbers, rejected, run, settle, undo, upload, wait


def test_a_reason_quotes_whole_characters(lazo):
    """What a row says is cut where it is quoted, and never within a character: the database would take none of the block."""
    for letters in ("ñ" * 40, "x" + "ñ" * 40, "€" * 40, "😀" * 40):
        one = upload(lazo, f"email,fecha de nacimiento\nwhole@hostile.example,{letters}\nwhole@hostile.example,1970-01-01\n")
        settle(lazo, one, dates="yyyy-mm-dd")
        would = check(lazo, one)
        did = run(lazo, one)
        assert numbers(did) == numbers(would) and did["refused"] == 1
        assert letters[:15] in rejected(lazo, one)[0]["reason"]
        undo(lazo, one)


@pytest.mark.parametrize("said,content,name", [
    ("utf-8", b"email,nombre\ncut@hostile.example,a\xc3", "a\ufffd"), ("utf-8", b"email,nombre\ncut@hostile.example,\xff\xfe\xe2\x82", None),
    ("utf-16le", "email,nombre\ncut@hostile.example,añ".encode("utf-16-le")[:-1], "a\ufffd"),
    ("utf-16le", "email,nombre\ncut@hostile.example,a".encode("utf-16-le") + b"\x3d\xd8", "a\ufffd"),
    ("utf-8", b"email,nombre\rcut@hostile.example,a\x00b\r", "a\ufffdb"), ("utf-8", b"\xef\xbb\xbfemail,nombre\n\ncut@hostile.example,\"a\"\"b\"", 'a"b')])
def test_a_file_that_ends_within_a_character(lazo, said, content, name):
    one = upload(lazo, content)
    settle(lazo, one, encoding=said, columns={h: f for h, f in zip(one["guess"]["headings"], ("email", "first_name"))})
    did = run(lazo, one)
    assert did["created"] == 1 and did["refused"] == 0
    seen = lazo.get("/v1/contacts/%d" % lazo.contact_id("cut@hostile.example"))["first_name"]
    assert name is None or seen == name
    undo(lazo, one)


def test_columns_without_end(lazo):
    """A header of sixty thousand columns is no header."""
    for text in ("," * 60000 + "\n", "a," * 30000 + "email\n1\n"):
        one = upload(lazo, text)
        assert one["state"] == "failed" and "columns" in one["why"]
    one = upload(lazo, ",".join(["email"] + ["x"] * 999) + "\n")
    assert one["state"] == "ready" and one["guess"]["headings"][999] == "x (999)"


def test_names_that_are_no_text(lazo):
    for name in ("%FF", "a%00b", "%C3", "%0A"):
        r = lazo.request("POST", f"/v1/imports?name={name}", data=b"email\na@hostile.example\n")
        assert r.status_code in (400, 422), (name, r.status_code, r.text)


def test_an_undoing_that_failed_is_no_place_to_go_on(lazo):
    """Whoever resumes it begins anew: what was taken back comes again, what is there stays."""
    one = upload(lazo, "external_id,fecha,importe\n" + "".join(f"half{i},2022-03-01,{i + 1}\n" for i in range(1200)))
    settle(lazo, one, kind="halfgift")
    did = run(lazo, one)
    lazo.sql("DELETE FROM interaction_key WHERE interaction_id IN (SELECT id FROM interaction WHERE import_id = %s AND amount < 50000)", [one["id"]])
    lazo.sql("DELETE FROM interaction WHERE import_id = %s AND amount < 50000", [one["id"]])
    lazo.sql("UPDATE import SET state = 'failed', why = 'test', undone = '{\"after\": 5}' WHERE id = %s", [one["id"]])
    lazo.api("POST", f"/v1/imports/{one['id']}/resume")
    again = wait(lazo, one, "finished")["report"]
    assert (again["rows"], again["recorded"], again["duplicates"]) == (1200, 499, 701) and did["recorded"] == 1200
    assert undo(lazo, one)["interactions_removed"] == 1200


def test_a_dry_run_that_is_cancelled(lazo):
    """It can be made again; nothing is ever run because of it."""
    one = upload(lazo, "external_id\n" + "".join(f"dry{i}\n" for i in range(20000)))
    settle(lazo, one)
    lazo.api("POST", f"/v1/imports/{one['id']}/dry-run")
    left = lazo.request("POST", f"/v1/imports/{one['id']}/cancel").json()
    assert left["state"] in ("ready", "cancelled")  # the second where it was over already
    if left["state"] == "ready":
        assert lazo.request("POST", f"/v1/imports/{one['id']}/resume").status_code == 409
        assert check(lazo, one)["created"] == 20000
    assert not lazo.sql("SELECT 1 FROM identity WHERE value = 'dry1'")


def test_one_phone_in_two_forms(lazo):
    """The dry run compares what the database would have, also of contacts that the file itself makes."""
    lazo.sql("UPDATE organisation SET country = 'ES'")
    rows = ["email,teléfono,país"] + ["tel@hostile.example,600 111 222,"] + [f"fill{i}@hostile.example,,\n".strip() for i in range(1100)]
    one = upload(lazo, "\n".join(rows + ["tel@hostile.example,+34 600-111-222,", "tel@hostile.example,0034600111222,ES", ""]))
    settle(lazo, one)
    would = check(lazo, one)
    did = run(lazo, one)
    assert numbers(did) == numbers(would) and did["fields"] == {"country": 1}
    undo(lazo, one)
    lazo.sql("UPDATE organisation SET country = NULL")


def test_rejected_rows_come_back_as_they_were(lazo):
    """What keeps a spreadsheet from running a cell is no part of the cell when its row comes back mended."""
    one = upload(lazo, 'email,nombre,teléfono\nno,=Ana,+34600111222\nno,"\'n Oom",-1\n')
    settle(lazo, one)
    assert run(lazo, one)["refused"] == 2
    text = lazo.request("GET", f"/v1/imports/{one['id']}/rejected").content.decode()
    assert "'=Ana" in text and "'+34600111222" in text
    text = text.replace("no,'=", "back1@hostile.example,'=").replace("no,'n", "back2@hostile.example,'n")
    two = upload(lazo, text)
    settle(lazo, two, columns={"line": None, "column": None, "reason": None})
    assert run(lazo, two)["created"] == 2
    seen = [lazo.get("/v1/contacts/%d" % lazo.contact_id(f"back{i}@hostile.example")) for i in (1, 2)]
    assert [(s["first_name"], s["phone"]) for s in seen] == [("=Ana", "+34600111222"), ("'n Oom", "-1")]
    for each in (one, two):
        undo(lazo, each)


def test_two_imports_of_one_file_at_a_time(lazo):
    """One after the other, and the second finds all of it there."""
    text = "external_id,fecha,importe\n" + "".join(f"pair{i % 700},2022-03-01,{i % 50 + 1}\n" for i in range(3000))
    both = [upload(lazo, text, f"pair{n}.csv") for n in range(2)]
    for one in both:
        settle(lazo, one, kind="pairgift")
    for one in both:
        lazo.api("POST", f"/v1/imports/{one['id']}/start")
    did = [wait(lazo, one, "finished")["report"] for one in both]
    assert sorted(d["recorded"] for d in did) == [0, 3000] and sorted(d["created"] for d in did) == [0, 700]
    for one in both:
        undo(lazo, one)
    assert lazo.sql("SELECT count(*) FROM identity WHERE value ^@ 'pair'") == [(0,)]
    assert "pair" not in json.dumps(lazo.items("/v1/contacts?limit=500"))


def test_rows_as_long_as_they_may_be(lazo):
    """Blocks are bounded by bytes, too; a row that is longer is refused alone. And one person of many thousand labels holds up nobody."""
    long_cell = "x" * 60000
    text = "email,nombre,nota,etiquetas\n" + "".join(f"big{i}@hostile.example,Big,{long_cell if i < 150 else ''},\n" for i in range(1300))
    text += f"big1@hostile.example,{'y' * 66000},,\n"
    text += "".join(f"tags@hostile.example,,,{';'.join(f't{n}' for n in range(i * 100, i * 100 + 100))}\n" for i in range(100))
    one = upload(lazo, text)
    settle(lazo, one, columns={"nota": None})
    would = check(lazo, one)
    did = run(lazo, one)
    assert numbers(did) == numbers(would)
    assert (did["rows"], did["created"], did["refused"]) == (1401, 1301, 1) and [r["line"] for r in rejected(lazo, one)] == ["1302"]
    assert lazo.sql("SELECT count(*) FROM contact_tag WHERE contact_id = %s", [lazo.contact_id("tags@hostile.example")]) == [(10000,)]
    assert undo(lazo, one)["contacts_removed"] == 1301


def test_what_was_exported_comes_back_as_it_was(lazo):
    """Whatever a text looks like to a spreadsheet, or looks like marked for one."""
    texts = ["=1+1", "+a", "-a", "@a", "-", "-25.00", "'-25.00", "'=1", "''＠x", "＝1+1", "＋1", "－1", "＠SUM(A1)", "'t Hof", "'", "a=1", "ä,\"b\";c"]
    who = [lazo.api("POST", "/v1/contacts", {"email": f"marks{i}@hostile.example", "city": text, "stage": "marks"})["id"] for i, text in enumerate(texts)]
    file = lazo.request("GET", "/v1/exports", params={"columns": "email,city", "rule": 'stage = "marks"'}).content.decode()
    for text in file.split("\r\n")[1:-1]:
        assert text.split(",", 1)[1][:1] not in tuple("=+@＝＋－＠"), text
    for i in who:
        lazo.api("PATCH", f"/v1/contacts/{i}", {"city": "another"})
    one = upload(lazo, file)
    settle(lazo, one)
    assert run(lazo, one)["fields"] == {"city": len(texts)}
    assert [lazo.get(f"/v1/contacts/{i}")["city"] for i in who] == texts
    undo(lazo, one)
