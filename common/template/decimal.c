/* decimal.c - digits in a 128-bit integer and a power of ten beside it. */
#include "common/template/decimal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/template/ascii.h"

struct decimal decimal_int(int64_t i)
{
    return (struct decimal){.digits = i};
}

/* ten_times() - *x * 10^n; false on overflow. */
static bool ten_times(__int128 *x, int n)
{
    while (n-- > 0) {
        if (__builtin_mul_overflow(*x, (__int128)10, x))
            return false;
    }
    return true;
}

/* bounded() - whether it has no more than 38 digits, so that its negative exists too. */
static bool bounded(__int128 x)
{
    static const __int128 MAX = (__int128)1000000000000000000 * 1000000000000000000 * 100;
    return x < MAX && x > -MAX;
}

/* trimmed() - without the zeros at the end of the fraction; keeps whether it is real. */
static struct decimal trimmed(struct decimal d)
{
    while (d.scale > 0 && d.digits % 10 == 0) {
        d.digits /= 10;
        d.scale--;
    }
    return d;
}

static bool aligned(struct decimal *a, struct decimal *b)
{
    int scale = a->scale > b->scale ? a->scale : b->scale;
    if (!ten_times(&a->digits, scale - a->scale) || !ten_times(&b->digits, scale - b->scale))
        return false;
    a->scale = b->scale = scale;
    return true;
}

/* parse_exponent() - after the 'e'; false where it is none. */
static bool parse_exponent(const char *s, size_t n, int *ret_exponent)
{
    bool minus = n > 0 && *s == '-';
    if (n > 0 && (*s == '-' || *s == '+'))
        s++, n--;
    int e = 0;
    if (n == 0 || n > 4)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        e = e * 10 + (s[i] - '0');
    }
    *ret_exponent = minus ? -e : e;
    return true;
}

static bool apply_exponent(struct decimal *d, int exponent)
{
    d->scale -= exponent;
    if (d->digits == 0)
        d->scale = 0;
    if (d->scale < 0) {
        if (d->scale < -40 || !ten_times(&d->digits, -d->scale))
            return false;
        d->scale = 0;
    }
    *d = trimmed(*d);
    return d->scale <= DECIMAL_SCALE_MAX;
}

bool decimal_parse(const char *s, size_t n, struct decimal *ret_d)
{
    struct decimal d = {0};
    bool minus = n > 0 && *s == '-';
    if (n > 0 && (*s == '-' || *s == '+'))
        s++, n--;
    bool fraction = false, any = false;
    int exponent = 0;
    size_t i = 0;
    for (; i < n && s[i] != 'e' && s[i] != 'E'; i++) {
        if (s[i] == '.' && !fraction && any) {
            fraction = d.real = true;
            any = false;
            continue;
        }
        if (s[i] < '0' || s[i] > '9' || d.scale >= DECIMAL_SCALE_MAX || !ten_times(&d.digits, 1) ||
            __builtin_add_overflow(d.digits, (__int128)(s[i] - '0'), &d.digits))
            return false;
        any = true;
        d.scale += fraction;
    }
    if (!any)
        return false;
    if (i < n) {
        d.real = true;
        if (!parse_exponent(s + i + 1, n - i - 1, &exponent) || !apply_exponent(&d, exponent))
            return false;
    }
    if (!bounded(d.digits))
        return false;
    if (minus)
        d.digits = -d.digits;
    *ret_d = d;
    return true;
}

/* with_point() - what printf made of a double, whose fraction the locale may mark by anything, with
 * a point. */
static void with_point(char *s)
{
    char *to = s;
    for (; *s != '\0'; s++) {
        if (ascii_digit(*s) || *s == '-' || *s == '+' || *s == 'e')
            *to++ = *s;
        else if (ascii_digit(s[1]))
            *to++ = '.';
    }
    *to = '\0';
}

bool decimal_double(double x, struct decimal *ret_d)
{
    char s[40];
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(s, sizeof s, "%.*g", precision, x);
        if (strtod(s, NULL) == x)
            break;
    }
    with_point(s);
    if (!isfinite(x) || !decimal_parse(s, strlen(s), ret_d))
        return false;
    ret_d->real = true;
    return true;
}

struct decimal decimal_lenient(const char *s, size_t n)
{
    struct decimal d = {0};
    while (n > 0 && ascii_space(*s))
        s++, n--;
    while (n > 0 && ascii_space(s[n - 1]))
        n--;
    size_t i = n > 0 && (*s == '-' || *s == '+') ? 1 : 0;
    size_t start = i;
    while (i < n && s[i] >= '0' && s[i] <= '9')
        i++;
    size_t whole = i;
    if (i > start && i + 1 < n && s[i] == '.') {
        i++;
        while (i < n && s[i] >= '0' && s[i] <= '9')
            i++;
        if (i == n && i > whole + 1 && decimal_parse(s, n, &d))
            return d;
    }
    if (whole > start && decimal_parse(s, whole, &d))
        return d;
    return (struct decimal){0};
}

bool decimal_add(struct decimal a, struct decimal b, struct decimal *ret_d)
{
    if (!aligned(&a, &b) || __builtin_add_overflow(a.digits, b.digits, &a.digits) ||
        !bounded(a.digits))
        return false;
    a.real |= b.real;
    *ret_d = a;
    return true;
}

bool decimal_subtract(struct decimal a, struct decimal b, struct decimal *ret_d)
{
    b.digits = -b.digits;
    return decimal_add(a, b, ret_d);
}

bool decimal_multiply(struct decimal a, struct decimal b, struct decimal *ret_d)
{
    a = trimmed(a);
    b = trimmed(b);
    if (__builtin_mul_overflow(a.digits, b.digits, &a.digits) || !bounded(a.digits) ||
        a.scale + b.scale > DECIMAL_SCALE_MAX)
        return false;
    a.scale += b.scale;
    a.real |= b.real;
    *ret_d = a;
    return true;
}

static double approximate(struct decimal d)
{
    return (double)d.digits / pow(10, d.scale);
}

/* floor_divide() - the quotient towards minus infinity. */
static __int128 floor_divide(__int128 a, __int128 b)
{
    __int128 q = a / b;
    return a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;
}

bool decimal_divide(struct decimal a, struct decimal b, struct decimal *ret_d)
{
    if (b.digits == 0)
        return false;
    struct decimal x = a, y = b;
    if (!aligned(&x, &y))
        return decimal_double(approximate(a) / approximate(b), ret_d);
    if (!a.real && !b.real) {
        *ret_d = (struct decimal){.digits = floor_divide(x.digits, y.digits)};
        return true;
    }
    struct decimal q = {.digits = x.digits / y.digits, .real = true};
    for (__int128 rest = x.digits % y.digits; rest != 0; q.scale++) {
        __int128 ten = rest, next = q.digits;
        if (q.scale == 18 || !ten_times(&ten, 1) || !ten_times(&next, 1))
            return decimal_double(approximate(a) / approximate(b), ret_d);
        q.digits = next + ten / y.digits;
        rest = ten % y.digits;
    }
    *ret_d = q;
    return true;
}

bool decimal_modulo(struct decimal a, struct decimal b, struct decimal *ret_d)
{
    if (b.digits == 0 || !aligned(&a, &b))
        return false;
    a.digits -= floor_divide(a.digits, b.digits) * b.digits;
    a.real |= b.real;
    *ret_d = a;
    return true;
}

static __int128 power_of_ten(int n)
{
    __int128 x = 1;
    ten_times(&x, n);
    return x;
}

struct decimal decimal_floor(struct decimal d)
{
    return (struct decimal){.digits = floor_divide(d.digits, power_of_ten(d.scale))};
}

struct decimal decimal_ceil(struct decimal d)
{
    return (struct decimal){.digits = -floor_divide(-d.digits, power_of_ten(d.scale))};
}

struct decimal decimal_round(struct decimal d, int places)
{
    if (places < d.scale) {
        __int128 unit = power_of_ten(d.scale - places);
        __int128 rest = d.digits % unit;
        d.digits /= unit;
        if (rest >= unit - unit / 2)
            d.digits++;
        else if (-rest >= unit - unit / 2)
            d.digits--;
        d.scale = places;
    }
    if (places == 0)
        d.real = false;
    return d;
}

int decimal_compare(struct decimal a, struct decimal b)
{
    struct decimal x = a, y = b;
    if (!aligned(&x, &y)) {
        double p = approximate(a), q = approximate(b);
        return (p > q) - (p < q);
    }
    return (x.digits > y.digits) - (x.digits < y.digits);
}

bool decimal_whole(struct decimal d, int64_t *ret_i)
{
    __int128 whole = d.digits / power_of_ten(d.scale);
    if (whole > INT64_MAX || whole < INT64_MIN)
        return false;
    *ret_i = (int64_t)whole;
    return true;
}

void decimal_print(struct buf *out, struct decimal d)
{
    char s[64];
    size_t at = sizeof s;
    d = trimmed(d);
    if (d.real && d.scale == 0) {
        s[--at] = '0';
        s[--at] = '.';
    }
    unsigned __int128 u = d.digits < 0 ? -(unsigned __int128)d.digits : (unsigned __int128)d.digits;
    for (int i = 0; i == 0 || u > 0 || i <= d.scale; i++) {
        if (i > 0 && i == d.scale)
            s[--at] = '.';
        s[--at] = (char)('0' + (int)(u % 10));
        u /= 10;
    }
    if (d.digits < 0)
        s[--at] = '-';
    buf_add(out, s + at, sizeof s - at);
}
