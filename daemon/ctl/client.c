/* client.c - see client.h. */
#include "daemon/ctl/client.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/table.h"

#include "common/buf.h"
#include "common/mem.h"
#include "common/text.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define ANSWER_MAX ((size_t)256 << 20)
#define FILE_MAX   4096

/* However long Retry-After says. */
#define RETRY_MAX_S 60
/* client_wait() gives up then: in all, and where the instance has no database all the while. */
#define WAIT_MAX_S 1800
#define AWAY_MAX_S 10

struct client {
    CURL *curl;
    struct curl_slist *headers;
    const char *url;
    const char *token; /* or NULL */
    bool quiet;
};

static int client_close(struct client *c)
{
    curl_easy_cleanup(c->curl);
    return 0;
}

struct client *client_new(const void *ctx, const char *url, const char *token)
{
    struct client *c = mem_new(ctx, struct client);
    size_t n = strlen(url);

    while (n > 0 && url[n - 1] == '/')
        n--;
    c->url = mem_strndup(c, url, n);
    c->token = token != NULL ? mem_strdup(c, token) : NULL;
    c->curl = mem_must(curl_easy_init());
    talloc_set_destructor(c, client_close);
    return c;
}

struct client *client_again(const void *ctx, const struct client *c)
{
    return client_new(ctx, c->url, c->token);
}

void client_quiet(struct client *c)
{
    c->quiet = true;
}

/* The one line of a file of the home. */
static char *home_line(const void *ctx, const char *home, const char *name)
{
    char *path = mem_printf(ctx, "%s/%s", home, name);
    size_t n;
    char *line = text_file_read(ctx, path, FILE_MAX, &n);

    if (line == NULL) {
        fprintf(stderr, "lazoctl: %s: %s\n", path, strerror(errno));
        return NULL;
    }
    return text_trim(line);
}

static struct client *open_home(const void *ctx, const char *home)
{
    const char *url = home_line(ctx, home, "url");
    const char *token = url == NULL ? NULL : home_line(ctx, home, "token");

    return token == NULL ? NULL : client_new(ctx, url, token);
}

struct client *client_open(const void *ctx, const char *home)
{
    const char *url = getenv("LAZO_URL");

    if (home != NULL)
        return open_home(ctx, home);
    if (url != NULL)
        return client_new(ctx, url, getenv("LAZO_TOKEN"));
    if (getenv("LAZO_HOME") != NULL)
        return open_home(ctx, getenv("LAZO_HOME"));
    fputs("lazoctl: which instance? Say --home DIR, or set LAZO_URL and LAZO_TOKEN, or LAZO_HOME\n",
          stderr);
    return NULL;
}

char *client_path(const void *ctx, const char *format, ...)
{
    struct buf path;
    va_list ap;

    buf_init(&path, ctx, 1 << 20);
    va_start(ap, format);
    for (const char *p = format; *p != '\0'; p++) {
        if (p[0] == '%' && p[1] == 's') {
            const char *word = va_arg(ap, const char *);
            char *escaped = mem_must(curl_easy_escape(NULL, word, (int)strlen(word)));

            buf_str(&path, escaped);
            curl_free(escaped);
            p++;
        } else {
            buf_char(&path, *p);
        }
    }
    va_end(ap);
    return buf_take(&path, ctx);
}

/* --- one request
 * ---------------------------------------------------------------------------------- */

static size_t on_body(char *bytes, size_t size, size_t n, void *arg)
{
    struct buf *body = arg;

    buf_add(body, bytes, size * n);
    return buf_full(body) ? 0 : size * n;
}

static int answer_free(struct answer *a)
{
    json_decref(a->body);
    return 0;
}

static void header_add(struct curl_slist **headers, const char *name, const char *value)
{
    MEM_SCOPED char *line = mem_printf(NULL, "%s: %s", name, value);

    *headers = mem_must(curl_slist_append(*headers, line));
}

/* What a request's handle is told, but for its body. */
static void request_prepare(struct client *c, const char *method, const char *url, struct buf *body,
                            struct curl_slist *headers)
{
    curl_easy_reset(c->curl); /* keeps the connection */
    curl_easy_setopt(c->curl, CURLOPT_URL, url);
    curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, body);
    curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT, 10L);
    curl_easy_setopt(c->curl, CURLOPT_TIMEOUT, 300L);
    curl_easy_setopt(c->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    /* A contact that was merged is answered 308 with the kept one's path. */
    curl_easy_setopt(c->curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(c->curl, CURLOPT_MAXREDIRS, 3L);
    curl_easy_setopt(c->curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
}

static CURLcode request_perform(struct client *c, const char *method, const char *url,
                                const char *content_type, const char *body, size_t n,
                                struct buf *answer)
{
    struct curl_slist *headers = NULL;
    CURLcode rc;

    if (c->token != NULL) {
        MEM_SCOPED char *bearer = mem_printf(NULL, "Bearer %s", c->token);

        header_add(&headers, "Authorization", bearer);
    }
    if (body != NULL)
        header_add(&headers, "Content-Type", content_type);
    header_add(&headers, "Expect", "");
    request_prepare(c, method, url, answer, headers);
    if (body != NULL) {
        curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)n);
    }
    rc = curl_easy_perform(c->curl);
    curl_slist_free_all(headers);
    return rc;
}

struct answer *client_send(const void *ctx, struct client *c, const char *method, const char *path,
                           const char *content_type, const char *body, size_t n)
{
    struct answer *a = mem_new(ctx, struct answer);
    char *url = mem_printf(a, "%s%s", c->url, path);
    struct buf text;
    CURLcode rc;
    long status = 0;
    curl_off_t retry_s = 0;

    buf_init(&text, a, ANSWER_MAX);
    rc = request_perform(c, method, url, content_type, body, n, &text);
    if (rc != CURLE_OK) {
        if (!c->quiet)
            fprintf(stderr, "lazoctl: %s: %s\n", c->url, curl_easy_strerror(rc));
        talloc_free(a);
        return NULL;
    }
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(c->curl, CURLINFO_RETRY_AFTER, &retry_s);
    a->status = (int)status;
    a->retry_s = retry_s > RETRY_MAX_S ? RETRY_MAX_S : (int)retry_s;
    a->n = text.len;
    a->text = buf_take(&text, a);
    a->body = json_loadb(a->text, a->n, 0, NULL);
    talloc_set_destructor(a, answer_free);
    return a;
}

/* --- a file --------------------------------------------------------------------------------------
 */

struct download {
    struct client *client;
    FILE *out;
    struct buf problem; /* the body of an answer that is no file */
};

static size_t on_piece(char *bytes, size_t size, size_t n, void *arg)
{
    struct download *d = arg;
    long status = 0;

    curl_easy_getinfo(d->client->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200 && status < 300)
        return fwrite(bytes, 1, size * n, d->out);
    return on_body(bytes, size, n, &d->problem);
}

bool client_download(struct client *c, const char *what, const char *path, FILE *out)
{
    MEM_SCOPED struct answer *a = mem_new(NULL, struct answer);
    struct download d = {.client = c, .out = out};
    struct curl_slist *headers = NULL;
    CURLcode rc;
    long status = 0;

    buf_init(&d.problem, a, ANSWER_MAX);
    if (c->token != NULL)
        header_add(&headers, "Authorization", mem_printf(a, "Bearer %s", c->token));
    request_prepare(c, "GET", mem_printf(a, "%s%s", c->url, path), NULL, headers);
    curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, on_piece);
    curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, &d);
    curl_easy_setopt(c->curl, CURLOPT_TIMEOUT, 0L);
    rc = curl_easy_perform(c->curl);
    curl_slist_free_all(headers);
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
    if (rc != CURLE_OK || fflush(out) != 0) {
        fprintf(stderr, "lazoctl: %s: the file is not complete: %s\n", c->url,
                rc != CURLE_OK ? curl_easy_strerror(rc) : strerror(errno));
        return false;
    }
    a->status = (int)status;
    if (answer_ok(a))
        return true;
    a->body = json_loadb(d.problem.data, d.problem.len, 0, NULL);
    talloc_set_destructor(a, answer_free);
    answer_problem(a, stderr, what);
    return false;
}

struct answer *client_call(const void *ctx, struct client *c, const char *method, const char *path,
                           const json_t *body)
{
    char *text = body == NULL ? NULL : mem_must(json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY));
    struct answer *a = client_send(ctx, c, method, path, "application/json", text,
                                   text == NULL ? 0 : strlen(text));

    free(text);
    return a;
}

struct answer *client_ask(const void *ctx, struct client *c, const char *what, const char *method,
                          const char *path, json_t *body_take)
{
    struct answer *a = client_call(ctx, c, method, path, body_take);

    json_decref(body_take);
    if (a == NULL || answer_ok(a))
        return a;
    answer_problem(a, stderr, what);
    talloc_free(a);
    return NULL;
}

struct answer *client_get(const void *ctx, struct client *c, const char *what, const char *path)
{
    struct answer *a = client_call(ctx, c, "GET", path, NULL);

    if (a == NULL || (answer_ok(a) && a->body != NULL))
        return a;
    answer_problem(a, stderr, what);
    talloc_free(a);
    return NULL;
}

/* Whether the instance has its database. */
static bool is_ready(struct client *c)
{
    MEM_SCOPED const struct answer *a = client_call(NULL, c, "GET", "/readyz", NULL);

    return a != NULL && answer_ok(a);
}

bool client_wait(struct client *c, const char *what, const char *path)
{
    int waited_s = 0, away_s = 0;

    for (;;) {
        MEM_SCOPED void *ctx = talloc_new(NULL);
        const struct answer *a = client_call(ctx, c, "GET", path, NULL);
        const char *detail;

        if (a == NULL || a->status != 503 || a->retry_s <= 0)
            return a != NULL;
        if (is_ready(c))
            away_s = 0;
        if (waited_s >= WAIT_MAX_S || away_s >= AWAY_MAX_S) {
            answer_problem(a, stderr, what);
            return false;
        }
        detail = json_string_value(json_object_get(a->body, "detail"));
        if (waited_s == 0)
            fprintf(stderr, "%s: %s; waiting\n", what, detail != NULL ? detail : "503");
        sleep((unsigned)a->retry_s);
        waited_s += a->retry_s;
        away_s += a->retry_s;
    }
}

json_t *client_list(struct client *c, const char *what, const char *path)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    json_t *all = mem_must(json_array());
    const char *page = path;

    while (page != NULL) {
        struct answer *a = client_get(ctx, c, what, page);
        const json_t *next;

        if (a == NULL) {
            json_decref(all);
            return NULL;
        }
        json_array_extend(all, json_object_get(a->body, "items"));
        next = json_object_get(a->body, "next");
        page = NULL;
        if (json_is_string(next))
            page = mem_printf(ctx, "%s%safter=%s", path, strchr(path, '?') != NULL ? "&" : "?",
                              client_path(ctx, "%s", json_string_value(next)));
        else if (json_is_integer(next))
            page = mem_printf(ctx, "%s%safter=%" JSON_INTEGER_FORMAT, path,
                              strchr(path, '?') != NULL ? "&" : "?", json_integer_value(next));
    }
    return all;
}

int client_print_list(struct client *c, const char *what, const char *path, bool json,
                      const char *const *headings, const char *const *keys)
{
    json_t *items = c == NULL ? NULL : client_list(c, what, path);

    if (items == NULL)
        return CTL_FAILED;
    if (json)
        table_json(items);
    else
        table_items(items, headings, keys);
    json_decref(items);
    return CTL_DONE;
}

/* --- answers
 * --------------------------------------------------------------------------------------- */

bool answer_ok(const struct answer *a)
{
    return a->status >= 200 && a->status < 300;
}

bool answer_changed(const struct answer *a)
{
    const json_t *changed = json_object_get(a->body, "changed");

    return changed == NULL || json_is_true(changed);
}

static void problem_item(const json_t *error, FILE *out, const char *what)
{
    const char *detail = json_string_value(json_object_get(error, "detail"));
    const char *pointer = json_string_value(json_object_get(error, "pointer"));
    int line = (int)json_integer_value(json_object_get(error, "line"));
    int column = (int)json_integer_value(json_object_get(error, "column"));

    fprintf(out, "%s: ", what);
    if (pointer != NULL && *pointer != '\0')
        fprintf(out, "%s: ", pointer);
    if (line > 0)
        fprintf(out, "line %d, column %d: ", line, column);
    fprintf(out, "%s\n", detail != NULL ? detail : "refused");
}

void answer_problem(const struct answer *a, FILE *out, const char *what)
{
    const json_t *errors = json_object_get(a->body, "errors");
    const char *detail = json_string_value(json_object_get(a->body, "detail"));
    const char *title = json_string_value(json_object_get(a->body, "title"));
    const json_t *error;
    size_t i;

    if (json_array_size(errors) == 0) {
        fprintf(out, "%s: %s (HTTP status %d)\n", what,
                detail != NULL  ? detail
                : title != NULL ? title
                                : "refused",
                a->status);
        return;
    }
    json_array_foreach(errors, i, error) problem_item(error, out, what);
}

/* Whether one of the contact's addresses, or its external id, is this one: a search by words finds
 * whose begins so too, and those one typing mistake away. */
static bool is_named(const json_t *contact, const char *who)
{
    const json_t *identity;
    size_t i;

    json_array_foreach(json_object_get(contact, "identities"), i, identity)
    {
        const char *value = json_string_value(json_object_get(identity, "value"));

        if (value != NULL && strcasecmp(value, who) == 0)
            return true;
    }
    return false;
}

const char *client_contact(const void *ctx, struct client *c, const char *what, const char *who)
{
    const struct answer *a;
    const json_t *contact;
    int64_t number;
    size_t i;

    if (text_int(who, &number))
        return who;
    a = client_get(ctx, c, what, client_path(ctx, "/v1/contacts?q=%s", who));
    if (a == NULL)
        return NULL;
    json_array_foreach(json_object_get(a->body, "items"), i, contact)
    {
        if (is_named(contact, who))
            return table_value(ctx, json_object_get(contact, "id"));
    }
    fprintf(stderr, "%s: nobody has the address %s\n", what, who);
    return NULL;
}
