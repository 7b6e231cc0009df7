/* ascii.h - what sort of character a byte of ASCII is, in every locale alike. */
#ifndef LAZO_COMMON_TEMPLATE_ASCII_H
#define LAZO_COMMON_TEMPLATE_ASCII_H

#include <stdbool.h>

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

#endif
