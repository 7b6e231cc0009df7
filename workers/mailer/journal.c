/* journal.c - the file, the leases alive in it, the shared fdatasync().
 *
 * One mutex guards everything. Lines are written while it is held (into the page cache, quick);
 * fdatasync() runs without it: the first thread that needs one becomes its leader, all lines
 * written before it began are covered, and those who come later wait for the next. `written` and
 * `synced` count lines. Rewriting replaces the file under the lock, never while a sync is under
 * way. */
#include "workers/mailer/journal.h"

#include "common/buf.h"
#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>

#define REWRITE_AT (1 << 20)

struct alive {
    struct journal_entry entry;
    UT_hash_handle hh; /* uthash keeps the order of insertion */
};

struct journal {
    char *path;
    int lock_fd, fd;
    size_t size;    /* of the file */
    size_t damaged; /* lines left out when it was read */
    size_t rewrite_at;
    struct alive *alive;
    pthread_mutex_t mutex;
    pthread_cond_t synced_more;
    uint64_t written, synced;
    bool syncing, broken;
};

static struct alive *find(struct journal *j, int64_t lease)
{
    struct alive *a = NULL;
    HASH_FIND(hh, j->alive, &lease, sizeof lease, a);
    return a;
}

static void forget(struct journal *j, struct alive *a)
{
    HASH_DEL(j->alive, a);
    talloc_free(a);
}

/* Brings the leases alive up to date with one line. */
static void apply(struct journal *j, const struct journal_line *line)
{
    struct alive *a = find(j, line->lease);
    if (line->kind == JOURNAL_ACKED) {
        if (a != NULL)
            forget(j, a);
        return;
    }
    if (a == NULL) {
        a = mem_new(j, struct alive);
        a->entry.lease = line->lease;
        HASH_ADD(hh, j->alive, entry.lease, sizeof a->entry.lease, a);
    }
    a->entry.job = line->job;
    if (line->kind == JOURNAL_ANSWERED) {
        a->entry.answered = true;
        a->entry.verdict = line->verdict;
    } else {
        a->entry.answered = false;
        verdict_set(&a->entry.verdict, VERDICT_uncertain, false, "",
                    "the mailer ended before the relay's answer was known");
    }
}

/* Appends to the file. A line that does not fit on the disk is taken back, so that the next one
 * starts cleanly. */
static bool append(struct journal *j, const struct journal_line *line)
{
    char text[JOURNAL_LINE_MAX];
    size_t n = journal_format(text, line);
    ssize_t done = write(j->fd, text, n);
    if (done != (ssize_t)n) {
        if (done > 0 && ftruncate(j->fd, (off_t)j->size) != 0)
            j->broken = true;
        return false;
    }
    j->size += n;
    j->written++;
    return true;
}

/* --- opening ---------------------------------------------------------------------------- */

static void read_lines(struct journal *j, const char *text, size_t n)
{
    while (n > 0) {
        const char *lf = memchr(text, '\n', n);
        size_t len = lf != NULL ? (size_t)(lf - text) : n;
        struct journal_line line;
        if (lf != NULL && journal_parse(text, len, &line))
            apply(j, &line);
        else
            j->damaged++;
        text += len + (lf != NULL);
        n -= len + (lf != NULL);
    }
}

static bool read_file(struct journal *j)
{
    struct stat st;
    if (fstat(j->fd, &st) != 0)
        return false;
    char *text = mem_array(j, char, (size_t)st.st_size + 1);
    size_t have = 0;
    while (have < (size_t)st.st_size) {
        ssize_t n = pread(j->fd, text + have, (size_t)st.st_size - have, (off_t)have);
        if (n <= 0)
            return false;
        have += (size_t)n;
    }
    read_lines(j, text, have);
    j->size = have;
    talloc_free(text);
    return true;
}

static int sync_folder(const char *path)
{
    char *copy = strdup(path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(copy);
    if (fd < 0)
        return -1;
    int rc = fsync(fd);
    close(fd);
    return rc;
}

static bool write_alive(struct journal *j, int fd, size_t *ret_size)
{
    struct alive *a, *next;
    *ret_size = 0;
    HASH_ITER(hh, j->alive, a, next)
    {
        char text[JOURNAL_LINE_MAX];
        struct journal_line line = {.kind = a->entry.answered ? JOURNAL_ANSWERED : JOURNAL_OFFERED,
                                    .lease = a->entry.lease,
                                    .job = a->entry.job,
                                    .verdict = a->entry.verdict};
        size_t n = journal_format(text, &line);
        if (write(fd, text, n) != (ssize_t)n)
            return false;
        *ret_size += n;
    }
    return fsync(fd) == 0;
}

/* Replaces the file by one that has only the leases alive. Where that fails the old one stays in
 * use. */
static bool rewrite(struct journal *j)
{
    char *fresh = mem_printf(j, "%s.new", j->path);
    int fd = open(fresh, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    size_t size = 0;
    bool ok = fd >= 0 && write_alive(j, fd, &size) && rename(fresh, j->path) == 0;
    if (ok) {
        close(j->fd);
        j->fd = fd;
        j->size = size;
        ok = sync_folder(j->path) == 0;
    } else if (fd >= 0) {
        close(fd);
        unlink(fresh);
    }
    talloc_free(fresh);
    return ok;
}

static int close_journal(struct journal *j)
{
    struct alive *a, *next;
    HASH_ITER(hh, j->alive, a, next)
    forget(j, a);
    if (j->fd >= 0)
        close(j->fd);
    if (j->lock_fd >= 0)
        close(j->lock_fd);
    pthread_mutex_destroy(&j->mutex);
    pthread_cond_destroy(&j->synced_more);
    return 0;
}

struct journal *journal_open(const void *ctx, const char *path, char **ret_why)
{
    struct journal *j = mem_new(ctx, struct journal);
    j->path = mem_strdup(j, path);
    j->fd = -1;
    j->rewrite_at = REWRITE_AT;
    pthread_mutex_init(&j->mutex, NULL);
    pthread_cond_init(&j->synced_more, NULL);
    char *lock = mem_printf(j, "%s.lock", path);
    j->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    talloc_set_destructor(j, close_journal);
    if (j->lock_fd < 0 || flock(j->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        *ret_why = j->lock_fd >= 0 && errno == EWOULDBLOCK
                       ? mem_printf(ctx, "another mailer uses the journal %s", path)
                       : mem_printf(ctx, "cannot lock %s: %s", lock, strerror(errno));
        talloc_free(j);
        return NULL;
    }
    j->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    /* Rewritten at once: a torn last line is gone then, and the folder's entry is on disk. */
    if (j->fd < 0 || !read_file(j) || !rewrite(j)) {
        *ret_why = mem_printf(ctx, "cannot use the journal %s: %s", path, strerror(errno));
        talloc_free(j);
        return NULL;
    }
    return j;
}

/* --- in use ----------------------------------------------------------------------------- */

void journal_each(struct journal *j, journal_fn *fn, void *arg)
{
    struct alive *a, *next;
    HASH_ITER(hh, j->alive, a, next)
    fn(arg, &a->entry);
}

size_t journal_damaged(const struct journal *j)
{
    return j->damaged;
}

/* Waits until line number `mine` is on disk; the mutex is held on entry and on return. */
static bool wait_synced(struct journal *j, uint64_t mine)
{
    while (j->synced < mine && !j->broken) {
        if (j->syncing) {
            pthread_cond_wait(&j->synced_more, &j->mutex);
            continue;
        }
        uint64_t covered = j->written;
        int fd = j->fd;
        j->syncing = true;
        pthread_mutex_unlock(&j->mutex);
        int rc = fdatasync(fd);
        pthread_mutex_lock(&j->mutex);
        j->syncing = false;
        if (rc == 0)
            j->synced = covered;
        else
            j->broken = true;
        pthread_cond_broadcast(&j->synced_more);
    }
    return j->synced >= mine;
}

bool journal_offer(struct journal *j, int64_t lease, int64_t job)
{
    struct journal_line line = {.kind = JOURNAL_OFFERED, .lease = lease, .job = job};
    pthread_mutex_lock(&j->mutex);
    bool ok = !j->broken && append(j, &line);
    if (ok) {
        apply(j, &line);
        ok = wait_synced(j, j->written);
    }
    pthread_mutex_unlock(&j->mutex);
    return ok;
}

bool journal_answer(struct journal *j, int64_t lease, const struct verdict *v)
{
    pthread_mutex_lock(&j->mutex);
    struct alive *a = find(j, lease);
    bool ok = true;
    if (a != NULL) {
        struct journal_line line = {
            .kind = JOURNAL_ANSWERED, .lease = lease, .job = a->entry.job, .verdict = *v};
        ok = append(j, &line);
        if (ok)
            apply(j, &line);
    }
    pthread_mutex_unlock(&j->mutex);
    return ok;
}

/* Keeps the file small: empty where nothing is alive, else rewritten when it has grown. */
static void tidy(struct journal *j)
{
    if (j->syncing || j->broken)
        return;
    if (j->alive == NULL && j->size > 0) {
        if (ftruncate(j->fd, 0) == 0)
            j->size = 0;
    } else if (j->size >= j->rewrite_at) {
        if (rewrite(j))
            j->synced = j->written;
        j->rewrite_at = 2 * j->size + REWRITE_AT;
    }
}

void journal_ack(struct journal *j, const int64_t *leases, size_t n)
{
    pthread_mutex_lock(&j->mutex);
    for (size_t i = 0; i < n; i++) {
        struct alive *a = find(j, leases[i]);
        if (a == NULL)
            continue;
        struct journal_line line = {.kind = JOURNAL_ACKED, .lease = leases[i]};
        forget(j, a);
        /* Where it cannot be written, a restart reports the lease once more, which changes nothing.
         */
        (void)append(j, &line);
    }
    tidy(j);
    pthread_mutex_unlock(&j->mutex);
}

bool journal_broken(struct journal *j)
{
    pthread_mutex_lock(&j->mutex);
    bool broken = j->broken;
    pthread_mutex_unlock(&j->mutex);
    return broken;
}
