#!/usr/bin/python3
"""make bench: what Lazo does beside what the machine can do, in one run, as ratios.

Each line measures Lazo and its peer one after the other, three times in turn, and takes the medians. Rates move by tens of per cent from hour to
hour; the ratios are what can be compared. CPU is what the programs of the instance used for one item."""

import glob
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import requests

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ["LAZO_BUILD"]
TURNS = int(os.environ.get("LAZO_BENCH_TURNS", "3"))
SECONDS = int(os.environ.get("LAZO_BENCH_SECONDS", "5"))
MAILS = int(os.environ.get("LAZO_BENCH_MAILS", "6000"))
ROWS = int(os.environ.get("LAZO_BENCH_ROWS", "50000"))
TICKS = os.sysconf("SC_CLK_TCK")


def sink_programs(folder):
    """smtp-sink and smtp-source out of Debian's postfix, without installing it: no mail server starts."""
    subprocess.run(["apt-get", "-qq", "download", "postfix"], cwd=folder, check=True, stderr=subprocess.DEVNULL)
    subprocess.run(["dpkg", "-x", glob.glob(folder + "/postfix_*.deb")[0], folder], check=True)
    os.environ["LD_LIBRARY_PATH"] = folder + "/usr/lib/postfix"
    return folder + "/usr/sbin/smtp-sink", folder + "/usr/sbin/smtp-source"


class Instance:
    def __init__(self, folder, relay=None):
        self.home = folder + "/home"
        self.process = subprocess.Popen([BUILD + "/lazoctl", "up", "--home", self.home, "--http", "127.0.0.1:0", *(["--relay", relay] if relay else [])],
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for line in self.process.stdout:
            if line.startswith("ready "):
                self.url = line.split()[1]
                break
        else:
            sys.exit("bench: the instance did not start")
        self.token = open(self.home + "/token").read().strip()
        self.session = requests.Session()
        self.session.headers["Authorization"] = "Bearer " + self.token

    def api(self, method, path, json=None):
        answer = self.session.request(method, self.url + path, json=json, timeout=120)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def sockets(self):
        return os.path.dirname(glob.glob(self.home + "/**/.s.PGSQL.*[0-9]", recursive=True)[0])

    def cpu(self):
        total = 0
        for pidfile in glob.glob(self.home + "/run/lazo*.pid"):
            fields = open(f"/proc/{open(pidfile).read().strip()}/stat").read().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICKS

    def memory(self):
        most = {}
        for pidfile in glob.glob(self.home + "/run/lazo*.pid"):
            status = open(f"/proc/{open(pidfile).read().strip()}/status").read()
            most[os.path.basename(pidfile)[:-4]] = int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) // 1024
        return most

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


def wrk(url, environment):
    """(requests, a second) of one interaction a POST by 64 connections."""
    out = subprocess.run(["wrk", "-t", "1", "-c", "64", "-d", f"{SECONDS}s", "-s", HERE + "/post.lua", url], env=environment, capture_output=True, text=True, check=True).stdout
    made, microseconds, errors = map(int, re.search(r"RESULT (\d+) (\d+) (\d+)", out).groups())
    if errors:
        sys.exit(f"bench: {errors} requests to {url} failed")
    return made, made * 1e6 / microseconds


def single_posts(instance):
    before = instance.cpu()
    made, rate = wrk(instance.url + "/v1/interactions", dict(os.environ, LAZO_TOKEN=instance.token))
    return rate, (instance.cpu() - before) / made


def batches(instance, turn):
    before, started = instance.cpu(), time.monotonic()
    for at in range(0, ROWS, 1000):
        instance.api("POST", "/v1/interactions", [
            {"contact": {"external_id": f"bench-{i % 1000}"}, "kind": "visit", "occurred_at": f"2026-10-{1 + i % 28:02d}T10:11:12Z",
             "amount": f"{i % 500}.50", "source": "batch", "key": f"{turn}-{i}"} for i in range(at, at + 1000)])
    return ROWS / (time.monotonic() - started), (instance.cpu() - before) / ROWS


def settle(instance):
    """Until the evaluator has caught up, so that one measurement does not weigh on the next."""
    while instance.api("GET", "/v1/status")["changes"]:
        time.sleep(0.2)


PAGE = ("<html><body><p>Hola {{ contact.first_name }}:</p>" + "<p>Lorem ipsum dolor sit amet, consectetur adipiscing elit. " * 150
        + '</p><a href="{{ unsubscribe_url }}">Darse de baja</a></body></html>')


def prepare_mail(instance):
    instance.api("PATCH", "/v1/organisation", {"postal_address": "Calle Mayor 1, Madrid", "mail_from": "bench@example.org"})
    instance.api("PUT", "/v1/topics/news", {"title": "News"})
    instance.api("PUT", "/v1/templates/news", {"language": "es", "subject": "Hola {{ contact.first_name }}", "html": PAGE, "text": "Hola {{ contact.first_name }} {{ unsubscribe_url }}"})
    instance.api("PUT", "/v1/segments/readers", {"kind": "dynamic", "rule": 'subscribed "news"'})
    for at in range(0, MAILS, 1000):
        instance.api("POST", "/v1/interactions?import=true", [
            {"contact": {"email": f"r{i}@example.org", "first_name": f"Ana{i}", "consents": [{"topic": "news", "action": "grant"}]},
             "kind": "signup", "key": f"mail-{i}"} for i in range(at, at + 1000)])
    settle(instance)
    while instance.api("GET", "/v1/segments/readers")["count"] != MAILS:
        time.sleep(0.2)


def campaign(instance, turn):
    instance.api("PUT", f"/v1/campaigns/run{turn}", {"template": "news", "segment": "readers", "topic": "news"})
    before, started = instance.cpu(), time.monotonic()
    instance.api("POST", f"/v1/campaigns/run{turn}/start")
    while instance.api("GET", f"/v1/campaigns/run{turn}")["sent"] < MAILS:
        time.sleep(0.05)
    return MAILS / (time.monotonic() - started), (instance.cpu() - before) / MAILS


def bare_sender(source, port, folder):
    with open(folder + "/message", "w", encoding="utf-8") as out:
        out.write("Subject: Hola\nContent-Type: text/html\n\n" + PAGE + "\n")
    started = time.monotonic()
    subprocess.run([source, "-s", "16", "-m", str(MAILS), "-d", "-F", folder + "/message", "-f", "n@example.org", "-t", "r@example.org", f"127.0.0.1:{port}"],
                   check=True, stdout=subprocess.DEVNULL)
    return MAILS / (time.monotonic() - started)


def line(name, ours, peer_name, peers, goal=""):
    rate, cpu = statistics.median(r for r, _ in ours), statistics.median(c for _, c in ours)
    peer = statistics.median(peers)
    print(f"{name:34} {rate:9.0f}/s {cpu * 1e6:7.0f} µs   {peer_name:28} {peer:9.0f}/s   {rate / peer:6.2f}  {goal}", flush=True)


def main():
    import ingest  # which stands on this module
    import search
    folder = tempfile.mkdtemp(prefix="lazo-bench-")
    os.chmod(folder, 0o755)
    sink, source = sink_programs(folder)
    port = 20000 + os.getpid() % 20000
    relay = subprocess.Popen([sink, "-u", "nobody", "-c", f"127.0.0.1:{port}", "512"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    instance = Instance(folder, f"smtp://127.0.0.1:{port}")
    try:
        print(f"{'what':34} {'Lazo':>11} {'CPU':>10}   {'beside':28} {'':>11}   {'ratio':>6}  goal")
        ingest.measure(instance)
        many, peers = [], []
        for turn in range(TURNS):
            many.append(batches(instance, turn))
            settle(instance)
            peers.append(ingest.stream(instance, f"beside{turn}")[0])
            settle(instance)
        line("HTTP, arrays of 1,000", many, "NDJSON of the same rows", peers)
        prepare_mail(instance)
        sent, bare = [], []
        for turn in range(TURNS):
            sent.append(campaign(instance, turn))
            settle(instance)
            bare.append(bare_sender(source, port, folder))
        line(f"campaign of {MAILS}, 9 kB mails", sent, "smtp-source, 16 sessions", bare, "0.40")
        search.measure(instance)
        print("peak memory: " + ", ".join(f"{name} {mb} MiB" for name, mb in sorted(instance.memory().items())))
    finally:
        instance.stop()
        relay.terminate()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
