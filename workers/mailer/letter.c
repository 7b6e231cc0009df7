/* letter.c - job to message: the envelope is checked, the three parts are rendered, mime.c writes
 * them. */
#include "workers/mailer/letter.h"

#include "common/address.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/diag.h"
#include "common/mem.h"
#include "common/template/template.h"
#include "workers/mailer/mime.h"
#include "workers/mailer/plaintext.h"

#include <string.h>

#define PART_MAX      (8u << 20)
#define CLASS_JOURNEY 1

static const char *text_of(const json_t *job, const char *key)
{
    const char *s = json_string_value(json_object_get(job, key));
    return s != NULL ? s : "";
}

/* Whether the local part is one that only SMTPUTF8 (RFC 6531) could carry. */
static bool needs_utf8(const char *s)
{
    for (; *s != '\0' && *s != '@'; s++)
        if ((unsigned char)*s >= 0x80)
            return true;
    return false;
}

/* The address in `key`, ready for the envelope; NULL and the verdict where it is none. */
static char *address(const void *ctx, const json_t *job, const char *key, bool recipient,
                     struct verdict *v)
{
    const char *why, *given = text_of(job, key);
    char *found = address_envelope(ctx, given, &why);
    if (found != NULL)
        return found;
    if (needs_utf8(given))
        verdict_set(v, VERDICT_failed, false, "5.6.7", "%s: %s", key, why);
    else
        verdict_set(v, VERDICT_failed, recipient, recipient ? "5.1.3" : "5.1.7", "%s: %s", key,
                    why);
    return NULL;
}

/* One part as text, child of ctx; NULL and the verdict on a template error. */
static char *render(const void *ctx, const struct template *t, const char *part,
                    const struct template_env *env, struct verdict *v)
{
    struct buf out;
    struct diag d;
    if (t == NULL)
        return mem_strdup(ctx, "");
    buf_init(&out, ctx, PART_MAX);
    diag_init(&d, ctx);
    bool ok = template_render(t, env, &out, NULL, &d);
    if (ok && !buf_full(&out) && strlen(out.data) == out.len)
        return buf_take(&out, ctx);
    if (!ok && diag_any(&d))
        verdict_set(v, VERDICT_failed, false, "", "template: %s %d:%d: %s", part, d.items[0].line,
                    d.items[0].column, d.items[0].message);
    else
        verdict_set(v, VERDICT_failed, false, "",
                    ok ? "template: %s is too long or holds a NUL"
                       : "template: %s cannot be rendered",
                    part);
    buf_done(&out);
    return NULL;
}

/* Makes a subject one line: runs of blanks and line ends become one blank, none at its ends. In
 * place. */
static void one_line(char *s)
{
    char *w = s;
    bool blank = false;
    for (const char *p = s; *p != '\0'; p++) {
        if ((unsigned char)*p <= ' ') {
            blank = w > s;
            continue;
        }
        if (blank)
            *w++ = ' ';
        blank = false;
        *w++ = *p;
    }
    *w = '\0';
}

static bool render_parts(const void *ctx, const json_t *job, const struct letter_template *t,
                         struct mime_mail *mail, struct verdict *v)
{
    struct template_env env = {
        .data = json_object_get(job, "data"),
        .locale = text_of(job, "language")[0] != '\0' ? text_of(job, "language") : t->language,
        .time_zone = text_of(job, "time_zone")[0] != '\0' ? text_of(job, "time_zone") : NULL,
        .currency = text_of(job, "currency")[0] != '\0' ? text_of(job, "currency") : NULL,
        .now_us = mail->date_us,
        .limits = template_limits_default(),
    };
    char *subject = render(ctx, t->subject, "subject", &env, v);
    char *text = subject != NULL ? render(ctx, t->text, "text", &env, v) : NULL;
    env.escape_html = true;
    char *html = text != NULL ? render(ctx, t->html, "html", &env, v) : NULL;
    if (html == NULL)
        return false;
    one_line(subject);
    if (text[0] == '\0' && html[0] != '\0') {
        struct buf derived;
        buf_init(&derived, ctx, PART_MAX);
        plaintext_of_html(&derived, html);
        text = buf_take(&derived, ctx);
    }
    mail->subject = subject;
    mail->text = text;
    mail->html = html;
    return true;
}

bool letter_build(const void *ctx, const json_t *job, const struct letter_template *t,
                  struct letter *ret_letter, struct verdict *v)
{
    struct mime_mail mail = {
        .from_name = text_of(job, "from_name"),
        .to_name = text_of(job, "to_name"),
        .message_id = text_of(job, "message_id"),
        .list_id = text_of(job, "list_id"),
        .feedback_id = text_of(job, "feedback_id"),
        .unsubscribe = json_string_value(json_object_get(job, "unsubscribe")),
        .automatic = json_integer_value(json_object_get(job, "class")) == CLASS_JOURNEY,
    };
    struct letter letter = {.message_id = mail.message_id};
    if (t->broken != NULL) {
        verdict_set(v, VERDICT_failed, false, "", "template: %s", t->broken);
        return false;
    }
    if (mail.message_id[0] == '\0' || !clock_parse(text_of(job, "now"), &mail.date_us)) {
        verdict_set(v, VERDICT_failed, false, "", "the job lacks message_id or now");
        return false;
    }
    mail.to = letter.to = address(ctx, job, "to", true, v);
    if (mail.to == NULL || (mail.from = address(ctx, job, "from", false, v)) == NULL ||
        (letter.from = address(ctx, job, "bounce_to", false, v)) == NULL)
        return false;
    if (text_of(job, "reply_to")[0] != '\0' &&
        (mail.reply_to = address(ctx, job, "reply_to", false, v)) == NULL)
        return false;
    if (!render_parts(ctx, job, t, &mail, v))
        return false;
    struct buf out;
    buf_init(&out, ctx, LETTER_MAX);
    if (!mime_write(&out, &mail)) {
        verdict_set(v, VERDICT_failed, false, "5.3.4", "the message is larger than %u bytes",
                    LETTER_MAX);
        return false;
    }
    letter.size = out.len;
    letter.bytes = buf_take(&out, ctx);
    *ret_letter = letter;
    return true;
}
