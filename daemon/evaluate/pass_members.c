/* pass_members.c - what the rules of a level say, compared with membership. See pass.h. */
#include "daemon/evaluate/pass.h"

#include "common/mem.h"

#include <stdlib.h>
#include <string.h>

static const char by_hand[] = "by hand";

static int compare_pairs(const void *a, const void *b)
{
    const struct pass_pair *x = a, *y = b;

    if (x->contact_id != y->contact_id)
        return x->contact_id < y->contact_id ? -1 : 1;
    return x->segment_id < y->segment_id ? -1 : x->segment_id > y->segment_id;
}

static void pairs_add(const struct pass *p, struct pass_pairs *list, int64_t contact_id,
                      int64_t segment_id)
{
    mem_grow(p, &list->pairs, &list->cap, list->n + 1);
    list->pairs[list->n++] = (struct pass_pair){contact_id, segment_id};
}

static void pairs_sort(struct pass_pairs *list)
{
    size_t n = 0;

    if (list->n == 0)
        return;
    qsort(list->pairs, list->n, sizeof(list->pairs[0]), compare_pairs);
    for (size_t i = 1; i < list->n; i++)
        if (compare_pairs(&list->pairs[i], &list->pairs[n]) != 0)
            list->pairs[++n] = list->pairs[i];
    list->n = n + 1;
}

static bool pairs_have(const struct pass_pairs *list, const struct pass_pair *pair)
{
    return list->n > 0 &&
           bsearch(pair, list->pairs, list->n, sizeof(list->pairs[0]), compare_pairs) != NULL;
}

void pass_stored_take(struct pass *p, const struct pgres *res, int row)
{
    int64_t contact_id = pgres_int(res, row, "contact_id");
    const char *what = pgres_text(res, row, "what");
    struct pass_pairs *list = strcmp(what, "stored") == 0 ? &p->stored
                              : strcmp(what, "in") == 0   ? &p->put
                                                          : &p->barred;
    size_t n;
    int64_t *segments = pgres_ints(res, row, "segments", p, &n);

    for (size_t i = 0; i < n; i++)
        pairs_add(p, list, contact_id, segments[i]);
    talloc_free(segments);
}

/* Whether the level has asked the rule of this segment for this contact. */
static bool was_asked(const struct pass *p, const struct pass_pair *pair)
{
    const struct ruleset_segment *s = ruleset_segment(p->rules, pair->segment_id);

    return s != NULL && p->rules->groups[s->group].level == p->level &&
           pass_ids_have(&p->touched[s->group], pair->contact_id);
}

static void add_move(struct pass *p, const struct pass_pair *pair, bool entered)
{
    mem_grow(p, &p->moves, &p->cap_moves, p->n_moves + 1);
    p->moves[p->n_moves++] = (struct pass_move){
        .pair = *pair,
        .entered = entered,
        .cause = pairs_have(entered ? &p->put : &p->barred, pair) ? by_hand : NULL,
    };
}

/* --- causes --- */

static int compare_causes(const void *a, const void *b)
{
    const struct pass_cause *x = a, *y = b;

    if (x->contact_id != y->contact_id)
        return x->contact_id < y->contact_id ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

/* The first of the contact's causes, which are sorted. */
static size_t first_cause(const struct pass *p, int64_t contact_id)
{
    size_t low = 0, high = p->n_causes;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (p->causes[middle].contact_id < contact_id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The first thing that changed and that the segment's rule reads; a contact that is new or was
 * looked at as a whole comes after what is known in particular. Where nothing changed time did. */
static void move_explain(const struct pass *p, struct pass_move *move)
{
    const struct ruleset_segment *s = ruleset_segment(p->rules, move->pair.segment_id);

    if (move->cause != NULL || s == NULL)
        return;
    move->cause = "time";
    for (size_t i = first_cause(p, move->pair.contact_id);
         i < p->n_causes && p->causes[i].contact_id == move->pair.contact_id; i++) {
        const struct pass_cause *c = &p->causes[i];

        if (c->word != NULL && ruleset_segment_reads(s, c->word->word)) {
            move->cause = c->word->told;
            move->interaction_id = c->interaction_id;
            return;
        }
        if (c->word != NULL)
            continue;
        if (c->segment_id != 0)
            move->cause = c->segment_id == s->id ? by_hand : move->cause;
        else if (!c->related)
            move->cause = "contact";
        else if (s->related)
            move->cause = "related contact";
    }
}

static void moves_explain(struct pass *p)
{
    if (p->n_moves == 0)
        return;
    if (p->n_causes > 0)
        qsort(p->causes, p->n_causes, sizeof(p->causes[0]), compare_causes);
    for (size_t i = 0; i < p->n_moves; i++)
        move_explain(p, &p->moves[i]);
}

void pass_compare(struct pass *p)
{
    p->n_moves = 0;
    pairs_sort(&p->put);
    pairs_sort(&p->barred);
    pairs_sort(&p->stored);
    for (size_t i = 0; i < p->put.n; i++)
        if (was_asked(p, &p->put.pairs[i]))
            pairs_add(p, &p->held, p->put.pairs[i].contact_id, p->put.pairs[i].segment_id);
    pairs_sort(&p->held);
    for (size_t i = 0; i < p->held.n; i++)
        if (!pairs_have(&p->stored, &p->held.pairs[i]) &&
            !pairs_have(&p->barred, &p->held.pairs[i]))
            add_move(p, &p->held.pairs[i], true);
    for (size_t i = 0; i < p->stored.n; i++)
        if (was_asked(p, &p->stored.pairs[i]) && (!pairs_have(&p->held, &p->stored.pairs[i]) ||
                                                  pairs_have(&p->barred, &p->stored.pairs[i])))
            add_move(p, &p->stored.pairs[i], false);
    moves_explain(p);
    p->held.n = p->stored.n = p->put.n = p->barred.n = 0;
}
