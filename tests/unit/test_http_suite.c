/* llhttp's requests (shared/suites/http): no request that it refuses, and no more requests than it
 * finds in the same bytes, reach a handler.
 *
 * What is accepted there and refused here is not judged: fragments and encodings before chunked are
 * refused on purpose. The cases named below are chunk extensions, which nobody reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/mem.h"
#include "common/text.h"
#include "tests/unit/http_client.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Half a request gets no answer. */
#define PATIENCE_S 0.4
#define FILE_MAX   ((size_t)1 << 20)

static const char *const lenient[] = {
    "No extension after semicolon",
    "Unbalanced chunk extensions quoting",
};

struct fixture {
    struct ev_loop *loop;
    struct http *http;
    int reached;
};

static void on_request(void *arg, struct http_request *req)
{
    struct fixture *f = arg;

    f->reached++;
    http_answer_empty(req, 204);
}

#define ANY(path)                                                                                  \
    {HTTP_GET, path, NULL, on_request, NULL}, {HTTP_POST, path, NULL, on_request, NULL},           \
        {HTTP_PUT, path, NULL, on_request, NULL}, {HTTP_DELETE, path, NULL, on_request, NULL},     \
    {                                                                                              \
        HTTP_PATCH, path, NULL, on_request, NULL                                                   \
    }
static const struct http_route routes[] = {ANY("/"),
                                           ANY("/{a}"),
                                           ANY("/{a}/{b}"),
                                           ANY("/{a}/{b}/{c}"),
                                           ANY("/{a}/{b}/{c}/{d}"),
                                           {HTTP_GET, NULL, NULL, NULL, NULL}};

/* --- the files
 * --------------------------------------------------------------------------------------------- */

struct example {
    char *name;
    char *bytes;
    int complete; /* requests that llhttp finds in it */
    bool refused;
};

/* block() - what stands between ```KIND and ```, from *at on; NULL where there is none before
 * `end`. */
static char *block(const void *ctx, const char *at, const char *end, const char *kind)
{
    const char *open = strstr(at, mem_printf(ctx, "```%s\n", kind)), *close;

    if (open == NULL || open >= end)
        return NULL;
    open = strchr(open, '\n') + 1;
    close = strstr(open, "```");
    return mem_strndup(ctx, open, (size_t)(close - open));
}

/* unescape() - the bytes that a block means: lines end with CRLF but where a backslash ends them;
 * \r \n \t \f are those characters. */
static char *unescape(const void *ctx, const char *s)
{
    struct buf out;
    size_t n = strlen(s);

    buf_init(&out, ctx, 2 * n + 1);
    if (n > 0 && s[n - 1] == '\n')
        n--;
    for (size_t i = 0; i < n; i++) {
        static const char names[] = "rntf", values[] = "\r\n\t\f";
        const char *name = s[i] == '\\' && i + 1 < n ? strchr(names, s[i + 1]) : NULL;

        if (s[i] == '\\' && i + 1 < n && s[i + 1] == '\n') {
            i++;
        } else if (name != NULL && *name != '\0') {
            buf_char(&out, values[name - names]);
            i++;
        } else if (s[i] == '\n') {
            buf_str(&out, "\r\n");
        } else {
            buf_char(&out, s[i]);
        }
    }
    return out.data;
}

static int count(const char *s, const char *part)
{
    int n = 0;

    for (; (s = strstr(s, part)) != NULL; s += strlen(part))
        n++;
    return n;
}

/* read_example() - the example of the section from `s` to `end`; false where it has none of plain
 * requests. */
static bool read_example(const void *ctx, const char *s, const char *end, struct example *ret)
{
    char *section = mem_strndup(ctx, s, (size_t)(end - s));
    char *http = block(ctx, section, section + strlen(section), "http");
    char *log = block(ctx, section, section + strlen(section), "log");

    if (http == NULL || log == NULL || strstr(section, "request-") != NULL ||
        strstr(section, "\"pause\"") != NULL || strstr(section, "skipBody") != NULL)
        return false;
    ret->name = mem_strndup(ctx, section, strcspn(section, "\n"));
    ret->bytes = unescape(ctx, http);
    ret->complete = count(log, "message complete");
    ret->refused = strstr(log, "error code=") != NULL;
    return true;
}

/* --- the judge
 * ------------------------------------------------------------------------------------------------
 */

static bool is_lenient(const char *name)
{
    for (size_t i = 0; i < sizeof lenient / sizeof lenient[0]; i++)
        if (strcmp(name, lenient[i]) == 0)
            return true;
    return false;
}

static void judge(struct fixture *f, const void *ctx, const struct example *e)
{
    char *eol = strstr(e->bytes, "\r\n"), *bytes = e->bytes;
    int fd = client_dial(http_port(f->http));
    bool closed;

    if (eol != NULL && strcasestr(bytes, "\nhost:") == NULL)
        bytes = mem_printf(ctx, "%.*s\r\nHost: x%s", (int)(eol - bytes), bytes, eol);
    f->reached = 0;
    client_say(f->loop, fd, bytes, strlen(bytes));
    shutdown(fd, SHUT_WR);
    client_hear(ctx, f->loop, fd, PATIENCE_S, &closed);
    close(fd);
    if (f->reached > e->complete && !is_lenient(e->name))
        fail_msg("%s: %d requests reached a handler, llhttp finds %d", e->name, f->reached,
                 e->complete);
}

static void no_more_requests_than_llhttp_finds(void **state)
{
    struct fixture *f = *state;
    const char *shared = getenv("LAZO_SHARED");
    char *pattern =
        mem_printf(f, "%s/suites/http/request/*.md", shared != NULL ? shared : "../shared");
    size_t n, judged = 0;
    glob_t files;

    if (glob(pattern, 0, NULL, &files) != 0) {
        print_message("skipped: no %s\n", pattern);
        skip();
    }
    for (size_t i = 0; i < files.gl_pathc; i++) {
        char *text = text_file_read(f, files.gl_pathv[i], FILE_MAX, &n);

        assert_non_null(text);
        for (const char *s = text; (s = strstr(s, "## ")) != NULL;) {
            const char *name = s + 3, *end = strstr(name, "\n## ");
            const char *sub = strstr(name, "\n### ");
            MEM_SCOPED void *ctx = talloc_new(NULL);
            struct example e;

            if (end == NULL || (sub != NULL && sub < end))
                end = sub != NULL ? sub : text + n;
            if (read_example(ctx, name, end, &e)) {
                judge(f, ctx, &e);
                judged++;
            }
            s = end;
        }
    }
    globfree(&files);
    assert_true(judged > 50);
}

static int setup(void **state)
{
    struct fixture *f = mem_new(NULL, struct fixture);

    f->loop = ev_loop_new(0);
    f->http = client_server(f, f->loop, (struct http_options){.routes = routes, .arg = f});
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    struct ev_loop *loop = f->loop;

    talloc_free(f);
    ev_loop_destroy(loop);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_more_requests_than_llhttp_finds, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
