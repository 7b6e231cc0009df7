/* apply.c - `lazoctl apply`; see apply.h.
 *
 * A segment may speak of another that comes later in the alphabet: what is refused is tried again
 * after the others, as long as that gains something. Other sorts come in an order in which each
 * finds what it names. */
#include "daemon/ctl/apply.h"

#include "common/mem.h"
#include "common/text.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/definition.h"
#include "daemon/ctl/options.h"

#include <errno.h>
#include <string.h>

enum outcome { OUTCOME_created, OUTCOME_changed, OUTCOME_unchanged, OUTCOME_refused };

struct applying {
    struct client *client;
    const struct apply_options *options;
    size_t counts[OUTCOME_refused + 1];
};

/* --- what an answer says
 * --------------------------------------------------------------------------------------- */

static void refusal_say(const struct definition *d, const struct answer *a)
{
    const json_t *errors = json_object_get(a->body, "errors"), *error;
    const char *detail = json_string_value(json_object_get(a->body, "detail"));
    size_t i;

    if (json_array_size(errors) == 0)
        definition_mistake(d, stderr, "", 0, 0, detail != NULL ? detail : "refused");
    json_array_foreach(errors, i, error)
    {
        const char *pointer = json_string_value(json_object_get(error, "pointer"));
        const char *message = json_string_value(json_object_get(error, "detail"));

        definition_mistake(d, stderr, pointer != NULL ? pointer : "",
                           (int)json_integer_value(json_object_get(error, "line")),
                           (int)json_integer_value(json_object_get(error, "column")),
                           message != NULL ? message : "refused");
    }
}

static void outcome_say(struct applying *ap, const struct definition *d, enum outcome outcome)
{
    static const char *const words[] = {"created", "changed"}, *const would[] = {"would create",
                                                                                 "would change"};

    ap->counts[outcome]++;
    if (ap->options->say != NULL && outcome <= OUTCOME_changed)
        fprintf(ap->options->say, "%s %s %s\n",
                ap->options->dry_run ? would[outcome] : words[outcome], definition_noun(d->sort),
                d->name);
}

/* The secret of a new webhook is answered this once. */
static void secret_keep(const struct applying *ap, const struct definition *d,
                        const struct answer *a)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    const char *secret = json_string_value(json_object_get(a->body, "secret"));
    const char *path;

    if (d->sort != DEFINITION_webhook || secret == NULL)
        return;
    if (ap->options->secrets == NULL) {
        if (ap->options->say != NULL)
            fprintf(ap->options->say, "webhook %s: its secret, shown this once, is %s\n", d->name,
                    secret);
        return;
    }
    path = mem_printf(ctx, "%s/webhook-%s.secret", ap->options->secrets, d->name);
    if (!text_file_write(path, 0600, mem_printf(ctx, "%s\n", secret)))
        fprintf(stderr, "lazoctl apply: %s: %s\n", path, strerror(errno));
}

/* --- comparing ---------------------------------------------------------------------------------
 */

static bool is_nothing(const json_t *value)
{
    return value == NULL || json_is_null(value) || json_is_false(value) ||
           (json_is_string(value) && json_string_length(value) == 0) ||
           (json_is_array(value) && json_array_size(value) == 0) ||
           (json_is_object(value) && json_object_size(value) == 0);
}

/* Whether all that we say is so already: members that we do not name may have any value. */
static bool is_so(json_t *ours, json_t *theirs)
{
    const char *key;
    json_t *value;
    size_t i;

    if (is_nothing(ours) && is_nothing(theirs))
        return true;
    if (json_is_object(ours) && json_is_object(theirs)) {
        json_object_foreach(ours, key, value)
        {
            if (!is_so(value, json_object_get(theirs, key)))
                return false;
        }
        return true;
    }
    if (json_is_array(ours) && json_is_array(theirs)) {
        json_array_foreach(ours, i, value)
        {
            if (!is_so(value, json_array_get(theirs, i)))
                return false;
        }
        return json_array_size(ours) == json_array_size(theirs);
    }
    return json_equal(ours, theirs) == 1;
}

/* --- putting
 * ------------------------------------------------------------------------------------------------------
 */

/* A journey is switched on, or off where its file says so. */
static bool journey_switch(struct applying *ap, const void *ctx, const struct definition *d,
                           bool *ret_changed)
{
    const char *path = mem_printf(ctx, "%s/%s", d->path, d->off ? "disable" : "enable");
    const struct answer *a = client_call(ctx, ap->client, "POST", path, NULL);

    if (a == NULL)
        return false;
    if (!answer_ok(a)) {
        refusal_say(d, a);
        return false;
    }
    *ret_changed = answer_changed(a);
    return true;
}

/* The answer of putting one; NULL where none came. */
static struct answer *definition_put(struct applying *ap, const void *ctx,
                                     const struct definition *d)
{
    return client_call(ctx, ap->client, d->sort == DEFINITION_organisation ? "PATCH" : "PUT",
                       d->path, d->body);
}

/* The answer to a change of the organisation does not say whether it was one. */
static bool organisation_is_so(struct applying *ap, const void *ctx, const struct definition *d)
{
    const struct answer *a = client_call(ctx, ap->client, "GET", d->path, NULL);

    return a != NULL && answer_ok(a) && is_so(d->body, a->body);
}

/* What one became; said, but for a refusal where `hush` is set. */
static enum outcome definition_apply(struct applying *ap, const struct definition *d, bool hush)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    bool same = d->sort == DEFINITION_organisation && organisation_is_so(ap, ctx, d);
    const struct answer *a = definition_put(ap, ctx, d);
    enum outcome outcome = OUTCOME_refused;
    bool switched = false;

    if (a != NULL && !answer_ok(a) && !hush)
        refusal_say(d, a);
    if (a != NULL && answer_ok(a))
        outcome = a->status == 201             ? OUTCOME_created
                  : same || !answer_changed(a) ? OUTCOME_unchanged
                                               : OUTCOME_changed;
    if (outcome != OUTCOME_refused)
        secret_keep(ap, d, a);
    if (outcome != OUTCOME_refused && d->sort == DEFINITION_journey) {
        if (!journey_switch(ap, ctx, d, &switched))
            outcome = OUTCOME_refused;
        else if (switched && outcome == OUTCOME_unchanged)
            outcome = OUTCOME_changed;
    }
    if (outcome != OUTCOME_refused || !hush)
        outcome_say(ap, d, outcome);
    return outcome;
}

/* All of one sort. */
static void sort_apply(struct applying *ap, struct definitions *all, enum definition_sort sort)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct definition **left = mem_array(ctx, struct definition *, all->n);
    size_t n = 0, before;

    for (size_t i = 0; i < all->n; i++) {
        if (all->items[i]->sort == sort)
            left[n++] = all->items[i];
    }
    do {
        before = n;
        n = 0;
        for (size_t i = 0; i < before; i++) {
            if (definition_apply(ap, left[i], true) == OUTCOME_refused)
                left[n++] = left[i];
        }
    } while (n > 0 && n < before);
    for (size_t i = 0; i < n; i++)
        definition_apply(ap, left[i], false);
}

/* --- what would change
 * ------------------------------------------------------------------------------------------------
 */

/* The part of what the API shows that is compared: a template's language, a journey's definition.
 */
static json_t *shown_part(const struct definition *d, json_t *shown)
{
    json_t *versions = json_object_get(shown, "versions"), *version;
    size_t i;

    if (d->sort == DEFINITION_journey)
        return json_object_get(shown, "definition");
    if (d->sort != DEFINITION_template || versions == NULL)
        return shown;
    json_array_foreach(versions, i, version)
    {
        if (json_equal(json_object_get(version, "language"), json_object_get(d->body, "language")))
            return version;
    }
    return NULL;
}

/* Topics, fields and relations are shown in lists alone. */
static json_t *shown_listed(struct applying *ap, const struct definition *d)
{
    json_t *items = client_list(ap->client, definition_noun(d->sort),
                                d->sort == DEFINITION_topic   ? "/v1/topics?limit=1000"
                                : d->sort == DEFINITION_field ? "/v1/fields?limit=1000"
                                                              : "/v1/relations?limit=1000");
    json_t *item, *found = NULL;
    size_t i;

    json_array_foreach(items, i, item)
    {
        const char *name = json_string_value(json_object_get(item, "name"));

        if (found == NULL && name != NULL && strcmp(name, d->name) == 0)
            found = json_incref(item);
    }
    json_decref(items);
    return found;
}

static void definition_compare(struct applying *ap, const struct definition *d)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    const struct answer *a;
    json_t *listed, *part;

    if (d->sort == DEFINITION_topic || d->sort == DEFINITION_field ||
        d->sort == DEFINITION_relation) {
        listed = shown_listed(ap, d);
        outcome_say(ap, d,
                    listed == NULL           ? OUTCOME_created
                    : is_so(d->body, listed) ? OUTCOME_unchanged
                                             : OUTCOME_changed);
        json_decref(listed);
        return;
    }
    a = client_call(ctx, ap->client, "GET", d->path, NULL);
    if (a == NULL || (a->status != 404 && !answer_ok(a))) {
        if (a != NULL)
            refusal_say(d, a);
        outcome_say(ap, d, OUTCOME_refused);
        return;
    }
    part = a->status == 404 ? NULL : shown_part(d, a->body);
    outcome_say(ap, d,
                part == NULL           ? OUTCOME_created
                : is_so(d->body, part) ? OUTCOME_unchanged
                                       : OUTCOME_changed);
}

/* --- the whole folder
 * -----------------------------------------------------------------------------------------------------
 */

bool apply_folder(struct client *client, const struct apply_options *options)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct applying ap = {.client = client, .options = options};
    struct definitions *all = definitions_read(ctx, options->dir, options->shown);

    if (all->mistakes > 0)
        return false;
    if (options->dry_run) {
        for (size_t i = 0; i < all->n; i++)
            definition_compare(&ap, all->items[i]);
    } else {
        for (int sort = DEFINITION_organisation; sort <= DEFINITION_campaign; sort++)
            sort_apply(&ap, all, (enum definition_sort)sort);
    }
    if (options->say != NULL)
        fprintf(options->say, "%zu created, %zu changed, %zu unchanged, %zu refused%s\n",
                ap.counts[OUTCOME_created], ap.counts[OUTCOME_changed],
                ap.counts[OUTCOME_unchanged], ap.counts[OUTCOME_refused],
                options->dry_run ? " (dry run)" : "");
    return ap.counts[OUTCOME_refused] == 0;
}

int ctl_apply(int argc, char **argv)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct apply_options options = {.say = stdout};
    const struct option_spec specs[] = {{.name = "dry-run", .flag = &options.dry_run}, {0}};
    struct client *c;

    if (!options_parse(&argc, argv, specs) || argc != 2)
        return ctl_usage("apply");
    options.dir = options.shown = argv[1];
    c = client_open(ctx, NULL);
    return c != NULL && apply_folder(c, &options) ? CTL_DONE : CTL_FAILED;
}
