/* utf8.h - stepping through UTF-8 (RFC 3629). Pure. */
#ifndef LAZO_COMMON_UTF8_H
#define LAZO_COMMON_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* utf8_length() - length in bytes (1..4) of the well-formed character at `s`, of which `n` bytes
 * may be read; 0 where there is none (overlong forms, surrogates and what lies beyond U+10FFFF are
 * not well-formed). */
size_t utf8_length(const char *s, size_t n);
/* utf8_decode() - the code point of the character at `s`, whose utf8_length() is `len` (not 0). */
uint32_t utf8_decode(const char *s, size_t len);
/* utf8_valid() - whether all `n` bytes are well-formed. */
bool utf8_valid(const char *s, size_t n);
/* utf8_fit() - how many of the first `max` bytes of a well-formed text are whole characters. */
size_t utf8_fit(const char *s, size_t max);

#endif
