/* import_send.c - see import_send.h.
 *
 * Interactions go as lines of one body. Contacts go one a request, over several connections at a
 * time, so that the daemon commits them in groups. */
#include "daemon/ctl/import_send.h"

#include "common/buf.h"
#include "common/mem.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BODY_MAX    ((size_t)128 << 20)
#define AWAY_TRIES  20
#define CONNECTIONS 8

/* A call that is repeated while the database is away. */
static struct answer *call_patiently(const void *ctx, struct client *c, const char *path,
                                     const char *content_type, const char *body, size_t n)
{
    struct answer *a = NULL;

    for (int i = 0; i < AWAY_TRIES; i++) {
        a = client_send(ctx, c, "POST", path, content_type, body, n);
        if (a == NULL || a->status != 503)
            return a;
        sleep(1);
    }
    return a;
}

/* One sentence of an error item; child of ctx. */
static const char *error_text(const void *ctx, const json_t *error)
{
    const char *pointer = json_string_value(json_object_get(error, "pointer")),
               *detail = json_string_value(json_object_get(error, "detail"));

    if (pointer != NULL && *pointer != '\0')
        return mem_printf(ctx, "%s: %s", pointer + 1, detail != NULL ? detail : "refused");
    return mem_strdup(ctx, detail != NULL ? detail : "refused");
}

/* --- interactions
 * --------------------------------------------------------------------------------------------- */

/* The row that stands on `line` of the body. */
static struct import_row *row_of_line(struct import_batch *batch, json_int_t line)
{
    for (size_t i = 0; i < batch->n; i++) {
        if (batch->rows[i].body != NULL && --line == 0)
            return &batch->rows[i];
    }
    return NULL;
}

static void refusals_take(struct import_batch *batch, const json_t *errors)
{
    const json_t *error;
    size_t i;

    json_array_foreach(errors, i, error)
    {
        struct import_row *row =
            row_of_line(batch, json_integer_value(json_object_get(error, "line")));

        if (row != NULL && row->why == NULL)
            row->why = error_text(batch->ctx, error);
    }
}

static void lines_add(struct buf *lines, const struct import_batch *batch)
{
    for (size_t i = 0; i < batch->n; i++) {
        char *text = batch->rows[i].body == NULL
                         ? NULL
                         : mem_must(json_dumps(batch->rows[i].body, JSON_COMPACT));

        if (text != NULL) {
            buf_str(lines, text);
            buf_char(lines, '\n');
        }
        free(text);
    }
}

bool import_send_interactions(struct client *c, struct import_batch *batch, bool live,
                              struct import_counts *counts)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    const char *path = live ? "/v1/interactions" : "/v1/interactions?import=true";
    const struct answer *a;
    struct buf lines;

    buf_init(&lines, ctx, BODY_MAX);
    lines_add(&lines, batch);
    if (lines.len == 0)
        return true;
    a = call_patiently(ctx, c, path, "application/x-ndjson", lines.data, lines.len);
    if (a == NULL)
        return false;
    if (json_object_get(a->body, "recorded") == NULL) {
        answer_problem(a, stderr, "lazoctl import");
        return false;
    }
    counts->recorded += (size_t)json_integer_value(json_object_get(a->body, "recorded"));
    counts->duplicates += (size_t)json_integer_value(json_object_get(a->body, "duplicates"));
    refusals_take(batch, json_object_get(a->body, "errors"));
    return true;
}

/* --- contacts
 * --------------------------------------------------------------------------------------------------
 */

/* One connection's work; each thread has its own client and memory, and takes the next row that
 * nobody has. */
struct sender {
    struct client *client;
    const struct import_consent *consent;
    struct import_batch *batch;
    atomic_size_t *next;
    atomic_bool *failed;
    struct import_counts counts;
    void *ctx;
    pthread_t thread;
};

static bool has_spoken(const json_t *contact, const char *topic)
{
    const json_t *entry;
    size_t i;

    json_array_foreach(json_object_get(contact, "subscriptions"), i, entry)
    {
        const char *name = json_string_value(json_object_get(entry, "topic"));

        if (name != NULL && strcmp(name, topic) == 0)
            return true;
    }
    return false;
}

static struct answer *post(struct sender *s, const char *path, const json_t *body)
{
    char *text = mem_must(json_dumps(body, JSON_COMPACT));
    struct answer *a =
        call_patiently(s->ctx, s->client, path, "application/json", text, strlen(text));

    free(text);
    if (a == NULL)
        atomic_store(s->failed, true);
    return a;
}

/* Whether it was taken; else the row has its reason, or all have failed where the instance refuses
 * us. */
static bool taken(struct sender *s, struct import_row *row, const struct answer *a)
{
    const json_t *errors = json_object_get(a->body, "errors");
    const char *detail = json_string_value(json_object_get(a->body, "detail"));

    if (answer_ok(a))
        return true;
    if (a->status != 422 && a->status != 409 && a->status != 413) {
        if (!atomic_exchange(s->failed, true))
            answer_problem(a, stderr, "lazoctl import");
        return false;
    }
    if (json_array_size(errors) > 0)
        row->why = error_text(s->ctx, json_array_get(errors, 0));
    else
        row->why = mem_strdup(s->ctx, detail != NULL ? detail : "refused");
    return false;
}

static void consent_send(struct sender *s, struct import_row *row, const json_t *contact)
{
    const char *path = mem_printf(s->ctx, "/v1/contacts/%" JSON_INTEGER_FORMAT "/consents",
                                  json_integer_value(json_object_get(contact, "id")));
    json_t *body = mem_must(json_pack("{s:s, s:s, s:s, s:s, s:s}", "topic", s->consent->topic,
                                      "action", "grant", "wording", s->consent->wording, "source",
                                      s->consent->source, "method", "import"));
    const struct answer *a = post(s, path, body);

    json_decref(body);
    if (a != NULL && taken(s, row, a))
        s->counts.consents++;
}

static void contact_send(struct sender *s, struct import_row *row)
{
    const struct answer *a = post(s, "/v1/contacts", row->body);

    if (a == NULL || !taken(s, row, a))
        return;
    if (a->status == 201)
        s->counts.created++;
    else
        s->counts.updated++;
    if (s->consent->topic != NULL && !has_spoken(a->body, s->consent->topic))
        consent_send(s, row, a->body);
}

static void *sender_run(void *arg)
{
    struct sender *s = arg;

    while (!atomic_load(s->failed)) {
        size_t i = atomic_fetch_add(s->next, 1);

        if (i >= s->batch->n)
            break;
        if (s->batch->rows[i].body != NULL)
            contact_send(s, &s->batch->rows[i]);
    }
    return NULL;
}

/* What the senders found goes to the batch, whose memory only this thread touches. */
static void senders_join(struct sender *senders, size_t n, struct import_batch *batch,
                         struct import_counts *counts)
{
    for (size_t i = 0; i < n; i++)
        pthread_join(senders[i].thread, NULL);
    for (size_t i = 0; i < batch->n; i++) {
        if (batch->rows[i].body != NULL && batch->rows[i].why != NULL)
            batch->rows[i].why = mem_strdup(batch->ctx, batch->rows[i].why);
    }
    for (size_t i = 0; i < n; i++) {
        counts->created += senders[i].counts.created;
        counts->updated += senders[i].counts.updated;
        counts->consents += senders[i].counts.consents;
        talloc_free(senders[i].ctx);
    }
}

bool import_send_contacts(struct client *c, struct import_batch *batch,
                          const struct import_consent *consent, struct import_counts *counts)
{
    struct sender senders[CONNECTIONS] = {0};
    atomic_size_t next = 0;
    atomic_bool failed = false;
    size_t n = 0;

    for (; n < CONNECTIONS; n++) {
        struct sender *s = &senders[n];

        s->ctx = mem_must(talloc_new(NULL));
        s->client = client_again(s->ctx, c);
        s->consent = consent;
        s->batch = batch;
        s->next = &next;
        s->failed = &failed;
        if (pthread_create(&s->thread, NULL, sender_run, s) != 0)
            bug("no thread can be made");
    }
    senders_join(senders, n, batch, counts);
    return !atomic_load(&failed);
}
