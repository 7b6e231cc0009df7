#!/usr/bin/python3
"""Runs every sort of test against the programs in $LAZO_BUILD and counts. The last line is "N passed, N failed[, N skipped]".

Some run at a time, each by itself, and its output is shown where something failed; see tests/README.md for what lies where."""

import concurrent.futures
import os
import re
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ElementTree

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ["LAZO_BUILD"]
TSAN = os.environ.get("LAZO_TSAN", "")
MOST_SECONDS = 1200  # of one that hangs; a slow machine takes many minutes for a file
AT_ONCE = 3
SHARED = os.environ.get("LAZO_SHARED", os.path.join(os.path.dirname(ROOT), "shared"))


class Count:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.lock = threading.Lock()

    def add(self, name, started, passed, failed, skipped, output):
        took = time.monotonic() - started
        with self.lock:
            self.passed += passed
            self.failed += failed
            self.skipped += skipped
            print(f"{'FAIL' if failed else 'ok  '} {name}: {passed} passed, {failed} failed, {skipped} skipped, {took:.0f} s", flush=True)
            if failed:
                print("\n".join(line[:300] for line in output.split("\n")), flush=True)


def run(command, **more):
    environment = dict(os.environ, LAZO_SHARED=SHARED, UBSAN_OPTIONS="print_stacktrace=1", **more)
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, errors="replace", timeout=MOST_SECONDS)
    except subprocess.TimeoutExpired as late:
        said = late.stdout.decode(errors="replace") if isinstance(late.stdout, bytes) else late.stdout or ""
        return 1, f"{said}\nnot done within {MOST_SECONDS} s"
    return done.returncode, done.stdout


def lint(count):
    started = time.monotonic()
    code, output = run([sys.executable, "tests/lint/lint.py"])
    count.add("lint", started, int(code == 0), int(code != 0), 0, output)


def executables(build):
    for source in sorted(os.listdir(os.path.join(ROOT, "tests/unit"))):
        name, ending = os.path.splitext(source)
        path = os.path.join(build, "tests/unit", name)
        if ending == ".c" and os.access(path, os.X_OK):
            yield path


def unit(count, sort, path):
    started = time.monotonic()
    code, output = run([path])
    passed = sum(int(n) for n in re.findall(r"\[  PASSED  \] (\d+) test", output))
    failed = sum(int(n) for n in re.findall(r"\[  FAILED  \] [^:]*: (\d+) test", output))
    skipped = sum(int(n) for n in re.findall(r"\[  SKIPPED \] [^:]*: (\d+) test", output))
    if code != 0 and failed == 0:
        failed = 1
    count.add(f"{sort} {os.path.basename(path)}", started, passed, failed, skipped, output)


def files(folder):
    return sorted(f"{folder}/{name}" for name in os.listdir(os.path.join(ROOT, folder)) if re.match(r"test_.*\.py$", name))


def python(count, path):
    started = time.monotonic()
    report = os.path.join(BUILD, path.replace("/", "-") + ".xml")
    code, output = run([sys.executable, "-m", "pytest", "-q", "-x" if os.environ.get("LAZO_FIRST") else "-q", "-p",
                        "no:cacheprovider", "--junitxml", report, path])
    passed = failed = skipped = 0
    if os.path.exists(report):
        for suite in ElementTree.parse(report).getroot().iter("testsuite"):
            bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            failed += bad
            skipped += int(suite.get("skipped", 0))
            passed += int(suite.get("tests", 0)) - bad - int(suite.get("skipped", 0))
        os.remove(report)
    if code != 0 and failed == 0:
        failed = 1
    count.add(path, started, passed, failed, skipped, output)


def main():
    count = Count()
    started = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        work = [pool.submit(lint, count)]
        # The longest first. Instances of Lazo mostly wait, so their tests go file by file.
        work += [pool.submit(python, count, path) for path in ["tests/fuzz", *files("tests/fault"), *files("tests/e2e"), "tests/rules", "tests/sql"]]
        work += [pool.submit(unit, count, "unit", path) for path in executables(BUILD)]
        work += [pool.submit(unit, count, "threads", path) for path in executables(TSAN)] if TSAN else []
    for one in work:
        one.result()
    print(f"in {time.monotonic() - started:.0f} s")
    print(f"{count.passed} passed, {count.failed} failed" + (f", {count.skipped} skipped" if count.skipped else ""))
    return 1 if count.failed else 0


if __name__ == "__main__":
    sys.exit(main())
