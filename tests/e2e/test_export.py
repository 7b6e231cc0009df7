"""What goes out: files of contacts and interactions, one person's complete file, vCards."""
import csv
import io
import json
import socket
import time

import pytest

N = 2500


@pytest.fixture(scope="module")
def crowd(lazo):
    lines = [json.dumps({"contact": {"email": f"out{i:04}@export.example", "city": "=HYPERLINK(1)" if i == 7 else "Export"}, "kind": "exported",
                         "amount": f"{i}.50", "data": {"sku": f"s{i}"}}) for i in range(N)]
    said = lazo.request("POST", "/v1/interactions", data="\n".join(lines), headers={"Content-Type": "application/x-ndjson"}).json()
    assert said["recorded"] == N
    return {f"out{i:04}@export.example" for i in range(N)}


def export(lazo, **query):
    answer = lazo.request("GET", "/v1/exports", params=query)
    assert answer.status_code == 200, answer.text
    return answer


def test_contacts_as_csv(lazo, crowd):
    answer = export(lazo, columns="id,email,city")
    assert answer.headers["Transfer-Encoding"] == "chunked" and answer.headers["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert crowd <= {r["email"] for r in rows}
    assert len({r["id"] for r in rows}) == len(rows), "nobody twice"
    assert next(r["city"] for r in rows if r["email"] == "out0007@export.example") == "'=HYPERLINK(1)"


def test_by_rule_as_ndjson(lazo, crowd):
    rows = [json.loads(line) for line in export(lazo, rule='city = "Export"', format="ndjson").text.splitlines()]
    assert {r["email"] for r in rows} == crowd - {"out0007@export.example"}
    assert {"tags", "identities", "attr"} <= set(rows[0])
    assert export(lazo, rule='city = "nowhere"', format="ndjson").text == ""
    assert export(lazo, rule='city = "nowhere"', columns="id,email").text == "id,email\r\n"


def test_interactions(lazo, crowd):
    rows = list(csv.DictReader(io.StringIO(export(lazo, what="interactions", columns="id,email,kind,amount,data.sku").text, newline="")))
    mine = [r for r in rows if r["kind"] == "exported"]
    assert sorted(r["amount"] for r in mine) == sorted(f"{i}.50" for i in range(N))
    assert all(r["data.sku"] == "s" + str(int(r["email"][3:7])) for r in mine)
    assert len({r["id"] for r in rows}) == len(rows)
    ruled = export(lazo, what="interactions", rule='city = "Export"', format="ndjson").text.splitlines()
    assert len(ruled) == N - 1


def test_many_of_one_contact(lazo):
    body = [{"contact": {"email": "many@export.example", "city": "Onemany"}, "kind": "manyexported"}] * 900
    for _ in range(2):
        lazo.api("POST", "/v1/interactions", body)
    for query in ({}, {"rule": 'city = "Onemany"'}):
        rows = [json.loads(line) for line in export(lazo, what="interactions", format="ndjson", **query).text.splitlines()]
        assert len({r["id"] for r in rows if r["kind"] == "manyexported"}) == 1800


def test_mistakes(lazo):
    for query, status in (({"what": "people"}, 400), ({"format": "xml"}, 400), ({"columns": "emial"}, 422), ({"rule": "city ="}, 422)):
        assert lazo.request("GET", "/v1/exports", params=query).status_code == status, query


def test_a_client_that_leaves(lazo, crowd):
    """Or does not read: the instance goes on, and answers others."""
    port = int(lazo.url.rsplit(":", 1)[1])
    for read in (0, 1000):
        with socket.create_connection(("127.0.0.1", port)) as s:
            s.sendall(f"GET /v1/exports?what=interactions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {lazo.token}\r\n\r\n".encode())
            if read:
                s.recv(read)
            time.sleep(0.2)
            assert lazo.request("GET", "/v1/status").status_code == 200
    assert lazo.request("GET", "/v1/status").status_code == 200


def test_by_lazoctl(lazo, crowd, tmp_path):
    file = tmp_path / "out.csv"
    lazo.ctl("export", "contacts", "--rule", 'city = "Export"', "--columns", "email", "--output", file)
    assert set(file.read_text().split()[1:]) == crowd - {"out0007@export.example"}
    assert lazo.ctl("export", "contacts", "--columns", "nothing", check=False).returncode == 1
    # Never half a file under its name, and never one that was there.
    again = lazo.ctl("export", "contacts", "--columns", "email", "--output", file, check=False)
    assert again.returncode == 1 and "File exists" in again.stderr and set(file.read_text().split()[1:]) == crowd - {"out0007@export.example"}
    other, part = tmp_path / "other.csv", tmp_path / "other.csv.part"
    part.write_text("what an export that was killed left")
    assert lazo.ctl("export", "contacts", "--columns", "nothing", "--output", other, check=False).returncode == 1
    assert not other.exists() and not part.exists()
    lazo.ctl("export", "contacts", "--columns", "email", "--output", other)
    assert other.read_text().startswith("email") and not part.exists()


def test_one_person(lazo):
    who = lazo.api("POST", "/v1/contacts", {"email": "file@export.example", "first_name": "Fi", "last_name": "Le;", "tags": ["t"],
                                            "consents": [{"topic": "news", "action": "grant", "wording": "Sí"}]})["id"]
    lazo.record({"id": who}, "filed", amount="5.00")
    file = lazo.get(f"/v1/contacts/{who}/file")
    assert file["contact"]["tags"] == ["t"] and file["consents"][0]["wording"] == "Sí"
    assert {i["kind"] for i in file["interactions"]} == {"filed", "subscribed"}
    assert {"segments", "scores", "deliveries", "journeys", "campaigns", "suppressions"} <= set(file)
    card = lazo.request("GET", f"/v1/contacts/{who}/vcard")
    assert card.headers["Content-Type"].startswith("text/vcard")
    assert "FN:Fi Le\\;\r\n" in card.text and card.text.endswith("END:VCARD\r\n")
    for part in ("file", "vcard"):
        assert lazo.request("GET", f"/v1/contacts/987654/{part}").status_code == 404
