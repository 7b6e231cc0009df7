/* api_act_messages.c - /v1/messages: one transactional mail, made once for its key.
 * /v1/templates/{name}/test: one with example data. /v1/deliveries: what became of each job, and
 * sending once more what failed or is in doubt. */
#include "common/address.h"
#include "common/clock.h"
#include "common/mem.h"
#include "common/text.h"
#include "daemon/http/api_act.h"
#include "daemon/http/api_enqueue.h"

#include <sodium.h>
#include <string.h>

#define MESSAGE_DATA_MAX ((size_t)64 << 10)
#define MESSAGE_KEY_MAX  200

/* --- messages
 * --------------------------------------------------------------------------------------------- */

struct message {
    struct app *app;
    struct http_request *req;
    struct api_body body;
    const char *template;
    bool test; /* the template is the path's */
    int64_t contact;
    const char *to;   /* normalised; NULL: the contact's */
    const char *key;  /* of the job */
    const char *data; /* or NULL */
};

static void create_on_refs(void *arg, const struct pgres *res)
{
    struct message *m = arg;
    struct diag *mistakes = &m->body.mistakes;

    if (api_failed(m->req, res))
        return;
    if (m->test && pgres_null(res, 0, "template_id")) {
        api_not_found(m->app, m->req, "template");
        return;
    }
    if (pgres_null(res, 0, "template_id"))
        diag_field(mistakes, "/template", "there is no template \"%s\"", m->template);
    if (m->contact != 0 && pgres_null(res, 0, "contact_id"))
        diag_field(mistakes, "/contact", "there is no such contact");
    else if (m->contact != 0 && m->to == NULL && !pgres_bool(res, 0, "has_email"))
        diag_field(mistakes, "/contact", "this contact has no e-mail address");
    if (!api_body_ok(&m->body))
        return;
    if (m->contact != 0)
        m->contact = pgres_int(res, 0, "contact_id");
    api_enqueue(m->app, m->req,
                &(struct api_job){.class = 0,
                                  .sort = "mail",
                                  .key = m->key,
                                  .contact_id = m->contact,
                                  .template_id = pgres_int(res, 0, "template_id"),
                                  .to_email = m->to,
                                  .data = m->data});
}

/* random_key() - for a request that says none: each makes a message. */
static const char *random_key(struct message *m)
{
    unsigned char random[16];
    char text[2 * sizeof(random) + 1];

    randombytes_buf(random, sizeof(random));
    return mem_printf(m, "message::%s", sodium_bin2hex(text, sizeof(text), random, sizeof(random)));
}

/* read_key() - of the body, else the header Idempotency-Key. */
static const char *read_key(struct message *m)
{
    const char *key = api_body_text(&m->body, "key", MESSAGE_KEY_MAX);

    if (key == NULL)
        key = http_header(m->req, "Idempotency-Key");
    if (key != NULL && (*key == '\0' || strlen(key) > MESSAGE_KEY_MAX))
        diag_field(&m->body.mistakes, "/key", "a key has 1 to %d bytes", MESSAGE_KEY_MAX);
    return key != NULL ? mem_printf(m, "message:%s", key) : random_key(m);
}

static void read_recipient(struct message *m)
{
    const char *to = api_body_text(&m->body, "to", 320), *why;

    m->contact = api_body_int(&m->body, "contact", 1, INT64_MAX, 0);
    if (to != NULL && (m->to = address_normalise(m, to, &why)) == NULL)
        diag_field(&m->body.mistakes, "/to", "no valid e-mail address: %s", why);
    else if ((to == NULL) == (m->contact == 0) && !diag_any(&m->body.mistakes))
        diag_field(&m->body.mistakes, "/to", "%s",
                   m->test ? "an e-mail address is expected"
                           : "there must be either a contact or an address");
}

static void make(struct message *m)
{
    struct pgargs args;

    if (m->data != NULL && strlen(m->data) > MESSAGE_DATA_MAX)
        diag_field(&m->body.mistakes, "/data", "this is longer than %zu bytes", MESSAGE_DATA_MAX);
    pgargs_init(&args, m);
    pgargs_text(&args, m->template);
    if (m->contact != 0)
        pgargs_int(&args, m->contact);
    else
        pgargs_text(&args, NULL);
    if (api_body_ok(&m->body))
        pgpool_query(m->app->pool, api_org(m->req), Q_API_MESSAGE_REFS, &args, create_on_refs, m);
}

void api_message_create(void *app, struct http_request *req)
{
    static const char *const known[] = {"template", "contact", "to", "data", "key", NULL};
    struct message *m = mem_new(http_ctx(req), struct message);
    json_t *data;

    if (!api_body_read(&m->body, req, known))
        return;
    m->app = app;
    m->req = req;
    m->template = api_body_need(&m->body, "template", 100);
    read_recipient(m);
    m->key = read_key(m);
    data = api_body_object(&m->body, "data");
    m->data = data == NULL ? NULL : api_json_text(m, data);
    make(m);
}

/* example() - what a template may speak of; what the request says stands in its place. */
static const char *example(struct message *m, json_t *said)
{
    char now[CLOCK_TEXT];
    json_t *data;
    const char *text;

    clock_format(clock_now_us(), now);
    data = mem_must(json_pack(
        "{s:{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:{}}, s:{s:s, s:s, s:s, s:{}}, s:{s:s}, s:o}",
        "contact", "kind", "person", "first_name", "Ana", "last_name", "García", "email", m->to,
        "language", "es", "country", "ES", "city", "Málaga", "attr", "interaction", "kind",
        "donation", "occurred_at", now, "amount", "25.00", "data", "campaign", "name", "test",
        "unsubscribe_url", json_sprintf("%s/u/preview", m->app->public_url)));
    if (said != NULL)
        json_object_update(data, said);
    text = api_json_text(m, data);
    json_decref(data);
    return text;
}

void api_template_test(void *app, struct http_request *req)
{
    static const char *const known[] = {"to", "data", NULL};
    struct message *m = mem_new(http_ctx(req), struct message);
    json_t *data;

    if (!api_body_read(&m->body, req, known))
        return;
    m->app = app;
    m->req = req;
    m->test = true;
    m->template = http_param(req, "name");
    read_recipient(m);
    m->key = random_key(m);
    data = api_body_object(&m->body, "data");
    m->data = m->to == NULL ? NULL : example(m, data);
    make(m);
}

static void show_by_id(struct app *app, struct http_request *req, enum query q, const char *what)
{
    struct pgargs args;

    if (api_id_args(req, &args))
        api_show(app, req, q, &args, what);
}

void api_message_show(void *app, struct http_request *req)
{
    show_by_id(app, req, Q_API_MESSAGE_SHOW, "message");
}

/* --- deliveries
 * ------------------------------------------------------------------------------------------- */

void api_delivery_show(void *app, struct http_request *req)
{
    show_by_id(app, req, Q_API_DELIVERY_SHOW, "delivery");
}

static bool is_state(const char *text)
{
    static const char *const states[] = {"sent",       "failed",         "uncertain",
                                         "suppressed", "not_subscribed", "cancelled"};

    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
        if (strcmp(text, states[i]) == 0)
            return true;
    return false;
}

void api_deliveries_list(void *app, struct http_request *req)
{
    const char *state = http_query(req, "state"), *sort = http_query(req, "sort");
    const char *contact = http_query(req, "contact");
    struct pgargs args;
    int64_t before, id;
    int limit;

    if (!http_limit(req, &limit) || !api_after(req, &before))
        return;
    if (contact != NULL && !text_int(contact, &id)) {
        http_problem(req, 400, NULL, "\"contact\" must be an id");
        return;
    }
    if (state != NULL && !is_state(state)) {
        http_problem(req, 400, NULL,
                     "\"state\" must be sent, failed, uncertain, suppressed, "
                     "not_subscribed or cancelled");
        return;
    }
    pgargs_init(&args, http_ctx(req));
    pgargs_text(&args, state);
    pgargs_int(&args, before);
    pgargs_int(&args, limit + 1);
    pgargs_text(&args, sort);
    pgargs_text(&args, contact);
    api_list(app, req, Q_API_DELIVERY_LIST, &args, limit, NULL);
}

struct again {
    struct app *app;
    struct http_request *req;
};

/* again_fault() - why this delivery is not made once more; NULL where it is. */
static const char *again_fault(const struct pgres *res)
{
    const char *state = pgres_text(res, 0, "state");

    if (strcmp(state, "uncertain") != 0 && strcmp(state, "failed") != 0)
        return "only what failed or is in doubt is sent again";
    if (pgres_bool(res, 0, "pending"))
        return "it is being sent again already";
    return NULL;
}

static void resend_on_delivery(void *arg, const struct pgres *res)
{
    const struct again *a = arg;
    const char *why;

    if (api_failed(a->req, res))
        return;
    if (pgres_rows(res) == 0) {
        http_problem(a->req, 404, NULL, "there is no such delivery");
        return;
    }
    why = again_fault(res);
    if (why != NULL) {
        http_problem(a->req, 409, NULL, "%s", why);
        return;
    }
    api_enqueue(a->app, a->req,
                &(struct api_job){.class = (int)pgres_int(res, 0, "class"),
                                  .sort = pgres_text(res, 0, "sort"),
                                  .key = pgres_text(res, 0, "key"),
                                  .contact_id = pgres_int(res, 0, "contact_id"),
                                  .template_id = pgres_int(res, 0, "template_id"),
                                  .webhook_id = pgres_int(res, 0, "webhook_id"),
                                  .topic_id = pgres_int(res, 0, "topic_id"),
                                  .campaign_id = pgres_int(res, 0, "campaign_id"),
                                  .journey_id = pgres_int(res, 0, "journey_id"),
                                  .interaction_id = pgres_int(res, 0, "interaction_id"),
                                  .to_email = pgres_text(res, 0, "to_email"),
                                  .data = pgres_text(res, 0, "data")});
}

void api_delivery_resend(void *app, struct http_request *req)
{
    struct again *a = mem_new(http_ctx(req), struct again);
    struct pgargs args;
    int64_t id;

    if (!api_id(req, "id", &id))
        return;
    a->app = app;
    a->req = req;
    pgargs_init(&args, a);
    pgargs_int(&args, id);
    pgpool_query(a->app->pool, api_org(req), Q_API_DELIVERY_AGAIN, &args, resend_on_delivery, a);
}
