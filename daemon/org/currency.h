/* currency.h - minor units of currencies (ISO 4217) and exact decimal amounts. Pure; no doubles. */
#ifndef LAZO_DAEMON_ORG_CURRENCY_H
#define LAZO_DAEMON_ORG_CURRENCY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* currency_is_code() - whether `s` has the form of an ISO 4217 code: three capital letters. */
bool currency_is_code(const char *s);
/* currency_digits() - digits after the point: 2 for EUR, 0 for JPY, 3 for KWD; 2 where the code is
 * unknown. */
int currency_digits(const char *code);
/* amount_parse() - "25", "25.5", "-0.07" as minor units of `digits` digits. False where `s` is no
 * decimal, has more digits after the point than that (other than zeros), or passes ±10^15. */
bool amount_parse(const char *s, int digits, int64_t *ret_minor);
/* amount_text() - the decimal text of what was given as a string or as a number, for
 * amount_parse(). A double tells 15 digits: false for one so large that its cents are not among
 * them, as for what is neither or is too long. */
#define AMOUNT_TEXT 40
bool amount_text(const json_t *value, char out[AMOUNT_TEXT]);
/* amount_format() - "25.50" into out. Returns out. */
const char *amount_format(int64_t minor, int digits, char out[AMOUNT_TEXT]);

#endif
