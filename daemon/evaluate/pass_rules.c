/* pass_rules.c - the rules, level by level; then wakes, cues and the commit. See pass.h.
 *
 *     level 0 ──rules──► compare ──moves──► membership ──► level 1 … ──► wakes ──► cues ──► commit
 *
 * Who enters or leaves a segment on one level is thereby touched in the groups above that refer to
 * it: a chain of segments settles in one transaction, and nobody sees it half done. */
#include "daemon/evaluate/pass.h"

#include "common/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* A group whose statement was sent. */
struct pass_asked {
    struct pass *pass;
    const struct ruleset_group *group;
};

/* --- the end: cues, then commit ------------------------------------------------------------------
 */

static void pass_on_cues(void *arg, const struct pgres *res)
{
    struct pass *p = arg;

    if (pgres_ok(res))
        pgtx_commit_soon(p->tx);
}

static void pass_cues(struct pass *p)
{
    struct pgarray contacts, interactions, kinds;
    struct pgargs args;

    if (p->n_facts == 0) {
        pgtx_commit_soon(p->tx);
        return;
    }
    pgarray_init(&contacts, p);
    pgarray_init(&interactions, p);
    pgarray_init(&kinds, p);
    for (size_t i = 0; i < p->n_facts; i++) {
        pgarray_int(&contacts, p->facts[i].contact_id);
        pgarray_int(&interactions, p->facts[i].interaction_id);
        pgarray_int(&kinds, p->facts[i].kind_id);
    }
    pgargs_init(&args, p);
    pgargs_int(&args, p->org_id);
    pgargs_array(&args, &contacts);
    pgargs_array(&args, &interactions);
    pgargs_array(&args, &kinds);
    pgtx_query(p->tx, Q_CUE_MAKE, &args, pass_on_cues, p);
}

/* --- wakes ---------------------------------------------------------------------------------------
 */

void pass_add_wake(struct pass *p, int64_t contact_id, int32_t part, int64_t at_us, size_t n_groups)
{
    mem_grow(p, &p->wakes, &p->cap_wakes, p->n_wakes + 1);
    p->wakes[p->n_wakes++] = (struct pass_wake){
        .contact_id = contact_id, .at_us = at_us, .part = part, .n_groups = n_groups};
}

static int compare_wakes(const void *a, const void *b)
{
    const struct pass_wake *x = a, *y = b;

    if (x->contact_id != y->contact_id)
        return x->contact_id < y->contact_id ? -1 : 1;
    return x->part < y->part ? -1 : x->part > y->part;
}

/* One for each contact and part: the earliest. */
static void wakes_join(struct pass *p)
{
    size_t n = 0;

    if (p->n_wakes == 0)
        return;
    qsort(p->wakes, p->n_wakes, sizeof(p->wakes[0]), compare_wakes);
    for (size_t i = 1; i < p->n_wakes; i++) {
        struct pass_wake *w = &p->wakes[n];

        if (compare_wakes(&p->wakes[i], w) != 0) {
            p->wakes[++n] = p->wakes[i];
            continue;
        }
        w->at_us = p->wakes[i].at_us < w->at_us ? p->wakes[i].at_us : w->at_us;
        w->n_groups += p->wakes[i].n_groups;
    }
    p->n_wakes = n + 1;
}

/* Whether all rules of the part were asked; else what the others said stays. */
static bool wake_is_whole(const struct pass *p, const struct pass_wake *w)
{
    return w->part == RULESET_SCORES || w->n_groups == ruleset_part_size(p->rules, w->part);
}

static void wakes_send(struct pass *p, bool whole)
{
    struct pgarray contacts, parts, instants;
    struct pgargs args;

    pgarray_init(&contacts, p);
    pgarray_init(&parts, p);
    pgarray_init(&instants, p);
    for (size_t i = 0; i < p->n_wakes; i++) {
        const struct pass_wake *w = &p->wakes[i];

        if (wake_is_whole(p, w) != whole || (!whole && w->at_us == INT64_MAX))
            continue;
        pgarray_int(&contacts, w->contact_id);
        pgarray_int(&parts, w->part);
        if (w->at_us == INT64_MAX)
            pgarray_text(&instants, NULL);
        else
            pgarray_instant(&instants, w->at_us);
    }
    if (contacts.n == 0)
        return;
    pgargs_init(&args, p);
    pgargs_int(&args, p->org_id);
    pgargs_array(&args, &contacts);
    pgargs_array(&args, &parts);
    pgargs_array(&args, &instants);
    pgtx_query(p->tx, whole ? Q_WAKE_SET : Q_WAKE_LOWER, &args, NULL, NULL);
}

static void pass_end(struct pass *p)
{
    wakes_join(p);
    wakes_send(p, true);
    wakes_send(p, false);
    pass_cues(p);
}

/* --- membership ----------------------------------------------------------------------------------
 */

static void pass_next_level(struct pass *p);

static void pass_on_membership(void *arg, const struct pgres *res)
{
    struct pass *p = arg;

    if (!pgres_ok(res))
        return;
    for (size_t i = 0; i < p->n_moves; i++) {
        char word[40];

        snprintf(word, sizeof(word), "segment:%" PRId64, p->moves[i].pair.segment_id);
        pass_touch(p, p->moves[i].pair.contact_id, word);
    }
    p->moved += (int64_t)p->n_moves;
    p->logged = p->logged || pgres_int(res, 0, "logged") > 0;
    pass_next_level(p);
}

static void add_move_kinds(const struct pass *p, struct pgargs *args)
{
    struct pgarray kinds;

    pgarray_init(&kinds, p);
    for (size_t i = 0; i < p->rules->n_move_kinds; i++)
        pgarray_int(&kinds, p->rules->move_kinds[i]);
    pgargs_array(args, &kinds);
}

static void pass_membership(struct pass *p)
{
    struct pgarray contacts, segments, entered, causes, interactions;
    struct pgargs args;

    pgarray_init(&contacts, p);
    pgarray_init(&segments, p);
    pgarray_init(&entered, p);
    pgarray_init(&causes, p);
    pgarray_init(&interactions, p);
    for (size_t i = 0; i < p->n_moves; i++) {
        pgarray_int(&contacts, p->moves[i].pair.contact_id);
        pgarray_int(&segments, p->moves[i].pair.segment_id);
        pgarray_bool(&entered, p->moves[i].entered);
        pgarray_text(&causes, p->moves[i].cause);
        pgarray_int(&interactions, p->moves[i].interaction_id);
    }
    pgargs_init(&args, p);
    pgargs_int(&args, p->org_id);
    pgargs_array(&args, &contacts);
    pgargs_array(&args, &segments);
    pgargs_array(&args, &entered);
    pgargs_array(&args, &causes);
    pgargs_instant(&args, p->now_us);
    pass_quiet_args(p, &args); /* what they enter starts nothing */
    add_move_kinds(p, &args);
    pgargs_array(&args, &interactions);
    pgtx_query(p->tx, Q_MEMBERSHIP_WRITE, &args, pass_on_membership, p);
}

/* --- rules ---------------------------------------------------------------------------------------
 */

static void pass_answered(struct pass *p)
{
    if (--p->answers_left > 0)
        return;
    pass_compare(p);
    if (p->n_moves > 0)
        pass_membership(p);
    else
        pass_next_level(p);
}

static void take_row(struct pass_asked *asked, const struct pgres *res, int row)
{
    struct pass *p = asked->pass;
    int64_t id = pgres_int(res, row, "contact_id");
    size_t n;
    int64_t *holds = pgres_ints(res, row, "holds", p, &n);

    for (size_t i = 0; i < n; i++) {
        mem_grow(p, &p->held.pairs, &p->held.cap, p->held.n + 1);
        p->held.pairs[p->held.n++] = (struct pass_pair){id, holds[i]};
    }
    talloc_free(holds);
    pass_add_wake(
        p, id, asked->group->part,
        pgres_null(res, row, "changes_at") ? INT64_MAX : pgres_instant(res, row, "changes_at"), 1);
}

static void pass_on_rules(void *arg, const struct pgres *res)
{
    struct pass_asked *asked = arg;
    struct pass *p = asked->pass;

    if (!pgres_ok(res))
        return;
    for (int row = 0; row < pgres_rows(res); row++)
        take_row(asked, res, row);
    p->answers += (uint64_t)pgres_rows(res) * asked->group->statement.n_segments;
    talloc_free(asked);
    pass_answered(p);
}

static void pass_on_stored(void *arg, const struct pgres *res)
{
    struct pass *p = arg;

    if (!pgres_ok(res))
        return;
    for (int row = 0; row < pgres_rows(res); row++)
        pass_stored_take(p, res, row);
    pass_answered(p);
}

static void send_group(struct pass *p, const struct ruleset_group *group,
                       const struct pass_ids *contacts)
{
    const struct ruleset_statement *s = &group->statement;
    struct pass_asked *asked = mem_new(p, struct pass_asked);
    struct pgargs args;

    asked->pass = p;
    asked->group = group;
    pgargs_init(&args, p);
    pass_ids_args(p, contacts, &args);
    pgargs_instant(&args, p->now_us);
    pgargs_params(&args, s->sql->params, s->sql->n_params);
    p->answers_left++;
    pgtx_query_kept(p->tx, s->key, s->sql->text, &args, pass_on_rules, asked);
}

/* Groups come by level. */
static bool find_level(struct pass *p)
{
    for (size_t i = 0; i < p->rules->n_groups; i++) {
        if (p->rules->groups[i].level <= p->level || p->touched[i].n == 0)
            continue;
        p->level = p->rules->groups[i].level;
        return true;
    }
    return false;
}

static void pass_level(struct pass *p)
{
    struct pass_ids who = {0};
    struct pgargs args;

    if (!find_level(p)) {
        pass_end(p);
        return;
    }
    for (size_t i = 0; i < p->rules->n_groups; i++) {
        if (p->rules->groups[i].level != p->level)
            continue;
        pass_ids_sort(&p->touched[i]);
        for (size_t c = 0; c < p->touched[i].n; c++)
            pass_ids_add(p, &who, p->touched[i].ids[c]);
    }
    pass_ids_sort(&who);
    pgargs_init(&args, p);
    pass_ids_args(p, &who, &args);
    talloc_free(who.ids);
    p->answers_left = 1;
    pgtx_query(p->tx, Q_MEMBERSHIP_STORED, &args, pass_on_stored, p);
    for (size_t i = 0; i < p->rules->n_groups; i++)
        if (p->rules->groups[i].level == p->level && p->touched[i].n > 0)
            send_group(p, &p->rules->groups[i], &p->touched[i]);
}

/* Those whom it matters to that a related contact changed come first. */
static void pass_next_level(struct pass *p)
{
    pass_reach(p, pass_level);
}

void pass_evaluate(struct pass *p)
{
    pass_sort_contacts(p);
    for (size_t c = 0; c < p->whole.n; c++)
        pass_reach_all(p, p->whole.ids[c], "");
    for (size_t i = 0; i < p->rules->n_groups; i++)
        for (size_t c = 0; c < p->whole.n; c++)
            pass_ids_add(p, &p->touched[i], p->whole.ids[c]);
    pass_next_level(p);
}
