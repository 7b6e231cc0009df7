/* api_auth.c - who asks: the organisation and role of a token, found by its SHA-256.
 *
 * Found tokens are remembered for a minute, so that a request costs no round trip for them; one
 * that is withdrawn is forgotten as soon as the database tells it. The memory is a table of fixed
 * size: a new token takes the place of another that falls on the same slot. Tokens that are not
 * known are not remembered: they are nobody's, and guessing them fills nothing. */
#include "common/clock.h"
#include "common/mem.h"
#include "daemon/http/api.h"

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
    http_authorised(s->req, &slot->caller);
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

    if (app->tokens == NULL)
        app->tokens = mem_new(app->http, struct tokens);
    crypto_hash_sha256(hash, (const unsigned char *)token, strlen(token));
    slot = slot_of(app->tokens, hash);
    if (slot->until_us > clock_monotonic_us() && memcmp(slot->hash, hash, sizeof hash) == 0) {
        http_authorised(req, &slot->caller);
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
