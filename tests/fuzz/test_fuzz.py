"""Each fuzzer of $LAZO_FUZZ for a while, begun with what the suites in $LAZO_SHARED hold of its sort: those of what anybody may send us a minute each, the
others 8 seconds; FUZZ_SECONDS is for all of them.

A finding is kept in build/findings/, to be run again by hand: build/fuzz/tests/fuzz/fuzz_NAME FILE"""
import glob
import json
import os
import pathlib
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("LAZO_FUZZ", ROOT / "build/fuzz"))
SHARED = pathlib.Path(os.environ.get("LAZO_SHARED", ROOT.parent / "shared"))
SECONDS = int(os.environ.get("FUZZ_SECONDS") or 0)
OUTERMOST = ("json", "csv", "uri", "address")
FINDINGS = ROOT / "build/findings"
NAMES = sorted(p.stem[5:] for p in pathlib.Path(__file__).parent.glob("fuzz_*.c"))


def whole(*patterns):
    """The files themselves."""
    for pattern in patterns:
        for path in glob.glob(str(pattern), recursive=True):
            if os.path.isfile(path):
                yield pathlib.Path(path).read_bytes()


def told(path, key):
    """Every text that stands as `key` somewhere in a JSON file."""
    def walk(value):
        if isinstance(value, dict):
            for k, v in value.items():
                if k == key and isinstance(v, str):
                    yield v.encode("utf-8", "surrogatepass")
                else:
                    yield from walk(v)
        elif isinstance(value, list):
            for v in value:
                yield from walk(v)

    if path.exists():
        yield from walk(json.loads(path.read_text()))


def rules():
    """Rules as the example and the manual page have them."""
    yield from whole(ROOT / "config/example/segments/*.rule")
    for line in (ROOT / "daemon/rules/lazo-rules.7").read_text().split("\n"):
        if line and not line.startswith("."):
            yield line.encode()


def bodies():
    """JSON as it is sent to us: of the suite, definitions of the example, and one of each shape with all that it may hold."""
    yield from whole(SHARED / "suites/json/test_parsing/*", SHARED / "suites/json/test_transform/*")
    for path in glob.glob(str(ROOT / "config/example/**/*.yaml"), recursive=True):
        yield json.dumps(yaml.safe_load(pathlib.Path(path).read_text()), default=str).encode()
    contact = {"email": " Ana@MÜNCHEN.example", "external_id": "7", "kind": "person", "first_name": "Ana", "birth_date": "--02-29", "country": "es",
               "time_zone": "Asia/Kathmandu", "attr": {"t": "x", "n": 1.5, "d": "2026-03-01", "b": True}, "tags": ["a", "b"], "groups": ["g"],
               "consents": [{"topic": "news", "action": "grant", "at": "2026-03-01T10:00:00+02:00", "wording": "Sí"}]}
    item = {"contact": contact, "kind": "donation", "occurred_at": "2026-03-01", "amount": "25.00", "currency": "EUR", "source": "web", "key": "k1", "data": {"a": [1, {"b": None}]}}
    yield from (json.dumps(one).encode() for one in (
        contact, item, [item, item], {"contact": {"id": 5}, "amends": {"key": "k1", "source": "web"}, "amount": -1},
        {"classes": 5, "scoring": "fixed", "breaks": {"recency": [1, 2, 3, 4], "frequency": [1, 2, 3, 4], "monetary": [1, 2, 3, 4]},
         "labels": [{"label": "Best", "r": [4, 5], "f": [1, 5], "m": [1, 5]}]},
        {"name": "a", "rule": "count(donation) > 1", "n": 3, "on": True, "list": [1], "object": {}}))


def addresses():
    path = SHARED / "suites/addresses/isemail.xml"
    if path.exists():
        for test in ElementTree.parse(path).getroot().iter("address"):
            yield (test.text or "").encode()
    yield from (one.encode() for one in ("ana@example.org", "o'brien@xn--mnchen-3ya.example", "ana@straße.de", "a" * 64 + "@" + "b." * 90 + "org", "a@b\r\nRCPT TO:<c@d>"))


def targets():
    """Paths and queries: of the URL suite, of the HTTP suite's request lines, and ours."""
    for href in told(SHARED / "suites/urls/urltestdata.json", "href"):
        yield b"/" + href.split(b"://", 1)[-1].partition(b"/")[2]
    yield from told(SHARED / "suites/urls/urltestdata.json", "input")
    for text in whole(SHARED / "suites/http/request/*"):
        yield from re.findall(rb"^[A-Z-]+ (\S+) HTTP/", text, re.M)
    yield from (b"/v1/contacts/5?a=%20b&c=d", b"/v1/segments/Ca%C3%B1a%2Fb/members?limit=3&after=%00", b"/", b"/a//b/?&&=&a")


SEEDS = {
    "template": lambda: [*told(SHARED / "suites/liquid/golden.json", "template"), *told(SHARED / "suites/liquid/reference.json", "template"),
                         *whole(ROOT / "config/example/templates/**/*.*")],
    "rule": rules,
    "csv": lambda: whole(SHARED / "suites/csv/csvs/*", ROOT / "config/example/**/contacts.csv"),
    "inbox": lambda: whole(SHARED / "suites/bounces/mail/**", SHARED / "suites/mail/eml/**"),
    "mime": lambda: [b"\x1c".join([subject, "María <x>".encode(), b"a@casa.example", b"news", b"1", b"Hola"]) for subject in (b"Hola", "Añoranza".encode() * 20)],
    "journey": lambda: whole(ROOT / "config/example/**/*.yaml"),
    "json": bodies,
    "address": addresses,
    "uri": targets,
    "request": lambda: [b"\x03/v1/contacts/5?a=%20b&c=d", b"\x00email=a%40b&name=x+y", b"\x01--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx\r\n--b--\r\n"],
}


@pytest.mark.parametrize("name", NAMES)
def test_any_bytes(name, tmp_path):
    program = BUILD / "tests/fuzz" / f"fuzz_{name}"
    if not os.access(program, os.X_OK):
        pytest.skip(f"{program} is not built")
    seeds, corpus = tmp_path / "seeds", tmp_path / "corpus"
    seeds.mkdir()
    corpus.mkdir()
    for n, seed in enumerate(SEEDS.get(name, list)()):
        (seeds / str(n)).write_bytes(seed[:20000])
    FINDINGS.mkdir(parents=True, exist_ok=True)
    seconds = SECONDS or (60 if name in OUTERMOST else 8)
    done = subprocess.run([program, f"-max_total_time={seconds}", "-max_len=20000", "-timeout=60", "-rss_limit_mb=2000",
                           f"-artifact_prefix={FINDINGS}/{name}-", "-print_final_stats=1", corpus, seeds],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                          env=dict(os.environ, UBSAN_OPTIONS="print_stacktrace=1"), timeout=seconds + 300)
    assert done.returncode == 0, done.stdout[-6000:]
    runs = int(re.search(r"stat::number_of_executed_units: (\d+)", done.stdout).group(1))
    print(f"{name}: {runs} inputs")
    assert runs > 100
    shutil.rmtree(corpus)
