/* related.c - the compiler's part for `related as`: some related contact, for whom a rule holds.
 * See sqlgen.h.
 *
 * The contacts that are related to one are read in a sub-select of its own, in which that rule is
 * compiled for the related contact as the whole statement is for the contact: within it, `c` is the
 * related one. So a block of contacts is answered set-wise, and what the rule asks of the others is
 * asked once.
 *
 * A relation holds from the day of `since` to that of `until`, in the organisation's zone. The
 * answer changes when it has changed for all for whom it holds, or for one where it holds for none.
 * Both may be too early (another one may come before the last goes), never too late. */
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

/* When the answer for one related contact changes: where it holds, when the relation ends or the
 * rule's answer (`next`, or NULL: never) does; else, at the earliest when what fails has changed.
 */
static const char *row_changes(struct rule_gen *g, const char *begun, const char *rule,
                               const char *next)
{
    const char *zone = gen_zone(g);
    const char *begins = gen_printf(g, "CASE WHEN %s THEN '-infinity' ELSE %s END", begun,
                                    day_start_sql(g, "r.since", zone));
    const char *ends =
        gen_printf(g, "coalesce(%s, 'infinity')", day_start_sql(g, "(r.until + 1)", zone));
    const char *becomes = begins;

    if (next == NULL)
        next = "'infinity'::timestamptz";
    if (rule != NULL)
        becomes = gen_printf(g,
                             "GREATEST(%s, CASE WHEN (%s) IS TRUE THEN '-infinity' ELSE "
                             "coalesce(%s, 'infinity') END)",
                             begins, rule, next);
    return gen_printf(g,
                      "CASE WHEN %s%s%s%s THEN LEAST(%s, %s) WHEN %s < %s THEN %s"
                      " ELSE 'infinity' END",
                      begun, rule == NULL ? "" : " AND (", rule == NULL ? "" : rule,
                      rule == NULL ? "" : ") IS TRUE", ends, next, becomes, ends, becomes);
}

/* The sub-select over the related contacts of a node. */
struct related {
    const char *from;  /* with changes: y.at is when that changes, */
    const char *holds; /* whether the relation stands and the rule holds */
};

static struct related related_make(struct rule_gen *g, const struct rule_node *node)
{
    const char *today = org_today(g), *rows = related_rows(g, node), *rule = NULL;
    const char *begun = gen_printf(g, "(r.since IS NULL OR r.since <= %s)", today);
    struct rule_gen *inner = gen_within(g);
    struct related r = {.holds = begun};

    if (node->where != NULL) {
        inner->joints = 1;
        rule = condition_sql(inner, node->where);
        if (inner->next != NULL && inner->height > 0)
            inner->next = gen_next(inner, inner->height, inner->next);
        r.holds = gen_printf(inner, "%s AND (%s) IS TRUE", begun, rule);
        rows =
            gen_printf(inner, "%s JOIN contact c ON c.id = r.other_id\n%s", rows, gen_joins(inner));
    }
    if (g->with_changes) {
        rows = gen_printf(inner, "%s CROSS JOIN LATERAL (SELECT %s AS holds, %s AS at OFFSET 0) y",
                          rows, r.holds, row_changes(inner, begun, rule, inner->next));
        r.holds = "y.holds";
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

    /* It holds as long as it does for one of them. */
    if (g->with_changes)
        gen_change(g, gen_printf(g, "CASE WHEN %s THEN %s ELSE %s END", answer,
                                 gen_column(g, r.from, "max(y.at) FILTER (WHERE y.holds)"),
                                 gen_column(g, r.from, "min(y.at)")));
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
