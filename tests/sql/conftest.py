"""One private PostgreSQL for the tests of the schema, and the pgTAP files: each of their cases is a test of its own.

The database "lazo" is made as an administrator makes it, with `lazoctl migrate --roles`; pgTAP stands in it besides, as "public"."""
import pathlib
import re
import subprocess
import os
import sys

import psycopg2
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from postgres import Cluster  # noqa: E402

one = None


def lazoctl(*arguments):
    """Its exit status and what it says."""
    done = subprocess.run([os.path.join(os.environ["LAZO_BUILD"], "lazoctl"), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


def migrate(user, database, *options):
    return lazoctl("migrate", *options, "--database", started().conninfo(user, database))


def started():
    global one
    if one is None:
        one = Cluster()
        one.create("lazo")
        code, said = migrate("postgres", "lazo", "--roles")
        assert code == 0, said
        with one.connect("postgres") as connection, connection.cursor() as cursor:
            cursor.execute("CREATE EXTENSION pgtap SCHEMA public")
        connection.close()
    return one


def pytest_sessionfinish():
    if one is not None:
        one.stop()


@pytest.fixture(scope="session")
def cluster():
    return started()


def pytest_collect_file(file_path, parent):
    if file_path.suffix == ".sql":
        return TapFile.from_parent(parent, path=file_path)


class TapFile(pytest.File):
    """Runs while its cases are collected: how many they are depends on the tables that there are."""

    def collect(self):
        done = subprocess.run(["pg_prove", "--verbose", "--nocolor", "-h", started().folder, "-U", "postgres", "-d", "lazo", str(self.path)],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                              env=dict(os.environ, PGOPTIONS="-c client_min_messages=warning", PGCLIENTENCODING="UTF8"))
        cases, said = [], []
        for line in done.stdout.split("\n"):
            match = re.match(r"(not )?ok (\d+)(?: - (.*))?$", line)
            if match:
                cases.append([f"{match.group(2)} {match.group(3) or ''}".strip(), not match.group(1), []])
            elif line.startswith("#") and cases:
                cases[-1][2].append(line)
            else:
                said.append(line)
        for name, passed, lines in cases:
            yield TapCase.from_parent(self, name=name, passed=passed, said="\n".join(lines))
        if not cases or (done.returncode != 0 and all(passed for _, passed, _ in cases)):
            yield TapCase.from_parent(self, name="the file as a whole", passed=False, said="\n".join(said))


class TapFailed(Exception):
    pass


class TapCase(pytest.Item):
    def __init__(self, *, passed, said, **kw):
        super().__init__(**kw)
        self.passed, self.said = passed, said

    def runtest(self):
        if not self.passed:
            raise TapFailed

    def repr_failure(self, excinfo, style=None):
        return f"{self.path.name}: {self.name}\n{self.said}" if excinfo.errisinstance(TapFailed) else super().repr_failure(excinfo, style)

    def reportinfo(self):
        return self.path, None, self.name
