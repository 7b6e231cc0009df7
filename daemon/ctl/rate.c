/* rate.c - lazoctl rate: what other currencies are worth, by hand or from a CSV file. */
#include "common/csv.h"
#include "common/mem.h"
#include "daemon/ctl/client.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/options.h"
#include "daemon/ctl/table.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define AT_ONCE 1000
#define PIECE   65536

static int rates_list(const void *ctx, struct client *c, const char *currency)
{
    static const char *const headings[] = {"CURRENCY", "ON", ">RATE", NULL};
    static const char *const keys[] = {"currency", "on", "rate", NULL};
    const char *path = currency == NULL
                           ? "/v1/rates?limit=1000"
                           : client_path(ctx, "/v1/rates?limit=1000&currency=%s", currency);
    json_t *items = client_list(c, "rate", path);

    if (items == NULL)
        return CTL_FAILED;
    table_items(items, headings, keys);
    json_decref(items);
    return CTL_DONE;
}

static json_t *rate_json(const char *currency, const char *rate, const char *on)
{
    json_t *item = mem_must(json_pack("{s:s, s:s}", "currency", currency, "rate", rate));

    if (on != NULL && on[0] != '\0')
        json_object_set_new(item, "on", json_string(on));
    return item;
}

/* Posts one rate or an array of them, which it takes. */
static bool rates_post(struct client *c, const char *what, json_t *body_take)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);

    return client_ask(ctx, c, what, "POST", "/v1/rates", body_take) != NULL;
}

static int rate_delete(const void *ctx, struct client *c, const char *currency, const char *on)
{
    const struct answer *a = client_send(
        ctx, c, "DELETE", client_path(ctx, "/v1/rates/%s/%s", currency, on), NULL, NULL, 0);

    if (a != NULL && !answer_ok(a))
        answer_problem(a, stderr, "rate");
    return a != NULL && answer_ok(a) ? CTL_DONE : CTL_FAILED;
}

/* --- from a file: the columns currency, rate and on, in any order ---------------------------- */

struct load {
    struct client *client;
    const char *file;
    bool headed, failed;
    size_t at[3];       /* of currency, rate, on */
    int64_t first_line; /* of the rates that wait */
    json_t *waiting;    /* owned */
    size_t n;
};

static void load_send(struct load *l)
{
    json_t *rates = l->waiting;
    char what[64];

    l->waiting = mem_must(json_array());
    l->n += json_array_size(rates);
    snprintf(what, sizeof(what), "the rates from line %" PRId64 " on", l->first_line);
    if (json_array_size(rates) == 0)
        json_decref(rates);
    else if (!rates_post(l->client, what, rates))
        l->failed = true;
}

static void load_head(struct load *l, const struct csv_record *r)
{
    static const char *const names[] = {"currency", "rate", "on"};

    l->headed = true;
    for (size_t k = 0; k < 3; k++) {
        l->at[k] = r->n;
        for (size_t i = 0; i < r->n; i++)
            if (strcasecmp(r->fields[i], names[k]) == 0)
                l->at[k] = i;
        if (l->at[k] == r->n && k < 2) {
            fprintf(stderr, "lazoctl rate: %s: line 1: a column \"%s\" is expected\n", l->file,
                    names[k]);
            l->failed = true;
        }
    }
}

static void load_record(void *arg, const struct csv_record *r)
{
    struct load *l = arg;

    if (l->failed)
        return;
    if (!l->headed) {
        load_head(l, r);
        return;
    }
    if (r->error != NULL || l->at[0] >= r->n || l->at[1] >= r->n) {
        fprintf(stderr, "lazoctl rate: %s: line %" PRId64 ": %s\n", l->file, r->line,
                r->error != NULL ? r->error : "there are fewer columns than in the first line");
        l->failed = true;
        return;
    }
    if (json_array_size(l->waiting) == 0)
        l->first_line = r->line;
    json_array_append_new(l->waiting, rate_json(r->fields[l->at[0]], r->fields[l->at[1]],
                                                l->at[2] < r->n ? r->fields[l->at[2]] : NULL));
    if (json_array_size(l->waiting) == AT_ONCE)
        load_send(l);
}

static bool load_read(const void *ctx, struct load *l, FILE *file)
{
    char *piece = mem_array(ctx, char, PIECE);
    struct csv *csv = NULL;
    size_t n;

    while (!l->failed && (n = fread(piece, 1, PIECE, file)) > 0) {
        if (csv == NULL)
            csv = csv_new(ctx, csv_guess_delimiter(piece, n), load_record, l);
        csv_feed(csv, piece, n);
    }
    if (csv != NULL)
        csv_end(csv);
    if (!l->failed)
        load_send(l);
    if (ferror(file))
        fprintf(stderr, "lazoctl rate: %s: %s\n", l->file, strerror(errno));
    return !ferror(file) && !l->failed;
}

static int rates_load(const void *ctx, struct client *c, const char *name)
{
    struct load l = {.client = c, .file = name, .waiting = mem_must(json_array())};
    FILE *file = fopen(name, "re");
    bool ok = file != NULL && load_read(ctx, &l, file);

    if (file == NULL)
        fprintf(stderr, "lazoctl rate: %s: %s\n", name, strerror(errno));
    else
        fclose(file);
    json_decref(l.waiting);
    if (ok)
        printf("%zu rates set\n", l.n);
    return ok ? CTL_DONE : CTL_FAILED;
}

int ctl_rate(int argc, char **argv)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    const char *on = NULL;
    const struct option_spec specs[] = {{.name = "on", .text = &on}, {0}};
    struct client *c;
    const char *verb;

    if (!options_parse(&argc, argv, specs) || argc < 2)
        return ctl_usage("rate");
    verb = argv[1];
    c = client_open(ctx, NULL);
    if (c == NULL)
        return CTL_FAILED;
    if (strcmp(verb, "list") == 0 && argc <= 3)
        return rates_list(ctx, c, argv[2]);
    if (strcmp(verb, "set") == 0 && argc == 4)
        return rates_post(c, "rate", rate_json(argv[2], argv[3], on)) ? CTL_DONE : CTL_FAILED;
    if (strcmp(verb, "delete") == 0 && argc == 4)
        return rate_delete(ctx, c, argv[2], argv[3]);
    if (strcmp(verb, "load") == 0 && argc == 3)
        return rates_load(ctx, c, argv[2]);
    return ctl_usage("rate");
}
