/* filter_locale.c - date, and our own money and number, in the language and the zone of the
 * environment. */
#include "common/template/filters.h"

#include <string.h>

#include "common/buf.h"
#include "common/mem.h"
#include "common/template/ascii.h"
#include "common/template/locale.h"
#include "common/template/moment.h"

/* plain_number() - the value as "-1234.50", each digit as it came; NULL (and failed) where it is no
 * number. */
static const char *plain_number(struct render *r, struct value v)
{
    struct decimal d;
    struct name t = text_of(r, v);
    if ((v.kind == VALUE_NUMBER || v.kind == VALUE_TEXT) && decimal_parse(t.s, t.n, &d))
        return arena_copy(&r->arena, t.s, t.n);
    if (v.kind == VALUE_TEXT && t.n <= 40)
        render_fail(r, "a number expected, not a text (“%.*s”)", (int)t.n, t.s);
    else
        render_fail(r, "a number expected, not %s", value_kind_name(v));
    return NULL;
}

static bool nothing(struct value v)
{
    return v.kind == VALUE_NIL || (v.kind == VALUE_TEXT && v.text.n == 0);
}

struct value filter_money(struct render *r, struct value in, const struct args *args)
{
    const char *currency = r->env->currency == NULL ? "EUR" : r->env->currency;
    struct buf text;
    if (nothing(in))
        return value_text("", 0);
    if (args->n > 0 && args->v[0].kind != VALUE_NIL) {
        struct name t = text_of(r, args->v[0]);
        currency = arena_copy(&r->arena, t.s, t.n);
    }
    const char *decimal = plain_number(r, in);
    if (decimal == NULL)
        return value_nil();
    text_begin(r, &text);
    if (!locale_money(&text, r->env->locale, currency, decimal))
        render_fail(r, "“%s” is no currency (ISO 4217, as “EUR”)", currency);
    return text_end(r, &text);
}

struct value filter_number(struct render *r, struct value in, const struct args *args)
{
    int64_t places = -1;
    struct buf text;
    if (nothing(in))
        return value_text("", 0);
    if (args->n > 0 && (!eval_whole(r, args->v[0], &places) || places < 0 || places > 20)) {
        render_fail(r, "“number” takes 0 to 20 places");
        return value_nil();
    }
    const char *decimal = plain_number(r, in);
    if (decimal == NULL)
        return value_nil();
    text_begin(r, &text);
    if (!locale_number(&text, r->env->locale, (int)places, decimal))
        render_fail(r, "“%s” is no language", r->env->locale == NULL ? "en" : r->env->locale);
    return text_end(r, &text);
}

/* --- date ---------------------------------------------------------------------------------------
 */

/* The limits of what a calendar can show: the years 0 to 9999. */
#define SECONDS_MIN INT64_C(-62167219200)
#define SECONDS_MAX INT64_C(253402300799)

/* moment_of() - the value as a point in time; false where it is none. */
static bool moment_of(struct render *r, struct value v, struct moment *ret_m)
{
    struct decimal d;
    int64_t s;
    struct name t = text_of(r, v);
    if (v.kind == VALUE_TEXT && ((t.n == 3 && ascii_compare(t.s, "now", 3) == 0) ||
                                 (t.n == 5 && ascii_compare(t.s, "today", 5) == 0)))
        return moment_at(r->env->now_us, r->env->time_zone, ret_m);
    if ((v.kind == VALUE_NUMBER || v.kind == VALUE_TEXT) && decimal_parse(t.s, t.n, &d)) {
        bool fits = decimal_whole(decimal_floor(d), &s) && s >= SECONDS_MIN && s <= SECONDS_MAX;
        return fits && moment_at(s * 1000000, r->env->time_zone, ret_m);
    }
    return v.kind == VALUE_TEXT && moment_read(t.s, t.n, ret_m) &&
           moment_place(ret_m, r->env->time_zone);
}

static bool style_of(struct name word, enum locale_style *ret_style)
{
    static const struct {
        const char *word;
        enum locale_style style;
    } STYLES[] = {{"short", STYLE_SHORT},
                  {"medium", STYLE_MEDIUM},
                  {"long", STYLE_LONG},
                  {"full", STYLE_FULL},
                  {"time", STYLE_TIME}};
    for (size_t i = 0; i < sizeof STYLES / sizeof *STYLES; i++) {
        if (name_is(word, STYLES[i].word)) {
            *ret_style = STYLES[i].style;
            return true;
        }
    }
    return false;
}

/* filter_date() - what is no date stays as it is, as in Liquid. */
struct value filter_date(struct render *r, struct value in, const struct args *args)
{
    struct name pattern = text_of(r, args->v[0]);
    struct moment m = {0};
    enum locale_style style;
    struct buf text;
    int offset;
    if (r->env->time_zone != NULL && !locale_offset(r->env->time_zone, 0, &offset)) {
        render_fail(r, "“%s” is no time zone", r->env->time_zone);
        return value_nil();
    }
    if (pattern.n == 0 || !moment_of(r, in, &m))
        return in;
    text_begin(r, &text);
    if (!style_of(pattern, &style))
        moment_format(&text, &m, pattern.s, pattern.n, r->env->locale, r->env->time_zone);
    else if (!locale_date(&text, r->env->locale, style, m.wall_s * 1000))
        render_fail(r, "“%s” is no language", r->env->locale == NULL ? "en" : r->env->locale);
    return text_end(r, &text);
}
