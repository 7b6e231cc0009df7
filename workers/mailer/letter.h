/* letter.h - a job and its template become an envelope and the bytes of a message. Pure: the same
 * job gives the same bytes, so that a retry is the same message (RFC 5322, Message-ID). Thread-safe
 * for different `ctx`. */
#ifndef LAZO_MAILER_LETTER_H
#define LAZO_MAILER_LETTER_H

#include "workers/mailer/shelf.h"
#include "workers/mailer/verdict.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define LETTER_MAX (32u << 20) /* bytes of a message */

struct letter {
    const char *from, *to;  /* the envelope, fit for SMTP as it is */
    const char *message_id; /* as the job has it */
    const char *bytes;
    size_t size;
};

/* letter_build() - what it makes are children of ctx. False where the job cannot become a mail,
 * with the reason in `ret_verdict`: an address that cannot be one (hard, 5.1.3), one that needs
 * SMTPUTF8 (5.6.7), a template that does not compile or fails on this contact's data (with part,
 * line and column), a field that is missing. */
bool letter_build(const void *ctx, const json_t *job, const struct letter_template *,
                  struct letter *ret_letter, struct verdict *ret_verdict);

#endif
