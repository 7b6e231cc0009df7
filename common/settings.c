/* settings.c - see settings.h.
 *
 * Values are laid down in layers, each over the one before: defaults, the file and its conf.d,
 * systemd's credentials, the environment. A layer only hands (section, key, text, place) to
 * setting_put(); what a text means is known to value_parse() alone. A new type needs a line in enum
 * setting_type, one in value_parse() and one in the getters. */
#include "common/settings.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/suggest.h"

#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SECRET_MAX 65536
#define INT_MOST   INT64_C(1000000000)
#define SIZE_MOST  (INT64_C(1) << 40)
#define NAME_FILE  "_file"
#define ENV_PREFIX "LAZO_"

extern char **environ;

enum setting_type {
    SETTING_text,
    SETTING_secret,
    SETTING_int,
    SETTING_bool,
    SETTING_duration,
    SETTING_size,
    SETTING_level
};

static const struct setting {
    const char *section, *key;
    enum setting_type type;
    const char *initial; /* as it would stand in the file */
    bool reloadable;
    const char *help;
    const char *name; /* "section.key" */
    size_t name_n;
} table[] = {
#define SETTING(section, key, type, initial, reloadable, help)                                     \
    {#section,   #key, SETTING_##type,    initial,                                                 \
     reloadable, help, #section "." #key, sizeof(#section "." #key) - 1},
#include "common/settings.def"
#undef SETTING
};
#define TABLE_COUNT (sizeof(table) / sizeof(table[0]))

struct settings {
    struct {
        char *text;
        int64_t number;
    } values[TABLE_COUNT];
};

/* What one layer needs to report mistakes; `place` is "FILE:LINE" or the variable's name. */
struct reading {
    struct settings *settings;
    struct diag *d;
    const char *file; /* NULL where the layer is no INI file */
    FILE *stream;
    int line;
};

/* --- what a text means ------------------------------------------------------------------- */

static bool whole_number(const char *s, int64_t most, const char **ret_rest, int64_t *ret)
{
    int64_t n = 0;

    if (!isdigit((unsigned char)*s))
        return false;
    for (; isdigit((unsigned char)*s); s++) {
        n = n * 10 + (*s - '0');
        if (n > most)
            return false;
    }
    *ret_rest = s;
    *ret = n;
    return true;
}

static bool parse_int(const char *s, int64_t *ret)
{
    const char *rest;
    int64_t n;

    if (!whole_number(s, INT_MOST, &rest, &n) || *rest != '\0')
        return false;
    *ret = n;
    return true;
}

static bool parse_size(const char *s, int64_t *ret)
{
    static const char units[] = "kMG";
    const char *rest, *unit;
    int64_t n, factor;

    if (!whole_number(s, SIZE_MOST, &rest, &n))
        return false;
    if (*rest != '\0') {
        unit = strchr(units, *rest == 'K' ? 'k' : *rest == 'm' ? 'M' : *rest == 'g' ? 'G' : *rest);
        if (unit == NULL || rest[1] != '\0')
            return false;
        factor = INT64_C(1) << (10 * (unit - units + 1));
        if (n > SIZE_MOST / factor)
            return false;
        n *= factor;
    }
    *ret = n;
    return true;
}

static bool parse_bool(const char *s, int64_t *ret)
{
    static const char *const words[] = {"no", "yes", "off", "on", "false", "true", "0", "1"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcasecmp(s, words[i]) == 0) {
            *ret = i % 2;
            return true;
        }
    }
    return false;
}

/* Gives NULL, or what the text should have been. */
static const char *value_parse(enum setting_type type, const char *s, int64_t *ret_number)
{
    enum log_level level;

    switch (type) {
    case SETTING_text:
    case SETTING_secret:
        return NULL;
    case SETTING_int:
        return parse_int(s, ret_number) ? NULL : "a whole number";
    case SETTING_bool:
        return parse_bool(s, ret_number) ? NULL : "yes or no";
    case SETTING_duration:
        return clock_parse_duration(s, ret_number) ? NULL
                                                   : "a duration such as \"10 s\" or \"5 minutes\"";
    case SETTING_size:
        return parse_size(s, ret_number) ? NULL : "a size such as \"64k\" or \"8M\"";
    case SETTING_level:
        return log_level_parse(s, &level) ? NULL : "error, warning, info or debug";
    }
    bug("setting type %d", (int)type);
}

/* --- one value --------------------------------------------------------------------------- */

static void mistake(struct reading *r, const char *place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void mistake(struct reading *r, const char *place, const char *format, ...)
{
    MEM_SCOPED char *text = NULL;
    va_list ap;

    va_start(ap, format);
    text = mem_must(talloc_vasprintf(NULL, format, ap));
    va_end(ap);
    if (r->file != NULL)
        diag_at(r->d, r->line, 0, "%s:%d: %s", r->file, r->line, text);
    else
        diag_at(r->d, 0, 0, "%s: %s", place, text);
}

static void value_put(struct reading *r, const char *place, size_t at, const char *text)
{
    int64_t number = 0;
    const char *wanted = value_parse(table[at].type, text, &number);

    if (wanted != NULL) {
        mistake(r, place, "%s must be %s, not \"%s\"", table[at].key, wanted, text);
        return;
    }
    talloc_free(r->settings->values[at].text);
    r->settings->values[at].text = mem_strdup(r->settings, text);
    r->settings->values[at].number = number;
}

static void value_put_from_file(struct reading *r, const char *place, size_t at, const char *path)
{
    char text[SECRET_MAX + 1];
    FILE *f = fopen(path, "re");
    size_t n;
    bool failed;

    if (f == NULL) {
        mistake(r, place, "cannot read %s: %s", path, strerror(errno));
        return;
    }
    n = fread(text, 1, sizeof(text), f);
    failed = ferror(f) != 0;
    fclose(f);
    if (failed) {
        mistake(r, place, "cannot read %s", path);
        return;
    }
    if (n > SECRET_MAX || memchr(text, '\0', n) != NULL) {
        mistake(r, place, "%s is too long or no text", path);
        return;
    }
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        n--;
    text[n] = '\0';
    value_put(r, place, at, text);
}

static bool section_known(const char *section)
{
    for (size_t i = 0; i < TABLE_COUNT; i++)
        if (strcmp(table[i].section, section) == 0)
            return true;
    return false;
}

static void section_unknown(struct reading *r, const char *section)
{
    const char *names[TABLE_COUNT], *near;

    for (size_t i = 0; i < TABLE_COUNT; i++)
        names[i] = table[i].section;
    near = suggest_nearest(section, names, TABLE_COUNT);
    if (near != NULL)
        mistake(r, "", "there is no section [%s]; did you mean [%s]?", section, near);
    else
        mistake(r, "", "there is no section [%s]", section);
}

static void key_unknown(struct reading *r, const char *place, const char *section, const char *key)
{
    const char *names[TABLE_COUNT], *near;

    for (size_t i = 0; i < TABLE_COUNT; i++)
        names[i] = strcmp(table[i].section, section) == 0 ? table[i].key : NULL;
    near = suggest_nearest(key, names, TABLE_COUNT);
    if (near != NULL)
        mistake(r, place, "[%s] has no key \"%s\"; did you mean \"%s\"?", section, key, near);
    else
        mistake(r, place, "[%s] has no key \"%s\"", section, key);
}

/* The section is known. */
static void setting_put(struct reading *r, const char *place, const char *section, const char *key,
                        const char *text)
{
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        size_t n = strlen(table[i].key);

        if (strcmp(table[i].section, section) != 0 || strncmp(table[i].key, key, n) != 0)
            continue;
        if (key[n] == '\0') {
            value_put(r, place, i, text);
            return;
        }
        if (table[i].type == SETTING_secret && strcmp(key + n, NAME_FILE) == 0) {
            value_put_from_file(r, place, i, text);
            return;
        }
    }
    key_unknown(r, place, section, key);
}

/* --- the layers -------------------------------------------------------------------------- */

static void layer_defaults(struct settings *s)
{
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        int64_t number = 0;

        if (value_parse(table[i].type, table[i].initial, &number) != NULL)
            bug("default of %s.%s", table[i].section, table[i].key);
        s->values[i].text = mem_strdup(s, table[i].initial);
        s->values[i].number = number;
    }
}

/* inih's handler. It is called for each line with a name, whatever the section; unknown sections
 * were reported by the reader. */
static int ini_line(void *arg, const char *section, const char *key, const char *text)
{
    struct reading *r = arg;

    if (*section == '\0')
        mistake(r, "", "\"%s\" stands before any [section]", key);
    else if (text == NULL)
        mistake(r, "", "\"%s\" is no \"key = value\"", key);
    else if (section_known(section))
        setting_put(r, "", section, key, text);
    return 1;
}

/* What inih would get wrong is seen here: long lines (it cuts them) and sections without keys (it
 * does not tell). */
static char *ini_read(char *out, int size, void *arg)
{
    struct reading *r = arg;
    char line[SETTINGS_LINE + 3], section[SETTINGS_LINE + 3];
    int c;
    size_t n = 0;

    while ((c = fgetc(r->stream)) != EOF && c != '\n')
        if (n < sizeof(line) - 1)
            line[n++] = (char)c;
    if (c == EOF && n == 0)
        return NULL;
    r->line++;
    line[n] = '\0';
    if (n > SETTINGS_LINE || (int)n + 2 > size) {
        mistake(r, "", "the line is longer than %d bytes", SETTINGS_LINE);
        n = 0;
    } else if (memchr(line, '\0', n) != NULL) {
        mistake(r, "", "the line holds a NUL byte");
        n = 0;
    } else if (sscanf(line, " [%[^]]]", section) == 1 && !section_known(section)) {
        section_unknown(r, section);
    } else if (line[strspn(line, " \t")] == '[' && strchr(line, ']') == NULL) {
        mistake(r, "", "the section's name lacks its \"]\"");
        n = 0;
    }
    memcpy(out, line, n);
    out[n] = '\n';
    out[n + 1] = '\0';
    return out;
}

static void layer_file(struct settings *s, const char *path, struct diag *d)
{
    struct reading r = {.settings = s, .d = d, .file = path};

    r.stream = fopen(path, "re");
    if (r.stream == NULL) {
        diag_at(d, 0, 0, "%s: cannot read it: %s", path, strerror(errno));
        return;
    }
    /* Debian's inih takes these at run time; without them lines end after 200 bytes and an indented
     * line continues the one before. */
    ini_use_stack = false;
    ini_initial_alloc = ini_max_line = SETTINGS_LINE + 4;
    ini_allow_multiline = false;
    ini_allow_no_value = true;
    if (ini_parse_stream(ini_read, &r, ini_line, &r) < 0)
        bug("inih");
    if (ferror(r.stream))
        diag_at(d, 0, 0, "%s: cannot read it", path);
    fclose(r.stream);
}

static void layer_conf_d(struct settings *s, const char *path, struct diag *d)
{
    MEM_SCOPED char *pattern = mem_printf(NULL, "%s.d/*.conf", path);
    glob_t found;

    if (glob(pattern, 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            layer_file(s, found.gl_pathv[i], d);
    globfree(&found);
}

static void layer_credentials(struct settings *s, struct diag *d)
{
    struct reading r = {.settings = s, .d = d};
    const char *folder = getenv("CREDENTIALS_DIRECTORY");

    if (folder == NULL)
        return;
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        MEM_SCOPED char *path = NULL;
        FILE *f;

        if (table[i].type != SETTING_secret)
            continue;
        path = mem_printf(NULL, "%s/%s.%s", folder, table[i].section, table[i].key);
        f = fopen(path, "re");
        if (f == NULL && errno == ENOENT)
            continue;
        if (f != NULL)
            fclose(f);
        value_put_from_file(&r, path, i, path);
    }
}

/* "LAZO_HTTP_LISTEN=..." is http, listen. Variables of no section of ours (LAZO_HOME) are somebody
 * else's. */
static void layer_environment(struct settings *s, struct diag *d)
{
    struct reading r = {.settings = s, .d = d};

    for (char **entry = environ; entry != NULL && *entry != NULL; entry++) {
        MEM_SCOPED char *place = NULL, *section = NULL;
        char *end = strchr(*entry, '='), *key;

        if (strncmp(*entry, ENV_PREFIX, strlen(ENV_PREFIX)) != 0 || end == NULL)
            continue;
        place = mem_strndup(NULL, *entry, (size_t)(end - *entry));
        section = mem_strdup(NULL, place + strlen(ENV_PREFIX));
        for (char *c = section; *c != '\0'; c++)
            *c = (char)tolower((unsigned char)*c);
        key = strchr(section, '_');
        if (key == NULL)
            continue;
        *key++ = '\0';
        if (section_known(section))
            setting_put(&r, place, section, key, end + 1);
    }
}

/* --- public ------------------------------------------------------------------------------ */

struct settings *settings_load(const void *ctx, const char *path, struct diag *d)
{
    struct settings *s = mem_new(ctx, struct settings);
    size_t mistakes = d->n;

    layer_defaults(s);
    if (path != NULL) {
        layer_file(s, path, d);
        layer_conf_d(s, path, d);
    }
    layer_credentials(s, d);
    layer_environment(s, d);
    if (d->n > mistakes) {
        talloc_free(s);
        return NULL;
    }
    return s;
}

bool settings_reload(struct settings *s, const char *path, struct diag *d)
{
    struct settings *fresh = settings_load(NULL, path, d);

    if (fresh == NULL)
        return false;
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        if (!table[i].reloadable)
            continue;
        s->values[i].number = fresh->values[i].number;
        s->values[i].text = talloc_steal(s, fresh->values[i].text);
    }
    talloc_free(fresh);
    return true;
}

static size_t find(const char *name)
{
    size_t n = strlen(name);

    for (size_t i = 0; i < TABLE_COUNT; i++)
        if (table[i].name_n == n && memcmp(table[i].name, name, n) == 0)
            return i;
    bug("no setting %s", name);
}

const char *settings_text(const struct settings *s, const char *name)
{
    size_t at = find(name);

    if (table[at].type != SETTING_text && table[at].type != SETTING_secret &&
        table[at].type != SETTING_level)
        bug("%s is no text", name);
    return s->values[at].text;
}

int64_t settings_int(const struct settings *s, const char *name)
{
    size_t at = find(name);

    if (table[at].type != SETTING_int && table[at].type != SETTING_duration &&
        table[at].type != SETTING_size)
        bug("%s is no number", name);
    return s->values[at].number;
}

bool settings_bool(const struct settings *s, const char *name)
{
    size_t at = find(name);

    if (table[at].type != SETTING_bool)
        bug("%s is no yes or no", name);
    return s->values[at].number != 0;
}

void settings_write_example(FILE *out)
{
    const char *section = "";

    fputs("# lazo.conf - the settings of Lazo, each with its default; see lazo.conf(5).\n"
          "# (R): SIGHUP reloads it. (S): a secret, KEY_file names a file to read it from.\n",
          out);
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        const struct setting *t = &table[i];

        if (strcmp(section, t->section) != 0)
            fprintf(out, "\n[%s]\n", t->section);
        section = t->section;
        fprintf(out, "# %s%s%s\n", t->help, t->reloadable ? " (R)" : "",
                t->type == SETTING_secret ? " (S)" : "");
        fprintf(out, "#%s =%s%s\n", t->key, *t->initial == '\0' ? "" : " ", t->initial);
    }
}
