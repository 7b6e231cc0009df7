/* import_map.h - which column of a CSV file is which field: guessed from Spanish and English
 * headings, whatever their accents, capitals and underscores. Pure.
 *
 * Fields of a contact: email, external_id, first_name, last_name, company_name, contact_kind,
 * phone, language, country, street, city, postal_code, birth_date, time_zone, stage, deceased,
 * deceased_on, tags, groups, attr.NAME, relation.NAME; of an interaction besides: kind,
 * occurred_at, amount, currency, source, key, amends, data.NAME. Several columns may be email,
 * phone or the same relation. */
#ifndef LAZO_DAEMON_IMPORT_IMPORT_MAP_H
#define LAZO_DAEMON_IMPORT_IMPORT_MAP_H

#include <stdbool.h>
#include <stddef.h>

#define IMPORT_COLUMNS_MAX 1000

struct import_map {
    size_t n;
    const char **headings; /* as the file has them, each once: a second "email" is "email (2)" */
    const char **fields;   /* the field of each column; NULL: the column is left out */
};

/* import_map_guess() - the field that a heading most likely means; NULL where it means none. */
const char *import_map_guess(const char *heading);
/* import_field_known() - whether there is such a field. import_field_of_interaction() - whether it
 * is one of an interaction. import_field_nearest() - the field that was meant; or NULL. */
bool import_field_known(const char *name);
bool import_field_of_interaction(const char *name);
const char *import_field_nearest(const char *name);
/* import_field_again() - whether several columns may be this field: e-mail addresses, phones,
 * relations. import_field_relation() - NAME of relation.NAME; NULL where it is no relation. */
bool import_field_again(const char *name);
const char *import_field_relation(const char *name);
/* import_map_header() - the headings of a file's first record, without fields yet; child of ctx. */
void import_map_header(const void *ctx, const char *const *headings, size_t n,
                       struct import_map *ret_map);
/* The number of the column with this heading, or this field; -1 where there is none. */
int import_map_heading(const struct import_map *, const char *heading);
int import_map_field(const struct import_map *, const char *field);

#endif
