/* csv.c - see csv.h.
 *
 * One state machine, a byte at a time:
 *
 *     start ──"──► quoted ──"──► closed ──"──► quoted           (two quotes are one)
 *       │            ▲                 └─ delimiter, line end ─► start
 *       └─ other ─► plain ─ delimiter, line end ─► start
 *     any ─ fault ─► spoilt ─ line end ─► start
 *
 * The record's bytes are kept as they came: a spoilt record that spans lines gives up its first
 * line and the others are read again. */
#include "common/csv.h"

#include "common/mem.h"
#include "common/utf8.h"

#include <string.h>

#define AGAIN_MAX 64 /* nested second readings; beyond it the lines are given up together */

enum csv_state { CSV_start, CSV_plain, CSV_quoted, CSV_closed, CSV_spoilt };

struct csv {
    char delimiter;
    csv_record_fn *record;
    void *arg;
    enum csv_state state;
    struct buf raw;  /* of the record that is being read */
    struct buf text; /* its fields, a NUL behind each */
    size_t *ends;    /* offsets in text behind each field's NUL */
    size_t n, cap;
    int64_t begun; /* line of the record's first byte */
    int64_t line;  /* of the next byte */
    int column;    /* of the next byte, in characters */
    int opened;    /* column of the last quote that opened a field on the record's first line */
    bool after_cr; /* the byte before was a CR: a LF belongs to it */
    bool quotes;   /* the record has a quoted field */
    const char *error;
    int error_column;
    int mark;  /* bytes of the byte order mark seen; 3: past its place */
    int again; /* depth of second readings */
};

struct csv *csv_new(const void *ctx, char delimiter, csv_record_fn *record, void *arg)
{
    struct csv *c = mem_new(ctx, struct csv);

    c->delimiter = delimiter;
    c->record = record;
    c->arg = arg;
    c->line = c->begun = 1;
    c->column = 1;
    buf_init(&c->raw, c, CSV_RECORD_MAX);
    buf_init(&c->text, c, 2 * CSV_RECORD_MAX);
    return c;
}

/* `error` is about the byte before, or, where that is not on the record's first line, about the
 * field that went over it. */
static void spoil(struct csv *c, const char *error)
{
    bool here = c->line == c->begun;

    c->state = CSV_spoilt;
    c->error =
        here ? error
             : "the quoted field that begins here goes on over the line and does not end well";
    c->error_column = here ? c->column - 1 : c->opened;
}

/* --- records ---------------------------------------------------------------------------- */

static void field_end(struct csv *c)
{
    buf_char(&c->text, '\0');
    mem_grow(c, &c->ends, &c->cap, c->n + 1);
    c->ends[c->n++] = c->text.len;
    c->state = CSV_start;
}

/* The next record begins at the next byte. */
static void record_reset(struct csv *c)
{
    buf_reset(&c->raw);
    buf_reset(&c->text);
    c->n = 0;
    c->state = CSV_start;
    c->quotes = false;
    c->begun = c->line;
}

static void record_good(struct csv *c)
{
    const char **fields;
    struct csv_record r = {.line = c->begun, .n = c->n, .raw = c->raw.data, .raw_n = c->raw.len};

    if (c->n == 1 && c->ends[0] == 1 && !c->quotes)
        return; /* a blank line */
    fields = mem_array(c, const char *, c->n);
    for (size_t i = 0; i < c->n; i++)
        fields[i] = c->text.data + (i == 0 ? 0 : c->ends[i - 1]);
    r.fields = fields;
    c->record(c->arg, &r);
    talloc_free(fields);
}

/* Hands over a spoilt record. One that spans lines gives up its first line alone: the others are
 * read again, which is true then, and the state is what they left. */
static bool record_bad(struct csv *c, bool again)
{
    size_t first = strcspn(c->raw.data, "\r\n"), skip;
    struct csv_record r = {.line = c->begun,
                           .raw = c->raw.data,
                           .raw_n = c->raw.len,
                           .error = c->error,
                           .column = c->error_column};
    MEM_SCOPED char *rest = NULL;
    size_t n;

    if (!again || first >= c->raw.len || c->raw.data[first] == '\0' || c->again == AGAIN_MAX) {
        c->record(c->arg, &r);
        record_reset(c);
        return false;
    }
    skip = c->raw.data[first] == '\r' && c->raw.data[first + 1] == '\n' ? 2 : 1;
    n = c->raw.len - first - skip;
    rest = mem_must(talloc_memdup(c, c->raw.data + first + skip, n + 1));
    c->raw.data[first] = '\0';
    r.raw_n = first;
    c->record(c->arg, &r);
    c->line = c->begun + 1;
    c->column = 1;
    c->after_cr = false;
    record_reset(c);
    c->again++;
    csv_feed(c, rest, n);
    c->again--;
    return true;
}

/* The record is complete but for its line end, which comes next (or the file's end). False where
 * lines were read again: what comes next is theirs. */
static bool record_end(struct csv *c)
{
    if (c->state == CSV_spoilt)
        return !record_bad(c, true);
    field_end(c);
    if (utf8_valid(c->raw.data, c->raw.len)) {
        record_good(c);
        record_reset(c);
        return true;
    }
    c->error = "this is not UTF-8";
    c->error_column = 1;
    return !record_bad(c, false);
}

/* --- bytes ------------------------------------------------------------------------------ */

/* Keeps a byte of the record and counts it. */
static void byte_note(struct csv *c, char b)
{
    buf_char(&c->raw, b);
    if (b == '\n' || b == '\r') {
        c->line += !(b == '\n' && c->after_cr);
        c->column = 1;
    } else if (((unsigned char)b & 0xC0) != 0x80) {
        c->column++;
    }
    c->after_cr = b == '\r';
}

static void byte_start(struct csv *c, char b)
{
    if (b == c->delimiter) {
        field_end(c);
    } else if (b == '"') {
        c->state = CSV_quoted;
        c->quotes = true;
        if (c->line == c->begun)
            c->opened = c->column - 1;
    } else {
        buf_char(&c->text, b);
        c->state = CSV_plain;
    }
}

static void byte_plain(struct csv *c, char b)
{
    if (b == c->delimiter)
        field_end(c);
    else
        buf_char(&c->text, b);
}

static void byte_quoted(struct csv *c, char b)
{
    if (b == '"')
        c->state = CSV_closed;
    else
        buf_char(&c->text, b);
}

static void byte_closed(struct csv *c, char b)
{
    if (b == c->delimiter) {
        field_end(c);
    } else if (b == '"') {
        buf_char(&c->text, b);
        c->state = CSV_quoted;
    } else {
        spoil(c, "something follows the quote that ends a field");
    }
}

static void byte_within(struct csv *c, char b)
{
    byte_note(c, b);
    if (b == '\0' && c->state != CSV_spoilt)
        spoil(c, "there is a NUL byte");
    switch (c->state) {
    case CSV_start:
        byte_start(c, b);
        break;
    case CSV_plain:
        byte_plain(c, b);
        break;
    case CSV_quoted:
        byte_quoted(c, b);
        break;
    case CSV_closed:
        byte_closed(c, b);
        break;
    case CSV_spoilt:
        break;
    }
}

/* A LF or CR. Lines that are read again may leave it to a quoted field of theirs. */
static void byte_line_end(struct csv *c, char b)
{
    if (b == '\n' && c->after_cr && c->raw.len == 0) {
        c->after_cr = false; /* the second half of a line end */
        return;
    }
    while (c->state != CSV_quoted) {
        if (!record_end(c))
            continue;
        byte_note(c, b);
        buf_reset(&c->raw);
        c->begun = c->line;
        return;
    }
    byte_within(c, b);
}

/* A record that grows too long is most often a quote never closed: then its lines are read again. A
 * single line that long is passed over to its end. */
static void byte_take(struct csv *c, char b)
{
    while (c->raw.len == CSV_RECORD_MAX) {
        if (c->state != CSV_spoilt)
            spoil(c, "the line is too long");
        if (c->line == c->begun)
            break;
        record_bad(c, true);
    }
    if (b == '\n' || b == '\r')
        byte_line_end(c, b);
    else
        byte_within(c, b);
}

void csv_feed(struct csv *c, const char *bytes, size_t n)
{
    static const char mark[] = "\xEF\xBB\xBF";

    for (size_t i = 0; i < n; i++) {
        if (c->mark < 3 && bytes[i] == mark[c->mark]) {
            c->mark++;
            continue;
        }
        for (int k = 0; c->mark < 3 && k < c->mark; k++)
            byte_take(c, mark[k]);
        c->mark = 3;
        byte_take(c, bytes[i]);
    }
}

void csv_end(struct csv *c)
{
    while (c->raw.len > 0) {
        if (c->state == CSV_quoted) {
            c->state = CSV_spoilt;
            c->error = "the quote that opens here is never closed";
            c->error_column = c->opened;
        }
        if (record_end(c))
            return;
    }
}

/* --- besides ---------------------------------------------------------------------------- */

char csv_guess_delimiter(const char *bytes, size_t n)
{
    static const char delimiters[] = ",;\t|";
    size_t counts[sizeof(delimiters)] = {0}, best = 0;
    bool quoted = false;

    for (size_t i = 0; i < n && (quoted || (bytes[i] != '\n' && bytes[i] != '\r')); i++) {
        const char *found = bytes[i] == '\0' ? NULL : strchr(delimiters, bytes[i]);

        quoted ^= bytes[i] == '"';
        if (found != NULL && !quoted)
            counts[found - delimiters]++;
    }
    for (size_t k = 1; k < sizeof(delimiters) - 1; k++) {
        if (counts[k] > counts[best])
            best = k;
    }
    return delimiters[best];
}

void csv_add_field(struct buf *out, const char *field, size_t n, char delimiter)
{
    bool plain = n > 0;

    for (size_t i = 0; i < n; i++)
        plain = plain && field[i] != '"' && field[i] != '\n' && field[i] != '\r' &&
                field[i] != delimiter;
    if (plain) {
        buf_add(out, field, n);
        return;
    }
    buf_char(out, '"');
    for (size_t i = 0; i < n; i++) {
        if (field[i] == '"')
            buf_char(out, '"');
        buf_char(out, field[i]);
    }
    buf_char(out, '"');
}

/* formula_begins() - whether a spreadsheet may look for a formula in text that begins so. The last
 * four are = + - @ in full width. */
static bool formula_begins(const char *s, size_t n)
{
    static const char *const begins[] = {"=",  "+",      "-",      "@",      "\t",    "\r",
                                         "\n", "\uFF1D", "\uFF0B", "\uFF0D", "\uFF20"};

    for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
        size_t len = strlen(begins[i]);

        if (n >= len && memcmp(s, begins[i], len) == 0)
            return true;
    }
    return false;
}

/* "-25.00" is a number for every spreadsheet, and nothing else. */
static bool is_number(const char *s, size_t n)
{
    size_t digits = 0, points = 0;

    for (size_t i = *s == '-'; i < n; i++) {
        digits += s[i] >= '0' && s[i] <= '9';
        points += s[i] == '.';
        if ((s[i] < '0' || s[i] > '9') && s[i] != '.')
            return false;
    }
    return digits > 0 && points <= 1;
}

/* marks_before_formula() - how many ' stand before what may be a formula; -1: it is none. */
static int marks_before_formula(const char *s, size_t n)
{
    size_t marks = 0;

    while (marks < n && s[marks] == '\'')
        marks++;
    return formula_begins(s + marks, n - marks) ? (int)marks : -1;
}

void csv_add_text(struct buf *out, const char *text, size_t n, char delimiter)
{
    int marks = marks_before_formula(text, n);
    struct buf marked;

    if (marks < 0 || (marks == 0 && is_number(text, n))) {
        csv_add_field(out, text, n, delimiter);
        return;
    }
    buf_init(&marked, NULL, n + 1);
    buf_char(&marked, '\'');
    buf_add(&marked, text, n);
    csv_add_field(out, marked.data, marked.len, delimiter);
    buf_done(&marked);
}

char *csv_unmarked(char *text)
{
    return marks_before_formula(text, strlen(text)) > 0 ? text + 1 : text;
}
