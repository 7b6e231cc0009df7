#!/usr/bin/python3
"""What a reader of the tree may rely on, checked. Prints what is wrong and nothing else; exit status 1 where something is.

A tool that is not on the machine is named in a note, and what it would have checked is left out."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
os.chdir(ROOT)

# Who may include whom, by folder. A folder may include itself and common/; who is not listed may include nothing else.
MAY_INCLUDE = {
    "daemon/org": {"daemon/pg", "daemon/rules"},
    "daemon/record": {"daemon/org", "daemon/pg"},
    "daemon/evaluate": {"daemon/org", "daemon/pg", "daemon/rules", "daemon/rfm"},
    "daemon/decide": {"daemon/org", "daemon/pg", "daemon/rules"},
    "daemon/dispatch": {"daemon/consent", "daemon/org", "daemon/pg"},
    "daemon/consent": {"daemon/org", "daemon/pg", "daemon/rules"},
    "daemon/import": {"daemon/org", "daemon/pg", "daemon/record", "daemon/rules"},
    "daemon/export": {"daemon/org", "daemon/pg", "daemon/rules"},
    "daemon/ctl": {"daemon/import", "daemon/org", "daemon/pg", "daemon/rules", "daemon/rfm"},
    "daemon/http": {"daemon/org", "daemon/pg", "daemon/rules", "daemon/rfm", "daemon/record", "daemon/evaluate",
                    "daemon/decide", "daemon/dispatch", "daemon/consent", "daemon/export", "daemon/import"},
}
# Bytes in, bytes out: no loop, no database, no network. By file name without its ending.
PURE = re.compile(r"^(daemon/rules/.*|daemon/rfm/.*|daemon/org/currency|daemon/import/import_(map|value|settings|decode|row|table|keys|guess|counts|names)|daemon/decide/(journey|calendar)\w*|common/template/.*|"
                  r"common/(csv|yamlj|utf8|diag|buf|text|sign|address|suggest))$")
IMPURE_HEADERS = {"ev.h", "libpq-fe.h", "microhttpd.h", "zmq.h", "curl/curl.h", "libesmtp.h", "sys/socket.h"}
IMPURE_FOLDERS = {"daemon/pg", "daemon/http"}
OVER_HTTP = {"daemon/serve.c", "daemon/lazod.c"}

BANNED_CALLS = re.compile(r"(?<![\w.>])(strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|atof|system|popen)\s*\(")
# In pieces, so that this file does not say them.
BANNED_WORDS = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b|\bfor " r"now\b|\bnot (yet )?" r"implemented\b|\bplace" r"holders?\b|"
                          r"\bdum" r"my\b|\bst" r"ub(s|bed)?\b", re.I)
SQL_IN_C = re.compile(r'"[^"]*\b(SELECT .* FROM|INSERT INTO|UPDATE [a-z_]+ SET|DELETE FROM)\b')
MOST_LINES_FILE, MOST_LINES_FUNCTION = 600, 80

PLACE = re.compile(r"(?<![\w./*-])((?:daemon|common|workers|schema|config|systemd|tests)/[\w./-]*\w\.(?:c|h|def|sql|awk|md|py|lua|conf|yaml|service|[1578]))(?![\w/])")
SOURCE_NAME = re.compile(r"(?<![\w./*<-])([a-z]\w*\.(?:c|h|def|awk))(?![\w/.(-])")

found = []


def wrong(place, what):
    found.append(f"{place}: {what}")


def note(what):
    print(f"lint: {what}")


def output(*command, **more):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", **more)
    return done.returncode, done.stdout.strip()


def tree():
    """The project's files: what git tracks and what it would, as they are in the working tree."""
    code, names = output("git", "ls-files", "-co", "--exclude-standard")
    if code != 0:
        names = "\n".join(str(p.relative_to(ROOT)) for p in ROOT.rglob("*") if p.is_file() and p.relative_to(ROOT).parts[0] not in (".git", "build"))
    return sorted({n for n in names.split("\n") if os.path.isfile(n) and not n.startswith("tests/data/")})


def read(name):
    with open(name, encoding="utf-8", errors="replace") as file:
        return file.read()


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def masked(text, keep_comments=False):
    """C without the contents of its strings and, but for keep_comments, without its comments; offsets stay."""
    def blank(match):
        said = match.group(0)
        if said.startswith("/") and keep_comments:
            return said
        return re.sub(r"[^\n]", " ", said)

    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)


def comments(text):
    """Only the comments of C; offsets stay."""
    bare = masked(text)
    with_comments = masked(text, keep_comments=True)
    return "".join(a if a != b or a == "\n" else " " for a, b in zip(with_comments, bare))


def includes(text):
    for match in re.finditer(r'^\s*#\s*include\s+(["<])([^">]+)[">]', text, re.M):
        yield line_of(text, match.start()), match.group(1) == '"', match.group(2)


def layer(name, text):
    folder = os.path.dirname(name)
    group = "/".join(folder.split("/")[:2])
    for line, own, header in includes(text):
        place = f"{name}:{line}"
        target = "/".join(os.path.dirname(header).split("/")[:2])
        if PURE.match(os.path.splitext(name)[0]) and (header in IMPURE_HEADERS or (own and target in IMPURE_FOLDERS)):
            wrong(place, f"is pure and includes {header}")
        if not own or target in ("", group) or target.split("/")[0] == "common":
            continue
        if group.split("/")[0] == "common" or group.startswith("workers/"):
            wrong(place, f"{group}/ includes {header}")
        elif target == "daemon/http" and name not in OVER_HTTP:
            wrong(place, f"includes {header}: nobody includes daemon/http/")
        elif group != "daemon" and target not in MAY_INCLUDE.get(group, set()):
            wrong(place, f"{group}/ includes {header}")


def sizes(name, text):
    lines = text.count("\n")
    if lines > MOST_LINES_FILE:
        wrong(name, f"{lines} lines")
    if name.startswith("tests/"):
        return
    begin = None
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("{"):
            begin = number
        elif line.startswith("}") and begin is not None:
            if number - begin > MOST_LINES_FUNCTION:
                wrong(f"{name}:{begin}", f"a function of {number - begin} lines")
            begin = None


def title(name, text):
    """The first line of a source names it."""
    match = re.match(r"/\* ([\w.-]+) - ", text)
    base = os.path.basename(name)
    if match is None or match.group(1) not in (base, os.path.splitext(base)[0]):
        wrong(f"{name}:1", f"should begin with \"/* {base} - \"")


def source(name):
    text = read(name)
    bare = masked(text)
    sizes(name, text)
    if name.startswith("tests/"):
        return
    title(name, text)
    for match in BANNED_CALLS.finditer(bare):
        wrong(f"{name}:{line_of(text, match.start())}", f"calls {match.group(1)}()")
    layer(name, text)
    if not name.startswith("daemon/rules/"):
        for number, line in enumerate(text.split("\n"), 1):
            if SQL_IN_C.search(line):
                wrong(f"{name}:{number}", "SQL in C; it belongs into schema/statements/")


def words(name):
    text = read(name)
    for match in BANNED_WORDS.finditer(text):
        wrong(f"{name}:{line_of(text, match.start())}", f"says \"{match.group(0)}\"")


def names_in_prose(name, basenames):
    """Files that documents and comments name are there."""
    text = read(name)
    prose = comments(text) if name.endswith((".c", ".h")) else text
    for match in PLACE.finditer(prose):
        if not os.path.exists(match.group(1)) and not any(c.isupper() for c in match.group(1).replace("README", "")):
            wrong(f"{name}:{line_of(text, match.start())}", f"names {match.group(1)}, which is not there")
    if name.endswith((".c", ".h", ".md")):
        for match in SOURCE_NAME.finditer(prose):
            if match.group(1) not in basenames:
                wrong(f"{name}:{line_of(text, match.start())}", f"names {match.group(1)}, which is not there")
    if name.endswith(".md"):
        for match in re.finditer(r"\]\(([^)#: ]+)[^)]*\)", text):
            if not os.path.exists(os.path.join(os.path.dirname(name), match.group(1))):
                wrong(f"{name}:{line_of(text, match.start())}", f"links to {match.group(1)}, which is not there")


def formatting(sources):
    program = shutil.which("clang-format") or shutil.which("clang-format-14")
    if program is None:
        return note("no clang-format here")
    _, said = output(program, "--dry-run", "-Werror", *sources)
    for name in sorted(set(re.findall(r"^([^\s:]+):\d+:\d+: error", said, re.M))):
        wrong(name, "is not formatted (make format)")


def manuals(pages):
    if shutil.which("mandoc") is None:
        return note("no mandoc here")
    for page in pages:
        _, said = output("mandoc", "-Tlint", "-Wwarning", page)
        if said:
            found.append(said)


def units():
    """Against the programs that are built; against none, only what the units say of themselves."""
    builds = [os.environ.get("LAZO_BUILD", ""), *(f"build/{v}" for v in ("debug", "release", "asan"))]
    with tempfile.TemporaryDirectory() as folder:
        for program in ("lazod", "lazo-mailer", "lazo-hook", "lazo-inbox"):
            os.symlink("/bin/true", os.path.join(folder, program))
        build = next((b for b in builds if b and os.access(os.path.join(b, "lazo-inbox"), os.X_OK)), folder)
        code, said = output("systemd/check", build)
    if code == 77:
        return note(said)
    if code != 0:
        found.append(said)


def repeated():
    """Code that stands twice to the letter, where the tool that sees it is at hand. Only a report. A migration is never changed once it was applied: one that
    replaces a function repeats what stays of it, so two migrations may be alike."""
    if shutil.which("duplicates") is None:
        return
    _, said = output("duplicates", "--min-lines", "12", "--most", "200", "--seconds", "60")
    for row in said.split("\n"):
        if len(re.findall(r"\bschema/\d{4}_\w+\.sql:", row)) == 2:
            continue
        if re.match(r"D\d+ ", row) and " shape" not in row and "boilerplate" not in row:
            note(f"stands twice: {row.split(' ', 1)[1]}")


def main():
    files = tree()
    sources = [n for n in files if n.endswith((".c", ".h"))]
    basenames = {os.path.basename(n) for n in files} | {"statement_names.h", "statements.c", "migrations.c", "openapi.c"}
    basenames |= {os.path.basename(header) for n in sources for _, _, header in includes(read(n))}
    for name in sources:
        source(name)
    for name in files:
        if name.endswith((".c", ".h", ".def", ".sql", ".awk", ".py", ".sh", ".lua", ".md", ".conf", ".yaml", ".service", ".1", ".5", ".7", ".8")) or "." not in os.path.basename(name):
            words(name)
            if name != "tests/lint/lint.py":
                names_in_prose(name, basenames)
    formatting(sources)
    manuals([n for n in files if re.search(r"\.[1578]$", n)])
    units()
    repeated()
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
