/* api_auth.c - who asks: the organisation and role of a token, found by its SHA-256; and whether
 * they ask too often.
 *
 * Found tokens are remembered for a minute, so that a request costs no round trip for them; one
 * that is withdrawn is forgotten as soon as the database tells it. The memory is a table of fixed
 * size: a new token takes the place of another that falls on the same slot. Tokens that are not
 * known are not remembered: they are nobody's, and guessing them fills nothing. */
#include "common/clock.h"
#include "common/mem.h"
#include "daemon/consent/bucket.h"
#include "daemon/http/api.h"

#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#define SLOTS       1024
#define REMEMBER_US (60 * CLOCK_SECOND_US)

struct slot {
    unsigned char hash[crypto_hash_sha256_BYTES];
    int64_t until_us; /* monotonic; 0: empty */
    struct http_caller caller;
};

struct tokens {
    struct slot slots[SLOTS];
    struct buckets *rates; /* by token */
    uint64_t limited;      /* requests that were refused */
};

struct search {
    struct app *app;
    struct http_request *req;
    unsigned char hash[crypto_hash_sha256_BYTES];
};

static struct slot *slot_of(struct tokens *tokens, const unsigned char *hash)
{
    return &tokens->slots[(hash[0] | hash[1] << 8) % SLOTS];
}

static struct tokens *tokens(struct app *app)
{
    if (app->tokens != NULL)
        return app->tokens;
    app->tokens = mem_new(app->http, struct tokens);
    app->tokens->rates = buckets_new(app->tokens, BUCKETS_DEFAULT);
    return app->tokens;
}

/* known() - the token is one; it may go on where it does not ask too often. */
static void known(struct app *app, struct http_request *req, const struct http_caller *caller)
{
    int64_t rate = settings_int(app->settings, "limits.rate");
    int64_t burst = settings_int(app->settings, "limits.burst"), wait_s = 0;
    char key[24];

    if (rate > 0) {
        burst = burst > 0 ? burst : 1;
        snprintf(key, sizeof key, "%" PRId64, caller->token_id);
        buckets_period(app->tokens->rates, burst * CLOCK_SECOND_US / rate + 1);
        wait_s = buckets_take(app->tokens->rates, key, burst, clock_monotonic_us());
    }
    if (wait_s == 0) {
        http_authorised(req, caller);
        return;
    }
    app->tokens->limited++;
    snprintf(key, sizeof key, "%" PRId64, wait_s);
    http_set_header(req, "Retry-After", key);
    http_problem(req, 429, NULL, "this token makes too many requests; ask again after %s s", key);
}

static void on_found(void *arg, const struct pgres *res)
{
    struct search *s = arg;
    struct slot *slot;

    if (api_failed(s->req, res))
        return;
    if (pgres_rows(res) == 0) {
        http_problem(s->req, 401, NULL, "This token is not known.");
        return;
    }
    slot = slot_of(s->app->tokens, s->hash);
    *slot = (struct slot){.until_us = clock_monotonic_us() + REMEMBER_US,
                          .caller = {.org_id = pgres_int(res, 0, "org_id"),
                                     .token_id = pgres_int(res, 0, "token_id")}};
    memcpy(slot->hash, s->hash, sizeof slot->hash);
    strncpy(slot->caller.role, pgres_text(res, 0, "role"), sizeof slot->caller.role - 1);
    known(s->app, s->req, &slot->caller);
}

void api_forget_tokens(struct app *app, int64_t org_id)
{
    for (size_t i = 0; app->tokens != NULL && i < SLOTS; i++)
        if (org_id == 0 || app->tokens->slots[i].caller.org_id == org_id)
            app->tokens->slots[i].until_us = 0;
}

void api_authorise(void *arg, struct http_request *req, const char *token)
{
    struct app *app = arg;
    struct search *s;
    struct slot *slot;
    struct pgargs args;
    unsigned char hash[crypto_hash_sha256_BYTES];

    crypto_hash_sha256(hash, (const unsigned char *)token, strlen(token));
    slot = slot_of(tokens(app), hash);
    if (slot->until_us > clock_monotonic_us() && memcmp(slot->hash, hash, sizeof hash) == 0) {
        known(app, req, &slot->caller);
        return;
    }
    s = mem_new(http_ctx(req), struct search);
    s->app = app;
    s->req = req;
    memcpy(s->hash, hash, sizeof hash);
    pgargs_init(&args, s);
    pgargs_bytea(&args, hash, sizeof hash);
    pgargs_instant(&args, clock_now_us());
    pgpool_query(app->pool, 0, Q_TOKEN_FIND, &args, on_found, s);
}

void api_auth_metrics(struct app *app, struct buf *out)
{
    buf_printf(out,
               "# HELP lazo_http_limited_total Requests refused because a token made too many.\n"
               "# TYPE lazo_http_limited_total counter\n"
               "lazo_http_limited_total %" PRIu64 "\n",
               tokens(app)->limited);
}
