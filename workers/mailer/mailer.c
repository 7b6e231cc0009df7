/* mailer.c - the mail worker: jobs from the bus, mail to the relay, results back.
 *
 * This thread has the loop, the bus and the shelf of templates; the pool's threads do what takes
 * time. A finished task wakes the loop through an ev_async. What the journal knows of an earlier
 * life is reported before the first hello. */
#include "workers/mailer/mailer.h"

#include "common/bus.h"
#include "common/busclient.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/worker.h"
#include "workers/mailer/journal.h"
#include "workers/mailer/maildir.h"
#include "workers/mailer/pool.h"
#include "workers/mailer/relay.h"
#include "workers/mailer/shelf.h"
#include "workers/mailer/smtp.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#define THREADS_MAX 256
/* Jobs in hand for each thread: enough that the daemon leases them in large batches. */
#define CREDIT_THREAD 16

struct mailer {
    struct worker *worker;
    struct busclient *bus;
    struct shelf *shelf;
    struct journal *journal;
    struct pool *pool;
    struct ev_loop *loop;
    ev_async finished;
    bool draining, drained;
};

/* --- results ---------------------------------------------------------------------------- */

static json_t *result(int64_t lease, int64_t job, const struct verdict *v)
{
    return mem_must(json_pack("{sI sI ss ss ss sb}", "lease", (json_int_t)lease, "id",
                              (json_int_t)job, "state", verdict_state_name(v->state), "status",
                              v->status, "code", v->code, "hard", v->hard));
}

static void report(struct mailer *m, int64_t lease, int64_t job, const struct verdict *v)
{
    json_t *body = result(lease, job, v);
    busclient_result(m->bus, lease, body);
    json_decref(body);
}

static void report_old(void *arg, const struct journal_entry *e)
{
    struct mailer *m = arg;
    log_info("mailer", "result of an earlier life", "lease=%" PRId64 " state=%s", e->lease,
             verdict_state_name(e->verdict.state));
    report(m, e->lease, e->job, &e->verdict);
}

static void on_finished(struct ev_loop *loop, ev_async *w, int revents)
{
    struct mailer *m = w->data;
    (void)loop, (void)revents;
    struct task *next = NULL;
    for (struct task *t = pool_take_out(m->pool); t != NULL; t = next) {
        next = t->next;
        log_debug("mail", verdict_state_name(t->verdict.state),
                  "job=%" PRId64 " lease=%" PRId64 " code=%s", t->job, t->lease, t->verdict.code);
        report(m, t->lease, t->job, &t->verdict);
        shelf_release(m->shelf, t->letter_template);
        task_free(t);
    }
    if (journal_broken(m->journal))
        log_fatal("mailer", "journal cannot be written", "path=%s",
                  log_value(settings_text(m->worker->settings, "mail.journal")));
}

/* In a sender thread. */
static void wake(void *arg)
{
    struct mailer *m = arg;
    ev_async_send(m->loop, &m->finished);
}

/* In a sender thread. */
static bool may_act(void *arg, uint64_t epoch)
{
    const struct mailer *m = arg;
    return busclient_may_act(m->bus, epoch);
}

/* --- the bus ---------------------------------------------------------------------------- */

static void refuse(struct mailer *m, const json_t *job, enum verdict_state state, const char *why)
{
    struct verdict v;
    verdict_set(&v, state, false, "", "%s", why);
    report(m, json_integer_value(json_object_get(job, "lease")),
           json_integer_value(json_object_get(job, "id")), &v);
}

static void on_job(void *arg, const json_t *job)
{
    struct mailer *m = arg;
    int64_t id = json_integer_value(json_object_get(job, "template"));
    const struct letter_template *t = shelf_hold(m->shelf, id);
    if (t == NULL) {
        /* It left the shelf. lazod sends it once a session: so another one. */
        refuse(m, job, VERDICT_retry, "the mailer does not have the template");
        busclient_renew(m->bus);
        return;
    }
    /* The reference is counted atomically; the threads only read what it refers to. */
    struct task *task = task_new((json_t *)(uintptr_t)job, t);
    if (task == NULL) {
        shelf_release(m->shelf, t);
        refuse(m, job, VERDICT_failed, "the job has no id");
        return;
    }
    task->epoch = busclient_epoch(m->bus);
    pool_put_take(m->pool, task);
}

static void on_template(void *arg, const json_t *message)
{
    struct mailer *m = arg;
    int64_t id = shelf_put(m->shelf, message);
    log_debug("template", "here", "id=%" PRId64 " shelf=%zu", id, shelf_size(m->shelf));
}

static void on_acked(void *arg, const int64_t *leases, size_t n)
{
    struct mailer *m = arg;
    journal_ack(m->journal, leases, n);
}

static const struct busclient_ops bus_ops = {
    .job = on_job, .template = on_template, .acked = on_acked, .acked_ids = NULL};

/* --- start and end ---------------------------------------------------------------------- */

static struct smtp *open_relay(const void *ctx, const struct settings *s)
{
    char *why = NULL;
    const char *url = settings_text(s, "mail.relay");
    if (url[0] == '\0') {
        if (!maildir_make(settings_text(s, "mail.maildir")))
            log_fatal("mailer", "no Maildir", "path=%s reason=%s",
                      log_value(settings_text(s, "mail.maildir")), log_value(strerror(errno)));
        return NULL;
    }
    struct smtp_options options = {
        .relay = relay_parse(ctx, url, settings_text(s, "mail.tls"), &why),
        .hostname = settings_text(s, "mail.hostname"),
        .ca_file = settings_text(s, "mail.ca_file"),
        .timeout_us = settings_int(s, "mail.timeout"),
        .dot_timeout_us = settings_int(s, "mail.dot_timeout"),
        .per_session = (int)settings_int(s, "mail.per_session"),
    };
    struct smtp *smtp = options.relay != NULL ? smtp_new(ctx, &options, &why) : NULL;
    if (smtp == NULL)
        log_fatal("mailer", "relay cannot be used", "reason=%s", log_value(why));
    return smtp;
}

static int bounded(const struct settings *s, const char *key, int most)
{
    int64_t n = settings_int(s, key);
    if (n < 1 || n > most)
        log_fatal("mailer", "setting out of range", "key=%s least=1 most=%d", key, most);
    return (int)n;
}

static bool drain(void *arg)
{
    struct mailer *m = arg;
    if (!m->draining) {
        m->draining = true;
        busclient_release(m->bus);
        pool_hurry(m->pool);
    }
    m->drained = busclient_held(m->bus) == 0 && busclient_unacked(m->bus) == 0;
    return m->drained;
}

static void start(struct mailer *m)
{
    const struct settings *s = m->worker->settings;
    char *why = NULL;
    int threads = bounded(s, "mail.threads", THREADS_MAX);
    (void)bounded(s, "mail.per_session", 100000);
    m->journal = journal_open(m, settings_text(s, "mail.journal"), &why);
    if (m->journal == NULL)
        log_fatal("mailer", "no journal", "reason=%s", log_value(why));
    if (journal_damaged(m->journal) > 0)
        log_warning("mailer", "journal has lines that cannot be read", "lines=%zu",
                    journal_damaged(m->journal));
    m->loop = m->worker->loop;
    m->shelf = shelf_new(m, SHELF_MAX);
    m->finished.data = m;
    ev_async_init(&m->finished, on_finished);
    ev_async_start(m->loop, &m->finished);
    struct pool_options options = {.threads = threads,
                                   .smtp = open_relay(m, s),
                                   .maildir = settings_text(s, "mail.maildir"),
                                   .journal = m->journal,
                                   .may_act = may_act,
                                   .finished = wake,
                                   .arg = m};
    m->pool = pool_new(m, &options);
    m->bus =
        busclient_new(m, m->loop, s, m->worker->name, "mail", CREDIT_THREAD * threads, &bus_ops, m);
    journal_each(m->journal, report_old, m);
}

int mailer_main(int argc, char **argv)
{
    void *root = mem_must(talloc_new(NULL));
    if (sodium_init() < 0)
        log_fatal("mailer", "no random numbers", "pid=%d", (int)getpid());
    struct mailer *m = mem_new(root, struct mailer);
    m->worker = worker_start(m, "lazo-mailer", argc, argv);
    start(m);
    int status = worker_run(m->worker, drain, m);
    /* Threads that wait for a relay's answer cannot be ended: the journal says what they were at.
     */
    if (!m->drained)
        _exit(status);
    pool_stop(m->pool);
    ev_async_stop(m->loop, &m->finished);
    talloc_free(root);
    return status;
}
