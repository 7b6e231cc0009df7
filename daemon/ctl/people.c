/* people.c - lazoctl address, relation, group: how contacts are reached, how they are joined, what
 * they belong to. To add a word: its line in the command's table. */
#include "common/mem.h"
#include "daemon/ctl/words.h"

#include <string.h>

enum option { LABEL, SINCE, UNTIL, NOTE };

static const char *const options[] = {"label", "since", "until", "note", NULL};

/* --- address
 * -------------------------------------------------------------------------------------------- */

static bool is_email(const char *address)
{
    return strchr(address, '@') != NULL;
}

static int address_write(const struct asked *a, bool primary)
{
    const char *id = words_contact(a, 0), *address = a->words[1];
    json_t *body;

    if (id == NULL)
        return CTL_FAILED;
    body = mem_must(json_pack("{s:s, s:b}", is_email(address) ? "email" : "phone", address,
                              "primary", primary));
    if (a->options[LABEL] != NULL)
        json_object_set_new(body, "label", json_string(a->options[LABEL]));
    return words_call(
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
    const char *id = words_contact(a, 0), *address = a->words[1];

    return id == NULL ? CTL_FAILED
                      : words_call(a, "DELETE",
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
    const char *id = words_contact(a, 0);
    int status;

    if (id == NULL)
        return CTL_FAILED;
    status =
        words_list(a, client_path(a->ctx, "/v1/contacts/%s/emails", id), emails, email_keys, NULL);
    return status != CTL_DONE ? status
                              : words_list(a, client_path(a->ctx, "/v1/contacts/%s/phones", id),
                                           phones, phone_keys, NULL);
}

/* --- relation
 * ------------------------------------------------------------------------------------------- */

static int relation_kinds(const struct asked *a)
{
    static const char *const headings[] = {"RELATION", "INVERSE", "SHARES", ">CONTACTS", NULL};
    static const char *const keys[] = {"name", "inverse", "shares", "count"};

    return words_list(a, "/v1/relations?limit=1000", headings, keys, NULL);
}

static void name_other(const struct asked *a, json_t *item)
{
    words_who(a, json_object_get(item, "contact"), item);
}

static int relation_of(const struct asked *a)
{
    static const char *const headings[] = {"RELATION", ">CONTACT", "WHO",  "E-MAIL",
                                           "SINCE",    "UNTIL",    "NOTE", NULL};
    static const char *const keys[] = {"relation", "id", "who", "email", "since", "until", "note"};
    const char *id = words_contact(a, 0);

    return id == NULL
               ? CTL_FAILED
               : words_list(a, client_path(a->ctx, "/v1/contacts/%s/relations?limit=1000", id),
                            headings, keys, name_other);
}

/* The path of a relation; NULL where one of the contacts is not there. */
static const char *relation_path(const struct asked *a)
{
    const char *id = words_contact(a, 0), *other = id == NULL ? NULL : words_contact(a, 2);

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
    if (a->options[SINCE] != NULL)
        json_object_set_new(body, "since", json_string(a->options[SINCE]));
    if (a->options[UNTIL] != NULL)
        json_object_set_new(body, "until", json_string(a->options[UNTIL]));
    if (a->options[NOTE] != NULL)
        json_object_set_new(body, "note", json_string(a->options[NOTE]));
    return words_call(a, "PUT", path, body);
}

static int relation_remove(const struct asked *a)
{
    const char *path = relation_path(a);

    return path == NULL ? CTL_FAILED : words_call(a, "DELETE", path, NULL);
}

/* --- group
 * ---------------------------------------------------------------------------------------------- */

static int group_list(const struct asked *a)
{
    static const char *const headings[] = {"GROUP", ">COUNT", NULL};
    static const char *const keys[] = {"name", "count"};

    return words_list(a, "/v1/groups?limit=1000", headings, keys, NULL);
}

static void name_member(const struct asked *a, json_t *item)
{
    words_who(a, item, item);
}

static int group_members(const struct asked *a)
{
    static const char *const headings[] = {">CONTACT", "WHO", "E-MAIL", "SINCE", NULL};
    static const char *const keys[] = {"id", "who", "email", "added_at"};

    return words_list(a, client_path(a->ctx, "/v1/groups/%s/members?limit=1000", a->words[0]),
                      headings, keys, name_member);
}

static int group_change(const struct asked *a, const char *method)
{
    const char *id = words_contact(a, 1);

    return id == NULL
               ? CTL_FAILED
               : words_call(a, method,
                            client_path(a->ctx, "/v1/groups/%s/members/%s", a->words[0], id), NULL);
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

int ctl_address(int argc, char **argv)
{
    static const struct word words[] = {{"list", 1, address_list},
                                        {"add", 2, address_add},
                                        {"primary", 2, address_primary},
                                        {"remove", 2, address_remove},
                                        {NULL, 0, NULL}};

    return words_run(argc, argv, words, options);
}

int ctl_relation(int argc, char **argv)
{
    static const struct word words[] = {{"kinds", 0, relation_kinds},
                                        {"list", 1, relation_of},
                                        {"add", 3, relation_add},
                                        {"remove", 3, relation_remove},
                                        {NULL, 0, NULL}};

    return words_run(argc, argv, words, options);
}

int ctl_group(int argc, char **argv)
{
    static const struct word words[] = {{"list", 0, group_list},
                                        {"members", 1, group_members},
                                        {"add", 2, group_add},
                                        {"remove", 2, group_remove},
                                        {NULL, 0, NULL}};

    return words_run(argc, argv, words, options);
}
