/* definition.c - see definition.h. To add a sort: its enum, its line in `nouns`, a reader called by
 * definitions_read(). */
#include "daemon/ctl/definition.h"

#include "common/buf.h"
#include "common/mem.h"
#include "common/suggest.h"
#include "common/text.h"
#include "common/utf8.h"
#include "common/yamlj.h"
#include "daemon/ctl/client.h"
#include "daemon/ctl/place.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX  ((size_t)1 << 20)
#define NAMES_MAX 10000

struct reading {
    struct definitions *all;
    const char *dir, *shown;
};

static const char *const nouns[] = {
    [DEFINITION_organisation] = "organisation",
    [DEFINITION_topic] = "topic",
    [DEFINITION_field] = "field",
    [DEFINITION_relation] = "relation",
    [DEFINITION_stages] = "stages",
    [DEFINITION_rfm] = "rfm model",
    [DEFINITION_segment] = "segment",
    [DEFINITION_template] = "template",
    [DEFINITION_form] = "form",
    [DEFINITION_webhook] = "webhook",
    [DEFINITION_journey] = "journey",
    [DEFINITION_campaign] = "campaign",
};

const char *definition_noun(enum definition_sort sort)
{
    return nouns[sort];
}

/* --- mistakes
 * --------------------------------------------------------------------------------------------- */

static const struct definition_source *source_find(const struct definition *d, const char *pointer)
{
    const struct definition_source *best = NULL;

    for (size_t i = 0; i < d->n_sources; i++) {
        const struct definition_source *s = &d->sources[i];

        if (text_begins(pointer, s->pointer) &&
            (best == NULL || strlen(s->pointer) > strlen(best->pointer)))
            best = s;
    }
    return best != NULL ? best : d->n_sources > 0 ? &d->sources[0] : NULL;
}

void definition_mistake(const struct definition *d, FILE *out, const char *pointer, int line,
                        int column, const char *message)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    const struct definition_source *s = source_find(d, pointer);
    int at_line, at_column;

    if (s == NULL) {
        fprintf(out, "%s %s: %s\n", nouns[d->sort], d->name, message);
        return;
    }
    if (s->inside == NULL) {
        fprintf(out, "%s:%d:%d: %s\n", s->file, line > 0 ? line : 1, column > 0 ? column : 1,
                message);
        return;
    }
    place_find(s->text, s->n, mem_printf(ctx, "%s%s", s->inside, pointer), &at_line, &at_column);
    fprintf(out, "%s:%d:%d: ", s->file, at_line, at_column);
    if (*pointer != '\0')
        fprintf(out, "%s: ", pointer + 1);
    if (line > 0)
        fprintf(out, "line %d, column %d of it: ", line, column);
    fprintf(out, "%s\n", message);
}

static void mistake(struct reading *r, const char *file, int line, int column, const char *message)
{
    r->all->mistakes++;
    if (line > 0)
        fprintf(stderr, "%s/%s:%d:%d: %s\n", r->shown, file, line, column > 0 ? column : 1,
                message);
    else
        fprintf(stderr, "%s/%s: %s\n", r->shown, file, message);
}

/* --- files
 * --------------------------------------------------------------------------------------------------
 */

/* DIR/file; NULL where there is none, or, said, where it cannot be read. */
static char *file_read(struct reading *r, const char *file, size_t *ret_n)
{
    char *text = text_file_read(r->all, mem_printf(r->all, "%s/%s", r->dir, file), FILE_MAX, ret_n);

    if (text == NULL && errno != ENOENT)
        mistake(r, file, 0, 0, strerror(errno));
    if (text != NULL && (!utf8_valid(text, *ret_n) || strlen(text) != *ret_n)) {
        mistake(r, file, 0, 0, "this is not UTF-8 text");
        return NULL;
    }
    /* Some editors begin a file with a byte order mark, which is no part of the text. */
    if (text != NULL && strncmp(text, "\xef\xbb\xbf", 3) == 0) {
        *ret_n -= 3;
        memmove(text, text + 3, *ret_n + 1);
    }
    return text;
}

static int names_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* What a folder holds, sorted, without names that begin with a dot; empty where there is none, or,
 * said, where it cannot be read. Ends with NULL. */
static char **folder_names(struct reading *r, const char *folder)
{
    DIR *dir = opendir(mem_printf(r->all, "%s/%s", r->dir, folder));
    size_t n = 0, cap = 0;
    char **names = NULL;
    const struct dirent *entry;

    if (dir == NULL && errno != ENOENT && errno != ENOTDIR)
        mistake(r, folder, 0, 0, strerror(errno));
    mem_grow(r->all, &names, &cap, 1);
    while (dir != NULL && n < NAMES_MAX && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        mem_grow(r->all, &names, &cap, n + 2);
        names[n++] = mem_strdup(r->all, entry->d_name);
    }
    if (dir != NULL)
        closedir(dir);
    qsort(names, n, sizeof(*names), names_compare);
    names[n] = NULL;
    return names;
}

/* "NAME.suffix" without its suffix; NULL, said, where it has another. */
static char *name_of(struct reading *r, const char *folder, const char *file, const char *suffix)
{
    if (text_ends(file, suffix) && strlen(file) > strlen(suffix))
        return mem_strndup(r->all, file, strlen(file) - strlen(suffix));
    mistake(r, mem_printf(r->all, "%s/%s", folder, file), 0, 0,
            mem_printf(r->all, "files here end in %s", suffix));
    return NULL;
}

static json_t *yaml_read(struct reading *r, const char *file, char **ret_text, size_t *ret_n)
{
    struct diag d;
    json_t *value;

    *ret_text = file_read(r, file, ret_n);
    if (*ret_text == NULL)
        return NULL;
    diag_init(&d, r->all);
    value = yamlj_parse(*ret_text, *ret_n, &d);
    for (size_t i = 0; i < d.n; i++)
        mistake(r, file, d.items[i].line, d.items[i].column, d.items[i].message);
    if (value == NULL || json_is_object(value))
        return value;
    if (!json_is_null(value))
        mistake(r, file, 1, 1, "a mapping of names is wanted");
    json_decref(value);
    return NULL;
}

/* --- definitions
 * ---------------------------------------------------------------------------------------------- */

static int definition_free(struct definition *d)
{
    json_decref(d->body);
    return 0;
}

/* `body` is taken. */
static struct definition *definition_add(struct reading *r, enum definition_sort sort,
                                         const char *name, const char *path, json_t *body)
{
    struct definition *d = mem_new(r->all, struct definition);

    d->sort = sort;
    d->name = name;
    d->path = path;
    d->body = mem_must(body);
    talloc_set_destructor(d, definition_free);
    mem_grow(r->all, &r->all->items, &r->all->cap, r->all->n + 1);
    r->all->items[r->all->n++] = d;
    return d;
}

static void source_add(struct reading *r, struct definition *d, const char *file, const char *text,
                       size_t n, const char *pointer, const char *inside)
{
    if (d->n_sources == DEFINITION_SOURCES)
        bug("more than %d sources", DEFINITION_SOURCES);
    d->sources[d->n_sources++] = (struct definition_source){mem_printf(d, "%s/%s", r->shown, file),
                                                            text, n, pointer, inside};
}

static void organisation_read(struct reading *r)
{
    char *text;
    size_t n;
    json_t *body = yaml_read(r, "organisation.yaml", &text, &n);

    if (body != NULL)
        source_add(r,
                   definition_add(r, DEFINITION_organisation, "itself", "/v1/organisation", body),
                   "organisation.yaml", text, n, "", "");
}

/* A key as a step of a JSON pointer. */
static char *pointer_step(const void *ctx, const char *key)
{
    struct buf step;

    buf_init(&step, ctx, 1 << 16);
    buf_char(&step, '/');
    for (; *key != '\0'; key++) {
        if (*key == '~' || *key == '/')
            buf_str(&step, *key == '~' ? "~0" : "~1");
        else
            buf_char(&step, *key);
    }
    return buf_take(&step, ctx);
}

/* ${VARIABLE} and ${VARIABLE:-otherwise} of a text. NULL, with the variable in *ret_missing, where
 * one has no value. */
static char *text_expand(const void *ctx, const char *text, const char **ret_missing)
{
    struct buf out;

    buf_init(&out, ctx, 1 << 16);
    while (*text != '\0') {
        const char *end = text_begins(text, "${") ? strchr(text, '}') : NULL;
        const char *otherwise, *value;
        char *name;

        if (end == NULL) {
            buf_char(&out, *text++);
            continue;
        }
        name = mem_strndup(ctx, text + 2, (size_t)(end - text) - 2);
        otherwise = strstr(name, ":-");
        *ret_missing =
            otherwise == NULL ? name : mem_strndup(ctx, name, (size_t)(otherwise - name));
        value = getenv(*ret_missing);
        if ((value == NULL || *value == '\0') && otherwise == NULL)
            return NULL;
        buf_str(&out, value != NULL && *value != '\0' ? value : otherwise + 2);
        text = end + 1;
    }
    return buf_take(&out, ctx);
}

static void webhook_url(struct reading *r, const struct definition *d)
{
    const char *url = json_string_value(json_object_get(d->body, "url")), *missing = NULL;
    const char *expanded = url == NULL ? NULL : text_expand(r->all, url, &missing);

    if (expanded != NULL)
        json_object_set_new(d->body, "url", json_string(expanded));
    if (url == NULL || expanded != NULL)
        return;
    r->all->mistakes++;
    definition_mistake(
        d, stderr, "/url", 0, 0,
        mem_printf(r->all, "the variable %s is not set in the environment", missing));
}

/* What a text alone says of a thing: its title; of a relation its inverse. */
static json_t *body_of(enum definition_sort sort, json_t *value)
{
    if (json_is_string(value))
        return json_pack("{s:O}", sort == DEFINITION_relation ? "inverse" : "title", value);
    return json_is_null(value) ? json_object() : json_incref(value);
}

/* A file of NAME: {…}, or NAME: text. */
static void names_read(struct reading *r, const char *file, enum definition_sort sort,
                       const char *path)
{
    char *text;
    size_t n;
    json_t *all = yaml_read(r, file, &text, &n), *value;
    const char *key;

    json_object_foreach(all, key, value)
    {
        const char *name = mem_strdup(r->all, key);
        json_t *body = body_of(sort, value);
        struct definition *d = definition_add(r, sort, name, client_path(r->all, path, name), body);

        source_add(r, d, file, text, n, "", pointer_step(d, name));
        if (!json_is_object(body)) {
            r->all->mistakes++;
            definition_mistake(d, stderr, "", 0, 0, "a mapping is wanted here");
        } else if (sort == DEFINITION_webhook) {
            webhook_url(r, d);
        }
    }
    json_decref(all);
}

/* All of them are one definition: their order counts. */
static void stages_read(struct reading *r)
{
    char *text;
    size_t n;
    json_t *all = yaml_read(r, "stages.yaml", &text, &n), *title;
    json_t *items = mem_must(json_array());
    const char *name;

    json_object_foreach(all, name, title)
    {
        json_array_append_new(items, json_is_null(title)
                                         ? json_pack("{s:s, s:s}", "name", name, "title", "")
                                         : json_pack("{s:s, s:O}", "name", name, "title", title));
    }
    if (all != NULL)
        source_add(r,
                   definition_add(r, DEFINITION_stages, "in their order", "/v1/stages",
                                  json_pack("{s:O}", "items", items)),
                   "stages.yaml", text, n, "", "");
    json_decref(items);
    json_decref(all);
}

/* The first line's comment: the title. */
static char *rule_title(const void *ctx, const char *text)
{
    if (*text != '#')
        return mem_strdup(ctx, "");
    return text_trim(mem_strndup(ctx, text + 1, strcspn(text + 1, "\n")));
}

static void segments_read(struct reading *r)
{
    for (char **file = folder_names(r, "segments"); *file != NULL; file++) {
        const char *name = name_of(r, "segments", *file, ".rule"),
                   *path = mem_printf(r->all, "segments/%s", *file);
        struct definition *d;
        size_t n;
        char *text = name == NULL ? NULL : file_read(r, path, &n);

        if (text == NULL)
            continue;
        d = definition_add(r, DEFINITION_segment, name,
                           client_path(r->all, "/v1/segments/%s", name),
                           json_pack("{s:s, s:s, s:s}", "kind", "dynamic", "title",
                                     rule_title(r->all, text), "rule", text));
        source_add(r, d, path, text, n, "/rule", NULL);
    }
}

static void template_read(struct reading *r, const char *name, const char *language)
{
    static const struct {
        const char *file, *key, *pointer;
    } parts[] = {{"subject.liquid", "subject", "/subject"},
                 {"body.html.liquid", "html", "/html"},
                 {"body.txt.liquid", "text", "/text"}};
    struct definition *d = definition_add(
        r, DEFINITION_template, mem_printf(r->all, "%s/%s", name, language),
        client_path(r->all, "/v1/templates/%s", name), json_pack("{s:s}", "language", language));

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        const char *path = mem_printf(d, "templates/%s/%s/%s", name, language, parts[i].file);
        size_t n;
        char *text = file_read(r, path, &n);

        if (text == NULL) {
            mistake(r, path, 0, 0,
                    "a template has a subject, an HTML and a text part; this file is missing");
            continue;
        }
        if (i == 0)
            text = text_trim(text);
        json_object_set_new(d->body, parts[i].key, json_string(text));
        source_add(r, d, path, text, n, parts[i].pointer, NULL);
    }
}

static void templates_read(struct reading *r)
{
    for (char **name = folder_names(r, "templates"); *name != NULL; name++) {
        char **language = folder_names(r, mem_printf(r->all, "templates/%s", *name));

        if (*language == NULL)
            mistake(r, mem_printf(r->all, "templates/%s", *name), 0, 0,
                    "a folder for each language is wanted here");
        for (; *language != NULL; language++)
            template_read(r, *name, *language);
    }
}

/* A folder of NAME.yaml. */
static void files_read(struct reading *r, const char *folder, enum definition_sort sort,
                       const char *path)
{
    for (char **file = folder_names(r, folder); *file != NULL; file++) {
        const char *name = name_of(r, folder, *file, ".yaml"),
                   *shown = mem_printf(r->all, "%s/%s", folder, *file);
        struct definition *d;
        char *text;
        size_t n;
        json_t *body = name == NULL ? NULL : yaml_read(r, shown, &text, &n);

        if (body == NULL)
            continue;
        d = definition_add(r, sort, name, client_path(r->all, path, name), body);
        source_add(r, d, shown, text, n, "", "");
        if (sort == DEFINITION_journey) {
            d->off = json_is_false(json_object_get(body, "enabled"));
            json_object_del(body, "enabled");
        }
    }
}

/* Files at the top whose names nobody knows would be left out without a word. */
static void strangers_say(struct reading *r)
{
    static const char *const known[] = {"organisation.yaml", "topics.yaml",   "fields.yaml",
                                        "stages.yaml",       "rfm.yaml",      "forms.yaml",
                                        "webhooks.yaml",     "relations.yaml"};

    for (char **file = folder_names(r, "."); *file != NULL; file++) {
        bool is_known = !text_ends(*file, ".yaml") && !text_ends(*file, ".yml");
        const char *near;

        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
            is_known = is_known || strcmp(*file, known[i]) == 0;
        near = is_known ? NULL : suggest_nearest(*file, known, sizeof(known) / sizeof(known[0]));
        if (!is_known)
            mistake(r, *file, 0, 0,
                    near == NULL ? "no definitions are in a file of this name"
                                 : mem_printf(r->all, "did you mean %s?", near));
    }
}

struct definitions *definitions_read(const void *ctx, const char *dir, const char *shown)
{
    struct reading r = {.all = mem_new(ctx, struct definitions), .dir = dir, .shown = shown};
    DIR *there = opendir(dir);

    if (there == NULL) {
        fprintf(stderr, "lazoctl apply: %s: %s\n", shown, strerror(errno));
        r.all->mistakes++;
        return r.all;
    }
    closedir(there);
    strangers_say(&r);
    organisation_read(&r);
    names_read(&r, "topics.yaml", DEFINITION_topic, "/v1/topics/%s");
    names_read(&r, "fields.yaml", DEFINITION_field, "/v1/fields/%s");
    stages_read(&r);
    names_read(&r, "relations.yaml", DEFINITION_relation, "/v1/relations/%s");
    names_read(&r, "rfm.yaml", DEFINITION_rfm, "/v1/rfm/%s");
    segments_read(&r);
    templates_read(&r);
    names_read(&r, "forms.yaml", DEFINITION_form, "/v1/forms/%s");
    names_read(&r, "webhooks.yaml", DEFINITION_webhook, "/v1/webhooks/%s");
    files_read(&r, "journeys", DEFINITION_journey, "/v1/journeys/%s");
    files_read(&r, "campaigns", DEFINITION_campaign, "/v1/campaigns/%s");
    return r.all;
}
