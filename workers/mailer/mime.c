/* mime.c - builds the message. Header fields in the order in which people read them; the body is
 * multipart/alternative, text before HTML, or text alone. */
#include "workers/mailer/mime.h"

#include "common/buf.h"
#include "common/clock.h"
#include "common/mem.h"
#include "common/utf8.h"
#include "workers/mailer/encode.h"

#include <sodium.h>
#include <string.h>
#include <time.h>

#define URL_MAX 900 /* a line is at most 998 bytes, and a URL in a header cannot be folded */

/* RFC 5322 in UTC; the names are English whatever the locale. */
static void write_date(struct buf *out, int64_t at_us)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t at = (time_t)(at_us / CLOCK_SECOND_US);
    struct tm tm = {0};
    gmtime_r(&at, &tm);
    buf_printf(out, "Date: %.3s, %02d %.3s %04d %02d:%02d:%02d +0000\r\n", days + tm.tm_wday * 3,
               tm.tm_mday, months + tm.tm_mon * 3, tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
               tm.tm_sec);
}

/* "Name: <value>", the value without blanks and brackets of its own. */
static void write_bracketed(struct buf *out, const char *name, const char *value)
{
    char *clean = mem_strdup(out->data, value);
    char *w = clean;
    for (const char *p = value; *p != '\0'; p++)
        if (*p != '<' && *p != '>')
            *w++ = *p;
    *w = '\0';
    char *whole = mem_printf(clean, "<%.*s>", URL_MAX, clean);
    encode_token(out, name, whole);
    talloc_free(clean);
}

/* Whether `url` can stand in a header as it is. */
static bool is_url(const char *url, const char *scheme)
{
    size_t n = strlen(url);
    if (n > URL_MAX || strncmp(url, scheme, strlen(scheme)) != 0)
        return false;
    for (size_t i = 0; i < n; i++)
        if (url[i] <= ' ' || (unsigned char)url[i] >= 0x7f || strchr("<>\"", url[i]) != NULL)
            return false;
    return true;
}

static void write_list(struct buf *out, const struct mime_mail *m)
{
    if (m->list_id != NULL && m->list_id[0] != '\0') {
        /* "Name <id>" and "id" both give <id>. */
        const char *open = strrchr(m->list_id, '<');
        write_bracketed(out, "List-Id", open != NULL ? open : m->list_id);
    }
    if (m->unsubscribe == NULL)
        return;
    bool https = is_url(m->unsubscribe, "https://");
    if (https || is_url(m->unsubscribe, "http://"))
        write_bracketed(out, "List-Unsubscribe", m->unsubscribe);
    if (https)
        buf_str(out, "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n");
}

/* A boundary that no body in quoted-printable or base64 can hold ("=_"), always the same for the
 * same Message-ID. */
static void make_boundary(char out[40], const char *message_id)
{
    unsigned char hash[crypto_generichash_BYTES_MIN];
    crypto_generichash(hash, sizeof hash, (const unsigned char *)message_id, strlen(message_id),
                       NULL, 0);
    memcpy(out, "=_", 2);
    sodium_bin2hex(out + 2, 33, hash, sizeof hash);
}

/* One part's header fields after Content-Type, and its body, which is valid UTF-8 from here on. */
static void write_part(struct buf *out, const char *subtype, const char *body)
{
    size_t n = strlen(body);
    buf_printf(out, "Content-Type: text/%s; charset=utf-8\r\n", subtype);
    if (utf8_valid(body, n)) {
        encode_body(out, body, n);
        return;
    }
    struct buf fixed;
    buf_init(&fixed, out->data, 3 * n + 1);
    for (size_t i = 0; i < n;) {
        size_t len = utf8_length(body + i, n - i);
        buf_add(&fixed, len > 0 ? body + i : "\xef\xbf\xbd", len > 0 ? len : 3);
        i += len > 0 ? len : 1;
    }
    encode_body(out, fixed.data, fixed.len);
    buf_done(&fixed);
}

bool mime_write(struct buf *out, const struct mime_mail *m)
{
    write_date(out, m->date_us);
    encode_mailbox(out, "From", m->from_name, m->from);
    encode_mailbox(out, "To", m->to_name, m->to);
    if (m->reply_to != NULL && m->reply_to[0] != '\0')
        encode_mailbox(out, "Reply-To", NULL, m->reply_to);
    encode_field(out, "Subject", m->subject);
    write_bracketed(out, "Message-ID", m->message_id);
    write_list(out, m);
    if (m->feedback_id != NULL && m->feedback_id[0] != '\0')
        encode_token(out, "Feedback-ID", m->feedback_id);
    if (m->automatic)
        buf_str(out, "Auto-Submitted: auto-generated\r\n");
    buf_str(out, "MIME-Version: 1.0\r\n");
    const char *text = m->text != NULL ? m->text : "";
    if (m->html == NULL || m->html[0] == '\0') {
        write_part(out, "plain", text);
        return !buf_full(out);
    }
    char boundary[40];
    make_boundary(boundary, m->message_id);
    buf_printf(out, "Content-Type: multipart/alternative; boundary=\"%s\"\r\n\r\n--%s\r\n",
               boundary, boundary);
    write_part(out, "plain", text);
    buf_printf(out, "--%s\r\n", boundary);
    write_part(out, "html", m->html);
    buf_printf(out, "--%s--\r\n", boundary);
    return !buf_full(out);
}
