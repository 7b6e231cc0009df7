"""Each fuzzer of $LAZO_FUZZ for a short while (FUZZ_SECONDS, 8 unless told), begun with what the suites in $LAZO_SHARED hold of its sort.

A finding is kept in build/findings/, to be run again by hand: build/fuzz/tests/fuzz/fuzz_NAME FILE"""
import glob
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("LAZO_FUZZ", ROOT / "build/fuzz"))
SHARED = pathlib.Path(os.environ.get("LAZO_SHARED", ROOT.parent / "shared"))
SECONDS = int(os.environ.get("FUZZ_SECONDS") or 8)
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


SEEDS = {
    "template": lambda: [*told(SHARED / "suites/liquid/golden.json", "template"), *told(SHARED / "suites/liquid/reference.json", "template"),
                         *whole(ROOT / "config/example/templates/**/*.*")],
    "rule": rules,
    "csv": lambda: whole(SHARED / "suites/csv/csvs/*", ROOT / "config/example/**/contacts.csv"),
    "inbox": lambda: whole(SHARED / "suites/bounces/mail/**", SHARED / "suites/mail/eml/**"),
    "mime": lambda: [b"\x1c".join([subject, "María <x>".encode(), b"a@casa.example", b"news", b"1", b"Hola"]) for subject in (b"Hola", "Añoranza".encode() * 20)],
    "journey": lambda: whole(ROOT / "config/example/**/*.yaml"),
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
    done = subprocess.run([program, f"-max_total_time={SECONDS}", "-max_len=20000", "-timeout=20", "-rss_limit_mb=2000",
                           f"-artifact_prefix={FINDINGS}/{name}-", "-print_final_stats=1", corpus, seeds],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                          env=dict(os.environ, UBSAN_OPTIONS="print_stacktrace=1"), timeout=SECONDS + 300)
    assert done.returncode == 0, done.stdout[-6000:]
    runs = int(re.search(r"stat::number_of_executed_units: (\d+)", done.stdout).group(1))
    print(f"{name}: {runs} inputs")
    assert runs > 100
    shutil.rmtree(corpus)
