/* words.h - commands of lazoctl whose first word says what is done: `group members NAME`. Each word
 * is a line of a table and a function that asks the instance. */
#ifndef LAZO_DAEMON_CTL_WORDS_H
#define LAZO_DAEMON_CTL_WORDS_H

#include "daemon/ctl/client.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/options.h"
#include "daemon/ctl/table.h"

#define WORDS_OPTIONS_MAX 8

/* What was asked. Everything is borrowed from argv, or a child of ctx. */
struct asked {
    const void *ctx;
    const char *command; /* its name, for complaints */
    struct client *client;
    char **words;                           /* after the first */
    const char *options[WORDS_OPTIONS_MAX]; /* values of the table's options in their order; NULL:
                                               not given */
    bool json;
};

struct word {
    const char *word; /* NULL ends the table */
    int n;            /* how many words follow it */
    int (*run)(const struct asked *);
};

/* words_run() - finds the word in the table, opens the instance and calls its function; the exit
 * status of the command. `options` are the names of those that take a value, ended by NULL; --json
 * is always there. */
int words_run(int argc, char **argv, const struct word *, const char *const *options);

/* words_contact() - the id of the contact that word i names, by its id or an address; NULL, said on
 * stderr, where there is none. */
const char *words_contact(const struct asked *, int i);
/* words_ask() - the good answer of one call, whose JSON body (NULL: none) is taken; NULL where it
 * was refused, said on stderr. */
const struct answer *words_ask(const struct asked *, const char *method, const char *path,
                               json_t *body);
/* words_call() - the same; prints the answer where --json is given. The exit status. */
int words_call(const struct asked *, const char *method, const char *path, json_t *body);
/* words_list() - all items of a list, as a table or as JSON; `each` (may be NULL) adds to an item
 * what a column shows. The exit status. */
int words_list(const struct asked *, const char *path, const char *const *headings,
               const char *const *keys, void (*each)(const struct asked *, json_t *));
/* words_who() - "who" of `into` is the names of a contact, beside its "id" and "email". */
void words_who(const struct asked *, const json_t *contact, json_t *into);

#endif
