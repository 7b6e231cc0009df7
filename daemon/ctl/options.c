/* options.c - see options.h. */
#include "daemon/ctl/options.h"

#include "common/suggest.h"

#include <stdio.h>
#include <string.h>

#define NAMES_MAX 40

static const struct option_spec *spec_find(const struct option_spec *specs, const char *name,
                                           size_t n)
{
    for (; specs->name != NULL; specs++) {
        if (strlen(specs->name) == n && memcmp(specs->name, name, n) == 0)
            return specs;
    }
    return NULL;
}

static bool unknown(const char *command, const struct option_spec *specs, const char *name,
                    size_t n)
{
    const char *names[NAMES_MAX];
    const char *near;
    char word[64];
    size_t n_names = 0;

    for (; specs->name != NULL && n_names < NAMES_MAX; specs++)
        names[n_names++] = specs->name;
    snprintf(word, sizeof(word), "%.*s", (int)(n < 63 ? n : 63), name);
    near = suggest_nearest(word, names, n_names);
    fprintf(stderr, "lazoctl %s: no option --%s%s%s%s\n", command, word,
            near != NULL ? "; did you mean --" : "", near != NULL ? near : "",
            near != NULL ? "?" : "");
    return false;
}

static bool spec_take(const char *command, const struct option_spec *spec, const char *value)
{
    if (spec->text != NULL) {
        *spec->text = value;
        return true;
    }
    if (spec->list->n == OPTIONS_LIST_MAX) {
        fprintf(stderr, "lazoctl %s: --%s was given more than %d times\n", command, spec->name,
                OPTIONS_LIST_MAX);
        return false;
    }
    spec->list->items[spec->list->n++] = value;
    return true;
}

/* One option at argv[*i]; *i moves on to its value where that is a word of its own. */
static bool option_take(int argc, char **argv, int *i, const struct option_spec *specs)
{
    const char *name = argv[*i] + 2;
    const char *equals = strchr(name, '=');
    size_t n = equals != NULL ? (size_t)(equals - name) : strlen(name);
    const struct option_spec *spec = spec_find(specs, name, n);

    if (spec == NULL)
        return unknown(argv[0], specs, name, n);
    if (spec->flag != NULL) {
        if (equals != NULL) {
            fprintf(stderr, "lazoctl %s: --%s takes no value\n", argv[0], spec->name);
            return false;
        }
        *spec->flag = true;
        return true;
    }
    if (equals == NULL && *i + 1 >= argc) {
        fprintf(stderr, "lazoctl %s: --%s needs a value\n", argv[0], spec->name);
        return false;
    }
    return spec_take(argv[0], spec, equals != NULL ? equals + 1 : argv[++*i]);
}

bool options_parse(int *argc, char **argv, const struct option_spec *specs)
{
    bool words = false;
    int kept = 1;

    for (int i = 1; i < *argc; i++) {
        if (!words && strcmp(argv[i], "--") == 0) {
            words = true;
        } else if (!words && strncmp(argv[i], "--", 2) == 0) {
            if (!option_take(*argc, argv, &i, specs))
                return false;
        } else if (!words && argv[i][0] == '-' && argv[i][1] != '\0') {
            fprintf(stderr, "lazoctl %s: no option %s; options begin with --\n", argv[0], argv[i]);
            return false;
        } else {
            argv[kept++] = argv[i];
        }
    }
    *argc = kept;
    argv[kept] = NULL;
    return true;
}
