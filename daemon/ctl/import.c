/* import.c - `lazoctl import`: a CSV file into contacts or interactions, by the server's imports.
 *
 *     file ─► uploaded ─► guess, shown ─► mapping, confirmed ─► dry run ─► run ─► what was refused
 * ─► FILE.rejected.csv
 *
 * With --yes, or where nobody sits at a terminal, the guess and the words of the command line are
 * the mapping. */
#include "common/mem.h"
#include "common/text.h"
#include "common/yamlj.h"
#include "daemon/ctl/client.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/import_wait.h"
#include "daemon/ctl/options.h"
#include "daemon/ctl/progress.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE       ((size_t)4 << 20)
#define AWAY_TRIES  60
#define MAPPING_MAX ((size_t)1 << 20)

struct import {
    void *ctx;
    struct client *client;
    const char *file, *what;
    const char *kind, *source, *key_columns, *topic, *attestation, *delimiter, *mapping_file;
    struct option_list said;
    bool live, yes, dry_run;
    int64_t id;
    const json_t *guess; /* as the server answered the upload */
    json_t *mapping;     /* what is said; owned */
};

/* --- the file goes up ---------------------------------------------------------------------------
 */

/* A call that is repeated while the database is away. */
static struct answer *call_patiently(struct import *im, const char *path, const char *bytes,
                                     size_t n)
{
    struct answer *a = NULL;

    for (int i = 0; i < AWAY_TRIES; i++) {
        a = client_send(im->ctx, im->client, "POST", path, "text/csv", bytes, n);
        if (a == NULL || a->status != 503)
            return a;
        sleep(1);
    }
    return a;
}

static const char *piece_path(struct import *im, int64_t at, int64_t size)
{
    const char *name = strrchr(im->file, '/');

    name = name == NULL ? im->file : name + 1;
    if (im->id != 0)
        return mem_printf(im->ctx, "/v1/imports/%" PRId64 "/pieces?offset=%" PRId64, im->id, at);
    return mem_printf(im->ctx, "%s&size=%" PRId64,
                      client_path(im->ctx, "/v1/imports?name=%s", mem_strndup(im->ctx, name, 200)),
                      size);
}

static bool file_send(struct import *im, FILE *file, int64_t size)
{
    char *piece = mem_array(im->ctx, char, PIECE);
    struct progress progress;
    const struct answer *a = NULL;
    int64_t at = 0;

    progress_start(&progress, "upload", size);
    do {
        size_t n = fread(piece, 1, PIECE, file);

        a = call_patiently(im, piece_path(im, at, size), piece, n);
        if (a == NULL)
            return false;
        if (!answer_ok(a)) {
            answer_problem(a, stderr, "lazoctl import");
            return false;
        }
        im->id = json_integer_value(json_object_get(a->body, "id"));
        at += (int64_t)n;
        progress_at(&progress, at);
        if (n == 0)
            break;
    } while (at < size);
    progress_end(&progress);
    im->guess = json_object_get(a->body, "guess");
    if (json_is_object(im->guess))
        return true;
    fprintf(stderr, "lazoctl import: %s: %s\n", im->file,
            json_is_string(json_object_get(a->body, "why"))
                ? json_string_value(json_object_get(a->body, "why"))
                : "the file changed while it was read");
    return false;
}

/* --- what is said of it -------------------------------------------------------------------------
 */

static void set_text(json_t *object, const char *name, const char *text)
{
    if (text != NULL)
        json_object_set_new(object, name, mem_must(json_string(text)));
}

/* The heading that a word "COLUMN=FIELD" speaks of; NULL where the file has no such column. */
static const char *heading_of(const struct import *im, const char *word)
{
    const json_t *heading;
    size_t i;

    json_array_foreach(json_object_get(im->guess, "headings"), i, heading)
    {
        const char *name = json_string_value(heading);

        if (strncmp(word, name, strlen(name)) == 0 && word[strlen(name)] == '=')
            return name;
    }
    return NULL;
}

static bool columns_say(struct import *im)
{
    json_t *columns = json_object_get(im->mapping, "columns");
    bool ok = true;

    if (columns == NULL) {
        columns = mem_must(json_object());
        json_object_set_new(im->mapping, "columns", columns);
    }
    for (size_t i = 0; i < im->said.n; i++) {
        const char *word = im->said.items[i], *heading = heading_of(im, word), *field;

        if (heading == NULL) {
            fprintf(stderr, "lazoctl import: --map %s: %s\n", word,
                    strchr(word, '=') == NULL ? "COLUMN=FIELD is wanted"
                                              : "the file has no such column");
            ok = false;
            continue;
        }
        field = word + strlen(heading) + 1;
        json_object_set_new(columns, heading,
                            strcmp(field, "-") == 0 ? json_null() : json_string(field));
    }
    return ok;
}

/* What is not sure is found out from each value. */
static void ambiguous_say(struct import *im)
{
    const json_t *name;
    size_t i;

    json_array_foreach(json_object_get(im->guess, "ambiguous"), i, name)
    {
        json_object_set_new(im->mapping, json_string_value(name), json_null());
        if (strcmp(json_string_value(name), "decimal") == 0)
            json_object_set_new(im->mapping, "thousands", json_null());
    }
}

static bool mapping_read(struct import *im)
{
    char *text;
    struct diag d;
    size_t n;

    if (im->mapping_file == NULL) {
        im->mapping = mem_must(json_object());
        ambiguous_say(im);
        return true;
    }
    diag_init(&d, im->ctx);
    text = text_file_read(im->ctx, im->mapping_file, MAPPING_MAX, &n);
    if (text == NULL) {
        fprintf(stderr, "lazoctl import: %s: %s\n", im->mapping_file, strerror(errno));
        return false;
    }
    im->mapping = yamlj_parse(text, n, &d);
    if (json_is_object(im->mapping))
        return true;
    for (size_t i = 0; i < d.n; i++)
        fprintf(stderr, "%s:%d:%d: %s\n", im->mapping_file, d.items[i].line, d.items[i].column,
                d.items[i].message);
    if (d.n == 0)
        fprintf(stderr, "lazoctl import: %s: an object is expected\n", im->mapping_file);
    return false;
}

/* The words of the command line. */
static void words_say(struct import *im)
{
    char *rest = im->key_columns == NULL ? NULL : mem_strdup(im->ctx, im->key_columns), *word;
    json_t *m = im->mapping, *keys = mem_must(json_array());

    set_text(m, "what", im->what);
    set_text(m, "kind", im->kind);
    set_text(m, "source", im->source);
    set_text(m, "delimiter", im->delimiter);
    if (im->live)
        json_object_set_new(m, "live", json_true());
    while ((word = strsep(&rest, ",")) != NULL)
        json_array_append_new(keys, json_string(text_trim(word)));
    if (json_array_size(keys) > 0)
        json_object_set(m, "key_columns", keys);
    json_decref(keys);
    if (im->topic != NULL)
        json_object_set_new(
            m, "consent",
            mem_must(json_pack("{s:s, s:s}", "topic", im->topic, "attestation", im->attestation)));
}

static bool mapping_send(struct import *im)
{
    const struct answer *a =
        client_call(im->ctx, im->client, "PUT",
                    mem_printf(im->ctx, "/v1/imports/%" PRId64 "/mapping", im->id), im->mapping);
    json_t *error;
    bool unknown = false;
    size_t i;

    if (a != NULL && answer_ok(a)) {
        im->guess = json_object_get(a->body, "guess");
        json_object_update(im->mapping, json_object_get(a->body, "mapping"));
        return true;
    }
    if (a == NULL)
        return false;
    answer_problem(a, stderr, "lazoctl import");
    json_array_foreach(json_object_get(a->body, "errors"), i, error)
    {
        const char *pointer = json_string_value(json_object_get(error, "pointer"));

        unknown = unknown || (pointer != NULL && text_begins(pointer, "/columns/"));
    }
    if (unknown)
        fputs("say --map COLUMN=FIELD, or --map COLUMN=- to leave a column out\n", stderr);
    return false;
}

/* --- a person agrees ----------------------------------------------------------------------------
 */

static void mapping_show(const struct import *im)
{
    const json_t *sample = json_object_get(im->guess, "sample"),
                 *columns = json_object_get(im->mapping, "columns"), *heading;
    const char *name;
    json_t *value;
    size_t i;

    printf("%s: %" JSON_INTEGER_FORMAT " rows\n", im->file,
           json_integer_value(json_object_get(im->guess, "rows")));
    json_array_foreach(json_object_get(im->guess, "headings"), i, heading)
    {
        const char *field = json_string_value(json_object_get(columns, json_string_value(heading)));
        const char *cell = json_string_value(json_array_get(json_array_get(sample, 0), i));

        printf("  %-28s %-16s %s\n", json_string_value(heading), field != NULL ? field : "-",
               cell != NULL ? cell : "");
    }
    json_object_foreach(im->mapping, name, value) if (json_is_string(value))
        printf("  %s: %s\n", name, json_string_value(value));
}

static bool agreed(const struct import *im)
{
    int c;

    if (im->yes || !isatty(STDIN_FILENO))
        return true;
    fputs("Bring this in? [y/N] ", stdout);
    fflush(stdout);
    c = getchar();
    return c == 'y' || c == 'Y' || c == 's' || c == 'S';
}

static bool is_in_state(const json_t *import, const char *state)
{
    const char *is = json_string_value(json_object_get(import, "state"));

    return is != NULL && strcmp(is, state) == 0;
}

/* --- the whole ----------------------------------------------------------------------------------
 */

/* What was refused goes beside the file; whether anything was. */
static bool rejected_say(struct import *im, const json_t *import, const char *of)
{
    const json_t *report = json_object_get(import, of);
    const char *path = mem_printf(im->ctx, "%s.rejected.csv", im->file);

    if (json_integer_value(json_object_get(report, "refused")) == 0)
        return false;
    if (import_rejected_save(im->client, im->id, path))
        printf("refused lines and their reasons: %s\n", path);
    return true;
}

static bool check(struct import *im)
{
    const json_t *import;

    if (!import_call(im->client, im->id, "dry-run"))
        return false;
    import = import_wait(im->ctx, im->client, im->id, "dry run");
    if (import == NULL || !is_in_state(import, "ready"))
        return false;
    import_report_say(import, true);
    if (im->dry_run)
        rejected_say(im, import, "check");
    return true;
}

static int run(struct import *im)
{
    const json_t *import;

    if (!import_call(im->client, im->id, "start"))
        return CTL_FAILED;
    import = import_wait(im->ctx, im->client, im->id, im->what);
    if (import == NULL)
        return CTL_FAILED;
    import_report_say(import, false);
    printf("import %" PRId64 "; lazoctl import undo %" PRId64 " takes it back\n", im->id, im->id);
    if (rejected_say(im, import, "report"))
        return CTL_FAILED;
    return is_in_state(import, "finished") ? CTL_DONE : CTL_FAILED;
}

static int import_run(struct import *im, FILE *file, int64_t size)
{
    bool asks = !im->yes && isatty(STDIN_FILENO);

    if (!file_send(im, file, size) || !mapping_read(im))
        return CTL_FAILED;
    if (!columns_say(im))
        return CTL_FAILED;
    words_say(im);
    if (!mapping_send(im))
        return CTL_FAILED;
    if (asks || im->dry_run)
        mapping_show(im);
    if ((asks || im->dry_run) && !check(im))
        return CTL_FAILED;
    if (im->dry_run)
        return CTL_DONE;
    return agreed(im) ? run(im) : CTL_FAILED;
}

static int import_open(struct import *im)
{
    FILE *file = fopen(im->file, "re");
    struct stat st;
    int status = CTL_FAILED;

    if (file == NULL || fstat(fileno(file), &st) != 0)
        fprintf(stderr, "lazoctl import: %s: %s\n", im->file, strerror(errno));
    else if (!S_ISREG(st.st_mode))
        fprintf(stderr, "lazoctl import: %s is no file\n", im->file);
    else if ((im->client = client_open(im->ctx, NULL)) != NULL)
        status = import_run(im, file, st.st_size);
    if (file != NULL)
        fclose(file);
    json_decref(im->mapping);
    return status;
}

int ctl_import(int argc, char **argv)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct import im = {.ctx = ctx};
    const struct option_spec specs[] = {
        {.name = "map", .list = &im.said},
        {.name = "kind", .text = &im.kind},
        {.name = "source", .text = &im.source},
        {.name = "key-columns", .text = &im.key_columns},
        {.name = "topic", .text = &im.topic},
        {.name = "attestation", .text = &im.attestation},
        {.name = "delimiter", .text = &im.delimiter},
        {.name = "mapping", .text = &im.mapping_file},
        {.name = "live", .flag = &im.live},
        {.name = "dry-run", .flag = &im.dry_run},
        {.name = "yes", .flag = &im.yes},
        {0},
    };

    if (argc > 1 && strcmp(argv[1], "contacts") != 0 && strcmp(argv[1], "interactions") != 0 &&
        argv[1][0] != '-')
        return import_manage(argc, argv);
    if (!options_parse(&argc, argv, specs) || argc != 3 ||
        (strcmp(argv[1], "contacts") != 0 && strcmp(argv[1], "interactions") != 0))
        return ctl_usage("import");
    if ((im.topic == NULL) != (im.attestation == NULL)) {
        fputs("lazoctl import: --topic and --attestation belong together: what did these people "
              "agree to, and how do you know?\n",
              stderr);
        return CTL_USAGE;
    }
    im.what = argv[1];
    im.file = argv[2];
    return import_open(&im);
}
