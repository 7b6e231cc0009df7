/* statements.h - the named statements of schema/statements, embedded at build. Q_NAME is their
 * enum. */
#ifndef LAZO_DAEMON_PG_STATEMENTS_H
#define LAZO_DAEMON_PG_STATEMENTS_H

#include "statement_names.h"

#include <stdbool.h>

struct statement {
    const char *name;
    const char *sql;
    bool prepared; /* by lazod when it connects; the others are lazoctl's */
};
extern const struct statement statements[]; /* Q_COUNT of them, by enum query */

#endif
