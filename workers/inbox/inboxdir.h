/* inboxdir.h - watches a Maildir: what lies in new/ is handed over once, and moved to cur/ when its
 * owner is done with it.
 *
 * A mail that was handed over and not done when the process died still lies in new/ and is handed
 * over again. Whoever delivers there renames into new/ (so a mail is whole when it is seen); the
 * folders are not made here. */
#ifndef LAZO_INBOX_INBOXDIR_H
#define LAZO_INBOX_INBOXDIR_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct inboxdir;

struct inboxdir_ops {
    /* One mail, borrowed; `name` is its file's, which stays the same over restarts. */
    void (*mail)(void *arg, const char *name, const char *bytes, size_t n);
    /* Whether another mail is welcome now. */
    bool (*room)(void *arg);
};

/* inboxdir_new() - looks at PATH/new each poll_us, the first time at once. A folder that cannot be
 * read is logged when it begins and when it ends. Child of ctx. */
struct inboxdir *inboxdir_new(const void *ctx, struct ev_loop *, const char *path, int64_t poll_us,
                              const struct inboxdir_ops *, void *arg);
/* inboxdir_done() - moves a mail that was handed over to cur/. `ours`: it was dealt with and is
 * marked as seen; a person should look at the others. */
void inboxdir_done(struct inboxdir *, const char *name, bool ours);

#endif
