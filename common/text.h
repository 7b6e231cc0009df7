/* text.h - small work on text that several programs need: trimming, numbers, hashes, whole files.
 */
#ifndef LAZO_COMMON_TEXT_H
#define LAZO_COMMON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* text_trim() - cuts ASCII white space from both ends of `s`, in place; returns where the rest
 * begins. */
char *text_trim(char *s);
/* text_int() - all of `s` as a decimal integer; false where it is none or does not fit. */
bool text_int(const char *s, int64_t *ret);
/* text_begins(), text_ends() - whether `s` begins or ends with `part`. */
bool text_begins(const char *s, const char *part);
bool text_ends(const char *s, const char *part);

/* text_sha256() - SHA-256 of `n` bytes as 64 hexadecimal digits and a NUL. Returns out. */
#define TEXT_SHA256 65
const char *text_sha256(const void *bytes, size_t n, char out[TEXT_SHA256]);

/* text_file_read() - the whole file with a NUL behind its *ret_n bytes; child of ctx. NULL and
 * errno where it cannot be read; EFBIG where it holds more than `max`. */
char *text_file_read(const void *ctx, const char *path, size_t max, size_t *ret_n);
/* text_file_write() - makes the file hold `text`, at once and durably (written beside it, then
 * renamed). False and errno. */
bool text_file_write(const char *path, mode_t mode, const char *text);

#endif
