/* api_rules_sql.c - /v1/rules/sql: the statement that a rule becomes, for who wants to see or
 * explain it in psql. Nothing is run. */
#include "common/clock.h"
#include "common/mem.h"
#include "daemon/http/api_define.h"
#include "daemon/http/api_rules.h"

struct translation {
    struct app *app;
    struct http_request *req;
    const char *text;
};

static void translate_on_org(void *arg, const struct org *org)
{
    struct translation *t = arg;
    const struct rule_sql *sql;
    const struct rule *rule;
    struct diag mistakes;
    json_t *params;
    char now[CLOCK_TEXT];

    if (org == NULL) {
        api_away(t->req);
        return;
    }
    diag_init(&mistakes, t);
    rule = api_rule_read(t, t->text, "/rule", &org->catalogue, &mistakes, NULL);
    if (rule == NULL) {
        http_problem(t->req, 422, &mistakes, "the rule is wrong");
        return;
    }
    sql = rule_compile_search(t, rule, &org->catalogue);
    params = mem_must(json_array());
    for (size_t i = 0; i < sql->n_params; i++)
        json_array_append_new(params, json_string(sql->params[i]));
    http_answer_value(t->req, 200,
                      json_pack("{s:s, s:s, s:i, s:o, s:I, s:s}", "rule", rule_text(t, rule), "sql",
                                sql->text, "first_param", 4, "params", params, "organisation",
                                (json_int_t)api_org(t->req), "now",
                                clock_format(clock_now_us(), now)));
}

void api_rule_sql(void *arg, struct http_request *req)
{
    static const char *const known[] = {"rule", NULL};
    struct translation *t = mem_new(http_ctx(req), struct translation);
    struct api_body body;

    if (!api_body_read(&body, req, known))
        return;
    t->app = arg;
    t->req = req;
    t->text = api_body_need(&body, "rule", API_RULE_MAX);
    if (api_body_ok(&body))
        orgs_get(t->app->orgs, api_org(req), translate_on_org, t);
}
