/* people.c - lazoctl address, relation, group: how contacts are reached, how they are joined, what
 * they belong to. To add a word: its line in the command's table. */
#include "common/mem.h"
#include "daemon/ctl/client.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/options.h"
#include "daemon/ctl/table.h"

#include <string.h>

struct asked {
    const void *ctx;
    const char *command;
    struct client *client;
    char **words; /* after the first */
    const char *label, *since, *until, *note;
    bool json;
};

struct word {
    const char *word;
    int n; /* how many words follow it */
    int (*run)(const struct asked *);
};

/* --- calls
 * ---------------------------------------------------------------------------------------------- */

static const char *contact_of(const struct asked *a, int i)
{
    return client_contact(a->ctx, a->client, a->words[i]);
}

/* The body is taken; NULL: none. */
static int call(const struct asked *a, const char *method, const char *path, json_t *body)
{
    const struct answer *answer = client_call(a->ctx, a->client, method, path, body);

    json_decref(body);
    if (answer == NULL)
        return CTL_FAILED;
    if (!answer_ok(answer)) {
        answer_problem(answer, stderr, a->command);
        return CTL_FAILED;
    }
    if (a->json && answer->body != NULL)
        table_json(answer->body);
    return CTL_DONE;
}

static int list(const struct asked *a, const char *path, const char *const *headings,
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

/* "who": the names of a contact, else its address. */
static void name_who(const struct asked *a, const json_t *contact, json_t *into)
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

/* --- address
 * -------------------------------------------------------------------------------------------- */

static bool is_email(const char *address)
{
    return strchr(address, '@') != NULL;
}

static int address_write(const struct asked *a, bool primary)
{
    const char *id = contact_of(a, 0), *address = a->words[1];
    json_t *body;

    if (id == NULL)
        return CTL_FAILED;
    body = mem_must(json_pack("{s:s, s:b}", is_email(address) ? "email" : "phone", address,
                              "primary", primary));
    if (a->label != NULL)
        json_object_set_new(body, "label", json_string(a->label));
    return call(
        a, "POST",
        client_path(a->ctx, "/v1/contacts/%s/%s", id, is_email(address) ? "emails" : "phones"),
        body);
}

static int address_add(const struct asked *a)
{
    return address_write(a, false);
}

static int address_primary(const struct asked *a)
{
    return address_write(a, true);
}

static int address_remove(const struct asked *a)
{
    const char *id = contact_of(a, 0), *address = a->words[1];

    return id == NULL ? CTL_FAILED
                      : call(a, "DELETE",
                             client_path(a->ctx, "/v1/contacts/%s/%s/%s", id,
                                         is_email(address) ? "emails" : "phones", address),
                             NULL);
}

static int address_list(const struct asked *a)
{
    static const char *const emails[] = {"E-MAIL", "LABEL", "PRIMARY", NULL};
    static const char *const email_keys[] = {"email", "label", "primary"};
    static const char *const phones[] = {"PHONE", "LABEL", "PRIMARY", NULL};
    static const char *const phone_keys[] = {"phone", "label", "primary"};
    const char *id = contact_of(a, 0);
    int status;

    if (id == NULL)
        return CTL_FAILED;
    status = list(a, client_path(a->ctx, "/v1/contacts/%s/emails", id), emails, email_keys, NULL);
    return status != CTL_DONE ? status
                              : list(a, client_path(a->ctx, "/v1/contacts/%s/phones", id), phones,
                                     phone_keys, NULL);
}

/* --- relation
 * ------------------------------------------------------------------------------------------- */

static int relation_kinds(const struct asked *a)
{
    static const char *const headings[] = {"RELATION", "INVERSE", "SHARES", ">CONTACTS", NULL};
    static const char *const keys[] = {"name", "inverse", "shares", "count"};

    return list(a, "/v1/relations?limit=1000", headings, keys, NULL);
}

static void name_other(const struct asked *a, json_t *item)
{
    name_who(a, json_object_get(item, "contact"), item);
}

static int relation_of(const struct asked *a)
{
    static const char *const headings[] = {"RELATION", ">CONTACT", "WHO",  "E-MAIL",
                                           "SINCE",    "UNTIL",    "NOTE", NULL};
    static const char *const keys[] = {"relation", "id", "who", "email", "since", "until", "note"};
    const char *id = contact_of(a, 0);

    return id == NULL ? CTL_FAILED
                      : list(a, client_path(a->ctx, "/v1/contacts/%s/relations?limit=1000", id),
                             headings, keys, name_other);
}

/* The path of a relation; NULL where one of the contacts is not there. */
static const char *relation_path(const struct asked *a)
{
    const char *id = contact_of(a, 0), *other = id == NULL ? NULL : contact_of(a, 2);

    return other == NULL
               ? NULL
               : client_path(a->ctx, "/v1/contacts/%s/relations/%s/%s", id, a->words[1], other);
}

static int relation_add(const struct asked *a)
{
    const char *path = relation_path(a);
    json_t *body;

    if (path == NULL)
        return CTL_FAILED;
    body = mem_must(json_object());
    if (a->since != NULL)
        json_object_set_new(body, "since", json_string(a->since));
    if (a->until != NULL)
        json_object_set_new(body, "until", json_string(a->until));
    if (a->note != NULL)
        json_object_set_new(body, "note", json_string(a->note));
    return call(a, "PUT", path, body);
}

static int relation_remove(const struct asked *a)
{
    const char *path = relation_path(a);

    return path == NULL ? CTL_FAILED : call(a, "DELETE", path, NULL);
}

/* --- group
 * ---------------------------------------------------------------------------------------------- */

static int group_list(const struct asked *a)
{
    static const char *const headings[] = {"GROUP", ">COUNT", NULL};
    static const char *const keys[] = {"name", "count"};

    return list(a, "/v1/groups?limit=1000", headings, keys, NULL);
}

static void name_member(const struct asked *a, json_t *item)
{
    name_who(a, item, item);
}

static int group_members(const struct asked *a)
{
    static const char *const headings[] = {">CONTACT", "WHO", "E-MAIL", "SINCE", NULL};
    static const char *const keys[] = {"id", "who", "email", "added_at"};

    return list(a, client_path(a->ctx, "/v1/groups/%s/members?limit=1000", a->words[0]), headings,
                keys, name_member);
}

static int group_change(const struct asked *a, const char *method)
{
    const char *id = contact_of(a, 1);

    return id == NULL
               ? CTL_FAILED
               : call(a, method, client_path(a->ctx, "/v1/groups/%s/members/%s", a->words[0], id),
                      NULL);
}

static int group_add(const struct asked *a)
{
    return group_change(a, "PUT");
}

static int group_remove(const struct asked *a)
{
    return group_change(a, "DELETE");
}

/* --- the commands
 * --------------------------------------------------------------------------------------- */

static int run(int argc, char **argv, const struct word *words)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct asked a = {.ctx = ctx, .command = argv[0], .words = argv + 2};
    const struct option_spec specs[] = {
        {.name = "json", .flag = &a.json},   {.name = "label", .text = &a.label},
        {.name = "since", .text = &a.since}, {.name = "until", .text = &a.until},
        {.name = "note", .text = &a.note},   {0}};

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

int ctl_address(int argc, char **argv)
{
    static const struct word words[] = {{"list", 1, address_list},
                                        {"add", 2, address_add},
                                        {"primary", 2, address_primary},
                                        {"remove", 2, address_remove},
                                        {NULL, 0, NULL}};

    return run(argc, argv, words);
}

int ctl_relation(int argc, char **argv)
{
    static const struct word words[] = {{"kinds", 0, relation_kinds},
                                        {"list", 1, relation_of},
                                        {"add", 3, relation_add},
                                        {"remove", 3, relation_remove},
                                        {NULL, 0, NULL}};

    return run(argc, argv, words);
}

int ctl_group(int argc, char **argv)
{
    static const struct word words[] = {{"list", 0, group_list},
                                        {"members", 1, group_members},
                                        {"add", 2, group_add},
                                        {"remove", 2, group_remove},
                                        {NULL, 0, NULL}};

    return run(argc, argv, words);
}
