/* sender.c - see sender.h. A delivery is one job from sender_call() to its result; an attempt is
 * one curl transfer of it. */
#include "workers/hook/sender.h"

#include "common/clock.h"
#include "common/mem.h"
#include "workers/hook/curlloop.h"
#include "workers/hook/netaddr.h"
#include "workers/hook/request.h"
#include "workers/hook/retry.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_MAX     65536
#define ANSWER_KEPT    256 /* for the status text */
#define CONNECT_MAX_MS 10000

struct sender {
    struct ev_loop *loop;
    struct curlloop *curl;
    sender_fn *done;
    void *arg;
    long timeout_ms;
    int64_t retries, retry_first_us;
    bool allow_private, released;
    size_t busy;
    size_t n_waiting, most_waiting;
    struct delivery *waiting; /* list of those whose timer runs */
    void *deliveries;         /* parent of them all */
};

struct delivery {
    struct sender *sender;
    struct request *request;
    int failures;
    ev_timer timer;
    struct delivery *previous, *next; /* in sender->waiting */

    /* of the attempt under way */
    CURL *easy;
    struct curl_slist *headers;
    bool refused, opened; /* an address was not public; a socket was made */
    size_t answer_len;
    char kept[ANSWER_KEPT];
    char error[CURL_ERROR_SIZE];
};

/* --- the delivery's end ------------------------------------------------------------------ */

static void attempt_clear(struct delivery *d)
{
    curl_easy_cleanup(d->easy);
    curl_slist_free_all(d->headers);
    d->easy = NULL;
    d->headers = NULL;
}

static void waiting_enter(struct delivery *d)
{
    struct sender *s = d->sender;

    d->next = s->waiting;
    if (d->next != NULL)
        d->next->previous = d;
    s->waiting = d;
    s->n_waiting++;
}

static void waiting_leave(struct delivery *d)
{
    if (d->previous == NULL && d->sender->waiting != d)
        return;
    d->sender->n_waiting--;
    if (d->previous != NULL)
        d->previous->next = d->next;
    else
        d->sender->waiting = d->next;
    if (d->next != NULL)
        d->next->previous = d->previous;
    d->previous = d->next = NULL;
    ev_timer_stop(d->sender->loop, &d->timer);
}

static int delivery_close(struct delivery *d)
{
    waiting_leave(d);
    if (d->easy != NULL) {
        curlloop_remove(d->sender->curl, d->easy);
        attempt_clear(d);
    }
    d->sender->busy--;
    return 0;
}

static void finish(struct delivery *d, const char *state, const char *text, int status, bool gone)
{
    struct sender *s = d->sender;
    json_t *result = request_result(d->request->job, state, text, status, gone);
    int64_t lease = d->request->lease;

    talloc_free(d);
    s->done(s->arg, lease, result);
    json_decref(result);
}

static void attempt(struct delivery *d);

static void on_wait_over(struct ev_loop *loop, ev_timer *w, int revents)
{
    struct delivery *d = w->data;

    (void)loop, (void)revents;
    waiting_leave(d);
    attempt(d);
}

/* What failed for minutes is lazod's to give out again, over days. One endpoint that is down must
 * not keep the others waiting: only half of the jobs in hand may wait, the rest goes back to the
 * queue at once. */
static void wait_or_finish(struct delivery *d, const char *text, int status, int64_t retry_after_s)
{
    struct sender *s = d->sender;
    int64_t wait_us;

    if (d->failures >= s->retries || s->released || s->n_waiting >= s->most_waiting) {
        finish(d, "retry", text, status, false);
        return;
    }
    wait_us =
        hookretry_wait_us(s->retry_first_us, d->failures++, randombytes_random(), retry_after_s);
    waiting_enter(d);
    ev_timer_set(&d->timer, (double)wait_us / 1e6, 0.);
    ev_timer_start(s->loop, &d->timer);
}

/* --- what curl asks during an attempt ---------------------------------------------------- */

/* The one place where it is known which address will be called: names, their spellings and what DNS
 * says the second time do not matter here. */
static curl_socket_t on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct delivery *d = arg;

    if (purpose != CURLSOCKTYPE_IPCXN ||
        (address->family != AF_INET && address->family != AF_INET6) ||
        (!d->sender->allow_private && !netaddr_public(&address->addr, address->addrlen))) {
        d->refused = true;
        return CURL_SOCKET_BAD;
    }
    d->opened = true;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static size_t on_answer(char *bytes, size_t size, size_t n, void *arg)
{
    struct delivery *d = arg;
    size_t len = size * n;

    for (size_t i = 0; i < len && d->answer_len + i < ANSWER_KEPT; i++)
        d->kept[d->answer_len + i] = bytes[i];
    d->answer_len += len;
    return d->answer_len > ANSWER_MAX ? 0 : len;
}

/* --- an attempt -------------------------------------------------------------------------- */

static void set_bounds(CURL *easy, const struct sender *s)
{
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, s->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     s->timeout_ms < CONNECT_MAX_MS ? s->timeout_ms : (long)CONNECT_MAX_MS);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
}

static void set_request(struct delivery *d)
{
    char *lines[REQUEST_HEADERS];
    void *scratch = mem_must(talloc_new(NULL));

    request_headers(scratch, d->request, clock_real_us() / CLOCK_SECOND_US, lines);
    for (int i = 0; i < REQUEST_HEADERS; i++)
        d->headers = mem_must(curl_slist_append(d->headers, lines[i]));
    talloc_free(scratch);
    curl_easy_setopt(d->easy, CURLOPT_URL, d->request->url);
    curl_easy_setopt(d->easy, CURLOPT_POSTFIELDS, d->request->body);
    curl_easy_setopt(d->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)d->request->body_len);
    curl_easy_setopt(d->easy, CURLOPT_HTTPHEADER, d->headers);
}

static void attempt(struct delivery *d)
{
    d->easy = mem_must(curl_easy_init());
    d->refused = d->opened = false;
    d->answer_len = 0;
    d->error[0] = '\0';
    set_bounds(d->easy, d->sender);
    set_request(d);
    curl_easy_setopt(d->easy, CURLOPT_PRIVATE, d);
    curl_easy_setopt(d->easy, CURLOPT_ERRORBUFFER, d->error);
    curl_easy_setopt(d->easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    curl_easy_setopt(d->easy, CURLOPT_OPENSOCKETDATA, d);
    curl_easy_setopt(d->easy, CURLOPT_WRITEFUNCTION, on_answer);
    curl_easy_setopt(d->easy, CURLOPT_WRITEDATA, d);
    curlloop_add(d->sender->curl, d->easy);
}

/* No status: nobody answered. An answer that was cut for its length, or ended in the middle, has
 * its status all the same. */
static void judge(struct delivery *d, int status, int64_t retry_after_s, const char *text)
{
    switch (request_verdict(status)) {
    case VERDICT_SENT:
        finish(d, "sent", text, status, false);
        break;
    case VERDICT_GONE:
        finish(d, "failed", text, status, true);
        break;
    case VERDICT_AGAIN:
        wait_or_finish(d, text, status, retry_after_s);
        break;
    }
}

static void on_done(void *arg, CURL *easy, CURLcode code)
{
    struct delivery *d = NULL;
    long status = 0;
    curl_off_t retry_after_s = 0;
    size_t kept;
    MEM_SCOPED char *text = NULL;

    (void)arg;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&d);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &retry_after_s);
    kept = d->answer_len < ANSWER_KEPT ? d->answer_len : ANSWER_KEPT;
    attempt_clear(d);
    if (status > 0)
        text = request_status_text(NULL, (int)status, d->kept, kept);
    else if (d->refused && !d->opened)
        text = mem_strdup(NULL, "the address is not public; hook.allow_private would allow it");
    else
        text = mem_strdup(NULL, d->error[0] != '\0' ? d->error : curl_easy_strerror(code));
    if (status == 0 && d->refused && !d->opened)
        finish(d, "failed", text, 0, false);
    else
        judge(d, (int)status, retry_after_s, text);
}

/* --- public ------------------------------------------------------------------------------ */

/* Transfers leave the multi handle before it is freed. */
static int sender_close(struct sender *s)
{
    talloc_free(s->deliveries);
    return 0;
}

struct sender *sender_new(const void *ctx, struct ev_loop *loop, const struct settings *settings,
                          sender_fn *done, void *arg)
{
    struct sender *s = mem_new(ctx, struct sender);
    int64_t timeout_us = settings_int(settings, "hook.timeout");

    s->loop = loop;
    s->done = done;
    s->arg = arg;
    s->timeout_ms = timeout_us > 0 ? (long)((timeout_us + 999) / 1000) : 1;
    s->retries = settings_int(settings, "hook.retries");
    s->retry_first_us = settings_int(settings, "hook.retry_first");
    s->allow_private = settings_bool(settings, "hook.allow_private");
    s->deliveries = mem_must(talloc_new(s));
    talloc_set_destructor(s, sender_close);
    s->most_waiting = (size_t)(settings_int(settings, "hook.concurrency") + 1) / 2;
    s->curl = curlloop_new(s, loop, (long)settings_int(settings, "hook.concurrency"), on_done, s);
    return s;
}

void sender_call(struct sender *s, const json_t *job)
{
    struct delivery *d = mem_new(s->deliveries, struct delivery);
    const char *why = NULL;

    d->sender = s;
    ev_init(&d->timer, on_wait_over);
    d->timer.data = d;
    s->busy++;
    talloc_set_destructor(d, delivery_close);
    d->request = request_new(d, job, &why);
    if (d->request == NULL) {
        json_t *result = request_result(job, "failed", why, 0, false);

        talloc_free(d);
        s->done(s->arg, json_integer_value(json_object_get(job, "lease")), result);
        json_decref(result);
        return;
    }
    attempt(d);
}

void sender_release(struct sender *s)
{
    s->released = true;
    while (s->waiting != NULL)
        finish(s->waiting, "retry", "stopped between two attempts", 0, false);
}

size_t sender_busy(const struct sender *s)
{
    return s->busy;
}
