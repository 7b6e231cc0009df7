/* api_record_lines.c - POST /v1/interactions as NDJSON: a body of any length, each line of which
 * stands alone.
 *
 * Bytes are gathered in a slice until it is full of lines, or until nothing of the request is under
 * way; then its lines are parsed and given to the recorder while the next slice fills.
 *
 *     pieces ──► slice filling ──full, or nothing under way──► parsed ──► recorded ──► told of
 *
 * A request has at most SLICES_MAX slices under way and all requests together STREAMS_MAX; who has
 * a full slice and may not go on takes no more pieces, so that its sender waits. Thus memory does
 * not grow with what is sent. What is wrong is told by line; the rest is recorded. Where the
 * database goes away in the middle, the answer is 503, and where the sender goes away, what was
 * read as whole lines until then is recorded: keys make the repetition harmless. */
#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"
#include "daemon/http/api_record.h"

#include <string.h>
#include <strings.h>
#include <utlist.h>

/* A slice is full with limits.items lines, or with the line that passes so many bytes. */
#define SLICE_BYTES ((size_t)256 * 1024)
#define SLICES_MAX  2
#define STREAMS_MAX 8
/* Lines that the answer lists, and lines of whose mistakes it tells; the rest is counted. */
#define LISTED_MAX 1000

struct lines {
    struct app *app;
    struct http_request *req;
    bool quiet;
    const char *key;            /* Idempotency-Key, or NULL */
    const char *by;             /* who asks */
    struct slice *slice;        /* that fills */
    size_t line_max, lines_max; /* limits.line, limits.items when it began */
    size_t part;                /* bytes of the line that is not whole, the last of the slice */
    bool skipping;              /* that line is too long: its rest is thrown away */
    size_t under_way;           /* slices */
    bool held;                  /* takes no pieces until something is done */
    bool ended, failed, answered;
    bool waiting; /* in streams.waiting */
    struct lines *next, *prev;
    struct tally tally;
};

/* Of all requests. */
struct streams {
    size_t under_way;
    struct lines *waiting; /* who could go on but for STREAMS_MAX, in their order */
};

struct slice {
    struct lines *lines;
    struct buf text;   /* whole lines, and at its end what there is of the next one */
    size_t n_lines;    /* whole ones */
    int64_t last_line; /* number of the last whole line, from 1 */
    struct record_item *items;
    int64_t *numbers; /* of the items' lines */
    size_t n;
};

static void go_on(struct lines *);

/* --- parsing a slice -------------------------------------------------------------------------- */

static void report(struct lines *l, int64_t line, const struct diag *d)
{
    for (size_t i = 0; i < d->n; i++)
        tally_mistake(&l->tally, line, d->items[i].pointer, d->items[i].message);
}

static void read_line(struct slice *s, int64_t line, const char *text, size_t n,
                      const struct catalogue *catalogue, int64_t now_us)
{
    struct lines *l = s->lines;
    struct record_item *item = &s->items[s->n];
    json_t *value = NULL;
    struct diag d;

    diag_init(&d, s);
    if (n > l->line_max)
        diag_at(&d, 0, 0, "the line is longer than %zu bytes", l->line_max);
    else
        value = http_json_parse(text, n, &d);
    if (value == NULL ||
        !record_item_parse(s, json_keep(s, value), "", catalogue, now_us, item, &d)) {
        report(l, line, &d);
        return;
    }
    item->quiet = l->quiet;
    item->by = l->by;
    if (l->key != NULL)
        api_idempotent(s, item, l->key, (size_t)line - 1, api_content(text, n));
    s->numbers[s->n++] = line;
}

static void parse(struct slice *s, const struct catalogue *catalogue)
{
    const char *next = s->text.data, *end = next + s->text.len;
    int64_t line = s->last_line - (int64_t)s->n_lines, now_us = clock_now_us();

    s->items = mem_array(s, struct record_item, s->n_lines);
    s->numbers = mem_array(s, int64_t, s->n_lines);
    while (next < end) {
        const char *eol = memchr(next, '\n', (size_t)(end - next));
        size_t n = (size_t)(eol - next);

        line++;
        if (n > 0 && next[n - 1] == '\r')
            n--;
        if (n > 0)
            read_line(s, line, next, n, catalogue, now_us);
        next = eol + 1;
    }
}

/* --- a slice on its way ----------------------------------------------------------------------- */

static struct slice *slice_new(struct lines *l, int64_t last_line)
{
    struct slice *s = mem_new(l, struct slice);

    s->lines = l;
    s->last_line = last_line;
    buf_init(&s->text, s, SLICE_BYTES + l->line_max + 2);
    return s;
}

static bool slice_full(const struct slice *s)
{
    return s->n_lines >= s->lines->lines_max || (s->n_lines > 0 && s->text.len >= SLICE_BYTES);
}

static void slice_done(struct slice *s)
{
    struct lines *l = s->lines, *first;
    struct streams *all = l->app->streams;

    talloc_free(s);
    l->under_way--;
    all->under_way--;
    go_on(l);
    first = all->waiting;
    if (first == NULL || all->under_way >= STREAMS_MAX)
        return;
    DL_DELETE(all->waiting, first);
    first->waiting = false;
    go_on(first);
}

static void slice_on_recorded(void *arg, bool ok, const struct record_result *results, size_t n)
{
    struct slice *s = arg;

    for (size_t i = 0; ok && i < n; i++)
        tally_add(&s->lines->tally, &results[i], s->numbers[i]);
    s->lines->failed = s->lines->failed || !ok;
    slice_done(s);
}

static void slice_on_org(void *arg, const struct org *org)
{
    struct slice *s = arg;
    struct lines *l = s->lines;

    if (org != NULL)
        parse(s, &org->catalogue);
    else
        l->failed = true;
    if (s->n > 0)
        record_items(l->app->record, api_org(l->req), s->items, s->n, false, slice_on_recorded, s);
    else
        slice_done(s);
}

/* hand_over() - the slice goes its way and the next begins with the line that is not whole. False
 * where others must be done first. */
static bool hand_over(struct lines *l)
{
    struct streams *all = l->app->streams;
    struct slice *s = l->slice;

    if (s->n_lines == 0)
        return true;
    if (l->under_way >= SLICES_MAX)
        return false;
    if (all->under_way >= STREAMS_MAX) {
        if (!l->waiting)
            DL_APPEND(all->waiting, l);
        l->waiting = true;
        return false;
    }
    l->slice = slice_new(l, s->last_line);
    buf_add(&l->slice->text, s->text.data + s->text.len - l->part, l->part);
    s->text.len -= l->part;
    l->under_way++;
    all->under_way++;
    orgs_get(l->app->orgs, api_org(l->req), slice_on_org, s);
    return true;
}

/* --- the request ------------------------------------------------------------------------------ */

static void finish(struct lines *l)
{
    l->answered = true;
    if (l->waiting)
        DL_DELETE(l->app->streams->waiting, l);
    if (l->failed)
        http_problem(l->req, 503, NULL,
                     "the database is away; %zu lines were recorded before: send all again, keys "
                     "make that harmless",
                     l->tally.recorded);
    else
        tally_answer(&l->tally, l->req);
}

/* may_hand_over() - what the end leaves waits for those before it: on the shorter of the recorder's
 * two ways it would overtake them, and what was said later is to be later. */
static bool may_hand_over(const struct lines *l)
{
    return l->under_way == 0 ? l->ended || !l->held : l->ended && slice_full(l->slice);
}

/* go_on() - something was done, or the end came: what is next. */
static void go_on(struct lines *l)
{
    if (l->answered)
        return;
    if (l->under_way == 0 && (l->failed || (l->ended && l->slice->n_lines == 0))) {
        finish(l);
    } else if (l->failed) {
        return;
    } else if (may_hand_over(l)) {
        hand_over(l);
    } else if (l->held && hand_over(l)) {
        l->held = false;
        http_more(l->req);
    }
}

static void line_ends(struct lines *l)
{
    l->slice->n_lines++;
    l->slice->last_line++;
    l->part = 0;
    l->skipping = false;
    http_advanced(l->req);
}

/* take_line() - what there is of a line; says how many bytes that are. Of one that is too long its
 * end remains, so that lines keep their numbers. */
static size_t take_line(struct lines *l, const char *bytes, size_t n)
{
    struct buf *text = &l->slice->text;
    const char *eol = memchr(bytes, '\n', n);

    if (eol != NULL)
        n = (size_t)(eol - bytes) + 1;
    if (!l->skipping && l->part + n > l->line_max + 2) {
        text->len -= l->part;
        l->part = 0;
        l->skipping = true;
        tally_mistake(&l->tally, l->slice->last_line + 1, NULL,
                      mem_printf(l->slice, "the line is longer than %zu bytes", l->line_max));
    }
    if (!l->skipping) {
        buf_add(text, bytes, n);
        l->part += n;
    } else if (eol != NULL) {
        buf_char(text, '\n');
    }
    if (eol != NULL)
        line_ends(l);
    return n;
}

static size_t on_piece(void *arg, const char *bytes, size_t n)
{
    struct lines *l = arg;
    size_t taken = 0;

    while (taken < n && !l->failed) {
        if (slice_full(l->slice) && !hand_over(l)) {
            l->held = true;
            return taken;
        }
        taken += take_line(l, bytes + taken, n - taken);
    }
    if (l->under_way == 0 && !l->failed)
        hand_over(l);
    return n;
}

/* A last line without its end is whole where the body is. */
static void on_ended(void *arg, bool whole)
{
    struct lines *l = arg;
    struct buf *text = &l->slice->text;

    if (whole && (l->part > 0 || l->skipping)) {
        buf_char(text, '\n');
        line_ends(l);
    } else {
        text->len -= l->part;
        l->part = 0;
    }
    l->ended = true;
    go_on(l);
}

bool api_is_lines(const struct http_request *req)
{
    const char *type = http_header(req, "Content-Type");

    return type != NULL && (strncasecmp(type, "application/x-ndjson", 20) == 0 ||
                            strncasecmp(type, "application/ndjson", 18) == 0 ||
                            strncasecmp(type, "application/jsonl", 17) == 0);
}

bool api_streams(void *app, const struct http_request *req)
{
    (void)app;
    return api_imports_stream(req) ||
           (http_method(req) == HTTP_POST && strcmp(http_path(req), "/v1/interactions") == 0 &&
            api_is_lines(req));
}

void api_lines_post(struct app *app, struct http_request *req)
{
    struct lines *l = mem_new(http_ctx(req), struct lines);
    struct http_taker taker = {.piece = on_piece, .ended = on_ended, .arg = l};
    bool ok;

    if (app->streams == NULL)
        app->streams = mem_new(app->http, struct streams);
    l->app = app;
    l->req = req;
    l->line_max = (size_t)settings_int(app->settings, "limits.line");
    l->lines_max = (size_t)settings_int(app->settings, "limits.items");
    l->quiet = api_import(req, &ok);
    l->by = api_by(l, req);
    api_idempotency_key(req, &l->key);
    l->slice = slice_new(l, 0);
    tally_init(&l->tally, l, LISTED_MAX);
    http_take(req, &taker);
}
