/* export.c - lazoctl export: contacts or interactions as CSV or NDJSON. */
#include "common/mem.h"
#include "daemon/ctl/client.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/options.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct words {
    const char *rule, *columns, *format, *output;
};

static bool failed(const char *path)
{
    fprintf(stderr, "lazoctl: %s: %s\n", path, strerror(errno));
    return false;
}

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

/* Into a file that stands under its own name only when it is whole: what a kill leaves is
 * FILE.part. */
static bool export_save(const void *ctx, struct client *c, const char *what, const struct words *w)
{
    const char *part = mem_printf(ctx, "%s.part", w->output);
    FILE *out;
    bool done;

    if (access(w->output, F_OK) == 0) {
        errno = EEXIST;
        return failed(w->output);
    }
    out = fopen(part, "we");
    if (out == NULL)
        return failed(part);
    done = client_download(c, what, export_path(ctx, what, w), out);
    if (fclose(out) != 0 && done)
        done = failed(part);
    if (done && renameat2(AT_FDCWD, part, AT_FDCWD, w->output, RENAME_NOREPLACE) != 0 &&
        (errno != EINVAL || rename(part, w->output) != 0))
        done = failed(w->output);
    if (!done)
        remove(part);
    return done;
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
    bool done;

    if (!options_parse(&argc, argv, specs) || argc != 2)
        return ctl_usage("export");
    c = client_open(ctx, NULL);
    if (c == NULL)
        return CTL_FAILED;
    done = w.output != NULL ? export_save(ctx, c, argv[1], &w)
                            : client_download(c, argv[1], export_path(ctx, argv[1], &w), stdout);
    return done ? CTL_DONE : CTL_FAILED;
}
