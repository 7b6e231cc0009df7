/* http_request.h - the inside of daemon/http/http*.c: a request's life. Nobody else includes it.
 *
 *     arrived ──► authorising ──► reading ──► handling ──► answered
 *        │             │            ▲            │
 *        └─────────────┴────────────┘            └── the handler answers at once or later
 *
 * arrived      the request line is there; the head is checked and the route found
 * authorising  the token is being looked up; suspended where that takes a turn of the loop
 * reading      the body comes in, and is kept, or thrown away where the answer is already known; or
 *              the handler takes it piece by piece: suspended while it takes none
 * handling     the handler owes an answer; suspended meanwhile
 * answered     the response was given to libmicrohttpd
 *
 * Two sides hold a request: libmicrohttpd until it says that it is done with it (`mhd` is NULL
 * then), and whoever owes an answer (`owed`). When neither does, it is freed at the end of the
 * turn, so that a handler may still use it after it answered. */
#ifndef LAZO_DAEMON_HTTP_HTTP_REQUEST_H
#define LAZO_DAEMON_HTTP_HTTP_REQUEST_H

#include "daemon/http/http.h"
#include "daemon/http/http_uri.h"

#include <microhttpd.h>

/* Bytes of all headers of a request. */
#define HTTP_HEAD_MAX ((size_t)16 * 1024)

#define HTTP_STAGES(X) X(arrived) X(authorising) X(reading) X(handling) X(answered)
enum http_stage {
#define X(name) HTTP_STAGE_##name,
    HTTP_STAGES(X)
#undef X
};

/* One connection; a node of http.connections. */
struct http_connection {
    struct http_connection *next, *prev;
    int fd;           /* libmicrohttpd's: shut down by us at most, never closed */
    int64_t since_us; /* monotonic; what is under way began then; 0: we owe, not the client */
    struct http_request *request; /* NULL between requests */
    const char *host;             /* the peer's address; NULL until somebody asks */
    bool left; /* the last sweep saw that the client sends nothing more, and owes something */
};

struct http_stream {
    http_more_fn *more;
    void *arg;
    struct buf piece; /* what is to be sent, from `sent` on */
    size_t sent;
    bool asked, ended, whole;
};

struct http_request {
    struct http *http;
    struct http_request *next, *prev; /* http.requests, or http.ended */
    struct MHD_Connection *mhd;       /* NULL: libmicrohttpd is done with it */
    struct http_connection *connection;
    enum http_stage stage;
    bool inside; /* libmicrohttpd is calling us for it right now: nothing is to be resumed */
    bool suspended;
    bool owed;      /* authorise or the handler has it and has not answered */
    bool ended;     /* in http.ended */
    bool has_body;  /* the head announced one */
    bool too_large; /* the body passed its limit */
    bool crowded;   /* the bodies of all requests together passed theirs */
    bool close;     /* the connection ends with this answer */
    bool streams;   /* the handler takes the body piece by piece */
    bool more;      /* it was called for more while it was given a piece */

    const char *target;
    struct http_uri uri;
    enum http_method method;
    const struct http_route *route;
    struct http_caller caller;
    const char *address;
    const char *if_match, *if_none_match; /* NULL: not said */
    size_t body_max;
    struct buf body;         /* data is NULL until the first byte */
    size_t counted;          /* its part of http.bodies */
    struct http_taker taker; /* of a request that streams; piece is NULL until http_take() */
    json_t *json;
    bool form_parsed;
    struct http_pairs form;

    struct http_pairs headers; /* of the answer */
    struct MHD_Response *response;
    int status;
    struct http_stream *stream; /* NULL: the answer is whole */
};

struct http {
    struct ev_loop *loop;
    struct http_options options;
    struct MHD_Daemon *daemon;
    int port;
    bool stopping;
    bool dirty; /* something was resumed: libmicrohttpd must run before the loop sleeps */
    ev_io io;
    ev_timer timer, sweep;
    ev_prepare prepare;
    struct http_connection *connections;
    struct http_request *requests, *ended;
    size_t in_flight;
    uint64_t answers[6]; /* by hundreds of the status */
    uint64_t refused;    /* shapes that nobody well-meaning sends */
    uint64_t cut;        /* connections that took too long */
    size_t bodies;       /* bytes of bodies in memory */
    uint64_t crowded;    /* bodies that were not read since there were too many */
    uint64_t taken;      /* bytes of bodies that were taken piece by piece */
};

/* http_serve.c: libmicrohttpd's access handler, and what it gives as the request's context when the
 * request line is there. */
enum MHD_Result http_serve(void *http, struct MHD_Connection *, const char *url, const char *method,
                           const char *version, const char *upload, size_t *upload_n,
                           void **request);
void *http_arrived(void *http, const char *target, struct MHD_Connection *);

/* http_answer_give() - the one answer of a request; the response is taken, its headers are added.
 */
void http_answer_give(struct http_request *, int status, const char *content_type,
                      struct MHD_Response *response_take);

/* http_queue() - gives libmicrohttpd an answer of ours: see http_refused.c. */
enum MHD_Result http_queue(struct MHD_Connection *, unsigned status, struct MHD_Response *);

/* http_stage_set() - the only place that changes `stage`. */
void http_stage_set(struct http_request *, enum http_stage);
/* http_resume() - there is news: libmicrohttpd shall ask for this request again. Harmless where it
 * is not suspended. */
void http_resume(struct http_request *);
/* http_settle() - frees the request at the end of the turn where nobody holds it any more. */
void http_settle(struct http_request *);
/* http_answer_drop() - forgets an answer that was not given to libmicrohttpd. */
void http_answer_drop(struct http_request *);
/* http_refuse() - answers 400 and ends the connection. */
void http_refuse(struct http_request *, const char *why);

#endif
