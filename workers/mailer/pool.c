/* pool.c - sender threads.
 *
 *     put ──► waiting ──► a thread: render ──► session ──► finished ──► taken out
 *                 ▲                              │ untried
 *                 └──────────────────────────────┘
 *
 * A relay that cannot be worked with (no connection, greeting, TLS, AUTH) is nobody's fault: the
 * message with which it was noticed goes back to lazod as "retry", and all threads leave the relay
 * alone for a while, which doubles up to half a minute. */
#include "workers/mailer/pool.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "workers/mailer/maildir.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#define IDLE_WAIT_US  (100 * INT64_C(1000)) /* an idle connection is kept for the next message */
#define AWAY_FIRST_US (500 * INT64_C(1000))
#define AWAY_MOST_US  (30 * CLOCK_SECOND_US)

struct list {
    struct task *first, *last;
};

struct pool {
    struct pool_options options;
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* something waits, or the pool closes or hurries */
    struct list waiting, finished;
    bool closed, hurried;
    int64_t away_until_us, away_us; /* monotonic; 0: the relay is there */
    pthread_t *threads;
    int running;
};

/* What a thread has in hand during a session. */
struct sender {
    struct pool *pool;
    struct task *first; /* what the session began with; NULL once it is done */
    bool first_untried;
};

struct task *task_new(json_t *body, const struct letter_template *letter_template)
{
    const json_t *lease = json_object_get(body, "lease");
    const json_t *id = json_object_get(body, "id");
    if (!json_is_integer(lease) || !json_is_integer(id))
        return NULL;
    struct task *t = mem_new(NULL, struct task);
    t->lease = json_integer_value(lease);
    t->job = json_integer_value(id);
    t->body = json_incref(body);
    t->letter_template = letter_template;
    return t;
}

void task_free(struct task *t)
{
    json_decref(t->body);
    talloc_free(t->scratch);
    talloc_free(t);
}

static void list_add(struct list *l, struct task *t)
{
    t->next = NULL;
    if (l->last != NULL)
        l->last->next = t;
    else
        l->first = t;
    l->last = t;
}

static struct task *list_pop(struct list *l)
{
    struct task *t = l->first;
    if (t != NULL) {
        l->first = t->next;
        if (l->first == NULL)
            l->last = NULL;
        t->next = NULL;
    }
    return t;
}

static void list_push_front(struct list *l, struct task *t)
{
    t->next = l->first;
    l->first = t;
    if (l->last == NULL)
        l->last = t;
}

/* Waits at most `for_us`; the mutex is held. */
static void wait_changed(struct pool *pool, int64_t for_us)
{
    int64_t until_us = clock_monotonic_us() + for_us;
    struct timespec until = {.tv_sec = until_us / CLOCK_SECOND_US,
                             .tv_nsec = until_us % CLOCK_SECOND_US * 1000};
    pthread_cond_timedwait(&pool->changed, &pool->mutex, &until);
}

/* --- one task --------------------------------------------------------------------------- */

/* Hands a task with its verdict back to the loop. */
static void task_done(struct pool *pool, struct task *t)
{
    talloc_free(t->scratch);
    t->scratch = NULL;
    pthread_mutex_lock(&pool->mutex);
    list_add(&pool->finished, t);
    pthread_mutex_unlock(&pool->mutex);
    pool->options.finished(pool->options.arg);
}

/* Whether the lease is still ours: after a long silence lazod may have given the job to another. */
static bool task_is_ours(struct pool *pool, struct task *t)
{
    if (pool->options.may_act(pool->options.arg, t->epoch))
        return true;
    verdict_set(&t->verdict, VERDICT_retry, false, "",
                "not sent: lazod was not heard for so long that the job may be another's");
    return false;
}

/* Makes the message; false where the task is done with that. */
static bool task_build(struct pool *pool, struct task *t)
{
    if (!task_is_ours(pool, t)) {
        task_done(pool, t);
        return false;
    }
    if (t->scratch != NULL)
        return true;
    t->scratch = mem_must(talloc_new(NULL));
    if (letter_build(t->scratch, t->body, t->letter_template, &t->letter, &t->verdict)) {
        t->message = (struct smtp_message){.from = t->letter.from,
                                           .to = t->letter.to,
                                           .bytes = t->letter.bytes,
                                           .size = t->letter.size};
        return true;
    }
    task_done(pool, t);
    return false;
}

/* The next task that became a message. `wait_us`: how long to wait for one; < 0: until the pool
 * closes. */
static struct task *next_task(struct pool *pool, int64_t wait_us)
{
    for (;;) {
        pthread_mutex_lock(&pool->mutex);
        while (pool->waiting.first == NULL && !pool->closed && wait_us < 0)
            pthread_cond_wait(&pool->changed, &pool->mutex);
        if (pool->waiting.first == NULL && !pool->closed && wait_us > 0)
            wait_changed(pool, wait_us);
        struct task *t = list_pop(&pool->waiting);
        pthread_mutex_unlock(&pool->mutex);
        if (t == NULL || task_build(pool, t))
            return t;
    }
}

/* --- over SMTP -------------------------------------------------------------------------- */

static struct task *task_of(struct smtp_message *m)
{
    return (struct task *)(void *)((char *)m - offsetof(struct task, message));
}

static struct smtp_message *session_next(void *arg, bool wait)
{
    struct sender *s = arg;
    struct task *t = next_task(s->pool, wait ? IDLE_WAIT_US : 0);
    return t != NULL ? &t->message : NULL;
}

static bool session_offer(void *arg, struct smtp_message *m)
{
    struct sender *s = arg;
    struct task *t = task_of(m);
    return task_is_ours(s->pool, t) && journal_offer(s->pool->options.journal, t->lease, t->job);
}

static void session_done(void *arg, struct smtp_message *m, const struct verdict *v)
{
    struct sender *s = arg;
    struct task *t = task_of(m);
    if (t == s->first)
        s->first = NULL;
    t->verdict = *v;
    if (!journal_answer(s->pool->options.journal, t->lease, v))
        log_error("mailer", "answer not noted", "lease=%" PRId64, t->lease);
    task_done(s->pool, t);
}

static void session_untried(void *arg, struct smtp_message *m)
{
    struct sender *s = arg;
    struct task *t = task_of(m);
    if (t == s->first) {
        s->first_untried = true;
        return;
    }
    pthread_mutex_lock(&s->pool->mutex);
    list_push_front(&s->pool->waiting, t);
    pthread_cond_signal(&s->pool->changed);
    pthread_mutex_unlock(&s->pool->mutex);
}

/* Waits while the relay is to be left alone. */
static void wait_for_relay(struct pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    for (;;) {
        int64_t left_us = pool->away_until_us - clock_monotonic_us();
        if (pool->away_until_us == 0 || left_us <= 0 || pool->hurried || pool->closed)
            break;
        wait_changed(pool, left_us);
    }
    pthread_mutex_unlock(&pool->mutex);
}

static void relay_is(struct pool *pool, bool there, const char *why)
{
    pthread_mutex_lock(&pool->mutex);
    int64_t now_us = clock_monotonic_us();
    bool news = there ? pool->away_us != 0 : now_us >= pool->away_until_us;
    if (there) {
        pool->away_us = pool->away_until_us = 0;
    } else if (news) {
        /* Threads that failed together double it once. */
        pool->away_us = pool->away_us == 0 ? AWAY_FIRST_US : 2 * pool->away_us;
        if (pool->away_us > AWAY_MOST_US)
            pool->away_us = AWAY_MOST_US;
        pool->away_until_us = now_us + pool->away_us;
    }
    int64_t pause_us = pool->away_us;
    pthread_mutex_unlock(&pool->mutex);
    if (news && there)
        log_info("relay", "back", "threads=%d", pool->running);
    else if (news)
        log_warning("relay", "away", "reason=%s pause_ms=%" PRId64, log_value(why),
                    pause_us / 1000);
}

static void send_over_smtp(struct pool *pool, struct task *first)
{
    static const struct smtp_ops ops = {session_next, session_offer, session_done, session_untried};
    struct sender s = {.pool = pool, .first = first};
    char why[SMTP_WHY] = "";
    wait_for_relay(pool);
    bool there = smtp_run(pool->options.smtp, &first->message, &ops, &s, why);
    relay_is(pool, there, why);
    if (!s.first_untried)
        return;
    verdict_set(&first->verdict, VERDICT_retry, false, "", "relay: %s",
                there ? "the connection ended before this message" : why);
    task_done(pool, first);
}

/* --- into the Maildir ------------------------------------------------------------------- */

static void send_to_maildir(struct pool *pool, struct task *t)
{
    const struct letter *l = &t->letter;
    if (!task_is_ours(pool, t)) {
        task_done(pool, t);
        return;
    }
    if (maildir_write(pool->options.maildir, l->message_id, l->bytes, l->size))
        verdict_set(&t->verdict, VERDICT_sent, false, "", "written to the Maildir");
    else
        verdict_set(&t->verdict, VERDICT_retry, false, "", "Maildir: %s", strerror(errno));
    task_done(pool, t);
}

/* --- the threads ------------------------------------------------------------------------ */

static void *send_all(void *arg)
{
    struct pool *pool = arg;
    struct task *t;
    while ((t = next_task(pool, -1)) != NULL) {
        if (pool->options.smtp != NULL)
            send_over_smtp(pool, t);
        else
            send_to_maildir(pool, t);
    }
    return NULL;
}

struct pool *pool_new(const void *ctx, const struct pool_options *options)
{
    struct pool *pool = mem_new(ctx, struct pool);
    pthread_condattr_t monotonic;
    pool->options = *options;
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&pool->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pool->threads = mem_array(pool, pthread_t, options->threads);
    for (; pool->running < options->threads; pool->running++) {
        int rc = pthread_create(&pool->threads[pool->running], NULL, send_all, pool);
        if (rc != 0)
            log_fatal("mailer", "no thread", "reason=%s", log_value(strerror(rc)));
    }
    return pool;
}

void pool_put_take(struct pool *pool, struct task *t)
{
    pthread_mutex_lock(&pool->mutex);
    list_add(&pool->waiting, t);
    pthread_cond_signal(&pool->changed);
    pthread_mutex_unlock(&pool->mutex);
}

struct task *pool_take_out(struct pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    struct task *t = pool->finished.first;
    pool->finished = (struct list){0};
    pthread_mutex_unlock(&pool->mutex);
    return t;
}

void pool_hurry(struct pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    pool->hurried = true;
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->mutex);
}

void pool_stop(struct pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    pool->closed = true;
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->mutex);
    for (int i = 0; i < pool->running; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_mutex_destroy(&pool->mutex);
    pthread_cond_destroy(&pool->changed);
}
