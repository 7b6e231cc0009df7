/* import_relate.c - see import_relate.h.
 *
 *     read ─► who is meant ─► judge ─► write ─► the next ones
 *
 * A dry run asks what is there instead of writing, as it would be after its merges, and rolls back;
 * what it found is counted in a transaction of its own. */
#include "daemon/import/import_relate.h"

#include "common/address.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"
#include "daemon/import/import_file.h"
#include "daemon/import/import_keys.h"
#include "daemon/import/import_names.h"
#include "daemon/import/import_overlay.h"
#include "daemon/import/import_row.h"
#include "daemon/import/import_table.h"
#include "daemon/import/import_value.h"

#include <inttypes.h>
#include <string.h>

#define NOBODY INT64_MAX

/* One relation that a row says. Names are found in the order in which they were asked for: the
 * row's own, then the other's external id and e-mail address. */
struct wish {
    const struct import_line *line;
    struct import_relation said;
    const struct catalogue_relation *kind; /* NULL: it is gone */
    int64_t own, by_external, by_email, by_name;
    int n_named;   /* companies and households of the name: 0, 1, or more */
    bool refused;  /* its row was */
    int64_t other; /* 0: to be made; NOBODY: none. Below 0 are those whom a dry run would make. */
};

/* What is asked, and for which wish. */
struct asked {
    size_t wish;
    int which; /* 0 the row's own, 1 the other's external id, 2 its e-mail address */
};

struct import_relate {
    struct import_file *file;
    struct import_keys *keys;
    size_t n_lines, bytes;
    struct wish *wishes; /* of the block, whose child all of it is */
    size_t n, cap;
    struct asked *asked;
    size_t n_asked, cap_asked;
    const char **names; /* sort and value of each */
    size_t cap_names;
    size_t *written; /* wishes that were sent, in their order */
    size_t n_written;
};

static void reading_go_on(struct import_job *j);

/* --- what rows say ------------------------------------------------------------------------------
 */

static void ask(struct import_job *j, int which, const char *sort, const char *value)
{
    struct import_relate *r = j->relate;

    mem_grow(j->b.ctx, &r->asked, &r->cap_asked, r->n_asked + 1);
    mem_grow(j->b.ctx, &r->names, &r->cap_names, 2 * (r->n_asked + 1));
    r->names[2 * r->n_asked] = sort;
    r->names[2 * r->n_asked + 1] = value;
    r->asked[r->n_asked++] = (struct asked){.wish = r->n - 1, .which = which};
}

static const struct catalogue_relation *kind_of(const void *ctx, const struct catalogue *c,
                                                const char *name)
{
    for (size_t i = 0; i < c->n_relations; i++)
        if (c->relations[i].inverse_id != 0 &&
            strcmp(import_fold(ctx, c->relations[i].name), import_fold(ctx, name)) == 0)
            return mem_must(talloc_memdup(ctx, &c->relations[i], sizeof(c->relations[i])));
    return NULL;
}

static void wish_add(struct import_job *j, const struct import_line *line,
                     const struct record_contact *own, const struct import_relation *said,
                     const struct catalogue *catalogue)
{
    struct import_relate *r = j->relate;
    const char *why, *email;

    mem_grow(j->b.ctx, &r->wishes, &r->cap, r->n + 1);
    r->wishes[r->n++] = (struct wish){.line = line,
                                      .said = *said,
                                      .kind = kind_of(j->b.ctx, catalogue, said->kind),
                                      .own = own->id};
    if (own->id == 0 && own->same_value != NULL)
        ask(j, 0, own->same_sort, own->same_value);
    else if (own->id == 0)
        ask(j, 0, own->external_id != NULL ? "external_id" : "email",
            own->external_id != NULL ? own->external_id : own->email);
    ask(j, 1, "external_id", said->other);
    email =
        strchr(said->other, '@') == NULL ? NULL : address_normalise(j->b.ctx, said->other, &why);
    if (email != NULL)
        ask(j, 2, "email", email);
}

static void row_take(struct import_job *j, struct import_line *line,
                     const struct catalogue *catalogue)
{
    const struct import_settings *s = &j->settings;
    struct import_relation *relations;
    struct import_row row;
    struct record_item item;
    struct diag d;
    size_t n;

    if (line->number == 0 || line->error != NULL ||
        import_row_read(line, s, catalogue, line->fields, line->n, &row) != IMPORT_ROW_item)
        return;
    json_keep(line, row.item);
    diag_init(&d, line);
    if (!import_keys_row(j->relate->keys, line->fields, row.item, &row.why) ||
        !import_item_parse(line, s, row.item, catalogue, &item, &d))
        return;
    if (j->names != NULL)
        import_names_apply(j->names, &item.contact);
    n = import_row_relations(line, s, line->fields, &relations);
    for (size_t i = 0; i < n; i++)
        wish_add(j, line, &item.contact, &relations[i], catalogue);
}

/* --- the end of a block -------------------------------------------------------------------------
 */

static void on_ended(void *arg, bool committed, const struct pgres *error)
{
    struct import_job *j = arg;

    if (error != NULL)
        import_job_trouble(j, error, j->dry ? "checking" : "running");
    else if (j->dry && !committed)
        import_block_plain(j);
    else
        import_block_close(j, committed);
}

static void on_written(void *arg, const struct pgres *res)
{
    struct import_job *j = arg;

    if (!pgres_ok(res))
        return;
    j->b.counts.related = pgres_int(res, 0, "related");
    j->b.counts.created = pgres_int(res, 0, "made");
    import_block_step(j);
}

/* What there would be, after what is there. */
static void on_related(void *arg, const struct pgres *res)
{
    struct import_job *j = arg;
    struct import_relate *r = j->relate;

    if (!pgres_ok(res))
        return;
    for (int row = 0; row < pgres_rows(res); row++)
        r->wishes[r->written[pgres_int(res, row, "ord")]].refused = true;
    for (size_t i = 0; i < r->n_written; i++) {
        struct wish *w = &r->wishes[r->written[i]];

        if (w->refused)
            continue;
        if (w->other == 0)
            w->other = import_overlay_company_of(j->overlay, w->said.other);
        if (w->other == 0) {
            w->other = import_overlay_make(j->overlay, w->said.other);
            j->b.counts.created++;
        }
        j->b.counts.related +=
            import_overlay_relate(j->overlay, w->own, w->kind->id, w->kind->inverse_id, w->other);
    }
    pgtx_rollback(j->tx);
}

/* --- judging ------------------------------------------------------------------------------------
 */

static void wish_refuse(struct import_job *j, struct wish *w, const char *why)
{
    struct block *b = &j->b;

    w->other = NOBODY;
    if (b->n_refusals > 0 && b->refusals[b->n_refusals - 1].line == w->line)
        return;
    import_block_tell(j, w->line, w->said.heading,
                      mem_printf(b->ctx, "the row was recorded, its relation was not: %s", why));
    b->counts.unrelated++;
}

/* Who has the name by the database and by this file. */
static int64_t by_name(struct import_job *j, struct wish *w)
{
    int64_t file;

    if (!j->dry)
        return w->n_named == 1 ? w->by_name : 0;
    file = import_overlay_company_of(j->overlay, w->said.other);
    if (w->n_named == 1 && w->by_name != file && import_overlay_renamed(j->overlay, w->by_name))
        w->n_named = 0;
    if (file == INT64_MIN || (file != 0 && w->n_named == 1 && w->by_name != file))
        w->n_named = 2;
    else if (file != 0 && w->n_named == 0) {
        w->by_name = file;
        w->n_named = 1;
    }
    return w->n_named == 1 ? w->by_name : 0;
}

static void wish_judge(struct import_job *j, struct wish *w)
{
    int64_t named = by_name(j, w);

    w->other = w->by_external != 0 ? w->by_external : w->by_email != 0 ? w->by_email : named;
    if (w->refused || w->own == 0)
        w->other = NOBODY;
    else if (w->kind == NULL)
        wish_refuse(j, w, "no relation has this name any more");
    else if (w->other == w->own)
        wish_refuse(j, w, "nobody is related to themselves");
    else if (w->other == 0 && w->n_named > 1)
        wish_refuse(j, w, "several companies or households have this name");
    else if (w->other == 0 && !j->settings.make_others)
        wish_refuse(j, w,
                    "nobody has this external id or e-mail address, and no company or household "
                    "this name");
}

/* Whether a wish is a household's: the other one is made as such. */
static const char *sort_of(const struct wish *w)
{
    return strcmp(w->kind->name, "member of household") == 0 ? "household" : "company";
}

/* Each relation once, whichever side says it. */
static bool is_first(struct import_table *seen, const struct wish *w)
{
    char there[80], back[80];
    int64_t *place;

    if (w->other == 0)
        return true;
    snprintf(there, sizeof(there), "%" PRId64 " %" PRId64 " %" PRId64, w->own, w->kind->id,
             w->other);
    snprintf(back, sizeof(back), "%" PRId64 " %" PRId64 " %" PRId64, w->other, w->kind->inverse_id,
             w->own);
    place = import_table_at(seen, import_hash(there, NULL));
    if (*place != 0)
        return false;
    *place = 1;
    *import_table_at(seen, import_hash(back, NULL)) = 1;
    return true;
}

static void write_args(struct import_job *j, struct pgargs *args)
{
    struct import_relate *r = j->relate;
    struct import_table seen = {.ctx = j->b.ctx};
    struct pgarray own, kinds, others, names, sorts;

    pgarray_init(&own, j->b.ctx);
    pgarray_init(&kinds, j->b.ctx);
    pgarray_init(&others, j->b.ctx);
    pgarray_init(&names, j->b.ctx);
    pgarray_init(&sorts, j->b.ctx);
    r->written = mem_array(j->b.ctx, size_t, r->n);
    r->n_written = 0;
    for (size_t i = 0; i < r->n; i++) {
        const struct wish *w = &r->wishes[i];

        if (w->other == NOBODY || !is_first(&seen, w))
            continue;
        r->written[r->n_written++] = i;
        pgarray_int(&own, w->own);
        pgarray_int(&kinds, w->kind->id);
        pgarray_int(&others, w->other);
        pgarray_text(&names, w->said.other);
        pgarray_text(&sorts, sort_of(w));
    }
    pgargs_init(args, j->b.ctx);
    pgargs_array(args, &own);
    pgargs_array(args, &kinds);
    pgargs_array(args, &others);
    if (j->dry)
        return;
    pgargs_array(args, &names);
    pgargs_array(args, &sorts);
    pgargs_instant(args, clock_now_us());
}

/* The database compares contacts as they would be after the merges. */
static void merges_send(struct import_job *j)
{
    struct import_relate *r = j->relate;
    int64_t *ids = mem_array(j->b.ctx, int64_t, 2 * r->n);
    struct pgargs args;

    for (size_t i = 0; i < r->n; i++) {
        ids[2 * i] = r->wishes[i].own;
        ids[2 * i + 1] = r->wishes[i].other;
    }
    if (import_overlay_merges(j->overlay, j->b.ctx, ids, 2 * r->n, j->id, &args))
        pgtx_query(j->tx, Q_IMPORT_WOULD_MERGE, &args, NULL, NULL);
}

static void judge(struct import_job *j)
{
    struct import_relate *r = j->relate;
    struct pgargs args;

    for (size_t i = 0; i < r->n; i++)
        wish_judge(j, &r->wishes[i]);
    if (j->dry)
        merges_send(j);
    write_args(j, &args);
    pgtx_query(j->tx, j->dry ? Q_IMPORT_RELATED : Q_IMPORT_RELATE, &args,
               j->dry ? on_related : on_written, j);
}

/* --- who is meant -------------------------------------------------------------------------------
 */

static void on_refused(void *arg, const struct pgres *res)
{
    struct import_job *j = arg;

    if (!pgres_ok(res))
        return;
    for (int row = 0; row < pgres_rows(res); row++)
        j->relate->wishes[pgres_int(res, row, "ord")].refused = true;
    judge(j);
}

static void on_companies(void *arg, const struct pgres *res)
{
    struct import_job *j = arg;

    for (int row = 0; pgres_ok(res) && row < pgres_rows(res); row++) {
        struct wish *w = &j->relate->wishes[pgres_int(res, row, "ord")];

        w->n_named = (int)pgres_int(res, row, "n");
        w->by_name = pgres_int(res, row, "contact_id");
    }
}

static void on_names(void *arg, const struct pgres *res)
{
    struct import_job *j = arg;
    struct import_relate *r = j->relate;
    int64_t *found = mem_array(j->b.ctx, int64_t, r->n_asked);

    if (!pgres_ok(res))
        return;
    for (int row = 0; row < pgres_rows(res); row++)
        found[pgres_int(res, row, "ord")] = pgres_int(res, row, "contact_id");
    for (size_t i = 0; i < r->n_asked; i++) {
        struct wish *w = &r->wishes[r->asked[i].wish];
        int64_t *place = r->asked[i].which == 0   ? &w->own
                         : r->asked[i].which == 1 ? &w->by_external
                                                  : &w->by_email;

        *place = j->dry ? import_overlay_owner(j->overlay, r->names[2 * i], r->names[2 * i + 1],
                                               found[i])
                        : found[i];
    }
}

static void names_send(struct import_job *j)
{
    struct import_relate *r = j->relate;
    struct pgarray sorts, values;
    struct pgargs args;

    pgarray_init(&sorts, j->b.ctx);
    pgarray_init(&values, j->b.ctx);
    for (size_t i = 0; i < r->n_asked; i++) {
        pgarray_text(&sorts, r->names[2 * i]);
        pgarray_text(&values, r->names[2 * i + 1]);
    }
    pgargs_init(&args, j->b.ctx);
    pgargs_int(&args, j->id);
    pgargs_bool(&args, false);
    pgargs_array(&args, &sorts);
    pgargs_array(&args, &values);
    pgargs_bool(&args, false);
    pgtx_query(j->tx, Q_IMPORT_NAMES, &args, on_names, j);
}

static void on_begun(void *arg, struct pgtx *tx)
{
    struct import_job *j = arg;
    struct import_relate *r = j->relate;
    struct pgarray texts, lines;
    struct pgargs args;

    j->tx = tx;
    if (!j->dry)
        pgtx_query_sql(tx, mem_printf(j->b.ctx, "SET LOCAL lazo.import = '%" PRId64 "'", j->id),
                       NULL, NULL, NULL);
    pgarray_init(&texts, j->b.ctx);
    pgarray_init(&lines, j->b.ctx);
    for (size_t i = 0; i < r->n; i++) {
        pgarray_text(&texts, r->wishes[i].said.other);
        pgarray_int(&lines, r->wishes[i].line->line);
    }
    names_send(j);
    pgargs_init(&args, j->b.ctx);
    pgargs_array(&args, &texts);
    pgtx_query(tx, Q_IMPORT_COMPANIES, &args, on_companies, j);
    pgargs_init(&args, j->b.ctx);
    pgargs_int(&args, j->id);
    pgargs_bool(&args, j->dry);
    pgargs_array(&args, &lines);
    pgtx_query(tx, Q_IMPORT_REFUSED, &args, on_refused, j);
}

/* --- the file -----------------------------------------------------------------------------------
 */

static void on_read(void *arg, bool ok)
{
    if (ok)
        reading_go_on(arg);
    else
        import_job_done(arg, false);
}

static bool block_full(const struct import_relate *r)
{
    return r->n_lines >= IMPORT_BLOCK_ROWS || r->bytes >= IMPORT_BLOCK_BYTES;
}

static void on_org(void *arg, const struct org *org)
{
    struct import_job *j = arg;
    struct import_relate *r = j->relate;
    struct import_line *line;

    if (org == NULL) {
        import_job_done(j, false);
        return;
    }
    while (!block_full(r) && (line = import_file_take(r->file, j->b.ctx)) != NULL) {
        row_take(j, line, &org->catalogue);
        r->n_lines++;
        r->bytes += line->bytes;
    }
    if (!block_full(r) && !import_file_over(r->file))
        import_file_read(r->file, on_read, j);
    else if (r->n > 0)
        pgtx_begin(j->env.pool, j->org_id, on_begun, on_ended, j);
    else if (r->n_lines > 0)
        import_relate_next(j);
    else
        import_job_end(j);
}

static void reading_go_on(struct import_job *j)
{
    orgs_get(j->env.orgs, j->org_id, on_org, j);
}

void import_relate_next(struct import_job *j)
{
    struct import_relate *r = j->relate;

    import_block_begin(j);
    r->wishes = NULL;
    r->asked = NULL;
    r->names = NULL;
    r->n_lines = r->bytes = r->n = r->cap = r->n_asked = r->cap_asked = r->cap_names = 0;
    reading_go_on(j);
}

void import_relate(struct import_job *j)
{
    j->relate = mem_new(j, struct import_relate);
    j->relate->keys = import_keys_new(j->relate, &j->settings);
    j->relate->file = import_file_new(j->relate, j->env.pool, j->org_id, j->id,
                                      j->settings.encoding, j->settings.delimiter);
    import_relate_next(j);
}
