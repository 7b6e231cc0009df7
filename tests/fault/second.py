"""A second lazod beside an instance's own: on the same database and bus, with a port of its own."""
import os
import pathlib
import re
import subprocess

import requests

from lazo_test import eventually, program


def run_beside(lazo, name, conf, log_path, *words):
    """One more of the instance's programs, as the user whom `up` became."""
    owner = os.stat(lazo.home)
    # The descriptor opens a way that may be closed to them.
    fd = os.open(program(name), os.O_RDONLY)
    other = {} if owner.st_uid == os.getuid() else {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
    os.chmod(conf, 0o600)
    if other:
        os.chown(conf, owner.st_uid, owner.st_gid)
    with open(log_path, "ab") as log:
        process = subprocess.Popen([name, "--config", str(conf), *words], executable=f"/proc/self/fd/{fd}", pass_fds=[fd], stdin=subprocess.DEVNULL,
                                   stdout=log, stderr=log, cwd="/", env=lazo.environment(), **other)
    os.close(fd)
    return process


class Second:
    """start(), kill(); request() and api() as those of the Instance, sent here. More than one may stand beside an instance."""

    def __init__(self, lazo, name="second"):
        self.lazo, self.name = lazo, name
        self.log_path = lazo.home / "log" / f"lazod-{name}.log"
        self.process = None
        self.url = None

    def start(self):
        conf = self.lazo.home / f"lazo-{self.name}.conf"
        conf.write_text(re.sub(r"(?m)^listen = .*$", "listen = 127.0.0.1:0", (self.lazo.home / "lazo.conf").read_text()))
        begin = self.log_path.stat().st_size if self.log_path.exists() else 0
        self.process = run_beside(self.lazo, "lazod", conf, self.log_path)

        def port():
            assert self.process.poll() is None, self.log()
            return re.search(r"event=\"?ready\"?.* port=(\d+)", self.log()[begin:])
        self.url = f"http://127.0.0.1:{eventually(port, 120, 'the second lazod is ready').group(1)}"
        return self

    def log(self):
        return self.log_path.read_text(errors="replace")

    def leads(self):
        """Whether it has the lock, by what it said last."""
        said = re.findall(r"was=\w+ is=(\w+)", self.log())
        return bool(said) and said[-1] == "here"

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """SIGTERM, as systemd ends it."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=120)

    def request(self, method, path, **kw):
        return self.lazo.request(method, self.url + path, **kw)

    def api(self, method, path, body=None, **kw):
        return self.lazo.api(method, self.url + path, body, **kw)

    def ready(self):
        try:
            return requests.get(self.url + "/readyz", timeout=5).status_code == 200
        except requests.RequestException:
            return False


def pids_of(path):
    """Processes whose folder is `path`: a PostgreSQL's are found so."""
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if os.readlink(entry / "cwd") == str(path):
                    yield int(entry.name)
            except OSError:
                continue
