/* import_value.h - amounts and days as people write them. Pure.
 *
 * A mark that is 0 and an order that is IMPORT_DAYS_any are found out from each value: "25,50 €",
 * "1.234,56" and "1234.56" are amounts, 2006-12-31 and, the day first, 31/12/2006 are days. What is
 * declared is held to: with a decimal comma "1.5" is no amount. */
#ifndef LAZO_DAEMON_IMPORT_IMPORT_VALUE_H
#define LAZO_DAEMON_IMPORT_IMPORT_VALUE_H

#include <stdbool.h>

enum import_days { IMPORT_DAYS_any, IMPORT_DAYS_ymd, IMPORT_DAYS_dmy, IMPORT_DAYS_mdy };

struct import_format {
    enum import_days days;
    bool short_years;        /* two digits: 30 to 99 are 1930 to 1999, 00 to 29 are 2000 to 2029 */
    char decimal, thousands; /* 0: not declared, or none */
    const char *time_zone;   /* of times without an offset; NULL: UTC */
};

/* import_days_parse() - "yyyy-mm-dd", "dd/mm/yyyy", "mm/dd/yy" and their like, whatever stands
 * between; false where it is none. */
bool import_days_parse(const char *pattern, struct import_format *ret_format);
/* import_amount() - `text` as a plain decimal, child of ctx; NULL where it is none, or where nobody
 * can say whether "1,234" is a thousand. */
char *import_amount(const void *ctx, const char *text, const struct import_format *);
/* import_day() - `text` as YYYY-MM-DD, with what follows the day kept; child of ctx. NULL where it
 * is no day. Whether it exists the recorder knows. */
char *import_day(const void *ctx, const char *text, const struct import_format *);
/* import_instant() - a day, or a day and a time as RFC 3339; child of ctx; or NULL. */
char *import_instant(const void *ctx, const char *text, const struct import_format *);
/* import_product() - of two plain decimals, rounded to `digits` after the point, halves away from
 * zero; child of ctx; NULL where it is too large. */
char *import_product(const void *ctx, const char *a, const char *b, int digits);
/* import_country() - the code of two letters of a country said by code or by its name in Spanish or
 * English; child of ctx; NULL where it is none. */
char *import_country(const void *ctx, const char *text);
/* import_fold() - small letters without accents, as the database compares labels; child of ctx. */
char *import_fold(const void *ctx, const char *text);

#endif
