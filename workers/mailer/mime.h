/* mime.h - one message as bytes for the wire (RFC 5322, 2045, 2047, 2369, 8058, 3834). Pure: the
 * same input gives the same bytes, the boundary being made of the Message-ID.
 *
 * What comes out is 7-bit ASCII with CRLF ends and lines of at most 998 bytes (78 wherever a line
 * can be folded). No value can begin a header of its own: control characters in any of them become
 * blanks, bytes that are no UTF-8 become U+FFFD. */
#ifndef LAZO_MAILER_MIME_H
#define LAZO_MAILER_MIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

struct mime_mail {
    /* Addresses in envelope form (address.h). */
    const char *from, *to;
    const char *reply_to;            /* may be NULL */
    const char *from_name, *to_name; /* UTF-8; NULL or "": none */
    const char *subject;             /* UTF-8 */
    const char *message_id;          /* with or without its < > */
    int64_t date_us;
    const char
        *unsubscribe; /* https URL (RFC 8058), an http one gets List-Unsubscribe alone; or NULL */
    const char *list_id;     /* or NULL */
    const char *feedback_id; /* or NULL */
    bool automatic;          /* Auto-Submitted: auto-generated */
    const char *text, *html; /* UTF-8, any line ends; html "" or NULL: a message of text alone */
};

/* mime_write() - appends the message; false where `out` is too small for it. */
bool mime_write(struct buf *out, const struct mime_mail *);

#endif
