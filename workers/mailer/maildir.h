/* maildir.h - mail as .eml files in a Maildir, where there is no relay.
 *
 * A file's name comes from the message's Message-ID, so that a message that is written again after
 * a crash replaces itself. Thread-safe for different Message-IDs. */
#ifndef LAZO_MAILER_MAILDIR_H
#define LAZO_MAILER_MAILDIR_H

#include <stdbool.h>
#include <stddef.h>

/* maildir_make() - makes the folder with its tmp, new and cur (0700) where they lack; false and
 * errno where it cannot. */
bool maildir_make(const char *path);

#define MAILDIR_NAME 64
/* maildir_name() - "HEX.eml" for that Message-ID. */
void maildir_name(char out[MAILDIR_NAME], const char *message_id);

/* maildir_write() - the message is on disk in new/ when this returns true; false and errno where it
 * is not. */
bool maildir_write(const char *path, const char *message_id, const char *bytes, size_t n);

#endif
