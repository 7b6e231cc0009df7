/* decimal.h - exact decimal numbers for templates, up to 38 digits. Pure.
 *
 * Liquid tells whole numbers from numbers with a fraction ("10" and "10.0"): `real` remembers which
 * it is. What does not fit in 38 digits is refused, never rounded. Only a quotient that does not
 * end is rounded, to what a double would show. */
#ifndef LAZO_COMMON_TEMPLATE_DECIMAL_H
#define LAZO_COMMON_TEMPLATE_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

struct decimal {
    __int128 digits;
    int scale; /* the value is digits / 10^scale; 0..DECIMAL_SCALE_MAX */
    bool real;
};
#define DECIMAL_SCALE_MAX 36

struct decimal decimal_int(int64_t);
/* decimal_double() - the shortest decimal that reads back as `x`. False where it has too many
 * digits. */
bool decimal_double(double x, struct decimal *ret_d);
/* decimal_parse() - all `n` bytes as [-+]digits[.digits][e[-+]digits]; false where they are
 * something else or too long. */
bool decimal_parse(const char *s, size_t n, struct decimal *ret_d);
/* decimal_lenient() - as Liquid reads a number out of a text: a decimal fraction if it is wholly
 * one, else the whole number that it starts with, else 0. */
struct decimal decimal_lenient(const char *s, size_t n);

/* These return false where the result does not fit; divide and modulo also where `b` is 0 (ask
 * first). */
bool decimal_add(struct decimal a, struct decimal b, struct decimal *ret_d);
bool decimal_subtract(struct decimal a, struct decimal b, struct decimal *ret_d);
bool decimal_multiply(struct decimal a, struct decimal b, struct decimal *ret_d);
/* Whole numbers divide to the floor; the remainder has the divisor's sign. */
bool decimal_divide(struct decimal a, struct decimal b, struct decimal *ret_d);
bool decimal_modulo(struct decimal a, struct decimal b, struct decimal *ret_d);

/* Whole numbers. decimal_round() rounds halves away from zero, to `places` (>= 0; 0 gives a whole
 * number). */
struct decimal decimal_floor(struct decimal);
struct decimal decimal_ceil(struct decimal);
struct decimal decimal_round(struct decimal, int places);

int decimal_compare(struct decimal a, struct decimal b); /* <0, 0, >0 */
/* decimal_whole() - towards zero; false where it does not fit in 64 bits. */
bool decimal_whole(struct decimal, int64_t *ret_i);
/* decimal_print() - appends it as Liquid shows it: "10", "10.0", "-2.5". */
void decimal_print(struct buf *, struct decimal);

#endif
