/* pass_reach.c - who is touched by what changed for a related contact. See pass.h.
 *
 * A rule with `related as` hangs on facts of other contacts. Each word about those has the way back
 * (ruleset_reach): from whom the fact is of, over one relation after the other, to whom it matters.
 * One statement goes one relation further for all who are on their way. Where no rule asks for
 * related contacts there is no word and nothing is asked. */
#include "daemon/evaluate/pass.h"

#include "common/mem.h"

#include <string.h>

struct reaching {
    struct pass *pass;
    void (*done)(struct pass *);
    struct pass_step *steps; /* that were asked for */
};

static void add_step(struct pass *p, struct pass_step step)
{
    const struct pass_step *last = p->n_steps == 0 ? NULL : &p->steps[p->n_steps - 1];

    if (last != NULL && last->contact_id == step.contact_id && last->reach == step.reach &&
        last->hop == step.hop)
        return;
    mem_grow(p, &p->steps, &p->cap_steps, p->n_steps + 1);
    p->steps[p->n_steps++] = step;
}

void pass_reach_add(struct pass *p, int64_t contact_id, const char *word)
{
    for (size_t i = 0; i < p->rules->n_reaches; i++)
        if (strcmp(p->rules->reaches[i].way.word, word) == 0)
            add_step(p, (struct pass_step){.contact_id = contact_id, .reach = i});
}

void pass_reach_all(struct pass *p, int64_t contact_id, const char *prefix)
{
    for (size_t i = 0; i < p->rules->n_reaches; i++)
        if (strncmp(p->rules->reaches[i].way.word, prefix, strlen(prefix)) == 0)
            add_step(p, (struct pass_step){.contact_id = contact_id, .reach = i});
}

/* Who arrives is evaluated; what they enter starts something only where the cause does. */
static void arrive(struct pass *p, const struct pass_step *from, int64_t contact_id)
{
    const struct ruleset_reach *reach = &p->rules->reaches[from->reach];

    for (size_t i = 0; i < reach->n; i++)
        pass_ids_add(p, &p->touched[reach->groups[i]], contact_id);
    pass_add_cause(p, (struct pass_cause){.contact_id = contact_id, .related = true});
}

static void reach_on_step(void *arg, const struct pgres *res)
{
    struct reaching *r = arg;
    struct pass *p = r->pass;

    if (!pgres_ok(res))
        return;
    for (int row = 0; row < pgres_rows(res); row++) {
        const struct pass_step *from = &r->steps[pgres_int(res, row, "ord")];
        int64_t other_id = pgres_int(res, row, "other_id");

        pass_add_contact(p, other_id, pass_is_loud(p, from->contact_id));
        if (from->hop + 1 == p->rules->reaches[from->reach].way.n_hops)
            arrive(p, from, other_id);
        else
            add_step(p, (struct pass_step){
                            .contact_id = other_id, .reach = from->reach, .hop = from->hop + 1});
    }
    pass_sort_contacts(p);
    talloc_free(r->steps);
    pass_reach(p, r->done);
    talloc_free(r);
}

void pass_reach(struct pass *p, void (*done)(struct pass *))
{
    struct pgarray contacts, relations;
    struct reaching *r;
    struct pgargs args;

    if (p->n_steps == 0) {
        done(p);
        return;
    }
    r = mem_new(p, struct reaching);
    r->pass = p;
    r->done = done;
    r->steps = p->steps;
    pgarray_init(&contacts, p);
    pgarray_init(&relations, p);
    for (size_t i = 0; i < p->n_steps; i++) {
        const struct pass_step *s = &p->steps[i];

        pgarray_int(&contacts, s->contact_id);
        pgarray_int(&relations, p->rules->reaches[s->reach].way.hops[s->hop]);
    }
    p->steps = NULL;
    p->n_steps = p->cap_steps = 0;
    pgargs_init(&args, p);
    pgargs_array(&args, &contacts);
    pgargs_array(&args, &relations);
    pgtx_query(p->tx, Q_RELATION_STEP, &args, reach_on_step, r);
}
