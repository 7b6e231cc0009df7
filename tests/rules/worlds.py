"""Random organisations, contacts, histories and rules for test_rules.py."""
import datetime as dt
import json

import oracle

UTC = dt.timezone.utc
ZONES = ["Europe/Madrid", "America/New_York", "Asia/Kathmandu", "America/Havana", "Australia/Lord_Howe", "America/Sao_Paulo", "Pacific/Auckland", "Atlantic/Canary", "Pacific/Apia", "UTC"]
KINDS = ["donation", "call", "email_opened", "Cena de gala"]
DURATIONS = [(90, "minute"), (36, "hour"), (1, "day"), (30, "day"), (90, "day"), (2, "week"), (1, "month"), (3, "month"), (12, "month"), (1, "year"), (2, "year")]
TEXTS = {
    "first_name": ["Ana", "ANA", "José", "jose", "Zoë", "Łucja", ""],
    "last_name": ["Pérez", "perez", "O'Brien", 'Say "hi"', "back\\slash", "100%_"],
    "company_name": ["Acme", "Fundación Ñandú"],
    "country": ["ES", "PT", "FR"],
    "city": ["Málaga", "MALAGA", "Madrid", "São Paulo"],
    "language": ["es", "es-ES", "en"],
    "postal_code": ["28001", "08001", "2800"],
    "phone": ["+34600000000", "600"],
    "stage": ["Lead", "líder", "Donante"],
    "external_id": ["A-1", "a-1", "X9"],
    "email": ["ana@example.org", "jose@casa.es", "zoe@example.com"],
    "email_domain": ["example.org", "casa.es", "EXAMPLE.COM"],
}
TAGS = ["socio", "Sócio", "no-mail", "VIP"]
GROUPS = ["Junta", "voluntarios"]
TOPICS = ["boletin", "eventos"]
SEGMENTS = ["fieles", "Nuevos socios"]
RELATIONS = [("spouse", "spouse"), ("parent of", "child of"), ("employee of", "employs"), ("member of household", "has household member")]
LABELS = ["Champion", "En riesgo", ""]
DATA = {"form": ["web", "Gala", 5, "5", True, None], "units": [1, 2.5, "3", "x", -4, "1e5"], "vip": [True, False, "true", "no", 1]}


class World:
    """What the oracle sees; store() writes the same to the database."""

    def __init__(self, rnd, n_contacts):
        self.rnd = rnd
        self.tz = rnd.choice(ZONES)
        self.leap = rnd.choice(["02-28", "03-01"])
        self.now = self.random_now()
        self.fields = {"renta": "number", "carnet": "text", "alta": "date", "activo": "boolean"}
        self.campaigns = {}
        self.contacts = [self.contact() for _ in range(n_contacts)]
        self.shared = {"same household": "member of household", "colleague": "employee of"}
        self.asks_related = n_contacts > 1
        self.relations = self.relate() if n_contacts > 1 else []

    def random_now(self):
        rnd = self.rnd
        day = dt.date(rnd.randint(2015, 2027), rnd.randint(1, 12), 1) + dt.timedelta(days=rnd.choice([0, 1, 14, 26, 27, 28, 29, 30, -1, -2]))
        if rnd.random() < 0.2:  # around a change of the clocks
            day = rnd.choice([dt.date(2024, 3, 31), dt.date(2024, 10, 27), dt.date(2018, 11, 4), dt.date(2018, 3, 11), dt.date(2025, 4, 6), dt.date(2024, 2, 29), dt.date(2024, 3, 1)])
        if self.tz == "Pacific/Apia" and rnd.random() < 0.5:  # 30 December 2011 was skipped there
            day = dt.date(2011, 12, 28) + dt.timedelta(days=rnd.randint(0, 5))
        t = dt.datetime(day.year, day.month, day.day, rnd.randint(0, 23), rnd.choice([0, 0, 15, 30, 59]), rnd.choice([0, 0, 30]), rnd.choice([0, 0, 123456]))
        return t.replace(tzinfo=UTC)

    def near(self, t):
        """An instant that is likely to sit on an edge as seen from t."""
        rnd = self.rnd
        n, unit = rnd.choice(DURATIONS)
        way = rnd.random()
        if way < 0.45:
            t = oracle.shift(t, -1, n, unit, self.tz)
        elif way < 0.7:
            t -= dt.timedelta(seconds=rnd.randint(0, 86400 * 800))
        elif way < 0.78:
            t += dt.timedelta(seconds=rnd.randint(0, 86400 * 60))
        return t + rnd.choice([0, 0, 1, -1, 1]) * dt.timedelta(microseconds=rnd.choice([1, 1, 10**6, 3600 * 10**6, 86400 * 10**6, 3 * 86400 * 10**6]))

    def interaction(self, i):
        rnd = self.rnd
        data = {k: rnd.choice(v) for k, v in DATA.items() if rnd.random() < 0.5}
        return dict(id=i, kind=rnd.choice(KINDS[:3] + KINDS), at=self.near(self.now),
                    amount=rnd.choice([None, 0, 1, 2550, 2551, 10000, -500, rnd.randint(1, 10**7)]), currency=rnd.choice([None, "EUR", "USD"]),
                    source=rnd.choice(["", "web", "Web", "oficina"]), campaign_id=rnd.choice([None, 1, 2]), data=data if rnd.random() < 0.7 else None)

    def contact(self):
        rnd = self.rnd
        c = {name: rnd.choice(values + [None]) for name, values in TEXTS.items() if name != "email_domain"}
        c["kind"] = rnd.choice(["person", "person", "company", "household"])
        c["time_zone"] = rnd.choice([None, None, rnd.choice(ZONES)])
        today = self.now.date()
        born = rnd.choice([today + dt.timedelta(days=rnd.randint(-3, 33)), dt.date(1999, 1, 1) + dt.timedelta(days=rnd.randint(0, 364)), dt.date(2000, 2, 29), None])
        c["birth_month"], c["birth_day"] = (born.month, born.day) if born else (None, None)
        c["birth_year"] = rnd.choice([None, rnd.randint(1930, 2024)]) if born else None
        if (c["birth_month"], c["birth_day"]) == (2, 29) and c["birth_year"]:
            c["birth_year"] = 1996
        c["created_at"] = self.near(self.now)
        c["deceased"] = rnd.random() < 0.2
        c["deceased_on"] = rnd.choice([None, self.near(self.now).date()]) if c["deceased"] else None
        c["attrs"] = {k: v for k, v in (("renta", rnd.choice([0.1, 25.5, -3.0, 1e6])), ("carnet", rnd.choice(["A", "á", "b2"])), ("activo", rnd.random() < 0.5),
                                        ("alta", self.near(self.now).date())) if rnd.random() < 0.6}
        c["tags"] = rnd.sample(["socio", "no-mail", "VIP"], rnd.randint(0, 2))
        c["groups"] = rnd.sample(GROUPS, rnd.randint(0, 1))
        c["topics"] = {t: rnd.random() < 0.6 for t in TOPICS if rnd.random() < 0.7}
        c["segments"] = rnd.sample(SEGMENTS, rnd.randint(0, 2))
        c["score"] = rnd.choice([None, dict(r=rnd.randint(1, 5), f=rnd.randint(1, 5), m=rnd.randint(1, 5), label=rnd.choice(LABELS), frequency=rnd.randint(1, 9),
                                            monetary=rnd.randint(0, 10**6), last_on=today - dt.timedelta(days=rnd.randint(0, 400)))])
        c["interactions"] = [self.interaction(i + 1) for i in range(rnd.choice([0, 1, 2, 5, 12]))]
        for i in c["interactions"][1:]:  # two things at one instant
            if rnd.random() < 0.15:
                i["at"] = rnd.choice(c["interactions"])["at"]
        return c

    def relate(self):
        rnd, found = self.rnd, {}
        for _ in range(2 * len(self.contacts)):
            a, b = rnd.sample(range(len(self.contacts)), 2)
            name, inverse = rnd.choice(RELATIONS)
            if name != inverse or (b, name, a) not in found:
                days = sorted(oracle.local(self.near(self.now), self.tz).date() for _ in range(2))
                found[a, name, b] = (self.contacts[a], name, inverse, self.contacts[b], rnd.choice([None, None, days[0]]), rnd.choice([None, None, days[1]]))
        return list(found.values())

    # --- into the database ------------------------------------------------------------------------

    def store(self, cursor):
        cursor.execute("SET lazo.writer = 'lazod'; SET search_path = lazo; TRUNCATE organisation CASCADE")
        cursor.execute("INSERT INTO organisation (slug, name, time_zone, leap_birthday) VALUES ('o', 'o', %s, %s) RETURNING id", (self.tz, self.leap))
        self.org = cursor.fetchone()[0]
        kinds = {k: self.one(cursor, "INSERT INTO kind (org_id, name) VALUES (%s, %s) ON CONFLICT (org_id, name) DO UPDATE SET name = excluded.name RETURNING id", k) for k in KINDS}
        topics = {t: self.one(cursor, "INSERT INTO topic (org_id, name) VALUES (%s, %s) RETURNING id", t) for t in TOPICS}
        fields = {f: self.one(cursor, "INSERT INTO field (org_id, name, type) VALUES (%s, %s, %s) RETURNING id", f, t) for f, t in self.fields.items()}
        segments = {s: self.one(cursor, "INSERT INTO segment (org_id, name, kind, updated_at) VALUES (%s, %s, 'fixed', '2020-01-01') RETURNING id", s) for s in SEGMENTS}
        model = self.one(cursor, "INSERT INTO rfm_model (org_id, name, kinds, updated_at) VALUES (%s, 'main', '{donation}', '2020-01-01') RETURNING id")
        template = self.one(cursor, "INSERT INTO template (org_id, name) VALUES (%s, 't') RETURNING id")
        ids = [self.one(cursor, "INSERT INTO campaign (org_id, name, template_id, segment_id, topic_id, updated_at) VALUES (%s, %s, %s, %s, %s, '2020-01-01') RETURNING id",
                        name, template, segments[SEGMENTS[0]], topics[TOPICS[0]]) for name in ("Otoño", "Navidad")]
        self.campaigns = dict(zip(ids, ("Otoño", "Navidad")))
        for c in self.contacts:
            self.store_contact(cursor, c, kinds, topics, fields, segments, model, ids)
        cursor.execute("SELECT set_config('lazo.org', %s, false), relation_kind_put('colleague', NULL, 'employee of')", (str(self.org),))
        cursor.execute("SELECT name, id, coalesce(inverse_id, 0), coalesce(shares_id, 0) FROM relation_kind WHERE org_id = %s", (self.org,))
        relations = [dict(name=n, id=i, inverse=v, shares=s) for n, i, v, s in cursor.fetchall()]
        named = {r["name"]: r["id"] for r in relations}
        for one, name, _, other, since, until in self.relations:
            cursor.execute("INSERT INTO relation (org_id, contact_id, kind_id, other_id, since, until) VALUES (%s, %s, %s, %s, %s, %s)",
                           (self.org, one["id"], named[name], other["id"], since, until))
        self.catalogue = dict(relations=relations, time_zone=self.tz, currency_digits=2, leap_birthday=self.leap, kinds=kinds, topics=topics, models={"main": model},
                              fields=[dict(name=f, id=fields[f], type=t) for f, t in self.fields.items()],
                              segments=[dict(name=s, id=i) for s, i in segments.items()])

    def one(self, cursor, sql, *args):
        cursor.execute(sql, (self.org, *args))
        return cursor.fetchone()[0]

    def store_contact(self, cursor, c, kinds, topics, fields, segments, model, campaigns):
        columns = [n for n in TEXTS if n != "email_domain"] + ["kind", "time_zone", "birth_year", "birth_month", "birth_day", "created_at", "deceased", "deceased_on"]
        c["id"] = self.one(cursor, "INSERT INTO contact (org_id, %s) VALUES (%%s%s) RETURNING id" % (", ".join(columns), ", %s" * len(columns)), *(c[n] for n in columns))
        run = lambda sql, *args: cursor.execute(sql, (self.org, c["id"], *args))
        for name, v in c["attrs"].items():
            run("INSERT INTO contact_attr (org_id, contact_id, field_id, value_%s) VALUES (%%s, %%s, %%s, %%s)" % self.fields[name], fields[name], v)
        for tag in c["tags"]:
            run("INSERT INTO contact_tag VALUES (%s, %s, %s)", tag)
        for group in c["groups"]:
            run("INSERT INTO contact_group VALUES (%s, %s, %s)", group)
        for topic, on in c["topics"].items():
            run("INSERT INTO subscription VALUES (%s, %s, %s, %s, '2020-01-01')", topics[topic], on)
        for segment in c["segments"]:
            run("INSERT INTO membership VALUES (%s, %s, %s, '2020-01-01')", segments[segment])
        s = c["score"]
        if s:
            run("INSERT INTO rfm_score (org_id, contact_id, model_id, last_on, frequency, monetary, r, f, m, label, scored_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, '2020-01-01')",
                model, s["last_on"], s["frequency"], s["monetary"], s["r"], s["f"], s["m"], s["label"])
        for i in c["interactions"]:
            if i["campaign_id"]:
                i["campaign_id"] = campaigns[i["campaign_id"] - 1]
            run("INSERT INTO interaction (org_id, contact_id, id, kind_id, occurred_at, amount, currency, source, campaign_id, data) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                i["id"], kinds[i["kind"]], i["at"], i["amount"], i["currency"], i["source"], i["campaign_id"], None if i["data"] is None else json.dumps(i["data"]))

    # --- rules ------------------------------------------------------------------------------------

    def rule(self, depth=2, related=True):
        rnd = self.rnd
        if depth > 0 and rnd.random() < 0.6:
            what = rnd.choice(["and", "or", "not"])
            if what == "not":
                return ("not", self.rule(depth - 1, related))
            return (what, *(self.rule(depth - 1, related) for _ in range(rnd.randint(2, 3))))
        if related and self.asks_related and rnd.random() < 0.12:
            return self.related_rule()
        return rnd.choice([self.text_rule, self.number_rule, self.aggregate_rule, self.aggregate_rule, self.aggregate_rule, self.instant_rule, self.instant_rule, self.date_rule,
                           self.row_rule, self.yearly_rule, self.pair_rule, self.attribute_rule])()

    def text_test(self, values):
        rnd = self.rnd
        word = rnd.choice(values)
        way = rnd.random()
        if way < 0.3:
            return ("compare", rnd.choice(["=", "!=", "=", "<", ">="]), ("string", word))
        if way < 0.6:
            return ("in", rnd.random() < 0.4, [("string", rnd.choice(values)) for _ in range(rnd.randint(1, 3))])
        if way < 0.7:
            return ("known", rnd.random() < 0.5)
        if way < 0.8:
            return ("between", ("string", "b"), ("string", "N"))
        if way < 0.88:
            return ("matches", rnd.choice(["^a", "O$", "[aeiou]{2}", "(ana|jos.$)", "m.l", r"\.es$", "^[^0-9]*$", "é+", "(a|b)*d?r", "[a-c0-3-]", "28{0,1}0{2,3}1"]))
        part = word[: rnd.randint(1, len(word))] if word else "a"
        return (rnd.choice(["contains", "starts with", "ends with"]), rnd.choice([part, part.upper(), word[-2:] or "z"]))

    def text_rule(self):
        name = self.rnd.choice(list(TEXTS))
        return ("test", ("field", name), self.text_test(TEXTS[name]))

    def number_test(self, numbers):
        rnd = self.rnd
        literal = lambda: ("number", rnd.choice(numbers))
        return rnd.choice([("compare", rnd.choice(list(oracle.OPS)), literal()), ("compare", rnd.choice([">=", "<"]), literal()),
                           ("in", rnd.random() < 0.4, [literal(), literal()]), ("between", literal(), literal()), ("known", rnd.random() < 0.5)])

    def number_rule(self):
        name, numbers = self.rnd.choice([("age", ["18", "30", "65"]), ("birth_month", ["1", "2", "12"]), ("birth_year", ["1970", "2000"]), ("rfm.r", ["1", "3", "5"]), ("rfm.score", ["311", "555"]),
                                         ("rfm.frequency", ["1", "4"]), ("rfm.monetary", ["100", "2500.50"]), ("rfm.recency", ["0", "30", "200"]), ("attr.renta", ["0.1", "25.50", "-3"])])
        return ("test", ("field", name), self.number_test(numbers))

    def day_rule(self):
        """Of what grows by one at a time."""
        return ("test", ("field", self.rnd.choice(["age", "rfm.recency"])), self.number_test(["0", "17", "18", "30", "65", "200"]))

    def attribute_rule(self):
        rnd = self.rnd
        return rnd.choice([("test", ("field", rnd.choice(["attr.activo", "deceased"])), ("compare", rnd.choice(["=", "!="]), ("boolean", rnd.choice(["true", "false"])))),
                           ("test", ("field", "attr.carnet"), self.text_test(["a", "Á", "B2"])), ("test", ("field", "rfm.label"), self.text_test(["champion", "En Riesgo"])),
                           ("test", ("field", rnd.choice(["attr.alta", "rfm.last_on", "deceased_on"])), ("compare", rnd.choice(list(oracle.OPS)), ("date", str(self.near(self.now).date())))),
                           ("test", ("field", rnd.choice(["attr.alta", "time_zone", "age"])), ("known", rnd.random() < 0.5))])

    def duration(self):
        return self.rnd.choice(DURATIONS)

    def date_text(self):
        t = self.near(self.now)
        if self.rnd.random() < 0.3:
            return t.isoformat().replace("+00:00", "Z")
        return str(oracle.local(t, self.tz).date())

    def window(self, happened):
        rnd = self.rnd
        sorts = ["in last"] * 4 + ["before ago"] * 3 + ["after ago", "since", "before", "on", "between", "today", "yesterday", "this", "previous"] + ([] if happened else ["in next"] * 2)
        what = rnd.choice(sorts)
        if what in ("in last", "in next", "before ago", "after ago"):
            return (what, *self.duration())
        if what in ("since", "before", "on"):
            return (what, self.date_text())
        if what == "between":
            return (what, *sorted((self.date_text(), self.date_text())))
        return (what,) if what in ("today", "yesterday") else (what, rnd.choice(["week", "month", "quarter", "year"]))

    def where(self, depth=1):
        rnd = self.rnd
        if depth > 0 and rnd.random() < 0.4:
            what = rnd.choice(["and", "or", "not"])
            return ("not", self.where(depth - 1)) if what == "not" else (what, self.where(depth - 1), self.where(depth - 1))
        name = rnd.choice(["amount", "amount", "currency", "source", "campaign", "data.form", "data.units", "data.vip", "year", "month", "day", "weekday"])
        if name in ("year", "month", "day", "weekday"):
            at = self.near(self.now)
            near = {"weekday": at.isoweekday()}.get(name) or getattr(at, name)
            return ("field test", name, self.number_test([str(near), str(near), "1", "12" if name == "month" else "5"]))
        if name == "amount":
            return ("field test", name, self.number_test(["0", "25.50", "25.51", "100", "-5"]))
        if name == "data.units":
            return ("field test", name, self.number_test(["1", "2.5", "3", "-4"]))
        if name == "data.vip":
            return ("field test", name, ("compare", rnd.choice(["=", "!="]), ("boolean", rnd.choice(["true", "false"]))))
        return ("field test", name, self.text_test({"currency": ["EUR", "usd"], "source": ["web", "Oficina"], "campaign": ["otono", "NAVIDAD"], "data.form": ["web", "gala", "5", "true"]}[name]))

    def of_kind(self):
        return (self.rnd.choice(KINDS[:2] + KINDS), self.rnd.choice([None, None, self.where()]), self.rnd.choice([None, self.window(True), self.window(True)]))

    def aggregate(self):
        rnd = self.rnd
        kind, where, window = self.of_kind()
        fn = rnd.choice(["count", "sum", "avg", "min", "max", "first", "last"])
        if fn == "count":
            return (fn, kind, where, window)
        return (fn, kind, rnd.choice(["amount", "amount", "data.units"]), where, window)

    def aggregate_rule(self):
        rnd = self.rnd
        if rnd.random() < 0.3:
            return ("any", *self.of_kind())
        v = self.aggregate()
        if v[0] == "count":
            return ("test", v, self.number_test(["0", "1", "2", "4"]))
        if v[0] in ("first", "last") and rnd.random() < 0.15:
            return ("test", (*v[:2], rnd.choice(["month", "weekday"]), *v[3:]), self.number_test(["1", "5", "12"]))
        if v[0] in ("first", "last") and rnd.random() < 0.3:
            return ("test", (*v[:2], rnd.choice(["source", "campaign", "data.form", "currency"]), *v[3:]), self.text_test(["web", "otono", "eur", "5"]))
        return ("test", v, self.number_test(["0", "25.50", "100", "200.01", "1", "3"]))

    def instant(self):
        rnd = self.rnd
        if rnd.random() < 0.5:
            return ("field", rnd.choice(["created_at", "known_since"]))
        kind, where, window = self.of_kind()
        return (rnd.choice(["first", "last"]), kind, None, where, window)

    def instant_rule(self):
        rnd = self.rnd
        if rnd.random() < 0.6:
            return ("during", self.instant(), self.window(False))
        way = rnd.random()
        if way < 0.6:
            return ("test", self.instant(), ("compare", rnd.choice(list(oracle.OPS)), ("date", self.date_text())))
        if way < 0.8:
            return ("test", self.instant(), ("known", rnd.random() < 0.5))
        return ("test", self.instant(), ("in", rnd.random() < 0.4, [("date", self.date_text()), ("date", self.date_text())]))

    def date_rule(self):
        window = self.window(False)
        while window[0] == "between" and "T" in window[1] + window[2]:  # a day is no instant
            window = self.window(False)
        return ("during", ("field", self.rnd.choice(["attr.alta", "rfm.last_on"])), window)

    def row_rule(self):
        rnd = self.rnd
        return rnd.choice([("tag", rnd.choice(TAGS)), ("group", rnd.choice(["junta", "Voluntarios"])), ("subscribed", rnd.choice(TOPICS)), ("segment", rnd.choice(SEGMENTS)),
                           ("person",), ("company",), ("household",), ("true",), ("false",)])

    def related_rule(self, depth=2):
        """Some related contact, of whom a rule holds, in which another one may be nested."""
        rnd = self.rnd
        name = rnd.choice([n for pair in RELATIONS for n in pair] + list(self.shared) * 2)
        if depth > 0 and rnd.random() < 0.3:
            return ("related", name, self.related_rule(depth - 1))
        return ("related", name, rnd.choice([None, self.rule(1, related=False), self.rule(0, related=False)]))

    def yearly_rule(self):
        rnd = self.rnd
        day = rnd.choice([("today",), ("tomorrow",), ("in next", *rnd.choice([(1, "day"), (7, "day"), (2, "week"), (1, "month"), (1, "year")]))])
        if rnd.random() < 0.7:
            return ("birthday", day)
        return ("anniversary", rnd.choice(["created_at", "known_since", "attr.alta"]), day)

    def pair_rule(self):
        rnd = self.rnd
        op = rnd.choice(list(oracle.OPS))
        return rnd.choice([("pair", ("field", "first_name"), rnd.choice(["=", "!="]), ("field", "last_name")), ("pair", self.aggregate(), op, self.aggregate()),
                           ("pair", ("field", "attr.renta"), op, ("sum", "donation", "amount", None, None)), ("pair", ("field", "created_at"), op, ("last", "call", None, None, None))])
