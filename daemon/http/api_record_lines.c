/* api_record_lines.c - POST /v1/interactions as NDJSON: each line stands alone.
 *
 * The body is recorded in slices of limits.items lines, one after the other, so that neither memory
 * nor the loop is taken by a large one. What is wrong is reported by line; the rest is recorded.
 * After MISTAKES_MAX mistakes reading stops, and the answer says where. Where the database goes
 * away in the middle, the answer is 503: what was recorded stays, and keys make the repetition
 * harmless. */
#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"
#include "daemon/http/api_record.h"

#include <string.h>

/* Who sends so much that is wrong sends something else. */
#define MISTAKES_MAX 1000

struct lines {
    struct app *app;
    struct http_request *req;
    const char *next, *end; /* of the body: what is not read yet */
    int line;               /* number of the last line that was read, from 1 */
    bool quiet;
    const char *key; /* Idempotency-Key, or NULL */
    int64_t content; /* of the body, for that key */
    struct tally tally;
    void *slice; /* owner of what the slice's lines were parsed into */
    struct record_item *items;
    int *numbers; /* of the items' lines */
    size_t n;
};

static void read_slice(struct lines *);

static void report(struct lines *l, const struct diag *d)
{
    for (size_t i = 0; i < d->n; i++)
        tally_mistake(&l->tally, l->line, d->items[i].pointer, d->items[i].message);
}

static void read_line(struct lines *l, const char *s, size_t n, const struct catalogue *catalogue)
{
    struct record_item *item = &l->items[l->n];
    json_t *value = NULL;
    struct diag d;

    diag_init(&d, l->slice);
    if ((int64_t)n > settings_int(l->app->settings, "limits.line"))
        diag_at(&d, 0, 0, "the line is longer than %lld bytes",
                (long long)settings_int(l->app->settings, "limits.line"));
    else
        value = http_json_parse(s, n, &d);
    if (value == NULL || !record_item_parse(l->slice, json_keep(l->slice, value), "", catalogue,
                                            clock_now_us(), item, &d)) {
        report(l, &d);
        return;
    }
    item->quiet = l->quiet;
    item->by = api_by(l->slice, l->req);
    api_idempotent(l->slice, item, l->key, (size_t)l->line - 1, l->content);
    l->numbers[l->n++] = l->line;
}

static void on_recorded(void *arg, bool ok, const struct record_result *results, size_t n)
{
    struct lines *l = arg;

    if (!ok) {
        http_problem(l->req, 503, NULL,
                     "the database is away; %zu lines were recorded before: send all again, keys "
                     "make that harmless",
                     l->tally.recorded);
        return;
    }
    for (size_t i = 0; i < n; i++)
        tally_add(&l->tally, &results[i], l->numbers[i]);
    read_slice(l);
}

/* take_slice() - parses the next `most` lines. */
static void take_slice(struct lines *l, size_t most, const struct catalogue *catalogue)
{
    talloc_free(l->slice);
    l->slice = mem_must(talloc_new(l));
    l->items = mem_array(l->slice, struct record_item, most);
    l->numbers = mem_array(l->slice, int, most);
    l->n = 0;
    while (l->n < most && l->next < l->end && l->tally.mistakes < MISTAKES_MAX) {
        const char *eol = memchr(l->next, '\n', (size_t)(l->end - l->next));
        const char *stop = eol != NULL ? eol : l->end;
        size_t n = (size_t)(stop - l->next);

        l->line++;
        if (n > 0 && l->next[n - 1] == '\r')
            n--;
        if (n > 0)
            read_line(l, l->next, n, catalogue);
        l->next = eol != NULL ? eol + 1 : l->end;
    }
    if (l->next < l->end && l->tally.mistakes >= MISTAKES_MAX) {
        tally_mistake(&l->tally, l->line + 1, NULL,
                      "after so many mistakes, this line and those that follow were not read");
        l->next = l->end;
    }
}

static void on_org(void *arg, const struct org *org)
{
    struct lines *l = arg;
    size_t most = (size_t)settings_int(l->app->settings, "limits.items");

    if (org == NULL) {
        api_away(l->req);
        return;
    }
    take_slice(l, most, &org->catalogue);
    if (l->n > 0)
        record_items(l->app->record, api_org(l->req), l->items, l->n, false, on_recorded, l);
    else
        tally_answer(&l->tally, l->req);
}

/* read_slice() - the next lines, or the answer. */
static void read_slice(struct lines *l)
{
    if (l->next < l->end)
        orgs_get(l->app->orgs, api_org(l->req), on_org, l);
    else
        tally_answer(&l->tally, l->req);
}

void api_lines_post(struct app *app, struct http_request *req)
{
    struct lines *l = mem_new(http_ctx(req), struct lines);
    bool ok;
    size_t n;

    l->app = app;
    l->req = req;
    l->quiet = api_import(req, &ok);
    api_idempotency_key(req, &l->key);
    l->content = api_content(req);
    l->next = http_body(req, &n);
    l->end = l->next + n;
    tally_init(&l->tally, l);
    read_slice(l);
}
