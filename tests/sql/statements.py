"""The named statements, read as schema/embed.awk reads them."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]


def statements(of_lazoctl=False):
    """Name and text of each statement that lazod prepares, or of those that lazoctl runs."""
    found = {}
    for path in sorted((ROOT / "schema/statements").glob("*.sql")):
        if path.name.startswith("ctl") is not of_lazoctl:
            continue
        name = None
        for line in path.read_text().split("\n"):
            match = re.match(r"-- name: (\S+)", line)
            if match:
                name = match.group(1)
                assert name not in found, name
                found[name] = ""
            elif name and not line.startswith("--"):
                found[name] += line + "\n"
    return {name: text.strip().rstrip(";") for name, text in found.items()}
