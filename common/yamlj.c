/* yamlj.c - see yamlj.h. libyaml's events, read by recursive descent: one function for each shape
 * of node. libyaml speaks YAML 1.1, which only differs in how plain scalars are understood, and
 * that is done here. */
#include "common/yamlj.h"

#include "common/mem.h"
#include "common/utf8.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct reader {
    yaml_parser_t parser;
    yaml_event_t event; /* the one that is looked at */
    bool have;
    struct diag *d;
};

static void refuse(struct reader *r, const yaml_mark_t *at, const char *why)
{
    diag_at(r->d, (int)at->line + 1, (int)at->column + 1, "%s", why);
}

static void drop(struct reader *r)
{
    if (r->have)
        yaml_event_delete(&r->event);
    r->have = false;
}

/* next() - looks at the next event; false where there is none that can be read. */
static bool next(struct reader *r)
{
    const yaml_parser_t *p = &r->parser;

    drop(r);
    if (yaml_parser_parse(&r->parser, &r->event)) {
        r->have = true;
        return true;
    }
    if (p->error == YAML_READER_ERROR)
        diag_at(r->d, (int)p->mark.line + 1, (int)p->mark.column + 1, "%s",
                p->problem == NULL ? "the text cannot be read" : p->problem);
    else
        diag_at(r->d, (int)p->problem_mark.line + 1, (int)p->problem_mark.column + 1, "%s%s%s",
                p->problem == NULL ? "this is no YAML" : p->problem, p->context == NULL ? "" : " ",
                p->context == NULL ? "" : p->context);
    return false;
}

/* --- scalars ---------------------------------------------------------------------------- */

static bool one_of(const char *s, const char *a, const char *b, const char *c)
{
    return strcmp(s, a) == 0 || strcmp(s, b) == 0 || strcmp(s, c) == 0;
}

static size_t digits(const char *s, const char *which)
{
    return strspn(s, which);
}

/* integer() - [-+]?[0-9]+, 0o[0-7]+, 0x[0-9a-fA-F]+ as a JSON integer; NULL where it is none or too
 * large for 64 bits. */
static json_t *integer(const char *s)
{
    const char *from = s + (*s == '-' || *s == '+');
    int base = 10;
    long long value;
    size_t n;

    if (strncmp(s, "0x", 2) == 0 && digits(s + 2, "0123456789abcdefABCDEF") == strlen(s + 2))
        base = 16;
    else if (strncmp(s, "0o", 2) == 0 && digits(s + 2, "01234567") == strlen(s + 2))
        base = 8;
    if (base != 10)
        from = s = s + 2;
    n = strlen(from);
    if (n == 0 || (base == 10 && digits(from, "0123456789") != n))
        return NULL;
    errno = 0;
    value = strtoll(s, NULL, base);
    return errno == 0 ? json_integer(value) : NULL;
}

/* is_real() - [-+]? ( . [0-9]+ | [0-9]+ ( . [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool is_real(const char *s)
{
    size_t whole, part = 0, power;

    s += *s == '-' || *s == '+';
    s += whole = digits(s, "0123456789");
    if (*s == '.')
        s += 1 + (part = digits(s + 1, "0123456789"));
    if (whole + part == 0)
        return false;
    if (*s == 'e' || *s == 'E') {
        s += 1 + (s[1] == '-' || s[1] == '+');
        s += power = digits(s, "0123456789");
        if (power == 0)
            return false;
    }
    return *s == '\0';
}

/* plain() - what a scalar without quotes means. Numbers that JSON's do not reach stay texts. */
static json_t *plain(const char *s, size_t n)
{
    json_t *value;

    if (n == 0 || one_of(s, "null", "Null", "NULL") || strcmp(s, "~") == 0)
        return json_null();
    if (one_of(s, "true", "True", "TRUE"))
        return json_true();
    if (one_of(s, "false", "False", "FALSE"))
        return json_false();
    value = integer(s);
    if (value == NULL && is_real(s) && isfinite(strtod(s, NULL)))
        value = json_real(strtod(s, NULL));
    return value != NULL ? value : json_stringn(s, n);
}

static json_t *scalar(struct reader *r)
{
    const yaml_event_t *e = &r->event;
    const char *s = (const char *)e->data.scalar.value;
    size_t n = e->data.scalar.length;

    if (e->data.scalar.anchor != NULL || e->data.scalar.tag != NULL)
        refuse(r, &e->start_mark, "anchors and tags are not taken");
    else if (memchr(s, '\0', n) != NULL || !utf8_valid(s, n))
        refuse(r, &e->start_mark, "this text holds what is no character");
    else if (e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
        return mem_must(plain(s, n));
    else
        return mem_must(json_stringn(s, n));
    return NULL;
}

/* --- nodes
 * ------------------------------------------------------------------------------------------------
 */

static json_t *node(struct reader *r, int depth);

static json_t *sequence(struct reader *r, int depth)
{
    json_t *list = mem_must(json_array());
    json_t *item;

    while (next(r) && r->event.type != YAML_SEQUENCE_END_EVENT) {
        item = node(r, depth + 1);
        if (item == NULL)
            break;
        json_array_append_new(list, item);
    }
    if (!diag_any(r->d))
        return list;
    json_decref(list);
    return NULL;
}

/* key() - the text of the key that is looked at, child of no one; NULL where it is refused. */
static char *key(struct reader *r, const json_t *object)
{
    const yaml_event_t *e = &r->event;
    const char *s;

    if (e->type != YAML_SCALAR_EVENT) {
        refuse(r, &e->start_mark, "a key must be a text");
        return NULL;
    }
    s = (const char *)e->data.scalar.value;
    if (e->data.scalar.anchor != NULL || e->data.scalar.tag != NULL)
        refuse(r, &e->start_mark, "anchors and tags are not taken");
    else if (strlen(s) != e->data.scalar.length || !utf8_valid(s, e->data.scalar.length))
        refuse(r, &e->start_mark, "this text holds what is no character");
    else if (json_object_get(object, s) != NULL)
        refuse(r, &e->start_mark, "this key stands twice");
    else
        return mem_strdup(NULL, s);
    return NULL;
}

static json_t *mapping(struct reader *r, int depth)
{
    json_t *object = mem_must(json_object());
    json_t *value;
    char *name;

    while (next(r) && r->event.type != YAML_MAPPING_END_EVENT) {
        name = key(r, object);
        if (name == NULL)
            break;
        value = next(r) ? node(r, depth + 1) : NULL;
        if (value != NULL)
            json_object_set_new(object, name, value);
        talloc_free(name);
        if (value == NULL)
            break;
    }
    if (!diag_any(r->d))
        return object;
    json_decref(object);
    return NULL;
}

/* node() - the value that begins with the event that is looked at; NULL where there was a mistake.
 */
static json_t *node(struct reader *r, int depth)
{
    const yaml_event_t *e = &r->event;

    if (depth > YAMLJ_DEPTH)
        refuse(r, &e->start_mark, "this is nested too deeply");
    else if (e->type == YAML_ALIAS_EVENT)
        refuse(r, &e->start_mark, "aliases are not taken");
    else if (e->type == YAML_SCALAR_EVENT)
        return scalar(r);
    else if (e->type == YAML_SEQUENCE_START_EVENT &&
             (e->data.sequence_start.anchor != NULL || e->data.sequence_start.tag != NULL))
        refuse(r, &e->start_mark, "anchors and tags are not taken");
    else if (e->type == YAML_SEQUENCE_START_EVENT)
        return sequence(r, depth);
    else if (e->type == YAML_MAPPING_START_EVENT &&
             (e->data.mapping_start.anchor != NULL || e->data.mapping_start.tag != NULL))
        refuse(r, &e->start_mark, "anchors and tags are not taken");
    else if (e->type == YAML_MAPPING_START_EVENT)
        return mapping(r, depth);
    else
        bug("libyaml gave event %d where a node begins", (int)e->type);
    return NULL;
}

/* document() - stream start, document start, node, document end, stream end. */
static json_t *document(struct reader *r)
{
    json_t *value;

    if (!next(r) || !next(r))
        return NULL;
    if (r->event.type == YAML_STREAM_END_EVENT)
        return json_null();
    value = next(r) ? node(r, 1) : NULL;
    if (value == NULL)
        return NULL;
    if (next(r) && next(r) && r->event.type == YAML_STREAM_END_EVENT)
        return value;
    if (!diag_any(r->d))
        refuse(r, &r->event.start_mark, "there must be one document only");
    json_decref(value);
    return NULL;
}

json_t *yamlj_parse(const char *text, size_t n, struct diag *d)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct diag own;
    struct reader r = {.d = &own};
    json_t *value = NULL;

    diag_init(&own, scratch);
    if (n > YAMLJ_SIZE) {
        diag_at(d, 0, 0, "the text is longer than %zu bytes", YAMLJ_SIZE);
        return NULL;
    }
    if (!yaml_parser_initialize(&r.parser))
        mem_must(NULL);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, n);
    value = document(&r);
    drop(&r);
    yaml_parser_delete(&r.parser);
    for (size_t i = 0; i < own.n; i++)
        diag_at(d, own.items[i].line, own.items[i].column, "%s", own.items[i].message);
    return value;
}
