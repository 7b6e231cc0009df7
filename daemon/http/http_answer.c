/* http_answer.c - the answers of requests. See http.h. */
#include "daemon/http/http_request.h"

#include "common/clock.h"
#include "common/mem.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define PROBLEM_MAX ((size_t)16 * 1024 * 1024)

void http_answer_drop(struct http_request *r)
{
    if (r->response != NULL)
        MHD_destroy_response(r->response);
    r->response = NULL;
}

void http_set_header(struct http_request *r, const char *name, const char *value)
{
    if (value[strcspn(value, "\r\n")] != '\0')
        bug("a line end in the header %s", name);
    if (!http_pairs_add(r, &r->headers, mem_strdup(r, name), mem_strdup(r, value)))
        bug("too many headers");
}

static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
    if (MHD_add_response_header(response, name, value) != MHD_YES)
        bug("libmicrohttpd refuses the header %s", name);
}

void http_answer_give(struct http_request *r, int status, const char *content_type,
                      struct MHD_Response *response)
{
    if (r->response != NULL || r->stage == HTTP_STAGE_answered)
        bug("a request was answered twice");
    mem_must(response);
    if (content_type != NULL)
        add_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    add_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    add_header(response, MHD_HTTP_HEADER_X_CONTENT_TYPE_OPTIONS, "nosniff");
    for (size_t i = 0; i < r->headers.n; i++)
        add_header(response, r->headers.items[i].name, r->headers.items[i].value);
    r->response = response;
    r->status = status;
    r->owed = false;
    http_resume(r);
}

/* answer_gone() - nobody will see the answer. */
static bool answer_gone(struct http_request *r)
{
    if (r->mhd != NULL)
        return false;
    r->owed = false;
    http_settle(r);
    return true;
}

/* answer() - the bytes are copied. */
static void answer(struct http_request *r, int status, const char *content_type, const char *bytes,
                   size_t n)
{
    if (!answer_gone(r))
        http_answer_give(
            r, status, content_type,
            MHD_create_response_from_buffer(n, (void *)(uintptr_t)bytes, MHD_RESPMEM_MUST_COPY));
}

void http_answer_json(struct http_request *r, int status, const char *json, size_t n)
{
    answer(r, status, "application/json", json, n);
}

void http_answer_value(struct http_request *r, int status, json_t *value_take)
{
    char *text = mem_must(json_dumps(value_take, JSON_COMPACT | JSON_ENCODE_ANY));

    json_decref(value_take);
    answer(r, status, "application/json", text, strlen(text));
    free(text);
}

void http_answer_text(struct http_request *r, int status, const char *content_type,
                      const char *text, size_t n)
{
    answer(r, status, content_type, text, n);
}

void http_answer_empty(struct http_request *r, int status)
{
    answer(r, status, NULL, "", 0);
}

/* --- streams ------------------------------------------------------------------------------------
 */

#define PIECE_MAX ((size_t)32 * 1024 * 1024)
#define BLOCK     ((size_t)64 * 1024)

static ssize_t stream_wait(struct http_request *r)
{
    r->connection->since_us = 0;
    r->suspended = true;
    MHD_suspend_connection(r->mhd);
    return 0;
}

static ssize_t stream_read(struct http_request *r, char *out, size_t max)
{
    struct http_stream *s = r->stream;
    size_t n;

    if (s->sent == s->piece.len && !s->ended && !s->asked) {
        s->asked = true;
        r->owed = true;
        s->more(s->arg);
    }
    n = s->piece.len - s->sent;
    if (n > 0) {
        n = n < max ? n : max;
        memcpy(out, s->piece.data + s->sent, n);
        s->sent += n;
        r->connection->since_us = clock_monotonic_us();
        return (ssize_t)n;
    }
    if (!s->ended)
        return stream_wait(r);
    return s->whole ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
}

/* libmicrohttpd wants bytes. Inside, so that a piece that comes at once resumes nothing. */
static ssize_t on_stream_read(void *arg, uint64_t at, char *out, size_t max)
{
    struct http_request *r = arg;
    ssize_t n;

    (void)at;
    r->inside = true;
    n = stream_read(r, out, max);
    r->inside = false;
    return n;
}

void http_answer_stream(struct http_request *r, int status, const char *content_type,
                        http_more_fn *more, void *arg)
{
    if (answer_gone(r))
        return;
    r->stream = mem_new(r, struct http_stream);
    r->stream->more = more;
    r->stream->arg = arg;
    buf_init(&r->stream->piece, r, PIECE_MAX);
    http_answer_give(
        r, status, content_type,
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, on_stream_read, r, NULL));
}

static void stream_answered(struct http_request *r)
{
    r->stream->asked = false;
    r->owed = false;
    if (r->mhd == NULL)
        http_settle(r);
    else
        http_resume(r);
}

void http_stream_add(struct http_request *r, const char *bytes, size_t n)
{
    struct http_stream *s = r->stream;

    buf_reset(&s->piece);
    s->sent = 0;
    buf_add(&s->piece, bytes, n);
    if (buf_full(&s->piece)) {
        buf_reset(&s->piece);
        s->ended = true;
    }
    stream_answered(r);
}

void http_stream_end(struct http_request *r, bool whole)
{
    r->stream->ended = true;
    r->stream->whole = whole;
    stream_answered(r);
}

/* --- problems (RFC 9457) -------------------------------------------------------------------------
 */

static void json_member(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, "\"%s\":", name);
    buf_json(out, value, strlen(value));
    buf_char(out, ',');
}

static void add_errors(struct buf *out, const struct diag *d)
{
    buf_str(out, ",\"errors\":[");
    for (size_t i = 0; i < d->n; i++) {
        const struct diag_item *item = &d->items[i];

        buf_str(out, i == 0 ? "{" : ",{");
        if (item->pointer != NULL)
            json_member(out, "pointer", item->pointer);
        if (item->line > 0)
            buf_printf(out, "\"line\":%d,", item->line);
        if (item->column > 0)
            buf_printf(out, "\"column\":%d,", item->column);
        buf_str(out, "\"detail\":");
        buf_json(out, item->message, strlen(item->message));
        buf_char(out, '}');
    }
    buf_char(out, ']');
}

/* What RFC 9110 wants beside some statuses. */
static void add_status_headers(struct http_request *r, int status)
{
    if (status == 401)
        http_set_header(r, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer realm=\"lazo\"");
    if (status == 503 && http_pairs_find(&r->headers, MHD_HTTP_HEADER_RETRY_AFTER) == NULL)
        http_set_header(r, MHD_HTTP_HEADER_RETRY_AFTER, "1");
}

void http_problem(struct http_request *r, int status, const struct diag *d,
                  const char *detail_format, ...)
{
    struct buf out;
    char *detail;
    va_list ap;

    va_start(ap, detail_format);
    detail = mem_must(talloc_vasprintf(r, detail_format, ap));
    va_end(ap);
    buf_init(&out, r, PROBLEM_MAX);
    buf_str(&out, "{\"type\":\"about:blank\",");
    json_member(&out, "title", MHD_get_reason_phrase_for((unsigned)status));
    buf_printf(&out, "\"status\":%d,\"detail\":", status);
    buf_json(&out, detail, strlen(detail));
    if (d != NULL && diag_any(d))
        add_errors(&out, d);
    buf_char(&out, '}');
    add_status_headers(r, status);
    answer(r, status, "application/problem+json", out.data, out.len);
    buf_done(&out);
}

void http_refuse(struct http_request *r, const char *why)
{
    r->close = true;
    r->http->refused++;
    http_problem(r, 400, NULL, "The request is malformed: %s.", why);
}
