/* service.c - see service.h.
 *
 *     new/ ──► classified ──► told, an item for each finding ──► all acknowledged ──► cur/
 *                    └──────► nothing of ours ──────────────────────────────────────► cur/
 *
 * An item's id is the file's name, a slash and the finding's number: the same after a restart, so
 * that lazod counts a finding once. */
#include "workers/inbox/service.h"

#include "common/busclient.h"
#include "common/log.h"
#include "common/mem.h"
#include "workers/inbox/classify.h"
#include "workers/inbox/inboxdir.h"

#include <jansson.h>
#include <string.h>

#define uthash_fatal(what) bug("uthash: %s", what)
#include <uthash.h>

#define TOLD_MOST 500 /* findings not acknowledged; a flood of bounces waits on disk */

struct told {
    char *name;
    size_t open; /* findings not acknowledged */
    UT_hash_handle hh;
};

struct service {
    struct busclient *client;
    struct inboxdir *dir; /* NULL without a Maildir */
    struct told *told;
    bool stopping;
};

static json_t *item(const char *name, size_t i, const struct finding *f, const char *token)
{
    MEM_SCOPED char *id = mem_printf(NULL, "%s/%zu", name, i);
    json_t *body = json_object();

    json_object_set_new(body, "id", json_string(id));
    json_object_set_new(body, "class", json_string(finding_class_name(f->class)));
    json_object_set_new(body, "recipient", json_string(f->recipient));
    json_object_set_new(body, "status", json_string(f->status));
    json_object_set_new(body, "reason", json_string(f->reason));
    json_object_set_new(body, "message_id", json_string(f->message_id));
    json_object_set_new(body, "token", json_string(token));
    return body;
}

static void on_mail(void *arg, const char *name, const char *bytes, size_t n)
{
    struct service *s = arg;
    void *scratch = mem_must(talloc_new(NULL));
    struct findings *all = classify_mail(scratch, bytes, n);
    const char *token = classify_token(scratch, bytes, n);
    struct told *t;

    log_info("mail", "classified", "name=%s findings=%zu class=%s", log_value(name), all->n,
             all->n > 0 ? finding_class_name(all->items[0].class) : "none");
    if (all->n == 0) {
        inboxdir_done(s->dir, name, false);
        talloc_free(scratch);
        return;
    }
    t = mem_new(s, struct told);
    t->name = mem_strdup(t, name);
    t->open = all->n;
    HASH_ADD_KEYPTR(hh, s->told, t->name, strlen(t->name), t);
    for (size_t i = 0; i < all->n; i++) {
        json_t *body = item(name, i, &all->items[i], token);

        busclient_mail_in(s->client, body);
        json_decref(body);
    }
    talloc_free(scratch);
}

static bool has_room(void *arg)
{
    struct service *s = arg;

    return !s->stopping && busclient_unacked(s->client) < TOLD_MOST;
}

static void on_acked_ids(void *arg, const json_t *ids)
{
    struct service *s = arg;
    const json_t *id;
    size_t i;

    json_array_foreach(ids, i, id)
    {
        const char *text = json_string_value(id), *slash = text == NULL ? NULL : strrchr(text, '/');
        struct told *t = NULL;

        if (slash != NULL)
            HASH_FIND(hh, s->told, text, (size_t)(slash - text), t);
        if (t == NULL || --t->open > 0)
            continue;
        inboxdir_done(s->dir, t->name, true);
        HASH_DEL(s->told, t);
        talloc_free(t);
    }
}

/* The inbox takes no jobs; it has no credit. */
static void on_job(void *arg, const json_t *job)
{
    (void)arg, (void)job;
    log_warning("bus", "job for an inbox", "n=%d", 1);
}

static int service_close(struct service *s)
{
    HASH_CLEAR(hh, s->told);
    return 0;
}

struct service *service_new(const void *ctx, struct ev_loop *loop, const struct settings *settings,
                            const char *worker)
{
    static const struct busclient_ops bus_ops = {.job = on_job, .acked_ids = on_acked_ids};
    static const struct inboxdir_ops dir_ops = {on_mail, has_room};
    struct service *s = mem_new(ctx, struct service);
    const char *path = settings_text(settings, "inbox.maildir");

    talloc_set_destructor(s, service_close);
    s->client = busclient_new(s, loop, settings, worker, "inbox", 0, &bus_ops, s);
    if (*path != '\0')
        s->dir = inboxdir_new(s, loop, path, settings_int(settings, "inbox.poll"), &dir_ops, s);
    return s;
}

bool service_drained(struct service *s)
{
    s->stopping = true;
    return busclient_unacked(s->client) == 0;
}
