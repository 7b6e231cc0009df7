"""A private PostgreSQL in a folder of its own, reached only through a socket there; for the tests that need no Lazo around it."""
import os
import shutil
import subprocess
import tempfile

import psycopg2

BIN = "/usr/lib/postgresql/15/bin"


def as_postgres(*command):
    """PostgreSQL refuses to run as root."""
    drop = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    subprocess.run([*drop, *command], cwd="/", check=True, stdout=subprocess.DEVNULL)


class Cluster:
    """Runs until stop(). The superuser is "postgres"; nobody needs a password."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="lazo-postgres-")
        os.chmod(self.folder, 0o755)
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres")
        data = self.folder + "/data"
        as_postgres(BIN + "/initdb", "-D", data, "-U", "postgres", "--auth=trust", "--no-locale", "-E", "UTF8", "--no-sync")
        options = f"-c listen_addresses='' -c unix_socket_directories={self.folder} -c fsync=off -c jit=off"
        as_postgres(BIN + "/pg_ctl", "-s", "-w", "-D", data, "-l", self.folder + "/log", "-o", options, "start")

    def stop(self):
        as_postgres(BIN + "/pg_ctl", "-s", "-m", "immediate", "-D", self.folder + "/data", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    def conninfo(self, user, database):
        return f"host={self.folder} user={user} dbname={database}"

    def create(self, database):
        subprocess.run(["createdb", "-h", self.folder, "-U", "postgres", database], check=True)

    def connect(self, user, database="lazo"):
        return psycopg2.connect(self.conninfo(user, database))

    def apply(self, user, path, database="lazo"):
        """A whole SQL file in one transaction."""
        with self.connect(user, database) as connection, connection.cursor() as cursor:
            cursor.execute(path.read_text())
        connection.close()
