"""The rule language once more, as naively as it can be written: a reading of lazo-rules(7) over plain Python objects.

A rule is a tuple whose first word says what it is; `text` writes it in the language, `holds` evaluates it for one contact at one instant. It shares nothing with
the compiler: no SQL, no parser, one contact, one condition, all interactions looked at each time."""
import datetime as dt
import functools
import re
import unicodedata
from fractions import Fraction
from zoneinfo import ZoneInfo

UTC = dt.timezone.utc
OPS = {"=": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b, "<=": lambda a, b: a <= b,
       ">": lambda a, b: a > b, ">=": lambda a, b: a >= b}


def fold(s):
    if s is None:
        return None
    return "".join(c for c in unicodedata.normalize("NFD", s) if not 0x300 <= ord(c) <= 0x36F).lower()


# --- time -----------------------------------------------------------------------------------------

@functools.lru_cache(None)
def zone(name):
    return ZoneInfo(name)


def local(t, tz):
    return t.astimezone(zone(tz)).replace(tzinfo=None)


def from_local(naive, tz):
    """A time that does not exist is read with the offset before the change, one that exists twice is the second."""
    first, second = (naive.replace(tzinfo=zone(tz), fold=f) for f in (0, 1))
    a, b = first.utcoffset(), second.utcoffset()
    return (second if a > b else first).astimezone(UTC)


@functools.lru_cache(None)
def day_start(date, tz):
    """The first quarter of an hour that belongs to the day or a later one."""
    t = dt.datetime(date.year, date.month, date.day, tzinfo=UTC) - dt.timedelta(hours=27)
    while local(t, tz).date() < date:
        t += dt.timedelta(minutes=15)
    return t


def add_months(naive, n):
    month = naive.year * 12 + naive.month - 1 + n
    year, month = month // 12, month % 12 + 1
    last = (dt.date(year + month // 12, month % 12 + 1, 1) - dt.timedelta(days=1)).day
    return naive.replace(year=year, month=month, day=min(naive.day, last))


def shift(t, sign, n, unit, tz):
    """t minus or plus a duration: months and years on the calendar of the zone."""
    if unit in ("month", "year"):
        return from_local(add_months(local(t, tz), sign * n * (12 if unit == "year" else 1)), tz)
    return t + sign * n * dt.timedelta(**{unit + "s": 1})


def literal_span(text, tz):
    """The instants a date literal means: [start, end), or one instant (end None)."""
    if "T" in text:
        return dt.datetime.fromisoformat(text.replace("Z", "+00:00")), None
    day = dt.date.fromisoformat(text)
    return day_start(day, tz), day_start(day + dt.timedelta(days=1), tz)


def period_start(day, unit):
    if unit == "day":
        return day
    if unit == "week":
        return day - dt.timedelta(days=day.weekday())
    if unit == "month":
        return day.replace(day=1)
    if unit == "quarter":
        return day.replace(day=1, month=(day.month - 1) // 3 * 3 + 1)
    return day.replace(day=1, month=1)


def in_window(w, v, now, tz):
    what = w[0]
    if what == "in last":
        return shift(now, -1, w[1], w[2], tz) < v <= now
    if what == "in next":
        return now < v <= shift(now, 1, w[1], w[2], tz)
    if what == "before ago":
        return v <= shift(now, -1, w[1], w[2], tz)
    if what == "after ago":
        return v > shift(now, -1, w[1], w[2], tz)
    if what in ("since", "before", "on", "between"):
        start, end = literal_span(w[1], tz)
        if what == "since":
            return v >= start
        if what == "before":
            return v < start
        if what == "on":
            return v == start if end is None else start <= v < end
        last, after = literal_span(w[2], tz)
        return start <= v and (v <= last if after is None else v < after)
    unit = {"today": "day", "yesterday": "day"}.get(what, w[1] if len(w) > 1 else None)
    this = period_start(local(now, tz).date(), unit)
    if what in ("yesterday", "previous"):
        return day_start(period_start(this - dt.timedelta(days=1), unit), tz) <= v < day_start(this, tz)
    following = this + dt.timedelta(days=1)
    while period_start(following, unit) == this:
        following += dt.timedelta(days=1)
    return day_start(this, tz) <= v < day_start(following, tz)


# --- values ---------------------------------------------------------------------------------------

def number_of(x):
    """What a value of data is as a number."""
    if isinstance(x, bool) or x is None:
        return None
    if isinstance(x, (int, float)):
        return Fraction(str(x))
    if isinstance(x, str) and re.fullmatch(r"[-+]?[0-9]{1,40}([.][0-9]{1,40})?", x):
        return Fraction(x)
    return None


def text_of(x):
    if x is None:
        return None
    if isinstance(x, bool):
        return "true" if x else "false"
    return fold(str(x))


def truth_of(x):
    return {"true": True, "false": False}.get(x) if isinstance(x, str) else x if isinstance(x, bool) else None


def interaction_value(world, i, name):
    """(type, value) of an interaction's field."""
    if name == "amount":
        return "number", None if i["amount"] is None else Fraction(i["amount"], 100)
    if name == "currency":
        return "text", fold(i["currency"])
    if name == "source":
        return "text", fold(i["source"]) or None
    if name == "campaign":
        return "text", fold(world.campaigns.get(i["campaign_id"]))
    if name in ("year", "month", "day", "weekday"):
        at = i["at"] and local(i["at"], world.tz)
        return "number", None if at is None else at.isoweekday() if name == "weekday" else getattr(at, name)
    return "any", (i["data"] or {}).get(name.split(".", 1)[1])


def occurred(world, c, now, kind):
    return sorted((i for i in c["interactions"] if i["kind"] == kind and i["at"] <= now), key=lambda i: (i["at"], i["id"]))


def events(world, c, now, kind, where, window):
    found = occurred(world, c, now, kind)
    if window:
        found = [i for i in found if in_window(window, i["at"], now, world.tz)]
    return [i for i in found if where is None or where_holds(world, i, where)]


def contact_zone(world, c):
    return c["time_zone"] or world.tz


def occurrence(world, year, month, day):
    """A yearly day in one year."""
    if (month, day) == (2, 29) and (year % 4 or (year % 100 == 0 and year % 400)):
        return dt.date(year, 2, 28) if world.leap == "02-28" else dt.date(year, 3, 1)
    return dt.date(year, month, day)


def age(world, c, now):
    if c["birth_year"] is None:
        return None
    today = local(now, contact_zone(world, c)).date()
    return today.year - c["birth_year"] - (today < occurrence(world, today.year, c["birth_month"], c["birth_day"]))


def value(world, c, now, v):
    """(type, value) of a value over a contact; missing is None."""
    what = v[0]
    if what == "field":
        return field_value(world, c, now, v[1])
    if what in ("count", "any"):
        return "number", len(events(world, c, now, *v[1:4]))
    kind, field, where, window = v[1:5]
    found = events(world, c, now, kind, where, window)
    if what in ("first", "last"):
        if field is None:
            return "instant", None if not found else found[0 if what == "first" else -1]["at"]
        if not found:
            return interaction_value(world, dict(amount=None, currency=None, source=None, campaign_id=None, data=None, at=None), field)
        return interaction_value(world, found[0 if what == "first" else -1], field)
    numbers = [interaction_value(world, i, field) for i in found]
    numbers = [number_of(x) if t == "any" else x for t, x in numbers]
    numbers = [x for x in numbers if x is not None]
    if what == "sum":
        return "number", sum(numbers, Fraction(0))
    if not numbers:
        return "number", None
    return "number", {"min": min, "max": max, "avg": lambda n: sum(n) / len(n)}[what](numbers)


def field_value(world, c, now, name):
    if name.startswith("attr."):
        t, x = world.fields[name[5:]], c["attrs"].get(name[5:])
        return {"text": ("text", fold(x) if t == "text" else x), "number": ("number", None if x is None else x),
                "date": ("date", x), "boolean": ("boolean", x)}[t]
    if name.startswith("rfm."):
        s, name = c["score"], name[4:]
        if name in ("label",):
            return "text", fold(s["label"]) or None if s else None
        if name == "last_on":
            return "date", s and s["last_on"]
        if not s:
            return "number", None
        return "number", {"score": 100 * s["r"] + 10 * s["f"] + s["m"], "monetary": Fraction(s["monetary"], 100),
                          "recency": (local(now, world.tz).date() - s["last_on"]).days}.get(name, s.get(name))
    if name == "age":
        return "number", age(world, c, now)
    if name in ("birth_year", "birth_month", "birth_day"):
        return "number", c[name]
    if name == "deceased":
        return "boolean", c[name]
    if name == "deceased_on":
        return "date", c[name]
    if name == "created_at":
        return "instant", c["created_at"]
    if name == "known_since":
        return "instant", min([c["created_at"]] + [i["at"] for i in c["interactions"] if i["at"] <= now])
    if name == "email_domain":
        return "text", fold(c["email"].split("@")[1]) if c["email"] else None
    return "text", fold(c[name])


# --- comparisons ----------------------------------------------------------------------------------

def compare_values(op, a, b):
    """Two typed values, neither a literal."""
    (ta, x), (tb, y) = a, b
    if "number" in (ta, tb):
        x, y = (number_of(z) if t == "any" else z for t, z in ((ta, x), (tb, y)))
        x, y = (Fraction(repr(z)) if isinstance(z, float) else z for z in (x, y))
    elif "boolean" in (ta, tb):
        x, y = (truth_of(z) if t == "any" else z for t, z in ((ta, x), (tb, y)))
    elif "any" in (ta, tb):
        x, y = (text_of(z) if t == "any" else z for t, z in ((ta, x), (tb, y)))
    if x is None or y is None:
        return False
    return OPS[op](x, y)


def compare_literal(world, op, a, literal):
    t, x = a
    sort, text = literal
    if sort == "string":
        x = text_of(x) if t == "any" else x
        return x is not None and OPS[op](x.encode(), fold(text).encode())
    if sort == "number":
        x = number_of(x) if t == "any" else x
        if isinstance(x, float):
            return OPS[op](x, float(text))
        return x is not None and OPS[op](x, Fraction(text))
    if sort == "boolean":
        x = truth_of(x) if t == "any" else x
        return x is not None and OPS[op](x, text == "true")
    if x is None:
        return False
    if t == "date":
        return OPS[op](x, dt.date.fromisoformat(text))
    start, end = literal_span(text, world.tz)
    if end is None:
        return OPS[op](x, start)
    return {"=": start <= x < end, "!=": not start <= x < end, "<": x < start, "<=": x < end, ">": x >= end, ">=": x >= start}[op]


def tested(world, test, a):
    """What may be asked of one value, of a contact or of an interaction."""
    what = test[0]
    if what == "compare":
        return compare_literal(world, test[1], a, test[2])
    if what == "in":
        if test[1]:
            return all(compare_literal(world, "!=", a, l) for l in test[2])
        return any(compare_literal(world, "=", a, l) for l in test[2])
    if what == "between":
        return compare_literal(world, ">=", a, test[1]) and compare_literal(world, "<=", a, test[2])
    if what == "known":
        return (a[1] is not None) == test[1]
    x = text_of(a[1]) if a[0] == "any" else a[1]
    if x is None:
        return False
    needle = fold(test[1])
    if what == "matches":
        return re.search(needle.replace("$", r"\Z"), x) is not None
    return {"contains": needle in x, "starts with": x.startswith(needle), "ends with": x.endswith(needle)}[what]


def where_holds(world, i, rule):
    what = rule[0]
    if what == "and":
        return all(where_holds(world, i, r) for r in rule[1:])
    if what == "or":
        return any(where_holds(world, i, r) for r in rule[1:])
    if what == "not":
        return not where_holds(world, i, rule[1])
    return tested(world, rule[2], interaction_value(world, i, rule[1]))


def yearly(world, now, tz, day, month_day, after):
    today = local(now, tz).date()
    dates = [occurrence(world, y, *month_day) for y in range(today.year - 1, today.year + 4)]
    dates = [d for d in dates if after is None or d > after]
    if day[0] == "today":
        return today in dates
    if day[0] == "tomorrow":
        return today + dt.timedelta(days=1) in dates
    if day[2] in ("month", "year"):
        last = add_months(dt.datetime(today.year, today.month, today.day), day[1] * (12 if day[2] == "year" else 1)).date()
    else:
        last = today + day[1] * dt.timedelta(**{day[2] + "s": 1})
    return any(today < d <= last for d in dates)


def related(world, c, name, day):
    """Who is related so on a day. The relations of the world are (one, name, inverse, other, since, until); a name that shares another one is read from it."""
    if name in world.shared:
        mine = [x for x in sides(world, day) if x[0] is c and x[1] == world.shared[name]]
        return [y[0] for x in mine for y in sides(world, day) if y[1] == world.shared[name] and y[2] is x[2] and y[0] is not c]
    return [other for one, called, other in sides(world, day) if one is c and called == name]


def sides(world, day):
    for one, name, inverse, other, since, until in world.relations:
        if (since is None or since <= day) and (until is None or until >= day):
            yield one, name, other
            yield other, inverse, one


def holds(world, c, now, rule):
    what = rule[0]
    if what == "and":
        return all(holds(world, c, now, r) for r in rule[1:])
    if what == "or":
        return any(holds(world, c, now, r) for r in rule[1:])
    if what == "not":
        return not holds(world, c, now, rule[1])
    if what == "test":
        return tested(world, rule[2], value(world, c, now, rule[1]))
    if what == "pair":
        return compare_values(rule[2], value(world, c, now, rule[1]), value(world, c, now, rule[3]))
    if what == "any":
        return value(world, c, now, rule)[1] > 0
    if what == "during":
        t, v = value(world, c, now, rule[1])
        if v is None:
            return False
        return in_window(rule[2], day_start(v, world.tz) if t == "date" else v, now, world.tz)
    if what == "birthday":
        if c["birth_month"] is None:
            return False
        return yearly(world, now, contact_zone(world, c), rule[1], (c["birth_month"], c["birth_day"]), None)
    if what == "anniversary":
        t, v = value(world, c, now, ("field", rule[1]))
        if v is None:
            return False
        d = v if t == "date" else local(v, contact_zone(world, c)).date()
        return yearly(world, now, contact_zone(world, c), rule[2], (d.month, d.day), d)
    if what == "tag":
        return fold(rule[1]) in map(fold, c["tags"])
    if what == "group":
        return fold(rule[1]) in map(fold, c["groups"])
    if what == "subscribed":
        return c["topics"].get(rule[1], False)
    if what == "segment":
        return rule[1] in c["segments"]
    if what in ("person", "company", "household"):
        return c["kind"] == what
    if what == "related":
        return any(rule[2] is None or holds(world, other, now, rule[2]) for other in related(world, c, rule[1], local(now, world.tz).date()))
    return what == "true"


# --- the language ---------------------------------------------------------------------------------

def quoted(s):
    return '"' + s.replace("\\", "\\\\").replace('"', '\\"') + '"'


def literal_text(literal):
    return quoted(literal[1]) if literal[0] == "string" else literal[1]


def duration_text(n, unit):
    return "%d %s%s" % (n, unit, "" if n == 1 else "s")


def window_text(w):
    if w is None:
        return ""
    if w[0] in ("in last", "in next"):
        return " %s %s" % (w[0], duration_text(w[1], w[2]))
    if w[0] in ("before ago", "after ago"):
        return " %s %s ago" % (w[0].split()[0], duration_text(w[1], w[2]))
    if w[0] == "between":
        return " between %s and %s" % w[1:]
    return " " + " ".join(w)


def events_text(kind, field, where, window):
    name = kind if re.fullmatch(r"[a-z_]+", kind) else "`%s`" % kind
    return name + ("." + field if field else "") + (" where " + text(where) if where else "") + window_text(window)


def value_text(v):
    if v[0] == "field":
        return v[1]
    if v[0] in ("count", "any"):
        return "%s(%s)" % (v[0], events_text(v[1], None, v[2], v[3]))
    return "%s(%s)" % (v[0], events_text(*v[1:5]))


def test_text(v, test):
    if test[0] == "compare":
        return "%s %s %s" % (v, test[1], literal_text(test[2]))
    if test[0] == "in":
        return "%s %s (%s)" % (v, "not in" if test[1] else "in", ", ".join(map(literal_text, test[2])))
    if test[0] == "between":
        return "%s between %s and %s" % (v, literal_text(test[1]), literal_text(test[2]))
    if test[0] == "known":
        return "%s is %s" % (v, "known" if test[1] else "unknown")
    return "%s %s %s" % (v, test[0], quoted(test[1]))


def day_text(day):
    return day[0] if day[0] != "in next" else "in next " + duration_text(day[1], day[2])


def text(rule):
    what = rule[0]
    if what in ("and", "or"):
        return "(" + (" %s " % what).join(map(text, rule[1:])) + ")"
    if what == "not":
        return "not " + text(rule[1])
    if what == "field test":
        return test_text(rule[1], rule[2])
    if what == "test":
        return test_text(value_text(rule[1]), rule[2])
    if what == "pair":
        return "%s %s %s" % (value_text(rule[1]), rule[2], value_text(rule[3]))
    if what == "any":
        return value_text(rule)
    if what == "during":
        return value_text(rule[1]) + window_text(rule[2])
    if what == "birthday":
        return "birthday " + day_text(rule[1])
    if what == "anniversary":
        return "anniversary of %s %s" % (rule[1], day_text(rule[2]))
    if what in ("tag", "subscribed"):
        return "%s %s" % (what, quoted(rule[1]))
    if what in ("segment", "group"):
        return "in %s %s" % (what, quoted(rule[1]))
    if what == "related":
        return "related as " + quoted(rule[1]) + ("" if rule[2] is None else " where (%s)" % text(rule[2]))
    return what
