/* template.c - `lazoctl template render`: reads the files, renders, prints. */
#include "daemon/ctl/template.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/diag.h"
#include "common/mem.h"
#include "common/template/template.h"
#include "common/text.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/options.h"

/* A partial that has been asked for. */
struct partial {
    struct partial *next;
    const char *name;
    const struct template *t; /* NULL: there is none of that name */
};

struct partials {
    const void *ctx;
    const char *dir; /* NULL: none */
    struct diag *d;
    struct partial *first;
};

static void print_diag(const struct diag *d)
{
    for (size_t i = 0; i < d->n; i++)
        fprintf(stderr, "%d:%d: %s\n", d->items[i].line, d->items[i].column, d->items[i].message);
}

/* read_partial() - the file of that name; NULL where there is none. Names lead nowhere but into the
 * directory. */
static char *read_partial(const struct partials *p, const char *name, size_t *ret_n)
{
    size_t max = template_limits_default().max_source + 1;
    if (*name == '\0' || *name == '/' || *name == '.' || strstr(name, "/.") != NULL)
        return NULL;
    char *path = mem_printf(p->ctx, "%s/%s.liquid", p->dir, name);
    char *text = text_file_read(p->ctx, path, max, ret_n);
    if (text == NULL && errno == ENOENT) {
        path = mem_printf(p->ctx, "%s/%s", p->dir, name);
        text = text_file_read(p->ctx, path, max, ret_n);
    }
    return text;
}

/* find_partial() - as struct template_env wants it; each file is read once. */
static const struct template *find_partial(void *arg, const char *name)
{
    struct partials *p = arg;
    size_t n;
    for (const struct partial *q = p->first; q != NULL; q = q->next) {
        if (strcmp(q->name, name) == 0)
            return q->t;
    }
    struct partial *q = mem_new(p->ctx, struct partial);
    q->name = mem_strdup(q, name);
    q->next = p->first;
    p->first = q;
    char *text = p->dir == NULL ? NULL : read_partial(p, name, &n);
    if (text == NULL)
        return NULL;
    struct diag d;
    diag_init(&d, q);
    q->t = template_compile(q, text, n, &d);
    for (size_t i = 0; i < d.n; i++)
        diag_at(p->d, d.items[i].line, d.items[i].column, "in the partial “%s”: %s", name,
                d.items[i].message);
    return q->t;
}

static int render(const void *ctx, const char *text, size_t n, struct template_env *env,
                  const char *partials_dir)
{
    struct diag d;
    struct buf out;
    diag_init(&d, ctx);
    buf_init(&out, ctx, template_limits_default().max_output);
    struct partials partials = {.ctx = ctx, .dir = partials_dir, .d = &d};
    env->partial = find_partial;
    env->arg = &partials;
    const struct template *t = template_compile(ctx, text, n, &d);
    if (t == NULL || !template_render(t, env, &out, NULL, &d)) {
        print_diag(&d);
        return CTL_FAILED;
    }
    if (fwrite(out.data, 1, out.len, stdout) != out.len || fflush(stdout) != 0) {
        fprintf(stderr, "lazoctl: cannot write: %s\n", strerror(errno));
        return CTL_FAILED;
    }
    return CTL_DONE;
}

/* render_file() - reads the template and its data, and renders. */
static int render_file(const char *file, const char *data_file, struct template_env *env,
                       const char *partials_dir)
{
    void *ctx MEM_SCOPED = mem_must(talloc_new(NULL));
    json_error_t error;
    size_t n;
    char *text = text_file_read(ctx, file, template_limits_default().max_source + 1, &n);
    if (text == NULL) {
        fprintf(stderr, "lazoctl: %s: %s\n", file, strerror(errno));
        return CTL_FAILED;
    }
    env->data = data_file == NULL ? json_object()
                                  : json_load_file(data_file, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(env->data)) {
        if (env->data == NULL)
            fprintf(stderr, "lazoctl: %s:%d:%d: %s\n", data_file, error.line, error.column,
                    error.text);
        else
            fprintf(stderr, "lazoctl: %s: the data must be a JSON object\n", data_file);
        json_decref(env->data);
        return CTL_FAILED;
    }
    int status = render(ctx, text, n, env, partials_dir);
    json_decref(env->data);
    return status;
}

static int usage(void)
{
    fprintf(stderr, "usage: lazoctl template render FILE.liquid [--data FILE.json] "
                    "[--partials DIR]\n"
                    "           [--escape html] [--locale es] [--time-zone ZONE] "
                    "[--currency EUR] [--strict]\n");
    return CTL_USAGE;
}

int ctl_template(int argc, char **argv)
{
    const char *data = NULL, *partials = NULL, *escape = NULL;
    struct template_env env = {.now_us = clock_now_us()};
    struct option_spec specs[] = {
        {.name = "data", .text = &data},
        {.name = "partials", .text = &partials},
        {.name = "escape", .text = &escape},
        {.name = "locale", .text = &env.locale},
        {.name = "time-zone", .text = &env.time_zone},
        {.name = "currency", .text = &env.currency},
        {.name = "strict", .flag = &env.strict},
        {0},
    };
    if (!options_parse(&argc, argv, specs) || argc != 3 || strcmp(argv[1], "render") != 0)
        return usage();
    if (escape != NULL && strcmp(escape, "html") != 0) {
        fprintf(stderr, "lazoctl: --escape knows only “html”\n");
        return usage();
    }
    env.escape_html = escape != NULL;
    return render_file(argv[2], data, &env, partials);
}
