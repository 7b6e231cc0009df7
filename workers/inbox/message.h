/* message.h - a mail as the classifier wants it: a few headers and the texts of its parts, as
 * UTF-8. Pure but for GMime inside.
 *
 * GLib stays in message.c. What is returned is plain C, child of the message. */
#ifndef LAZO_INBOX_MESSAGE_H
#define LAZO_INBOX_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

#define MESSAGE_MAX      (1024 * 1024) /* bytes of a mail that are read; the rest is attachments */
#define MESSAGE_TEXT_MAX 262144        /* bytes kept of each text */

struct message {
    /* Each is "" where the mail has none. Text is UTF-8 with LF. */
    const char *text;     /* what a person reads: text/plain, or the words of text/html */
    const char *status;   /* message/delivery-status, several joined by an empty line */
    const char *feedback; /* message/feedback-report */
    const char *original; /* the returned message: its header, its body or a piece of it */
    bool disposition;     /* message/disposition-notification: a receipt */
    void *headers;        /* for message_header() */
};

/* message_parse() - reads the first MESSAGE_MAX bytes. NULL where they are nested without sense or
 * no mail. A leading "From " line of mbox is skipped. */
struct message *message_parse(const void *ctx, const char *bytes, size_t n);
/* message_header() - the decoded value of the first header of this name, "" where there is none. */
const char *message_header(const struct message *, const char *name);
/* message_type() - "text/plain": the type and subtype in small letters; message_type_parameter() -
 * one of Content-Type's, or "". */
const char *message_type(const struct message *);
const char *message_type_parameter(const struct message *, const char *name);

#endif
