/* maildir.c - tmp, fsync, rename to new, fsync of the folder. */
#include "workers/mailer/maildir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HASH_BYTES 16

static bool make_folder(const char *path)
{
    return mkdir(path, 0700) == 0 || errno == EEXIST;
}

static bool join(char out[PATH_MAX], const char *path, const char *folder, const char *name)
{
    int n = snprintf(out, PATH_MAX, "%s/%s%s%s", path, folder, name[0] != '\0' ? "/" : "", name);
    if (n >= 0 && n < PATH_MAX)
        return true;
    errno = ENAMETOOLONG;
    return false;
}

bool maildir_make(const char *path)
{
    static const char *const folders[] = {"tmp", "new", "cur"};
    if (!make_folder(path))
        return false;
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        char folder[PATH_MAX];
        if (!join(folder, path, folders[i], "") || !make_folder(folder))
            return false;
    }
    return access(path, W_OK | X_OK) == 0;
}

void maildir_name(char out[MAILDIR_NAME], const char *message_id)
{
    unsigned char hash[HASH_BYTES];
    char hex[2 * HASH_BYTES + 1];
    crypto_generichash(hash, sizeof hash, (const unsigned char *)message_id, strlen(message_id),
                       NULL, 0);
    sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);
    snprintf(out, MAILDIR_NAME, "%s.eml", hex);
}

static bool write_whole(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, bytes, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        bytes += done;
        n -= (size_t)done;
    }
    return fsync(fd) == 0;
}

static bool sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool ok = fsync(fd) == 0;
    close(fd);
    return ok;
}

bool maildir_write(const char *path, const char *message_id, const char *bytes, size_t n)
{
    char name[MAILDIR_NAME], tmp[PATH_MAX], fresh[PATH_MAX], folder[PATH_MAX];
    maildir_name(name, message_id);
    if (!join(tmp, path, "tmp", name) || !join(fresh, path, "new", name) ||
        !join(folder, path, "new", ""))
        return false;
    int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool ok = write_whole(fd, bytes, n);
    ok = close(fd) == 0 && ok;
    if (ok && rename(tmp, fresh) == 0)
        return sync_folder(folder);
    int why = errno;
    unlink(tmp);
    errno = why;
    return false;
}
