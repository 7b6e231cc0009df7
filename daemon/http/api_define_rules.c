/* api_define_rules.c - /v1/rules/check: trying a rule. It says whether it is one, for how many it
 * holds and for whom, at an instant too; nothing is stored. Why it holds for one contact is
 * api_rules_explain.c's. */
#include "common/clock.h"
#include "common/mem.h"
#include "common/suggest.h"
#include "daemon/http/api_define.h"

#include <string.h>

struct trial {
    struct app *app;
    struct http_request *req;
    const char *text; /* of the rule */
    int64_t now_us;
    bool as_of;          /* it was said */
    const char *unknown; /* what is not known of that instant; NULL: all is */
    json_t *warnings;
    const struct rule_label *labels; /* that the rule names */
    size_t n_labels;
    /* The count: its two forms, what they cost, and the answer. */
    const struct rule_sql *each, *whole;
    double each_cost;
    struct pgtx *tx;
    json_t *counted;
};

static int trial_free(struct trial *t)
{
    json_decref(t->warnings);
    json_decref(t->counted);
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
    t->as_of = as_of != NULL;
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

static json_t *counted_json(const struct trial *t, const struct pgres *res)
{
    json_t *sample = json_loads(pgres_text(res, 0, "sample"), 0, NULL);

    return mem_must(json_pack("{s:b, s:[], s:O, s:I, s:o*, s:s*}", "valid", 1, "errors", "warnings",
                              t->warnings, "count", (json_int_t)pgres_int(res, 0, "n"), "sample",
                              sample, "unknown", t->unknown));
}

static void check_on_result(void *arg, const struct pgres *res)
{
    struct trial *t = arg;

    if (!api_failed(t->req, res))
        http_answer_value(t->req, 200, counted_json(t, res));
}

static void count_args(struct pgargs *args, const struct trial *t, const struct rule_sql *sql)
{
    pgargs_init(args, t);
    pgargs_instant(args, t->now_us);
    add_params(args, sql);
}

static void count_on_result(void *arg, const struct pgres *res)
{
    struct trial *t = arg;

    if (!pgres_ok(res))
        return;
    t->counted = counted_json(t, res);
    pgtx_commit(t->tx);
}

static void count_on_each_cost(void *arg, const struct pgres *res)
{
    struct trial *t = arg;

    if (pgres_ok(res))
        t->each_cost = rule_cost(pgres_text(res, 0, RULE_COST_COLUMN));
}

static void count_on_whole_cost(void *arg, const struct pgres *res)
{
    struct trial *t = arg;
    const struct rule_sql *sql;
    struct pgargs args;

    if (!pgres_ok(res))
        return;
    sql = rule_cost(pgres_text(res, 0, RULE_COST_COLUMN)) < t->each_cost ? t->whole : t->each;
    count_args(&args, t, sql);
    pgtx_query_sql(t->tx, sql->text, &args, count_on_result, t);
}

/* Both forms are weighed with the rule's own values. */
static void count_begun(void *arg, struct pgtx *tx)
{
    struct trial *t = arg;
    struct pgargs args;

    t->tx = tx;
    pgtx_query(tx, Q_PLAN_BY_VALUES, NULL, NULL, NULL);
    count_args(&args, t, t->each);
    pgtx_query_sql(tx, rule_cost_text(t, t->each), &args, count_on_each_cost, t);
    count_args(&args, t, t->whole);
    pgtx_query_sql(tx, rule_cost_text(t, t->whole), &args, count_on_whole_cost, t);
}

static void count_ended(void *arg, bool committed, const struct pgres *error)
{
    struct trial *t = arg;
    json_t *body = t->counted;

    t->counted = NULL;
    if (committed) {
        http_answer_value(t->req, 200, body);
        return;
    }
    json_decref(body);
    if (error == NULL || !api_failed(t->req, error))
        api_away(t->req);
}

/* ask_count() - for how many the rule holds, and who are the first ten. */
static void ask_count(struct trial *t)
{
    struct pgargs args;

    if (t->whole->grouped) {
        pgtx_begin_reading(t->app->pool, api_org(t->req), count_begun, count_ended, t);
        return;
    }
    count_args(&args, t, t->each);
    pgpool_query_sql(t->app->pool, api_org(t->req), t->each->text, &args, check_on_result, t);
}

/* --- names that nobody has --- */

static const char *label_nobody(enum rule_label_sort sort)
{
    static const char *const said[] = {
        [RULE_LABEL_tag] = "nobody has the tag",
        [RULE_LABEL_group] = "nobody is in the group",
        [RULE_LABEL_campaign] = "no mail is of a campaign",
        [RULE_LABEL_score] = "no box of the model has the label",
        [RULE_LABEL_stage] = "there is no stage",
    };

    return said[sort];
}

/* Tags and groups come with whoever gets them. */
static bool label_comes(enum rule_label_sort sort)
{
    return sort == RULE_LABEL_tag || sort == RULE_LABEL_group;
}

static void label_warn(struct trial *t, const struct rule_label *label, const json_t *there)
{
    const char **names = mem_array(t, const char *, json_array_size(there)), *near;

    for (size_t i = 0; i < json_array_size(there); i++)
        names[i] = json_string_value(json_array_get(there, i));
    near = suggest_nearest(label->name, names, json_array_size(there));
    json_array_append_new(
        t->warnings, mem_must(json_pack(
                         "{s:i, s:i, s:s}", "line", label->line, "column", label->column, "message",
                         mem_printf(t, "%s \"%.80s\"%s%s%s%s", label_nobody(label->sort),
                                    label->name, label_comes(label->sort) ? " yet" : "",
                                    near == NULL ? "" : "; did you mean \"",
                                    near == NULL ? "" : near, near == NULL ? "" : "\"?"))));
}

static void labels_on_result(void *arg, const struct pgres *res)
{
    struct trial *t = arg;

    if (api_failed(t->req, res))
        return;
    for (int row = 0; row < pgres_rows(res); row++) {
        json_t *there = mem_must(json_loads(pgres_text(res, row, "names"), 0, NULL));

        label_warn(t, &t->labels[pgres_int(res, row, "place") - 1], there);
        json_decref(there);
    }
    ask_count(t);
}

static void ask_labels(struct trial *t)
{
    struct pgarray names, sorts, models;
    struct pgargs args;

    pgarray_init(&names, t);
    pgarray_init(&sorts, t);
    pgarray_init(&models, t);
    for (size_t i = 0; i < t->n_labels; i++) {
        pgarray_text(&names, t->labels[i].name);
        pgarray_int(&sorts, t->labels[i].sort);
        pgarray_int(&models, t->labels[i].model_id);
    }
    pgargs_init(&args, t);
    pgargs_array(&args, &names);
    pgargs_array(&args, &sorts);
    pgargs_array(&args, &models);
    pgpool_query(t->app->pool, api_org(t->req), Q_API_LABELS_UNKNOWN, &args, labels_on_result, t);
}

/* Of all contacts at once only interactions are asked for as they were; to tell the rest of one of
 * them is for explain. What is to come changes no field. */
static const char *unknown_of(const struct trial *t, const struct rule *rule)
{
    bool past = t->now_us < clock_now_us(), computed = false, rest = false;
    size_t n, n_ways;
    const char *const *words = rule_reads(t, rule, &n);

    for (size_t i = 0; i < n; i++) {
        bool is_computed =
            strncmp(words[i], "segment:", 8) == 0 || strncmp(words[i], "score:", 6) == 0;

        computed = computed || is_computed;
        rest = rest || (!is_computed && strncmp(words[i], "kind", 4) != 0 &&
                        strcmp(words[i], "field:created_at") != 0);
    }
    rule_reaches(t, rule, &n_ways);
    if (past && (rest || computed || n_ways > 0))
        return "fields, tags, groups, topics, relations, segments and scores are taken as they are "
               "now";
    return computed || n_ways > 0 ? "segments and scores are taken as they are now" : NULL;
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
    if (rule != NULL && t->as_of)
        t->unknown = unknown_of(t, rule);
    if (rule != NULL) {
        t->each = rule_compile_sample(t, rule, &org->catalogue, RULE_FORM_EACH);
        t->whole = rule_compile_sample(t, rule, &org->catalogue, RULE_FORM_WHOLE);
        t->labels = rule_labels(t, rule, &t->n_labels);
        if (t->n_labels > 0)
            ask_labels(t);
        else
            ask_count(t);
    } else
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
