/* filter_code.c - filters that write texts in another form: HTML, URLs, base64. */
#include "common/template/filters.h"

#include <string.h>

#include "common/buf.h"
#include "common/template/ascii.h"
#include "common/utf8.h"

static struct value escaped(struct render *r, struct value in, bool once)
{
    struct name t = text_of(r, in);
    struct buf text;
    if (in.kind == VALUE_NIL)
        return in;
    text_begin(r, &text);
    html_escape(&text, t.s, t.n, once);
    in = text_end(r, &text);
    in.html = true;
    return in;
}

struct value filter_escape(struct render *r, struct value in, const struct args *args)
{
    (void)args;
    return escaped(r, in, false);
}

struct value filter_h(struct render *r, struct value in, const struct args *args)
{
    (void)args;
    return escaped(r, in, false);
}

struct value filter_escape_once(struct render *r, struct value in, const struct args *args)
{
    (void)args;
    return escaped(r, in, true);
}

/* filter_raw() - the value is HTML already: it is not escaped on its way out. */
struct value filter_raw(struct render *r, struct value in, const struct args *args)
{
    struct buf text;
    (void)args;
    if (in.kind != VALUE_TEXT) {
        text_begin(r, &text);
        value_print(&text, in);
        in = text_end(r, &text);
    }
    in.html = true;
    return in;
}

/* element_end() - where the element that begins at `s` ("<script", "<style", "<!--") ends, or NULL.
 */
static const char *element_end(const char *s, const char *end)
{
    static const struct {
        const char *open, *close;
    } ELEMENTS[] = {{"<script", "</script>"}, {"<style", "</style>"}, {"<!--", "-->"}};
    for (size_t i = 0; i < sizeof ELEMENTS / sizeof *ELEMENTS; i++) {
        size_t n = strlen(ELEMENTS[i].open), m = strlen(ELEMENTS[i].close);
        if ((size_t)(end - s) < n || memcmp(s, ELEMENTS[i].open, n) != 0)
            continue;
        const char *close = memmem(s + n, (size_t)(end - s) - n, ELEMENTS[i].close, m);
        if (close != NULL)
            return close + m;
    }
    return NULL;
}

struct value filter_strip_html(struct render *r, struct value in, const struct args *args)
{
    struct name t = text_of(r, in);
    const char *end = t.s + t.n;
    struct buf text;
    (void)args;
    text_begin(r, &text);
    for (const char *s = t.s; s < end && !r->failed;) {
        const char *after =
            *s == '<' && render_step(r, 1 + (size_t)(end - s) / 64) ? element_end(s, end) : NULL;
        if (after == NULL && *s == '<') {
            after = memchr(s, '>', (size_t)(end - s));
            after = after == NULL ? NULL : after + 1;
        }
        if (after == NULL)
            buf_char(&text, *s++);
        else
            s = after;
    }
    return text_end(r, &text);
}

/* --- URLs ---------------------------------------------------------------------------------------
 */

struct value filter_url_encode(struct render *r, struct value in, const struct args *args)
{
    struct name t = text_of(r, in);
    struct buf text;
    (void)args;
    if (in.kind == VALUE_NIL)
        return in;
    text_begin(r, &text);
    for (size_t i = 0; i < t.n; i++) {
        unsigned char c = (unsigned char)t.s[i];
        if (ascii_digit((char)c) || ascii_letter((char)c) || c == '-' || c == '_' || c == '.' ||
            c == '~')
            buf_char(&text, (char)c);
        else if (c == ' ')
            buf_char(&text, '+');
        else
            buf_printf(&text, "%%%02X", c);
    }
    return text_end(r, &text);
}

static int hex(char c)
{
    if (ascii_digit(c))
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* checked() - the finished text, which must be UTF-8. */
static struct value checked(struct render *r, struct buf *text, const char *what)
{
    struct value v = text_end(r, text);
    if (!utf8_valid(v.text.s, v.text.n))
        render_fail(r, "what comes out of “%s” is not UTF-8", what);
    return v;
}

struct value filter_url_decode(struct render *r, struct value in, const struct args *args)
{
    struct name t = text_of(r, in);
    struct buf text;
    (void)args;
    if (in.kind == VALUE_NIL)
        return in;
    text_begin(r, &text);
    for (size_t i = 0; i < t.n; i++) {
        int high = i + 2 < t.n ? hex(t.s[i + 1]) : -1, low = high >= 0 ? hex(t.s[i + 2]) : -1;
        if (t.s[i] == '%' && low >= 0) {
            buf_char(&text, (char)(high * 16 + low));
            i += 2;
        } else {
            buf_char(&text, t.s[i] == '+' ? ' ' : t.s[i]);
        }
    }
    return checked(r, &text, "url_decode");
}

/* --- base64 (RFC 4648) --------------------------------------------------------------------------
 */

static const char BASE64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char BASE64_URL[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static struct value encoded(struct render *r, struct value in, const char *alphabet)
{
    struct name t = text_of(r, in);
    struct buf text;
    text_begin(r, &text);
    for (size_t i = 0; i < t.n; i += 3) {
        unsigned three = 0;
        for (size_t k = 0; k < 3; k++)
            three = three << 8 | (i + k < t.n ? (unsigned char)t.s[i + k] : 0);
        for (size_t k = 0; k < 4; k++)
            buf_char(&text, i + k <= t.n ? alphabet[three >> (18 - 6 * k) & 63] : '=');
    }
    return text_end(r, &text);
}

static struct value decoded(struct render *r, struct value in, const char *alphabet,
                            const char *name)
{
    struct name t = text_of(r, in);
    struct buf text;
    unsigned bits = 0, have = 0;
    while (t.n > 0 && t.s[t.n - 1] == '=')
        t.n--;
    text_begin(r, &text);
    for (size_t i = 0; i < t.n; i++) {
        const char *digit = t.s[i] == '\0' ? NULL : strchr(alphabet, t.s[i]);
        if (digit == NULL || t.n % 4 == 1) {
            render_fail(r, "what goes into “%s” is not base64", name);
            break;
        }
        bits = bits << 6 | (unsigned)(digit - alphabet);
        have += 6;
        if (have >= 8) {
            have -= 8;
            buf_char(&text, (char)(bits >> have & 0xFF));
        }
    }
    return checked(r, &text, name);
}

struct value filter_base64_encode(struct render *r, struct value in, const struct args *args)
{
    (void)args;
    return encoded(r, in, BASE64);
}

struct value filter_base64_decode(struct render *r, struct value in, const struct args *args)
{
    (void)args;
    return decoded(r, in, BASE64, "base64_decode");
}

struct value filter_base64_url_safe_encode(struct render *r, struct value in,
                                           const struct args *args)
{
    (void)args;
    return encoded(r, in, BASE64_URL);
}

struct value filter_base64_url_safe_decode(struct render *r, struct value in,
                                           const struct args *args)
{
    (void)args;
    return decoded(r, in, BASE64_URL, "base64_url_safe_decode");
}
