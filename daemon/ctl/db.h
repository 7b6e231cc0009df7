/* db.h - a plain synchronous connection to PostgreSQL, for what lazoctl does before there is a
 * lazod: migrate, up, organisation, token.
 *
 * Every call that fails says on stderr what failed, in the server's words. */
#ifndef LAZO_DAEMON_CTL_DB_H
#define LAZO_DAEMON_CTL_DB_H

#include "daemon/pg/statements.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

struct db;

/* db_open() - connects; NULL where that fails. Child of ctx; freeing it closes the connection.
 * Notices of the server are not shown. */
struct db *db_open(const void *ctx, const char *conninfo);
/* db_script() - all statements of `sql`; false where one failed. */
bool db_script(struct db *, const char *sql);
/* db_query() - a named statement with `n` parameters in text form (NULL: null). Its result, to be
 * freed with PQclear(); NULL where it failed. */
PGresult *db_query(struct db *, enum query, int n, const char *const *values);
/* db_run() - the same, result not wanted. */
bool db_run(struct db *, enum query, int n, const char *const *values);
/* db_id() - the same for a statement that gives `id`: 0 where no row came, -1 where it failed. */
int64_t db_id(struct db *, enum query, int n, const char *const *values);

#endif
