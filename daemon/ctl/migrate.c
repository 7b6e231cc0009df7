/* migrate.c - `lazoctl migrate`; see migrate.h.
 *
 * What was applied is known by name and by the SHA-256 of its text: a file that was applied is
 * never edited, a change is a new file. To add a migration: put schema/NNNN_name.sql with the next
 * number; the build embeds it. */
#include "daemon/ctl/migrate.h"

#include "common/clock.h"
#include "common/mem.h"
#include "common/text.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/db.h"
#include "daemon/ctl/options.h"
#include "daemon/pg/migrations.h"

#include <string.h>

#define ROLES_FILE "roles.sql"

static const struct migration_file *file_find(const char *name)
{
    for (const struct migration_file *f = migration_files; f->name != NULL; f++) {
        if (strcmp(f->name, name) == 0)
            return f;
    }
    return NULL;
}

/* What the database holds must be what this program holds: the same texts, and none unknown. */
static bool applied_agree(const PGresult *applied)
{
    char sum[TEXT_SHA256];

    for (int i = 0; i < PQntuples(applied); i++) {
        const char *name = PQgetvalue(applied, i, 0);
        const struct migration_file *file = file_find(name);

        if (file == NULL) {
            fprintf(
                stderr,
                "lazoctl migrate: the database has %s, which this version of Lazo does not know; "
                "a newer one made it\n",
                name);
            return false;
        }
        text_sha256(file->sql, strlen(file->sql), sum);
        if (strcmp(sum, PQgetvalue(applied, i, 1)) != 0) {
            fprintf(stderr, "lazoctl migrate: %s was changed after it had been applied\n", name);
            return false;
        }
    }
    return true;
}

static bool is_applied(const PGresult *applied, const char *name)
{
    for (int i = 0; i < PQntuples(applied); i++) {
        if (strcmp(PQgetvalue(applied, i, 0), name) == 0)
            return true;
    }
    return false;
}

static bool file_apply(struct db *db, const struct migration_file *file)
{
    char sum[TEXT_SHA256], now[CLOCK_TEXT];
    const char *values[] = {file->name, sum, now};

    text_sha256(file->sql, strlen(file->sql), sum);
    clock_format(clock_real_us(), now);
    if (db_script(db, "BEGIN") && db_script(db, file->sql) &&
        db_run(db, Q_CTL_MIGRATION_RECORD, 3, values) && db_script(db, "COMMIT"))
        return true;
    fprintf(stderr, "lazoctl migrate: %s was not applied\n", file->name);
    return false;
}

static bool files_apply(struct db *db, const PGresult *applied, FILE *say)
{
    const char *last = PQntuples(applied) > 0 ? PQgetvalue(applied, PQntuples(applied) - 1, 0) : "";
    int n = 0;

    for (const struct migration_file *f = migration_files; f->name != NULL; f++) {
        if (strcmp(f->name, ROLES_FILE) == 0 || is_applied(applied, f->name))
            continue;
        if (strcmp(f->name, last) < 0) {
            fprintf(stderr,
                    "lazoctl migrate: %s is missing in the database though the later %s is there\n",
                    f->name, last);
            return false;
        }
        if (!file_apply(db, f))
            return false;
        if (say != NULL)
            fprintf(say, "applied %s\n", f->name);
        n++;
    }
    if (say != NULL && n == 0)
        fputs("up to date\n", say);
    return true;
}

/* As a superuser: the roles, then the owner's place. */
static bool roles_run(struct db *db)
{
    const struct migration_file *roles = file_find(ROLES_FILE);

    if (roles == NULL)
        bug("%s is not embedded", ROLES_FILE);
    return db_script(db, roles->sql) && db_run(db, Q_CTL_MIGRATION_RIGHTS, 0, NULL) &&
           db_run(db, Q_CTL_BECOME_OWNER, 0, NULL);
}

bool migrate_run(const char *conninfo, bool roles, FILE *say)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct db *db = db_open(ctx, conninfo);
    PGresult *applied;
    bool ok;

    if (db == NULL || !db_run(db, Q_CTL_MIGRATION_LOCK, 0, NULL) || (roles && !roles_run(db)) ||
        !db_run(db, Q_CTL_MIGRATION_TABLE, 0, NULL))
        return false;
    applied = db_query(db, Q_CTL_MIGRATION_LIST, 0, NULL);
    ok = applied != NULL && applied_agree(applied) && files_apply(db, applied, say);
    PQclear(applied);
    return ok;
}

int ctl_migrate(int argc, char **argv)
{
    const char *conninfo = CTL_OWNER_CONNINFO;
    bool roles = false;
    const struct option_spec specs[] = {
        {.name = "database", .text = &conninfo},
        {.name = "roles", .flag = &roles},
        {0},
    };

    if (!options_parse(&argc, argv, specs) || argc != 1)
        return ctl_usage("migrate");
    return migrate_run(conninfo, roles, stdout) ? CTL_DONE : CTL_FAILED;
}
