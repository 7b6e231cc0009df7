/* moment.h - a point in time as a wall clock shows it, read from text and written by pattern. Pure.
 */
#ifndef LAZO_COMMON_TEMPLATE_MOMENT_H
#define LAZO_COMMON_TEMPLATE_MOMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

struct moment {
    int64_t wall_s; /* what the wall clock shows, as seconds since 1970-01-01 00:00 on that wall */
    int micro;
    int offset_s;  /* the wall's seconds east of Greenwich */
    bool has_time; /* as read: not only a date */
    bool has_zone; /* as read: with an offset */
};

/* moment_read() - "2026-03-02", "2026-03-02T10:00:00.5Z", "March 14, 2016 10:30 pm", "14 Mar 2016
 * +0100" ...; false where it is no full date. */
bool moment_read(const char *s, size_t n, struct moment *ret_m);
/* moment_place() - gives it an offset: a text with an offset moves to `zone` (NULL: keeps its own),
 * one without is on the wall of `zone` (NULL: UTC). False where the zone is unknown. */
bool moment_place(struct moment *, const char *zone);
/* moment_at() - the instant on the wall of `zone` (NULL: UTC). */
bool moment_at(int64_t us, const char *zone, struct moment *ret_m);
/* moment_format() - by the pattern of strftime (with Ruby's flags - 0 ^ _ # and widths); names of
 * months and days in the language of `locale` (NULL: English). */
void moment_format(struct buf *, const struct moment *, const char *pattern, size_t n,
                   const char *locale, const char *zone);

#endif
