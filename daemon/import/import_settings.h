/* import_settings.h - what a person says about a file: which column is which field, how days and
 * amounts are written, what the rows are. Pure. The document is that of PUT
 * /v1/imports/{id}/mapping; lazo-import(7) explains it. */
#ifndef LAZO_DAEMON_IMPORT_IMPORT_SETTINGS_H
#define LAZO_DAEMON_IMPORT_IMPORT_SETTINGS_H

#include "common/diag.h"
#include "daemon/import/import_map.h"
#include "daemon/import/import_value.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* What a row with a negative amount is: it takes its amount off an earlier row of the file, of the
 * same contact, with the same text in all columns of `same` (a minus sign not looked at). */
struct import_refunds {
    bool wanted;
    const char *kind;      /* where such a row is found */
    const char *otherwise; /* where none is; NULL: the row is refused */
    int *same;             /* numbers of columns */
    size_t n_same;
};

/* Marks that may stand between several addresses or phones of one cell. */
#define IMPORT_SPLITS ";,|/"

struct import_settings {
    struct import_map map;
    char split;        /* between e-mail addresses and phones of one cell; 0: a cell has one */
    bool interactions; /* else contacts */
    const char *encoding;
    char delimiter;
    struct import_format format;
    const char *kind;     /* of all; NULL: the column */
    const char *source;   /* where the row has none */
    const char *currency; /* of all; NULL: the column, or the organisation's */
    int *keys;            /* columns that tell a row from the others; n_keys 0: all */
    size_t n_keys;
    int product[2]; /* the amount is the product of these columns; [0] < 0: it is not */
    struct import_refunds refunds;
    bool skip_nobody; /* rows without a contact are passed over and counted */
    bool merge_two;   /* a row whose names are two contacts' says that they are one person */
    bool relations;   /* some column is one */
    bool make_others; /* a company or household that nobody is by this name is made */
    bool live;        /* facts that start journeys; else history */
    const char *topic, *attestation, *attested_by; /* consent; topic NULL: none */
};

/* import_settings_read() - `document` for a file with these headings; mistakes go to `d` with JSON
 * pointers. False where there are any. The settings are children of ctx. */
bool import_settings_read(const void *ctx, const json_t *document,
                          const struct import_map *headings, struct import_settings *ret_settings,
                          struct diag *d);
/* import_settings_join() - what is guessed, with what is said in its place; "columns" are joined
 * heading by heading. A new reference. */
json_t *import_settings_join(const json_t *guessed, const json_t *said);

#endif
