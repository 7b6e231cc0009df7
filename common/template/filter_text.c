/* filter_text.c - filters on texts. Positions and lengths are in characters. */
#include "common/template/filters.h"

#include <string.h>
#include <unicode/ucasemap.h>

#include "common/buf.h"
#include "common/mem.h"
#include "common/template/ascii.h"
#include "common/utf8.h"

static struct value text_value(struct name t)
{
    return value_text(t.s, t.n);
}

/* offset() - where the character number `i` begins, or the end. */
static size_t offset(struct name t, int64_t i)
{
    size_t at = 0;
    while (at < t.n && i > 0) {
        size_t n = utf8_length(t.s + at, t.n - at);
        at += n > 0 ? n : 1;
        i--;
    }
    return at;
}

static int64_t characters(struct name t)
{
    int64_t n = 0;
    for (size_t i = 0; i < t.n; i++)
        n += ((unsigned char)t.s[i] & 0xC0) != 0x80;
    return n;
}

static struct value joined(struct render *r, struct name a, struct name b)
{
    struct buf text;
    text_begin(r, &text);
    buf_add(&text, a.s, a.n);
    buf_add(&text, b.s, b.n);
    return text_end(r, &text);
}

struct value filter_append(struct render *r, struct value in, const struct args *args)
{
    return joined(r, text_of(r, in), text_of(r, args->v[0]));
}

struct value filter_prepend(struct render *r, struct value in, const struct args *args)
{
    return joined(r, text_of(r, args->v[0]), text_of(r, in));
}

/* --- case ---------------------------------------------------------------------------------------
 */

/* cased() - by ICU's root rules, the same for every language. */
static struct name cased(struct render *r, struct name t, bool upper)
{
    UErrorCode e = U_ZERO_ERROR;
    UCaseMap *map = ucasemap_open("", 0, &e);
    size_t room = t.n * 3 + 1;
    struct name result = {"", 0};
    if (U_FAILURE(e))
        bug("ucasemap_open: %s", u_errorName(e));
    if (t.n > 0 && t.n < INT32_MAX / 3 && render_step(r, t.n / 64)) {
        char *copy = arena_alloc(&r->arena, room);
        int32_t n = upper ? ucasemap_utf8ToUpper(map, copy, (int32_t)room, t.s, (int32_t)t.n, &e)
                          : ucasemap_utf8ToLower(map, copy, (int32_t)room, t.s, (int32_t)t.n, &e);
        result = U_FAILURE(e) ? t : (struct name){copy, (size_t)n};
    }
    ucasemap_close(map);
    return result;
}

struct value filter_upcase(struct render *r, struct value in, const struct args *args)
{
    (void)args;
    return text_value(cased(r, text_of(r, in), true));
}

struct value filter_downcase(struct render *r, struct value in, const struct args *args)
{
    (void)args;
    return text_value(cased(r, text_of(r, in), false));
}

struct value filter_capitalize(struct render *r, struct value in, const struct args *args)
{
    struct name t = text_of(r, in);
    size_t first = offset(t, 1);
    (void)args;
    return joined(r, cased(r, (struct name){t.s, first}, true),
                  cased(r, (struct name){t.s + first, t.n - first}, false));
}

/* --- white space --------------------------------------------------------------------------------
 */

static struct name stripped(struct name t, bool left, bool right)
{
    while (left && t.n > 0 && ascii_space(*t.s))
        t.s++, t.n--;
    while (right && t.n > 0 && ascii_space(t.s[t.n - 1]))
        t.n--;
    return t;
}

struct value filter_strip(struct render *r, struct value in, const struct args *args)
{
    (void)args;
    return text_value(stripped(text_of(r, in), true, true));
}

struct value filter_lstrip(struct render *r, struct value in, const struct args *args)
{
    (void)args;
    return text_value(stripped(text_of(r, in), true, false));
}

struct value filter_rstrip(struct render *r, struct value in, const struct args *args)
{
    (void)args;
    return text_value(stripped(text_of(r, in), false, true));
}

/* words() - the text with `between` in place of each run of white space, up to `most` words. */
static struct value words(struct render *r, struct name t, int64_t most, bool *ret_more)
{
    struct buf text;
    int64_t count = 0;
    text_begin(r, &text);
    *ret_more = false;
    for (size_t i = 0; i < t.n;) {
        while (i < t.n && ascii_space(t.s[i]))
            i++;
        size_t from = i;
        while (i < t.n && !ascii_space(t.s[i]))
            i++;
        if (i == from)
            break;
        if (count++ == most) {
            *ret_more = true;
            break;
        }
        if (count > 1)
            buf_char(&text, ' ');
        buf_add(&text, t.s + from, i - from);
    }
    return text_end(r, &text);
}

struct value filter_squish(struct render *r, struct value in, const struct args *args)
{
    bool more;
    (void)args;
    return in.kind == VALUE_NIL ? in : words(r, text_of(r, in), INT64_MAX, &more);
}

static struct value replace_newlines(struct render *r, struct name t, const char *by)
{
    struct buf text;
    text_begin(r, &text);
    for (size_t i = 0; i < t.n; i++) {
        if (t.s[i] == '\r' && i + 1 < t.n && t.s[i + 1] == '\n')
            continue;
        if (t.s[i] == '\n')
            buf_str(&text, by);
        else
            buf_char(&text, t.s[i]);
    }
    return text_end(r, &text);
}

struct value filter_strip_newlines(struct render *r, struct value in, const struct args *args)
{
    (void)args;
    return replace_newlines(r, text_of(r, in), "");
}

/* filter_newline_to_br() - where the output is HTML the text is escaped first, so that its breaks
 * are not. */
struct value filter_newline_to_br(struct render *r, struct value in, const struct args *args)
{
    if (r->env->escape_html && !in.html)
        in = filter_escape(r, in, args);
    bool html = in.html;
    in = replace_newlines(r, text_of(r, in), "<br />\n");
    in.html = html;
    return in;
}

/* --- parts --------------------------------------------------------------------------------------
 */

struct value filter_truncate(struct render *r, struct value in, const struct args *args)
{
    int64_t length = 50;
    struct name t = text_of(r, in), end = {"...", 3};
    if (in.kind == VALUE_NIL || (args->n > 0 && !eval_whole(r, args->v[0], &length)))
        return in;
    if (args->n > 1)
        end = text_of(r, args->v[1]);
    if (characters(t) <= length)
        return text_value(t);
    int64_t keep = length < 0 ? 0 : length - characters(end);
    return joined(r, (struct name){t.s, offset(t, keep)}, end);
}

struct value filter_truncatewords(struct render *r, struct value in, const struct args *args)
{
    int64_t most = 15;
    bool more;
    struct name end = {"...", 3};
    if (in.kind == VALUE_NIL || (args->n > 0 && !eval_whole(r, args->v[0], &most)))
        return in;
    if (args->n > 1)
        end = text_of(r, args->v[1]);
    struct name t = text_of(r, in);
    struct value kept = words(r, t, most < 1 ? 1 : most, &more);
    return more ? joined(r, text_of(r, kept), end) : text_value(t);
}

struct value filter_slice(struct render *r, struct value in, const struct args *args)
{
    int64_t from = 0, length = 1;
    bool array = value_is_array(in);
    struct name t = array ? (struct name){"", 0} : text_of(r, in);
    int64_t count = array ? (int64_t)value_count(in) : characters(t);
    if (!eval_whole(r, args->v[0], &from) ||
        (args->n > 1 && args->v[1].kind != VALUE_NIL && !eval_whole(r, args->v[1], &length)))
        return value_nil();
    if (from < 0)
        from += count;
    if (from < 0 || from > count || length < 0)
        from = length = 0;
    if (length > count - from)
        length = count - from;
    if (!array) {
        size_t a = offset(t, from), b = offset(t, from + length);
        return value_text(t.s + a, b - a);
    }
    struct value_list *list = arena_alloc(&r->arena, sizeof *list);
    list->n = 0;
    list->items = arena_alloc(&r->arena, (size_t)length * sizeof *list->items);
    for (int64_t i = 0; i < length && render_step(r, 1); i++)
        list->items[list->n++] = value_item(&r->arena, in, (size_t)(from + i));
    return value_list(list);
}

/* --- replace ------------------------------------------------------------------------------------
 */

enum which { WHICH_ALL, WHICH_FIRST, WHICH_LAST };

static const char *find_last(struct name t, struct name what)
{
    for (size_t i = t.n + 1; i-- > 0;) {
        if (i + what.n <= t.n && memcmp(t.s + i, what.s, what.n) == 0)
            return t.s + i;
    }
    return NULL;
}

/* replaced_gaps() - the empty text is found before each character and at the end. */
static struct value replaced_gaps(struct render *r, struct name t, struct name by)
{
    struct buf text;
    text_begin(r, &text);
    for (size_t i = 0; i < t.n && !buf_full(&text);) {
        size_t n = utf8_length(t.s + i, t.n - i);
        n = n > 0 ? n : 1;
        buf_add(&text, by.s, by.n);
        buf_add(&text, t.s + i, n);
        i += n;
    }
    buf_add(&text, by.s, by.n);
    return text_end(r, &text);
}

static struct value replaced(struct render *r, struct value in, struct value what_value,
                             struct name by, enum which which)
{
    struct name t = text_of(r, in), what = text_of(r, what_value);
    struct buf text;
    if (what.n == 0 && which == WHICH_ALL)
        return replaced_gaps(r, t, by);
    text_begin(r, &text);
    if (which == WHICH_LAST)
        render_step(r, t.n / 64 * (1 + what.n / 64));
    while (!buf_full(&text) && !r->failed) {
        const char *at =
            which == WHICH_LAST ? find_last(t, what) : memmem(t.s, t.n, what.s, what.n);
        if (at == NULL)
            break;
        size_t before = (size_t)(at - t.s);
        buf_add(&text, t.s, before);
        buf_add(&text, by.s, by.n);
        t.s += before + what.n;
        t.n -= before + what.n;
        if (which != WHICH_ALL)
            break;
    }
    buf_add(&text, t.s, t.n);
    return text_end(r, &text);
}

static struct name second(struct render *r, const struct args *args)
{
    return args->n > 1 ? text_of(r, args->v[1]) : (struct name){"", 0};
}

struct value filter_replace(struct render *r, struct value in, const struct args *args)
{
    return replaced(r, in, args->v[0], second(r, args), WHICH_ALL);
}

struct value filter_replace_first(struct render *r, struct value in, const struct args *args)
{
    return replaced(r, in, args->v[0], second(r, args), WHICH_FIRST);
}

struct value filter_replace_last(struct render *r, struct value in, const struct args *args)
{
    return replaced(r, in, args->v[0], second(r, args), WHICH_LAST);
}

struct value filter_remove(struct render *r, struct value in, const struct args *args)
{
    return replaced(r, in, args->v[0], (struct name){"", 0}, WHICH_ALL);
}

struct value filter_remove_first(struct render *r, struct value in, const struct args *args)
{
    return replaced(r, in, args->v[0], (struct name){"", 0}, WHICH_FIRST);
}

struct value filter_remove_last(struct render *r, struct value in, const struct args *args)
{
    return replaced(r, in, args->v[0], (struct name){"", 0}, WHICH_LAST);
}

/* --- split --------------------------------------------------------------------------------------
 */

/* next_part() - cuts the next part off `t`: by white space for " ", by character for "", else by
 * `by`. */
static struct name next_part(struct name *t, struct name by)
{
    struct name part = *t;
    if (by.n == 0) {
        part.n = offset(*t, 1);
    } else if (by.n == 1 && *by.s == ' ') {
        part = *t = stripped(*t, true, false);
        for (part.n = 0; part.n < t->n && !ascii_space(t->s[part.n]);)
            part.n++;
    } else {
        const char *at = memmem(t->s, t->n, by.s, by.n);
        part.n = at == NULL ? t->n : (size_t)(at - t->s);
        if (at != NULL)
            t->s += by.n, t->n -= by.n;
    }
    t->s += part.n;
    t->n -= part.n;
    return part;
}

struct value filter_split(struct render *r, struct value in, const struct args *args)
{
    struct name t = text_of(r, in), by = text_of(r, args->v[0]);
    struct value_list *list = arena_alloc(&r->arena, sizeof *list);
    size_t cap = 16, filled = 0;
    *list = (struct value_list){.items = arena_alloc(&r->arena, cap * sizeof *list->items)};
    while (t.n > 0 && render_step(r, 1)) {
        if (list->n == cap) {
            struct value *more = arena_alloc(&r->arena, cap * 2 * sizeof *more);
            memcpy(more, list->items, cap * sizeof *more);
            list->items = more;
            cap *= 2;
        }
        struct name part = next_part(&t, by);
        list->items[list->n++] = text_value(part);
        if (part.n > 0)
            filled = list->n;
    }
    list->n = filled; /* empty parts at the end are dropped */
    return value_list(list);
}
