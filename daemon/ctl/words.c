/* words.c - see words.h. */
#include "daemon/ctl/words.h"

#include "common/mem.h"

#include <string.h>

/* --- calls
 * ---------------------------------------------------------------------------------------------- */

const char *words_contact(const struct asked *a, int i)
{
    return client_contact(a->ctx, a->client, "contact", a->words[i]);
}

const struct answer *words_ask(const struct asked *a, const char *method, const char *path,
                               json_t *body)
{
    return client_ask(a->ctx, a->client, a->command, method, path, body);
}

int words_call(const struct asked *a, const char *method, const char *path, json_t *body)
{
    const struct answer *answer = words_ask(a, method, path, body);

    if (answer == NULL)
        return CTL_FAILED;
    if (a->json && answer->body != NULL)
        table_json(answer->body);
    return CTL_DONE;
}

int words_list(const struct asked *a, const char *path, const char *const *headings,
               const char *const *keys, void (*each)(const struct asked *, json_t *))
{
    json_t *items = client_list(a->client, a->command, path), *item;
    size_t i;

    if (items == NULL)
        return CTL_FAILED;
    json_array_foreach(items, i, item)
    {
        if (each != NULL && !a->json)
            each(a, item);
    }
    if (a->json)
        table_json(items);
    else
        table_items(items, headings, keys);
    json_decref(items);
    return CTL_DONE;
}

void words_who(const struct asked *a, const json_t *contact, json_t *into)
{
    static const char *const parts[] = {"first_name", "last_name", "company_name"};
    const char *text = "";

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        const char *part = json_string_value(json_object_get(contact, parts[i]));

        if (part != NULL)
            text = mem_printf(a->ctx, "%s%s%s", text, *text == '\0' ? "" : " ", part);
    }
    json_object_set_new(into, "who", mem_must(json_string(text)));
    json_object_set(into, "id", json_object_get(contact, "id"));
    json_object_set(into, "email", json_object_get(contact, "email"));
}

/* --- the table
 * ---------------------------------------------------------------------------------------------- */

int words_run(int argc, char **argv, const struct word *words, const char *const *options)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct asked a = {.ctx = ctx, .command = argv[0], .words = argv + 2};
    struct option_spec specs[WORDS_OPTIONS_MAX + 2] = {{.name = "json", .flag = &a.json}};

    for (size_t i = 0; i < WORDS_OPTIONS_MAX && options[i] != NULL; i++)
        specs[i + 1] = (struct option_spec){.name = options[i], .text = &a.options[i]};
    if (!options_parse(&argc, argv, specs) || argc < 2)
        return ctl_usage(argv[0]);
    for (; words->word != NULL; words++) {
        if (strcmp(argv[1], words->word) != 0 || argc != 2 + words->n)
            continue;
        a.client = client_open(ctx, NULL);
        return a.client == NULL ? CTL_FAILED : words->run(&a);
    }
    return ctl_usage(argv[0]);
}
