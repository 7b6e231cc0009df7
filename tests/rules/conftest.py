"""A private PostgreSQL with the schema in it, and the rule compiler as a filter.

The compiler comes from $LAZO_BUILD (tests/rules/rule_sql, or the archives to link it with); without it, it is built in a folder of its own."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import psycopg2
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = "/usr/lib/postgresql/15/bin"


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


def as_postgres(*command):
    drop = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    subprocess.run([*drop, *command], cwd="/", check=True, stdout=subprocess.DEVNULL)


class Cluster:
    def __init__(self, folder):
        self.folder = folder
        os.chmod(folder, 0o755)
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        as_postgres(BIN + "/initdb", "-D", folder + "/data", "-U", "postgres", "--auth=trust", "--no-locale", "-E", "UTF8", "--no-sync")
        options = "-c listen_addresses='' -c unix_socket_directories=%s -c fsync=off -c jit=off" % folder
        as_postgres(BIN + "/pg_ctl", "-s", "-w", "-D", folder + "/data", "-l", folder + "/log", "-o", options, "start")
        subprocess.run(["createdb", "-h", folder, "-U", "postgres", "lazo"], check=True)
        self.apply("postgres", ROOT / "schema/roles.sql")
        for path in sorted((ROOT / "schema").glob("0*.sql")):
            self.apply("lazo_owner", path)

    def apply(self, user, path):
        with self.connect(user) as connection, connection.cursor() as cursor:
            cursor.execute(path.read_text())
        connection.close()

    def connect(self, user):
        return psycopg2.connect(host=self.folder, user=user, dbname="lazo")

    def stop(self):
        as_postgres(BIN + "/pg_ctl", "-s", "-m", "immediate", "-D", self.folder + "/data", "stop")


@pytest.fixture(scope="session")
def cluster():
    folder = tempfile.mkdtemp(prefix="lazo-rules-")
    one = Cluster(folder)
    yield one
    one.stop()
    shutil.rmtree(folder, ignore_errors=True)
