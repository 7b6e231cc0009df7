/* lazod.c - the event daemon: makes the services, puts them together, runs the loop.
 *
 *     lazod [--config FILE] [--check] [--version]
 *
 * Any number of lazods serve HTTP; one leads: it holds an advisory lock of PostgreSQL on a
 * connection of its own (lead.c) and runs the steps evaluate, decide and dispatch. They are made
 * when it begins to lead and freed when it ends. */
#include "common/log.h"
#include "common/mem.h"
#include "daemon/check.h"
#include "daemon/serve.h"

#include <getopt.h>
#include <jansson.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <stdio.h>

static void print_usage(FILE *out)
{
    fputs("usage: lazod [--config FILE] [--check] [--version]\n", out);
}

static struct settings *load(const void *ctx, const char *path)
{
    struct diag d;
    struct settings *settings;

    diag_init(&d, ctx);
    settings = settings_load(ctx, path, &d);
    for (size_t i = 0; i < d.n; i++)
        fprintf(stderr, "%s\n", d.items[i].message);
    return settings;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"check", no_argument, NULL, 'k'},
                                            {"version", no_argument, NULL, 'v'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    const char *path = NULL;
    bool check = false;
    struct settings *settings;
    void *root;
    int c, status;

    while ((c = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
        if (c == 'c') {
            path = optarg;
        } else if (c == 'k') {
            check = true;
        } else if (c == 'v') {
            puts("lazod " LAZO_VERSION);
            return 0;
        } else {
            print_usage(c == 'h' ? stdout : stderr);
            return c == 'h' ? 0 : 2;
        }
    }
    if (optind != argc) {
        print_usage(stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    json_object_seed(0);
    if (sodium_init() < 0)
        log_fatal("lazod", "no randomness", "%s", "");
    root = mem_must(talloc_named_const(NULL, 0, "lazod"));
    settings = load(root, path);
    if (settings == NULL)
        return 1;
    status = check ? check_environment(settings) : serve_run(root, settings, path);
    talloc_free(root);
    return status;
}
