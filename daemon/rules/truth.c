/* truth.c - rule_compile_truth(): the statement of a full evaluation, wrapped so that it compares
 * instead of answering. One statement is one snapshot: rules, membership and what still waits are
 * seen at the same instant, and nothing is written. */
#include "common/mem.h"
#include "daemon/rules/rule.h"

#include <inttypes.h>

static const char *tags_text(const void *ctx, const int64_t *tags, size_t n)
{
    char *text = mem_strdup(ctx, "{");

    for (size_t i = 0; i < n; i++)
        text = mem_printf(ctx, "%s%s%lld", text, i == 0 ? "" : ",", (long long)tags[i]);
    return mem_printf(ctx, "%s}", text);
}

struct rule_sql *rule_compile_truth(const void *ctx, const struct rule_sql *page,
                                    const int64_t *tags, size_t n, int32_t part)
{
    struct rule_sql *sql = mem_new(ctx, struct rule_sql);

    /* The tags and the part follow the three fixed parameters and those of the rules. */
    sql->params = mem_array(sql, const char *, page->n_params + 2);
    for (size_t i = 0; i < page->n_params; i++)
        sql->params[i] = page->params[i];
    sql->params[page->n_params] = tags_text(sql, tags, n);
    sql->params[page->n_params + 1] = mem_printf(sql, "%" PRId32, part);
    sql->n_params = page->n_params + 2;
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
        "   AND contact_id NOT IN (SELECT contact_id FROM waiting)),\n"
        "due AS (SELECT w.contact_id, min(w.at) AS at FROM wake w\n"
        " WHERE w.contact_id > $1::bigint AND w.contact_id <= (SELECT max(contact_id) FROM truth)\n"
        "   AND w.part IN (0, $%zu::int) GROUP BY w.contact_id),\n"
        "late AS (SELECT contact_id, d.at, t.changes_at FROM truth t FULL JOIN due d USING "
        "(contact_id)\n"
        " WHERE t.changes_at < coalesce(d.at, 'infinity')\n"
        "   AND contact_id NOT IN (SELECT contact_id FROM waiting)\n"
        "   AND (SELECT count(*) FROM segments) = cardinality($%zu::int[]))\n"
        "SELECT (SELECT max(contact_id) FROM truth) AS last, (SELECT count(*) FROM truth) AS "
        "seen,\n"
        "  (SELECT coalesce(json_agg(l.item ORDER BY l.name, l.contact_id), '[]') FROM (\n"
        "    SELECT name, contact_id, json_build_object('segment', name, 'contact', contact_id,\n"
        "      'stored', stored, 'true', NOT stored) AS item FROM differing\n"
        "    UNION ALL SELECT NULL, contact_id, json_build_object('next', 'segments',\n"
        "      'contact', contact_id, 'stored', at, 'true', changes_at) FROM late) l)::text AS "
        "differences",
        page->text, page->n_params + 4, page->n_params + 5, page->n_params + 4);
    return sql;
}
