/* import_wait.c - see import_wait.h. */
#include "daemon/ctl/import_wait.h"

#include "common/mem.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/options.h"
#include "daemon/ctl/progress.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOOK_NS  200000000
#define AWAY_MAX 300 /* looks in a row without an answer */

static json_int_t number_of(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *s = json_string_value(json_object_get(object, name));

    return s == NULL ? "" : s;
}

bool import_call(struct client *c, int64_t id, const char *what)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    const struct answer *a =
        client_call(ctx, c, "POST", mem_printf(ctx, "/v1/imports/%" PRId64 "/%s", id, what), NULL);

    if (a != NULL && !answer_ok(a))
        answer_problem(a, stderr, "lazoctl import");
    return a != NULL && answer_ok(a);
}

static bool is_busy(const json_t *import)
{
    const char *state = text_of(import, "state");

    return strcmp(state, "checking") == 0 || strcmp(state, "running") == 0 ||
           strcmp(state, "undoing") == 0;
}

static const struct answer *look(const void *ctx, struct client *c, int64_t id)
{
    const struct timespec pause = {.tv_nsec = LOOK_NS};
    const char *path = mem_printf(ctx, "/v1/imports/%" PRId64, id);

    for (int away = 0; away < AWAY_MAX; away++) {
        const struct answer *a = client_send(ctx, c, "GET", path, NULL, NULL, 0);

        if (a != NULL && a->status != 503)
            return a;
        nanosleep(&pause, NULL);
    }
    fputs("lazoctl import: the instance does not answer; the import goes on by itself\n", stderr);
    return NULL;
}

const json_t *import_wait(const void *ctx, struct client *c, int64_t id, const char *what)
{
    const struct timespec pause = {.tv_nsec = LOOK_NS};
    const struct answer *a = look(ctx, c, id);
    struct progress progress;

    progress_start(&progress, what, 100);
    client_quiet(c);
    while (a != NULL && answer_ok(a) && is_busy(a->body)) {
        progress_at(&progress, number_of(a->body, "percent"));
        talloc_free((void *)a);
        nanosleep(&pause, NULL);
        a = look(ctx, c, id);
    }
    progress_end(&progress);
    if (a == NULL || !answer_ok(a)) {
        if (a != NULL)
            answer_problem(a, stderr, "lazoctl import");
        return NULL;
    }
    if (strcmp(text_of(a->body, "state"), "failed") == 0)
        fprintf(stderr, "lazoctl import: %s\n", text_of(a->body, "why"));
    return a->body;
}

/* --- what is said -------------------------------------------------------------------------------
 */

static void fields_say(const json_t *fields)
{
    const char *field;
    json_t *n;

    json_object_foreach((json_t *)fields, field, n)
        printf("    %s of %" JSON_INTEGER_FORMAT "\n", field, json_integer_value(n));
}

void import_report_say(const json_t *import, bool would)
{
    const json_t *r = json_object_get(import, would ? "check" : "report");
    bool interactions =
        strcmp(text_of(json_object_get(import, "mapping"), "what"), "interactions") == 0;

    if (would)
        fputs("this would be done: ", stdout);
    if (interactions)
        printf("%" JSON_INTEGER_FORMAT " recorded, %" JSON_INTEGER_FORMAT
               " duplicates, %" JSON_INTEGER_FORMAT " refused\n",
               number_of(r, "recorded"), number_of(r, "duplicates"), number_of(r, "refused"));
    else
        printf("%" JSON_INTEGER_FORMAT " created, %" JSON_INTEGER_FORMAT
               " updated, %" JSON_INTEGER_FORMAT " consents recorded, %" JSON_INTEGER_FORMAT
               " refused\n",
               number_of(r, "created"), number_of(r, "changed"), number_of(r, "consents"),
               number_of(r, "refused"));
    if (interactions)
        printf("  %" JSON_INTEGER_FORMAT " contacts created, %" JSON_INTEGER_FORMAT
               " changed; %" JSON_INTEGER_FORMAT " interactions amend others\n",
               number_of(r, "created"), number_of(r, "changed"), number_of(r, "amended"));
    if (number_of(r, "merged") > 0)
        printf("  %" JSON_INTEGER_FORMAT " contacts merged into others\n", number_of(r, "merged"));
    if (number_of(r, "joined") > 0)
        printf("  %" JSON_INTEGER_FORMAT " contacts that rows say are others were not made\n",
               number_of(r, "joined"));
    if (number_of(r, "related") > 0)
        printf("  %" JSON_INTEGER_FORMAT " relations\n", number_of(r, "related"));
    if (number_of(r, "unrelated") > 0)
        printf("  %" JSON_INTEGER_FORMAT " rows were recorded without a relation that they say\n",
               number_of(r, "unrelated"));
    if (number_of(r, "without_contact") > 0)
        printf("  %" JSON_INTEGER_FORMAT " rows say nobody and were passed over\n",
               number_of(r, "without_contact"));
    if (json_object_size(json_object_get(r, "fields")) > 0) {
        printf("  fields changed:\n");
        fields_say(json_object_get(r, "fields"));
    }
}

void import_undone_say(const json_t *undone)
{
    const json_t *kept = json_object_get(undone, "kept"), *id;
    size_t i;

    printf("%" JSON_INTEGER_FORMAT " interactions and %" JSON_INTEGER_FORMAT
           " contacts removed, %" JSON_INTEGER_FORMAT " fields put back, %" JSON_INTEGER_FORMAT
           " consents withdrawn\n",
           number_of(undone, "interactions_removed"), number_of(undone, "contacts_removed"),
           number_of(undone, "fields_put_back"), number_of(undone, "consents_withdrawn"));
    if (number_of(undone, "relations_removed") > 0)
        printf("%" JSON_INTEGER_FORMAT " relations removed\n",
               number_of(undone, "relations_removed"));
    if (number_of(undone, "merges_undone") > 0)
        printf("%" JSON_INTEGER_FORMAT " merged contacts taken apart\n",
               number_of(undone, "merges_undone"));
    if (number_of(undone, "interactions_kept") + number_of(undone, "contacts_kept") +
            number_of(undone, "fields_kept") >
        0)
        printf("kept, since something happened to them: %" JSON_INTEGER_FORMAT
               " interactions, %" JSON_INTEGER_FORMAT " contacts, %" JSON_INTEGER_FORMAT
               " fields\n",
               number_of(undone, "interactions_kept"), number_of(undone, "contacts_kept"),
               number_of(undone, "fields_kept"));
    json_array_foreach((json_t *)kept, i, id)
        printf("%s%" JSON_INTEGER_FORMAT "%s", i == 0 ? "contacts kept: " : ", ",
               json_integer_value(id), i + 1 == json_array_size(kept) ? "\n" : "");
}

bool import_rejected_save(struct client *c, int64_t id, const char *path)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    FILE *out = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");
    bool ok;

    if (out == NULL) {
        fprintf(stderr, "lazoctl import: %s: %s\n", path, strerror(errno));
        return false;
    }
    ok = client_download(c, "lazoctl import",
                         mem_printf(ctx, "/v1/imports/%" PRId64 "/rejected", id), out);
    if (out != stdout && fclose(out) != 0)
        ok = false;
    return ok;
}

/* --- imports that are there ---------------------------------------------------------------------
 */

static int list(struct client *c)
{
    json_t *items = client_list(c, "lazoctl import", "/v1/imports?limit=1000"), *item;
    size_t i;

    if (items == NULL)
        return CTL_FAILED;
    json_array_foreach(items, i, item)
        printf("%-6" JSON_INTEGER_FORMAT " %-10s %10" JSON_INTEGER_FORMAT " rows  %.19s  %s\n",
               number_of(item, "id"), text_of(item, "state"), number_of(item, "rows"),
               text_of(item, "made_at"), text_of(item, "name"));
    json_decref(items);
    return CTL_DONE;
}

static int show(struct client *c, int64_t id)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    const struct answer *a =
        client_get(ctx, c, "lazoctl import", mem_printf(ctx, "/v1/imports/%" PRId64, id));

    if (a == NULL)
        return CTL_FAILED;
    json_dumpf(a->body, stdout, JSON_INDENT(2));
    putchar('\n');
    return CTL_DONE;
}

static int steer(struct client *c, int64_t id, const char *word)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    const json_t *import;

    if (!import_call(c, id, word))
        return CTL_FAILED;
    if (strcmp(word, "resume") != 0 && strcmp(word, "undo") != 0)
        return CTL_DONE;
    import = import_wait(ctx, c, id, word);
    if (import == NULL || strcmp(text_of(import, "state"), "failed") == 0)
        return CTL_FAILED;
    if (strcmp(word, "undo") == 0)
        import_undone_say(json_object_get(import, "undone"));
    else
        import_report_say(import, false);
    return CTL_DONE;
}

int import_manage(int argc, char **argv)
{
    static const char *const words[] = {"show", "pause", "resume", "cancel", "undo", "rejected"};
    MEM_SCOPED void *ctx = talloc_new(NULL);
    const char *output = "-";
    const struct option_spec specs[] = {{.name = "output", .text = &output}, {0}};
    struct client *c;
    bool known = false;
    char *end = NULL;
    int64_t id;

    if (!options_parse(&argc, argv, specs) || argc < 2)
        return ctl_usage("import");
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        known = known || (argc == 3 && strcmp(argv[1], words[i]) == 0);
    id = argc == 3 ? strtoll(argv[2], &end, 10) : 0;
    if (!known && !(argc == 2 && strcmp(argv[1], "list") == 0))
        return ctl_usage("import");
    if (known && (*end != '\0' || id <= 0)) {
        fprintf(stderr, "lazoctl import: %s is no number of an import\n", argv[2]);
        return CTL_USAGE;
    }
    c = client_open(ctx, NULL);
    if (c == NULL)
        return CTL_FAILED;
    if (!known)
        return list(c);
    if (strcmp(argv[1], "show") == 0)
        return show(c, id);
    if (strcmp(argv[1], "rejected") == 0)
        return import_rejected_save(c, id, output) ? CTL_DONE : CTL_FAILED;
    return steer(c, id, argv[1]);
}
