/* vcard.c - a contact as vCard 4.0 (RFC 6350); see export.h. */
#include "common/utf8.h"
#include "daemon/export/export.h"

#include <string.h>

#define LINE_MAX_BYTES 75 /* RFC 6350 3.2: longer lines are folded */
#define CONTENT_MAX    ((size_t)1 << 20)

static const char *text_of(const json_t *contact, const char *name)
{
    const char *s = json_string_value(json_object_get(contact, name));

    return s == NULL ? "" : s;
}

/* 3.4: backslash, comma and semicolon are escaped; line ends are \n. */
static void escaped(struct buf *line, const char *s)
{
    for (; *s != '\0'; s++) {
        if (*s == '\\' || *s == ',' || *s == ';')
            buf_char(line, '\\');
        if (*s == '\n')
            buf_str(line, "\\n");
        else if (*s != '\r')
            buf_char(line, *s);
    }
}

/* Folds at 75 bytes without cutting a character, and empties the line. */
static void line_end(struct buf *out, struct buf *line)
{
    size_t at = 0, room = LINE_MAX_BYTES;

    while (line->len - at > room) {
        size_t n = room;

        while (n > 1 && ((unsigned char)line->data[at + n] & 0xc0) == 0x80)
            n--;
        buf_add(out, line->data + at, n);
        buf_str(out, "\r\n ");
        at += n;
        room = LINE_MAX_BYTES - 1;
    }
    buf_add(out, line->data + at, line->len - at);
    buf_str(out, "\r\n");
    buf_reset(line);
}

static void property(struct buf *out, struct buf *line, const char *name, const char *value)
{
    if (*value == '\0')
        return;
    buf_printf(line, "%s:", name);
    escaped(line, value);
    line_end(out, line);
}

/* Parts between semicolons; nothing where all are empty. */
static void structured(struct buf *out, struct buf *line, const char *name,
                       const char *const *parts, size_t n)
{
    size_t filled = 0;

    for (size_t i = 0; i < n; i++)
        filled += *parts[i] != '\0';
    if (filled == 0)
        return;
    buf_printf(line, "%s:", name);
    for (size_t i = 0; i < n; i++) {
        buf_str(line, i == 0 ? "" : ";");
        escaped(line, parts[i]);
    }
    line_end(out, line);
}

static void full_name(struct buf *out, struct buf *line, const json_t *contact)
{
    const char *first = text_of(contact, "first_name"), *last = text_of(contact, "last_name");
    const char *company = text_of(contact, "company_name"), *email = text_of(contact, "email");

    /* FN must be there, and must not be empty. */
    buf_str(line, "FN:");
    if (*first != '\0' || *last != '\0') {
        escaped(line, first);
        buf_str(line, *first != '\0' && *last != '\0' ? " " : "");
        escaped(line, last);
    } else if (*company != '\0' || *email != '\0') {
        escaped(line, *company != '\0' ? company : email);
    } else {
        buf_printf(line, "%lld", (long long)json_integer_value(json_object_get(contact, "id")));
    }
    line_end(out, line);
}

/* EMAIL or TEL of each address under `list`. vCard knows two of our labels (RFC 6350 5.6). */
static void addresses(struct buf *out, struct buf *line, const json_t *contact, const char *list,
                      const char *key, const char *name)
{
    const json_t *address;
    size_t i;

    json_array_foreach(json_object_get(contact, list), i, address)
    {
        const char *label = text_of(address, "label");

        buf_printf(line, "%s%s", name,
                   json_is_true(json_object_get(address, "primary")) ? ";PREF=1" : "");
        if (strcmp(label, "work") == 0 || strcmp(label, "home") == 0)
            buf_printf(line, ";TYPE=%s", label);
        buf_char(line, ':');
        escaped(line, text_of(address, key));
        line_end(out, line);
    }
}

static const char *kind_of(const json_t *contact)
{
    const char *kind = text_of(contact, "kind");

    if (strcmp(kind, "company") == 0)
        return "org";
    return strcmp(kind, "household") == 0 ? "group" : "individual";
}

/* "1970-03-09" is BDAY:19700309; "--03-09" is BDAY:--0309. DEATHDATE is of RFC 6474. */
static void day(struct buf *out, struct buf *line, const char *name, const char *date)
{
    const char *s = date;

    if (*date == '\0')
        return;
    buf_printf(line, "%s:", name);
    if (strncmp(s, "--", 2) == 0) {
        buf_str(line, "--");
        s += 2;
    }
    for (; *s != '\0'; s++)
        if (*s != '-')
            buf_char(line, *s);
    line_end(out, line);
}

static void categories(struct buf *out, struct buf *line, const json_t *contact)
{
    const json_t *tags = json_object_get(contact, "tags"), *tag;
    size_t i;

    if (json_array_size(tags) == 0)
        return;
    buf_str(line, "CATEGORIES:");
    json_array_foreach(tags, i, tag)
    {
        buf_str(line, i == 0 ? "" : ",");
        escaped(line, json_string_value(tag));
    }
    line_end(out, line);
}

void export_vcard(struct buf *out, const json_t *contact)
{
    const char *const name[] = {text_of(contact, "last_name"), text_of(contact, "first_name"), "",
                                "", ""};
    const char *const address[] = {"",
                                   "",
                                   text_of(contact, "street"),
                                   text_of(contact, "city"),
                                   "",
                                   text_of(contact, "postal_code"),
                                   text_of(contact, "country")};
    struct buf line;

    buf_init(&line, NULL, CONTENT_MAX);
    buf_str(out, "BEGIN:VCARD\r\nVERSION:4.0\r\n");
    property(out, &line, "KIND", kind_of(contact));
    full_name(out, &line, contact);
    structured(out, &line, "N", name, 5);
    property(out, &line, "ORG", text_of(contact, "company_name"));
    addresses(out, &line, contact, "emails", "email", "EMAIL");
    addresses(out, &line, contact, "phones", "phone", "TEL");
    structured(out, &line, "ADR", address, 7);
    property(out, &line, "LANG", text_of(contact, "language"));
    property(out, &line, "TZ", text_of(contact, "time_zone"));
    day(out, &line, "BDAY", text_of(contact, "birth_date"));
    day(out, &line, "DEATHDATE", text_of(contact, "deceased_on"));
    categories(out, &line, contact);
    buf_str(out, "END:VCARD\r\n");
    buf_done(&line);
}
