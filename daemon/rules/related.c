/* related.c - the compiler's part for `related as`: some related contact, for whom a rule holds.
 * See sqlgen.h.
 *
 * The contacts that are related to one are read in a sub-select of its own, in which that rule is
 * compiled for the related contact as the whole statement is for the contact: within it, `c` is the
 * related one. So a block of contacts is answered set-wise, and what the rule asks of the others is
 * asked once.
 *
 * A relation holds from the day of `since` to that of `until`, in the organisation's zone. The
 * answer changes when one begins or ends, or when that of a related contact does. */
#include "daemon/rules/sqlgen.h"

/* So many related contacts are told at most. */
#define SHOWN_MAX 10

/* r: the contacts that are related to c, with the first and last day. One that is shared leads to
 * another contact and back from there. */
static const char *related_rows(struct rule_gen *g, const struct rule_node *node)
{
    const char *kind = gen_param_int(g, "int", node->id);

    if (!node->shared)
        return gen_printf(g,
                          "(SELECT t.other_id, t.since, t.until FROM relation t"
                          " WHERE t.contact_id = c.id AND t.kind_id = %s) r",
                          kind);
    return gen_printf(
        g,
        "(SELECT o.other_id, GREATEST(t.since, o.since) AS since, LEAST(t.until, o.until) AS until"
        " FROM relation t JOIN relation o ON o.contact_id = t.other_id AND o.kind_id = %s"
        " WHERE t.contact_id = c.id AND t.kind_id = %s AND o.other_id <> c.id) r",
        gen_param_int(g, "int", node->back_id), kind);
}

/* When a relation begins, or ends. */
static const char *day_changes(struct rule_gen *g, const char *today)
{
    const char *zone = gen_zone(g);

    return gen_printf(g, "CASE WHEN r.since > %s THEN %s WHEN r.until IS NOT NULL THEN %s END",
                      today, day_start_sql(g, "r.since", zone),
                      day_start_sql(g, "(r.until + 1)", zone));
}

/* The sub-select over the related contacts of a node. */
struct related {
    const char *from;
    const char *holds;   /* of one of them: whether the relation stands and the rule holds */
    const char *changes; /* when the rule's answer for one of them does; or NULL */
};

static struct related related_make(struct rule_gen *g, const struct rule_node *node)
{
    const char *today = org_today(g), *rows = related_rows(g, node), *rule = NULL;
    const char *begun = gen_printf(g, "(r.since IS NULL OR r.since <= %s)", today);
    struct rule_gen *inner = gen_within(g);
    struct related r = {.holds = begun};

    if (node->where != NULL) {
        rule = condition_sql(inner, node->where);
        r.changes = inner->next;
        r.holds = gen_printf(inner, "%s AND (%s) IS TRUE", begun, rule);
        rows =
            gen_printf(inner, "%s JOIN contact c ON c.id = r.other_id\n%s", rows, gen_joins(inner));
    }
    r.from = gen_printf(inner, "%s WHERE (r.until IS NULL OR r.until >= %s)", rows, today);
    gen_within_done(g, inner);
    return r;
}

const char *related_sql(struct rule_gen *g, const struct rule_node *node)
{
    struct related r = related_make(g, node);
    const char *answer = gen_printf(g, "coalesce(%s, false)",
                                    gen_column(g, r.from, gen_printf(g, "bool_or(%s)", r.holds)));

    if (g->with_changes)
        gen_change(g,
                   gen_column(g, r.from, gen_printf(g, "min(%s)", day_changes(g, org_today(g)))));
    if (g->with_changes && r.changes != NULL)
        gen_change(g, gen_column(g, r.from, gen_printf(g, "min(%s)", r.changes)));
    if (!g->search)
        return answer;
    /* So that those who are related to nobody are never looked at. */
    return gen_printf(
        g, "(EXISTS (SELECT FROM relation t WHERE t.contact_id = c.id AND t.kind_id = %s) AND %s)",
        gen_param_int(g, "int", node->id), answer);
}

const char *related_value_sql(struct rule_gen *g, const struct rule_node *node)
{
    struct related r = related_make(g, node);

    return gen_printf(
        g, "to_jsonb(%s)",
        gen_column(g, r.from,
                   gen_printf(g, "(array_agg(DISTINCT r.other_id) FILTER (WHERE %s))[1:%d]",
                              r.holds, SHOWN_MAX)));
}
