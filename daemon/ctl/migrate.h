/* migrate.h - the schema brought up to date: the embedded files applied in their order, once each.
 */
#ifndef LAZO_DAEMON_CTL_MIGRATE_H
#define LAZO_DAEMON_CTL_MIGRATE_H

#include <stdbool.h>
#include <stdio.h>

/* migrate_run() - connects with `conninfo`, takes the advisory lock, applies what is missing, each
 * file in a transaction of its own and recorded in public.lazo_migration. With `roles` the
 * connection is a superuser's: roles.sql is run first and the rest as lazo_owner. Each file applied
 * is a line on `say` (NULL: none). False, with the reason on stderr, where a file failed, an
 * applied file's text has changed since, or the database holds one that this program does not know.
 */
bool migrate_run(const char *conninfo, bool roles, FILE *say);

#endif
