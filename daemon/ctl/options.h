/* options.h - the arguments of a sub-command: --name VALUE, --name=VALUE, --flag, and what remains.
 * Pure.
 *
 *     struct option_spec specs[] = {
 *         {.name = "delimiter", .text = &delimiter},
 *         {.name = "live", .flag = &live},
 *         {0},
 *     };
 */
#ifndef LAZO_DAEMON_CTL_OPTIONS_H
#define LAZO_DAEMON_CTL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#define OPTIONS_LIST_MAX 50

/* Values of an option that may be given several times; zeroed before. */
struct option_list {
    const char *items[OPTIONS_LIST_MAX];
    size_t n;
};

/* Where an option's value goes: exactly one of text, list and flag is set. Values are borrowed from
 * argv. */
struct option_spec {
    const char *name; /* without the dashes; NULL ends the table */
    const char **text;
    struct option_list *list;
    bool *flag;
};

/* options_parse() - takes the options out of argv[1…] and leaves the other words in argv[1…*argc -
 * 1], in their order. After "--" all words are such. The word "-" is no option. On a mistake says
 * so on stderr, with the command's name argv[0], and gives false. */
bool options_parse(int *argc, char **argv, const struct option_spec *specs);

#endif
