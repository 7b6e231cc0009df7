"""`lazoctl migrate`: from any earlier state with data in it, twice, and what it refuses. And each named statement fits the schema."""
import hashlib
import pathlib

import psycopg2
import pytest
from conftest import lazoctl, migrate, started
from statements import statements

ROOT = pathlib.Path(__file__).resolve().parents[2]
MIGRATIONS = sorted((ROOT / "schema").glob("[0-9]*.sql"))
# Every column, constraint, index, trigger, policy, right and function of the schema.
SHAPE = """
SELECT 'column', format('%s.%s %s %s', attrelid::regclass, attname, format_type(atttypid, atttypmod), attnotnull) FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid
 WHERE c.relnamespace = 'lazo'::regnamespace AND attnum > 0 AND NOT attisdropped
UNION ALL SELECT 'constraint', format('%s %s', conrelid::regclass, pg_get_constraintdef(oid)) FROM pg_constraint WHERE connamespace = 'lazo'::regnamespace
UNION ALL SELECT 'index', indexdef FROM pg_indexes WHERE schemaname = 'lazo'
UNION ALL SELECT 'trigger', pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid WHERE c.relnamespace = 'lazo'::regnamespace AND NOT tgisinternal
UNION ALL SELECT 'policy', format('%s %s %s', tablename, policyname, qual) FROM pg_policies WHERE schemaname = 'lazo'
UNION ALL SELECT 'right', format('%s %s %s', table_name, grantee, privilege_type) FROM information_schema.role_table_grants WHERE table_schema = 'lazo'
UNION ALL SELECT 'function', pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'lazo'::regnamespace
ORDER BY 1, 2"""


class Database:
    """A database of its own, as a superuser sees it."""

    def __init__(self, name):
        self.name = name
        started().create(name)
        self.connection = started().connect("postgres", name)
        self.connection.autocommit = True
        self.cursor = self.connection.cursor()

    def rows(self, text, *args):
        self.cursor.execute(text, args or None)
        return self.cursor.fetchall() if self.cursor.description else None

    def migrate(self, *options, user="lazo_owner"):
        return migrate(user, self.name, *options)


@pytest.fixture
def database(request):
    one = Database("m_" + "".join(c if c.isalnum() else "_" for c in request.node.name.lower()))
    yield one
    one.connection.close()


@pytest.fixture(scope="module")
def fresh():
    one = Database("fresh")
    assert one.migrate("--roles", user="postgres") == (0, "".join(f"applied {m.name}\n" for m in MIGRATIONS))
    return one


def counts(database):
    tables = [row[0] for row in database.rows("SELECT relname FROM pg_class WHERE relnamespace = 'lazo'::regnamespace AND relkind = 'r' ORDER BY 1")]
    return {t: database.rows(f'SELECT count(*) FROM lazo."{t}"')[0][0] for t in tables}


def test_twice_changes_nothing(fresh):
    shape, applied = fresh.rows(SHAPE), fresh.rows("SELECT * FROM public.lazo_migration ORDER BY 1")
    assert fresh.migrate() == (0, "up to date\n")
    assert fresh.migrate("--roles", user="postgres") == (0, "up to date\n")
    assert fresh.rows(SHAPE) == shape
    assert fresh.rows("SELECT * FROM public.lazo_migration ORDER BY 1") == applied
    assert [row[0] for row in applied] == [m.name for m in MIGRATIONS]


@pytest.mark.parametrize("n", range(1, len(MIGRATIONS)))
def test_data_of_earlier_migrations_stays(fresh, database, n):
    database.cursor.execute((ROOT / "schema/roles.sql").read_text())
    database.cursor.execute("GRANT USAGE, CREATE ON SCHEMA public TO lazo_owner; SET ROLE lazo_owner;"
                            "CREATE TABLE public.lazo_migration (name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL)")
    for path in MIGRATIONS[:n]:
        database.cursor.execute("BEGIN; " + path.read_text() + "; COMMIT")
        database.rows("INSERT INTO public.lazo_migration VALUES (%s, %s, now())", path.name, hashlib.sha256(path.read_bytes()).hexdigest())
    database.cursor.execute("RESET ROLE; " + (ROOT / "tests/sql/organisations.psql").read_text())
    database.rows("SELECT tap.fill('a'), tap.fill('b')")
    before = counts(database)
    code, said = database.migrate()
    assert (code, said) == (0, "".join(f"applied {m.name}\n" for m in MIGRATIONS[n:]))
    after = counts(database)
    # A later migration may bring kinds that the engine records; the words that contacts are found by are made anew.
    made = {"kind", "contact_word"}
    assert {t: after[t] for t in before if t not in made} == {t: n for t, n in before.items() if t not in made}
    assert all(after[t] >= before[t] for t in made & set(before))
    database.rows("DROP SCHEMA tap CASCADE")
    assert database.rows(SHAPE) == fresh.rows(SHAPE)


def test_a_changed_migration_is_refused(database):
    assert database.migrate("--roles", user="postgres")[0] == 0
    name = MIGRATIONS[1].name
    database.rows("UPDATE public.lazo_migration SET checksum = repeat('0', 64) WHERE name = %s", name)
    assert database.migrate() == (1, f"lazoctl migrate: {name} was changed after it had been applied\n")


def test_a_later_migration_is_refused(database):
    assert database.migrate("--roles", user="postgres")[0] == 0
    database.rows("INSERT INTO public.lazo_migration VALUES ('9999_later.sql', '', now())")
    code, said = database.migrate()
    assert code == 1 and "the database has 9999_later.sql, which this version of Lazo does not know" in said


def test_a_gap_is_refused(database):
    assert database.migrate("--roles", user="postgres")[0] == 0
    name = MIGRATIONS[-2].name
    database.rows("DELETE FROM public.lazo_migration WHERE name = %s", name)
    code, said = database.migrate()
    assert code == 1 and f"{name} is missing in the database" in said


def test_one_that_fails_leaves_nothing(database):
    """A table of the same name stands in the way of the second migration."""
    assert database.migrate("--roles", user="postgres")[0] == 0
    database.rows("DROP SCHEMA lazo CASCADE; TRUNCATE public.lazo_migration; CREATE SCHEMA lazo; CREATE TABLE lazo.contact ()")
    code, said = database.migrate()
    assert code == 1 and f"{MIGRATIONS[0].name} was not applied" in said
    assert database.rows("SELECT * FROM public.lazo_migration") == []


def test_without_rights_or_database(database):
    code, said = database.migrate(user="lazo_app")
    assert code == 1 and "permission denied" in said
    code, said = lazoctl("migrate", "--database", "host=/nonexistent dbname=lazo")
    assert code == 1 and said


@pytest.mark.parametrize("name", statements())
def test_statement_prepares(fresh, name):
    connection = app(fresh)
    with connection.cursor() as cursor:
        cursor.execute(f'PREPARE "{name}" AS ' + statements()[name])
        cursor.execute("SELECT array_agg(t::text) FROM pg_prepared_statements, unnest(parameter_types) AS t WHERE name = %s", (name,))
        types = cursor.fetchone()[0] or []
    connection.rollback()
    # Untyped parameters become text by chance and lose their indexes.
    assert "unknown" not in types and "numeric" not in types


connections = {}


def app(database):
    """As lazod connects."""
    if "app" not in connections:
        connections["app"] = psycopg2.connect(started().conninfo("lazo_app", database.name), options="-c search_path=lazo -c lazo.writer=lazod")
    return connections["app"]
