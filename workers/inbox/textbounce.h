/* textbounce.h - bounces that are no RFC 3464 reports: the commonest writers' texts, read like a
 * person would. Pure.
 *
 * A mail counts as one only if a mail system sent it (its sender or its subject says so) and its
 * text says that something was not delivered. Recipients are looked for where such texts name them;
 * what stands between one and the next is judged by reason.h. */
#ifndef LAZO_INBOX_TEXTBOUNCE_H
#define LAZO_INBOX_TEXTBOUNCE_H

#include "workers/inbox/dsn.h"
#include "workers/inbox/message.h"

#include <stdbool.h>

/* textbounce_is() - whether the mail is a bounce by its sender, subject and words. */
bool textbounce_is(const struct message *);
/* textbounce_read() - adds its findings; strings become children of ctx. */
void textbounce_read(const void *ctx, const struct message *, struct findings *);

#endif
