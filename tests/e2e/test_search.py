"""Contacts by words and by rule: what finds whom, in pages, while others write."""
import threading

import pytest
from lazo_test import ApiError

PEOPLE = [
    {"first_name": "María José", "last_name": "González", "city": "Málaga", "postal_code": "29001", "street": "Calle Larios 5"},
    {"first_name": "Maria", "last_name": "Gonzalez Ruiz", "city": "Lugo"},
    {"first_name": "Mario", "last_name": "Iglesias", "city": "Vic", "phone": "+34 600 111 222"},
    {"kind": "company", "company_name": "Panadería La Espiga, S.L.", "external_id": "CLI-0077"},
    {"first_name": "Straße", "last_name": "Øster"},
    {"first_name": "Zacarías", "last_name": "Martinez Martín"},
]


@pytest.fixture(scope="module")
def people(lazo):
    ids = []
    for i, p in enumerate(PEOPLE):
        ids.append(lazo.api("POST", "/v1/contacts", {"email": f"search{i}@search.example", **p})["id"])
    return ids


def find(lazo, q, **params):
    """Ids of those found, over all pages."""
    found, after = [], None
    while True:
        r = lazo.request("GET", "/v1/contacts", params={"q": q, "limit": params.get("limit", 50), **params, **({"after": after} if after else {})})
        assert r.status_code == 200, r.text
        found += [c["id"] for c in r.json()["items"]]
        after = r.json()["next"]
        if after is None:
            assert len(found) == len(set(found)), found
            return found


@pytest.mark.parametrize("q, who", [
    ("gonzalez", [0, 1]), ("GONZÁLEZ", [0, 1]), ("gonz mar", [0, 1]), ("maria jose", [0]), ("José María González Málaga", [0]), ("larios", [0]), ("29001", [0]),
    ("malaga maria", [0]), ("espiga", [3]), ("cli-0077", [3]), ("0077", [3]), ("oster", []), ("straße", [4]), ("search2@search.example", [2]),
    ("SEARCH2@Search.example", [2]), ("search2@sea", [2]), ("600111222", [2]), ("+34 600 111 222", [2]), ("600 111 222", [2]), ("martin", [5]), ("mart marti", [5]),
    ("xyzzy", []), ("maria xyzzy", []), ("", []), ("¡!", []), ("'; --", []), ("%", []), ("\\", [])])
def test_who_is_found(lazo, people, q, who):
    assert sorted(set(find(lazo, q)) & set(people)) == [people[i] for i in who], q


@pytest.mark.parametrize("q, who", [
    ("gonzlaez", [0, 1]), ("gonzales", [0, 1]), ("ggonzalez", [0, 1]), ("gonzaelz ruis", [1]), ("iglesas", [2]), ("igelsias mario", [2]), ("panaderia espega", [3]),
    ("zakarias", [5]), ("mar igl", [2]), ("gxnzblez", [])])
def test_mistakes_of_typing(lazo, people, q, who):
    assert sorted(set(find(lazo, q)) & set(people)) == [people[i] for i in who], q


def test_what_is_typed_well_is_taken_as_it_is(lazo, people):
    """No guessing where there is somebody of that name."""
    other = lazo.api("POST", "/v1/contacts", {"email": "search-other@search.example", "first_name": "Iglesia"})["id"]
    assert find(lazo, "iglesia") == [other, people[2]]  # the whole word first, then what begins with it
    assert find(lazo, "iglesias") == [people[2]]
    lazo.api("DELETE", f"/v1/contacts/{other}")


def test_notes_and_mail(lazo, people):
    lazo.record({"id": people[4]}, "note", data={"text": "Prefiere que la llamemos por la tarde; tiene un perro salchicha"})
    fact = lazo.api("POST", "/v1/interactions", {"contact": {"id": people[4]}, "kind": "email_received",
                                                 "data": {"subject": "Consulta sobre el albergue", "text": 5}})["items"][0]["id"]
    lazo.record({"id": people[4]}, "searchvisit", data={"page": "tobogan"})
    assert find(lazo, "salchicha") == [people[4]] and find(lazo, "consulta albergue") == [people[4]]
    assert find(lazo, "albergue perro") == [people[4]] and find(lazo, "tobogan") == []
    lazo.api("PATCH", f"/v1/contacts/{people[4]}/interactions/{fact}", {"data": {"subject": "Otra cosa sobre refugios"}})
    assert find(lazo, "albergue") == [] and find(lazo, "refugio") == [people[4]]
    lazo.api("DELETE", f"/v1/contacts/{people[4]}/interactions/{fact}")
    assert find(lazo, "refugio") == []


def test_words_follow_what_is_known(lazo):
    who = lazo.api("POST", "/v1/contacts", {"email": "zarzal@search.example", "first_name": "Fulgencia", "city": "Teruel"})["id"]
    lazo.api("PATCH", f"/v1/contacts/{who}", {"first_name": "Genoveva", "email": "zarzal2@search.example", "phone": "612 000 999"})
    assert find(lazo, "fulgencia") == [] and find(lazo, "genoveva teruel") == [who]
    assert find(lazo, "zarzal@search.example") == [who] and find(lazo, "zarzal2@search.example") == [who]  # both are theirs
    assert find(lazo, "612000999") == [who]
    lazo.api("PATCH", f"/v1/contacts/{who}", {"email": None, "phone": None})
    assert find(lazo, "zarzal") == [] and find(lazo, "612000999") == []
    lazo.api("DELETE", f"/v1/contacts/{who}")
    assert find(lazo, "genoveva") == [] and lazo.sql("SELECT count(*) FROM contact_word WHERE contact_id = %s", [who]) == [(0,)]


def test_rule_and_words(lazo, people):
    lazo.record({"id": people[0]}, "searchgift", amount="5")
    lazo.settle()
    assert find(lazo, "gonzalez", rule="any(searchgift)") == [people[0]] and find(lazo, "iglesias", rule="any(searchgift)") == []
    assert find(lazo, "gonzlaez", rule='city = "lugo"') == [people[1]]
    with pytest.raises(ApiError) as e:
        lazo.get("/v1/contacts?q=x&rule=any(")
    assert e.value.status == 422


@pytest.mark.parametrize("after", ["x", "5", "e30", "eyJ3IjpbWyJhIl1dLCJwIjo3LCJhIjoiYSIsImkiOjF9", "=", "-1", "99999999999999999999"])
def test_a_cursor_that_is_none(lazo, after):
    assert lazo.request("GET", "/v1/contacts", params={"q": "maria", "after": after}).status_code == 400
    if not after.isdigit() or len(after) > 18:
        assert lazo.request("GET", "/v1/contacts", params={"rule": "any(donation)", "after": after}).status_code == 400


def test_pages_of_two_while_others_write(lazo):
    """Everybody who is there throughout is found once, whoever comes and goes meanwhile; by words, by rule, by both, and in the plain list."""
    names = ["Adelaida", "Adelina", "Adelfa", "Adela"]
    there = [lazo.api("POST", "/v1/contacts", {"email": f"stable{i}@search.example", "first_name": names[i % 4], "last_name": "Adelgaza", "city": "Adeje"})["id"]
             for i in range(40)]
    stop = threading.Event()
    problems = []

    def churn():
        n = 0
        while not stop.is_set():
            n += 1
            try:
                who = lazo.api("POST", "/v1/contacts", {"email": f"churn{n}@search.example", "first_name": names[n % 4], "city": "Adeje"})["id"]
                if n % 2:
                    lazo.api("DELETE", f"/v1/contacts/{who}")
            except Exception as e:  # pylint: disable=broad-except
                problems.append(e)
                return

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for params in ({"q": "adel"}, {"q": "adel adeje"}, {"rule": 'city = "adeje"'}, {"q": "adelg", "rule": 'city = "adeje"'}, {}, {"q": "adelaidda"}):
            found, after = [], None if params else str(there[0] - 1)  # of the plain list, which is of everybody, from the first of these on
            while True:
                r = lazo.request("GET", "/v1/contacts", params={"limit": 2, **params, **({"after": after} if after else {})})
                assert r.status_code == 200, r.text
                assert len(r.json()["items"]) <= 2
                found += [c["id"] for c in r.json()["items"]]
                after = r.json()["next"]
                if after is None or len(found) > 3000:
                    break
            assert len(found) == len(set(found)), params
            wanted = there if params != {"q": "adelaidda"} else [i for k, i in enumerate(there) if k % 4 == 0]
            assert set(wanted) <= set(found), (params, len(set(wanted) - set(found)))
    finally:
        stop.set()
        thread.join()
    assert not problems


@pytest.mark.parametrize("q", ["-------", ".........", "       ", "() / - .", "+------", "%%%%%%%", "_______", "*", "?!?!?!?!", "🙂🙂🙂", "\u202e\u200f", "''''''''", '"', "\\\\\\",
                               "@", "@@", "a@", "@@@ @@@"])
def test_what_has_no_word_finds_nobody(lazo, people, q):
    assert not set(find(lazo, q)) & set(people)


def test_other_scripts(lazo):
    who = {name: lazo.api("POST", "/v1/contacts", {"email": f"script{i}@search.example", "first_name": name})["id"]
           for i, name in enumerate(["محمد", "שרה", "Ἀθηνᾶ", "Дмитрий", "明美", "Anna🙂Luz", "ＦＵＬＬ", "İpek"])}
    assert find(lazo, "محمد") == [who["محمد"]] and find(lazo, "شرה") == []
    assert find(lazo, "שר") == [who["שרה"]] and find(lazo, "дмит") == [who["Дмитрий"]] and find(lazo, "明") == [who["明美"]]
    assert find(lazo, "luz anna") == [who["Anna🙂Luz"]] and find(lazo, "anna 🙂") == [who["Anna🙂Luz"]] and find(lazo, "αθηνα") == [who["Ἀθηνᾶ"]]
    assert find(lazo, "ipek") == [who["İpek"]] and find(lazo, "İPEK") == [who["İpek"]]
    for each in who.values():
        lazo.api("DELETE", f"/v1/contacts/{each}")


def test_a_question_that_is_too_long_or_no_text(lazo):
    assert lazo.request("GET", "/v1/contacts", params={"q": "x" * 10240}).status_code == 400
    assert lazo.request("GET", "/v1/contacts", params={"q": "ñ " * 60}).status_code == 200
    for q in ("%FF", "a%00b", "%C3", "%ED%A0%80"):
        assert lazo.request("GET", f"/v1/contacts?q={q}").status_code == 400, q
        assert lazo.request("GET", f"/v1/contacts?rule=city%20%3D%20%22{q}%22").status_code in (400, 422), q
