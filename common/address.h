/* address.h - e-mail addresses as the envelope may carry them (RFC 5321 4.1.2, without comments,
 * folding and quoted local parts). Pure. */
#ifndef LAZO_COMMON_ADDRESS_H
#define LAZO_COMMON_ADDRESS_H

#include <stddef.h>

/* address_envelope() - `s` without blanks around it, its domain in A-labels (IDNA 2008, RFC 5891)
 * and small letters, its local part as it stands. Child of ctx. NULL where it is no address that
 * mail can be sent to; *ret_why then says why in a few English words. At most 64 bytes before the
 * @, 254 in all. What passes can never end a command of SMTP or begin another. */
char *address_envelope(const void *ctx, const char *s, const char **ret_why);
/* address_normalise() - the same, all in small letters: the one form under which it is stored,
 * compared and mailed. */
char *address_normalise(const void *ctx, const char *s, const char **ret_why);

#endif
