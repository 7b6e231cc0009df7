/* import_file.c - see import_file.h.
 *
 *     import_piece ─► bytes ─► UTF-8 ─► CSV ─► a queue of records */
#include "daemon/import/import_file.h"

#include "common/csv.h"
#include "common/mem.h"
#include "daemon/import/import_decode.h"

#include <sodium.h>
#include <string.h>

#define TEXT_MAX ((size_t)2 << 20)
#define SLICE    ((size_t)16 << 10) /* text that becomes records at once: they take far more room */

/* --- bytes --------------------------------------------------------------------------------------
 */

struct bytes {
    struct pgpool *pool;
    int64_t org_id, import_id, at;
    void (*piece)(void *arg, const char *bytes, size_t n);
    void (*end)(void *arg, bool ok);
    void *arg;
};

/* bytea as text, \x and hexadecimal digits, in bytes; child of ctx. */
static char *unhex(const void *ctx, const char *text, size_t *ret_n)
{
    size_t n = strlen(text) / 2;
    char *bytes = mem_array(ctx, char, n + 1);

    if (strncmp(text, "\\x", 2) != 0 || sodium_hex2bin((unsigned char *)bytes, n, text + 2,
                                                       strlen(text) - 2, NULL, ret_n, NULL) != 0)
        bug("bytea is not in hexadecimal");
    return bytes;
}

static void bytes_next(struct bytes *b);

static void bytes_on_piece(void *arg, const struct pgres *res)
{
    struct bytes *b = arg;
    char *bytes;
    size_t n;

    if (!pgres_ok(res) || pgres_rows(res) == 0) {
        b->end(b->arg, pgres_ok(res));
        return;
    }
    bytes = unhex(NULL, pgres_text(res, 0, "bytes"), &n);
    b->at += (int64_t)n;
    b->piece(b->arg, bytes, n);
    talloc_free(bytes);
    bytes_next(b);
}

static void bytes_ask(struct bytes *b, pgres_fn *fn)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct pgargs args;

    pgargs_init(&args, scratch);
    pgargs_int(&args, b->import_id);
    pgargs_int(&args, b->at);
    pgargs_int(&args, 1);
    pgpool_query(b->pool, b->org_id, Q_IMPORT_PIECES, &args, fn, b);
}

static void bytes_next(struct bytes *b)
{
    bytes_ask(b, bytes_on_piece);
}

static struct bytes *bytes_new(const void *ctx, struct pgpool *pool, int64_t org_id,
                               int64_t import_id, void *arg)
{
    struct bytes *b = mem_new(ctx, struct bytes);

    b->pool = pool;
    b->org_id = org_id;
    b->import_id = import_id;
    b->arg = arg;
    return b;
}

void import_bytes_read(const void *ctx, struct pgpool *pool, int64_t org_id, int64_t import_id,
                       void (*piece)(void *arg, const char *bytes, size_t n),
                       void (*end)(void *arg, bool ok), void *arg)
{
    struct bytes *b = bytes_new(ctx, pool, org_id, import_id, arg);

    b->piece = piece;
    b->end = end;
    bytes_next(b);
}

/* --- records ------------------------------------------------------------------------------------
 */

struct import_file {
    struct bytes *bytes;
    struct import_decode *decode;
    struct csv *csv;
    struct buf text;            /* of one piece */
    size_t fed;                 /* so much of it became records */
    struct import_line **lines; /* from `first` on those that wait */
    size_t first, n, cap;
    int64_t number; /* of the next record */
    bool over;
    import_file_fn *fn;
    void *arg;
};

static void file_on_record(void *arg, const struct csv_record *r)
{
    struct import_file *f = arg;
    struct import_line *line = mem_new(f, struct import_line);

    line->number = f->number++;
    line->line = r->line;
    line->bytes = r->raw_n;
    line->n = r->error != NULL ? 1 : r->n;
    line->fields = mem_array(line, const char *, line->n);
    if (r->error != NULL) {
        line->error = mem_printf(line, "column %d: %s", r->column, r->error);
        line->fields[0] = mem_strndup(line, r->raw, r->raw_n);
    }
    for (size_t i = 0; r->error == NULL && i < r->n; i++)
        line->fields[i] = mem_strdup(line, r->fields[i]);
    mem_grow(f, &f->lines, &f->cap, f->n + 1);
    f->lines[f->n++] = line;
}

struct import_file *import_file_new(const void *ctx, struct pgpool *pool, int64_t org_id,
                                    int64_t import_id, const char *encoding, char delimiter)
{
    struct import_file *f = mem_new(ctx, struct import_file);

    f->bytes = bytes_new(f, pool, org_id, import_id, f);
    f->decode = import_decode_new(f, encoding);
    f->csv = csv_new(f, delimiter, file_on_record, f);
    buf_init(&f->text, f, TEXT_MAX);
    return f;
}

/* Text becomes records until one waits, or there is no more. What is over is over once: the
 * converter may still hold a character's half. */
static void file_feed(struct import_file *f)
{
    while (f->n == f->first && f->fed < f->text.len) {
        size_t n = f->text.len - f->fed < SLICE ? f->text.len - f->fed : SLICE;

        csv_feed(f->csv, f->text.data + f->fed, n);
        f->fed += n;
        if (f->over && f->fed == f->text.len)
            csv_end(f->csv);
    }
}

static void file_take_bytes(struct import_file *f, const char *bytes, size_t n, bool last)
{
    buf_reset(&f->text);
    f->fed = 0;
    import_decode_add(f->decode, bytes, n, last, &f->text);
    if (buf_full(&f->text))
        bug("a piece is longer than it may be");
    f->over = last;
    if (last && f->text.len == 0)
        csv_end(f->csv);
    file_feed(f);
}

static void file_ask(struct import_file *f);

static void file_on_piece(void *arg, const struct pgres *res)
{
    struct bytes *b = arg;
    struct import_file *f = b->arg;
    char *bytes;
    size_t n;

    if (!pgres_ok(res)) {
        f->fn(f->arg, false);
        return;
    }
    if (pgres_rows(res) == 0) {
        file_take_bytes(f, "", 0, true);
    } else {
        bytes = unhex(NULL, pgres_text(res, 0, "bytes"), &n);
        b->at += (int64_t)n;
        file_take_bytes(f, bytes, n, false);
        talloc_free(bytes);
    }
    if (f->n == f->first && !f->over)
        file_ask(f);
    else
        f->fn(f->arg, true);
}

static void file_ask(struct import_file *f)
{
    bytes_ask(f->bytes, file_on_piece);
}

void import_file_read(struct import_file *f, import_file_fn *fn, void *arg)
{
    if (f->over)
        bug("the file is over");
    f->fn = fn;
    f->arg = arg;
    file_ask(f);
}

bool import_file_over(const struct import_file *f)
{
    return f->over;
}

struct import_line *import_file_take(struct import_file *f, const void *ctx)
{
    struct import_line *line;

    file_feed(f);
    line = f->first < f->n ? f->lines[f->first++] : NULL;
    if (f->first == f->n)
        f->first = f->n = 0;
    return line == NULL ? NULL : talloc_steal(ctx, line);
}
