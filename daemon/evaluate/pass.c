/* pass.c - the middle and the end of a pass: rules → membership → wakes → cues → commit. See
 * pass.h. */
#include "daemon/evaluate/pass.h"

#include "common/mem.h"

#include <stdlib.h>

/* Contacts of one block in a full evaluation. */
#define PAGE_CONTACTS 5000

void pass_add_contact(struct pass *p, int64_t id, bool loud)
{
    mem_grow(p, &p->contacts, &p->cap_contacts, p->n_contacts + 1);
    p->contacts[p->n_contacts++] =
        (struct pass_contact){.id = id, .changes_at_us = INT64_MAX, .loud = loud};
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

struct pass_contact *pass_find(struct pass *p, int64_t id)
{
    struct pass_contact key = {.id = id};

    return p->n_contacts == 0
               ? NULL
               : bsearch(&key, p->contacts, p->n_contacts, sizeof(key), compare_contacts);
}

void pass_take_change(struct pass *p, const struct pgres *res, int row)
{
    int64_t contact_id = pgres_int(res, row, "contact_id"),
            kind_id = pgres_int(res, row, "kind_id");
    bool quiet = pgres_bool(res, row, "quiet");

    if (kind_id > p->rules->last_kind && kind_id > p->asked_kind)
        p->unknown_kind = kind_id;
    pass_add_contact(p, contact_id, !quiet);
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

static void contact_ids(const struct pass *p, struct pgargs *args)
{
    struct pgarray ids;

    pgarray_init(&ids, p);
    for (size_t i = 0; i < p->n_contacts; i++)
        pgarray_int(&ids, p->contacts[i].id);
    pgargs_array(args, &ids);
}

/* --- the end: cues, then commit ------------------------------------------------------------------
 */

static void pass_on_cues(void *arg, const struct pgres *res)
{
    struct pass *p = arg;

    if (pgres_ok(res))
        pgtx_commit(p->tx);
}

static void pass_cues(struct pass *p)
{
    struct pgarray contacts, interactions, kinds;
    struct pgargs args;

    if (p->n_facts == 0) {
        pgtx_commit(p->tx);
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

/* --- wakes
 * ------------------------------------------------------------------------------------------ */

static void pass_wakes(struct pass *p)
{
    struct pgarray contacts, instants;
    struct pgargs args;

    pgarray_init(&contacts, p);
    pgarray_init(&instants, p);
    for (size_t i = 0; i < p->n_contacts; i++) {
        if (p->contacts[i].changes_at_us == INT64_MAX)
            continue;
        pgarray_int(&contacts, p->contacts[i].id);
        pgarray_instant(&instants, p->contacts[i].changes_at_us);
    }
    if (contacts.n == 0)
        return;
    pgargs_init(&args, p);
    pgargs_int(&args, p->org_id);
    pgargs_array(&args, &contacts);
    pgargs_array(&args, &instants);
    /* A block of a full evaluation asked some of the rules only: what the others said stays. */
    pgargs_bool(&args, p->sort == PASS_page);
    pgtx_query(p->tx, Q_WAKE_SET, &args, NULL, NULL);
}

/* --- membership
 * --------------------------------------------------------------------------------------- */

static void pass_on_membership(void *arg, const struct pgres *res)
{
    struct pass *p = arg;

    if (!pgres_ok(res))
        return;
    p->moved = pgres_int(res, 0, "entered") + pgres_int(res, 0, "left");
    pass_wakes(p);
    pass_cues(p);
}

static void pass_membership(struct pass *p)
{
    struct pgarray segments, contacts, held, quiet;
    struct pgargs args;

    pgarray_init(&segments, p);
    pgarray_init(&contacts, p);
    pgarray_init(&held, p);
    pgarray_init(&quiet, p);
    for (size_t i = 0; i < p->n_contacts; i++)
        if (!p->contacts[i].loud)
            pgarray_int(&quiet, p->contacts[i].id);
    for (size_t i = 0; i < p->rules->n_segments; i++)
        pgarray_int(&segments, p->rules->segments[i]);
    for (size_t i = 0; i < p->n_pairs; i += 2) {
        pgarray_int(&contacts, p->pairs[i]);
        pgarray_int(&held, p->pairs[i + 1]);
    }
    pgargs_init(&args, p);
    pgargs_int(&args, p->org_id);
    contact_ids(p, &args);
    pgargs_array(&args, &segments);
    pgargs_array(&args, &contacts);
    pgargs_array(&args, &held);
    pgargs_instant(&args, p->now_us);
    pgargs_bool(&args, p->sort == PASS_changes);
    pgargs_bool(&args, p->refers);
    pgargs_array(&args, &quiet);
    pgtx_query(p->tx, Q_MEMBERSHIP_WRITE, &args, pass_on_membership, p);
}

/* --- rules
 * ------------------------------------------------------------------------------------------- */

static void pass_add_pair(struct pass *p, int64_t contact_id, int64_t segment_id)
{
    mem_grow(p, &p->pairs, &p->cap_pairs, p->n_pairs + 2);
    p->pairs[p->n_pairs++] = contact_id;
    p->pairs[p->n_pairs++] = segment_id;
}

static void pass_take_row(struct pass *p, const struct pgres *res, int row)
{
    int64_t id = pgres_int(res, row, "contact_id");
    struct pass_contact *contact = pass_find(p, id);
    size_t n;
    int64_t *holds = pgres_ints(res, row, "holds", p, &n);

    for (size_t i = 0; i < n; i++)
        pass_add_pair(p, id, holds[i]);
    talloc_free(holds);
    if (contact != NULL && !pgres_null(res, row, "changes_at")) {
        int64_t at_us = pgres_instant(res, row, "changes_at");

        if (at_us < contact->changes_at_us)
            contact->changes_at_us = at_us;
    }
}

static void pass_on_rules(void *arg, const struct pgres *res)
{
    struct pass *p = arg;

    if (!pgres_ok(res))
        return;
    /* The first part of a page says which contacts it has; they come in order of id. */
    if (p->sort == PASS_page && p->n_contacts == 0)
        for (int row = 0; row < pgres_rows(res); row++)
            pass_add_contact(p, pgres_int(res, row, "contact_id"), false);
    for (int row = 0; row < pgres_rows(res); row++)
        pass_take_row(p, res, row);
    if (--p->parts_left > 0)
        return;
    p->more = p->more || (p->sort == PASS_page && p->n_contacts == PAGE_CONTACTS);
    pass_membership(p);
}

static void pass_send_rules(struct pass *p, const struct rule_sql *sql)
{
    struct pgargs args;

    pgargs_init(&args, p);
    if (p->sort == PASS_page)
        pgargs_int(&args, p->after_contact);
    else
        contact_ids(p, &args);
    pgargs_instant(&args, p->now_us);
    if (p->sort == PASS_page)
        pgargs_int(&args, PAGE_CONTACTS);
    pgargs_params(&args, sql->params, sql->n_params);
    pgtx_query_sql(p->tx, sql->text, &args, pass_on_rules, p);
}

void pass_evaluate(struct pass *p)
{
    p->parts_left = p->rules->n_parts;
    if (p->parts_left == 0) {
        pass_wakes(p);
        pass_cues(p);
        return;
    }
    for (size_t i = 0; i < p->rules->n_parts; i++)
        pass_send_rules(p,
                        p->sort == PASS_page ? p->rules->parts[i].page : p->rules->parts[i].some);
}
