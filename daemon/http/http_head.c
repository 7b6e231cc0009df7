/* http_head.c - see http_head.h.
 *
 * libmicrohttpd accepts what a proxy in front of us might frame differently: two Content-Length,
 * Content-Length with Transfer-Encoding, odd header names. And of 0.9.75 neither option nor level
 * of strictness refuses lines that end in a lone LF, values that end at a NUL, and lines that go on
 * in the next one (RFC 9112, 2.2 and 5.2; RFC 9110, 5.5); the last it even glues to the name, so
 * that nobody finds a Content-Length that was folded, and its body is the next request. All that is
 * refused here.
 *
 * For the lines: libmicrohttpd takes the head apart where it stands. Method, version, names and
 * values point into the bytes that came, and CR and LF behind each became NULs. So each name begins
 * two bytes behind the value before it, or the line between ended otherwise. */
#include "daemon/http/http_head.h"

#include "common/mem.h"

#include <string.h>
#include <strings.h>

struct reading {
    struct http_request *request;
    struct http_head *head;
    const char *next; /* where a header must begin, or the head end */
    bool has_length, chunked;
    size_t size;
    unsigned hosts;
};

#define LINES_FAULT "a line of the head does not end with CR LF, or goes on in the next one"

static bool is_token(const char *s)
{
    static const char also[] = "!#$%&'*+-.^_`|~";

    if (*s == '\0')
        return false;
    for (; *s != '\0'; s++)
        if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9') ||
              strchr(also, *s) != NULL))
            return false;
    return true;
}

bool http_head_length(const char *value, uint64_t *ret_length)
{
    size_t n = strspn(value, "0123456789");

    if (n == 0 || n > 18 || value[n] != '\0')
        return false;
    *ret_length = strtoull(value, NULL, 10);
    return true;
}

static const char *length_fault(struct reading *g, const char *value)
{
    bool twice = g->has_length;

    g->has_length = true;
    if (twice)
        return "more than one Content-Length";
    return http_head_length(value, &g->head->length) ? NULL : "Content-Length is no number";
}

static const char *encoding_fault(struct reading *g, const char *value)
{
    bool known = !g->chunked && strcasecmp(value, "chunked") == 0;

    g->chunked = true;
    return known ? NULL : "the Transfer-Encoding is not known";
}

/* A header that is a list may stand in several lines. */
static void list_add(struct http_request *r, const char **list, const char *value)
{
    *list = *list == NULL ? mem_strdup(r, value) : mem_printf(r, "%s, %s", *list, value);
}

static bool has_controls(const char *s)
{
    for (; *s != '\0'; s++)
        if (((unsigned char)*s < 0x20 && *s != '\t') || *s == 0x7f)
            return true;
    return false;
}

/* header_read() - NULL, or what is wrong with this header. */
static const char *header_read(struct reading *g, const char *name, const char *value)
{
    struct http_head *head = g->head;

    if (!is_token(name))
        return "a header's name is malformed";
    if (has_controls(value))
        return "a header's value holds control characters";
    if (strcasecmp(name, "Content-Length") == 0)
        return length_fault(g, value);
    if (strcasecmp(name, "Transfer-Encoding") == 0)
        return encoding_fault(g, value);
    if (strcasecmp(name, "Host") == 0)
        g->hosts++;
    else if (strcasecmp(name, "Authorization") == 0 && head->authorization == NULL)
        head->authorization = value;
    else if (strcasecmp(name, "Content-Encoding") == 0)
        head->encoding = value;
    else if (strcasecmp(name, "X-Forwarded-For") == 0)
        head->forwarded_for = value;
    else if (strcasecmp(name, "If-Match") == 0)
        list_add(g->request, &g->request->if_match, value);
    else if (strcasecmp(name, "If-None-Match") == 0)
        list_add(g->request, &g->request->if_none_match, value);
    return NULL;
}

static enum MHD_Result on_header(void *arg, enum MHD_ValueKind kind, const char *name,
                                 const char *value)
{
    struct reading *g = arg;

    (void)kind;
    if (value == NULL)
        value = "";
    g->size += strlen(name) + strlen(value) + strlen(": \r\n");
    g->head->why = name == g->next ? header_read(g, name, value) : LINES_FAULT;
    g->next = value + strlen(value) + strlen("\r\n");
    return g->head->why == NULL ? MHD_YES : MHD_NO;
}

/* head_fault() - what is wrong with the head as a whole, whose headers are good; or NULL. */
static const char *head_fault(const struct reading *g, const char *method, const char *version)
{
    const union MHD_ConnectionInfo *size =
        MHD_get_connection_info(g->request->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    bool is_1_1 = strcmp(version, MHD_HTTP_VERSION_1_1) == 0;

    if (method + size->header_size != g->next + strlen("\r\n"))
        return LINES_FAULT;
    if (g->chunked && g->has_length)
        return "Content-Length beside Transfer-Encoding";
    if (g->chunked && !is_1_1)
        return "Transfer-Encoding needs HTTP/1.1";
    if (g->hosts > 1)
        return "more than one Host";
    if (g->hosts == 0 && is_1_1)
        return "HTTP/1.1 needs a Host";
    return NULL;
}

void http_head_read(struct http_request *r, const char *method, const char *version,
                    struct http_head *ret_head)
{
    struct reading g = {
        .request = r, .head = ret_head, .next = version + strlen(version) + strlen("\r\n")};

    *ret_head = (struct http_head){0};
    MHD_get_connection_values(r->mhd, MHD_HEADER_KIND, on_header, &g);
    if (ret_head->why == NULL)
        ret_head->why = head_fault(&g, method, version);
    ret_head->too_large = g.size > HTTP_HEAD_MAX;
    ret_head->has_body = g.chunked || ret_head->length > 0;
}
