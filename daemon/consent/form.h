/* form.h - a sign-up form, and what a stranger said in it. Pure.
 *
 * A form takes the e-mail address, the fields of the contact that it names, and one that people do
 * not see (the honeypot). Everything else that is sent is left out. */
#ifndef LAZO_DAEMON_CONSENT_FORM_H
#define LAZO_DAEMON_CONSENT_FORM_H

#include "daemon/rules/catalogue.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct form {
    int64_t org_id, id;
    const char *name, *organisation;
    const char *title, *purpose, *wording, *version, *language, *honeypot;
    bool double_opt_in;
    json_t *fields, *topics, *redirect_to, *origins, *tags; /* arrays of texts */
};

/* form_read() - the document that form_doc() of the database makes; all is owned by the form, a
 * child of ctx. org_id, id and organisation are left to the caller. */
struct form *form_read(const void *ctx, const char *document);

/* form_field_fits() - whether a form may ask for this field: a field of the contact's that a
 * stranger may say, or "attr.NAME" of a custom field that there is. */
bool form_field_fits(const struct catalogue *, const char *field);
/* form_contact() - what was said as POST /v1/contacts takes it; a new reference. `said` has texts
 * by field, or for JSON bodies values of any sort and "attr" as an object too. Empty texts count as
 * not said. */
json_t *form_contact(const struct form *, const struct catalogue *, const json_t *said);
/* form_trapped() - whether the honeypot was filled. */
bool form_trapped(const struct form *, const json_t *said);

/* form_origin_fits() - whether pages of this origin may read the answers. */
bool form_origin_fits(const struct form *, const char *origin);
/* form_origin_valid() - whether a definition may name it: "*", or scheme and host alone. */
bool form_origin_valid(const char *origin);
/* form_redirect() - where the browser goes: what it asks for where the form allows that, else the
 * form's first address; NULL where it has none. */
const char *form_redirect(const struct form *, const char *wanted);
/* form_redirect_valid() - whether a definition may name it: an http or https address without user,
 * spaces and control characters. */
bool form_redirect_valid(const char *url);

#endif
