/* ascii.h - what sort of character a byte of ASCII is, in every locale alike. */
#ifndef LAZO_COMMON_TEMPLATE_ASCII_H
#define LAZO_COMMON_TEMPLATE_ASCII_H

#include <stdbool.h>
#include <stddef.h>

/* ascii_space() - blank, tab, newline, vertical tab, form feed or carriage return. */
static inline bool ascii_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static inline bool ascii_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool ascii_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* ascii_compare() - the first `n` bytes, where capitals count like small letters: <0, 0, >0. */
static inline int ascii_compare(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char x = (unsigned char)(ascii_letter(a[i]) ? a[i] | 0x20 : a[i]);
        unsigned char y = (unsigned char)(ascii_letter(b[i]) ? b[i] | 0x20 : b[i]);
        if (x != y)
            return x < y ? -1 : 1;
    }
    return 0;
}

#endif
