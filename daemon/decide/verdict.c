/* verdict.c - see verdict.h. */
#include "daemon/decide/verdict.h"

#include "common/mem.h"

#include <stdlib.h>

struct verdict {
    int64_t *ids; /* ascending, those for whom it holds */
    size_t n;
    verdict_fn *fn;
    void *arg;
};

static int id_compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

static void verdict_on_holds(void *arg, const struct pgres *res)
{
    struct verdict *v = arg;
    int rows;

    if (!pgres_ok(res)) {
        v->fn(v->arg, NULL);
        return;
    }
    rows = pgres_rows(res);
    v->ids = mem_array(v, int64_t, rows);
    for (int i = 0; i < rows; i++) {
        size_t n = 0;
        int64_t *holds = pgres_ints(res, i, "holds", v, &n);

        talloc_free(holds);
        if (n > 0)
            v->ids[v->n++] = pgres_int(res, i, "contact_id");
    }
    qsort(v->ids, v->n, sizeof(v->ids[0]), id_compare);
    v->fn(v->arg, v);
}

void verdict_params(struct pgargs *args, const struct rule_sql *sql)
{
    for (size_t i = 0; i < sql->n_params; i++)
        pgargs_text(args, sql->params[i]);
}

void verdict_ask(const void *ctx, struct pgtx *tx, const struct rule *rule,
                 const struct catalogue *catalogue, int64_t now_us, const int64_t *ids, size_t n,
                 verdict_fn *fn, void *arg)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct verdict *v = mem_new(ctx, struct verdict);
    struct rule_root root = {rule, 1};
    struct rule_sql *sql = rule_compile_some(scratch, &root, 1, catalogue);
    int64_t *sorted = mem_array(scratch, int64_t, n);
    struct pgarray array;
    struct pgargs args;

    v->fn = fn;
    v->arg = arg;
    for (size_t i = 0; i < n; i++)
        sorted[i] = ids[i];
    qsort(sorted, n, sizeof(sorted[0]), id_compare);
    pgargs_init(&args, scratch);
    pgarray_init(&array, scratch);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || sorted[i] != sorted[i - 1])
            pgarray_int(&array, sorted[i]);
    pgargs_array(&args, &array);
    pgargs_instant(&args, now_us);
    verdict_params(&args, sql);
    pgtx_query_sql(tx, sql->text, &args, verdict_on_holds, v);
}

bool verdict_holds(const struct verdict *v, int64_t contact_id)
{
    return v->n > 0 && bsearch(&contact_id, v->ids, v->n, sizeof(v->ids[0]), id_compare) != NULL;
}
