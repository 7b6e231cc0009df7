/* mailtext.h - lines, fields and addresses in texts of mails. Pure. */
#ifndef LAZO_INBOX_MAILTEXT_H
#define LAZO_INBOX_MAILTEXT_H

#include <stdbool.h>
#include <stddef.h>

/* mailtext_line() - the length of the line at `s` without its LF; *ret_next is the next one, or
 * NULL at the end. */
size_t mailtext_line(const char *s, const char **ret_next);

/* mailtext_field() - the value of the first header-like field of this name in the `n` bytes of
 * lines at `s`, its continuation lines joined by a space, no space around; child of ctx, NULL where
 * there is none. Lines that are no fields are passed over. */
char *mailtext_field(const void *ctx, const char *s, size_t n, const char *name);

/* mailtext_address() - the first mail address in `n` bytes, its domain in small letters, child of
 * ctx; *ret_end is where it ended. NULL where there is none. The local part is a dot-atom or
 * quoted; the domain has a dot or is "localhost". */
char *mailtext_address(const void *ctx, const char *s, size_t n, const char **ret_end);

/* mailtext_oneline() - `n` bytes as one line of clean UTF-8 with single spaces, at most `max`
 * bytes; child of ctx. */
char *mailtext_oneline(const void *ctx, const char *s, size_t n, size_t max);

#endif
