/* text.c - see text.h. */
#include "common/text.h"

#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SPACE " \t\r\n\v\f"

char *text_trim(char *s)
{
    size_t n;

    s += strspn(s, SPACE);
    for (n = strlen(s); n > 0 && strchr(SPACE, s[n - 1]) != NULL; n--)
        continue;
    s[n] = '\0';
    return s;
}

bool text_int(const char *s, int64_t *ret)
{
    char *end;
    long long v;

    if (*s != '-' && (*s < '0' || *s > '9'))
        return false;
    errno = 0;
    v = strtoll(s, &end, 10);
    if (errno != 0 || end == s || *end != '\0')
        return false;
    *ret = v;
    return true;
}

bool text_begins(const char *s, const char *part)
{
    return strncmp(s, part, strlen(part)) == 0;
}

bool text_ends(const char *s, const char *part)
{
    size_t n = strlen(s), m = strlen(part);

    return n >= m && strcmp(s + n - m, part) == 0;
}

const char *text_sha256(const void *bytes, size_t n, char out[TEXT_SHA256])
{
    unsigned char hash[crypto_hash_sha256_BYTES];

    crypto_hash_sha256(hash, bytes, n);
    return sodium_bin2hex(out, TEXT_SHA256, hash, sizeof(hash));
}

static char *fd_read(const void *ctx, int fd, size_t max, size_t *ret_n)
{
    size_t n = 0, cap = 0;
    char *text = NULL;
    ssize_t got;

    do {
        mem_grow(ctx, &text, &cap, n + 4096);
        got = read(fd, text + n, cap - n - 1);
        if (got > 0)
            n += (size_t)got;
    } while ((got > 0 && n <= max) || (got < 0 && errno == EINTR));
    if (got < 0 || n > max) {
        errno = got < 0 ? errno : EFBIG;
        talloc_free(text);
        return NULL;
    }
    text[n] = '\0';
    *ret_n = n;
    return text;
}

char *text_file_read(const void *ctx, const char *path, size_t max, size_t *ret_n)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text;
    int why;

    if (fd < 0)
        return NULL;
    text = fd_read(ctx, fd, max, ret_n);
    why = errno;
    close(fd);
    errno = why;
    return text;
}

static bool fd_write(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t put = write(fd, bytes, n);

        if (put < 0 && errno != EINTR)
            return false;
        if (put > 0) {
            bytes += put;
            n -= (size_t)put;
        }
    }
    return fsync(fd) == 0;
}

bool text_file_write(const char *path, mode_t mode, const char *text)
{
    MEM_SCOPED char *beside = mem_printf(NULL, "%s.new", path);
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    bool ok;
    int why;

    if (fd < 0)
        return false;
    ok = fchmod(fd, mode) == 0 && fd_write(fd, text, strlen(text));
    why = errno;
    close(fd);
    errno = why;
    return ok && rename(beside, path) == 0;
}
