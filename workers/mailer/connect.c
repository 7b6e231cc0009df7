/* connect.c - the executable's connect(). See connect.h. */
#include "workers/mailer/connect.h"

#include "common/mem.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

typedef int connect_fn(int, const struct sockaddr *, socklen_t);

static _Thread_local int wait_limit_ms; /* 0: this thread wants nothing of us */
static _Thread_local int dead_limit_ms;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static connect_fn *next_connect;

static void find_next(void)
{
    void *found = dlsym(RTLD_NEXT, "connect");
    if (found == NULL)
        bug("no connect() in the C library");
    memcpy(&next_connect, &found, sizeof next_connect);
}

void connect_begin(int wait_ms, int dead_ms)
{
    wait_limit_ms = wait_ms;
    dead_limit_ms = dead_ms;
}

void connect_end(void)
{
    wait_limit_ms = 0;
}

/* Waits for a connection under way; 0, or -1 and errno. */
static int await(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    int rc;
    do
        rc = poll(&p, 1, wait_limit_ms);
    while (rc < 0 && errno == EINTR);
    if (rc <= 0) {
        if (rc == 0)
            errno = ETIMEDOUT;
        return -1;
    }
    int why = 0;
    socklen_t n = sizeof why;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &n) != 0)
        return -1;
    errno = why;
    return why == 0 ? 0 : -1;
}

int connect(int fd, const struct sockaddr *address, socklen_t n)
{
    pthread_once(&once, find_next);
    if (wait_limit_ms <= 0 || (address->sa_family != AF_INET && address->sa_family != AF_INET6))
        return next_connect(fd, address, n);
    int on = 1;
    unsigned dead = (unsigned)dead_limit_ms;
    /* Each of these only makes things better; without it the connection still works. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead, sizeof dead);
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    int flags = fcntl(fd, F_GETFL);
    (void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    int rc = next_connect(fd, address, n);
    if (rc != 0 && errno == EINPROGRESS)
        rc = await(fd);
    int why = errno;
    (void)fcntl(fd, F_SETFL, flags);
    errno = why;
    return rc;
}
