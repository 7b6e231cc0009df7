/* db.c - see db.h. */
#include "daemon/ctl/db.h"

#include "common/mem.h"

#include <stdio.h>
#include <stdlib.h>

struct db {
    PGconn *conn;
};

static int db_close(struct db *db)
{
    PQfinish(db->conn);
    return 0;
}

static void notice_ignore(void *arg, const PGresult *res)
{
    (void)arg;
    (void)res;
}

struct db *db_open(const void *ctx, const char *conninfo)
{
    const char *keys[] = {"dbname", "client_encoding", "application_name", NULL};
    const char *values[] = {conninfo, "UTF8", "lazoctl", NULL};
    struct db *db = mem_new(ctx, struct db);

    db->conn = mem_must(PQconnectdbParams(keys, values, 1));
    talloc_set_destructor(db, db_close);
    if (PQstatus(db->conn) != CONNECTION_OK) {
        fprintf(stderr, "lazoctl: database: %s", PQerrorMessage(db->conn));
        talloc_free(db);
        return NULL;
    }
    PQsetNoticeReceiver(db->conn, notice_ignore, NULL);
    return db;
}

static bool result_ok(const struct db *db, const PGresult *res, const char *what)
{
    ExecStatusType status = PQresultStatus(res);

    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
        return true;
    fprintf(stderr, "lazoctl: %s: %s", what, PQerrorMessage(db->conn));
    return false;
}

bool db_script(struct db *db, const char *sql)
{
    PGresult *res = PQexec(db->conn, sql);
    bool ok = result_ok(db, res, "database");

    PQclear(res);
    return ok;
}

PGresult *db_query(struct db *db, enum query query, int n, const char *const *values)
{
    const struct statement *s = &statements[query];
    PGVerbosity before = PQsetErrorVerbosity(db->conn, PQERRORS_TERSE);
    PGresult *res = PQexecParams(db->conn, s->sql, n, NULL, values, NULL, NULL, 0);

    PQsetErrorVerbosity(db->conn, before);
    if (result_ok(db, res, s->name))
        return res;
    PQclear(res);
    return NULL;
}

bool db_run(struct db *db, enum query query, int n, const char *const *values)
{
    PGresult *res = db_query(db, query, n, values);
    bool ok = res != NULL;

    PQclear(res);
    return ok;
}

int64_t db_id(struct db *db, enum query query, int n, const char *const *values)
{
    PGresult *res = db_query(db, query, n, values);
    int64_t id = -1;

    if (res != NULL)
        id = PQntuples(res) == 0 ? 0 : strtoll(PQgetvalue(res, 0, PQfnumber(res, "id")), NULL, 10);
    PQclear(res);
    return id;
}
