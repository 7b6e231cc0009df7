/* api_rules_explain.c - /v1/rules/explain: why a rule holds for one contact, condition by
 * condition: what each is about, since when it has been so and when it will not be so any more, now
 * or at another instant. Nothing is stored. */
#include "common/clock.h"
#include "common/mem.h"
#include "common/suggest.h"
#include "daemon/evaluate/walk.h"
#include "daemon/http/api_define.h"
#include "daemon/rules/instant.h"
#include "daemon/rules/parts.h"

#include <string.h>

struct explanation {
    struct app *app;
    struct http_request *req;
    const char *text; /* of the rule; NULL: that of the segment */
    const char *segment;
    int64_t contact, at_us, now_us;
    const char **texts;
    struct walk_root *roots; /* the rule itself first, then each of its conditions */
    size_t n;
    size_t omitted;    /* conditions, more than can be told */
    bool in;           /* what the exception says */
    json_t *exception; /* NULL: none */
};

static int explanation_free(struct explanation *x)
{
    json_decref(x->exception);
    return 0;
}

/* --- the answer ----------------------------------------------------------------------------------
 */

/* An instant, or null. */
static json_t *instant_json(int64_t at_us)
{
    char text[CLOCK_TEXT];

    return at_us == WALK_ALWAYS || at_us == WALK_NEVER ? json_null()
                                                       : json_string(clock_format(at_us, text));
}

#define LEFT_TEXT                                                                                  \
    "of what lies ahead, segments and scores of related contacts are taken as they are now, and "  \
    "so are segments too large to be followed"

/* What cannot be told, and why; NULL where everything is known. */
static const char *unknown_of(const void *ctx, const struct walk_root *root)
{
    const char *past = rule_no_history(root->rule);

    if (past == NULL && !root->since_known)
        past = "it changed too often to tell since when it is so";
    if (root->left)
        past =
            mem_printf(ctx, "%s%s" LEFT_TEXT, past == NULL ? "" : past, past == NULL ? "" : "; ");
    if (root->change_known)
        return past;
    return mem_printf(ctx,
                      "%s%sso many changes lie ahead that it can only be told that it stays so"
                      " until %s",
                      past == NULL ? "" : past, past == NULL ? "" : "; ",
                      clock_format(root->change_us, (char[CLOCK_TEXT]){0}));
}

static void add_instants(const void *ctx, json_t *object, const struct walk_root *root)
{
    const char *why = unknown_of(ctx, root);

    json_object_set_new(object, "since",
                        instant_json(root->since_known ? root->since_us : WALK_ALWAYS));
    json_object_set_new(object, "changes_at",
                        instant_json(root->change_known ? root->change_us : WALK_NEVER));
    if (why != NULL)
        json_object_set_new(object, "unknown", json_string(why));
}

static json_t *conditions_json(const struct explanation *x, const json_t *values)
{
    json_t *list = mem_must(json_array());

    for (size_t i = 1; i < x->n; i++) {
        json_t *item =
            mem_must(json_pack("{s:s, s:O?, s:b}", "text", x->texts[i], "value",
                               json_array_get(values, i - 1), "holds", x->roots[i].holds));

        add_instants(x, item, &x->roots[i]);
        json_array_append_new(list, item);
    }
    return list;
}

static void explain_on_walked(void *arg, bool found, const char *said, const struct pgres *failed)
{
    struct explanation *x = arg;
    json_t *body, *values;

    if (failed != NULL) {
        (void)api_failed(x->req, failed);
        return;
    }
    if (!found) {
        http_problem(x->req, 404, NULL, "there is no such contact");
        return;
    }
    values = said == NULL ? NULL : json_loads(said, 0, NULL);
    body = mem_must(json_pack("{s:b, s:o}", "holds", x->roots[0].holds, "conditions",
                              conditions_json(x, values)));
    json_decref(values);
    add_instants(x, body, &x->roots[0]);
    if (x->omitted > 0)
        json_object_set_new(body, "omitted", json_integer((json_int_t)x->omitted));
    if (x->segment != NULL) {
        json_object_set_new(body, "member",
                            json_boolean(x->exception != NULL ? x->in : x->roots[0].holds));
        json_object_set(body, "exception", x->exception != NULL ? x->exception : json_null());
    }
    http_answer_value(x->req, 200, body);
}

/* --- the question --------------------------------------------------------------------------------
 */

/* The rule first, which has the tag 0, then what it is made of. */
static void take_conditions(struct explanation *x, const struct rule *rule)
{
    size_t n;
    const struct rule *const *parts = rule_parts(x, rule, &n);

    if (n > RULE_ROOTS_MAX - 1) {
        x->omitted = n - (RULE_ROOTS_MAX - 1);
        n = RULE_ROOTS_MAX - 1;
    }
    x->roots = mem_array(x, struct walk_root, n + 1);
    x->texts = mem_array(x, const char *, n + 1);
    x->roots[0].rule = rule;
    for (size_t i = 0; i < n; i++) {
        x->roots[i + 1].rule = parts[i];
        x->texts[i + 1] = rule_text(x, parts[i]);
    }
    x->n = n + 1;
}

static void walk(struct explanation *x, const struct catalogue *catalogue)
{
    const struct rule **conditions = mem_array(x, const struct rule *, x->n);
    struct walk_question q = {.pool = x->app->pool,
                              .org_id = api_org(x->req),
                              .contact_id = x->contact,
                              .catalogue = catalogue,
                              .at_us = x->at_us,
                              .now_us = x->now_us,
                              .roots = x->roots,
                              .n_roots = x->n};

    for (size_t i = 1; i < x->n; i++)
        conditions[i - 1] = x->roots[i].rule;
    q.values = rule_compile_values(x, conditions, x->n - 1, catalogue);
    walk_run(x, &q, explain_on_walked, x);
}

static const char *segment_near(const struct explanation *x, const struct catalogue *catalogue)
{
    const char **names = mem_array(x, const char *, catalogue->n_segments);

    for (size_t i = 0; i < catalogue->n_segments; i++)
        names[i] = catalogue->segments[i].name;
    return suggest_nearest(x->segment, names, catalogue->n_segments);
}

/* rule_of_segment() - NULL where the problem was answered. */
static const char *rule_of_segment(const struct explanation *x, const struct catalogue *catalogue)
{
    const char *near;

    for (size_t i = 0; i < catalogue->n_segments; i++) {
        if (strcmp(catalogue->segments[i].name, x->segment) != 0)
            continue;
        if (catalogue->segments[i].rule == NULL)
            http_problem(x->req, 422, NULL, "a fixed segment has no rule");
        return catalogue->segments[i].rule;
    }
    near = segment_near(x, catalogue);
    http_problem(x->req, 404, NULL, "there is no segment \"%s\"%s%s%s", x->segment,
                 near == NULL ? "" : "; did you mean \"", near == NULL ? "" : near,
                 near == NULL ? "" : "\"?");
    return NULL;
}

static void explain_on_org(void *arg, const struct org *org)
{
    struct explanation *x = arg;
    struct diag mistakes;
    const struct rule *rule;

    if (org == NULL) {
        api_away(x->req);
        return;
    }
    if (x->text == NULL)
        x->text = rule_of_segment(x, &org->catalogue);
    if (x->text == NULL)
        return;
    diag_init(&mistakes, x);
    rule = api_rule_read(x, x->text, "/rule", &org->catalogue, &mistakes, NULL);
    if (rule == NULL) {
        http_problem(x->req, 422, &mistakes, "the rule is wrong");
        return;
    }
    take_conditions(x, rule);
    walk(x, &org->catalogue);
}

static void explain_on_exception(void *arg, const struct pgres *res)
{
    struct explanation *x = arg;

    if (api_failed(x->req, res))
        return;
    x->contact = pgres_int(res, 0, "contact_id");
    if (!pgres_null(res, 0, "body")) {
        x->exception = json_loads(pgres_text(res, 0, "body"), 0, NULL);
        x->in = strcmp(pgres_text(res, 0, "mode"), "in") == 0;
    }
    orgs_get(x->app->orgs, api_org(x->req), explain_on_org, x);
}

static void ask_exception(struct explanation *x)
{
    struct pgargs args;

    pgargs_init(&args, x);
    pgargs_int(&args, x->contact);
    pgargs_text(&args, x->segment);
    pgargs_instant(&args, x->at_us);
    pgpool_query(x->app->pool, api_org(x->req), Q_EXCEPTION_OF, &args, explain_on_exception, x);
}

void api_rule_explain(void *app, struct http_request *req)
{
    static const char *const known[] = {"rule", "segment", "contact", "as_of", NULL};
    struct explanation *x = mem_new(http_ctx(req), struct explanation);
    struct api_body body;
    const char *as_of;

    if (!api_body_read(&body, req, known))
        return;
    talloc_set_destructor(x, explanation_free);
    x->app = app;
    x->req = req;
    x->text = api_body_text(&body, "rule", API_RULE_MAX);
    x->segment = api_body_text(&body, "segment", 400);
    x->contact = api_body_int(&body, "contact", 1, INT64_MAX, 0);
    as_of = api_body_text(&body, "as_of", CLOCK_TEXT);
    x->now_us = x->at_us = clock_now_us();
    if (as_of != NULL && !clock_parse(as_of, &x->at_us))
        diag_field(&body.mistakes, "/as_of", "this must be a time as in RFC 3339");
    if ((x->text == NULL) == (x->segment == NULL))
        diag_field(&body.mistakes, "/rule", "there must be either a rule or a segment");
    if (x->contact == 0 && !diag_any(&body.mistakes))
        diag_field(&body.mistakes, "/contact", "this is missing");
    if (api_body_ok(&body))
        ask_exception(x);
}
