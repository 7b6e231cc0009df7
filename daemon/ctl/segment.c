/* segment.c - lazoctl segment: who will enter and leave by time alone. */
#include "common/mem.h"
#include "daemon/ctl/client.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/options.h"
#include "daemon/ctl/table.h"

#include <stdio.h>
#include <string.h>

static const char *text(const void *ctx, const json_t *report, const char *name)
{
    return table_value(ctx, json_object_get(report, name));
}

static void forecast_print(const void *ctx, const json_t *report)
{
    static const char *const day_headings[] = {"DAY", ">ENTERING", ">LEAVING", NULL};
    static const char *const day_keys[] = {"day", "entering", "leaving"};
    static const char *const headings[] = {"AT", "MOVE", ">CONTACT", NULL};
    static const char *const keys[] = {"at", "move", "contact"};

    table_items(json_object_get(report, "days"), day_headings, day_keys);
    putchar('\n');
    table_items(json_object_get(report, "items"), headings, keys);
    printf("\n%s will enter and %s leave by time alone until %s\n", text(ctx, report, "entering"),
           text(ctx, report, "leaving"), text(ctx, report, "until"));
    if (!json_is_true(json_object_get(report, "complete")))
        puts("there is more than is told at a time: ask for fewer days");
    if (!json_is_true(json_object_get(report, "exact")))
        puts("part of what the rule reads is taken as it is now");
}

int ctl_segment(int argc, char **argv)
{
    const char *days = NULL;
    bool json = false;
    const struct option_spec specs[] = {
        {.name = "days", .text = &days}, {.name = "json", .flag = &json}, {0}};
    MEM_SCOPED void *ctx = talloc_new(NULL);
    const struct answer *a;
    struct client *c;

    if (!options_parse(&argc, argv, specs) || argc != 3 || strcmp(argv[1], "forecast") != 0)
        return ctl_usage("segment");
    c = client_open(ctx, NULL);
    if (c == NULL)
        return CTL_FAILED;
    a = client_get(ctx, c, "segment forecast",
                   client_path(ctx, "/v1/segments/%s/forecast?days=%s&limit=1000", argv[2],
                               days == NULL ? "30" : days));
    if (a == NULL)
        return CTL_FAILED;
    if (json)
        table_json(a->body);
    else
        forecast_print(ctx, a->body);
    return CTL_DONE;
}
