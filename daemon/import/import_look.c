/* import_look.c - see import_look.h. First all bytes, for the encoding; then all records. */
#include "daemon/import/import_look.h"

#include "common/clock.h"
#include "common/csv.h"
#include "common/mem.h"
#include "daemon/import/import_decode.h"
#include "daemon/import/import_file.h"
#include "daemon/import/import_guess.h"

#include <stdlib.h>
#include <string.h>

#define HEAD_MAX ((size_t)64 << 10)

struct look {
    struct pgpool *pool;
    int64_t org_id, import_id;
    const char *time_zone;
    void (*fn)(void *arg, bool ok);
    void *arg;
    struct import_sniff sniff;
    struct buf head; /* the first bytes */
    const char *encoding;
    char delimiter;
    struct import_file *file;
    struct import_guess *guess;
    const char *why; /* it can be no import; or NULL */
};

static void look_done(struct look *l, bool ok)
{
    void (*fn)(void *arg, bool ok) = l->fn;
    void *arg = l->arg;

    talloc_free(l);
    fn(arg, ok);
}

static void look_on_stored(void *arg, const struct pgres *res)
{
    look_done(arg, pgres_ok(res));
}

static void look_store(struct look *l)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    json_t *guess = import_guess_end(l->guess, l->encoding, l->delimiter, l->time_zone);
    struct pgargs args;
    char *text;

    pgargs_init(&args, scratch);
    pgargs_int(&args, l->import_id);
    if (guess == NULL) {
        pgargs_text(&args, "uploading");
        pgargs_text(&args,
                    l->why != NULL ? l->why : "the file is empty, or its first line is no CSV");
        pgargs_instant(&args, clock_now_us());
        pgpool_query(l->pool, l->org_id, Q_IMPORT_FAILED, &args, look_on_stored, l);
        return;
    }
    text = mem_must(json_dumps(guess, JSON_COMPACT));
    pgargs_text(&args, text);
    pgargs_int(&args, json_integer_value(json_object_get(guess, "rows")));
    free(text);
    json_decref(guess);
    pgpool_query(l->pool, l->org_id, Q_IMPORT_GUESSED, &args, look_on_stored, l);
}

static void look_on_records(void *arg, bool ok)
{
    struct look *l = arg;
    struct import_line *line;

    if (!ok) {
        look_done(l, false);
        return;
    }
    while ((line = import_file_take(l->file, l)) != NULL) {
        if (line->number == 0 && line->n > IMPORT_COLUMNS_MAX)
            l->why = mem_printf(l, "there are %zu columns; a file may have %d", line->n,
                                IMPORT_COLUMNS_MAX);
        else if (line->number == 0 && line->error == NULL)
            import_guess_header(l->guess, line->fields, line->n);
        else if (line->number > 0)
            import_guess_row(l->guess, line->fields, line->error == NULL ? line->n : 0);
        talloc_free(line);
    }
    if (import_file_over(l->file))
        look_store(l);
    else
        import_file_read(l->file, look_on_records, l);
}

static void look_on_piece(void *arg, const char *bytes, size_t n)
{
    struct look *l = arg;
    size_t room = HEAD_MAX - l->head.len;

    import_sniff_add(&l->sniff, bytes, n);
    buf_add(&l->head, bytes, n < room ? n : room);
}

static void look_on_bytes(void *arg, bool ok)
{
    struct look *l = arg;
    struct import_decode *decode;
    struct buf text;

    if (!ok) {
        look_done(l, false);
        return;
    }
    l->encoding = import_sniff_end(&l->sniff);
    decode = import_decode_new(l, l->encoding);
    buf_init(&text, l, HEAD_MAX * 4);
    import_decode_add(decode, l->head.data, l->head.len, false, &text);
    l->delimiter = csv_guess_delimiter(text.data, text.len);
    l->guess = import_guess_new(l);
    l->file = import_file_new(l, l->pool, l->org_id, l->import_id, l->encoding, l->delimiter);
    import_file_read(l->file, look_on_records, l);
}

void import_look(const void *ctx, struct pgpool *pool, int64_t org_id, int64_t import_id,
                 const char *time_zone, void (*fn)(void *arg, bool ok), void *arg)
{
    struct look *l = mem_new(ctx, struct look);

    l->pool = pool;
    l->org_id = org_id;
    l->import_id = import_id;
    l->time_zone = mem_strdup(l, time_zone);
    l->fn = fn;
    l->arg = arg;
    buf_init(&l->head, l, HEAD_MAX);
    import_bytes_read(l, pool, org_id, import_id, look_on_piece, look_on_bytes, l);
}
