/* life.h - of a contact as it was given: its stage, and whether it died. Pure; for record_parse.c.
 *
 * `object` is the contact, which stands at `pointer`; `fields` takes what is said, column by
 * column; mistakes go to `d`. */
#ifndef LAZO_DAEMON_RECORD_LIFE_H
#define LAZO_DAEMON_RECORD_LIFE_H

#include "common/diag.h"
#include "daemon/org/org.h"

#include <jansson.h>
#include <stdint.h>

/* life_stage() - the stage among `fields` must be one of the organisation's and is spelled as it is
 * there; any text where it has none. */
void life_stage(const void *ctx, const char *pointer, const struct catalogue *, json_t *fields,
                struct diag *d);
/* life_deceased() - "deceased" and "deceased_on". A date says that the contact died; that it lives
 * takes the date away. */
void life_deceased(const void *ctx, json_t *object, const char *pointer, int64_t now_us,
                   json_t *fields, struct diag *d);

#endif
