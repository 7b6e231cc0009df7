/* letter.c - what a worker is told of one job: everything it needs, since it has no database. Pure
 * but for reading the row. See bus.h. */
#include "daemon/dispatch/hand.h"

#include "common/clock.h"
#include "common/mem.h"
#include "daemon/consent/token.h"
#include "daemon/dispatch/unsubscribe.h"

#include <inttypes.h>
#include <string.h>

static void set_text(json_t *object, const char *key, const char *value)
{
    if (value != NULL)
        json_object_set_new(object, key, json_string(value));
}

static json_t *row_json(const struct pgres *res, int row, const char *column)
{
    const char *text = pgres_text(res, row, column);
    json_t *json = text == NULL ? NULL : json_loads(text, 0, NULL);

    if (text != NULL && json == NULL)
        bug("column %s holds no JSON", column);
    return json;
}

static const char *address_domain(const char *address)
{
    const char *at = strrchr(address, '@');

    return at == NULL ? "localhost" : at + 1;
}

static json_t *letter_head(const struct pgres *res, int row)
{
    json_t *job = json_object();

    json_object_set_new(job, "lease", json_integer(pgres_int(res, row, "lease")));
    json_object_set_new(job, "id", json_integer(pgres_int(res, row, "id")));
    json_object_set_new(job, "attempt", json_integer(pgres_int(res, row, "attempt")));
    return job;
}

static void letter_sender(const struct dispatch *d, const struct org *org, int64_t job_id,
                          json_t *job)
{
    const char *address = settings_text(d->settings, "mail.bounce_address");
    const char *at = strchr(address, '@');
    MEM_SCOPED void *scratch = talloc_new(NULL);

    set_text(job, "from", org->mail_from);
    set_text(job, "from_name", org->mail_from_name[0] == '\0' ? org->name : org->mail_from_name);
    set_text(job, "reply_to", org->mail_reply_to);
    if (at == NULL) {
        set_text(job, "bounce_to", org->mail_from);
        return;
    }
    set_text(job, "bounce_to",
             mem_printf(scratch, "%.*s+%s%s", (int)(at - address), address,
                        bounce_token(scratch, settings_text(d->settings, "http.secret"),
                                     org->catalogue.org_id, job_id),
                        at));
}

static json_t *letter_organisation(const struct org *org)
{
    return json_pack("{s:s, s:s, s:s, s:s}", "name", org->name, "postal_address",
                     org->postal_address, "email", org->mail_from, "currency",
                     org->catalogue.currency);
}

/* Marketing mail (it has a topic) carries its link to leave. */
static void letter_unsubscribe(const struct dispatch *d, const struct org *org,
                               const struct pgres *res, int row, json_t *job, json_t *data)
{
    MEM_SCOPED void *scratch = talloc_new(NULL);
    struct unsubscribe who = {.org_id = org->catalogue.org_id,
                              .contact_id = pgres_int(res, row, "contact_id"),
                              .topic_id = pgres_int(res, row, "topic_id")};
    const char *url;

    if (who.topic_id == 0 || who.contact_id == 0)
        return;
    url = mem_printf(scratch, "%s/u/%s", d->public_url,
                     unsubscribe_token(scratch, settings_text(d->settings, "http.secret"), &who));
    set_text(job, "unsubscribe", url);
    set_text(data, "unsubscribe_url", url);
    set_text(job, "list_id",
             mem_printf(scratch, "%s.%s.%s", pgres_text(res, row, "topic"), org->slug,
                        address_domain(org->mail_from)));
}

/* The mail that asks to confirm a sign-up carries its link; the job has the nonce alone. */
static void letter_confirm(const struct dispatch *d, const struct org *org, json_t *data)
{
    const char *nonce = json_string_value(json_object_get(data, "form_request"));
    MEM_SCOPED void *scratch = talloc_new(NULL);

    if (nonce == NULL)
        return;
    set_text(data, "confirm_url",
             mem_printf(scratch, "%s/f/confirm/%s", d->public_url,
                        form_token(scratch, settings_text(d->settings, "http.secret"),
                                   org->catalogue.org_id, nonce)));
    json_object_del(data, "form_request");
}

/* What the job itself says: of a campaign under its name, else beside the rest. */
static json_t *letter_said(const struct pgres *res, int row)
{
    json_t *said = row_json(res, row, "data");
    const char *campaign = pgres_text(res, row, "campaign");

    if (campaign == NULL)
        return said;
    set_text(said, "name", campaign);
    return json_pack("{s:o}", "campaign", said);
}

/* A mail to an address that is no contact's may bring a contact's data of its own. */
static json_t *letter_data(const struct org *org, const struct pgres *res, int row)
{
    json_t *data = letter_said(res, row);
    json_t *contact = row_json(res, row, "contact"),
           *interaction = row_json(res, row, "interaction");

    if (contact != NULL || json_object_get(data, "contact") == NULL)
        json_object_set_new(data, "contact", contact == NULL ? json_object() : contact);
    if (interaction != NULL)
        json_object_set_new(data, "interaction", interaction);
    json_object_set_new(data, "organisation", letter_organisation(org));
    return data;
}

json_t *letter_mail(const struct dispatch *d, const struct org *org, const struct pgres *res,
                    int row)
{
    json_t *job = letter_head(res, row), *data = letter_data(org, res, row);
    const char *person = pgres_text(res, row, "person");
    char now[CLOCK_TEXT];

    set_text(job, "sort", "mail");
    set_text(job, "to", pgres_text(res, row, "address"));
    set_text(job, "to_name",
             person != NULL && person[0] != '\0' ? person : pgres_text(res, row, "company_name"));
    letter_sender(d, org, pgres_int(res, row, "id"), job);
    set_text(job, "message_id", pgres_text(res, row, "message_id"));
    set_text(job, "language", pgres_text(res, row, "language"));
    set_text(job, "time_zone", pgres_text(res, row, "time_zone"));
    set_text(job, "currency", pgres_text(res, row, "currency"));
    set_text(job, "now", clock_format(clock_now_us(), now));
    json_object_set_new(job, "template", json_integer(pgres_int(res, row, "template_version_id")));
    json_object_set_new(job, "class", json_integer(pgres_int(res, row, "class")));
    letter_unsubscribe(d, org, res, row, job, data);
    letter_confirm(d, org, data);
    json_object_set_new(job, "data", data);
    return job;
}

/* The body is made once a lease, and stays the same over the worker's attempts. Its type is the
 * interaction's kind, or what the job says ("journey", "test"). */
static char *letter_body(const struct org *org, const struct pgres *res, int row)
{
    json_t *said = row_json(res, row, "data"), *contact = row_json(res, row, "contact");
    json_t *interaction = row_json(res, row, "interaction"), *data = json_object(), *body;
    const char *journey = pgres_text(res, row, "journey"), *type;
    char now[CLOCK_TEXT];
    char *text;

    type = json_string_value(json_object_get(said, "type"));
    set_text(data, "organisation", org->slug);
    if (contact != NULL)
        json_object_set_new(data, "contact", contact);
    if (interaction != NULL)
        json_object_set_new(data, "interaction", interaction);
    set_text(data, "journey", journey);
    body = json_object();
    set_text(body, "type", type != NULL ? type : "event");
    set_text(body, "timestamp", clock_format(pgres_instant(res, row, "first_at"), now));
    json_object_set_new(body, "data", data);
    text = mem_must(json_dumps(body, JSON_COMPACT | JSON_REAL_PRECISION(15)));
    json_decref(body);
    json_decref(said);
    return text;
}

/* PostgreSQL breaks base64 into lines. */
static json_t *letter_secret(const char *base64)
{
    MEM_SCOPED char *one_line = mem_strdup(NULL, base64);
    char *to = one_line;

    for (const char *from = base64; *from != '\0'; from++)
        if (*from != '\n')
            *to++ = *from;
    *to = '\0';
    return json_string(one_line);
}

json_t *letter_hook(const struct org *org, const struct pgres *res, int row)
{
    json_t *job = letter_head(res, row), *secrets = json_array();
    char *body = letter_body(org, res, row);
    char *id = mem_printf(NULL, "msg_%" PRIx64 "_%" PRIx64, org->catalogue.org_id,
                          pgres_int(res, row, "id"));

    set_text(job, "sort", "hook");
    set_text(job, "url", pgres_text(res, row, "url"));
    json_array_append_new(secrets, letter_secret(pgres_text(res, row, "secret")));
    json_object_set_new(job, "secrets", secrets);
    set_text(job, "webhook_id", id);
    set_text(job, "body", body);
    free(body);
    talloc_free(id);
    return job;
}
