"""Segment's own library for Node, from npm, against /v1/batch through a proxy that loses answers and refuses: each event is recorded once."""
import http.client
import http.server
import json
import shutil
import subprocess
import threading

import pytest

EVENTS = 240
PROGRAM = """
import { Analytics } from '@segment/analytics-node'
const analytics = new Analytics({ writeKey: process.env.TOKEN, host: process.env.HOST, path: '/v1/batch', flushAt: 20, flushInterval: 50, maxRetries: 20 })
const sent = [], failed = []
const told = (kind) => (error, ctx) => error ? failed.push(String(error)) : sent.push([kind, ctx.event.messageId])
const timestamp = new Date('2023-02-19T10:00:00.250Z')
for (let i = 0; i < EVENTS; i++) {
  const userId = 'sdk-' + i % 12
  if (i < 12) analytics.identify({ userId, traits: { email: userId + '@sdk.example', firstName: 'Sdk', name: 'x', plan: { deep: [1] } } }, told('identify'))
  analytics.track({ userId, anonymousId: 'a' + i, event: 'Sdk Event', properties: { n: i, revenue: 1.25, ñ: '✓' }, timestamp,
    context: { ip: '192.0.2.1', traits: { city: 'Madrid' } }, integrations: { All: true, Other: false } }, told('Sdk Event'))
  if (i % 8 === 0) analytics.page({ userId, name: 'Donate', category: 'Web', properties: { url: 'https://example.org/' + i } }, told('page'))
  if (i % 24 === 0) analytics.screen({ userId, name: 'Home', properties: {} }, told('screen'))
}
analytics.group({ userId: 'sdk-1', groupId: 'volunteers', traits: { name: 'Volunteers' } }, told('group'))
analytics.alias({ userId: 'sdk-1', previousId: 'sdk-old' }, told('alias'))
analytics.page({ anonymousId: 'nobody', name: 'Front' }, told('anonymous'))
await analytics.flush()
await analytics.closeAndFlush({ timeout: 100000 })
console.log(JSON.stringify({ sent, failed }))
""".replace("EVENTS", str(EVENTS))


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """The newest one, installed from the registry."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("node and npm are not here")
    folder = tmp_path_factory.mktemp("segment")
    (folder / "package.json").write_text('{"private": true, "type": "module", "dependencies": {"@segment/analytics-node": "^3 || ^2"}}')
    try:
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=folder, capture_output=True, text=True, timeout=300, check=True)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as e:
        pytest.skip(f"npm's registry is not reachable: {e} {(e.stderr or '')[-200:]}")
    (folder / "program.js").write_text(PROGRAM)
    return folder


class Faulty(http.server.ThreadingHTTPServer):
    """Passes requests on to lazod; what becomes of the first ones and their answers goes by turns."""

    turns = ("pass", "lose", "refuse", "hide", "limit", "lose", "refuse", "lose", "hide", "lose", "hide", "lose")

    def __init__(self, url):
        super().__init__(("127.0.0.1", 0), Handler)
        self.to = url.removeprefix("http://")
        self.lock, self.n, self.done = threading.Lock(), 0, {}
        self.retries = 0

    def turn(self):
        with self.lock:
            what = self.turns[self.n] if self.n < len(self.turns) else "pass"
            self.n += 1
            self.done[what] = self.done.get(what, 0) + 1
            return what


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        what = self.server.turn()
        if "X-Retry-Count" in self.headers:
            self.server.retries += 1
        if what == "refuse":
            return self.say(500, b"{}")
        if what == "limit":
            return self.say(429, b"{}", ("Retry-After", "1"))
        onwards = http.client.HTTPConnection(self.server.to, timeout=60)
        onwards.request("POST", self.path, body, {name: self.headers[name] for name in ("Content-Type", "Authorization", "User-Agent")})
        answer = onwards.getresponse()
        text = answer.read()
        onwards.close()
        if what == "lose":
            self.close_connection = True
            return None
        return self.say(500, b"{}") if what == "hide" else self.say(answer.status, text)

    def say(self, status, text, *headers):
        self.send_response(status)
        for name, value in (("Content-Length", str(len(text))), ("Content-Type", "application/json"), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *words):
        pass


def test_each_event_once(lazo, library):
    database = f"host={lazo.sockets()} dbname=lazo user=postgres"
    token = lazo.ctl("token", "create", "--organisation", "demo", "--role", "recorder", "--database", database).stdout.split()[-1]
    proxy = Faulty(lazo.url)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    try:
        ran = subprocess.run(["node", "program.js"], cwd=library, capture_output=True, text=True, timeout=240,
                             env={"TOKEN": token, "HOST": f"http://127.0.0.1:{proxy.server_address[1]}", "PATH": "/usr/local/bin:/usr/bin:/bin"})
    finally:
        proxy.shutdown()
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    assert said["failed"] == [] and proxy.retries > 0 and set(proxy.done) == set(Faulty.turns)
    facts = {(kind, key) for kind, key in map(tuple, said["sent"]) if kind in ("Sdk Event", "page", "screen")}
    assert len(facts) == EVENTS + EVENTS // 8 + EVENTS // 24
    there = lazo.sql("SELECT k.name, n.key FROM interaction i JOIN kind k ON k.id = i.kind_id JOIN interaction_key n ON n.interaction_id = i.id"
                     " WHERE i.source = 'segment' AND k.name IN ('Sdk Event', 'page', 'screen')"
                     " AND i.contact_id IN (SELECT contact_id FROM identity WHERE sort = 'external_id' AND value LIKE 'sdk-%')")
    assert sorted(there) == sorted(facts), "an event is missing, or there twice"
    seen = lazo.sql("SELECT (i.data->>'n')::int, i.amount, i.data->>'ñ', i.occurred_at FROM interaction i JOIN kind k ON k.id = i.kind_id WHERE k.name = 'Sdk Event'")
    assert {n for n, *_ in seen} == set(range(EVENTS))
    assert {(amount, text, at.isoformat()) for _, amount, text, at in seen} == {(125, "✓", "2023-02-19T10:00:00.250000+00:00")}
    people = lazo.sql("SELECT c.email, c.first_name, c.city FROM contact c WHERE c.external_id LIKE 'sdk-%'")
    assert sorted(people) == sorted((f"sdk-{i}@sdk.example", "Sdk", "Madrid") for i in range(12))
    assert lazo.sql("SELECT c.external_id FROM contact_group g JOIN contact c ON c.id = g.contact_id WHERE g.name = 'volunteers'") == [("sdk-1",)]
    assert lazo.sql("SELECT i.data->>'name', i.data->>'category' FROM interaction i JOIN kind k ON k.id = i.kind_id WHERE k.name = 'page' LIMIT 1") == [("Donate", "Web")]
