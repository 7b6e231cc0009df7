"""The law of the last word, by random sequences: whatever is merged, taken apart, imported, undone, erased and edited around it, mail goes to whom a person's last word
and the law allow it, once, and to nobody else.

The model below is told of each act and shares nothing with Lazo. Many families are played side by side on one instance, a step of each at a time; between the steps
nothing of Lazo is waited for, and all is judged when it has settled. The check plays the same families each time; LAZO_SEED plays others, LAZO_ROUNDS more, by lot."""
import base64
import collections
import hashlib
import hmac
import os
import random
import re

from lazo_test import eventually
from test_imports import run, settle, upload, wait

TOPICS = ("law-a", "law-b")
PEOPLE = 3
STEPS = 12
SEED = 103954416


class Act:
    """Something that happened to a contact that was nobody else's at that time: a word, a death."""

    def __init__(self, at, node, what, value, file=None):
        self.at, self.node, self.what, self.value, self.file = at, node, what, value, file


class Merge:
    def __init__(self, at, number, keep, gone):
        self.at, self.number, self.keep, self.gone = at, number, keep, gone


class Family:
    """What is known of a few people, their acts in the order in which they happened, and the merges that stand."""

    def __init__(self, ids):
        self.ids = ids
        self.acts, self.merges, self.story = [], [], []
        self.second = [False] * len(ids)
        self.crossed = set()  # who was merged or taken apart after the half
        self.erased = set()

    def alive(self):
        return [n for n in range(PEOPLE) if n not in self.erased and all(m.gone != n for m in self.merges)]

    def now(self, n):
        for m in self.merges:
            if m.gone == n:
                return self.now(m.keep)
        return n

    def with_whom(self, n):
        return {i for i in range(PEOPLE) if self.now(i) == n}

    def state(self, n, what, undone):
        """The last word, or whether somebody died: all that happened, but for merges and files that were undone."""
        held = {}
        for it in sorted(self.acts + self.merges, key=lambda x: x.at):
            if isinstance(it, Merge):
                held[it.keep] = self.both(held.get(it.keep), held.get(it.gone), what)
            elif it.what == what and it.file not in undone:
                held[it.node] = it.value
        return held.get(n)

    @staticmethod
    def both(one, other, what):
        if what == "dead":
            return one or other
        return False if False in (one, other) else one if one is not None else other

    def own(self, n, what, since=-1):
        """The last own word since then; what an import attested is nobody's own."""
        said = [a.value for a in self.acts if a.node == n and a.what == what and a.file is None and a.at > since]
        return said[-1] if said else None

    def unmerge(self, merge, at, undone):
        """A no, and a death, that were said since of those who were one hold for both: also of whom they were merged into since."""
        way = [merge]
        for m in self.merges:
            if m.at > way[-1].at and m.gone == way[-1].keep:
                way.append(m)
        for m in reversed(way):
            for topic in TOPICS:
                # What was said of the gone one before somebody else was merged into it was said of it alone.
                alone = max((x.at for x in self.merges if x.keep == m.gone), default=-1)
                if self.own(m.keep, topic, m.at) is False and self.own(m.gone, topic, alone) is not False:
                    self.acts.append(Act(at(), m.gone, topic, False))
            before = [self.state_at(n, m.at, undone) for n in (m.keep, m.gone)]
            if self.own(m.keep, "dead", m.at) and not any(before):
                self.acts.append(Act(at(), m.gone, "dead", True))
        self.merges.remove(merge)

    def state_at(self, n, at, undone):
        past = Family(self.ids)
        past.acts, past.merges = [a for a in self.acts if a.at < at], [m for m in self.merges if m.at < at]
        return past.state(n, "dead", undone)


class Law:
    def __init__(self, lazo, sink, rnd, name, families):
        self.lazo, self.sink, self.rnd, self.name = lazo, sink, rnd, name
        self.clock = 0
        self.files = []           # [import, topic, who is in it, whether it is undone, which run]
        self.undone = set()
        self.asked = {}           # by address: whether the mail to confirm it was not to be sent
        self.suppressed = set()
        self.secret = (lazo.home / "secret").read_text().strip().encode()
        self.topic_ids = dict(lazo.sql("SELECT name, id FROM topic"))
        self.families = [self.family(g) for g in range(families)]

    def at(self):
        self.clock += 1
        return self.clock

    def marker(self, g, n):
        return f"{self.name}g{g}p{n}z"

    def address(self, g, n, second=False):
        return f"{'second-' if second else ''}{self.marker(g, n)}@{self.name}.example"

    def family(self, g):
        made = self.lazo.api("POST", "/v1/interactions", [
            {"kind": "registered", "contact": {"email": self.address(g, n), "first_name": self.marker(g, n), "tags": ["law", f"t{self.marker(g, n)}"],
                                               **({"city": f"c{self.marker(g, n)}"} if self.rnd.random() < .5 else {})}} for n in range(PEOPLE)])
        return Family([i["contact"] for i in made["items"]])

    # --- what may happen ------------------------------------------------------------------------------------------------------

    def say(self, g, f):
        n, topic, action = self.rnd.choice(f.alive()), self.rnd.choice(TOPICS), self.rnd.choice(("grant", "withdraw"))
        self.lazo.api("POST", f"/v1/contacts/{f.ids[self.rnd.choice(sorted(f.with_whom(n)))]}/consents", {"topic": topic, "action": action, "wording": "w"})
        f.acts.append(Act(self.at(), n, topic, action == "grant"))
        return n, topic, action

    def form(self, g, f):
        n = self.rnd.choice(f.alive())
        i = self.rnd.choice(sorted(f.with_whom(n)))
        r = self.lazo.request("POST", f"/f/{self.name}", token="", headers={"X-Forwarded-For": f"10.{self.clock % 250}.{g % 250}.1"}, data={"email": self.address(g, i)},
                              allow_redirects=False)
        assert r.status_code in (200, 202, 303), r.text
        for topic in TOPICS:
            f.acts.append(Act(self.at(), n, topic, True))
        return n, i

    def ask(self, g, f):
        """A sign-up that is to be confirmed by mail; an address that has not answered is not asked again."""
        i = self.rnd.choice([i for i in range(PEOPLE) if i not in f.erased])
        if (g, i) in self.asked:
            return None
        self.asked[g, i] = f.state(f.now(i), "dead", self.undone) or self.address(g, i) in self.suppressed
        r = self.lazo.request("POST", f"/f/{self.name}d", token="", headers={"X-Forwarded-For": f"10.{self.clock % 250}.{g % 250}.2"}, data={"email": self.address(g, i)},
                              allow_redirects=False)
        assert r.status_code in (200, 202, 303), r.text
        eventually(lambda: self.lazo.sql("SELECT count(*) FROM job WHERE to_email IS NOT NULL") == [(0,)], what="the mail to confirm it is sent, or is not to be")
        return i

    def confirm(self, g, f):
        for i in range(PEOPLE):
            if self.asked.get((g, i), True) is False and i not in f.erased:
                mail = [m for m in self.sink.to(self.address(g, i)) if m.subject == "confirm"][-1]
                path = re.search(r"https://mail\.example\.org(/f/confirm/\S+)", mail.text).group(1)
                assert self.lazo.request("POST", path, token="", data={"confirm": "1"}).status_code == 200
                del self.asked[g, i]
                for topic in TOPICS:
                    f.acts.append(Act(self.at(), f.now(i), topic, True))
                return i
        return None

    def click(self, g, f):
        """The link of some mail of before, in whosever name it was sent."""
        i, topic = self.rnd.choice([i for i in range(PEOPLE) if f.now(i) in f.alive()]), self.rnd.choice(TOPICS)
        payload = f"u1:1:{f.ids[i]}:{self.topic_ids[topic]}".encode()
        token = base64.urlsafe_b64encode(payload + hmac.new(self.secret, payload, hashlib.sha256).digest()[:16]).decode().rstrip("=")
        r = self.lazo.request("POST", f"/u/{token}", token="", data={"List-Unsubscribe": "One-Click"})
        assert r.status_code == 200, r.text
        f.acts.append(Act(self.at(), f.now(i), topic, False))
        return i, topic

    def merge(self, g, f):
        if len(f.alive()) < 2:
            return None
        keep, gone = self.rnd.sample(f.alive(), 2)
        number = self.lazo.api("POST", "/v1/contacts/merge", {"keep": f.ids[keep], "merge": f.ids[gone]})["id"]
        f.crossed |= f.with_whom(keep) | f.with_whom(gone)
        f.merges.append(Merge(self.at(), number, keep, gone))
        return keep, gone

    def unmerge(self, g, f):
        if not f.merges:
            return None
        m = self.rnd.choice(f.merges)
        f.crossed |= f.with_whom(f.now(m.keep))
        self.lazo.api("POST", f"/v1/contacts/merges/{m.number}/undo")
        f.unmerge(m, self.at, self.undone)
        return m.keep, m.gone

    def die(self, g, f):
        n = self.rnd.choice(f.alive())
        dead = not f.state(n, "dead", self.undone)
        if self.rnd.random() < .5 if dead else f.with_whom(n) == {n}:  # who is alive after all is told of somebody known to be alone
            self.lazo.api("PATCH", f"/v1/contacts/{f.ids[n]}", {"deceased": dead})
            f.acts.append(Act(self.at(), n, "dead", dead))
            f.crossed |= f.with_whom(n)
            return n, dead
        return None

    def suppress(self, g, f):
        n = self.rnd.choice(f.alive())
        address = self.address(g, n, f.second[n])
        if address in self.suppressed:
            self.lazo.api("DELETE", f"/v1/suppressions/{address}")
            self.suppressed.discard(address)
        else:
            self.lazo.api("POST", "/v1/suppressions", {"email": address, "reason": self.rnd.choice(("manual", "bounce", "complaint"))})
            self.suppressed.add(address)
        return n, address in self.suppressed

    def readdress(self, g, f):
        n = self.rnd.choice(f.alive())
        f.second[n] = not f.second[n]
        f.crossed.add(n)
        self.lazo.api("PATCH", f"/v1/contacts/{f.ids[n]}", {"email": self.address(g, n, f.second[n])})
        return n, f.second[n]

    def edit(self, g, f):
        n = self.rnd.choice(f.alive())
        self.lazo.api("PATCH", f"/v1/contacts/{f.ids[n]}", {"city": f"e{self.marker(g, n)}"})
        self.lazo.record({"id": f.ids[n]}, "lawgift", amount="5.00")
        return n

    def erase(self, g, f):
        n = self.rnd.choice(f.alive())
        gone = f.with_whom(n)
        self.lazo.api("POST", f"/v1/contacts/{f.ids[n]}/erase", {"reason": "asked"})
        f.erased |= gone
        f.merges = [m for m in f.merges if m.keep not in gone]
        self.suppressed -= {self.address(g, i, s) for i in gone for s in (False, True)}
        return sorted(gone)

    def imports(self, who):
        """One file for all families that have a row in it."""
        topic = self.rnd.choice(TOPICS)
        rows = [(g, self.rnd.choice([i for i in range(PEOPLE) if i not in self.families[g].erased])) for g in who]
        one = upload(self.lazo, "email,city,tag\n" + "".join(f"{self.address(g, i)},Imported,imported\n" for g, i in rows))
        settle(self.lazo, one, columns={"email": "email", "city": "city", "tag": "tags"}, consent={"topic": topic, "attestation": "on paper"})
        self.files.append([one, topic, rows, False, 0])
        self.run_file(len(self.files) - 1)

    def run_file(self, k):
        one, topic, rows, _, turn = self.files[k]
        r = self.lazo.request("POST", f"/v1/imports/{one['id']}/start")
        if r.status_code == 409:
            return  # its file went with somebody who was erased
        assert r.status_code < 300, r.text
        wait(self.lazo, one, "finished")
        self.files[k][3:] = [False, turn + 1]
        for g, i in rows:
            f = self.families[g]
            f.story.append((f"import {k}", i, topic))
            if i not in f.erased and f.state(f.now(i), topic, self.undone) is None:
                f.acts.append(Act(self.at(), f.now(i), topic, True, (k, turn + 1)))

    def undo_file(self, k):
        one, _, rows, _, turn = self.files[k]
        self.lazo.api("POST", f"/v1/imports/{one['id']}/undo")
        wait(self.lazo, one, "undone")
        self.files[k][3] = True
        self.undone.add((k, turn))
        for g, _ in rows:
            self.families[g].story.append((f"undo of import {k}",))

    def step(self):
        say = [self.say, self.say, self.form, self.ask, self.ask, self.confirm, self.confirm, self.click, self.merge, self.merge, self.unmerge, self.unmerge, self.die, self.suppress, self.readdress, self.edit, None, None]
        rows = []
        for g, f in enumerate(self.families):
            if not f.alive():
                continue
            act = self.erase if self.rnd.random() < .02 else self.rnd.choice(say)
            if act is None:
                rows.append(g)
            else:
                told = act(g, f)
                if told is not None:
                    f.story.append((act.__name__, told))
        if rows:
            self.imports(rows)
        if self.rnd.random() < .7:
            done = [k for k, file in enumerate(self.files) if not file[3]]
            again = [k for k, file in enumerate(self.files) if file[3]]
            if again and self.rnd.random() < .3:
                self.run_file(self.rnd.choice(again))
            elif done:
                self.undo_file(self.rnd.choice(done))

    # --- what must be ---------------------------------------------------------------------------------------------------------

    def told(self, g):
        return f"family {g} {self.families[g].ids}: {self.families[g].story}"

    def judge_words(self):
        have = {(c, t): s for c, t, s in self.lazo.sql("SELECT s.contact_id, t.name, s.subscribed FROM subscription s JOIN topic t ON t.id = s.topic_id")}
        wrong = []
        for g, f in enumerate(self.families):
            for n in f.alive():
                for topic in TOPICS:
                    want, got = f.state(n, topic, self.undone), have.get((f.ids[n], topic))
                    if want is not got:
                        wrong.append(f"person {n} on {topic}: {got} and not {want}; {self.told(g)}")
        print("\n".join(wrong))
        assert not wrong

    def may(self, g, n, topic=None):
        f = self.families[g]
        return not f.state(n, "dead", self.undone) and (topic is None or f.state(n, topic, self.undone) is True)

    def judge_mail(self, subject, topic, sure=lambda f, n: True):
        """Each who may have it has it once, where that is sure; nobody else has it. A mail that is tried again goes to the address that it was first made for."""
        came = collections.Counter(to for m in self.sink.all() if m.subject == subject for to in m.to)
        wrong = []
        for g, f in enumerate(self.families):
            for n in f.alive():
                got = {a: came.pop(a, 0) for i in f.with_whom(n) for a in (self.address(g, i), self.address(g, i, True))}
                sent, allowed = sum(got.values()), self.may(g, n, topic)
                reached = self.address(g, n, f.second[n]) not in self.suppressed
                if sent > 1 or (sent and not allowed) or any(got[a] for a in got if a in self.suppressed) or (sent == 0 and allowed and reached and sure(f, n)):
                    wrong.append(f"person {n} has {sent} of {subject}; {self.told(g)}")
        print("\n".join(wrong))
        assert not wrong
        assert not came, "who is no more has mail"

    def judge_erased(self):
        """Nothing of an erased person is left in any table."""
        gone = [(self.marker(g, n), self.told(g)) for g, f in enumerate(self.families) for n in f.erased]
        if not gone:
            return
        some = "|".join(m for m, _ in gone)
        for (table,) in self.lazo.sql("SELECT table_name FROM information_schema.tables WHERE table_schema = 'lazo' AND table_type = 'BASE TABLE'", user="postgres"):
            found = self.lazo.sql(f"SELECT t::text FROM lazo.{table} t WHERE t::text ~ %s", [some], user="postgres")
            print("\n".join(f"left in {table}: {row}; {t}" for row, in found for m, t in gone if m in row))
            assert not found


def test_the_last_word_holds(lazo, sink):
    seed = int(os.environ.get("LAZO_SEED") or (random.SystemRandom().randrange(10**9) if os.environ.get("LAZO_ROUNDS") else SEED))
    print("LAZO_SEED", seed)
    rnd = random.Random(seed)
    name = f"w{seed % 10000}"
    for topic in TOPICS:
        lazo.api("PUT", f"/v1/topics/{topic}", {"title": topic})
        lazo.segment(f"said-{topic}", f'subscribed "{topic}"')
    lazo.segment("law-gave", "sum(lawgift.amount) >= 10")
    lazo.api("PUT", f"/v1/forms/{name}", {"title": "F", "topics": list(TOPICS), "double_opt_in": False, "wording": "Yes", "version": "1", "language": "en"})
    lazo.template("confirm", "confirm", "T {{ confirm_url }}")
    lazo.api("PUT", f"/v1/forms/{name}d", {"title": "D", "topics": list(TOPICS), "template": "confirm", "wording": "Yes", "version": "1", "language": "es"})
    for what in ("half", "late", "end-law-a", "end-law-b", "service"):
        lazo.template(what, what, "T {{ organisation.postal_address }} {{ unsubscribe_url }}" if what != "service" else "T")
    lazo.journey("law", {"start": {"interaction": "lawstart"}, "steps": [{"wait": "1 day"}, {"send": "late", "topic": "law-b"}]})
    sink.clear()
    law = Law(lazo, sink, rnd, name, 40 * int(os.environ.get("LAZO_ROUNDS") or 4))

    for _ in range(STEPS // 2):
        law.step()
    entered = {f: set(f.alive()) for f in law.families}
    # In the middle of all that people enter a journey, and a campaign is begun and held.
    for f in law.families:
        if f.alive():
            lazo.api("POST", "/v1/interactions", [{"contact": {"id": f.ids[n]}, "kind": "lawstart"} for n in f.alive()])
    lazo.api("PUT", "/v1/campaigns/half", {"template": "half", "rule": 'tag "law"', "topic": "law-a"})
    lazo.settle()
    law.judge_words()
    sink.answer = lambda mail: "451 4.3.0 later" if mail.subject == "half" else None
    lazo.api("POST", "/v1/campaigns/half/start")
    eventually(lambda: lazo.get("/v1/campaigns/half")["state"] in ("running", "paused"), what="the campaign is made into mails")
    lazo.api("POST", "/v1/campaigns/half/pause")
    eventually(lambda: lazo.sql("SELECT count(*) FROM job WHERE lease IS NOT NULL") == [(0,)], what="no mail is under way")
    # Some of its mails may have been judged already: who might not have it then need not get it later.
    for g, f in enumerate(law.families):
        f.crossed = {n for n in range(PEOPLE) if n not in f.alive() or not law.may(g, n, "law-a") or law.address(g, n, f.second[n]) in law.suppressed}
    for _ in range(STEPS - STEPS // 2):
        law.step()

    sink.answer = None
    lazo.api("POST", "/v1/campaigns/half/resume")
    lazo.advance("25 h")
    lazo.settle(180)
    law.judge_words()
    law.judge_mail("half", "law-a", lambda f, n: n not in f.crossed)
    law.judge_mail("late", "law-b", lambda f, n: n in entered[f] and n not in f.crossed)
    for topic in TOPICS:
        lazo.api("PUT", f"/v1/campaigns/end-{topic}", {"template": f"end-{topic}", "rule": 'tag "law"', "topic": topic})
        lazo.api("POST", f"/v1/campaigns/end-{topic}/start")
    for f in law.families:
        for n in f.alive():
            lazo.api("POST", "/v1/messages", {"template": "service", "contact": f.ids[n], "key": f"law {f.ids[n]}"})
    lazo.settle(180)
    for topic in TOPICS:
        law.judge_mail(f"end-{topic}", topic)
    law.judge_mail("service", None)
    law.judge_erased()
    lazo.ctl("check", "--segments", "--rfm")
    lazo.ctl("consent", "verify")
    held = {m["id"] for topic in TOPICS for m in lazo.items(f"/v1/segments/said-{topic}/members")}
    assert held == {i for (i,) in lazo.sql("SELECT DISTINCT s.contact_id FROM subscription s JOIN topic t ON t.id = s.topic_id WHERE s.subscribed AND t.name = ANY (%s)", [list(TOPICS)])}
