/* compiler.c - checked rules -> one statement; see rule.h for what the statements take and give,
 * sqlgen.h for their shape. */
#include "common/mem.h"
#include "daemon/rules/sqlgen.h"

#include <string.h>

/* PostgreSQL ends at 1664 columns in a row of a join; rules that would pass this are spread over
 * several sub-statements. */
#define COLUMNS_MAX 1000

static struct rule_gen *gen_new(const void *ctx, const struct catalogue *cat, const char *now,
                                size_t first_param)
{
    struct rule_gen *g = mem_new(ctx, struct rule_gen);

    g->ctx = g;
    g->cat = cat;
    g->now = now;
    g->first_param = first_param;
    return g;
}

static struct rule_sql *gen_finish(const void *ctx, struct rule_gen *g, struct buf *text)
{
    struct rule_sql *sql = mem_new(ctx, struct rule_sql);

    if (buf_full(text))
        bug("a statement of more than %d bytes", RULE_SQL_MAX);
    sql->text = buf_take(text, sql);
    sql->n_params = g->n_params;
    sql->params = mem_array(sql, const char *, g->n_params);
    for (size_t i = 0; i < g->n_params; i++)
        sql->params[i] = mem_strdup(sql, g->params[i].value);
    talloc_free(g);
    return sql;
}

static const char *root_sql(struct rule_gen *g, const struct rule *rule)
{
    if (!rule->checked)
        bug("a rule is compiled unchecked");
    return condition_sql(g, rule->root);
}

/* WITH w ..., when all else has been generated. Over all contacts the planner is to see the
 * instants themselves: they say how much is read. */
static void add_once(struct buf *b, const struct rule_gen *g)
{
    buf_printf(b, "WITH w AS %s (SELECT %s AS now", g->whole ? "NOT MATERIALIZED" : "MATERIALIZED",
               g->now);
    for (size_t i = 0; i < g->n_once; i++)
        buf_printf(b, ", %s AS b%zu", g->once[i], i + 1);
    buf_str(b, ")\n");
}

/* One filter of all columns is a condition on the rows. */
static void add_grouped(struct buf *b, const struct rule_gen *g, const struct rule_lateral *l,
                        size_t k)
{
    buf_str(b, "  LEFT JOIN (SELECT i.contact_id");
    for (size_t j = 0; j < l->n; j++)
        buf_printf(b, ", %s AS v%zu", l->filter != NULL ? l->bare[j] : l->columns[j], j + 1);
    if (g->ranged == NULL) {
        buf_printf(b, " FROM %s", l->from);
        if (l->filter != NULL)
            buf_printf(b, " AND (%s)", l->filter);
    } else {
        buf_printf(b, " FROM (SELECT * FROM %s%s) i CROSS JOIN w", l->from,
                   l->ordered ? " ORDER BY i.contact_id DESC, i.occurred_at DESC" : "");
        if (l->filter != NULL)
            buf_printf(b, " WHERE %s", l->filter);
    }
    buf_printf(b, " GROUP BY i.contact_id%s) k%zu ON k%zu.contact_id = c.id\n",
               l->ordered ? " ORDER BY i.contact_id DESC" : "", k, k);
}

static void add_laterals(struct buf *b, struct rule_gen *g)
{
    for (size_t i = 0; i < g->n_laterals; i++) {
        const struct rule_lateral *l = &g->laterals[i];

        if (l->grouped) {
            add_grouped(b, g, l, i + 1);
            continue;
        }
        buf_str(b, "  LEFT JOIN LATERAL (SELECT ");
        for (size_t j = 0; j < l->n; j++)
            buf_printf(b, "%s%s AS v%zu", j == 0 ? "" : ", ", l->columns[j], j + 1);
        if (l->ordered)
            buf_printf(b, " FROM (SELECT * FROM %s ORDER BY i.occurred_at DESC) i) k%zu ON true\n",
                       l->from, i + 1);
        else
            buf_printf(b, " FROM %s) k%zu ON true\n", l->from, i + 1);
    }
}

/* --- some and page --- */

/* The contact's day, and the yearly days that hang on it, come after all that they are made of. */
static void add_days(struct buf *b, struct rule_gen *g, const char *day)
{
    if (day != NULL)
        buf_printf(b, "  CROSS JOIN LATERAL %s\n", day);
    for (size_t i = 0; i < g->n_years; i++)
        buf_printf(b, "  CROSS JOIN LATERAL %s a%zu\n", g->years[i], i + 1);
}

static size_t columns_of(const struct rule_gen *g)
{
    size_t n = g->n_once + 3 * g->n_years + g->truths.n + g->flips.n + g->n_ranks;

    for (int i = 0; i <= RULE_HEIGHT_MAX; i++)
        n += g->nexts[i].n;

    for (size_t i = 0; i < g->n_laterals; i++)
        n += g->laterals[i].n;
    return n;
}

static void add_item(struct buf *b, const struct rule_item *item)
{
    if (item->always) {
        buf_str(b, item->sql);
        return;
    }
    for (size_t i = 0; i < item->n_guards; i++)
        buf_printf(b, "%s%s", i == 0 ? "CASE WHEN " : " OR ", item->guards[i]);
    buf_printf(b, " THEN %s END", item->sql);
}

static void add_list(struct buf *b, const struct rule_list *list, const char *name,
                     const char *column)
{
    if (list->n == 0)
        return;
    for (size_t i = 0; i < list->n; i++) {
        buf_str(b, i == 0 ? "  CROSS JOIN LATERAL (SELECT " : ",\n    ");
        add_item(b, &list->items[i]);
        buf_printf(b, " AS %s%zu", column, i + 1);
    }
    buf_printf(b, " OFFSET 0) %s\n", name);
}

/* "N LENGTH" each: the lengths, or the numbers, as an array. */
static void add_asked(struct buf *b, const struct rule_ranks *r, bool lengths)
{
    for (size_t i = 0; i < r->n; i++) {
        int digits = (int)strcspn(r->asked[i], " ");

        if (lengths)
            buf_printf(b, "%s%s", i == 0 ? "'{" : ",", r->asked[i] + digits + 1);
        else
            buf_printf(b, "%s%.*s", i == 0 ? "'{" : ",", digits, r->asked[i]);
    }
    buf_str(b, lengths ? "}'::interval[]" : "}'::int[]");
}

static void add_ranks(struct buf *b, struct rule_gen *g)
{
    for (size_t i = 0; i < g->n_ranks; i++) {
        const struct rule_ranks *r = &g->ranks[i];

        buf_printf(b, "%sCASE WHEN %s IS NOT NULL THEN rank_flips(%s, ",
                   i == 0 ? "  CROSS JOIN LATERAL (SELECT " : ",\n    ", r->future, r->instants);
        add_asked(b, r, false);
        buf_str(b, ", ");
        add_asked(b, r, true);
        buf_printf(b, ", %s, w.now) END AS x%zu", gen_zone(g), i + 1);
    }
    if (g->n_ranks > 0)
        buf_str(b, " OFFSET 0) f\n");
}

/* What is computed of all that is before, each level of the one below it. */
static void add_changes(struct buf *b, struct rule_gen *g)
{
    char name[16];

    add_ranks(b, g);
    add_list(b, &g->truths, "q", "t");
    add_list(b, &g->flips, "e", "x");
    for (int i = 0; i <= RULE_HEIGHT_MAX; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        add_list(b, &g->nexts[i], name, "x");
    }
}

static void forget_lists(struct rule_gen *g)
{
    g->n_once = g->n_laterals = g->n_changes = g->n_years = 0;
    g->truths.n = g->flips.n = g->n_leaves = g->n_ranks = 0;
    for (int i = 0; i <= RULE_HEIGHT_MAX; i++)
        g->nexts[i].n = 0;
    g->uses_day = false;
}

/* The statement for roots[0..n) as far as they fit; returns how many did (at least one). `contacts`
 * is the FROM item of the contacts, `rest` what follows the joins. Parameters go to g, whose other
 * lists are begun anew. */
static size_t add_block(struct buf *b, struct rule_gen *g, const struct rule_root *roots, size_t n,
                        const char *contacts, const char *rest)
{
    struct buf holds, nexts;
    const char *day = NULL;
    size_t i;

    forget_lists(g);
    buf_init(&holds, g, RULE_SQL_MAX);
    buf_init(&nexts, g, RULE_SQL_MAX);
    for (i = 0; i < n && (i == 0 || columns_of(g) < COLUMNS_MAX); i++) {
        buf_printf(&holds, "%s\n    CASE WHEN %s THEN %s END", i == 0 ? "" : ",",
                   root_sql(g, roots[i].rule), gen_param_int(g, "bigint", roots[i].tag));
        if (g->next != NULL)
            buf_printf(&nexts, "%s%s", nexts.len == 0 ? "nullif(LEAST(" : ",\n    ", g->next);
    }
    if (g->uses_day)
        day = day_lateral(g);
    add_once(b, g);
    buf_printf(b,
               "SELECT c.id AS contact_id, array_remove(ARRAY[%s]::bigint[], NULL) AS holds,\n  ",
               holds.data);
    buf_add(b, nexts.data, nexts.len);
    buf_printf(b, "%s AS changes_at\n  FROM %s CROSS JOIN w\n",
               nexts.len == 0 ? "NULL::timestamptz" : "), 'infinity')", contacts);
    add_laterals(b, g);
    add_days(b, g, day);
    add_changes(b, g);
    buf_str(b, rest);
    return i;
}

/* One block is the statement; several are joined by contact. */
static struct rule_sql *compile_roots(const void *ctx, struct rule_gen *g,
                                      const struct rule_root *roots, size_t n, const char *contacts,
                                      const char *rest)
{
    struct buf block, text;
    size_t n_blocks = 0, done = 0;

    if (n > RULE_ROOTS_MAX)
        bug("%zu rules in one statement", n);
    g->with_changes = true;
    buf_init(&text, g, RULE_SQL_MAX);
    buf_init(&block, g, RULE_SQL_MAX);
    do {
        buf_reset(&block);
        done += add_block(&block, g, roots + done, n - done, contacts, rest);
        n_blocks++;
        if (n_blocks == 1 && done == n) {
            buf_add(&text, block.data, block.len);
            break;
        }
        buf_printf(&text,
                   n_blocks == 1 ? "FROM (%s) p%zu\n" : "JOIN (%s) p%zu USING (contact_id)\n",
                   block.data, n_blocks);
    } while (done < n);
    if (n_blocks > 1) {
        struct buf head;

        buf_init(&head, g, RULE_SQL_MAX);
        buf_str(&head, "SELECT contact_id, p1.holds");
        for (size_t i = 2; i <= n_blocks; i++)
            buf_printf(&head, " || p%zu.holds", i);
        buf_str(&head, " AS holds, LEAST(p1.changes_at");
        for (size_t i = 2; i <= n_blocks; i++)
            buf_printf(&head, ", p%zu.changes_at", i);
        buf_printf(&head, ") AS changes_at\n%s ORDER BY contact_id", text.data);
        return gen_finish(ctx, g, &head);
    }
    return gen_finish(ctx, g, &text);
}

struct rule_sql *rule_compile_some(const void *ctx, const struct rule_root *roots, size_t n,
                                   const struct catalogue *cat)
{
    return compile_roots(ctx, gen_new(ctx, cat, "$2::timestamptz", 3), roots, n, "contact c",
                         " WHERE c.id = ANY($1::bigint[])");
}

struct rule_sql *rule_compile_page(const void *ctx, const struct rule_root *roots, size_t n,
                                   const struct catalogue *cat)
{
    return compile_roots(
        ctx, gen_new(ctx, cat, "$2::timestamptz", 4), roots, n,
        "(SELECT * FROM contact p WHERE p.id > $1::bigint ORDER BY p.id LIMIT $3::int) c",
        " ORDER BY c.id");
}

struct rule_sql *rule_compile_range(const void *ctx, const struct rule_root *roots, size_t n,
                                    const struct catalogue *cat)
{
    struct rule_gen *g = gen_new(ctx, cat, "$2::timestamptz", 4);

    g->ranged = "i.contact_id > $1::bigint AND i.contact_id <= $3::bigint";
    return compile_roots(ctx, g, roots, n, "contact c",
                         " WHERE c.id > $1::bigint AND c.id <= $3::bigint");
}

/* --- within a sub-select --- */

struct rule_gen *gen_within(struct rule_gen *g)
{
    struct rule_gen *inner = mem_new(g->ctx, struct rule_gen);

    inner->ctx = g->ctx;
    inner->cat = g->cat;
    inner->now = g->now;
    inner->first_param = g->first_param;
    inner->with_changes = g->with_changes;
    inner->params = g->params;
    inner->n_params = g->n_params;
    inner->cap_params = g->cap_params;
    inner->once = g->once;
    inner->n_once = g->n_once;
    inner->cap_once = g->cap_once;
    return inner;
}

void gen_within_done(struct rule_gen *g, const struct rule_gen *inner)
{
    g->params = inner->params;
    g->n_params = inner->n_params;
    g->cap_params = inner->cap_params;
    g->once = inner->once;
    g->n_once = inner->n_once;
    g->cap_once = inner->cap_once;
}

const char *gen_joins(struct rule_gen *g)
{
    const char *day = g->uses_day ? day_lateral(g) : NULL;
    struct buf b;

    buf_init(&b, g->ctx, RULE_SQL_MAX);
    add_laterals(&b, g);
    add_days(&b, g, day);
    add_changes(&b, g);
    return buf_take(&b, g->ctx);
}

/* --- search and where --- */

/* search_in() - ids of the contacts for whom the rule holds; `which` is a condition before the
 * rule's own, `rest` follows it. */
static struct rule_sql *search_in(const void *ctx, struct rule_gen *g, const struct rule *rule,
                                  const char *which, const char *rest)
{
    const char *condition, *day;
    struct rule_sql *sql;
    bool grouped = false;
    struct buf b;

    g->search = true;
    condition = root_sql(g, rule);
    day = g->uses_day ? day_lateral(g) : NULL;
    buf_init(&b, g, RULE_SQL_MAX);
    add_once(&b, g);
    buf_str(&b, "SELECT c.id AS contact_id\n  FROM contact c CROSS JOIN w\n");
    add_laterals(&b, g);
    add_days(&b, g, day);
    buf_printf(&b, " WHERE %s%s%s", which, condition, rest);
    for (size_t i = 0; i < g->n_laterals; i++)
        grouped = grouped || g->laterals[i].grouped;
    sql = gen_finish(ctx, g, &b);
    sql->grouped = grouped;
    return sql;
}

/* search() - of those that `which` names, the first in order of their ids. */
static struct rule_sql *search(const void *ctx, const struct rule *rule,
                               const struct catalogue *cat, int first_param, const char *which)
{
    struct rule_gen *g = gen_new(ctx, cat, "$2::timestamptz", first_param);

    return search_in(ctx, g, rule, which, "\n ORDER BY c.id LIMIT $3::int");
}

struct rule_sql *rule_compile_search(const void *ctx, const struct rule *rule,
                                     const struct catalogue *cat)
{
    return search(ctx, rule, cat, 4, "c.id > $1::bigint AND ");
}

struct rule_sql *rule_compile_span(const void *ctx, const struct rule *rule,
                                   const struct catalogue *cat)
{
    return search(ctx, rule, cat, 5, "c.id > $1::bigint AND c.id <= $4::bigint AND ");
}

struct rule_sql *rule_compile_among(const void *ctx, const struct rule *rule,
                                    const struct catalogue *cat)
{
    return search(ctx, rule, cat, 4, "c.id = ANY($1::bigint[]) AND ");
}

struct rule_sql *rule_compile_all(const void *ctx, const struct rule *rule,
                                  const struct catalogue *cat, enum rule_form form)
{
    struct rule_gen *g = gen_new(ctx, cat, "$1::timestamptz", 2);

    g->whole = form == RULE_FORM_WHOLE;
    return search_in(ctx, g, rule, "", "");
}

struct rule_sql *rule_compile_sample(const void *ctx, const struct rule *rule,
                                     const struct catalogue *cat, enum rule_form form)
{
    struct rule_sql *sql = rule_compile_all(ctx, rule, cat, form);

    sql->text = mem_printf(
        sql,
        "WITH found AS MATERIALIZED (%s)\n"
        "SELECT (SELECT count(*) FROM found) AS n, coalesce((SELECT json_agg(x) FROM (\n"
        "  SELECT c.id, c.email, c.first_name, c.last_name, c.company_name\n"
        "    FROM (SELECT contact_id FROM found ORDER BY contact_id LIMIT 10) f\n"
        "    JOIN contact c ON c.id = f.contact_id ORDER BY c.id) x), '[]')::text AS sample",
        sql->text);
    return sql;
}

const char *rule_cost_text(const void *ctx, const struct rule_sql *sql)
{
    return mem_printf(ctx, "EXPLAIN (FORMAT JSON) %s", sql->text);
}

double rule_cost(const char *said)
{
    json_t *plans = json_loads(said, 0, NULL);
    json_t *plan = json_object_get(json_array_get(plans, 0), "Plan");
    double cost = json_number_value(json_object_get(plan, "Total Cost"));

    json_decref(plans);
    return cost;
}

struct rule_sql *rule_compile_where(const void *ctx, const struct rule *rule,
                                    const struct catalogue *cat)
{
    struct rule_gen *g = gen_new(ctx, cat, "$3::timestamptz", 4);
    const char *condition = root_sql(g, rule);
    struct buf b;

    buf_init(&b, g, RULE_SQL_MAX);
    add_once(&b, g);
    buf_printf(&b,
               "SELECT i.contact_id, i.id AS interaction_id\n"
               "  FROM unnest($1::bigint[], $2::bigint[]) AS u(contact_id, id)\n"
               "  JOIN interaction i ON i.contact_id = u.contact_id AND i.id = u.id CROSS JOIN w\n"
               " WHERE %s",
               condition);
    return gen_finish(ctx, g, &b);
}

/* --- values --- */

/* The field or aggregate that a condition is about; NULL where it is about none. */
static const struct rule_node *value_node(const struct rule_node *node)
{
    for (size_t i = 0; i < node->n_child; i++)
        if (node->child[i]->type == RULE_NODE_FIELD || node->child[i]->type == RULE_NODE_AGGREGATE)
            return node->child[i];
    return NULL;
}

/* As JSON has it: numbers as numbers, money as decimal text, instants as RFC 3339. */
static const char *value_json_sql(struct rule_gen *g, const struct rule *rule)
{
    const struct rule_node *node = value_node(rule->root);
    const char *sql;

    if (!rule->checked)
        bug("a rule is compiled unchecked");
    if (rule->root->type == RULE_NODE_RELATED)
        return related_value_sql(g, rule->root);
    if (node == NULL)
        return "NULL::jsonb";
    sql = value_sql(g, node);
    if (node->value_type == RULE_TYPE_MONEY || node->value_type == RULE_TYPE_MEAN)
        return gen_printf(g, "to_jsonb(round((%s)::numeric / %s, %d)::text)", sql, money_unit(g),
                          g->cat->currency_digits);
    return gen_printf(g, "to_jsonb(%s)", sql);
}

struct rule_sql *rule_compile_values(const void *ctx, const struct rule *const *rules, size_t n,
                                     const struct catalogue *cat)
{
    struct rule_gen *g = gen_new(ctx, cat, "$2::timestamptz", 3);
    struct buf values, b;
    const char *day;

    if (n > RULE_ROOTS_MAX)
        bug("%zu rules in one statement", n);
    buf_init(&values, g, RULE_SQL_MAX);
    for (size_t i = 0; i < n; i++)
        buf_printf(&values, "%s%s", i == 0 ? "" : ", ", value_json_sql(g, rules[i]));
    day = g->uses_day ? day_lateral(g) : NULL;
    buf_init(&b, g, RULE_SQL_MAX);
    add_once(&b, g);
    buf_printf(&b, "SELECT jsonb_build_array(%s)::text AS found\n  FROM contact c CROSS JOIN w\n",
               values.data);
    add_laterals(&b, g);
    if (day != NULL)
        buf_printf(&b, "  CROSS JOIN LATERAL %s\n", day);
    buf_str(&b, " WHERE c.id = $1::bigint");
    return gen_finish(ctx, g, &b);
}
