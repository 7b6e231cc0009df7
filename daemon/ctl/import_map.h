/* import_map.h - which column of a CSV file is which field: guessed from Spanish and English
 * headings, or said with --map. Pure but for its messages.
 *
 * Fields of a contact: email, external_id, first_name, last_name, company_name, phone, language,
 * country, city, postal_code, birth_date, time_zone, stage, tags, groups, attr.NAME; of an
 * interaction besides: kind, occurred_at, amount, currency, source, key, amends, data.NAME. */
#ifndef LAZO_DAEMON_CTL_IMPORT_MAP_H
#define LAZO_DAEMON_CTL_IMPORT_MAP_H

#include "common/csv.h"
#include "daemon/ctl/options.h"

#include <stdbool.h>
#include <stddef.h>

struct import_map {
    size_t n;
    const char **headings; /* as the file has them */
    const char **fields;   /* the field of each column; "": the column is left out */
};

/* import_map_guess() - the field that a heading most likely means; NULL where it means none. */
const char *import_map_guess(const char *heading);
/* import_map_read() - the map of a file whose first record is `header`. `said` holds COLUMN=FIELD
 * words ("COLUMN=-" leaves a column out). False, all said on stderr, where a column is not known, a
 * field stands twice, or nothing identifies the contact. Columns of interactions are left out where
 * contacts are imported. Child of ctx. */
bool import_map_read(const void *ctx, const struct csv_record *header,
                     const struct option_list *said, bool interactions, struct import_map *ret_map);
/* import_map_column() - the number of the column with this field or heading; -1 where there is
 * none. */
int import_map_column(const struct import_map *, const char *name);

#endif
