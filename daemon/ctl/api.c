/* api.c - lazoctl api: one call of the HTTP API, for what no other command does. */
#include "common/mem.h"
#include "common/text.h"
#include "daemon/ctl/client.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/options.h"
#include "daemon/ctl/table.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define BODY_MAX ((size_t)64 << 20)

static const char *type_of(const char *file)
{
    if (text_ends(file, ".ndjson"))
        return "application/x-ndjson";
    return text_ends(file, ".csv") ? "text/csv" : "application/json";
}

static bool is_method(const char *word)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (strcmp(word, methods[i]) == 0)
            return true;
    fprintf(stderr, "api: \"%s\" is no method: GET, POST, PUT, PATCH or DELETE is expected\n",
            word);
    return false;
}

static int answer_print(const struct answer *a)
{
    if (!answer_ok(a)) {
        answer_problem(a, stderr, "api");
        return CTL_FAILED;
    }
    if (a->body != NULL)
        table_json(a->body);
    else if (fwrite(a->text, 1, a->n, stdout) != a->n || fflush(stdout) != 0)
        return CTL_FAILED;
    return CTL_DONE;
}

int ctl_api(int argc, char **argv)
{
    const char *type = NULL, *file, *body = NULL;
    const struct option_spec specs[] = {{.name = "type", .text = &type}, {0}};
    MEM_SCOPED void *ctx = talloc_new(NULL);
    const struct answer *a;
    struct client *c;
    size_t n = 0;

    if (!options_parse(&argc, argv, specs) || argc < 3 || argc > 4 || !is_method(argv[1]) ||
        argv[2][0] != '/')
        return ctl_usage("api");
    file = argc == 4 ? argv[3] : NULL;
    if (file != NULL) {
        body = text_file_read(ctx, strcmp(file, "-") == 0 ? "/dev/stdin" : file, BODY_MAX, &n);
        if (body == NULL) {
            fprintf(stderr, "api: %s: %s\n", file, strerror(errno));
            return CTL_FAILED;
        }
    }
    c = client_open(ctx, NULL);
    if (c == NULL)
        return CTL_FAILED;
    a = client_send(ctx, c, argv[1], argv[2],
                    type != NULL ? type : type_of(file == NULL ? "" : file), body, n);
    return a == NULL ? CTL_FAILED : answer_print(a);
}
