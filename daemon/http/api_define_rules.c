/* api_define_rules.c - /v1/rules: trying a rule. Check says whether it is one, for how many it
 * holds and for whom; explain says why it holds for one contact, condition by condition. Both take
 * `as_of`; nothing is stored. */
#include "common/clock.h"
#include "common/mem.h"
#include "daemon/http/api_define.h"
#include "daemon/rules/parts.h"

#include <string.h>

/* Where the answer has not changed by then, the last instant that was looked at is told: it does
 * not change before. */
#define LOOKS_MAX 1000

struct trial {
    struct app *app;
    struct http_request *req;
    const char *text; /* of the rule; NULL: that of the segment */
    const char *segment;
    int64_t contact;
    int64_t now_us;
    const struct rule *
        *conditions; /* explain: the rule itself first, then each of its conditions */
    const char **texts;
    size_t n;
    const struct rule_sql
        *values;   /* explain: the statement that asks what the conditions are about */
    int64_t *tags; /* explain: which of the conditions hold */
    size_t n_tags;
    const struct rule_sql *look; /* explain: the statement that asks the rule alone */
    int64_t look_us;             /* explain: the instant it is asked for */
    int looks;
    const char *changes_at; /* or NULL */
    char changes_text[CLOCK_TEXT];
    json_t *warnings;
    json_t *explained; /* explain: the conditions as they are answered */
};

static int trial_free(struct trial *t)
{
    json_decref(t->warnings);
    json_decref(t->explained);
    return 0;
}

static struct trial *trial_new(struct app *app, struct http_request *req)
{
    struct trial *t = mem_new(http_ctx(req), struct trial);

    t->app = app;
    t->req = req;
    t->warnings = mem_must(json_array());
    talloc_set_destructor(t, trial_free);
    return t;
}

static void read_as_of(struct trial *t, struct api_body *body)
{
    const char *as_of = api_body_text(body, "as_of", CLOCK_TEXT);

    t->now_us = clock_now_us();
    if (as_of != NULL && !clock_parse(as_of, &t->now_us))
        diag_field(&body->mistakes, "/as_of", "this must be a time as in RFC 3339");
}

/* mistakes_json() - [{"line", "column", "message"}]; a new reference. */
static json_t *mistakes_json(const struct diag *d)
{
    json_t *list = mem_must(json_array());

    for (size_t i = 0; i < d->n; i++)
        json_array_append_new(list, json_pack("{s:i, s:i, s:s}", "line", d->items[i].line, "column",
                                              d->items[i].column, "message", d->items[i].message));
    return list;
}

static void add_params(struct pgargs *args, const struct rule_sql *sql)
{
    for (size_t i = 0; i < sql->n_params; i++)
        pgargs_text(args, sql->params[i]);
}

/* --- check
 * ------------------------------------------------------------------------------------------------
 */

static void check_on_result(void *arg, const struct pgres *res)
{
    struct trial *t = arg;
    json_t *sample;

    if (api_failed(t->req, res))
        return;
    sample = json_loads(pgres_text(res, 0, "sample"), 0, NULL);
    http_answer_value(t->req, 200,
                      json_pack("{s:b, s:[], s:O, s:I, s:o*}", "valid", 1, "errors", "warnings",
                                t->warnings, "count", (json_int_t)pgres_int(res, 0, "n"), "sample",
                                sample));
}

/* ask_count() - for how many the rule holds, and who are the first ten. */
static void ask_count(struct trial *t, const struct rule *rule, const struct catalogue *catalogue)
{
    const struct rule_sql *sql = rule_compile_sample(t, rule, catalogue);
    struct pgargs args;

    pgargs_init(&args, t);
    pgargs_int(&args, 0);
    pgargs_instant(&args, t->now_us);
    pgargs_int(&args, INT32_MAX);
    add_params(&args, sql);
    pgpool_query_sql(t->app->pool, api_org(t->req), sql->text, &args, check_on_result, t);
}

static void check_on_org(void *arg, const struct org *org)
{
    struct trial *t = arg;
    struct diag mistakes, warnings;
    const struct rule *rule;

    if (org == NULL) {
        api_away(t->req);
        return;
    }
    diag_init(&mistakes, t);
    diag_init(&warnings, t);
    rule = api_rule_read(t, t->text, NULL, &org->catalogue, &mistakes, &warnings);
    json_decref(t->warnings);
    t->warnings = mistakes_json(&warnings);
    if (rule != NULL)
        ask_count(t, rule, &org->catalogue);
    else
        http_answer_value(t->req, 200,
                          json_pack("{s:b, s:o, s:O, s:n, s:[]}", "valid", 0, "errors",
                                    mistakes_json(&mistakes), "warnings", t->warnings, "count",
                                    "sample"));
}

void api_rule_check(void *app, struct http_request *req)
{
    static const char *const known[] = {"rule", "as_of", NULL};
    struct trial *t = trial_new(app, req);
    struct api_body body;

    if (!api_body_read(&body, req, known))
        return;
    t->text = api_body_need(&body, "rule", API_RULE_MAX);
    read_as_of(t, &body);
    if (api_body_ok(&body))
        orgs_get(t->app->orgs, api_org(req), check_on_org, t);
}

/* --- explain
 * ---------------------------------------------------------------------------------------------- */

static bool holds(const int64_t *tags, size_t n, int64_t tag)
{
    for (size_t i = 0; i < n; i++)
        if (tags[i] == tag)
            return true;
    return false;
}

static void explain_answer(struct trial *t)
{
    http_answer_value(t->req, 200,
                      json_pack("{s:b, s:s?, s:O}", "holds", holds(t->tags, t->n_tags, 0),
                                "changes_at", t->changes_at, "conditions", t->explained));
}

/* The third answer, where a segment was named: the exception made by hand, which goes before its
 * rule. */
static void explain_on_exception(void *arg, const struct pgres *res)
{
    struct trial *t = arg;
    bool member = holds(t->tags, t->n_tags, 0);
    json_t *exception = NULL;

    if (api_failed(t->req, res))
        return;
    if (pgres_rows(res) > 0) {
        exception = json_loads(pgres_text(res, 0, "body"), 0, NULL);
        member = strcmp(pgres_text(res, 0, "mode"), "in") == 0;
    }
    http_answer_value(t->req, 200,
                      json_pack("{s:b, s:b, s:o?, s:s?, s:O}", "holds",
                                holds(t->tags, t->n_tags, 0), "member", member, "exception",
                                exception, "changes_at", t->changes_at, "conditions",
                                t->explained));
}

/* The second answer: what each condition is about. */
static void explain_on_values(void *arg, const struct pgres *res)
{
    struct trial *t = arg;
    struct pgargs args;
    json_t *values;

    if (api_failed(t->req, res))
        return;
    values = pgres_rows(res) == 0 ? NULL : json_loads(pgres_text(res, 0, "found"), 0, NULL);
    t->explained = mem_must(json_array());
    for (size_t i = 1; i < t->n; i++)
        json_array_append_new(t->explained,
                              json_pack("{s:s, s:O?, s:b}", "text", t->texts[i], "value",
                                        json_array_get(values, i - 1), "holds",
                                        holds(t->tags, t->n_tags, (int64_t)i)));
    json_decref(values);
    if (t->segment == NULL) {
        explain_answer(t);
        return;
    }
    pgargs_init(&args, t);
    pgargs_text(&args, t->segment);
    pgargs_int(&args, t->contact);
    pgpool_query(t->app->pool, api_org(t->req), Q_EXCEPTION_SHOW, &args, explain_on_exception, t);
}

static void ask_values(struct trial *t)
{
    struct pgargs args;

    pgargs_init(&args, t);
    pgargs_int(&args, t->contact);
    pgargs_instant(&args, t->now_us);
    add_params(&args, t->values);
    pgpool_query_sql(t->app->pool, api_org(t->req), t->values->text, &args, explain_on_values, t);
}

static void ask_some(struct trial *t, const struct rule_sql *sql, int64_t now_us, pgres_fn *fn)
{
    struct pgarray contacts;
    struct pgargs args;

    pgargs_init(&args, t);
    pgarray_init(&contacts, t);
    pgarray_int(&contacts, t->contact);
    pgargs_array(&args, &contacts);
    pgargs_instant(&args, now_us);
    add_params(&args, sql);
    pgpool_query_sql(t->app->pool, api_org(t->req), sql->text, &args, fn, t);
}

/* A statement says when the answer can change at the earliest. It is asked there again, until the
 * answer is another one: that is when the rule changes. */
static void explain_on_look(void *arg, const struct pgres *res)
{
    struct trial *t = arg;
    bool never, flipped;
    size_t n;
    int64_t *tags;

    if (api_failed(t->req, res))
        return;
    if (pgres_rows(res) == 0) {
        http_problem(t->req, 404, NULL, "there is no such contact");
        return;
    }
    tags = pgres_ints(res, 0, "holds", t, &n);
    flipped = holds(tags, n, 0) != holds(t->tags, t->n_tags, 0);
    talloc_free(tags);
    never = !flipped && (pgres_null(res, 0, "changes_at") ||
                         pgres_instant(res, 0, "changes_at") > CLOCK_LAST_US);
    if (!flipped && !never && t->looks++ < LOOKS_MAX) {
        t->look_us = pgres_instant(res, 0, "changes_at");
        ask_some(t, t->look, t->look_us, explain_on_look);
        return;
    }
    if (!never)
        t->changes_at = clock_format(t->look_us, t->changes_text);
    ask_values(t);
}

static void explain_on_result(void *arg, const struct pgres *res)
{
    struct trial *t = arg;

    if (api_failed(t->req, res))
        return;
    if (pgres_rows(res) == 0) {
        http_problem(t->req, 404, NULL, "there is no such contact");
        return;
    }
    t->tags = pgres_ints(res, 0, "holds", t, &t->n_tags);
    t->look_us = t->now_us;
    ask_some(t, t->look, t->look_us, explain_on_look);
}

/* take_conditions() - the rule first, which has the tag 0, then what it is made of. */
static void take_conditions(struct trial *t, const struct rule *rule)
{
    size_t n;
    const struct rule *const *parts = rule_parts(t, rule, &n);

    if (n > RULE_ROOTS_MAX - 1)
        n = RULE_ROOTS_MAX - 1;
    t->conditions = mem_array(t, const struct rule *, n + 1);
    t->texts = mem_array(t, const char *, n + 1);
    t->conditions[0] = rule;
    for (size_t i = 0; i < n; i++) {
        t->conditions[i + 1] = parts[i];
        t->texts[i + 1] = rule_text(t, parts[i]);
    }
    t->n = n + 1;
}

static void ask_contact(struct trial *t, const struct catalogue *catalogue)
{
    struct rule_root *roots = mem_array(t, struct rule_root, t->n);

    for (size_t i = 0; i < t->n; i++)
        roots[i] = (struct rule_root){t->conditions[i], (int64_t)i};
    t->look = rule_compile_some(t, roots, 1, catalogue);
    t->values = rule_compile_values(t, t->conditions + 1, t->n - 1, catalogue);
    ask_some(t, rule_compile_some(t, roots, t->n, catalogue), t->now_us, explain_on_result);
}

/* rule_of_segment() - NULL where the problem was answered. */
static const char *rule_of_segment(const struct trial *t, const struct catalogue *catalogue)
{
    for (size_t i = 0; i < catalogue->n_segments; i++) {
        if (strcmp(catalogue->segments[i].name, t->segment) != 0)
            continue;
        if (catalogue->segments[i].rule == NULL)
            http_problem(t->req, 422, NULL, "a fixed segment has no rule");
        return catalogue->segments[i].rule;
    }
    http_problem(t->req, 404, NULL, "there is no segment \"%s\"", t->segment);
    return NULL;
}

static void explain_on_org(void *arg, const struct org *org)
{
    struct trial *t = arg;
    struct diag mistakes;
    const struct rule *rule;

    if (org == NULL) {
        api_away(t->req);
        return;
    }
    if (t->text == NULL)
        t->text = rule_of_segment(t, &org->catalogue);
    if (t->text == NULL)
        return;
    diag_init(&mistakes, t);
    rule = api_rule_read(t, t->text, "/rule", &org->catalogue, &mistakes, NULL);
    if (rule == NULL) {
        http_problem(t->req, 422, &mistakes, "the rule is wrong");
        return;
    }
    take_conditions(t, rule);
    ask_contact(t, &org->catalogue);
}

void api_rule_explain(void *app, struct http_request *req)
{
    static const char *const known[] = {"rule", "segment", "contact", "as_of", NULL};
    struct trial *t = trial_new(app, req);
    struct api_body body;

    if (!api_body_read(&body, req, known))
        return;
    t->text = api_body_text(&body, "rule", API_RULE_MAX);
    t->segment = api_body_text(&body, "segment", 400);
    t->contact = api_body_int(&body, "contact", 1, INT64_MAX, 0);
    read_as_of(t, &body);
    if ((t->text == NULL) == (t->segment == NULL))
        diag_field(&body.mistakes, "/rule", "there must be either a rule or a segment");
    if (t->contact == 0 && !diag_any(&body.mistakes))
        diag_field(&body.mistakes, "/contact", "this is missing");
    if (api_body_ok(&body))
        orgs_get(t->app->orgs, api_org(req), explain_on_org, t);
}
