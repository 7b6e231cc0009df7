/* api_define_segments.c - /v1/segments: definitions and members. A new or changed rule makes its
 * segment stale; the evaluator then goes through all contacts once. The members of a fixed segment
 * are put in and taken out here, by hand. */
#include "common/clock.h"
#include "common/mem.h"
#include "daemon/http/api_define.h"
#include "daemon/http/api_rules.h"

#include <string.h>

struct definition {
    struct app *app;
    struct http_request *req;
    const char *name, *title, *kind, *rule; /* kind NULL: as it is */
    bool create;                            /* it must not be there yet */
};

void api_segments_list(void *app, struct http_request *req)
{
    api_list_by_name(app, req, Q_API_SEGMENT_LIST);
}

void api_segment_show(void *app, struct http_request *req)
{
    api_show_named(app, req, Q_API_SEGMENT_SHOW, "segment");
}

void api_segment_delete(void *app, struct http_request *req)
{
    api_delete_unused(app, req, Q_API_SEGMENT_DELETE, "segment");
}

/* --- definition
 * ------------------------------------------------------------------------------------------- */

/* check() - the rule against the catalogue, and that it does not come back to itself. */
static bool check(struct definition *def, const struct catalogue *catalogue)
{
    struct diag mistakes;
    struct rule *rule;

    diag_init(&mistakes, def);
    rule = api_rule_read(def, def->rule, "/rule", catalogue, &mistakes, NULL);
    if (rule != NULL && rule_cycle(def->name, rule, catalogue, &mistakes))
        for (size_t i = 0; i < mistakes.n; i++)
            mistakes.items[i].pointer = "/rule";
    if (diag_any(&mistakes)) {
        http_problem(def->req, 422, &mistakes, "the rule is wrong");
        return false;
    }
    return true;
}

static void define_on_org(void *arg, const struct org *org)
{
    struct definition *def = arg;
    struct pgargs args;

    if (org == NULL) {
        api_away(def->req);
        return;
    }
    if (def->rule != NULL && !check(def, &org->catalogue))
        return;
    pgargs_init(&args, def);
    pgargs_text(&args, def->name);
    pgargs_text(&args, def->title);
    pgargs_text(&args, def->kind);
    pgargs_text(&args, def->rule);
    pgargs_instant(&args, clock_now_us());
    api_change(def->app, def->req, def->create ? Q_API_SEGMENT_CREATE : Q_API_SEGMENT_PUT, &args,
               "segment");
}

/* read_kind() - "dynamic" or "fixed", and whether a rule goes with it. Who says neither of one that
 * is there leaves both: a new title must not cost a segment its rule. */
static void read_kind(struct definition *def, struct api_body *body)
{
    const char *kind = api_body_text(body, "kind", 20);

    def->rule = api_body_text(body, "rule", API_RULE_MAX);
    def->kind = kind != NULL ? kind : def->rule != NULL ? "dynamic" : def->create ? "fixed" : NULL;
    if (def->kind == NULL)
        return;
    if (strcmp(def->kind, "dynamic") != 0 && strcmp(def->kind, "fixed") != 0)
        diag_field(&body->mistakes, "/kind", "this must be \"dynamic\" or \"fixed\"");
    else if (strcmp(def->kind, "dynamic") == 0 && def->rule == NULL)
        diag_field(&body->mistakes, "/rule", "a dynamic segment needs a rule");
    else if (strcmp(def->kind, "fixed") == 0 && def->rule != NULL)
        diag_field(&body->mistakes, "/rule", "a fixed segment has no rule");
}

static void define(struct app *app, struct http_request *req, bool create)
{
    static const char *const known[] = {"name", "title", "kind", "rule", NULL};
    struct definition *def = mem_new(http_ctx(req), struct definition);
    struct api_body body;
    const char *name;

    if (!api_body_read(&body, req, known))
        return;
    def->app = app;
    def->req = req;
    def->create = create;
    name = create ? api_body_need(&body, "name", 400) : api_body_text(&body, "name", 400);
    def->name = create ? name : http_param(req, "name");
    if (name != NULL && strcmp(name, def->name) != 0)
        diag_field(&body.mistakes, "/name", "this is not the name in the path");
    if (def->name != NULL)
        api_body_title(&body, "/name", def->name);
    def->title = api_body_text(&body, "title", 500);
    read_kind(def, &body);
    if (api_body_ok(&body))
        orgs_get(app->orgs, api_org(req), define_on_org, def);
}

void api_segment_create(void *app, struct http_request *req)
{
    define(app, req, true);
}

void api_segment_put(void *app, struct http_request *req)
{
    define(app, req, false);
}

/* --- members
 * ---------------------------------------------------------------------------------------------- */

void api_segment_members(void *app, struct http_request *req)
{
    const char *as_of = http_query(req, "as_of");

    if (as_of != NULL)
        api_segment_members_then(app, req, as_of);
    else
        api_list_within(app, req, Q_API_SEGMENT_MEMBERS, "name", "segment");
}

static void change_member(struct app *app, struct http_request *req, enum query q)
{
    struct pgargs args;

    if (!api_member_args(req, &args))
        return;
    pgargs_instant(&args, clock_now_us());
    api_change(app, req, q, &args, "segment");
}

void api_segment_member_add(void *app, struct http_request *req)
{
    change_member(app, req, Q_API_SEGMENT_MEMBER_ADD);
}

void api_segment_member_remove(void *app, struct http_request *req)
{
    change_member(app, req, Q_API_SEGMENT_MEMBER_REMOVE);
}
