/* api_people_addresses.c - /v1/contacts/{id}/emails and /phones: the addresses of a contact, of
 * which one is the primary. See api_people.h. */
#include "common/address.h"
#include "common/clock.h"
#include "daemon/http/api_people.h"
#include "daemon/http/api_record.h"

static void contact_list(struct app *app, struct http_request *req, enum query q)
{
    struct pgargs args;

    if (api_id_args(req, &args))
        api_show(app, req, q, &args, "contact");
}

void api_contact_emails_list(void *app, struct http_request *req)
{
    contact_list(app, req, Q_API_CONTACT_EMAILS);
}

void api_contact_phones_list(void *app, struct http_request *req)
{
    contact_list(app, req, Q_API_CONTACT_PHONES);
}

/* One address as the body. */
static void email_fill(struct recording *r, const struct catalogue *catalogue)
{
    recording_entry(r, catalogue, "emails", json_incref(http_json(r->req)));
}

static void phone_fill(struct recording *r, const struct catalogue *catalogue)
{
    recording_entry(r, catalogue, "phones", json_incref(http_json(r->req)));
}

void api_contact_emails_post(void *app, struct http_request *req)
{
    recording_on_contact(app, req, email_fill);
}

void api_contact_phones_post(void *app, struct http_request *req)
{
    recording_on_contact(app, req, phone_fill);
}

/* --- taken away
 * ------------------------------------------------------------------------------------------- */

static void address_remove(struct app *app, struct http_request *req, enum query q,
                           const char *address, const char *absent)
{
    struct pgargs args;

    if (!api_id_args(req, &args))
        return;
    pgargs_text(&args, address);
    pgargs_instant(&args, clock_now_us());
    pgargs_text(&args, api_by(http_ctx(req), req));
    api_people_change(app, req, q, &args, absent);
}

void api_contact_email_delete(void *app, struct http_request *req)
{
    const char *given = http_param(req, "email"), *why;
    const char *email = address_normalise(http_ctx(req), given, &why);

    address_remove(app, req, Q_API_CONTACT_EMAIL_REMOVE, email == NULL ? given : email,
                   "the contact does not have this e-mail address");
}

void api_contact_phone_delete(void *app, struct http_request *req)
{
    address_remove(app, req, Q_API_CONTACT_PHONE_REMOVE, http_param(req, "phone"),
                   "the contact does not have this phone");
}
