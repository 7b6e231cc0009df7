/* apply.h - an organisation made to match a folder of definitions (INTERFACES.md, "Definitions as
 * text"). */
#ifndef LAZO_DAEMON_CTL_APPLY_H
#define LAZO_DAEMON_CTL_APPLY_H

#include "daemon/ctl/client.h"

#include <stdbool.h>
#include <stdio.h>

/* apply_folder() - reads everything under `dir`, then puts it to the instance in the order of its
 * dependencies; a line on `say` for each object that is new or changed, and the number of those
 * unchanged. With `dry_run` nothing is changed: says what would be. Mistakes are said on stderr as
 * FILE:LINE:COLUMN, where files are named as under `shown`; false where there was one. */
bool apply_folder(struct client *, const char *dir, const char *shown, bool dry_run, FILE *say);

#endif
