/* scores.c - lazoctl rfm: a model's grid, labels and breaks, one contact's scores and what they
 * were. */
#include "common/mem.h"
#include "daemon/ctl/client.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/options.h"
#include "daemon/ctl/table.h"

#include <stdio.h>
#include <string.h>

#define CLASSES_MAX 10

/* What the words of a command ask for. */
struct scores {
    void *ctx;
    struct client *client;
    const char *word; /* a model, or a contact */
    const char *model, *as_of;
    bool json;
};

/* --- a model -------------------------------------------------------------------------------------
 */

static json_int_t cell_count(const json_t *grid, size_t r, size_t f)
{
    const json_t *cell;
    size_t i;

    json_array_foreach(grid, i, cell)
    {
        if (json_integer_value(json_object_get(cell, "r")) == (json_int_t)r &&
            json_integer_value(json_object_get(cell, "f")) == (json_int_t)f)
            return json_integer_value(json_object_get(cell, "contacts"));
    }
    return 0;
}

/* Recency downwards from the most recent, frequency to the right, contacts in the cells. */
static void grid_print(const void *ctx, const json_t *grid, size_t classes)
{
    const char *headings[CLASSES_MAX + 2] = {"RECENCY"};
    struct table *t;

    for (size_t f = 1; f <= classes; f++)
        headings[f] = mem_printf(ctx, ">F%zu", f);
    headings[classes + 1] = NULL;
    t = table_new(ctx, headings);
    for (size_t r = classes; r >= 1; r--) {
        const char *cells[CLASSES_MAX + 1] = {mem_printf(ctx, "R%zu", r)};

        for (size_t f = 1; f <= classes; f++)
            cells[f] = mem_printf(ctx, "%" JSON_INTEGER_FORMAT, cell_count(grid, r, f));
        table_row(t, cells);
    }
    table_print(t);
}

/* Whether the labels cover all scores. */
static void coverage_print(const json_t *coverage)
{
    const json_t *names = json_object_get(coverage, "unreachable"), *name;
    size_t i;

    printf("\n%lld of %lld combinations of scores have no label\n",
           (long long)json_integer_value(json_object_get(coverage, "uncovered")),
           (long long)json_integer_value(json_object_get(coverage, "triples")));
    json_array_foreach(names, i, name)
        printf("no score gets the label %s: labels before it take all of its box\n",
               json_string_value(name));
}

/* Who is counted. */
static void population_print(const void *ctx, const json_t *summary)
{
    const json_t *p = json_object_get(summary, "population"), *kind;
    const char *look_back = json_string_value(json_object_get(p, "look_back"));
    const char *kinds = "";
    size_t i;

    json_array_foreach(json_object_get(p, "kinds"), i, kind) kinds =
        mem_printf(ctx, "%s%s%s", kinds, i == 0 ? "" : ", ", json_string_value(kind));
    printf("%s contacts with %s%s%s; M is the %s; as of %s\n\n",
           table_value(ctx, json_object_get(summary, "contacts")), kinds,
           look_back == NULL ? "" : " in the last ", look_back == NULL ? "" : look_back,
           json_string_value(json_object_get(p, "monetary")),
           table_value(ctx, json_object_get(p, "at")));
}

static int model_show(struct scores *s)
{
    static const char *const headings[] = {"LABEL", ">CONTACTS", NULL};
    static const char *const keys[] = {"label", "contacts"};
    const struct answer *a =
        client_get(s->ctx, s->client, "rfm", client_path(s->ctx, "/v1/rfm/%s/summary", s->word));
    json_int_t classes;

    if (a == NULL)
        return CTL_FAILED;
    classes = json_integer_value(json_object_get(a->body, "classes"));
    if (s->json) {
        table_json(a->body);
        return CTL_DONE;
    }
    population_print(s->ctx, a->body);
    if (classes >= 1 && classes <= CLASSES_MAX)
        grid_print(s->ctx, json_object_get(a->body, "grid"), (size_t)classes);
    putchar('\n');
    table_items(json_object_get(a->body, "labels"), headings, keys);
    coverage_print(json_object_get(a->body, "coverage"));
    return CTL_DONE;
}

static int model_breaks(struct scores *s)
{
    const struct answer *a = client_get(s->ctx, s->client, "rfm breaks",
                                        client_path(s->ctx, "/v1/rfm/%s/breaks", s->word));

    if (a == NULL)
        return CTL_FAILED;
    if (s->json)
        table_json(a->body);
    else
        table_object(a->body);
    return CTL_DONE;
}

static int model_recompute(struct scores *s)
{
    const char *path = client_path(s->ctx, "/v1/rfm/%s/recompute", s->word);

    return client_ask(s->ctx, s->client, "rfm recompute", "POST", path, NULL) == NULL ? CTL_FAILED
                                                                                      : CTL_DONE;
}

/* --- a contact -----------------------------------------------------------------------------------
 */

static int contact_scores(struct scores *s)
{
    static const char *const headings[] = {"MODEL",     ">SCORE", "LABEL", "LAST", ">FREQUENCY",
                                           ">MONETARY", "SINCE",  "UNTIL", NULL};
    static const char *const keys[] = {"model",     "score",    "label", "last_on",
                                       "frequency", "monetary", "since", "until"};
    const char *id = client_contact(s->ctx, s->client, "contact", s->word);
    const char *path;

    if (id == NULL)
        return CTL_FAILED;
    path = client_path(s->ctx, "/v1/contacts/%s/rfm?limit=1000", id);
    if (s->model != NULL)
        path = mem_printf(s->ctx, "%s&%s", path, client_path(s->ctx, "model=%s", s->model));
    if (s->as_of != NULL)
        path = mem_printf(s->ctx, "%s&%s", path, client_path(s->ctx, "as_of=%s", s->as_of));
    return client_print_list(s->client, "rfm contact", path, s->json, headings, keys);
}

static const struct {
    const char *word; /* before the model or the contact */
    int (*run)(struct scores *);
} acts[] = {
    {"show", model_show},
    {"breaks", model_breaks},
    {"recompute", model_recompute},
    {"contact", contact_scores},
};

int ctl_scores(int argc, char **argv)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct scores s = {.ctx = ctx};
    const struct option_spec specs[] = {{.name = "json", .flag = &s.json},
                                        {.name = "model", .text = &s.model},
                                        {.name = "as-of", .text = &s.as_of},
                                        {0}};
    int (*run)(struct scores *) = NULL;

    if (!options_parse(&argc, argv, specs) || argc < 2 || argc > 3)
        return ctl_usage("rfm");
    if (argc == 2)
        run = model_show;
    for (size_t i = 0; argc == 3 && i < sizeof(acts) / sizeof(acts[0]); i++)
        run = strcmp(argv[1], acts[i].word) == 0 ? acts[i].run : run;
    if (run == NULL || (run != contact_scores && (s.model != NULL || s.as_of != NULL)))
        return ctl_usage("rfm");
    s.word = argv[argc - 1];
    s.client = client_open(ctx, NULL);
    return s.client == NULL ? CTL_FAILED : run(&s);
}
