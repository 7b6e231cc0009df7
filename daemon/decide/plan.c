/* plan.c - see plan.h. One statement reads the definitions as JSON; their names are borrowed from
 * it. */
#include "daemon/decide/plan.h"

#include "common/log.h"
#include "common/mem.h"

#include <inttypes.h>
#include <string.h>

#define CATALOGUE_BYTES_MAX ((size_t)64 << 20)

struct plan_request {
    const void *ctx;
    struct pgpool *pool;
    struct orgs *orgs;
    int64_t org_id, now_us;
    struct plan *old;
    struct plan *plan; /* being made; NULL: the old one may hold */
    plan_fn *fn;
    void *arg;
    bool anew; /* the old one does not hold */
};

/* --- the catalogue ----------------------------------------------------------- */

static void names_text(struct buf *b, const char *what, const struct catalogue_name *names,
                       size_t n)
{
    buf_printf(b, "\n%s", what);
    for (size_t i = 0; i < n; i++)
        buf_printf(b, "\n%" PRId64 " %s", names[i].id, names[i].name);
}

/* All that a rule's meaning can depend on. */
static char *catalogue_text(const void *ctx, const struct catalogue *c)
{
    struct buf b;

    buf_init(&b, ctx, CATALOGUE_BYTES_MAX);
    buf_printf(&b, "%s %s %d %s %s", c->time_zone, c->currency, c->currency_digits, c->language,
               c->leap_birthday);
    names_text(&b, "kinds", c->kinds, c->n_kinds);
    names_text(&b, "topics", c->topics, c->n_topics);
    names_text(&b, "models", c->models, c->n_models);
    buf_str(&b, "\nfields");
    for (size_t i = 0; i < c->n_fields; i++)
        buf_printf(&b, "\n%" PRId64 " %d %s", c->fields[i].id, (int)c->fields[i].type,
                   c->fields[i].name);
    buf_str(&b, "\nsegments");
    for (size_t i = 0; i < c->n_segments; i++)
        buf_printf(&b, "\n%" PRId64 " %s %s", c->segments[i].id, c->segments[i].name,
                   c->segments[i].rule == NULL ? "" : c->segments[i].rule);
    return buf_take(&b, ctx);
}

static struct catalogue_name *names_copy(const void *ctx, const struct catalogue_name *from,
                                         size_t n)
{
    struct catalogue_name *names = mem_array(ctx, struct catalogue_name, n);

    for (size_t i = 0; i < n; i++)
        names[i] = (struct catalogue_name){mem_strdup(ctx, from[i].name), from[i].id};
    return names;
}

static void catalogue_copy(const void *ctx, struct catalogue *to, const struct catalogue *from)
{
    *to = *from;
    to->time_zone = mem_strdup(ctx, from->time_zone);
    to->currency = mem_strdup(ctx, from->currency);
    to->language = mem_strdup(ctx, from->language);
    to->leap_birthday = mem_strdup(ctx, from->leap_birthday);
    to->kinds = names_copy(ctx, from->kinds, from->n_kinds);
    to->topics = names_copy(ctx, from->topics, from->n_topics);
    to->models = names_copy(ctx, from->models, from->n_models);
    to->fields = mem_array(ctx, struct catalogue_field, from->n_fields);
    for (size_t i = 0; i < from->n_fields; i++) {
        to->fields[i] = from->fields[i];
        to->fields[i].name = mem_strdup(ctx, from->fields[i].name);
    }
    to->segments = mem_array(ctx, struct catalogue_segment, from->n_segments);
    for (size_t i = 0; i < from->n_segments; i++) {
        const char *rule = from->segments[i].rule;

        to->segments[i].id = from->segments[i].id;
        to->segments[i].name = mem_strdup(ctx, from->segments[i].name);
        to->segments[i].rule = rule == NULL ? NULL : mem_strdup(ctx, rule);
    }
}

/* --- the definitions --------------------------------------------------------- */

static const char *member_text(const json_t *item, const char *key)
{
    return json_string_value(json_object_get(item, key));
}

static int64_t member_int(const json_t *item, const char *key)
{
    return json_integer_value(json_object_get(item, key));
}

static void journey_compile(struct plan *plan, const json_t *item, struct plan_journey *j)
{
    struct diag d;

    diag_init(&d, plan);
    j->id = member_int(item, "id");
    j->name = member_text(item, "name");
    j->version = member_int(item, "version");
    j->current = json_is_true(json_object_get(item, "current"));
    j->enabled = json_is_true(json_object_get(item, "enabled"));
    j->def = journey_parse(plan, json_object_get(item, "definition"), &plan->catalogue, &d);
    if (j->def == NULL && j->enabled)
        log_warning("journey", "cannot be read: it starts nothing, and who stands in it waits",
                    "org=%" PRId64 " journey=%" PRId64 " version=%" PRId64 " at=%s why=%s",
                    plan->catalogue.org_id, j->id, j->version, log_value(d.items[0].pointer),
                    log_value(d.items[0].message));
}

static void webhook_compile(struct plan *plan, const json_t *item, struct plan_webhook *w)
{
    const char *rule = member_text(item, "rule");
    struct diag d;

    diag_init(&d, plan);
    w->id = member_int(item, "id");
    w->name = member_text(item, "name");
    w->enabled = json_is_true(json_object_get(item, "enabled"));
    w->events = json_object_get(item, "events");
    if (rule == NULL)
        return;
    w->rule = rule_parse(plan, rule, strlen(rule), &d);
    w->broken = w->rule == NULL || !rule_check(w->rule, &plan->catalogue, &d, NULL);
    if (w->broken && w->enabled)
        log_warning("webhook", "its rule cannot be read: no event calls it",
                    "org=%" PRId64 " webhook=%" PRId64 " why=%s", plan->catalogue.org_id, w->id,
                    log_value(diag_any(&d) ? d.items[0].message : ""));
}

static void plan_compile(struct plan *plan)
{
    const json_t *journeys = json_object_get(plan->body, "journeys");
    const json_t *webhooks = json_object_get(plan->body, "webhooks");

    plan->n_journeys = json_array_size(journeys);
    plan->journeys = mem_array(plan, struct plan_journey, plan->n_journeys);
    for (size_t i = 0; i < plan->n_journeys; i++)
        journey_compile(plan, json_array_get(journeys, i), &plan->journeys[i]);
    plan->n_webhooks = json_array_size(webhooks);
    plan->webhooks = mem_array(plan, struct plan_webhook, plan->n_webhooks);
    for (size_t i = 0; i < plan->n_webhooks; i++)
        webhook_compile(plan, json_array_get(webhooks, i), &plan->webhooks[i]);
}

/* --- fetching: organisation -> signature -> definitions -> kinds -> release -- */

static void plan_answer(struct plan_request *r, struct plan *plan)
{
    plan_fn *fn = r->fn;
    void *arg = r->arg;

    if (plan == NULL)
        talloc_free(r->plan);
    talloc_free(r);
    fn(arg, plan);
}

static bool plan_failed(struct plan_request *r, const char *what, const struct pgres *res)
{
    if (pgres_ok(res))
        return false;
    if (!pgres_lost(res))
        log_error("decide", what, "org=%" PRId64 " why=%s", r->org_id,
                  log_value(pgres_message(res)));
    plan_answer(r, NULL);
    return true;
}

static void plan_on_released(void *arg, const struct pgres *res)
{
    struct plan_request *r = arg;

    if (plan_failed(r, "positions cannot be released", res))
        return;
    plan_answer(r, r->plan);
}

static void plan_release(struct plan_request *r)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgargs args;

    pgargs_init(&args, scratch);
    plan_runnable(&args, r->plan);
    pgargs_instant(&args, r->now_us);
    pgpool_query(r->pool, r->org_id, Q_DECIDE_RELEASE, &args, plan_on_released, r);
}

static void plan_on_org(void *arg, const struct org *org);

/* The catalogue has changed: from the beginning. */
static void plan_on_kinds(void *arg, const struct pgres *res)
{
    struct plan_request *r = arg;

    if (plan_failed(r, "kinds cannot be made", res))
        return;
    talloc_free(r->plan);
    r->plan = NULL;
    orgs_forget(r->orgs, r->org_id);
    orgs_get(r->orgs, r->org_id, plan_on_org, r);
}

/* Kinds that journeys record and nobody has used yet are made before the rules that ask for them
 * are compiled for good. True where there were any. */
static bool plan_make_kinds(struct plan_request *r)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgarray kinds;
    struct pgargs args;

    pgargs_init(&args, scratch);
    pgargs_int(&args, r->org_id);
    pgarray_init(&kinds, scratch);
    for (size_t i = 0; i < r->plan->n_journeys; i++) {
        const struct plan_journey *j = &r->plan->journeys[i];

        for (size_t k = 0; plan_runs(j) && k < j->def->n_steps; k++)
            if (j->def->steps[k].kind == JOURNEY_STEP_record &&
                !plan_knows_kind(r->plan, j->def->steps[k].name))
                pgarray_text(&kinds, j->def->steps[k].name);
    }
    if (kinds.n == 0)
        return false;
    pgargs_array(&args, &kinds);
    pgpool_query(r->pool, r->org_id, Q_KIND_MAKE, &args, plan_on_kinds, r);
    return true;
}

static void plan_on_definitions(void *arg, const struct pgres *res)
{
    struct plan_request *r = arg;

    if (plan_failed(r, "definitions cannot be read", res))
        return;
    r->plan->body = json_loads(pgres_text(res, 0, "body"), 0, NULL);
    if (r->plan->body == NULL)
        bug("the definitions' JSON is none");
    plan_compile(r->plan);
    if (!plan_make_kinds(r))
        plan_release(r);
}

static void plan_on_signature(void *arg, const struct pgres *res)
{
    struct plan_request *r = arg;
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgargs args;
    bool same;

    if (plan_failed(r, "definitions cannot be asked for", res))
        return;
    same = r->old != NULL && strcmp(r->old->signature, pgres_text(res, 0, "signature")) == 0;
    if (r->plan == NULL && !same) {
        r->anew = true;
        orgs_get(r->orgs, r->org_id, plan_on_org, r);
        return;
    }
    if (same && (r->plan == NULL || strcmp(r->old->catalogue_text, r->plan->catalogue_text) == 0)) {
        if (r->plan != NULL)
            r->old->generation = r->plan->generation;
        talloc_free(r->plan);
        plan_answer(r, r->old);
        return;
    }
    r->plan->signature = mem_strdup(r->plan, pgres_text(res, 0, "signature"));
    pgargs_init(&args, scratch);
    pgpool_query(r->pool, r->org_id, Q_DECIDE_DEFINITIONS, &args, plan_on_definitions, r);
}

static int plan_destroy(struct plan *plan)
{
    json_decref(plan->body);
    return 0;
}

static struct plan *plan_begin(const void *ctx, const struct org *org)
{
    struct plan *plan = mem_new(ctx, struct plan);

    talloc_set_destructor(plan, plan_destroy);
    plan->generation = org->generation;
    catalogue_copy(plan, &plan->catalogue, &org->catalogue);
    plan->catalogue_text = catalogue_text(plan, &org->catalogue);
    return plan;
}

/* What the plan at hand was made from is not copied and compared at each turn: it may be long. */
static void plan_on_org(void *arg, const struct org *org)
{
    struct plan_request *r = arg;
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgargs args;

    if (org == NULL) {
        plan_answer(r, NULL);
        return;
    }
    if (r->anew || r->old == NULL || r->old->generation != org->generation)
        r->plan = plan_begin(r->ctx, org);
    pgargs_init(&args, scratch);
    pgpool_query(r->pool, r->org_id, Q_DECIDE_SIGNATURE, &args, plan_on_signature, r);
}

void plan_get(const void *ctx, struct pgpool *pool, struct orgs *orgs, int64_t org_id,
              struct plan *old, int64_t now_us, plan_fn *fn, void *arg)
{
    struct plan_request *r = mem_new(ctx, struct plan_request);

    *r = (struct plan_request){ctx, pool, orgs, org_id, now_us, old, NULL, fn, arg, false};
    orgs_get(orgs, org_id, plan_on_org, r);
}

/* --- questions --------------------------------------------------------------- */

const struct plan_journey *plan_journey(const struct plan *plan, int64_t id, int64_t version)
{
    for (size_t i = 0; i < plan->n_journeys; i++)
        if (plan->journeys[i].id == id && plan->journeys[i].version == version)
            return &plan->journeys[i];
    return NULL;
}

bool plan_runs(const struct plan_journey *j)
{
    return j->enabled && j->def != NULL;
}

bool plan_knows_kind(const struct plan *plan, const char *kind)
{
    for (size_t i = 0; i < plan->catalogue.n_kinds; i++)
        if (strcmp(plan->catalogue.kinds[i].name, kind) == 0)
            return true;
    return false;
}

int64_t plan_template(const struct plan *plan, const char *name)
{
    size_t i;
    json_t *item;

    json_array_foreach(json_object_get(plan->body, "templates"), i,
                       item) if (strcmp(member_text(item, "name"), name) ==
                                 0) return member_int(item, "id");
    return 0;
}

int64_t plan_webhook(const struct plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->n_webhooks; i++)
        if (plan->webhooks[i].enabled && strcmp(plan->webhooks[i].name, name) == 0)
            return plan->webhooks[i].id;
    return 0;
}

void plan_runnable(struct pgargs *args, const struct plan *plan)
{
    struct pgarray ids, versions;

    pgarray_init(&ids, args->ctx);
    pgarray_init(&versions, args->ctx);
    for (size_t i = 0; i < plan->n_journeys; i++) {
        if (!plan_runs(&plan->journeys[i]))
            continue;
        pgarray_int(&ids, plan->journeys[i].id);
        pgarray_int(&versions, plan->journeys[i].version);
    }
    pgargs_array(args, &ids);
    pgargs_array(args, &versions);
}
