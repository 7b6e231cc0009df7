/* encode.h - the encodings of mail: header fields with encoded words (RFC 2047), bodies in
 * quoted-printable and base64 (RFC 2045). Pure; all of them write ASCII with CRLF and append to a
 * buffer. */
#ifndef LAZO_MAILER_ENCODE_H
#define LAZO_MAILER_ENCODE_H

#include <stddef.h>

struct buf;

/* encode_clean() - `s` fit for a header: control characters (C0, DEL and their C1 kin) become
 * blanks, what is no UTF-8 becomes U+FFFD. Child of ctx. */
char *encode_clean(const void *ctx, const char *s);

/* encode_field() - "Name: value" with its CRLF; `value` is text, folded at 78, encoded where it
 * must be. */
void encode_field(struct buf *out, const char *name, const char *value);
/* encode_mailbox() - "Name: display name <address>"; `display` may be NULL or "". */
void encode_mailbox(struct buf *out, const char *name, const char *display, const char *address);
/* encode_token() - "Name: value" where the value may be neither encoded nor folded; what is no
 * visible ASCII is left out. */
void encode_token(struct buf *out, const char *name, const char *value);

/* encode_body() - the header Content-Transfer-Encoding, the empty line and the body in the shorter
 * one of quoted-printable and base64; ends with CRLF. */
void encode_body(struct buf *out, const char *body, size_t n);

#endif
