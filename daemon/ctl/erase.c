/* erase.c - lazoctl erase: one person, for good. */
#include "common/mem.h"
#include "daemon/ctl/client.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/options.h"

#include <stdio.h>

int ctl_erase(int argc, char **argv)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    const char *reason = NULL;
    const struct option_spec specs[] = {{.name = "reason", .text = &reason}, {0}};
    struct client *c;
    const char *id;

    if (!options_parse(&argc, argv, specs) || argc != 2 || reason == NULL)
        return ctl_usage("erase");
    c = client_open(ctx, NULL);
    id = c == NULL ? NULL : client_contact(ctx, c, "erase", argv[1]);
    if (id == NULL)
        return CTL_FAILED;
    if (client_ask(ctx, c, "erase", "POST", client_path(ctx, "/v1/contacts/%s/erase", id),
                   mem_must(json_pack("{s:s}", "reason", reason))) == NULL)
        return CTL_FAILED;
    printf("erased: contact %s\n", id);
    return CTL_DONE;
}
