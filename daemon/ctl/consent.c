/* consent.c - `lazoctl consent`: the chains of the ledger verified, the evidence for one person.
 * See lazo-consent(7). */
#include "common/mem.h"
#include "common/text.h"
#include "daemon/ctl/client.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/table.h"

#include <string.h>

static json_int_t member_int(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

static void broken_say(const json_t *broken)
{
    const json_t *entry = json_object_get(broken, "entry");
    const char *why = json_string_value(json_object_get(broken, "why"));

    printf("broken: contact %" JSON_INTEGER_FORMAT ", entry number %" JSON_INTEGER_FORMAT,
           member_int(broken, "contact"), member_int(broken, "n"));
    if (json_is_integer(entry))
        printf(" (id %" JSON_INTEGER_FORMAT ")", json_integer_value(entry));
    printf(": %s\n", why != NULL ? why : "");
}

static int verify(struct client *c)
{
    json_int_t contacts = 0, entries = 0;
    char after[32] = "0";

    while (after[0] != '\0') {
        MEM_SCOPED void *ctx = talloc_new(NULL);
        const struct answer *a =
            client_get(ctx, c, "consent verify",
                       client_path(ctx, "/v1/consents/verify?limit=1000&after=%s", after));
        const char *next;

        if (a == NULL)
            return CTL_FAILED;
        if (json_is_object(json_object_get(a->body, "broken"))) {
            broken_say(json_object_get(a->body, "broken"));
            return CTL_FAILED;
        }
        contacts += member_int(a->body, "contacts");
        entries += member_int(a->body, "entries");
        next = json_string_value(json_object_get(a->body, "next"));
        snprintf(after, sizeof(after), "%s", next != NULL ? next : "");
    }
    printf("whole: %" JSON_INTEGER_FORMAT " entries of %" JSON_INTEGER_FORMAT " contacts\n",
           entries, contacts);
    return CTL_DONE;
}

static int evidence(struct client *c, const char *who)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    const char *id = client_contact(ctx, c, "consent evidence", who);
    const struct answer *a;

    if (id == NULL)
        return CTL_FAILED;
    a = client_get(ctx, c, "consent evidence",
                   client_path(ctx, "/v1/contacts/%s/consents/evidence", id));
    if (a == NULL)
        return CTL_FAILED;
    table_json(a->body);
    return CTL_DONE;
}

int ctl_consent(int argc, char **argv)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    bool check = argc == 2 && strcmp(argv[1], "verify") == 0;
    struct client *c;

    if (!check && (argc != 3 || strcmp(argv[1], "evidence") != 0))
        return ctl_usage("consent");
    c = client_open(ctx, NULL);
    if (c == NULL)
        return CTL_FAILED;
    return check ? verify(c) : evidence(c, argv[2]);
}
