/* locale.h - amounts, numbers and dates as the language and country write them, by ICU.
 *
 * ICU's formatters are costly to open and not shared between threads: each thread keeps the last
 * few that it used. Pure otherwise: same arguments, same bytes (for the same version of ICU). */
#ifndef LAZO_COMMON_TEMPLATE_LOCALE_H
#define LAZO_COMMON_TEMPLATE_LOCALE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

/* Each returns false, with nothing written, where ICU refuses the locale, the currency or the
 * number. `decimal` is "-1234.50"; it is read digit by digit and meets no double. */
bool locale_money(struct buf *, const char *locale, const char *currency, const char *decimal);
/* locale_number() - with exactly `places` decimals, or as many as it has where `places` is -1. */
bool locale_number(struct buf *, const char *locale, int places, const char *decimal);

enum locale_style { STYLE_SHORT, STYLE_MEDIUM, STYLE_LONG, STYLE_FULL, STYLE_TIME };
/* locale_date() - `wall_ms`: the wall clock's reading as milliseconds since 1970-01-01 00:00 on
 * that wall. */
bool locale_date(struct buf *, const char *locale, enum locale_style, int64_t wall_ms);

enum locale_word { WORD_MONTH, WORD_MONTH_SHORT, WORD_DAY, WORD_DAY_SHORT };
/* locale_word() - the name of the month (0..11) or the day (0: Sunday). */
bool locale_word(struct buf *, const char *locale, enum locale_word, int index);

/* locale_offset() - seconds east of Greenwich at that instant in that IANA zone; false where it is
 * unknown. */
bool locale_offset(const char *zone, int64_t utc_ms, int *ret_seconds);
/* locale_zone_name() - "CET", "GMT+1". */
bool locale_zone_name(struct buf *, const char *zone, int64_t utc_ms);

#endif
