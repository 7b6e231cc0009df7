#!/usr/bin/python3
"""The whole job of Lazo, played on its real parts and checked: `make demo`.

A private PostgreSQL, lazod, its workers, a real SMTP server and a real HTTP receiver, all on this machine and gone afterwards. What a
person would type goes through lazoctl, what a web developer would do over HTTP, and one donation is inserted with psql. The clock of the
instance is simulated and starts on 2006-12-31, to where the history reaches. Ends with a table of what was expected and what was seen;
the exit status is 0 only where they agree.
"""
import collections
import csv
import datetime
import pathlib
import shutil
import sys
import time

import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from lazo_test import EXAMPLE, EXPECTED_SCORES, PUBLIC, Instance, Receiver, Sink, eventually, verify_signature  # noqa: E402

START = "2006-12-31T12:00:00Z"
TODAY = datetime.date(2006, 12, 31)
NEW = {"email": "lucia.romero@example.org", "first_name": "Lucía", "last_name": "Romero", "language": "es", "country": "ES",
       "birth_date": "1984-01-02", "consents": [{"topic": "felicitaciones", "action": "grant", "source": "sign-up form"}]}
EURO = "\u00a0€"


class Checks:
    def __init__(self):
        self.rows = []

    def add(self, what, expected, seen):
        self.rows.append((what, str(expected), str(seen), expected == seen))
        if expected != seen:
            print(f"   !! {what}: expected {expected}, seen {seen}")

    def table(self):
        """Prints it; whether all is well."""
        heads = ("what", "expected", "seen", "ok")
        rows = [(w, e, s, "yes" if ok else "NO") for w, e, s, ok in self.rows]
        width = [max(len(r[i]) for r in [heads, *rows]) for i in range(4)]
        for r in [heads, tuple("-" * w for w in width), *rows]:
            print("  " + " | ".join(cell.ljust(w) for cell, w in zip(r, width)).rstrip())
        return all(ok for _, _, _, ok in self.rows)


def say(text):
    print(text, flush=True)


def step(number, text):
    say(f"\n{number}. {text}")


def show(text):
    for line in text.strip("\n").splitlines():
        say("     " + line)


# --- what must come out, computed from the history by itself -----------------------------------------------------------------

def read_history():
    gifts = collections.defaultdict(list)
    with open(EXAMPLE / "history" / "donations.csv", newline="") as f:
        for row in csv.DictReader(f):
            gifts[row["email"].lower()].append((datetime.date.fromisoformat(row["date"]), int(row["amount"]), row["external_id"]))
    return gifts


def expected_counts(gifts):
    """Members of four segments on the evening of START. A gift counts from noon of its day."""
    a_year, two_years, ninety = datetime.date(2005, 12, 31), datetime.date(2004, 12, 31), TODAY - datetime.timedelta(days=90)
    return {
        "donantes": len(gifts),
        "dormidos": sum(max(g)[0] <= a_year for g in gifts.values()),
        "grandes-donantes": sum(sum(a for d, a, _ in g if d > two_years) >= 500 for g in gifts.values()),
        "nuevos": sum(min(g)[0] > ninety for g in gifts.values()),
    }


def label_of(boxes, scores):
    """The first box that holds, as rfm.yaml has them."""
    return next((b["label"] for b in boxes if all(b.get(k, [1, 5])[0] <= n <= b.get(k, [1, 5])[1] for k, n in zip("rfm", scores))), "")


def expected_scores(gifts):
    """email -> (r, f, m, label): the scores as the R package rfm has them, the association's own labels."""
    address = {g[0][2]: email for email, g in gifts.items()}
    boxes = yaml.safe_load((EXAMPLE / "rfm.yaml").read_text())["donations"]["labels"]
    with open(EXPECTED_SCORES, newline="") as f:
        scores = {address[row["customer_id"]]: tuple(int(row[f"{k}_score"]) for k in ("recency", "frequency", "monetary")) for row in csv.DictReader(f)}
    return {who: (*s, label_of(boxes, s)) for who, s in scores.items()}


# --- the acts ------------------------------------------------------------------------------------------------------------

class Demo:
    def __init__(self):
        self.checks = Checks()
        self.sink, self.receiver = Sink().start(), Receiver().start()
        self.lazo = Instance(relay=self.sink.url, clock=START, example=True, env={"LAZO_EXAMPLE_HOOK": self.receiver.url})
        self.gifts = read_history()

    def ctl(self, *words):
        say("   $ lazoctl " + " ".join(f"'{w}'" if " " in str(w) else str(w) for w in words))
        out = self.lazo.ctl(*words).stdout
        show(out)
        return out

    def post(self, body):
        say(f"   POST /v1/interactions  {body['kind']} of {body['contact']['email']}" + (f", {body['amount']} EUR" if "amount" in body else ""))
        return self.lazo.api("POST", "/v1/interactions", body)

    def mail(self, address, subject):
        """The mail with this subject, once it is there."""
        mail = eventually(lambda: next((m for m in self.sink.to(address) if m.subject == subject), None), 60,
                          f'the mail "{subject}" to {address}; there are {self.sink.to(address)}')
        say(f'   the relay received  "{mail.subject}"  for {address}')
        return mail

    def scores(self):
        return {s["email"]: (s["r"], s["f"], s["m"], s["label"]) for s in self.lazo.items("/v1/rfm/donations/scores")}

    def start(self):
        step(1, "A whole instance starts: PostgreSQL, lazod, the workers, and the example association")
        say(f"   $ lazoctl up --home {self.lazo.home} --relay {self.sink.url} --clock {START} --example")
        self.lazo.start()
        say(f"   ready at {self.lazo.url}; it is {self.lazo.now()} there")

    def history(self):
        step(2, "The association's history is imported: people who said yes to the newsletter, and their gifts")
        files = EXAMPLE / "history"
        self.ctl("import", "contacts", files / "contacts.csv", "--topic", "boletin", "--attestation", "opted in on paper, 2004 to 2006")
        self.ctl("import", "interactions", files / "donations.csv", "--kind", "donation", "--source", "history")
        self.lazo.settle(120)
        found = self.lazo.sql("SELECT (SELECT count(*) FROM contact), (SELECT count(*) FROM interaction WHERE source = 'history')")[0]
        self.checks.add("people imported", 995, found[0])
        self.checks.add("gifts imported", 4906, found[1])
        self.checks.add("mails that the import sent", 0, len(self.sink))
        self.checks.add("webhook calls that the import made", 0, len(self.receiver.calls))

    def segments(self):
        step(3, "Who belongs where: segments, and how recently, often and much people gave (RFM)")
        self.ctl("segments")
        for name, n in expected_counts(self.gifts).items():
            self.checks.add(f"segment {name}", n, self.lazo.count(name))
        self.ctl("rfm", "donations")
        wanted, seen = expected_scores(self.gifts), self.scores()
        coverage = self.lazo.get("/v1/rfm/donations/summary")["coverage"]
        self.checks.add("combinations of scores without a label, labels without one", "0, 0", f"{coverage['uncovered']}, {len(coverage['unreachable'])}")
        self.checks.add("RFM scores as the R package rfm has them", f"{len(wanted)} of {len(wanted)}",
                        f"{sum(seen.get(a, ())[:3] == w[:3] for a, w in wanted.items())} of {len(seen)}")
        self.checks.add("RFM labels as rfm.yaml says", len(wanted), sum(seen.get(a, ())[3:] == w[3:] for a, w in wanted.items()))

    def newsletter(self):
        step(4, "The newsletter goes to the segment donantes")
        self.ctl("campaign", "start", "boletin")
        eventually(lambda: self.lazo.get("/v1/campaigns/boletin")["state"] == "finished", 120, "the campaign is finished")
        self.ctl("campaign", "show", "boletin")
        mails = self.sink.all()
        one = mails[0]
        say(f'   one of them: "{one.subject}" for {one.to[0]}, List-Unsubscribe: {one["List-Unsubscribe"]}')
        counts = self.sink.counts()
        self.checks.add("donors who got the newsletter", 995, len(counts))
        self.checks.add("donors who got it more than once", 0, sum(n > 1 for n in counts.values()))
        self.checks.add("its subject", "Boletín de Asociación Lazo Verde: Invierno", one.subject)
        self.checks.add("mails with one-click List-Unsubscribe", 995,
                        sum(m["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click" and m["List-Unsubscribe"].startswith(f"<{PUBLIC}/u/")
                            for m in mails))
        self.checks.add("different ones", 995, len({m["List-Unsubscribe"] for m in mails}))
        self.checks.add("sent, says the campaign", 995, self.lazo.get("/v1/campaigns/boletin")["sent"])
        path = one["List-Unsubscribe"].strip("<>").removeprefix(PUBLIC)
        say(f"   POST {path}  as the reader's mail program does it")
        self.lazo.request("POST", path, token="", data={"List-Unsubscribe": "One-Click"}).raise_for_status()
        self.checks.add("lectores, one less", 994, eventually(lambda: self.lazo.count("lectores") == 994 and 994, 60, "somebody left lectores"))

    def sign_up(self):
        step(5, "A new person signs up on the website")
        self.post({"contact": NEW, "kind": "signup", "source": "web", "key": "signup-1"})
        mail = self.mail(NEW["email"], "Bienvenida a Asociación Lazo Verde, Lucía")
        self.checks.add("welcome mail", "Bienvenida a Asociación Lazo Verde, Lucía", mail.subject)
        self.checks.add("its parts", "text/plain text/html", " ".join(p.get_content_type() for p in mail.parsed.iter_parts()))

    def donations(self):
        step(6, "She gives 25 euros on the website; so does somebody who gave before")
        self.post({"contact": {"email": NEW["email"]}, "kind": "donation", "amount": "25.00", "source": "web", "key": "gift-1"})
        first = self.mail(NEW["email"], f"Tu primer donativo: gracias por tus 25,00{EURO}")
        self.checks.add("thanks for a first gift", f"Tu primer donativo: gracias por tus 25,00{EURO}", first.subject)
        old = self.sleeper()
        before = self.scores()[old]
        self.post({"contact": {"email": old}, "kind": "donation", "amount": 25, "source": "web", "key": "gift-2"})
        thanks = self.mail(old, f"Gracias por tus 25,00{EURO}")
        self.checks.add("thanks for another gift", f"Gracias por tus 25,00{EURO}", thanks.subject)
        self.checks.add("the amount in its text", True, f"25,00{EURO}" in thanks.text)
        after = eventually(lambda: self.scores()[old] if self.scores()[old] != before else None, 60, f"the score of {old} changes")
        say(f"   the RFM score of {old} was {before[:3]} {before[3]} and is {after[:3]} {after[3]}")
        self.checks.add("recency score before and after", (1, 5), (before[0], after[0]))
        again = self.post({"contact": {"email": old}, "kind": "donation", "amount": 25, "source": "web", "key": "gift-2"})
        self.checks.add("the same gift sent again is a duplicate", (0, 1), (again["recorded"], again["duplicates"]))

    def sleeper(self, n=0):
        """Somebody who has given nothing for long."""
        quiet = sorted(a for a, s in expected_scores(self.gifts).items() if s[0] == 1 and len(self.gifts[a]) > 2)
        return quiet[n]

    def stranger(self):
        step(7, "Another program inserts a gift of 40 euros straight into the database")
        who = self.sleeper(1)
        before = self.lazo.count("dormidos")
        command = ("INSERT INTO interaction (org_id, contact_id, kind_id, occurred_at, amount, amount_recorded, currency, source) "
                   "SELECT c.org_id, c.id, k.id, clock_now(), 4000, 4000, 'EUR', 'till' FROM contact c, kind k "
                   f"WHERE c.email = $${who}$$ AND k.name = 'donation'")
        say(f'   $ psql -c "{command}"')
        self.lazo.psql(command)
        mail = self.mail(who, f"Gracias por tus 40,00{EURO}")
        self.checks.add("thanks for the gift by psql", f"Gracias por tus 40,00{EURO}", mail.subject)
        self.checks.add("dormidos, one awake again", before - 1, eventually(lambda: self.lazo.count("dormidos") == before - 1 and before - 1, 60))
        self.checks.add("its recency score", 5, eventually(lambda: self.scores()[who][0] == 5 and 5, 60))

    def birthday(self):
        step(8, "Two nights pass; on 2 January it is Lucía's birthday")
        self.ctl("clock", "advance", "45 h")
        mail = self.mail(NEW["email"], "Feliz cumpleaños, Lucía")
        self.checks.add("birthday greeting", "Feliz cumpleaños, Lucía", mail.subject)

    def webhook(self):
        step(9, "The association's own database hears of it by webhook")
        secret = (self.lazo.home / "webhook-crm.secret").read_text()
        calls = {c.json["type"] + " " + c.json["data"]["contact"]["email"]: c for c in self.receiver.wait(4)}
        call = calls[f"donation {NEW['email']}"]
        show("\n".join(f"{h}: {call.headers[h]}" for h in ("webhook-id", "webhook-timestamp", "webhook-signature")) + "\n" + call.body.decode())
        self.checks.add("webhook calls with a good signature", f"{len(calls)} of 4",
                        f"{sum(verify_signature(c, secret) is None for c in calls.values())} of {len(calls)}")
        self.checks.add("the amount in the call", "25.00", call.json["data"]["interaction"]["amount"])
        call.body += b" "
        self.checks.add("a call that was tampered with", "no signature fits", verify_signature(call, secret))

    def finish(self):
        step(10, "How the instance is now")
        self.lazo.settle()
        self.ctl("status")
        status = self.lazo.get("/v1/status")
        self.checks.add("mails in doubt", 0, status["in_doubt"])
        self.checks.add("mails to the new person", 3, len(self.sink.to(NEW["email"])))

    def play(self):
        for act in (self.start, self.history, self.segments, self.newsletter, self.sign_up, self.donations, self.stranger, self.birthday,
                    self.webhook, self.finish):
            act()


def main():
    begun = time.monotonic()
    demo = Demo()
    well = False
    say("Lazo's demo: an association, its donors and their mail, in a folder of its own. Nothing leaves this machine.")
    try:
        demo.play()
        well = True
    except Exception as e:
        say(f"\n!! {type(e).__name__}: {e}\n\n{demo.lazo.diagnostics()}")
    finally:
        try:
            demo.lazo.stop(keep=True)
        except Exception as e:
            say(f"\n!! at the end: {e}")
            well = False
        demo.sink.stop()
        demo.receiver.stop()
    say(f"\nExpected and seen, after {time.monotonic() - begun:.0f} seconds:\n")
    well = demo.checks.table() and well
    if well:
        shutil.rmtree(demo.lazo.base, ignore_errors=True)
        say("\nAll of it happened.")
    else:
        say(f"\nNot all of it happened. What is left is in {demo.lazo.base}.")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
