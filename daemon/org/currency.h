/* currency.h - minor units of currencies (ISO 4217) and exact decimal amounts. Pure; no doubles. */
#ifndef LAZO_DAEMON_ORG_CURRENCY_H
#define LAZO_DAEMON_ORG_CURRENCY_H

#include <stdbool.h>
#include <stdint.h>

/* currency_digits() - digits after the point: 2 for EUR, 0 for JPY, 3 for KWD; 2 where the code is
 * unknown. */
int currency_digits(const char *code);
/* amount_parse() - "25", "25.5", "-0.07" as minor units of `digits` digits. False where `s` is no
 * decimal, has more digits after the point than that (other than zeros), or passes ±10^15. */
bool amount_parse(const char *s, int digits, int64_t *ret_minor);
/* amount_format() - "25.50" into out. Returns out. */
#define AMOUNT_TEXT 32
const char *amount_format(int64_t minor, int digits, char out[AMOUNT_TEXT]);

#endif
