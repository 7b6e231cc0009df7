"""A person's file holds what stands in each table that has rows of a contact."""
import re

from conftest import ROOT, started

# Computed, or a queue, or a key to rows that the file has.
COMPUTED = {"wake", "change", "cue", "contact_word", "interaction_key", "consent_head", "consent_merged", "contact_distinct", "erasure"}
# Where the file tells of a table through a function of the schema.
TOLD_BY = {"identity": "contact_doc", "contact_phone": "contact_doc", "contact_tag": "contact_doc", "contact_group": "contact_doc", "contact_attr": "contact_doc",
           "subscription": "contact_doc", "amendment": "interaction_doc"}


def test_the_file_of_a_person_is_complete():
    body = re.search(r"-- name: api_contact_file\n(.*?)(?=\n-- name:|\Z)", (ROOT / "schema/statements/export.sql").read_text(), re.S).group(1)
    with started().connect("postgres") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT part FROM lazo.contact_parts()")
        parts = {row[0] for row in cursor.fetchall()}
        cursor.execute("SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'lazo'::regnamespace")
        functions = dict(cursor.fetchall())
    connection.close()
    missing = {p for p in parts - COMPUTED if not re.search(rf"\b{p}\b", functions[TOLD_BY[p]] if p in TOLD_BY else body)}
    assert missing == set(), "a table with a contact_id that the person's file leaves out"
