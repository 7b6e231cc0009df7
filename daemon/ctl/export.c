/* export.c - lazoctl export: contacts or interactions as CSV or NDJSON. */
#include "common/mem.h"
#include "daemon/ctl/client.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/options.h"

#include <errno.h>
#include <string.h>

struct words {
    const char *rule, *columns, *format, *output;
};

static char *export_path(const void *ctx, const char *what, const struct words *w)
{
    char *path = client_path(ctx, "/v1/exports?what=%s&format=%s", what,
                             w->format != NULL ? w->format : "csv");

    if (w->rule != NULL)
        path = mem_printf(ctx, "%s&rule=%s", path, client_path(ctx, "%s", w->rule));
    if (w->columns != NULL)
        path = mem_printf(ctx, "%s&columns=%s", path, client_path(ctx, "%s", w->columns));
    return path;
}

int ctl_export(int argc, char **argv)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct words w = {0};
    const struct option_spec specs[] = {{.name = "rule", .text = &w.rule},
                                        {.name = "columns", .text = &w.columns},
                                        {.name = "format", .text = &w.format},
                                        {.name = "output", .text = &w.output},
                                        {0}};
    struct client *c;
    FILE *out = stdout;
    bool done;

    if (!options_parse(&argc, argv, specs) || argc != 2)
        return ctl_usage("export");
    c = client_open(ctx, NULL);
    if (c == NULL)
        return CTL_FAILED;
    if (w.output != NULL)
        out = fopen(w.output, "wx");
    if (out == NULL) {
        fprintf(stderr, "lazoctl: %s: %s\n", w.output, strerror(errno));
        return CTL_FAILED;
    }
    done = client_download(c, argv[1], export_path(ctx, argv[1], &w), out);
    if (w.output != NULL && fclose(out) != 0) {
        fprintf(stderr, "lazoctl: %s: %s\n", w.output, strerror(errno));
        done = false;
    }
    if (!done && w.output != NULL)
        remove(w.output);
    return done ? CTL_DONE : CTL_FAILED;
}
