/* import_wait.h - what the parts of `lazoctl import` share. */
#ifndef LAZO_DAEMON_CTL_IMPORT_WAIT_H
#define LAZO_DAEMON_CTL_IMPORT_WAIT_H

#include "daemon/ctl/client.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* import_call() - POST /v1/imports/{id}/{what}; false, said on stderr, where it was refused. */
bool import_call(struct client *, int64_t id, const char *what);
/* import_wait() - shows how far it is until it rests; its document, a child of ctx, or NULL. A
 * database or lazod that is away for a moment is waited for. */
const json_t *import_wait(const void *ctx, struct client *, int64_t id, const char *what);
/* import_report_say() - the numbers of a dry run (`would`) or of a run, and of its undoing. */
void import_report_say(const json_t *import, bool would);
void import_undone_say(const json_t *undone);
/* import_rejected_save() - the refused lines into `path`; false where they cannot be. */
bool import_rejected_save(struct client *, int64_t id, const char *path);
/* import_manage() - `lazoctl import list|show|pause|resume|cancel|undo|rejected`. */
int import_manage(int argc, char **argv);

#endif
