/* api_define_delete.c - deleting what other definitions may name. The database says who refers to
 * it by number. Each rule and journey is tried with the catalogue as it is and as it would be: who
 * holds together with the one and not with the other uses what would go. */
#include "common/mem.h"
#include "daemon/decide/journey.h"
#include "daemon/http/api_define.h"

#include <string.h>

/* Users that an answer names. */
#define SHOWN_MAX 5

struct user {
    const char *sort; /* "segment", "webhook", "campaign", "journey", "form", "relation"; "earlier
                         version": that contacts are still in, of a journey; "": `name` says who */
    const char *name;
    const char *text; /* NULL: it does use it */
};

struct deletion {
    struct app *app;
    struct http_request *req;
    enum query q;
    const char *what, *name;
    struct user *users;
    size_t n;
};

/* drop() - removes the item of that name; items begin with their name (struct catalogue_name,
 * _field, _segment). */
static void drop(void *items, size_t size, size_t *n, const char *name)
{
    char *item = items;

    for (size_t i = 0; i < *n; i++, item += size) {
        if (strcmp(*(const char **)(void *)item, name) == 0) {
            memmove(item, item + size, (*n - i - 1) * size);
            (*n)--;
            return;
        }
    }
}

_Static_assert(offsetof(struct catalogue_name, name) == 0 &&
                   offsetof(struct catalogue_field, name) == 0 &&
                   offsetof(struct catalogue_segment, name) == 0,
               "drop() finds the name at the start of an item");

#define WITHOUT(ctx, items, n, name)                                                               \
    do {                                                                                           \
        if (*(n) > 0) {                                                                            \
            *(items) = mem_must(talloc_memdup((ctx), *(items), sizeof(**(items)) * *(n)));         \
            drop(*(items), sizeof(**(items)), (n), (name));                                        \
        }                                                                                          \
    } while (0)

/* A relation goes with its inverse, and with what is read from either. */
static void without_relation(const void *ctx, struct catalogue *rest, const char *name)
{
    const struct catalogue_relation *gone = NULL;
    struct catalogue_relation *left = mem_array(ctx, struct catalogue_relation, rest->n_relations);
    size_t n = 0;

    for (size_t i = 0; i < rest->n_relations; i++)
        if (strcmp(rest->relations[i].name, name) == 0)
            gone = &rest->relations[i];
    for (size_t i = 0; gone != NULL && i < rest->n_relations; i++) {
        const struct catalogue_relation *r = &rest->relations[i];

        if (r->id != gone->id && r->inverse_id != gone->id && r->shares_id != gone->id &&
            (gone->inverse_id == 0 || r->shares_id != gone->inverse_id))
            left[n++] = *r;
    }
    if (gone == NULL)
        return;
    rest->relations = left;
    rest->n_relations = n;
}

/* The first model is also what `rfm.` without a name means; the next one would be another. */
static void without_model(const void *ctx, struct catalogue *rest, const char *name)
{
    bool first = rest->n_models > 0 && strcmp(rest->models[0].name, name) == 0;

    WITHOUT(ctx, &rest->models, &rest->n_models, name);
    rest->no_first_model = first;
}

/* without() - the catalogue as it would be; what changes is copied, children of ctx. Templates and
 * webhooks are not in it. */
static struct catalogue without(const void *ctx, const struct catalogue *c, const char *what,
                                const char *name)
{
    struct catalogue rest = *c;

    if (strcmp(what, "topic") == 0)
        WITHOUT(ctx, &rest.topics, &rest.n_topics, name);
    else if (strcmp(what, "model") == 0)
        without_model(ctx, &rest, name);
    else if (strcmp(what, "field") == 0)
        WITHOUT(ctx, &rest.fields, &rest.n_fields, name);
    else if (strcmp(what, "segment") == 0)
        WITHOUT(ctx, &rest.segments, &rest.n_segments, name);
    else if (strcmp(what, "relation") == 0)
        without_relation(ctx, &rest, name);
    return rest;
}

static bool names(const void *ctx, const struct journey_def *def, enum journey_step_kind kind,
                  const char *name)
{
    size_t n;
    struct journey_use *uses = journey_uses(ctx, def, kind, &n);

    for (size_t i = 0; i < n; i++)
        if (strcmp(uses[i].name, name) == 0)
            return true;
    return false;
}

static bool is_journey(const struct user *user)
{
    return strcmp(user->sort, "journey") == 0 || strcmp(user->sort, "earlier version") == 0;
}

/* holds() - whether a definition holds together with this catalogue, and names no template or
 * webhook that goes. */
static bool holds(const struct deletion *del, const struct user *user, const struct catalogue *c,
                  bool gone)
{
    MEM_SCOPED void *ctx = talloc_new(del);
    struct journey_def *def;
    json_t *definition;
    struct diag ignored;

    diag_init(&ignored, ctx);
    if (!is_journey(user))
        return api_rule_read(ctx, user->text, NULL, c, &ignored, NULL) != NULL;
    definition = json_loads(user->text, 0, NULL);
    def = journey_parse(ctx, definition, c, &ignored);
    json_decref(definition);
    if (def == NULL)
        return false;
    if (gone && strcmp(del->what, "template") == 0)
        return !names(ctx, def, JOURNEY_STEP_send, del->name);
    if (gone && strcmp(del->what, "webhook") == 0)
        return !names(ctx, def, JOURNEY_STEP_webhook, del->name);
    return true;
}

static bool user_is(const struct user *user, const char *sort, const char *name)
{
    return strcmp(user->sort, sort) == 0 && strcmp(user->name, name) == 0;
}

/* keep_users() - leaves those that do use it, each once. Its own rule goes with it. */
static void keep_users(struct deletion *del, const struct catalogue *now)
{
    struct catalogue rest = without(del, now, del->what, del->name);
    size_t kept = 0;

    for (size_t i = 0; i < del->n; i++) {
        const struct user user = del->users[i];
        bool known = user_is(&user, del->what, del->name);

        for (size_t k = 0; k < kept && !known; k++)
            known = user_is(&del->users[k], user.sort, user.name);
        if (!known && (user.text == NULL ||
                       (!holds(del, &user, &rest, true) && holds(del, &user, now, false))))
            del->users[kept++] = user;
    }
    del->n = kept;
}

/* user_text() - the segment "a". */
static const char *user_text(const void *ctx, const struct user *user)
{
    if (*user->sort == '\0')
        return user->name;
    if (strcmp(user->sort, "earlier version") == 0)
        return mem_printf(ctx,
                          "an earlier version, which contacts are still in, of the journey \"%s\"",
                          user->name);
    return mem_printf(ctx, "the %s \"%s\"", user->sort, user->name);
}

/* users_text() - the first of them: `the segment "a", the form "b" and 3 more use`. */
static const char *users_text(const struct deletion *del)
{
    size_t shown = del->n > SHOWN_MAX ? SHOWN_MAX - 1 : del->n;
    char *text = mem_strdup(del, "");

    for (size_t i = 0; i < shown; i++) {
        const char *between = i == 0 ? "" : i + 1 < del->n ? ", " : " and ";

        text = mem_printf(del, "%s%s%s", text, between, user_text(del, &del->users[i]));
    }
    if (shown < del->n)
        text = mem_printf(del, "%s and %zu more", text, del->n - shown);
    return mem_printf(del, "%s %s", text,
                      del->n == 1 && *del->users[0].sort != '\0' ? "uses" : "use");
}

static void delete_on_org(void *arg, const struct org *org)
{
    struct deletion *del = arg;

    if (org == NULL) {
        api_away(del->req);
        return;
    }
    keep_users(del, &org->catalogue);
    if (del->n > 0)
        http_problem(del->req, 409, NULL, "%s this %s", users_text(del), del->what);
    else
        api_delete_named(del->app, del->req, del->q, del->what);
}

static void delete_on_users(void *arg, const struct pgres *res)
{
    struct deletion *del = arg;

    if (api_failed(del->req, res))
        return;
    del->users = mem_array(del, struct user, (size_t)pgres_rows(res));
    for (int i = 0; i < pgres_rows(res); i++) {
        const struct user user = {.sort = mem_strdup(del, pgres_text(res, i, "sort")),
                                  .name = mem_strdup(del, pgres_text(res, i, "name")),
                                  .text = pgres_null(res, i, "text")
                                              ? NULL
                                              : mem_strdup(del, pgres_text(res, i, "text"))};

        if (strcmp(user.sort, "itself") == 0)
            del->name = user.name;
        else
            del->users[del->n++] = user;
    }
    orgs_get(del->app->orgs, api_org(del->req), delete_on_org, del);
}

void api_delete_unused(struct app *app, struct http_request *req, enum query q, const char *what)
{
    struct deletion *del = mem_new(http_ctx(req), struct deletion);
    struct pgargs args;

    *del = (struct deletion){
        .app = app, .req = req, .q = q, .what = what, .name = http_param(req, "name")};
    pgargs_init(&args, del);
    pgargs_text(&args, what);
    pgargs_text(&args, del->name);
    pgpool_query(app->pool, api_org(req), Q_API_USERS, &args, delete_on_users, del);
}
