/* contact.c - lazoctl contact: one contact shown, what it was before, that it died. To add a word:
 * its line in `words`. */
#include "common/mem.h"
#include "daemon/ctl/client.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/options.h"
#include "daemon/ctl/table.h"

#include <string.h>

/* --- the words
 * ------------------------------------------------------------------------------------------ */

struct asked {
    const void *ctx;
    struct client *client;
    const char *id;
    const char *on; /* --on, or NULL */
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
    json_t *items = client_list(a->client, "contact", path_of(a, "/history?limit=1000"));

    if (items == NULL)
        return CTL_FAILED;
    if (a->json)
        table_json(items);
    else
        table_items(items, headings, keys);
    json_decref(items);
    return CTL_DONE;
}

/* The body is taken. */
static int contact_patch(const struct asked *a, json_t *body)
{
    const struct answer *answer =
        client_call(a->ctx, a->client, "PATCH", path_of(a, ""), mem_must(body));

    json_decref(body);
    if (answer == NULL)
        return CTL_FAILED;
    if (!answer_ok(answer)) {
        answer_problem(answer, stderr, "contact");
        return CTL_FAILED;
    }
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

static const struct {
    const char *word;
    int (*run)(const struct asked *);
} words[] = {{"show", contact_show},
             {"history", contact_history},
             {"deceased", contact_deceased},
             {"alive", contact_alive}};

int ctl_contact(int argc, char **argv)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct asked a = {.ctx = ctx};
    const struct option_spec specs[] = {
        {.name = "json", .flag = &a.json}, {.name = "on", .text = &a.on}, {0}};

    if (!options_parse(&argc, argv, specs) || argc != 3)
        return ctl_usage("contact");
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(argv[1], words[i].word) != 0)
            continue;
        a.client = client_open(ctx, NULL);
        a.id = a.client == NULL ? NULL : client_contact(ctx, a.client, argv[2]);
        return a.id == NULL ? CTL_FAILED : words[i].run(&a);
    }
    return ctl_usage("contact");
}
