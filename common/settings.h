/* settings.h - the settings of every program: lazo.conf, the environment, credentials.
 *
 * One table (settings.def) holds every key with its section, type, default, whether SIGHUP reloads
 * it, and a line of help. It parses, checks, reloads, prints lazo.conf and makes the manual's list.
 * A program reads the same file and takes the sections it needs.
 *
 * Order of precedence: environment LAZO_SECTION_KEY, then the file, then the default. A secret may
 * also come from a file named by KEY_file or from systemd's $CREDENTIALS_DIRECTORY/SECTION.KEY.
 * Unknown sections or keys, and values that do not fit, are errors with file and line.
 *
 * The file is INI: [section], key = value, # or ; at the start of a line for a comment, and ; after
 * a space too. A line holds at most SETTINGS_LINE bytes. After FILE come the .conf files of the
 * folder FILE.d in the order of their names; what is set later wins. */
#ifndef LAZO_COMMON_SETTINGS_H
#define LAZO_COMMON_SETTINGS_H

#include "common/diag.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct settings;

#define SETTINGS_LINE 4000

/* settings_load() - reads `path` (NULL: no file, defaults and environment alone). Child of ctx;
 * NULL and mistakes in `d` on error. Each message begins with where it is: "/etc/lazo/lazo.conf:12:
 * " or "LAZO_HTTP_LISTEN: ". Not thread-safe. */
struct settings *settings_load(const void *ctx, const char *path, struct diag *d);
/* The value of "section.key"; a key that the table does not know, or of another type, is a bug.
 * Strings live as long as the settings; an unset string is "". Durations are microseconds, sizes
 * bytes. */
const char *settings_text(const struct settings *, const char *key);
int64_t settings_int(const struct settings *, const char *key);
bool settings_bool(const struct settings *, const char *key);
/* settings_reload() - reads `path` again and takes over what may change while a program runs;
 * false, mistakes in `d` and nothing changed on error. Texts that were asked for before stay valid.
 */
bool settings_reload(struct settings *, const char *path, struct diag *d);
/* settings_write_example() - the whole table as a commented lazo.conf. */
void settings_write_example(FILE *);

#endif
