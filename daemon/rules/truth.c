/* truth.c - rule_compile_truth(): the statement of a full evaluation, wrapped so that it compares
 * instead of answering. One statement is one snapshot: rules, membership and what still waits are
 * seen at the same instant, and nothing is written. */
#include "common/mem.h"
#include "daemon/rules/rule.h"

static const char *tags_text(const void *ctx, const int64_t *tags, size_t n)
{
    char *text = mem_strdup(ctx, "{");

    for (size_t i = 0; i < n; i++)
        text = mem_printf(ctx, "%s%s%lld", text, i == 0 ? "" : ",", (long long)tags[i]);
    return mem_printf(ctx, "%s}", text);
}

struct rule_sql *rule_compile_truth(const void *ctx, const struct rule_sql *page,
                                    const int64_t *tags, size_t n)
{
    struct rule_sql *sql = mem_new(ctx, struct rule_sql);

    /* The tags follow the three fixed parameters and those of the rules. */
    sql->params = mem_array(sql, const char *, page->n_params + 1);
    for (size_t i = 0; i < page->n_params; i++)
        sql->params[i] = page->params[i];
    sql->params[page->n_params] = tags_text(sql, tags, n);
    sql->n_params = page->n_params + 1;
    sql->text = mem_printf(
        sql,
        "WITH truth AS MATERIALIZED (%s),\n"
        "waiting AS MATERIALIZED (SELECT contact_id FROM contacts_waiting($2::timestamptz)),\n"
        "segments AS MATERIALIZED (SELECT id, name FROM segment\n"
        "  WHERE id = ANY ($%zu::int[]) AND kind = 'dynamic' AND NOT stale),\n"
        "exempt AS MATERIALIZED (SELECT e.contact_id, e.segment_id, e.mode\n"
        "  FROM truth t JOIN segment_exception e ON e.contact_id = t.contact_id),\n"
        "held AS (SELECT t.contact_id, h.id::int AS segment_id\n"
        "  FROM truth t CROSS JOIN LATERAL unnest(t.holds) AS h(id)\n"
        " WHERE (t.contact_id, h.id::int) NOT IN (SELECT e.contact_id, e.segment_id FROM exempt "
        "e)\n"
        "UNION ALL SELECT contact_id, segment_id FROM exempt WHERE mode = 'in'),\n"
        "stored AS (SELECT m.contact_id, m.segment_id FROM membership m\n"
        " WHERE m.contact_id > $1::bigint AND m.contact_id <= (SELECT max(contact_id) FROM "
        "truth)),\n"
        "differing AS (SELECT contact_id, s.name, o.segment_id IS NOT NULL AS stored\n"
        "  FROM held h FULL JOIN stored o USING (contact_id, segment_id)\n"
        "  JOIN segments s ON s.id = segment_id\n"
        " WHERE (h.contact_id IS NULL OR o.contact_id IS NULL)\n"
        "   AND contact_id NOT IN (SELECT contact_id FROM waiting))\n"
        "SELECT (SELECT max(contact_id) FROM truth) AS last, (SELECT count(*) FROM truth) AS "
        "seen,\n"
        "  coalesce((SELECT json_agg(json_build_object('segment', name, 'contact', contact_id,\n"
        "    'stored', stored, 'true', NOT stored) ORDER BY name, contact_id)\n"
        "    FROM differing), '[]')::text AS differences",
        page->text, page->n_params + 4);
    return sql;
}
