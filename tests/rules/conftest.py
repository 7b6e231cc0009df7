"""A private PostgreSQL with the schema in it, and the rule compiler as a filter.

The compiler comes from $LAZO_BUILD (tests/rules/rule_sql, or the archives to link it with); without it, it is built in a folder of its own."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from postgres import Cluster  # noqa: E402


class Compiler:
    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the compiler ended: %s" % request["rules"]
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        assert self.process.wait() == 0


def build(folder):
    """rule_sql, linked with the archives of the build or compiled from the sources."""
    made = os.environ.get("LAZO_BUILD", "")
    if os.access(os.path.join(made, "tests/rules/rule_sql"), os.X_OK):
        return os.path.join(made, "tests/rules/rule_sql")
    program = os.path.join(folder, "rule_sql")
    sources = sorted(ROOT.glob("daemon/rules/*.c"))
    sources += [ROOT / "common" / (name + ".c") for name in ("mem", "buf", "utf8", "diag", "clock", "suggest")]
    flags = ["-std=c17", "-D_GNU_SOURCE", "-I.", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    subprocess.run(["gcc", *flags, "-o", program, "tests/rules/rule_sql.c", *map(str, sources), "-ltalloc", "-ljansson"],
                   cwd=ROOT, check=True)
    return program


@pytest.fixture(scope="session")
def compiler():
    with tempfile.TemporaryDirectory() as folder:
        one = Compiler(build(folder))
        yield one
        one.close()


@pytest.fixture(scope="session")
def cluster():
    one = Cluster()
    one.create("lazo")
    one.apply("postgres", ROOT / "schema/roles.sql")
    for path in sorted((ROOT / "schema").glob("0*.sql")):
        one.apply("lazo_owner", path)
    yield one
    one.stop()
