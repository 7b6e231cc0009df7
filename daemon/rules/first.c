/* first.c - rule_compile_first(): the statement over a range of contacts, wrapped so that it writes
 * what it says into `membership` and `wake`, and nobody else has to hear it. The first members of a
 * new rule are not entering: no interaction is made of them. */
#include "common/buf.h"
#include "common/mem.h"
#include "daemon/rules/rule.h"

static const char *ids_text(const void *ctx, const int64_t *ids, size_t n)
{
    struct buf b;

    buf_init(&b, ctx, RULE_IDS_MAX);
    for (size_t i = 0; i < n; i++)
        buf_printf(&b, "%s%lld", i == 0 ? "{" : ",", (long long)ids[i]);
    buf_str(&b, n == 0 ? "{}" : "}");
    return buf_take(&b, ctx);
}

/* Membership is compared as a set (EXCEPT): the planner knows neither how many a rule takes in nor
 * how many it held before, and no guess of it may make this slow. The range stands beside each key
 * for the same reason. Segments and those who enter or leave
 * are locked: who deletes one waits, or is waited for. */
struct rule_sql *rule_compile_first(const void *ctx, const struct rule_sql *range,
                                    const struct rule_first *first)
{
    struct rule_sql *sql = mem_new(ctx, struct rule_sql);
    size_t n = range->n_params, at = n + 4;

    sql->n_params = n + 5;
    sql->params = mem_array(sql, const char *, sql->n_params);
    for (size_t i = 0; i < n; i++)
        sql->params[i] = range->params[i];
    sql->params[n] = ids_text(sql, first->segments, first->n_segments);
    sql->params[n + 1] = mem_printf(sql, "%lld", (long long)first->org_id);
    sql->params[n + 2] = mem_printf(sql, "%lld", (long long)first->part);
    sql->params[n + 3] = ids_text(sql, first->referred, first->n_referred);
    sql->params[n + 4] = ids_text(sql, first->by, first->n_referred);
    sql->text = mem_printf(
        sql,
        "WITH answer AS MATERIALIZED (%s),\n"
        "segments AS MATERIALIZED (SELECT id FROM segment\n"
        "  WHERE id = ANY ($%zu::int[]) AND kind = 'dynamic' ORDER BY id FOR KEY SHARE),\n"
        "exempt AS MATERIALIZED (SELECT e.contact_id, e.segment_id, e.mode\n"
        "  FROM segment_exception e WHERE e.segment_id IN (SELECT id FROM segments)\n"
        "   AND e.contact_id > $1::bigint AND e.contact_id <= $3::bigint),\n"
        "held AS MATERIALIZED (SELECT a.contact_id, h.id::int AS segment_id\n"
        "  FROM answer a CROSS JOIN LATERAL unnest(a.holds) AS h(id)\n"
        " WHERE h.id::int IN (SELECT id FROM segments)\n"
        "   AND (a.contact_id, h.id::int) NOT IN (SELECT e.contact_id, e.segment_id FROM exempt "
        "e)\n"
        "UNION ALL SELECT e.contact_id, e.segment_id FROM exempt e\n"
        " WHERE e.mode = 'in' AND e.contact_id IN (SELECT a.contact_id FROM answer a)),\n"
        "leaving AS MATERIALIZED (SELECT m.contact_id, m.segment_id FROM membership m\n"
        "  WHERE m.org_id = $%zu::bigint AND m.segment_id = ANY (ARRAY(SELECT id FROM segments))\n"
        "    AND m.contact_id > $1::bigint AND m.contact_id <= $3::bigint\n"
        "EXCEPT SELECT contact_id, segment_id FROM held),\n"
        "people AS MATERIALIZED (SELECT c.id FROM contact c\n"
        "  WHERE c.id > $1::bigint AND c.id <= $3::bigint\n"
        "    AND c.id IN (SELECT contact_id FROM held UNION ALL SELECT contact_id FROM leaving)\n"
        " ORDER BY c.id FOR KEY SHARE OF c),\n"
        "gone AS (DELETE FROM membership m USING leaving l\n"
        "  WHERE m.contact_id = l.contact_id AND m.segment_id = l.segment_id\n"
        "    AND m.contact_id > $1::bigint AND m.contact_id <= $3::bigint\n"
        "    AND m.contact_id IN (SELECT id FROM people)\n"
        "RETURNING m.contact_id, m.segment_id, m.entered_at),\n"
        "past AS (INSERT INTO membership_past (org_id, contact_id, segment_id, entered_at, "
        "left_at)\n"
        "  SELECT $%zu::bigint, contact_id, segment_id, entered_at,\n"
        "         greatest(entered_at, $2::timestamptz) FROM gone),\n"
        "come AS (INSERT INTO membership (org_id, contact_id, segment_id, entered_at)\n"
        "  SELECT $%zu::bigint, contact_id, segment_id, $2::timestamptz FROM held\n"
        "   WHERE contact_id IN (SELECT id FROM people) ORDER BY contact_id, segment_id\n"
        "ON CONFLICT (contact_id, segment_id) DO NOTHING RETURNING contact_id, segment_id),\n"
        "woken AS (INSERT INTO wake AS w (org_id, contact_id, part, at)\n"
        "  SELECT $%zu::bigint, contact_id, $%zu::int, changes_at FROM answer\n"
        "   WHERE changes_at IS NOT NULL ORDER BY contact_id\n"
        "ON CONFLICT (contact_id, part) DO UPDATE SET at = excluded.at WHERE w.at > excluded.at),\n"
        "moved AS (SELECT contact_id, segment_id FROM gone\n"
        "UNION ALL SELECT contact_id, segment_id FROM come),\n"
        "logged AS (INSERT INTO change (org_id, contact_id, sort, quiet, what)\n"
        "  SELECT $%zu::bigint, v.contact_id, 'segment', true, array_agg(v.segment_id::text)\n"
        "    FROM moved v WHERE v.segment_id IN (SELECT u.id\n"
        "      FROM unnest($%zu::int[], $%zu::int[]) AS u(id, by_id)\n"
        "      JOIN segment s ON s.id = u.by_id WHERE NOT s.stale) GROUP BY v.contact_id\n"
        "RETURNING contact_id)\n"
        "SELECT (SELECT count(*) FROM answer) AS contacts, (SELECT count(*) FROM moved) AS moved,\n"
        "       (SELECT count(*) FROM logged) AS logged",
        range->text, at, at + 1, at + 1, at + 1, at + 1, at + 2, at + 1, at + 3, at + 4);
    return sql;
}
