/* pass.c - who is touched by what changed, and in which groups of rules. See pass.h. */
#include "daemon/evaluate/pass.h"

#include "common/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORD_MAX 128 /* a name that is longer is no rule's: reads.c */

/* --- contacts ------------------------------------------------------------------------------------
 */

void pass_add_contact(struct pass *p, int64_t id, bool loud)
{
    mem_grow(p, &p->contacts, &p->cap_contacts, p->n_contacts + 1);
    p->contacts[p->n_contacts++] = (struct pass_contact){.id = id, .loud = loud};
}

static int compare_contacts(const void *a, const void *b)
{
    int64_t x = ((const struct pass_contact *)a)->id, y = ((const struct pass_contact *)b)->id;

    return x < y ? -1 : x > y;
}

void pass_sort_contacts(struct pass *p)
{
    size_t n = 0;

    if (p->n_contacts == 0)
        return;
    qsort(p->contacts, p->n_contacts, sizeof(p->contacts[0]), compare_contacts);
    for (size_t i = 1; i < p->n_contacts; i++) {
        if (p->contacts[i].id != p->contacts[n].id)
            p->contacts[++n] = p->contacts[i];
        else
            p->contacts[n].loud = p->contacts[n].loud || p->contacts[i].loud;
    }
    p->n_contacts = n + 1;
}

bool pass_is_loud(const struct pass *p, int64_t id)
{
    const struct pass_contact key = {.id = id}, *found = NULL;

    if (p->n_contacts > 0)
        found = bsearch(&key, p->contacts, p->n_contacts, sizeof(key), compare_contacts);
    return found != NULL && found->loud;
}

void pass_ids_add(const struct pass *p, struct pass_ids *list, int64_t id)
{
    if (list->n > 0 && list->ids[list->n - 1] == id)
        return;
    mem_grow(p, &list->ids, &list->cap, list->n + 1);
    list->ids[list->n++] = id;
}

static int compare_ids(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

void pass_ids_sort(struct pass_ids *list)
{
    size_t n = 0;

    if (list->n == 0)
        return;
    qsort(list->ids, list->n, sizeof(list->ids[0]), compare_ids);
    for (size_t i = 1; i < list->n; i++)
        if (list->ids[i] != list->ids[n])
            list->ids[++n] = list->ids[i];
    list->n = n + 1;
}

bool pass_ids_have(const struct pass_ids *list, int64_t id)
{
    return list->n > 0 &&
           bsearch(&id, list->ids, list->n, sizeof(list->ids[0]), compare_ids) != NULL;
}

void pass_ids_args(const struct pass *p, const struct pass_ids *list, struct pgargs *args)
{
    struct pgarray ids;

    pgarray_init(&ids, p);
    for (size_t i = 0; i < list->n; i++)
        pgarray_int(&ids, list->ids[i]);
    pgargs_array(args, &ids);
}

void pass_quiet_args(struct pass *p, struct pgargs *args)
{
    struct pgarray ids;

    pass_sort_contacts(p);
    pgarray_init(&ids, p);
    for (size_t i = 0; i < p->n_contacts; i++)
        if (!p->contacts[i].loud)
            pgarray_int(&ids, p->contacts[i].id);
    pgargs_array(args, &ids);
}

void pass_prepare(struct pass *p)
{
    p->touched = mem_array(p, struct pass_ids, p->rules->n_groups);
    p->level = -1;
}

/* --- words ---------------------------------------------------------------------------------------
 */

void pass_add_cause(struct pass *p, struct pass_cause cause)
{
    cause.order = p->n_causes;
    mem_grow(p, &p->causes, &p->cap_causes, p->n_causes + 1);
    p->causes[p->n_causes++] = cause;
}

static void touch_groups(struct pass *p, int64_t contact_id, const struct ruleset_word *word)
{
    pass_add_cause(p, (struct pass_cause){
                          .contact_id = contact_id, .word = word, .interaction_id = p->taking});
    for (size_t i = 0; i < word->n; i++)
        pass_ids_add(p, &p->touched[word->groups[i]], contact_id);
}

void pass_touch(struct pass *p, int64_t contact_id, const char *word)
{
    const struct ruleset_word *found = ruleset_word(p->rules, word);

    if (found != NULL)
        touch_groups(p, contact_id, found);
    pass_reach_add(p, contact_id, word);
}

void pass_touch_all(struct pass *p, int64_t contact_id, const char *prefix)
{
    const struct ruleset_word *end, *word = ruleset_first(p->rules, prefix, &end);

    for (; word < end; word++)
        touch_groups(p, contact_id, word);
    pass_reach_all(p, contact_id, prefix);
}

/* --- the change log ------------------------------------------------------------------------------
 */

static bool kind_is_scored(const struct pass *p, int64_t kind_id)
{
    for (size_t i = 0; i < p->rules->n_score_kinds; i++)
        if (p->rules->score_kinds[i] == kind_id)
            return true;
    return false;
}

static void take_interaction(struct pass *p, int64_t contact_id, int64_t kind_id)
{
    char word[WORD_MAX];

    snprintf(word, sizeof(word), "kind:%" PRId64, kind_id);
    pass_touch(p, contact_id, word);
    pass_touch(p, contact_id, "kind");
    if (kind_is_scored(p, kind_id))
        pass_ids_add(p, &p->scored, contact_id);
}

static bool is_label(const char *sort)
{
    return strcmp(sort, "tag") == 0 || strcmp(sort, "group") == 0;
}

/* One of the things that a row of the log names. */
static void take_named(struct pass *p, int64_t contact_id, const char *sort, const char *what)
{
    const struct ruleset_segment *own;
    char word[WORD_MAX];

    if (strcmp(sort, "field") == 0) {
        pass_touch(p, contact_id, "field");
        if (strchr(what, ':') != NULL)
            snprintf(word, sizeof(word), "%s", what);
        else
            snprintf(word, sizeof(word), "field:%s",
                     strncmp(what, "birth_", 6) == 0 ? "birth" : what);
        pass_touch(p, contact_id, word);
        return;
    }
    snprintf(word, sizeof(word), "%s:%s", strcmp(sort, "consent") == 0 ? "topic" : sort, what);
    pass_touch(p, contact_id, word);
    if (is_label(sort))
        pass_touch(p, contact_id, sort);
    /* An exception was made to the segment by hand. */
    own = strcmp(sort, "segment") == 0 ? ruleset_segment(p->rules, strtoll(what, NULL, 10)) : NULL;
    if (own == NULL)
        return;
    pass_ids_add(p, &p->touched[own->group], contact_id);
    pass_add_cause(p, (struct pass_cause){.contact_id = contact_id, .segment_id = own->id});
}

/* A row that names nothing: all of its sort; a contact that is new, or is to be looked at as a
 * whole, in every group. */
static void take_unnamed(struct pass *p, int64_t contact_id, const char *sort)
{
    if (strcmp(sort, "relation") == 0)
        pass_touch(p, contact_id, sort);
    else if (is_label(sort))
        pass_touch_all(p, contact_id, sort);
    else if (strcmp(sort, "consent") == 0)
        pass_touch_all(p, contact_id, "topic:");
    else if (strcmp(sort, "score") == 0)
        pass_touch_all(p, contact_id, "score:");
    else {
        pass_ids_add(p, &p->whole, contact_id);
        pass_add_cause(p, (struct pass_cause){.contact_id = contact_id});
    }
}

static void touch_by_change(struct pass *p, const struct pgres *res, int row)
{
    int64_t contact_id = pgres_int(res, row, "contact_id");
    const char *sort = pgres_text(res, row, "sort");
    char *names, *name, *rest = NULL;

    if (strcmp(sort, "interaction") == 0) {
        p->taking =
            pgres_null(res, row, "interaction_id") ? 0 : pgres_int(res, row, "interaction_id");
        take_interaction(p, contact_id, pgres_int(res, row, "kind_id"));
        p->taking = 0;
        return;
    }
    if (pgres_null(res, row, "what")) {
        take_unnamed(p, contact_id, sort);
        return;
    }
    if (strcmp(sort, "score") == 0) { /* again; or it is of the kind alone */
        if (pgres_null(res, row, "kind_id"))
            pass_ids_add(p, &p->scored, contact_id);
        return;
    }
    names = mem_strdup(p, pgres_text(res, row, "what"));
    for (name = strtok_r(names, ",", &rest); name != NULL; name = strtok_r(NULL, ",", &rest))
        take_named(p, contact_id, sort, name);
    talloc_free(names);
}

void pass_take_change(struct pass *p, const struct pgres *res, int row)
{
    int64_t contact_id = pgres_int(res, row, "contact_id"),
            kind_id = pgres_int(res, row, "kind_id");
    bool quiet = pgres_bool(res, row, "quiet");

    if (kind_id > p->rules->last_kind && kind_id > p->asked_kind)
        p->unknown_kind = kind_id;
    pass_add_contact(p, contact_id, !quiet);
    touch_by_change(p, res, row);
    if (kind_id != 0 && quiet &&
        (p->n_quiet_kinds == 0 || p->quiet_kinds[p->n_quiet_kinds - 1] != kind_id)) {
        mem_grow(p, &p->quiet_kinds, &p->cap_quiet_kinds, p->n_quiet_kinds + 1);
        p->quiet_kinds[p->n_quiet_kinds++] = kind_id;
    }
    if (quiet || pgres_null(res, row, "interaction_id"))
        return;
    mem_grow(p, &p->facts, &p->cap_facts, p->n_facts + 1);
    p->facts[p->n_facts++] =
        (struct pass_fact){.contact_id = contact_id,
                           .interaction_id = pgres_int(res, row, "interaction_id"),
                           .kind_id = kind_id};
}

/* A part that the rules no longer have: the contact is looked at as a whole. */
void pass_take_wake(struct pass *p, int64_t contact_id, int32_t part)
{
    bool known = false;

    pass_add_contact(p, contact_id, true);
    if (part == RULESET_SCORES) {
        pass_ids_add(p, &p->scored, contact_id);
        return;
    }
    for (size_t i = 0; i < p->rules->n_groups; i++) {
        if (p->rules->groups[i].part != part)
            continue;
        pass_ids_add(p, &p->touched[i], contact_id);
        known = true;
    }
    if (!known)
        pass_ids_add(p, &p->whole, contact_id);
}

void pass_mark_models(void *arg, const struct pgres *res)
{
    struct pass *p = arg;
    struct pgarray stale;
    struct pgargs args;

    if (!pgres_ok(res) || p->n_quiet_kinds == 0)
        return;
    pgarray_init(&stale, p);
    for (int row = 0; row < pgres_rows(res); row++) {
        size_t n;
        int64_t *kinds = pgres_ints(res, row, "kind_ids", p, &n);
        bool hit = false;

        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k < p->n_quiet_kinds; k++)
                hit = hit || kinds[i] == p->quiet_kinds[k];
        if (hit)
            pgarray_int(&stale, pgres_int(res, row, "id"));
    }
    if (stale.n == 0)
        return;
    pgargs_init(&args, p);
    pgargs_array(&args, &stale);
    pgtx_query(p->tx, Q_RFM_MARK_STALE, &args, NULL, NULL);
}
