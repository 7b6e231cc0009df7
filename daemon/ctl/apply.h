/* apply.h - an organisation made to match a folder of definitions (definition.h). */
#ifndef LAZO_DAEMON_CTL_APPLY_H
#define LAZO_DAEMON_CTL_APPLY_H

#include "daemon/ctl/client.h"

#include <stdbool.h>
#include <stdio.h>

struct apply_options {
    const char *dir;
    const char *shown;   /* how files under dir are named in messages */
    const char *secrets; /* folder that takes the secret of each new webhook, as
                            webhook-NAME.secret; NULL: secrets are said */
    bool dry_run;        /* nothing is changed; says what would be */
    FILE *say; /* a line for each object that is new or changed, and how many are not; NULL: nothing
                  is said */
};

/* apply_folder() - reads everything, and where that is without mistakes puts it to the instance.
 * What is refused is said on stderr as FILE:LINE:COLUMN; false where there was a mistake. What the
 * folder does not name is left as it is. */
bool apply_folder(struct client *, const struct apply_options *);

#endif
