/* fuzz_csv.c - any bytes as CSV: read whole and cut after each byte, they give the same records,
 * which begin on ascending lines. */
#include "common/csv.h"
#include "common/mem.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

struct seen {
    struct buf text;
    int64_t line;
};

static void on_record(void *arg, const struct csv_record *r)
{
    struct seen *seen = arg;

    if (r->line <= seen->line)
        bug("a record begins on line %d after one on line %d", (int)r->line, (int)seen->line);
    seen->line = r->line;
    if (r->error != NULL)
        buf_printf(&seen->text, "%d:%d %s", (int)r->line, r->column, r->error);
    for (size_t i = 0; i < r->n; i++)
        buf_printf(&seen->text, "|%s", r->fields[i]);
    buf_char(&seen->text, '\n');
}

static char *read_cut(const void *ctx, const char *text, size_t n, size_t piece)
{
    struct seen seen = {0};
    struct csv *csv = csv_new(ctx, ',', on_record, &seen);

    buf_init(&seen.text, ctx, (size_t)64 << 20);
    for (size_t at = 0; at < n; at += piece)
        csv_feed(csv, text + at, n - at < piece ? n - at : piece);
    csv_end(csv);
    return buf_take(&seen.text, ctx);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    const char *text = (const char *)bytes;

    if (strcmp(read_cut(ctx, text, n, n + 1), read_cut(ctx, text, n, 1)) != 0)
        bug("the cuts matter");
    csv_guess_delimiter(text, n);
    return 0;
}
