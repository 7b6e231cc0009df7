/* address.h - is this an address that may stand in MAIL FROM and RCPT TO (RFC 5321), and how is it
 * written there.
 *
 * Pure. Stricter than the RFC where a form is of no use to us: no comments, no folding, no domain
 * literals, no blanks even inside quotes. So what passes can never end a command or begin another.
 */
#ifndef LAZO_MAILER_ADDRESS_H
#define LAZO_MAILER_ADDRESS_H

enum address_fault {
    ADDRESS_GOOD,
    ADDRESS_MALFORMED, /* enhanced status 5.1.3 */
    ADDRESS_NOT_ASCII, /* a local part that only SMTPUTF8 (RFC 6531) could carry: 5.6.7 */
};

/* address_envelope() - `s` with its domain in A-label form and lower case, child of `ctx`; NULL and
 * the fault where it is no such address. Lengths: local part 64, domain 253, whole 254 bytes. */
char *address_envelope(const void *ctx, const char *s, enum address_fault *ret_fault);

#endif
