/* http_serve.c - a request from its first line to its handler: the checks of its head, the token,
 * the body. See http_request.h for its stages.
 *
 * libmicrohttpd calls http_serve() once when the head is there, then with each piece of the body,
 * then once more when the request is complete; and again after each resume. */
#include "daemon/http/http_head.h"

#include "common/clock.h"
#include "common/mem.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sodium.h>
#include <string.h>
#include <strings.h>
#include <utlist.h>

/* Routes without a token take forms only. */
#define PUBLIC_BODY_MAX ((size_t)64 * 1024)
#define TARGET_MAX      ((size_t)16 * 1024)
/* What most requests need until they are answered. */
#define REQUEST_OBJECTS 50
#define REQUEST_BYTES   ((size_t)8 * 1024)

void http_stage_set(struct http_request *r, enum http_stage stage)
{
    static const char *const names[] = {
#define X(name) #name,
        HTTP_STAGES(X)
#undef X
    };

    if (stage <= r->stage)
        bug("a request goes from %s to %s", names[r->stage], names[stage]);
    r->stage = stage;
}

static int request_destroy(struct http_request *r)
{
    http_answer_drop(r);
    json_decref(r->json);
    return 0;
}

void *http_arrived(void *arg, const char *target, struct MHD_Connection *mhd)
{
    struct http *h = arg;
    struct http_request *r = mem_new_pooled(h, struct http_request, REQUEST_OBJECTS, REQUEST_BYTES);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    talloc_set_destructor(r, request_destroy);
    r->http = h;
    r->mhd = mhd;
    r->connection = info->socket_context;
    r->connection->request = r;
    r->connection->since_us = clock_monotonic_us();
    r->target = mem_strdup(r, target);
    DL_APPEND(h->requests, r);
    h->in_flight++;
    return r;
}

/* --- the head
 * ------------------------------------------------------------------------------------- */

/* host_of() - who is at the other end of the connection; written once. */
static const char *host_of(struct http_request *r)
{
    struct http_connection *c = r->connection;
    const struct sockaddr *peer;
    char host[NI_MAXHOST];
    socklen_t n;

    if (c->host != NULL)
        return c->host;
    peer = MHD_get_connection_info(r->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
    n = peer->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    if (getnameinfo(peer, n, host, sizeof host, NULL, 0, NI_NUMERICHOST) != 0)
        return "";
    host[strcspn(host, "%")] = '\0';
    c->host = mem_strdup(c, host);
    return c->host;
}

/* peer_address() - the client's. A proxy on this machine is believed when it says for whom it asks.
 */
static const char *peer_address(struct http_request *r, const char *forwarded_for)
{
    const char *host = host_of(r);
    unsigned char bytes[sizeof(struct in6_addr)];

    if (forwarded_for != NULL && (strcmp(host, "127.0.0.1") == 0 || strcmp(host, "::1") == 0)) {
        const char *comma = strrchr(forwarded_for, ',');
        const char *last = comma != NULL ? comma + 1 : forwarded_for;

        last += strspn(last, " \t");
        if (inet_pton(AF_INET, last, bytes) == 1 || inet_pton(AF_INET6, last, bytes) == 1)
            return mem_strdup(r, last);
    }
    return mem_strdup(r, host);
}

/* --- who asks
 * --------------------------------------------------------------------------------------- */

/* Basic (RFC 7617): the token is the user name. */
static const char *basic_token(struct http_request *r, const char *encoded)
{
    size_t n = strlen(encoded), len;
    char *out = mem_array(r, char, n + 1);

    if (sodium_base642bin((unsigned char *)out, n, encoded, n, NULL, &len, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0)
        return NULL;
    out[len] = '\0';
    out[strcspn(out, ":")] = '\0';
    return out;
}

static const char *token_of(struct http_request *r, const char *authorization)
{
    const char *value;

    if (authorization == NULL)
        return NULL;
    value = authorization + strcspn(authorization, " ");
    value += strspn(value, " ");
    if (strncasecmp(authorization, "Bearer ", 7) == 0)
        return mem_strdup(r, value);
    if (strncasecmp(authorization, "Basic ", 6) == 0)
        return basic_token(r, value);
    return NULL;
}

static int role_rank(const char *role)
{
    static const char *const roles[] = {"reader", "recorder", "editor", "owner"};

    for (int i = 0; i < (int)(sizeof roles / sizeof roles[0]); i++)
        if (strcmp(role, roles[i]) == 0)
            return i;
    return -1;
}

bool http_caller_may(const struct http_request *r, const char *role)
{
    return role_rank(r->caller.role) >= role_rank(role);
}

void http_authorised(struct http_request *r, const struct http_caller *caller)
{
    const char *fault = http_query_fault(r, r->route, &r->uri.query);

    if (r->stage != HTTP_STAGE_authorising || r->response != NULL)
        bug("authorised twice");
    r->caller = *caller;
    if (!http_caller_may(r, r->route->role)) {
        http_problem(r, 403, NULL, "This needs the role \"%s\"; the token has \"%s\".",
                     r->route->role, caller->role);
        return;
    }
    if (fault != NULL) {
        http_problem(r, 400, NULL, "%s", fault);
        return;
    }
    r->owed = false;
    http_resume(r);
    http_settle(r);
}

static void authorise(struct http_request *r, const char *authorization)
{
    const char *token = token_of(r, authorization);

    http_stage_set(r, HTTP_STAGE_authorising);
    r->owed = true;
    if (token == NULL || token[0] == '\0')
        http_problem(r, 401, NULL, "A token is needed: Authorization: Bearer TOKEN.");
    else
        r->http->options.authorise(r->http->options.arg, r, token);
}

/* --- the request
 * -------------------------------------------------------------------------------------- */

static bool method_parse(const char *s, enum http_method *ret)
{
    static const struct {
        const char *name;
        enum http_method method;
    } methods[] = {{"GET", HTTP_GET},        {"HEAD", HTTP_GET},    {"POST", HTTP_POST},
                   {"PUT", HTTP_PUT},        {"PATCH", HTTP_PATCH}, {"DELETE", HTTP_DELETE},
                   {"OPTIONS", HTTP_OPTIONS}};

    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (strcmp(s, methods[i].name) == 0) {
            *ret = methods[i].method;
            return true;
        }
    return false;
}

/* find_route() - false where the path or the method is not known; that was answered then. */
static bool find_route(struct http_request *r, const char *method)
{
    unsigned allowed;
    bool known = method_parse(method, &r->method);

    r->route = http_route_find(r->http->options.routes, &r->uri, r->method, &allowed);
    if (known && r->route != NULL)
        return true;
    if (allowed == 0) {
        http_problem(r, 404, NULL, "There is nothing at this path.");
        return false;
    }
    http_set_header(r, "Allow", http_allow(r, allowed));
    http_problem(r, 405, NULL, "This path does not answer %s.", known ? method : "this method");
    return false;
}

/* Whether `n` bytes more may be kept; one body alone always may. */
static bool bodies_fit(const struct http *h, size_t n)
{
    int64_t most = settings_int(h->options.settings, "limits.bodies");

    return n == 0 || h->bodies == 0 || (int64_t)(h->bodies + n) <= most;
}

static void crowded(struct http_request *r)
{
    r->close = true;
    http_set_header(r, "Retry-After", "1");
    http_problem(r, 503, NULL, "Too much is under way; try again.");
}

/* arrived() - the checks that need no body. What is wrong is answered. */
static void arrived(struct http_request *r, const char *method, const char *version)
{
    struct http_head head;
    size_t max;

    http_head_read(r, method, version, &head);
    r->has_body = head.has_body;
    r->address = peer_address(r, head.forwarded_for);
    if (head.why != NULL) {
        http_refuse(r, head.why);
        return;
    }
    if (strlen(r->target) > TARGET_MAX || head.too_large) {
        r->close = true;
        if (head.too_large)
            http_problem(r, 431, NULL, "The headers are larger than %zu bytes.", HTTP_HEAD_MAX);
        else
            http_problem(r, 414, NULL, "Path and query are larger than %zu bytes.", TARGET_MAX);
        return;
    }
    if (!http_uri_parse(r, r->target, &r->uri)) {
        http_problem(r, 400, NULL, "The path or query is malformed.");
        return;
    }
    if (!find_route(r, method))
        return;
    max = (size_t)settings_int(r->http->options.settings, "limits.body");
    if (r->route->role == NULL && max > PUBLIC_BODY_MAX)
        max = PUBLIC_BODY_MAX;
    r->body_max = max;
    r->streams = r->route->role != NULL && r->http->options.streams != NULL &&
                 r->http->options.streams(r->http->options.arg, r);
    if (head.encoding != NULL && strcasecmp(head.encoding, "identity") != 0)
        http_problem(r, 415, NULL, "Bodies are taken without Content-Encoding.");
    else if (!r->streams && head.length > max)
        http_problem(r, 413, NULL, "The body is larger than %zu bytes.", max);
    else if (!r->streams && !bodies_fit(r->http, head.length)) {
        r->http->crowded++;
        crowded(r);
    } else if (r->route->role != NULL)
        authorise(r, head.authorization);
}

static enum MHD_Result queue(struct http_request *r)
{
    enum MHD_Result ok;

    http_stage_set(r, HTTP_STAGE_answered);
    r->connection->since_us = clock_monotonic_us();
    if (r->close || r->http->stopping)
        MHD_add_response_header(r->response, MHD_HTTP_HEADER_CONNECTION, "close");
    if (r->status >= 100 && r->status < 600)
        r->http->answers[r->status / 100]++;
    ok = http_queue(r->mhd, (unsigned)r->status, r->response);
    MHD_destroy_response(r->response);
    r->response = NULL;
    return ok;
}

static enum MHD_Result suspend(struct http_request *r)
{
    r->connection->since_us = 0;
    r->suspended = true;
    MHD_suspend_connection(r->mhd);
    return MHD_YES;
}

/* head_done() - the head is judged. An answer that is known already goes out before a body is read;
 * without a body it waits for the request's end, since an early answer ends the connection. */
static enum MHD_Result head_done(struct http_request *r)
{
    http_stage_set(r, HTTP_STAGE_reading);
    r->connection->since_us = clock_monotonic_us();
    if (r->response == NULL && r->streams) {
        r->owed = true;
        r->route->handler(r->http->options.arg, r);
        if (r->response == NULL && r->taker.piece == NULL)
            bug("a handler neither answers nor takes the body");
    }
    if (r->response == NULL || !(r->has_body || r->close))
        return MHD_YES;
    r->close = true;
    return queue(r);
}

static void body_drop(struct http_request *r)
{
    r->http->bodies -= r->counted;
    r->counted = 0;
    buf_done(&r->body);
}

static void consume(struct http_request *r, const char *piece, size_t n)
{
    struct http *h = r->http;

    if (r->response != NULL || r->too_large || r->crowded)
        return;
    if (!bodies_fit(h, n)) {
        body_drop(r);
        r->crowded = true;
        h->crowded++;
        return;
    }
    if (r->body.data == NULL)
        buf_init(&r->body, r, r->body_max);
    h->bodies += n;
    r->counted += n;
    buf_add(&r->body, piece, n);
    if (buf_full(&r->body)) {
        r->too_large = true;
        body_drop(r);
    }
}

/* take() - the handler takes of the piece what it can; where that is not all, the rest stays with
 * libmicrohttpd and the sender waits. */
static enum MHD_Result take(struct http_request *r, const char *piece, size_t *n)
{
    size_t taken;

    do {
        r->more = false;
        taken = r->taker.piece(r->taker.arg, piece, *n);
        piece += taken;
        *n -= taken;
        r->http->taken += taken;
    } while (*n > 0 && r->more && r->response == NULL);
    if (r->response != NULL)
        *n = 0;
    return *n > 0 ? suspend(r) : MHD_YES;
}

void http_take(struct http_request *r, const struct http_taker *taker)
{
    if (!r->streams || r->taker.piece != NULL)
        bug("the body is not to be taken piece by piece, or twice");
    r->taker = *taker;
}

void http_more(struct http_request *r)
{
    r->more = true;
    if (r->stage == HTTP_STAGE_reading)
        http_resume(r);
}

void http_advanced(struct http_request *r)
{
    if (r->connection != NULL)
        r->connection->since_us = clock_monotonic_us();
}

/* Of a request that streams: its body is whole. */
static enum MHD_Result taken(struct http_request *r)
{
    http_stage_set(r, HTTP_STAGE_handling);
    r->taker.ended(r->taker.arg, true);
    return r->response != NULL ? queue(r) : suspend(r);
}

static enum MHD_Result complete(struct http_request *r)
{
    if (r->too_large && r->response == NULL) {
        r->close = true;
        http_problem(r, 413, NULL, "The body is larger than %zu bytes.", r->body_max);
    }
    if (r->crowded && r->response == NULL)
        crowded(r);
    if (r->response != NULL)
        return queue(r);
    if (r->streams)
        return taken(r);
    http_stage_set(r, HTTP_STAGE_handling);
    r->owed = true;
    r->route->handler(r->http->options.arg, r);
    return r->response != NULL ? queue(r) : suspend(r);
}

static enum MHD_Result serve(struct http_request *r, const char *method, const char *version,
                             const char *upload, size_t *upload_n)
{
    if (*upload_n > 0 && r->streams && r->response == NULL)
        return take(r, upload, upload_n);
    if (*upload_n > 0) {
        consume(r, upload, *upload_n);
        *upload_n = 0;
        return MHD_YES;
    }
    switch (r->stage) {
    case HTTP_STAGE_arrived:
        arrived(r, method, version);
        return r->owed ? suspend(r) : head_done(r);
    case HTTP_STAGE_authorising:
        return head_done(r);
    case HTTP_STAGE_reading:
        return complete(r);
    case HTTP_STAGE_handling:
        return queue(r);
    case HTTP_STAGE_answered:
        return MHD_YES;
    }
    return MHD_NO;
}

enum MHD_Result http_serve(void *arg, struct MHD_Connection *mhd, const char *url,
                           const char *method, const char *version, const char *upload,
                           size_t *upload_n, void **request)
{
    struct http_request *r = *request;
    enum MHD_Result ok;

    (void)arg;
    (void)mhd;
    (void)url;
    if (r == NULL)
        return MHD_NO;
    r->inside = true;
    ok = serve(r, method, version, upload, upload_n);
    r->inside = false;
    return ok;
}
