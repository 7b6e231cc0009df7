/* encode.c - the encodings of mail. Encoded words never split a character and are at most 75 bytes;
 * a line that has one is at most 76. A text that is plain ASCII stays readable unless it looks like
 * an encoded word or could not be folded. */
#include "workers/mailer/encode.h"

#include "common/buf.h"
#include "common/mem.h"
#include "common/utf8.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define LINE_MAX_SOFT 78
#define WORD_MAX      75
#define WORD_LINE     76
#define QP_LINE       76
#define TOKEN_MAX     950 /* what cannot be folded; a line is at most 998 bytes */
#define WORD_OPEN_B   "=?utf-8?B?"
#define WORD_OPEN_Q   "=?utf-8?Q?"
#define WORD_FRAME    12 /* "=?utf-8?B?" and "?=" */

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char hex_digits[] = "0123456789ABCDEF";

char *encode_clean(const void *ctx, const char *s)
{
    size_t n = strlen(s);
    struct buf b;
    buf_init(&b, ctx, 3 * n + 1);
    for (size_t i = 0; i < n;) {
        size_t len = utf8_length(s + i, n - i);
        if (len == 0) {
            buf_str(&b, "\xef\xbf\xbd");
            len = 1;
        } else if (utf8_decode(s + i, len) < 0x20 ||
                   (utf8_decode(s + i, len) >= 0x7f && utf8_decode(s + i, len) < 0xa0)) {
            buf_char(&b, ' ');
        } else {
            buf_add(&b, s + i, len);
        }
        i += len;
    }
    return buf_take(&b, ctx);
}

static void base64_group(struct buf *out, const unsigned char *p, size_t n)
{
    uint32_t v = (uint32_t)p[0] << 16 | (n > 1 ? (uint32_t)p[1] << 8 : 0) | (n > 2 ? p[2] : 0);
    buf_char(out, base64_digits[v >> 18]);
    buf_char(out, base64_digits[v >> 12 & 63]);
    buf_char(out, n > 1 ? base64_digits[v >> 6 & 63] : '=');
    buf_char(out, n > 2 ? base64_digits[v & 63] : '=');
}

static void base64(struct buf *out, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i += 3)
        base64_group(out, (const unsigned char *)s + i, n - i < 3 ? n - i : 3);
}

/* --- encoded words ---------------------------------------------------------------------- */

/* The set that is safe in every place where an encoded word may stand (RFC 2047, 5, rule 3). */
static bool q_safe(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!*+-/", c) != NULL);
}

static size_t q_cost(const char *s, size_t n)
{
    size_t cost = 0;
    for (size_t i = 0; i < n; i++)
        cost += s[i] == ' ' || q_safe((unsigned char)s[i]) ? 1 : 3;
    return cost;
}

static void q_write(struct buf *out, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c == ' ')
            buf_char(out, '_');
        else if (q_safe(c))
            buf_char(out, (char)c);
        else
            buf_printf(out, "=%c%c", hex_digits[c >> 4], hex_digits[c & 15]);
    }
}

/* How many bytes of `s`, whole characters, fit in `room` bytes of payload. At least one character.
 * In base64, where more follows, a multiple of three if there is one: some readers join words and
 * stop at padding in between. */
static size_t word_take(const char *s, size_t n, size_t room, bool q)
{
    size_t taken = 0;
    size_t even = 0;
    size_t cost = 0;
    while (taken < n) {
        size_t len = utf8_length(s + taken, n - taken);
        if (len == 0)
            len = 1;
        cost = q ? cost + q_cost(s + taken, len) : (taken + len + 2) / 3 * 4;
        if (cost > room && taken > 0)
            return !q && even > 0 ? even : taken;
        taken += len;
        if (taken % 3 == 0)
            even = taken;
    }
    return taken;
}

static size_t payload_room(size_t column)
{
    return (column + WORD_MAX > WORD_LINE ? WORD_LINE - column : WORD_MAX) - WORD_FRAME;
}

/* Whether base64 words of this text need no padding before the last. */
static bool base64_joins(const char *text, size_t n, size_t column)
{
    while (n > 0) {
        size_t taken = word_take(text, n, payload_room(column), false);
        if (taken < n && taken % 3 != 0)
            return false;
        text += taken;
        n -= taken;
        column = 1;
    }
    return true;
}

/* `text` as encoded words; the first one goes on the line where `column` bytes already stand.
 * Returns the new column. */
static size_t encoded_words(struct buf *out, const char *text, size_t column)
{
    size_t n = strlen(text);
    bool q = q_cost(text, n) <= (n + 2) / 3 * 4 || !base64_joins(text, n, column);
    while (n > 0) {
        size_t taken = word_take(text, n, payload_room(column), q);
        size_t before = out->len;
        buf_str(out, q ? WORD_OPEN_Q : WORD_OPEN_B);
        if (q)
            q_write(out, text, taken);
        else
            base64(out, text, taken);
        buf_str(out, "?=");
        column += out->len - before;
        text += taken;
        n -= taken;
        if (n > 0) {
            buf_str(out, "\r\n ");
            column = 1;
        }
    }
    return column;
}

/* --- header fields ---------------------------------------------------------------------- */

/* Whether `s` may stand as it is: ASCII, nothing like an encoded word, words short enough to fold,
 * single blanks. */
static bool plain(const char *s, size_t longest)
{
    size_t word = 0;
    if (s[0] == ' ' || strstr(s, "=?") != NULL)
        return false;
    for (; *s != '\0'; s++) {
        if ((unsigned char)*s >= 0x7f || (*s == ' ' && (s[1] == ' ' || s[1] == '\0')))
            return false;
        word = *s == ' ' ? 0 : word + 1;
        if (word > longest)
            return false;
    }
    return true;
}

/* Words of a plain text, folded at blanks. Returns the new column. */
static size_t folded(struct buf *out, const char *s, size_t column)
{
    while (*s != '\0') {
        size_t word = strcspn(s, " ");
        bool blank = s[word] == ' ';
        buf_add(out, s, word);
        column += word;
        s += word;
        if (blank) {
            size_t next = strcspn(++s, " ");
            if (column + 1 + next > LINE_MAX_SOFT) {
                buf_str(out, "\r\n");
                column = 0;
            }
            buf_char(out, ' ');
            column++;
        }
    }
    return column;
}

void encode_field(struct buf *out, const char *name, const char *value)
{
    char *clean = encode_clean(out->data, value);
    size_t column = strlen(name) + 2;
    buf_printf(out, "%s: ", name);
    if (plain(clean, LINE_MAX_SOFT - column))
        folded(out, clean, column);
    else
        encoded_words(out, clean, column);
    buf_str(out, "\r\n");
    talloc_free(clean);
}

/* encode_clean() without the blanks at both ends. */
static char *trimmed(const void *ctx, const char *s)
{
    char *clean = encode_clean(ctx, s);
    size_t n = strlen(clean);
    while (n > 0 && clean[n - 1] == ' ')
        clean[--n] = '\0';
    size_t blanks = strspn(clean, " ");
    memmove(clean, clean + blanks, n - blanks + 1);
    return clean;
}

/* Whether `s` is atoms with single blanks between them: a phrase that needs no quotes. */
static bool is_phrase(const char *s)
{
    for (; *s != '\0'; s++)
        if (*s != ' ' && !q_safe((unsigned char)*s) && strchr("#$%&'=?^_`{|}~", *s) == NULL)
            return false;
    return true;
}

void encode_mailbox(struct buf *out, const char *name, const char *display, const char *address)
{
    size_t column = strlen(name) + 2;
    char *clean = trimmed(out->data, display != NULL ? display : "");
    if (clean[0] == '\0') {
        talloc_free(clean);
        encode_token(out, name, address);
        return;
    }
    buf_printf(out, "%s: ", name);
    if (plain(clean, LINE_MAX_SOFT - column) && is_phrase(clean)) {
        column = folded(out, clean, column);
    } else if (plain(clean, LINE_MAX_SOFT) && 2 * strlen(clean) + column < LINE_MAX_SOFT) {
        size_t before = out->len;
        buf_char(out, '"');
        for (const char *p = clean; *p != '\0'; p++) {
            if (*p == '"' || *p == '\\')
                buf_char(out, '\\');
            buf_char(out, *p);
        }
        buf_char(out, '"');
        column += out->len - before;
    } else {
        column = encoded_words(out, clean, column);
    }
    talloc_free(clean);
    buf_str(out, column + strlen(address) + 3 > LINE_MAX_SOFT ? "\r\n <" : " <");
    for (const char *p = address; *p != '\0'; p++)
        if (*p > ' ' && (unsigned char)*p < 0x7f && *p != '<' && *p != '>')
            buf_char(out, *p);
    buf_str(out, ">\r\n");
}

void encode_token(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, "%s: ", name);
    size_t written = 0;
    for (const char *p = value; *p != '\0' && written < TOKEN_MAX; p++)
        if (*p > ' ' && (unsigned char)*p < 0x7f) {
            buf_char(out, *p);
            written++;
        }
    buf_str(out, "\r\n");
}

/* --- bodies ----------------------------------------------------------------------------- */

/* Length of the line end at `s`: 2 for CRLF, 1 for a bare CR or LF, 0 for none. */
static size_t line_end(const char *s, size_t n)
{
    if (s[0] == '\r')
        return n > 1 && s[1] == '\n' ? 2 : 1;
    return s[0] == '\n' ? 1 : 0;
}

/* Whether the byte at `i` must be written as =XX. Besides what RFC 2045 asks: a dot and "From " at
 * the start of a line, which some relays change. */
static bool qp_escapes(const char *s, size_t n, size_t i, bool at_start)
{
    unsigned char c = (unsigned char)s[i];
    if (c == ' ' || c == '\t')
        return i + 1 == n || line_end(s + i + 1, n - i - 1) > 0;
    if (at_start && (c == '.' || (n - i >= 5 && memcmp(s + i, "From ", 5) == 0)))
        return true;
    return c <= ' ' || c >= 0x7f || c == '=';
}

static void quoted_printable(struct buf *out, const char *s, size_t n)
{
    size_t column = 0;
    for (size_t i = 0; i < n;) {
        size_t end = line_end(s + i, n - i);
        if (end > 0) {
            buf_str(out, "\r\n");
            column = 0;
            i += end;
            continue;
        }
        unsigned char c = (unsigned char)s[i];
        bool escape = qp_escapes(s, n, i, column == 0);
        if (column + (escape ? 3 : 1) > QP_LINE - 1) {
            buf_str(out, "=\r\n");
            column = 0;
            escape = qp_escapes(s, n, i, true);
        }
        if (escape)
            buf_printf(out, "=%c%c", hex_digits[c >> 4], hex_digits[c & 15]);
        else
            buf_char(out, (char)c);
        column += escape ? 3 : 1;
        i++;
    }
    if (column > 0 || n == 0)
        buf_str(out, "\r\n");
}

/* Base64 of the text with its line ends made CRLF, as the canonical form asks. */
static void base64_lines(struct buf *out, const char *s, size_t n)
{
    struct buf canonical;
    buf_init(&canonical, out->data, 2 * n + 1);
    for (size_t i = 0; i < n;) {
        size_t end = line_end(s + i, n - i);
        buf_add(&canonical, end > 0 ? "\r\n" : s + i, end > 0 ? 2 : 1);
        i += end > 0 ? end : 1;
    }
    for (size_t i = 0; i < canonical.len; i += 57) {
        base64(out, canonical.data + i, canonical.len - i < 57 ? canonical.len - i : 57);
        buf_str(out, "\r\n");
    }
    buf_done(&canonical);
}

void encode_body(struct buf *out, const char *body, size_t n)
{
    size_t escaped = 0;
    for (size_t i = 0; i < n; i++)
        escaped += (unsigned char)body[i] >= 0x7f || body[i] == '=';
    /* Two more bytes for each escaped one against a third of all. */
    bool use_base64 = 6 * escaped > n;
    buf_printf(out, "Content-Transfer-Encoding: %s\r\n\r\n",
               use_base64 ? "base64" : "quoted-printable");
    if (use_base64)
        base64_lines(out, body, n);
    else
        quoted_printable(out, body, n);
}
