"""openapi.yaml walked: every operation is sent with the example that stands there, and its answer held against the schema that stands there.

The walk goes through the document from top to bottom with what writes, then with GET, then from bottom to top with DELETE. {id}, where the document does not tell it as an
example, is what the POST to the path before it answered; what else only the instance knows the test gives along."""
import datetime
import json
import pathlib
import re

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATH = ROOT / "daemon/http/openapi.yaml"
METHODS = ["options", "post", "put", "patch", "get", "delete"]


def load():
    return yaml.safe_load(PATH.read_text())


class Wrong(AssertionError):
    pass


class Document:
    def __init__(self, document=None):
        self.doc = document or load()

    def at(self, value):
        """What a $ref names."""
        while isinstance(value, dict) and "$ref" in value:
            found = self.doc
            for part in value["$ref"].removeprefix("#/").split("/"):
                found = found[part.replace("~1", "/").replace("~0", "~")]
            value = found
        return value

    def operations(self):
        """(path, method, operation, its parameters) in the order of the walk."""
        found = []
        for path, item in self.doc["paths"].items():
            for method in METHODS:
                if method in item:
                    found.append((path, method, item[method], [self.at(p) for p in item.get("parameters", []) + item[method].get("parameters", [])]))
        return ([o for o in found if o[1] not in ("get", "delete")] + [o for o in found if o[1] == "get"] + [o for o in reversed(found) if o[1] == "delete"])

    # JSON Schema, as much of it as the document uses

    TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
    KNOWN = {"type", "enum", "const", "properties", "required", "additionalProperties", "items", "oneOf", "anyOf", "allOf", "minimum", "maximum", "maxLength", "minItems",
             "maxItems", "format", "pattern", "description", "default", "example", "examples", "title", "unevaluatedProperties", "minLength", "minProperties"}

    def is_type(self, value, name):
        if name in ("integer", "number"):
            return isinstance(value, int if name == "integer" else (int, float)) and not isinstance(value, bool)
        return isinstance(value, self.TYPES[name])

    def check(self, value, schema, where="", outer=True):
        """Raises Wrong where the value is not what the schema says."""
        schema = self.at(schema)
        if schema is True or schema == {}:
            return
        unknown = set(schema) - self.KNOWN
        if unknown:
            raise Wrong(f"{where}: the test knows no {unknown} of JSON Schema")
        types = schema.get("type")
        types = [types] if isinstance(types, str) else types
        if types and not any(self.is_type(value, t) for t in types):
            raise Wrong(f"{where or '/'}: {json.dumps(value)[:80]} is no {' or '.join(types)}")
        if "enum" in schema and value not in schema["enum"]:
            raise Wrong(f"{where}: {value!r} is none of {schema['enum']}")
        if "const" in schema and value != schema["const"]:
            raise Wrong(f"{where}: {value!r} is not {schema['const']!r}")
        for sub in schema.get("allOf", []):
            self.check(value, sub, where, outer=False)
        for kind in ("oneOf", "anyOf"):
            if kind in schema:
                fits = [s for s in schema[kind] if self.fits(value, s)]
                if not fits or (kind == "oneOf" and len(fits) > 1):
                    raise Wrong(f"{where}: {json.dumps(value)[:80]} fits {len(fits)} of {kind}")
        if isinstance(value, dict):
            self.check_object(value, schema, where, outer)
        elif isinstance(value, list):
            for i, item in enumerate(value):
                self.check(item, schema.get("items", True), f"{where}/{i}")
            if len(value) > schema.get("maxItems", len(value)) or len(value) < schema.get("minItems", 0):
                raise Wrong(f"{where}: {len(value)} items")
        elif isinstance(value, str):
            self.check_text(value, schema, where)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            if value < schema.get("minimum", value) or value > schema.get("maximum", value):
                raise Wrong(f"{where}: {value} is out of range")

    def fits(self, value, schema):
        try:
            self.check(value, schema)
            return True
        except Wrong:
            return False

    def properties(self, schema):
        schema = self.at(schema)
        found = dict(schema.get("properties", {})) if isinstance(schema, dict) else {}
        for sub in schema.get("allOf", []) if isinstance(schema, dict) else []:
            found.update(self.properties(sub))
        return found

    def check_object(self, value, schema, where, outer):
        missing = [name for name in schema.get("required", []) if name not in value]
        if missing:
            raise Wrong(f"{where or '/'}: without {', '.join(missing)}")
        more = schema.get("additionalProperties", True)
        for name, part in value.items():
            if name in schema.get("properties", {}):
                self.check(part, schema["properties"][name], f"{where}/{name}")
            elif more is False:
                raise Wrong(f"{where}/{name}: is not in the document")
            elif isinstance(more, dict):
                self.check(part, more, f"{where}/{name}")
        if outer and schema.get("unevaluatedProperties") is False:
            for name in value:
                if name not in self.properties(schema):
                    raise Wrong(f"{where}/{name}: is not in the document")

    def check_text(self, value, schema, where):
        if len(value) > schema.get("maxLength", len(value)) or len(value) < schema.get("minLength", 0):
            raise Wrong(f"{where}: has {len(value)} characters")
        if "pattern" in schema and not re.search(schema["pattern"], value):
            raise Wrong(f"{where}: {value!r} is not like {schema['pattern']}")
        try:
            if schema.get("format") == "date-time":
                datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
                if "T" not in value:
                    raise ValueError
            elif schema.get("format") == "date":
                datetime.date.fromisoformat(value)
        except ValueError:
            raise Wrong(f"{where}: {value!r} is no {schema['format']}") from None


def body_of(operation, document):
    """Content type, example."""
    body = document.at(operation.get("requestBody"))
    if body is None:
        return None, None
    for kind, media in body["content"].items():
        if "example" in media:
            return kind, media["example"]
    raise Wrong("no content of its body has an example")


def encode(kind, value):
    if kind == "application/json":
        return json.dumps(value).encode()
    if kind == "application/x-www-form-urlencoded":
        from urllib.parse import urlencode
        return urlencode(value).encode()
    assert isinstance(value, str), (kind, value)
    return value.encode()


class Walk:
    """`known` gives {name of a path parameter: value or function of the walk} by path, for what only the instance knows."""

    def __init__(self, lazo, document, known):
        self.lazo, self.document, self.known = lazo, document, known
        self.made = {}       # path: id that the POST to it answered
        self.answers = []    # (path, method, status, content type, body)

    def parameter(self, path, p):
        name = p["name"]
        known = self.known.get((path, name), self.known.get(name) if p["in"] == "path" else None)
        if known is not None:
            return known(self) if callable(known) else known
        if "example" in p:
            return p["example"]
        before = path[:path.index("/{" + name + "}")] if p["in"] == "path" else None
        if before in self.made:
            return self.made[before]
        if p.get("required"):
            raise Wrong(f"{path}: {name} has no example")
        return None

    def send(self, path, method, operation, parameters):
        filled, query, headers = path, {}, {}
        for p in parameters:
            value = self.parameter(path, p)
            if value is None:
                continue
            if p["in"] == "path":
                from urllib.parse import quote
                filled = filled.replace("{" + p["name"] + "}", quote(str(value), safe=""))
            elif p["in"] == "query":
                query[p["name"]] = value if not isinstance(value, bool) else str(value).lower()
            else:
                headers[p["name"]] = str(value)
        kind, value = body_of(operation, self.document)
        if kind:
            headers["Content-Type"] = kind
        token = "" if operation.get("security") == [] else None
        return self.lazo.request(method.upper(), filled, token=token, params=query, headers=headers, data=encode(kind, value) if kind else None, allow_redirects=False)

    def judge(self, path, method, operation, r):
        responses = operation["responses"]
        said = self.document.at(responses.get(str(r.status_code)))
        if said is None:
            raise Wrong(f"{method} {path}: {r.status_code} is not in the document: {r.text[:300]}")
        kind = r.headers.get("Content-Type", "").split(";")[0]
        content = said.get("content", {})
        if not content:
            if r.content:
                raise Wrong(f"{method} {path}: a body that the document does not speak of: {r.text[:100]}")
            return
        if kind not in content:
            raise Wrong(f"{method} {path}: {kind} is none of {list(content)}")
        if kind.endswith("json"):
            try:
                self.document.check(r.json(), content[kind]["schema"])
            except Wrong as e:
                raise Wrong(f"{method} {path}: {r.status_code}: {e}") from None

    def step(self, path, method, operation, parameters):
        kind, value = body_of(operation, self.document)
        if kind == "application/json":
            try:
                self.document.check(value, self.document.at(operation["requestBody"])["content"][kind]["schema"])
            except Wrong as e:
                raise Wrong(f"{method} {path}: the example of its body: {e}") from None
        r = self.send(path, method, operation, parameters)
        self.answers.append((path, method, r))
        if method == "post" and 200 <= r.status_code < 300 and "json" in r.headers.get("Content-Type", ""):
            answer = r.json()
            if isinstance(answer, dict) and "id" in answer:
                self.made[path] = answer["id"]
        return r
