/* migrations.h - the files of schema/, embedded at build: NNNN_name.sql in their order, then
 * roles.sql. */
#ifndef LAZO_DAEMON_PG_MIGRATIONS_H
#define LAZO_DAEMON_PG_MIGRATIONS_H

struct migration_file {
    const char *name; /* base name; NULL ends the table */
    const char *sql;
};
extern const struct migration_file migration_files[];

#endif
