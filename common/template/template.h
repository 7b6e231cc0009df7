/* template.h - Liquid templates: compiled once, rendered many times.
 *
 * Pure: a template sees its data, the partials that the caller hands in and the instant that the
 * caller names; no file, no network, no clock. The same input gives the same bytes. The language,
 * with the filters of our own, is described in lazo-template.7 beside this file; it is Shopify's
 * Liquid, parsed strictly. A mistake in a template or in what it does with its data is an error
 * with line and column, never text in the output.
 *
 * Money given as a decimal string is exact all the way: no double touches it. */
#ifndef LAZO_COMMON_TEMPLATE_TEMPLATE_H
#define LAZO_COMMON_TEMPLATE_TEMPLATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct diag;

/* A compiled template. It never changes after template_compile(), so that many threads may render
 * it at once. */
struct template;

/* template_compile() - `n` bytes of UTF-8 as a template, child of `ctx`. The text is copied. NULL
 * where it is no template: `d` then has the place and what was expected. Sizes and nesting are
 * bounded by template_limits_default(). */
struct template *template_compile(const void *ctx, const char *text, size_t n, struct diag *d);

/* template_names() - the variables that the text mentions, as paths ("contact.first_name"), sorted,
 * each once; not those that it assigns itself, nor those that its partials mention. Owned by the
 * template. */
const char *const *template_names(const struct template *, size_t *ret_n);

/* What a rendering may use up. Beyond it the rendering fails. */
struct template_limits {
    size_t max_output; /* bytes written to the output */
    size_t
        max_steps; /* tags, loop turns, filter calls and the elements and bytes that they handle */
    size_t max_depth;  /* blocks within blocks and partials within partials */
    size_t max_source; /* bytes of a template's text */
    size_t max_memory; /* bytes of values made while rendering */
};
struct template_limits template_limits_default(void);

/* What a rendering sees. Everything is borrowed for the length of the call. */
struct template_env {
    json_t *data;     /* an object; its keys are the template's variables. NULL: none. Only read. */
    bool escape_html; /* write {{ values }} as HTML text; see lazo-template.7, ESCAPING */
    const char *locale;    /* BCP 47 ("es", "en", "es-MX"); NULL: "en" */
    const char *time_zone; /* IANA ("Europe/Madrid"); instants are shown in it. NULL: UTC, and an
                            * instant written with an offset keeps it */
    const char *currency;  /* ISO 4217, for `money`; NULL: "EUR" */
    int64_t now_us;        /* what "now" and "today" mean */
    struct template_limits limits; /* a limit of 0 stands for the default */
    /* The partial of that name, or NULL where there is none. It must stay alive until the rendering
     * ends. NULL: there are no partials. */
    const struct template *(*partial)(void *arg, const char *name);
    void *arg;
    bool strict; /* an undefined variable in an output is an error */
};

/* The variables that a rendering wanted to write or to go through and that were not there, as
 * paths, sorted, each once. A variable that is only asked about (in a condition, or before
 * `default`) is not missing. */
struct template_missing {
    const void *ctx; /* owner of the names */
    const char **names;
    size_t n, cap;
};
/* template_missing_init() - empty; its names become children of `ctx`. */
void template_missing_init(struct template_missing *, const void *ctx);

/* template_render() - appends the result to `out` and returns true; or returns false with the
 * reason and its place in `d`, and leaves `out` as it was. `ret_missing` may be NULL; else it must
 * be initialised and is filled even where the rendering fails. */
bool template_render(const struct template *, const struct template_env *, struct buf *out,
                     struct template_missing *ret_missing, struct diag *d);

/* For the manual's test: the words of the language. */
const char *template_filter_name(size_t i); /* NULL after the last */
const char *template_tag_name(size_t i);    /* NULL after the last */

#endif
