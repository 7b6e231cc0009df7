/* client.h - HTTP to a running instance: one connection kept alive, JSON in and out.
 *
 * The instance is found in --home DIR (files DIR/url and DIR/token), else in LAZO_URL and
 * LAZO_TOKEN, else in LAZO_HOME. */
#ifndef LAZO_DAEMON_CTL_CLIENT_H
#define LAZO_DAEMON_CTL_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct client;

/* One answer. A problem document's parts are in `body`. */
struct answer {
    int status;   /* of HTTP */
    int retry_s;  /* Retry-After in seconds, 0 where it is not said */
    json_t *body; /* NULL where the body is no JSON; released with the answer */
    const char *text;
    size_t n;
};

/* client_open() - finds the instance (`home` may be NULL); NULL and a line on stderr where nothing
 * says where it is. Child of ctx. */
struct client *client_open(const void *ctx, const char *home);
/* client_new() - for a known instance; `token` may be NULL. */
struct client *client_new(const void *ctx, const char *url, const char *token);
/* client_again() - another connection to the same instance. */
struct client *client_again(const void *ctx, const struct client *);
/* client_path() - printf for paths: each %s is percent-encoded, so that names may hold anything.
 * Child of ctx. Knows %s alone. */
char *client_path(const void *ctx, const char *format, ...);

/* client_send() - one request with a body of `n` bytes (NULL: none). The answer is a child of ctx;
 * NULL where none came, said on stderr unless client_quiet(). */
struct answer *client_send(const void *ctx, struct client *, const char *method, const char *path,
                           const char *content_type, const char *body, size_t n);
/* client_call() - the same with a JSON body (borrowed; NULL: none). */
struct answer *client_call(const void *ctx, struct client *, const char *method, const char *path,
                           const json_t *body);
/* client_ask() - the answer of a call where it is good; else NULL, with the problem on stderr as
 * `what`. client_get() - that of a GET which has a body. */
struct answer *client_ask(const void *ctx, struct client *, const char *what, const char *method,
                          const char *path, json_t *body_take);
struct answer *client_get(const void *ctx, struct client *, const char *what, const char *path);
/* client_list() - all items of a list, page by page; a new reference; NULL as client_get(). */
json_t *client_list(struct client *, const char *what, const char *path);
/* client_print_list() - the same list on stdout, as a table with these headings of these keys, or
 * as JSON; the command's status. `c` may be NULL: client_open() said why. */
int client_print_list(struct client *c, const char *what, const char *path, bool json,
                      const char *const *headings, const char *const *keys);
/* client_wait() - asks a list until it is not answered 503 with Retry-After any more, as often as
 * that says; what is waited for is said on stderr, once. False where no answer came, or none but
 * that for half an hour, or for ten seconds without a database: said on stderr as `what`. */
bool client_wait(struct client *, const char *what, const char *path);
/* client_download() - the answer of a GET into `out`, however long; false where it is no file or is
 * cut short, said on stderr as `what`. */
bool client_download(struct client *, const char *what, const char *path, FILE *out);
/* client_quiet() - failures to connect are not said. */
void client_quiet(struct client *);

/* answer_ok() - status 2xx. answer_changed() - "changed" of the body: whether the call changed
 * something (true where it is not said). */
bool answer_ok(const struct answer *);
bool answer_changed(const struct answer *);
/* answer_problem() - says what was refused and why, a line for each mistake: "WHAT: line 3, column
 * 7: …". */
void answer_problem(const struct answer *, FILE *, const char *what);
/* client_contact() - the id, as text, of the contact that `who` names: its id, or one of its e-mail
 * addresses or its external id as they are; NULL, said on stderr as `what`, where there is none.
 * Child of ctx. */
const char *client_contact(const void *ctx, struct client *, const char *what, const char *who);

#endif
