/* utf8.c - see utf8.h. */
#include "common/utf8.h"

#include <string.h>

static bool is_tail(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

size_t utf8_length(const char *s, size_t n)
{
    const unsigned char *u = (const unsigned char *)s;
    size_t len;

    if (n == 0)
        return 0;
    if (u[0] < 0x80)
        return 1;
    if (u[0] < 0xc2 || u[0] > 0xf4)
        return 0;
    len = u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : 4;
    if (len > n)
        return 0;
    for (size_t i = 1; i < len; i++)
        if (!is_tail(u[i]))
            return 0;
    if ((u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xed && u[1] > 0x9f) ||
        (u[0] == 0xf0 && u[1] < 0x90) || (u[0] == 0xf4 && u[1] > 0x8f))
        return 0;
    return len;
}

uint32_t utf8_decode(const char *s, size_t len)
{
    const unsigned char *u = (const unsigned char *)s;
    uint32_t c;

    if (len == 1)
        return u[0];
    c = u[0] & (0xffU >> (len + 1));
    for (size_t i = 1; i < len; i++)
        c = c << 6 | (u[i] & 0x3fU);
    return c;
}

bool utf8_valid(const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t len = utf8_length(s + i, n - i);

        if (len == 0)
            return false;
        i += len;
    }
    return true;
}

size_t utf8_fit(const char *s, size_t max)
{
    size_t n = strnlen(s, max);

    while (n > 0 && is_tail((unsigned char)s[n]))
        n--;
    return n;
}
