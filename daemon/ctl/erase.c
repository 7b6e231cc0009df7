/* erase.c - lazoctl erase: one person, for good. */
#include "common/mem.h"
#include "common/text.h"
#include "daemon/ctl/client.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/options.h"

#include <inttypes.h>
#include <string.h>

/* Whether one of the contact's addresses is this one: a search by words finds others too. */
static bool has_address(const json_t *contact, const char *address)
{
    const json_t *identity;
    size_t i;

    json_array_foreach(json_object_get(contact, "identities"), i, identity)
    {
        const char *value = json_string_value(json_object_get(identity, "value"));

        if (value != NULL && strcasecmp(value, address) == 0)
            return true;
    }
    return false;
}

/* The id; 0, said on stderr, where nobody is it. */
static int64_t person_find(const void *ctx, struct client *c, const char *who)
{
    const struct answer *a;
    const json_t *contact;
    int64_t id;
    size_t i;

    if (text_int(who, &id))
        return id;
    a = client_get(ctx, c, "erase", client_path(ctx, "/v1/contacts?q=%s", who));
    if (a == NULL)
        return 0;
    json_array_foreach(json_object_get(a->body, "items"), i, contact)
    {
        if (has_address(contact, who))
            return json_integer_value(json_object_get(contact, "id"));
    }
    fprintf(stderr, "erase: nobody has the address %s\n", who);
    return 0;
}

int ctl_erase(int argc, char **argv)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    const char *reason = NULL;
    const struct option_spec specs[] = {{.name = "reason", .text = &reason}, {0}};
    const struct answer *a;
    struct client *c;
    json_t *body;
    int64_t id;

    if (!options_parse(&argc, argv, specs) || argc != 2 || reason == NULL)
        return ctl_usage("erase");
    c = client_open(ctx, NULL);
    id = c == NULL ? 0 : person_find(ctx, c, argv[1]);
    if (id == 0)
        return CTL_FAILED;
    body = mem_must(json_pack("{s:s}", "reason", reason));
    a = client_call(ctx, c, "POST", mem_printf(ctx, "/v1/contacts/%" PRId64 "/erase", id), body);
    json_decref(body);
    if (a == NULL)
        return CTL_FAILED;
    if (!answer_ok(a)) {
        answer_problem(a, stderr, "erase");
        return CTL_FAILED;
    }
    printf("erased: contact %" PRId64 "\n", id);
    return CTL_DONE;
}
