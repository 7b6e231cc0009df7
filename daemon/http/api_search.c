/* api_search.c - GET /v1/contacts. See api_search.h. To search in more than words and rules: a step
 * that gives contacts in an order of its own and says where it stands in the cursor. */
#include "daemon/http/api_search.h"

#include "common/address.h"
#include "common/clock.h"
#include "common/mem.h"
#include "daemon/http/api_define.h"

#include <string.h>

#define QUERY_MAX 200
/* A page is answered when it was looked for this long; a step takes no longer than what is left. */
#define TIME_US    40000
#define SPAN_FIRST 2000 /* ids of a rule's first step */
#define SEEN_FIRST 500  /* contacts of a word's first step */
#define SEEN_MOST  20000
#define AMONG_MOST 500 /* contacts of whom a rule is asked at once */
#define GROWTH     4

/* After all texts that begin with something. */
#define END "\xf4\x8f\xbf\xbf"

struct hit {
    int64_t contact_id;
    const char *word; /* where the search by words stood */
    size_t prefix;
};

struct search {
    struct app *app;
    struct http_request *req;
    const char *rule;
    const struct rule_sql *sql; /* over a span, or among given contacts where there are words */
    int limit;
    int64_t began_us, step_us; /* monotonic */
    void *asking;              /* what the statement under way was given */

    struct hit *hits; /* room for limit + 1 */
    int n_hits;
    struct hit *found; /* of one step, before the rule is asked */
    int n_found;

    int64_t after, last, span; /* by id */
    bool by_words, typed, first_page;
    struct search_words words;
    int seen;         /* contacts to look at in the next step */
    bool prefix_over; /* this step saw the last of its prefix */
};

static void words_step(struct search *s);
static void words_typed(struct search *s);

/* args_begin() - parameters of the next statement; those of the last one go. */
static void args_begin(struct search *s, struct pgargs *args)
{
    talloc_free(s->asking);
    s->asking = mem_must(talloc_new(s));
    pgargs_init(args, s->asking);
    s->step_us = clock_monotonic_us();
}

/* step_larger() - how much the next step may look at, after one of `n`; 0: the time is over. */
static int64_t step_larger(const struct search *s, int64_t n)
{
    int64_t now_us = clock_monotonic_us(), took_us = now_us - s->step_us;
    int64_t left_us = TIME_US - (now_us - s->began_us);

    if (left_us <= 0 || took_us > left_us)
        return 0;
    return took_us * GROWTH <= left_us ? n * GROWTH : n;
}

/* --- the answer
 * --------------------------------------------------------------------------------------- */

struct answer {
    struct search *search;
    const char *next; /* NULL: nothing is left */
    int n;
};

/* The row of a contact: they come by id. -1: it is gone meanwhile. */
static int row_of(const struct pgres *res, int64_t contact_id)
{
    int low = 0, high = pgres_rows(res) - 1;

    while (low <= high) {
        int middle = (low + high) / 2;
        int64_t id = pgres_int(res, middle, "cursor");

        if (id == contact_id)
            return middle;
        if (id < contact_id)
            low = middle + 1;
        else
            high = middle - 1;
    }
    return -1;
}

static void answer_on_contacts(void *arg, const struct pgres *res)
{
    const struct answer *a = arg;
    struct search *s = a->search;
    bool begun = false;
    struct buf b;

    if (api_failed(s->req, res))
        return;
    buf_init(&b, s, API_ANSWER_MAX);
    buf_str(&b, "{\"items\": [");
    for (int i = 0; i < a->n; i++) {
        int row = row_of(res, s->hits[i].contact_id);

        if (row < 0)
            continue;
        buf_str(&b, begun ? ",\n" : "\n");
        buf_str(&b, pgres_text(res, row, "item"));
        begun = true;
    }
    buf_str(&b, "], \"next\": ");
    if (a->next != NULL)
        buf_json(&b, a->next, strlen(a->next));
    else
        buf_str(&b, "null");
    buf_char(&b, '}');
    if (buf_full(&b))
        http_problem(s->req, 422, NULL, "the page is too large; ask with a smaller limit");
    else
        http_answer_json(s->req, 200, b.data, b.len);
    buf_done(&b);
}

/* cursor() - where the search stands. */
static const char *cursor(struct search *s)
{
    return s->by_words ? search_cursor(s, &s->words) : mem_printf(s, "%lld", (long long)s->after);
}

static void search_answer(struct search *s, bool over)
{
    struct answer *a = mem_new(s, struct answer);
    struct pgargs args;
    struct pgarray ids;

    a->search = s;
    a->n = s->n_hits > s->limit ? s->limit : s->n_hits;
    if (s->n_hits > s->limit) {
        const struct hit *last = &s->hits[s->limit - 1];

        s->after = s->words.contact_id = last->contact_id;
        s->words.word = last->word;
        s->words.prefix = last->prefix;
        over = false;
    }
    if (over && s->n_hits == 0 && s->by_words && s->first_page && !s->typed) {
        words_typed(s);
        return;
    }
    a->next = over ? NULL : cursor(s);
    args_begin(s, &args);
    pgarray_init(&ids, s->asking);
    for (int i = 0; i < a->n; i++)
        pgarray_int(&ids, s->hits[i].contact_id);
    pgargs_array(&args, &ids);
    pgpool_query(s->app->pool, api_org(s->req), Q_API_CONTACTS_OF, &args, answer_on_contacts, a);
}

/* --- by id, for a rule alone
 * -------------------------------------------------------------------------- */

static void span_step(struct search *s);

static void span_on_ids(void *arg, const struct pgres *res)
{
    struct search *s = arg;
    int64_t upto = s->span > s->last - s->after ? s->last : s->after + s->span;

    if (api_failed(s->req, res))
        return;
    for (int i = 0; i < pgres_rows(res); i++)
        s->hits[s->n_hits++] = (struct hit){.contact_id = pgres_int(res, i, "contact_id")};
    s->after = upto;
    s->span = step_larger(s, s->span);
    if (s->n_hits > s->limit || upto >= s->last || s->span == 0)
        search_answer(s, upto >= s->last);
    else
        span_step(s);
}

static void span_step(struct search *s)
{
    struct pgargs args;

    args_begin(s, &args);
    pgargs_int(&args, s->after);
    pgargs_instant(&args, clock_now_us());
    pgargs_int(&args, s->limit + 1 - s->n_hits);
    pgargs_int(&args, s->span > s->last - s->after ? s->last : s->after + s->span);
    pgargs_params(&args, s->sql->params, s->sql->n_params);
    pgpool_query_sql(s->app->pool, api_org(s->req), s->sql->text, &args, span_on_ids, s);
}

static void span_on_ends(void *arg, const struct pgres *res)
{
    struct search *s = arg;

    if (api_failed(s->req, res))
        return;
    if (pgres_null(res, 0, "first")) {
        search_answer(s, true);
        return;
    }
    s->after = pgres_int(res, 0, "first") - 1;
    s->last = pgres_int(res, 0, "last");
    s->span = SPAN_FIRST;
    span_step(s);
}

/* --- by words
 * ----------------------------------------------------------------------------------------- */

static void words_next(struct search *s)
{
    int64_t larger = step_larger(s, s->seen);

    if (s->n_hits > s->limit) {
        search_answer(s, false);
        return;
    }
    if (s->prefix_over && ++s->words.prefix == s->words.words[0].n) {
        search_answer(s, true);
        return;
    }
    if (s->prefix_over) {
        s->words.word = s->words.words[0].prefixes[s->words.prefix];
        s->words.contact_id = 0;
    }
    if (larger == 0) {
        search_answer(s, false);
        return;
    }
    s->seen = larger > SEEN_MOST ? SEEN_MOST : (int)larger;
    words_step(s);
}

static void words_on_among(void *arg, const struct pgres *res)
{
    struct search *s = arg;

    if (api_failed(s->req, res))
        return;
    for (int i = 0; i < s->n_found && s->n_hits <= s->limit; i++)
        for (int row = 0; row < pgres_rows(res); row++)
            if (pgres_int(res, row, "contact_id") == s->found[i].contact_id) {
                s->hits[s->n_hits++] = s->found[i];
                break;
            }
    words_next(s);
}

/* The rule, asked of those whom the words gave. */
static void words_among(struct search *s)
{
    struct pgargs args;
    struct pgarray ids;
    int64_t began_us = s->step_us;

    args_begin(s, &args);
    s->step_us = began_us;
    pgarray_init(&ids, s->asking);
    for (int i = 0; i < s->n_found; i++)
        pgarray_int(&ids, s->found[i].contact_id);
    pgargs_array(&args, &ids);
    pgargs_instant(&args, clock_now_us());
    pgargs_int(&args, s->n_found);
    pgargs_params(&args, s->sql->params, s->sql->n_params);
    pgpool_query_sql(s->app->pool, api_org(s->req), s->sql->text, &args, words_on_among, s);
}

/* How many a step is to find at most. */
static int words_wanted(const struct search *s)
{
    return s->sql != NULL ? AMONG_MOST : s->limit + 1 - s->n_hits;
}

/* The rows: those found, then the last one seen (none where nothing was). */
static void words_on_page(void *arg, const struct pgres *res)
{
    struct search *s = arg;
    int rows = pgres_rows(res), n_seen = 0;

    if (api_failed(s->req, res))
        return;
    s->n_found = 0;
    for (int i = 0; i < rows; i++) {
        if (pgres_bool(res, i, "found")) {
            s->found[s->n_found++] = (struct hit){.contact_id = pgres_int(res, i, "contact_id"),
                                                  .word = mem_strdup(s, pgres_text(res, i, "word")),
                                                  .prefix = s->words.prefix};
            continue;
        }
        n_seen = (int)pgres_int(res, i, "seen");
        s->words.word = mem_strdup(s, pgres_text(res, i, "word"));
        s->words.contact_id = pgres_int(res, i, "contact_id");
    }
    s->prefix_over = n_seen < s->seen && s->n_found < words_wanted(s);
    if (s->n_found == words_wanted(s)) {
        s->words.word = s->found[s->n_found - 1].word;
        s->words.contact_id = s->found[s->n_found - 1].contact_id;
    }
    if (s->sql != NULL && s->n_found > 0) {
        words_among(s);
        return;
    }
    for (int i = 0; i < s->n_found; i++)
        s->hits[s->n_hits++] = s->found[i];
    words_next(s);
}

static void words_step(struct search *s)
{
    const struct search_words *w = &s->words;
    const char *prefix = w->words[0].prefixes[w->prefix];
    struct pgarray before, others, which;
    struct pgargs args;

    args_begin(s, &args);
    pgargs_text(&args, prefix);
    pgargs_text(&args, mem_printf(s->asking, "%s" END, prefix));
    pgargs_text(&args, w->word);
    pgargs_int(&args, w->contact_id);
    pgargs_int(&args, s->seen);
    pgargs_int(&args, words_wanted(s));
    pgarray_init(&before, s->asking);
    for (size_t i = 0; i < w->prefix; i++)
        pgarray_text(&before, w->words[0].prefixes[i]);
    pgargs_array(&args, &before);
    pgarray_init(&others, s->asking);
    pgarray_init(&which, s->asking);
    for (size_t i = 1; i < w->n; i++)
        for (size_t j = 0; j < w->words[i].n; j++) {
            pgarray_text(&others, w->words[i].prefixes[j]);
            pgarray_int(&which, (int64_t)i);
        }
    pgargs_array(&args, &others);
    pgargs_array(&args, &which);
    pgargs_int(&args, (int64_t)w->n - 1);
    pgpool_query(s->app->pool, api_org(s->req), Q_SEARCH_PAGE, &args, words_on_page, s);
}

static void words_start(struct search *s)
{
    s->words.prefix = 0;
    s->words.word = s->words.words[0].prefixes[0];
    s->words.contact_id = 0;
    s->seen = SEEN_FIRST;
    words_step(s);
}

static void words_on_typed(void *arg, const struct pgres *res)
{
    struct search *s = arg;

    if (api_failed(s->req, res))
        return;
    for (size_t i = 0; i < s->words.n; i++)
        s->words.words[i].n = 0;
    for (int row = 0; row < pgres_rows(res); row++) {
        size_t word = (size_t)pgres_int(res, row, "ord") - 1;
        const char *prefix = mem_strdup(s, pgres_text(res, row, "word"));

        s->words.words[word].prefixes = mem_must(talloc_realloc(
            s, s->words.words[word].prefixes, const char *, s->words.words[word].n + 1));
        s->words.words[word].prefixes[s->words.words[word].n++] = prefix;
    }
    for (size_t i = 0; i < s->words.n; i++)
        if (s->words.words[i].n == 0) {
            search_answer(s, true);
            return;
        }
    words_start(s);
}

/* words_typed() - what was typed finds nobody: what may have been meant is looked for. */
static void words_typed(struct search *s)
{
    struct pgargs args;
    struct pgarray words;

    s->typed = true;
    args_begin(s, &args);
    pgarray_init(&words, s->asking);
    for (size_t i = 0; i < s->words.n; i++)
        pgarray_text(&words, s->words.words[i].prefixes[0]);
    pgargs_array(&args, &words);
    pgpool_query(s->app->pool, api_org(s->req), Q_SEARCH_TYPED, &args, words_on_typed, s);
}

/* The rarest word drives. */
static void words_on_words(void *arg, const struct pgres *res)
{
    struct search *s = arg;
    bool all = true;

    if (api_failed(s->req, res))
        return;
    s->words.n = (size_t)pgres_rows(res);
    for (size_t i = 0; i < s->words.n; i++) {
        s->words.words[i].n = 1;
        s->words.words[i].prefixes = mem_array(s, const char *, 1);
        s->words.words[i].prefixes[0] = mem_strdup(s, pgres_text(res, (int)i, "word"));
        all = all && pgres_int(res, (int)i, "n") > 0;
    }
    if (s->words.n == 0) {
        s->typed = true;
        search_answer(s, true);
    } else if (all) {
        words_start(s);
    } else {
        words_typed(s);
    }
}

static void words_begin(struct search *s)
{
    const char *q = http_query(s->req, "q"), *after = http_query(s->req, "after"), *why;
    struct pgargs args;

    s->hits = mem_array(s, struct hit, s->limit + 1);
    s->found = mem_array(s, struct hit, AMONG_MOST > s->limit + 1 ? AMONG_MOST : s->limit + 1);
    if (after != NULL) {
        s->seen = SEEN_FIRST;
        words_step(s);
        return;
    }
    s->first_page = true;
    args_begin(s, &args);
    pgargs_text(&args, q);
    pgargs_text(&args, strchr(q, '@') != NULL ? address_normalise(s, q, &why) : NULL);
    pgpool_query(s->app->pool, api_org(s->req), Q_SEARCH_WORDS, &args, words_on_words, s);
}

/* --- what is asked
 * ------------------------------------------------------------------------------------ */

static void search_begin(struct search *s)
{
    struct pgargs args;

    if (s->by_words) {
        words_begin(s);
        return;
    }
    s->hits = mem_array(s, struct hit, s->limit + 1);
    args_begin(s, &args);
    pgargs_int(&args, s->after);
    pgpool_query(s->app->pool, api_org(s->req), Q_SEARCH_SPAN, &args, span_on_ends, s);
}

static void search_on_org(void *arg, const struct org *org)
{
    struct search *s = arg;
    struct rule *rule;
    struct diag d;

    if (org == NULL) {
        api_away(s->req);
        return;
    }
    diag_init(&d, s);
    rule = api_rule_read(s, s->rule, NULL, &org->catalogue, &d, NULL);
    if (rule == NULL) {
        http_problem(s->req, 422, &d, "the rule has mistakes");
        return;
    }
    s->sql = s->by_words ? rule_compile_among(s, rule, &org->catalogue)
                         : rule_compile_span(s, rule, &org->catalogue);
    search_begin(s);
}

/* cursor_fits() - whether "after" is a cursor of this search; else 400 was answered. */
static bool cursor_fits(struct search *s)
{
    const char *after = http_query(s->req, "after");

    if (!s->by_words)
        return api_after(s->req, &s->after);
    if (after == NULL || search_cursor_read(s, after, &s->words))
        return true;
    http_problem(s->req, 400, NULL, "\"after\" must be what \"next\" said");
    return false;
}

void api_contacts_list(void *arg, struct http_request *req)
{
    struct search *s = mem_new(http_ctx(req), struct search);
    const char *q = http_query(req, "q");
    struct pgargs args;

    s->app = arg;
    s->req = req;
    s->rule = http_query(req, "rule");
    s->by_words = q != NULL;
    s->began_us = clock_monotonic_us();
    if (!http_limit(req, &s->limit) || !cursor_fits(s))
        return;
    if (q != NULL && strlen(q) > QUERY_MAX) {
        http_problem(req, 400, NULL, "\"q\" has at most %d bytes", QUERY_MAX);
    } else if (s->rule != NULL) {
        orgs_get(s->app->orgs, api_org(req), search_on_org, s);
    } else if (s->by_words) {
        search_begin(s);
    } else {
        pgargs_init(&args, s);
        pgargs_int(&args, s->after);
        pgargs_int(&args, s->limit + 1);
        api_list(s->app, req, Q_API_CONTACTS_LIST, &args, s->limit, NULL);
    }
}
