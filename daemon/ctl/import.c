/* import.c - `lazoctl import`: a CSV file into contacts or interactions.
 *
 *     file ─► csv ─► header: which column is what ─► rows as JSON ─► batches ─► API ─► what was
 * refused ─► FILE.rejected.csv
 *
 * Running it again changes nothing: an interaction's key is made of its row's identifying columns
 * and of how many such rows the file had before it, so two gifts of one person, day and amount are
 * two, and each is known again. */
#include "common/buf.h"
#include "common/csv.h"
#include "common/mem.h"
#include "common/text.h"
#include "daemon/ctl/client.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/import_map.h"
#include "daemon/ctl/import_row.h"
#include "daemon/ctl/import_send.h"
#include "daemon/ctl/options.h"
#include "daemon/ctl/progress.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <uthash.h>

#define BATCH_ROWS  1000
#define BATCH_BYTES ((size_t)4 << 20) /* of the file; well under limits.body */
#define PIECE       65536
#define REJECT_MAX  ((size_t)1 << 20)

/* Rows with the same identifying columns. */
struct twin {
    char hash[TEXT_SHA256];
    int n;
    UT_hash_handle hh;
};

struct import {
    void *ctx;
    const char *file, *delimiter_said, *key_columns;
    struct option_list said;
    struct import_plan plan;
    struct import_consent consent;
    bool live;
    struct client *client;
    char delimiter;
    bool headed; /* the header was read */
    bool failed; /* nothing more is sent */
    int *keys;   /* numbers of the identifying columns */
    size_t n_keys;
    struct twin *twins;
    struct import_batch batch;
    size_t batch_bytes;
    struct import_counts counts;
    size_t refused, rows;
    FILE *rejected; /* NULL until a row is refused */
};

/* --- keys
 * --------------------------------------------------------------------------------------------------------
 */

/* --key-columns, or all columns. */
static bool keys_choose(struct import *im)
{
    char *rest = im->key_columns == NULL ? NULL : mem_strdup(im->ctx, im->key_columns), *word;

    im->keys = mem_array(im->ctx, int, im->plan.map.n);
    if (rest == NULL) {
        for (; im->n_keys < im->plan.map.n; im->n_keys++)
            im->keys[im->n_keys] = (int)im->n_keys;
        return true;
    }
    while ((word = strsep(&rest, ",")) != NULL) {
        int column = import_map_column(&im->plan.map, text_trim(word));

        if (column < 0 || im->n_keys == im->plan.map.n) {
            fprintf(stderr, "lazoctl import: --key-columns: the file has no column %s\n", word);
            return false;
        }
        im->keys[im->n_keys++] = column;
    }
    return true;
}

/* How many rows like this one came before. */
static int twins_before(struct import *im, const char hash[TEXT_SHA256])
{
    struct twin *t;

    HASH_FIND_STR(im->twins, hash, t);
    if (t == NULL) {
        t = mem_new(im->ctx, struct twin);
        snprintf(t->hash, sizeof(t->hash), "%s", hash);
        HASH_ADD_STR(im->twins, hash, t);
    }
    return t->n++;
}

static void key_make(struct import *im, struct import_row *row)
{
    char hash[TEXT_SHA256], key[TEXT_SHA256 + 16];
    struct buf text;

    if (json_object_get(row->body, "key") != NULL)
        return;
    buf_init(&text, im->batch.ctx, CSV_RECORD_MAX * 2);
    buf_str(&text, im->plan.kind != NULL ? im->plan.kind : "");
    for (size_t i = 0; i < im->n_keys; i++) {
        buf_char(&text, '\x1f');
        buf_str(&text, row->fields[im->keys[i]]);
    }
    text_sha256(text.data, text.len, hash);
    buf_done(&text);
    snprintf(key, sizeof(key), "%.40s-%d", hash, twins_before(im, hash) + 1);
    json_object_set_new(row->body, "key", json_string(key));
}

/* --- what was refused
 * ------------------------------------------------------------------------------------------------
 */

static bool rejected_open(struct import *im)
{
    const char *path = mem_printf(im->ctx, "%s.rejected.csv", im->file);
    struct buf line;

    im->rejected = fopen(path, "we");
    if (im->rejected == NULL) {
        fprintf(stderr, "lazoctl import: %s: %s\n", path, strerror(errno));
        return false;
    }
    buf_init(&line, im->ctx, REJECT_MAX);
    for (size_t i = 0; i < im->plan.map.n; i++) {
        csv_add_field(&line, im->plan.map.headings[i], strlen(im->plan.map.headings[i]),
                      im->delimiter);
        buf_char(&line, im->delimiter);
    }
    fprintf(im->rejected, "%sline%creason\r\n", line.data, im->delimiter);
    buf_done(&line);
    return true;
}

/* The row as it stood, filled up or cut to the header's columns, its line and the reason. */
static void rejected_write(struct import *im, const struct import_row *row)
{
    struct buf line;

    if (im->rejected == NULL && !rejected_open(im)) {
        im->failed = true;
        return;
    }
    buf_init(&line, im->batch.ctx, REJECT_MAX);
    for (size_t i = 0; i < im->plan.map.n; i++) {
        const char *field = row->fields == NULL ? (i == 0 ? row->raw : "")
                            : i < row->n        ? row->fields[i]
                                                : "";

        if (*field != '\0')
            csv_add_field(&line, field, strlen(field), im->delimiter);
        buf_char(&line, im->delimiter);
    }
    buf_printf(&line, "%" PRId64 "%c", row->line, im->delimiter);
    csv_add_field(&line, row->why, strlen(row->why), im->delimiter);
    fprintf(im->rejected, "%s\r\n", line.data);
    buf_done(&line);
}

/* --- batches
 * ------------------------------------------------------------------------------------------------------------
 */

static void batch_begin(struct import *im)
{
    im->batch = (struct import_batch){.ctx = mem_must(talloc_new(im->ctx))};
    im->batch_bytes = 0;
}

static void batch_end(struct import *im)
{
    if (!im->failed && im->plan.interactions)
        im->failed = !import_send_interactions(im->client, &im->batch, im->live, &im->counts);
    else if (!im->failed)
        im->failed = !import_send_contacts(im->client, &im->batch, &im->consent, &im->counts);
    for (size_t i = 0; i < im->batch.n; i++) {
        struct import_row *row = &im->batch.rows[i];

        if (row->why != NULL) {
            im->refused++;
            rejected_write(im, row);
        }
        json_decref(row->body);
    }
    talloc_free(im->batch.ctx);
    batch_begin(im);
}

/* --- records
 * ---------------------------------------------------------------------------------------------------------------
 */

static void header_take(struct import *im, const struct csv_record *r)
{
    im->headed = true;
    if (r->error != NULL)
        fprintf(stderr, "lazoctl import: %s:%" PRId64 ":%d: %s\n", im->file, r->line, r->column,
                r->error);
    im->failed = r->error != NULL ||
                 !import_map_read(im->ctx, r, &im->said, im->plan.interactions, &im->plan.map) ||
                 !keys_choose(im);
    if (!im->failed && im->plan.interactions && im->plan.kind == NULL &&
        import_map_column(&im->plan.map, "kind") < 0) {
        fputs("lazoctl import: no column is the kind of the interactions; say --kind donation, or "
              "--map COLUMN=kind\n",
              stderr);
        im->failed = true;
    }
}

/* A copy that lives as long as the batch. */
static void row_copy(struct import *im, struct import_row *row, const struct csv_record *r)
{
    row->line = r->line;
    row->raw = mem_strndup(im->batch.ctx, r->raw, r->raw_n);
    row->n = r->n;
    if (r->error != NULL) {
        row->why = mem_printf(im->batch.ctx, "column %d: %s", r->column, r->error);
        return;
    }
    row->fields = mem_array(im->batch.ctx, const char *, r->n);
    for (size_t i = 0; i < r->n; i++)
        row->fields[i] = mem_strdup(im->batch.ctx, r->fields[i]);
}

static void row_take(struct import *im, const struct csv_record *r)
{
    struct import_row *row;

    mem_grow(im->batch.ctx, &im->batch.rows, &im->batch.cap, im->batch.n + 1);
    row = &im->batch.rows[im->batch.n++];
    *row = (struct import_row){0};
    row_copy(im, row, r);
    im->rows++;
    im->batch_bytes += r->raw_n;
    if (row->why == NULL)
        row->body = import_row(im->batch.ctx, &im->plan, row->fields, row->n, &row->why);
    if (row->body != NULL && im->plan.interactions)
        key_make(im, row);
    if (im->batch.n == BATCH_ROWS || im->batch_bytes >= BATCH_BYTES)
        batch_end(im);
}

static void on_record(void *arg, const struct csv_record *r)
{
    struct import *im = arg;

    if (im->failed)
        return;
    if (!im->headed)
        header_take(im, r);
    else
        row_take(im, r);
}

/* --- the file
 * -------------------------------------------------------------------------------------------------------------------
 */

/* Looks at the first bytes: UTF-16 is refused in words, the delimiter is guessed. */
static bool head_read(struct import *im, const char *bytes, size_t n)
{
    if (n >= 2 && (memcmp(bytes, "\xFF\xFE", 2) == 0 || memcmp(bytes, "\xFE\xFF", 2) == 0)) {
        fprintf(stderr, "lazoctl import: %s is UTF-16; UTF-8 is wanted: iconv -f UTF-16 -t UTF-8\n",
                im->file);
        return false;
    }
    im->delimiter = csv_guess_delimiter(bytes, n);
    if (im->delimiter_said != NULL)
        im->delimiter = strcmp(im->delimiter_said, "\\t") == 0 ? '\t' : im->delimiter_said[0];
    return true;
}

static bool file_read(struct import *im, FILE *file)
{
    char *piece = mem_array(im->ctx, char, PIECE);
    struct progress progress;
    struct csv *csv = NULL;
    struct stat st;
    int64_t done = 0;
    size_t n;

    progress_start(&progress, im->plan.interactions ? "interactions" : "contacts",
                   fstat(fileno(file), &st) == 0 ? st.st_size : 0);
    while (!im->failed && (n = fread(piece, 1, PIECE, file)) > 0) {
        if (csv == NULL && !head_read(im, piece, n))
            return false;
        if (csv == NULL)
            csv = csv_new(im->ctx, im->delimiter, on_record, im);
        csv_feed(csv, piece, n);
        done += (int64_t)n;
        if (!im->failed)
            progress_at(&progress, done);
    }
    if (csv != NULL)
        csv_end(csv);
    batch_end(im);
    progress_end(&progress);
    if (ferror(file))
        fprintf(stderr, "lazoctl import: %s: %s\n", im->file, strerror(errno));
    else if (!im->headed)
        fprintf(stderr, "lazoctl import: %s is empty\n", im->file);
    return !im->failed && im->headed && !ferror(file);
}

/* The types of custom fields, for the values of attr.NAME. */
static json_t *types_read(struct client *c)
{
    json_t *items = client_list(c, "fields", "/v1/fields?limit=1000"),
           *types = items == NULL ? NULL : mem_must(json_object());
    const json_t *item;
    size_t i;

    json_array_foreach(items, i, item) json_object_set(
        types, json_string_value(json_object_get(item, "name")), json_object_get(item, "type"));
    json_decref(items);
    return types;
}

static void summary(const struct import *im)
{
    if (im->plan.interactions)
        printf("%zu recorded, %zu duplicates, %zu refused\n", im->counts.recorded,
               im->counts.duplicates, im->refused);
    else
        printf("%zu created, %zu updated, %zu consents recorded, %zu refused\n", im->counts.created,
               im->counts.updated, im->counts.consents, im->refused);
    if (im->refused > 0)
        printf("refused lines and their reasons: %s.rejected.csv\n", im->file);
}

static int import_run(struct import *im)
{
    FILE *file = fopen(im->file, "re");
    json_t *types = NULL;
    bool ok = false;

    if (file == NULL)
        fprintf(stderr, "lazoctl import: %s: %s\n", im->file, strerror(errno));
    else
        im->client = client_open(im->ctx, NULL);
    if (im->client != NULL)
        types = types_read(im->client);
    im->plan.types = types;
    if (types != NULL)
        ok = file_read(im, file);
    if (im->rows > 0)
        summary(im);
    if (im->rejected != NULL && fclose(im->rejected) != 0)
        ok = false;
    if (file != NULL)
        fclose(file);
    HASH_CLEAR(hh, im->twins);
    json_decref(types);
    return ok && im->refused == 0 ? CTL_DONE : CTL_FAILED;
}

static bool consent_fits(const struct import *im)
{
    if ((im->consent.topic == NULL) != (im->consent.wording == NULL)) {
        fputs("lazoctl import: --topic and --attestation belong together: what did these people "
              "agree to, and how do you know?\n",
              stderr);
        return false;
    }
    if (im->consent.topic != NULL && im->plan.interactions) {
        fputs("lazoctl import: --topic is for contacts; import them first\n", stderr);
        return false;
    }
    return true;
}

int ctl_import(int argc, char **argv)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct import im = {.ctx = ctx, .plan.source = "import"};
    const struct option_spec specs[] = {
        {.name = "map", .list = &im.said},
        {.name = "kind", .text = &im.plan.kind},
        {.name = "source", .text = &im.plan.source},
        {.name = "key-columns", .text = &im.key_columns},
        {.name = "topic", .text = &im.consent.topic},
        {.name = "attestation", .text = &im.consent.wording},
        {.name = "delimiter", .text = &im.delimiter_said},
        {.name = "live", .flag = &im.live},
        {0},
    };

    if (!options_parse(&argc, argv, specs) || argc != 3)
        return ctl_usage("import");
    im.plan.interactions = strcmp(argv[1], "interactions") == 0;
    if (!im.plan.interactions && strcmp(argv[1], "contacts") != 0)
        return ctl_usage("import");
    if (!consent_fits(&im))
        return CTL_USAGE;
    im.file = argv[2];
    im.consent.source = mem_printf(ctx, "import %s", im.file);
    batch_begin(&im);
    return import_run(&im);
}
