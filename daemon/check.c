/* check.c - see check.h. */
#include "daemon/check.h"

#include "common/mem.h"
#include "daemon/pg/statements.h"

#include <libpq-fe.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_PORT "25"

/* The first statement that this database refuses; NULL: it has the schema of this version. */
static const char *refused_statement(PGconn *pg)
{
    const char *refused = NULL;
    PGresult *res = PQexec(pg, "SET search_path = lazo");

    PQclear(res);
    for (int i = 0; i < Q_COUNT && refused == NULL; i++) {
        if (!statements[i].prepared)
            continue;
        res = PQprepare(pg, statements[i].name, statements[i].sql, 0, NULL);
        if (PQresultStatus(res) != PGRES_COMMAND_OK)
            refused = statements[i].name;
        PQclear(res);
    }
    return refused;
}

static bool check_database(const struct settings *settings)
{
    PGconn *pg = PQconnectdb(settings_text(settings, "database.url"));
    const char *refused;
    bool well = false;

    if (PQstatus(pg) != CONNECTION_OK) {
        fprintf(stderr, "database.url: %s", PQerrorMessage(pg));
    } else if ((refused = refused_statement(pg)) != NULL) {
        fprintf(stderr,
                "database.url: the schema is not this version's (statement %s): run lazoctl "
                "migrate\n%s",
                refused, PQerrorMessage(pg));
    } else {
        puts("database: well");
        well = true;
    }
    PQfinish(pg);
    return well;
}

/* smtp://[user:password@]host[:port] → host and port, children of ctx. */
static void relay_parts(const void *ctx, const char *url, char **ret_host, char **ret_port)
{
    const char *host = strstr(url, "://"), *at, *colon;

    host = host == NULL ? url : host + 3;
    at = strrchr(host, '@');
    host = at == NULL ? host : at + 1;
    colon = strrchr(host, ':');
    *ret_host = mem_strndup(ctx, host, colon == NULL ? strcspn(host, "/") : (size_t)(colon - host));
    *ret_port = mem_strdup(ctx, colon == NULL ? DEFAULT_PORT : colon + 1);
    (*ret_port)[strcspn(*ret_port, "/")] = '\0';
}

static bool relay_answers(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL, *a;
    bool well = false;

    if (getaddrinfo(host, port, &hints, &found) != 0)
        return false;
    for (a = found; a != NULL && !well; a = a->ai_next) {
        int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);

        well = fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) == 0;
        if (fd >= 0)
            close(fd);
    }
    freeaddrinfo(found);
    return well;
}

static bool check_relay(const struct settings *settings)
{
    const char *url = settings_text(settings, "mail.relay");
    MEM_SCOPED void *scratch = talloc_new(NULL);
    char *host, *port;

    if (url[0] == '\0') {
        printf("relay: none; mail goes to %s\n", settings_text(settings, "mail.maildir"));
        return true;
    }
    relay_parts(scratch, url, &host, &port);
    if (!relay_answers(host, port)) {
        fprintf(stderr, "mail.relay: nobody answers at %s, port %s\n", host, port);
        return false;
    }
    puts("relay: well");
    return true;
}

int check_environment(const struct settings *settings)
{
    bool database = check_database(settings);
    bool relay = check_relay(settings);
    bool secret = strlen(settings_text(settings, "http.secret")) >= 32;

    if (!secret)
        fputs("http.secret: at least 32 characters are needed\n", stderr);
    return database && relay && secret ? 0 : 1;
}
