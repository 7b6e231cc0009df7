/* inboxdir.c - see inboxdir.h. */
#include "workers/inbox/inboxdir.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "workers/inbox/message.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define uthash_fatal(what) bug("uthash: %s", what)
#include <uthash.h>

#define POLL_LEAST_US 100000
#define LOOK_MOST_US  100000 /* then the loop has its turn */

/* A mail that was handed over, or that cannot be read. */
struct taken {
    char *name;
    UT_hash_handle hh;
};

struct inboxdir {
    struct ev_loop *loop;
    const struct inboxdir_ops *ops;
    void *arg;
    char *path;
    bool failing;
    ev_tstamp poll_s;
    struct taken *taken;
    ev_timer timer;
};

static struct taken *taken_find(const struct inboxdir *d, const char *name)
{
    struct taken *t;

    HASH_FIND_STR(d->taken, name, t);
    return t;
}

static void taken_add(struct inboxdir *d, const char *name)
{
    struct taken *t = mem_new(d, struct taken);

    t->name = mem_strdup(t, name);
    HASH_ADD_KEYPTR(hh, d->taken, t->name, strlen(t->name), t);
}

static void say_failing(struct inboxdir *d, int reason)
{
    if (!d->failing)
        log_error("maildir", "not readable", "path=%s reason=%s", log_value(d->path),
                  log_value(strerror(reason)));
    d->failing = true;
}

/* The first MESSAGE_MAX bytes, or NULL where it cannot be read. */
static char *read_all(const void *ctx, const char *path, size_t *ret_n)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat st;
    char *bytes;
    size_t n = 0, max;
    ssize_t got;

    if (fd < 0)
        return NULL;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        errno = EINVAL;
        return NULL;
    }
    max = st.st_size > MESSAGE_MAX ? MESSAGE_MAX : (size_t)st.st_size;
    bytes = mem_array(ctx, char, max + 1);
    while (n < max && (got = read(fd, bytes + n, max - n)) > 0)
        n += (size_t)got;
    close(fd);
    *ret_n = n;
    return bytes;
}

static void hand_over(struct inboxdir *d, const char *name)
{
    void *scratch = mem_must(talloc_new(NULL));
    char *path = mem_printf(scratch, "%s/new/%s", d->path, name), *bytes;
    size_t n = 0;

    if (taken_find(d, name) == NULL && (bytes = read_all(scratch, path, &n)) != NULL) {
        taken_add(d, name);
        d->ops->mail(d->arg, name, bytes, n);
    } else if (taken_find(d, name) == NULL) {
        log_warning("maildir", "mail not readable", "name=%s reason=%s", log_value(name),
                    log_value(strerror(errno)));
        taken_add(d, name);
    }
    talloc_free(scratch);
}

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* Sets when to look again: at once where there was too much for one turn of the loop. */
static void look(struct inboxdir *d)
{
    MEM_SCOPED char *folder = mem_printf(NULL, "%s/new", d->path);
    struct dirent **entries;
    int64_t began_us = clock_monotonic_us();
    int n = scandir(folder, &entries, visible, alphasort);
    bool more = false;

    ev_timer_set(&d->timer, d->poll_s, 0.);
    if (n < 0) {
        say_failing(d, errno);
        return;
    }
    if (d->failing)
        log_info("maildir", "readable again", "path=%s", log_value(d->path));
    d->failing = false;
    for (int i = 0; i < n; i++) {
        more = more || clock_monotonic_us() - began_us > LOOK_MOST_US;
        if (!more && d->ops->room(d->arg))
            hand_over(d, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    ev_timer_set(&d->timer, more ? 0. : d->poll_s, 0.);
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
    (void)revents;
    look(w->data);
    ev_timer_start(loop, w);
}

static int inboxdir_close(struct inboxdir *d)
{
    ev_timer_stop(d->loop, &d->timer);
    HASH_CLEAR(hh, d->taken);
    return 0;
}

struct inboxdir *inboxdir_new(const void *ctx, struct ev_loop *loop, const char *path,
                              int64_t poll_us, const struct inboxdir_ops *ops, void *arg)
{
    struct inboxdir *d = mem_new(ctx, struct inboxdir);

    d->loop = loop;
    d->ops = ops;
    d->arg = arg;
    d->path = mem_strdup(d, path);
    if (poll_us < POLL_LEAST_US)
        poll_us = POLL_LEAST_US;
    d->poll_s = (double)poll_us / 1e6;
    ev_timer_init(&d->timer, on_timer, 0., 0.);
    d->timer.data = d;
    ev_timer_start(loop, &d->timer);
    talloc_set_destructor(d, inboxdir_close);
    return d;
}

void inboxdir_done(struct inboxdir *d, const char *name, bool ours)
{
    struct taken *t = taken_find(d, name);
    MEM_SCOPED char *from = mem_printf(NULL, "%s/new/%s", d->path, name);
    MEM_SCOPED char *to = mem_printf(NULL, "%s/cur/%s%s", d->path, name, ours ? ":2,S" : ":2,");

    if (t == NULL)
        return;
    if (rename(from, to) != 0) {
        /* It stays taken, so that it is not handed over again and again. */
        log_error("maildir", "not moved to cur", "name=%s reason=%s", log_value(name),
                  log_value(strerror(errno)));
        return;
    }
    HASH_DEL(d->taken, t);
    talloc_free(t);
}
