/* api_define_rfm.c - /v1/rfm: models and what their labels cover. A changed model is stale
 * until the evaluator has scored it anew. Their scores are api_define_scores.c's. */
#include "common/clock.h"
#include "common/mem.h"
#include "common/suggest.h"
#include "common/text.h"
#include "daemon/http/api_define.h"
#include "daemon/rfm/rfm.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LABELS_MAX 100
#define KINDS_MAX  20

struct model {
    struct app *app;
    struct http_request *req;
    struct api_body body;
    const char *name, *look_back, *scoring, *monetary, *recompute;
    int64_t classes;
    bool integer_bins;
    json_t *labels; /* each with all of r, f and m */
    struct pgarray kinds;
    const char **kind_names;
    size_t n_kinds;
    json_t *breaks; /* NULL with quantiles */
    json_t *unused; /* a sentence for each kind that nobody recorded */
};

static int model_free(struct model *m)
{
    json_decref(m->labels);
    json_decref(m->unused);
    return 0;
}

void api_rfm_list(void *app, struct http_request *req)
{
    api_list_by_name(app, req, Q_API_RFM_LIST);
}

void api_rfm_show(void *app, struct http_request *req)
{
    api_show_named(app, req, Q_API_RFM_SHOW, "model");
}

void api_rfm_delete(void *app, struct http_request *req)
{
    api_delete_unused(app, req, Q_API_RFM_DELETE, "model");
}

/* --- coverage ------------------------------------------------------------------------------------
 */

/* add_coverage() - `coverage` and `warnings` to the answer, of a model's classes and labels. */
static void add_coverage(const void *ctx, json_t *body, json_int_t classes, json_t *labels)
{
    struct rfm_model *model = mem_new(ctx, struct rfm_model);
    json_t *settings = mem_must(json_pack("{s:I, s:O}", "classes", classes, "labels", labels));
    struct diag d;

    diag_init(&d, model);
    if (rfm_model_parse(settings, model, &d)) {
        json_object_set_new(body, "coverage", rfm_coverage(model));
        json_object_set_new(body, "warnings", rfm_warnings(model));
    }
    json_decref(settings);
}

struct summary {
    struct app *app;
    struct http_request *req;
};

static void summary_on_result(void *arg, const struct pgres *res)
{
    const struct summary *s = arg;
    json_t *body;

    if (api_failed(s->req, res))
        return;
    if (pgres_rows(res) == 0) {
        api_not_found(s->app, s->req, "model");
        return;
    }
    body = json_loads(pgres_text(res, 0, "body"), 0, NULL);
    add_coverage(s, body, json_integer_value(json_object_get(body, "classes")),
                 json_object_get(body, "boxes"));
    json_object_del(body, "boxes");
    http_answer_value(s->req, 200, body);
}

void api_rfm_summary(void *arg, struct http_request *req)
{
    struct summary *s = mem_new(http_ctx(req), struct summary);
    struct app *app = arg;
    struct pgargs args;

    s->app = app;
    s->req = req;
    pgargs_init(&args, s);
    pgargs_text(&args, http_param(req, "name"));
    pgpool_query(app->pool, api_org(req), Q_API_RFM_SUMMARY, &args, summary_on_result, s);
}

/* --- reading a model
 * -------------------------------------------------------------------------------------- */

static void read_kinds(struct model *m)
{
    json_t *kinds = api_body_array(&m->body, "kinds");
    size_t n = json_array_size(kinds);

    pgarray_init(&m->kinds, m);
    m->kind_names = mem_array(m, const char *, KINDS_MAX);
    if (n < 1 || n > KINDS_MAX)
        diag_field(&m->body.mistakes, "/kinds", "this must be a list of 1 to %d kinds", KINDS_MAX);
    for (size_t i = 0; i < n && n <= KINDS_MAX; i++) {
        const char *kind = json_string_value(json_array_get(kinds, i));

        if (kind == NULL || *kind == '\0')
            diag_field(&m->body.mistakes, mem_printf(m, "/kinds/%zu", i), "a kind is a text");
        else {
            pgarray_text(&m->kinds, kind);
            m->kind_names[m->n_kinds++] = kind;
        }
    }
}

/* read_unused() - kinds are compared letter by letter, unlike in rules. */
static void read_unused(struct model *m, const struct catalogue *c)
{
    const char **names = mem_array(m, const char *, c->n_kinds);

    m->unused = mem_must(json_array());
    for (size_t i = 0; i < c->n_kinds; i++)
        names[i] = c->kinds[i].name;
    for (size_t k = 0; k < m->n_kinds; k++) {
        const char *near = suggest_nearest(m->kind_names[k], names, c->n_kinds);

        if (near != NULL && strcmp(near, m->kind_names[k]) == 0)
            continue;
        json_array_append_new(
            m->unused,
            mem_must(json_sprintf("no interaction of the kind \"%s\" has been recorded yet%s%s%s",
                                  m->kind_names[k], near == NULL ? "" : "; did you mean \"",
                                  near == NULL ? "" : near, near == NULL ? "" : "\"?")));
    }
}

/* read_box() - a side [lo, hi] of a label; absent: all classes. A new reference. */
static json_t *read_box(struct model *m, const json_t *label, size_t i, const char *side)
{
    json_t *box = json_object_get(label, side);
    json_t *lo = json_array_get(box, 0), *hi = json_array_get(box, 1);

    if (box == NULL || json_is_null(box))
        return mem_must(json_pack("[i, I]", 1, (json_int_t)m->classes));
    if (!json_is_array(box) || json_array_size(box) != 2 || !json_is_integer(lo) ||
        !json_is_integer(hi) || json_integer_value(lo) < 1 || json_integer_value(hi) > m->classes ||
        json_integer_value(lo) > json_integer_value(hi))
        diag_field(&m->body.mistakes, mem_printf(m, "/labels/%zu/%s", i, side),
                   "this must be [lowest, highest] within 1 to %lld", (long long)m->classes);
    return json_incref(box);
}

static void read_label(struct model *m, json_t *label, size_t i)
{
    const char *name = json_string_value(json_object_get(label, "label"));
    const char *key;
    json_t *value;

    if (name == NULL || *name == '\0' || strlen(name) > 100)
        diag_field(&m->body.mistakes, mem_printf(m, "/labels/%zu/label", i),
                   "a label is a text of at most 100 bytes");
    json_object_foreach(label, key, value)
    {
        if (strcmp(key, "label") != 0 && strcmp(key, "r") != 0 && strcmp(key, "f") != 0 &&
            strcmp(key, "m") != 0)
            diag_field(&m->body.mistakes, mem_printf(m, "/labels/%zu", i),
                       "\"%.100s\" is not known; a label has label, r, f and m", key);
    }
    json_array_append_new(m->labels,
                          json_pack("{s:s, s:o, s:o, s:o}", "label", name == NULL ? "" : name, "r",
                                    read_box(m, label, i, "r"), "f", read_box(m, label, i, "f"),
                                    "m", read_box(m, label, i, "m")));
}

static void read_labels(struct model *m)
{
    json_t *labels = api_body_array(&m->body, "labels");
    size_t n = json_array_size(labels);

    m->labels = mem_must(json_array());
    talloc_set_destructor(m, model_free);
    if (n > LABELS_MAX) {
        diag_field(&m->body.mistakes, "/labels", "there are more than %d labels", LABELS_MAX);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        json_t *label = json_array_get(labels, i);

        if (json_is_object(label))
            read_label(m, label, i);
        else
            diag_field(&m->body.mistakes, mem_printf(m, "/labels/%zu", i), "a label is an object");
    }
}

/* read_choice() - one of `words` (NULL ends them), the first where it is absent. */
static const char *read_choice(struct model *m, const char *name, const char *const *words)
{
    const char *given = api_body_text(&m->body, name, 20);
    char *all = mem_strdup(m, words[0]);

    if (given == NULL)
        return words[0];
    for (size_t i = 0; words[i] != NULL; i++) {
        if (strcmp(given, words[i]) == 0)
            return words[i];
        if (i > 0)
            all = mem_printf(m, "%s, %s", all, words[i]);
    }
    diag_field(&m->body.mistakes, mem_printf(m, "/%s", name), "this must be one of: %s", all);
    return words[0];
}

static void read_settings(struct model *m)
{
    static const char *const moneys[] = {"sum", "average", "largest", NULL};
    static const char *const schedules[] = {"day", "week", "month", "never", NULL};
    struct diag *mistakes = &m->body.mistakes;
    int days, months;

    m->look_back = api_body_text(&m->body, "look_back", 20);
    if (m->look_back != NULL && !rfm_look_back_parse(m->look_back, &days, &months))
        diag_field(mistakes, "/look_back", RFM_LOOK_BACK_EXPECTED);
    m->scoring = api_body_text(&m->body, "scoring", 20);
    m->scoring = m->scoring == NULL ? "quantile" : m->scoring;
    if (strcmp(m->scoring, "quantile") != 0 && strcmp(m->scoring, "fixed") != 0)
        diag_field(mistakes, "/scoring", "this must be \"quantile\" or \"fixed\"");
    m->classes = api_body_int(&m->body, "classes", 3, 10, 5);
    m->integer_bins = api_body_bool(&m->body, "integer_bins", false);
    m->monetary = read_choice(m, "monetary", moneys);
    m->recompute = read_choice(m, "recompute", schedules);
    m->breaks = api_body_object(&m->body, "breaks");
    if (strcmp(m->scoring, "quantile") == 0 && m->breaks != NULL)
        diag_field(mistakes, "/breaks",
                   "quantiles compute their breaks; only fixed scoring has its own");
    if (strcmp(m->scoring, "fixed") == 0 && m->breaks == NULL)
        diag_field(mistakes, "/breaks", "fixed scoring needs its breaks");
}

/* --- breaks
 * -----------------------------------------------------------------------------------------------
 */

/* read_number() - a JSON number or a decimal text; false where it is neither. */
static bool read_number(const json_t *value, double *ret_number)
{
    const char *text = json_string_value(value);
    char *end;

    if (json_is_number(value)) {
        *ret_number = json_number_value(value);
        return true;
    }
    if (text == NULL || *text == '\0' || strspn(text, "0123456789.-") != strlen(text))
        return false;
    *ret_number = strtod(text, &end);
    return *end == '\0' && isfinite(*ret_number);
}

/* read_breaks() - the next parameter: classes - 1 ascending numbers, each times `unit`; null with
 * quantiles. */
static void read_breaks(struct model *m, const char *name, double unit, struct pgargs *args)
{
    json_t *list = json_object_get(m->breaks, name);
    double before = -HUGE_VAL, number;
    struct pgarray breaks;
    bool fits = json_is_array(list) && json_array_size(list) == (size_t)m->classes - 1;

    if (m->breaks == NULL) {
        pgargs_text(args, NULL);
        return;
    }
    pgarray_init(&breaks, m);
    for (size_t i = 0; fits && i < json_array_size(list); i++) {
        fits = read_number(json_array_get(list, i), &number) && number >= before;
        if (fits)
            pgarray_text(&breaks, mem_printf(m, "%.17g", number * unit));
        before = number;
    }
    if (!fits)
        diag_field(&m->body.mistakes, mem_printf(m, "/breaks/%s", name),
                   "this must be a list of %lld ascending numbers", (long long)m->classes - 1);
    pgargs_array(args, &breaks);
}

/* What api_change() does, with the coverage of the labels in the answer. */
static void define_on_result(void *arg, const struct pgres *res)
{
    struct model *m = arg;
    json_t *body;

    if (!pgres_ok(res) || pgres_rows(res) == 0) {
        api_answer_change(m->app, m->req, res, "model");
        return;
    }
    body = json_loads(pgres_text(res, 0, "body"), 0, NULL);
    add_coverage(m, body, (json_int_t)m->classes, m->labels);
    json_array_extend(json_object_get(body, "warnings"), m->unused);
    app_defined(m->app, api_org(m->req));
    http_answer_value(m->req, (int)pgres_int(res, 0, "status"), body);
}

static void define_on_org(void *arg, const struct org *org)
{
    struct model *m = arg;
    struct pgargs args;
    struct pgact act;
    double unit;

    if (org == NULL) {
        api_away(m->req);
        return;
    }
    unit = pow(10, org->catalogue.currency_digits);
    read_unused(m, &org->catalogue);
    pgargs_init(&args, m);
    pgargs_text(&args, m->name);
    pgargs_array(&args, &m->kinds);
    pgargs_text(&args, m->look_back);
    pgargs_text(&args, m->scoring);
    pgargs_int(&args, m->classes);
    pgargs_bool(&args, m->integer_bins);
    pgargs_text(&args, api_json_text(m, m->labels));
    read_breaks(m, "recency", 1, &args);
    read_breaks(m, "frequency", 1, &args);
    read_breaks(m, "monetary", unit, &args);
    pgargs_instant(&args, clock_now_us());
    pgargs_text(&args, m->monetary);
    pgargs_text(&args, m->recompute);
    act = api_act(m->req, "model");
    if (api_body_ok(&m->body))
        pgpool_query_as(m->app->pool, api_org(m->req), &act, Q_API_RFM_PUT, &args, define_on_result,
                        m);
}

void api_rfm_put(void *app, struct http_request *req)
{
    static const char *const known[] = {"name",     "kinds",        "look_back", "scoring",
                                        "classes",  "integer_bins", "labels",    "breaks",
                                        "monetary", "recompute",    NULL};
    struct model *m = mem_new(http_ctx(req), struct model);

    if (!api_body_read(&m->body, req, known))
        return;
    m->app = app;
    m->req = req;
    m->name = http_param(req, "name");
    api_body_path_name(&m->body, m->name);
    if (m->name[0] >= '0' && m->name[0] <= '9')
        diag_field(&m->body.mistakes, "/name", "the name of a model begins with a letter");
    read_kinds(m);
    read_settings(m);
    read_labels(m);
    if (api_body_ok(&m->body))
        orgs_get(m->app->orgs, api_org(req), define_on_org, m);
}
