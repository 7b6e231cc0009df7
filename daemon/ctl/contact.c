/* contact.c - lazoctl contact: one contact shown, what it was before, that it died; and those that
 * are one person. To add a word: its line in `words`. */
#include "common/mem.h"
#include "daemon/ctl/client.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/options.h"
#include "daemon/ctl/table.h"

#include <stdlib.h>
#include <string.h>

/* --- the words
 * ------------------------------------------------------------------------------------------ */

struct asked {
    const void *ctx;
    struct client *client;
    const char *id;
    char **words;                  /* after the first */
    const char *on;                /* --on, or NULL */
    struct option_list take, keep; /* fields, of a merge */
    bool json;
};

static const char *path_of(const struct asked *a, const char *rest)
{
    return mem_printf(a->ctx, "/v1/contacts/%s%s", a->id, rest);
}

/* ["a", "b"] of [{"name": "a"}, {"name": "b"}]; a new reference. */
static json_t *names_of(const json_t *items)
{
    json_t *names = mem_must(json_array());
    const json_t *item;
    size_t i;

    json_array_foreach(items, i, item) json_array_append(names, json_object_get(item, "name"));
    return names;
}

/* All that is known of a contact, as one document. */
static json_t *contact_read(const struct asked *asked)
{
    static const char *const parts[] = {"segments", "interactions"};
    const struct answer *a = client_get(asked->ctx, asked->client, "contact", path_of(asked, ""));
    json_t *all = a == NULL ? NULL : json_incref(a->body);

    for (size_t i = 0; all != NULL && i < sizeof(parts) / sizeof(parts[0]); i++) {
        const char *rest = mem_printf(asked->ctx, "/%s?limit=20", parts[i]);

        a = client_get(asked->ctx, asked->client, parts[i], path_of(asked, rest));
        if (a != NULL)
            json_object_set(all, parts[i], json_object_get(a->body, "items"));
    }
    return all;
}

static int contact_show(const struct asked *a)
{
    static const char *const headings[] = {"OCCURRED", "KIND", ">AMOUNT", "SOURCE", NULL};
    static const char *const keys[] = {"occurred_at", "kind", "amount", "source"};
    json_t *all = contact_read(a);

    if (all == NULL)
        return CTL_FAILED;
    if (a->json) {
        table_json(all);
    } else {
        json_object_set_new(all, "segments", names_of(json_object_get(all, "segments")));
        table_object(all);
        putchar('\n');
        table_items(json_object_get(all, "interactions"), headings, keys);
    }
    json_decref(all);
    return CTL_DONE;
}

static int contact_history(const struct asked *a)
{
    static const char *const headings[] = {"AT", "FIELD", "WAS", "BECAME", "BY", "SOURCE", NULL};
    static const char *const keys[] = {"at", "field", "was", "became", "by", "source"};

    return client_print_list(a->client, "contact", path_of(a, "/history?limit=1000"), a->json,
                             headings, keys);
}

/* The body is taken. */
static int contact_patch(const struct asked *a, json_t *body)
{
    const struct answer *answer =
        client_ask(a->ctx, a->client, "contact", "PATCH", path_of(a, ""), mem_must(body));

    if (answer == NULL)
        return CTL_FAILED;
    if (a->json)
        table_json(answer->body);
    return CTL_DONE;
}

static int contact_deceased(const struct asked *a)
{
    return contact_patch(a, a->on == NULL
                                ? json_pack("{s:b}", "deceased", 1)
                                : json_pack("{s:b, s:s}", "deceased", 1, "deceased_on", a->on));
}

static int contact_alive(const struct asked *a)
{
    return contact_patch(a, json_pack("{s:b}", "deceased", 0));
}

/* --- contacts that are one person
 * ------------------------------------------------------------------------ */

/* The body is taken. */
static int contact_post(const struct asked *a, const char *path, json_t *body)
{
    const struct answer *answer = client_ask(a->ctx, a->client, "contact", "POST", path, body);

    if (answer == NULL)
        return CTL_FAILED;
    if (a->json && answer->body != NULL)
        table_json(answer->body);
    else if (json_object_get(answer->body, "id") != NULL)
        printf("merge %lld\n", (long long)json_integer_value(json_object_get(answer->body, "id")));
    return CTL_DONE;
}

/* Whose fields are kept, as a new reference. */
static json_t *choices(const struct asked *a)
{
    json_t *fields = mem_must(json_object());

    for (size_t i = 0; i < a->take.n; i++)
        json_object_set_new(fields, a->take.items[i], json_string("merge"));
    for (size_t i = 0; i < a->keep.n; i++)
        json_object_set_new(fields, a->keep.items[i], json_string("keep"));
    return fields;
}

static int contact_merge(const struct asked *a)
{
    json_int_t ids[2];

    for (size_t i = 0; i < 2; i++) {
        const char *id = client_contact(a->ctx, a->client, "contact", a->words[i]);

        if (id == NULL)
            return CTL_FAILED;
        ids[i] = strtoll(id, NULL, 10);
    }
    return contact_post(a, "/v1/contacts/merge",
                        mem_must(json_pack("{s:I, s:I, s:o}", "keep", ids[0], "merge", ids[1],
                                           "fields", choices(a))));
}

static int contact_distinct(const struct asked *a)
{
    json_int_t one = strtoll(a->words[0], NULL, 10), other = strtoll(a->words[1], NULL, 10);

    return contact_post(a, "/v1/contacts/duplicates/dismiss",
                        mem_must(json_pack("{s:[I, I]}", "contacts", one, other)));
}

static int contact_undo(const struct asked *a)
{
    return contact_post(a, client_path(a->ctx, "/v1/contacts/merges/%s/undo", a->words[0]), NULL);
}

static int contact_merges(const struct asked *a)
{
    static const char *const headings[] = {">MERGE", ">CONTACT", ">MERGED", "BY",
                                           "AT",     "UNDONE",   NULL};
    static const char *const keys[] = {"id", "contact", "merged", "by", "at", "undone_at"};

    return client_print_list(a->client, "contact", "/v1/contacts/merges?limit=1000", a->json,
                             headings, keys);
}

/* "12 Ana Ruiz ana@a.example" */
static json_t *who(const void *ctx, const json_t *pair, size_t i)
{
    static const char *const parts[] = {"id", "first_name", "last_name", "company_name", "email"};
    const json_t *contact = json_array_get(json_object_get(pair, "contacts"), i);
    char *text = mem_strdup(ctx, "");

    for (size_t k = 0; k < sizeof(parts) / sizeof(parts[0]); k++) {
        const json_t *value = json_object_get(contact, parts[k]);

        if (value != NULL && !json_is_null(value))
            text = mem_printf(ctx, "%s%s%s", text, k == 0 ? "" : " ", table_value(ctx, value));
    }
    return mem_must(json_string(text));
}

/* "a, b" of ["a", "b"]. */
static json_t *joined(const void *ctx, const json_t *texts)
{
    char *text = mem_strdup(ctx, "");
    const json_t *one;
    size_t i;

    json_array_foreach(texts, i, one) text =
        mem_printf(ctx, "%s%s%s", text, i == 0 ? "" : ", ", json_string_value(one));
    return mem_must(json_string(text));
}

static int contact_duplicates(const struct asked *a)
{
    static const char *const headings[] = {">SCORE", "CONTACT", "OTHER", "BECAUSE", NULL};
    static const char *const keys[] = {"score", "one", "other", "reasons"};
    json_t *items = NULL, *pair;
    size_t i;

    if (client_wait(a->client, "contact", "/v1/contacts/duplicates?limit=1"))
        items = client_list(a->client, "contact", "/v1/contacts/duplicates?limit=1000");
    if (items == NULL)
        return CTL_FAILED;
    if (a->json) {
        table_json(items);
    } else {
        json_array_foreach(items, i, pair)
        {
            json_object_set_new(pair, "one", who(a->ctx, pair, 0));
            json_object_set_new(pair, "other", who(a->ctx, pair, 1));
            json_object_set_new(pair, "reasons", joined(a->ctx, json_object_get(pair, "reasons")));
        }
        table_items(items, headings, keys);
    }
    json_decref(items);
    return CTL_DONE;
}

static const struct {
    const char *word;
    int n; /* of words after it; the only one may be a contact */
    bool contact;
    int (*run)(const struct asked *);
} words[] = {{"show", 1, true, contact_show},         {"history", 1, true, contact_history},
             {"deceased", 1, true, contact_deceased}, {"alive", 1, true, contact_alive},
             {"merge", 2, false, contact_merge},      {"merges", 0, false, contact_merges},
             {"undo", 1, false, contact_undo},        {"duplicates", 0, false, contact_duplicates},
             {"distinct", 2, false, contact_distinct}};

int ctl_contact(int argc, char **argv)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct asked a = {.ctx = ctx};
    const struct option_spec specs[] = {
        {.name = "json", .flag = &a.json},
        {.name = "on", .text = &a.on},
        {.name = "take", .list = &a.take},
        {.name = "keep", .list = &a.keep},
        {0},
    };

    if (!options_parse(&argc, argv, specs) || argc < 2)
        return ctl_usage("contact");
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(argv[1], words[i].word) != 0 || argc != 2 + words[i].n)
            continue;
        a.client = client_open(ctx, NULL);
        a.words = argv + 2;
        if (!words[i].contact)
            return a.client == NULL ? CTL_FAILED : words[i].run(&a);
        a.id = a.client == NULL ? NULL : client_contact(ctx, a.client, "contact", argv[2]);
        return a.id == NULL ? CTL_FAILED : words[i].run(&a);
    }
    return ctl_usage("contact");
}
