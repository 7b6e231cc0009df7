/* address.h - e-mail addresses as the envelope may carry them (RFC 5321 4.1.2, without comments,
 * folding and quoted local parts). Pure. */
#ifndef LAZO_COMMON_ADDRESS_H
#define LAZO_COMMON_ADDRESS_H

#include <stddef.h>

/* address_normalise() - `s` without blanks around it, in lower case, its domain in A-labels (IDNA
 * 2008, RFC 5891): the one form under which it is stored, compared and mailed. Child of ctx. NULL
 * where it is no address that mail can be sent to; *ret_why then says why in a few English words.
 * At most 64 bytes before the @, 254 in all. */
char *address_normalise(const void *ctx, const char *s, const char **ret_why);

#endif
