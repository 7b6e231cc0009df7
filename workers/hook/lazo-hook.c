/* lazo-hook - the worker that makes webhook calls. See lazo-hook(8).
 *
 * One loop: jobs come over the bus (busclient), calls are made (sender), results go back. It keeps
 * nothing on disk: a job that was under way when the process died is leased again, and the receiver
 * knows the second call by its webhook-id. */
#include "common/busclient.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/worker.h"
#include "workers/hook/sender.h"

#include <curl/curl.h>

#include <inttypes.h>

struct hook {
    struct busclient *client;
    struct sender *sender;
};

static void on_job(void *arg, const json_t *job)
{
    sender_call(((struct hook *)arg)->sender, job);
}

static void on_result(void *arg, int64_t lease, json_t *result)
{
    log_debug("call", "ended", "lease=%" PRId64 " state=%s code=%s", lease,
              json_string_value(json_object_get(result, "state")),
              log_value(json_string_value(json_object_get(result, "code"))));
    busclient_result(((struct hook *)arg)->client, lease, result);
}

static bool drained(void *arg)
{
    struct hook *h = arg;

    busclient_release(h->client);
    sender_release(h->sender);
    return busclient_held(h->client) == 0 && busclient_unacked(h->client) == 0;
}

int main(int argc, char **argv)
{
    static const struct busclient_ops ops = {.job = on_job};
    void *ctx = mem_must(talloc_new(NULL));
    struct worker *w = worker_start(ctx, "lazo-hook", argc, argv);
    struct hook h = {0};
    int status;

    if (curl_global_init(CURL_GLOBAL_ALL) != CURLE_OK)
        log_fatal("lazo-hook", "no curl", "version=%s", LIBCURL_VERSION);
    h.sender = sender_new(ctx, w->loop, w->settings, on_result, &h);
    h.client = busclient_new(ctx, w->loop, w->settings, w->name, "hook",
                             (int)settings_int(w->settings, "hook.concurrency"), &ops, &h);
    status = worker_run(w, drained, &h);
    talloc_free(h.sender);
    talloc_free(ctx);
    curl_global_cleanup();
    return status;
}
