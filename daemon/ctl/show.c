/* show.c - what lazoctl shows of an instance and the little it steers: status, clock, segments,
 * campaign, doubt. With --json each prints what the API answered. */
#include "common/mem.h"
#include "common/text.h"
#include "daemon/ctl/client.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/options.h"
#include "daemon/ctl/table.h"

#include <string.h>

/* Takes --json out of the words and finds the instance. */
static struct client *show_open(const void *ctx, int *argc, char **argv, bool *ret_json,
                                bool *ret_usage)
{
    const struct option_spec specs[] = {{.name = "json", .flag = ret_json}, {0}};

    *ret_json = false;
    *ret_usage = !options_parse(argc, argv, specs);
    return *ret_usage ? NULL : client_open(ctx, NULL);
}

/* One object of the API, shown. */
static int show_one(struct client *c, const char *what, const char *path, bool json)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    const struct answer *a = client_get(ctx, c, what, path);

    if (a == NULL)
        return CTL_FAILED;
    if (json)
        table_json(a->body);
    else
        table_object(a->body);
    return CTL_DONE;
}

/* One call that changes something; what came back, shown. */
static int show_done(struct client *c, const char *what, const char *path, json_t *body_take,
                     bool json)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    const struct answer *a = client_ask(ctx, c, what, "POST", path, body_take);

    if (a == NULL)
        return CTL_FAILED;
    if (json)
        table_json(a->body);
    else if (a->body != NULL)
        table_object(a->body);
    return CTL_DONE;
}

int ctl_status(int argc, char **argv)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    bool json, usage;
    struct client *c = show_open(ctx, &argc, argv, &json, &usage);

    if (usage || argc != 1)
        return ctl_usage("status");
    return c == NULL ? CTL_FAILED : show_one(c, "status", "/v1/status", json);
}

int ctl_clock(int argc, char **argv)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    bool json, usage;
    struct client *c = show_open(ctx, &argc, argv, &json, &usage);

    if (usage || (argc != 1 && (argc != 3 || strcmp(argv[1], "advance") != 0)))
        return ctl_usage("clock");
    if (c == NULL)
        return CTL_FAILED;
    if (argc == 1)
        return show_one(c, "clock", "/v1/clock", json);
    return show_done(c, "clock advance", "/v1/clock",
                     mem_must(json_pack("{s:s}", "advance", argv[2])), json);
}

int ctl_segments(int argc, char **argv)
{
    static const char *const headings[] = {"SEGMENT", ">COUNT", "KIND", "TITLE", NULL};
    static const char *const keys[] = {"name", "count", "kind", "title"};
    MEM_SCOPED void *ctx = talloc_new(NULL);
    bool json, usage;
    struct client *c = show_open(ctx, &argc, argv, &json, &usage);

    if (usage || argc != 1)
        return ctl_usage("segments");
    return client_print_list(c, "segments", "/v1/segments?limit=1000", json, headings, keys);
}

/* --- campaign, doubt
 * ----------------------------------------------------------------------------- */

int ctl_campaign(int argc, char **argv)
{
    static const char *const acts[] = {"start", "pause", "resume", "cancel"};
    MEM_SCOPED void *ctx = talloc_new(NULL);
    bool json, usage;
    struct client *c = show_open(ctx, &argc, argv, &json, &usage);

    if (usage || argc != 3)
        return ctl_usage("campaign");
    if (strcmp(argv[1], "show") == 0)
        return c == NULL
                   ? CTL_FAILED
                   : show_one(c, "campaign", client_path(ctx, "/v1/campaigns/%s", argv[2]), json);
    for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
        if (strcmp(argv[1], acts[i]) == 0)
            return c == NULL ? CTL_FAILED
                             : show_done(c, "campaign",
                                         client_path(ctx, "/v1/campaigns/%s/%s", argv[2], acts[i]),
                                         NULL, json);
    }
    return ctl_usage("campaign");
}

int ctl_doubt(int argc, char **argv)
{
    static const char *const headings[] = {">DELIVERY", ">CONTACT", "SORT", "CAMPAIGN",
                                           "WHEN",      "STATUS",   NULL};
    static const char *const keys[] = {"id", "contact", "sort", "template", "done_at", "status"};
    MEM_SCOPED void *ctx = talloc_new(NULL);
    bool json, usage;
    struct client *c = show_open(ctx, &argc, argv, &json, &usage);

    if (usage || (argc != 1 && (argc != 3 || strcmp(argv[1], "resend") != 0)))
        return ctl_usage("doubt");
    if (c == NULL)
        return CTL_FAILED;
    if (argc == 3)
        return show_done(c, "doubt resend", client_path(ctx, "/v1/deliveries/%s/resend", argv[2]),
                         NULL, json);
    return client_print_list(c, "doubt", "/v1/deliveries?state=uncertain&limit=1000", json,
                             headings, keys);
}
