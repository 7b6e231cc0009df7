/* classify.c - see classify.h. */
#include "workers/inbox/classify.h"

#include "common/mem.h"
#include "workers/inbox/mailtext.h"
#include "workers/inbox/message.h"
#include "workers/inbox/textbounce.h"

#include <string.h>
#include <strings.h>

#define COMPLAINTS_MAX 100

/* The headers that say where a mail was delivered, the surest first. */
static const char *const delivered_in[] = {"Delivered-To", "X-Original-To", "Envelope-To", "To",
                                           NULL};

static bool header_is(const struct message *m, const char *name, const char *word)
{
    return strncasecmp(message_header(m, name), word, strlen(word)) == 0;
}

static bool header_has(const struct message *m, const char *name, const char *word)
{
    return strcasestr(message_header(m, name), word) != NULL;
}

static char *sender_address(const void *ctx, const struct message *m)
{
    const char *from = message_header(m, "From");

    return mailtext_address(ctx, from, strlen(from), NULL);
}

/* --- complaints -------------------------------------------------------------------------- */

static bool is_redacted(const char *address)
{
    return strncasecmp(address, "redacted", 8) == 0;
}

/* A report may name several recipients, in as many fields. */
static void add_complaints(const void *ctx, const char *feedback, enum finding_class class,
                           struct findings *all)
{
    static const char *const names[] = {
        "Original-Rcpt-To:", "Removal-Recipient:", "X-Original-Rcpt-To:", NULL};
    const char *next;

    for (const char *line = feedback; line != NULL && all->n < COMPLAINTS_MAX; line = next) {
        size_t n = mailtext_line(line, &next);

        for (const char *const *name = names; *name != NULL; name++) {
            MEM_SCOPED char *address = NULL;
            bool known = false;

            if (strncasecmp(line, *name, strlen(*name)) != 0)
                continue;
            address = mailtext_address(NULL, line + strlen(*name), n - strlen(*name), NULL);
            for (size_t i = 0; address != NULL && i < all->n; i++)
                known = known || strcasecmp(all->items[i].recipient, address) == 0;
            if (address != NULL && !known && !is_redacted(address))
                findings_add(ctx, all, class, address, "", 0);
        }
    }
}

static void read_feedback(const void *ctx, const struct message *m, struct findings *all)
{
    MEM_SCOPED char *type = mailtext_field(NULL, m->feedback, strlen(m->feedback), "Feedback-Type");
    MEM_SCOPED char *to = NULL, *address = NULL;
    enum finding_class class = FINDING_COMPLAINT;

    if (type == NULL || strncasecmp(type, "not-spam", 8) == 0 ||
        strncasecmp(type, "auth-failure", 12) == 0)
        return;
    if (strncasecmp(type, "opt-out", 7) == 0)
        class = FINDING_UNSUBSCRIBE;
    add_complaints(ctx, m->feedback, class, all);
    if (all->n == 0) {
        to = mailtext_field(NULL, m->original, strlen(m->original), "To");
        address = to == NULL ? NULL : mailtext_address(NULL, to, strlen(to), NULL);
        if (address != NULL && is_redacted(address))
            *address = '\0';
        findings_add(ctx, all, class, address, "", 0);
    }
    for (size_t i = 0; i < all->n; i++)
        all->items[i].reason = mailtext_oneline(ctx, type, strlen(type), FINDING_REASON);
}

/* --- people and their machines ----------------------------------------------------------- */

static bool is_automatic(const struct message *m)
{
    static const char *const subjects[] = {"out of office",
                                           "automatic reply",
                                           "auto reply",
                                           "autoreply",
                                           "auto-reply",
                                           "auto response",
                                           "away until",
                                           "away from",
                                           "on vacation",
                                           "respuesta autom",
                                           "fuera de la oficina",
                                           "resposta autom",
                                           "r\xc3\xa9ponse automatique",
                                           "abwesenheit",
                                           NULL};
    const char *submitted = message_header(m, "Auto-Submitted");

    if (*submitted != '\0' && strncasecmp(submitted, "no", 2) != 0)
        return true;
    if (*message_header(m, "X-Autoreply") != '\0' || *message_header(m, "X-Autorespond") != '\0' ||
        *message_header(m, "X-Autoresponder") != '\0' ||
        *message_header(m, "X-Auto-Reply") != '\0' || header_is(m, "Precedence", "auto_reply") ||
        header_is(m, "Precedence", "auto-reply") || header_is(m, "X-Precedence", "auto_reply") ||
        header_is(m, "X-POST-MessageClass", "9; Autoresponder"))
        return true;
    for (const char *const *s = subjects; *s != NULL; s++)
        if (header_is(m, "Subject", *s))
            return true;
    return false;
}

static bool is_list_mail(const struct message *m)
{
    return *message_header(m, "List-Id") != '\0' || header_is(m, "Precedence", "bulk") ||
           header_is(m, "Precedence", "list") || header_is(m, "Precedence", "junk");
}

static bool is_unsubscription(const struct message *m)
{
    static const char *const subjects[] = {
        "unsubscribe",      "baja",     "darme de baja", "desuscribir", "cancelar suscripci",
        "d\xc3\xa9sinscri", "abmelden", "remove me",     NULL};

    for (const char *const *d = delivered_in; *d != NULL; d++)
        if (header_has(m, *d, "unsubscribe"))
            return true;
    for (const char *const *s = subjects; *s != NULL; s++)
        if (header_is(m, "Subject", *s))
            return true;
    return false;
}

static bool is_reply(const struct message *m)
{
    static const char *const subjects[] = {
        "re:", "rv:", "aw:", "rif:", "r\xc3\xa9p:", "antw:", NULL};

    if (*message_header(m, "In-Reply-To") != '\0' || *message_header(m, "References") != '\0')
        return true;
    for (const char *const *s = subjects; *s != NULL; s++)
        if (header_is(m, "Subject", *s))
            return true;
    return false;
}

/* Mail systems are no persons: what they say that is no bounce (a delay, say) is nothing of ours.
 */
static bool is_from_system(const char *address)
{
    return strncasecmp(address, "mailer-daemon@", 14) == 0 ||
           strncasecmp(address, "postmaster@", 11) == 0;
}

static void read_person(const void *ctx, const struct message *m, struct findings *all)
{
    const char *subject = message_header(m, "Subject");
    MEM_SCOPED char *address = sender_address(NULL, m);
    enum finding_class class;

    if (address == NULL || is_from_system(address))
        return;
    if (is_unsubscription(m)) /* some programs mark it as automatic */
        class = FINDING_UNSUBSCRIBE;
    else if (is_automatic(m))
        class = FINDING_AUTO_REPLY;
    else if (is_list_mail(m) || strcmp(message_header(m, "Return-Path"), "<>") == 0)
        return;
    else if (is_reply(m))
        class = FINDING_REPLY;
    else
        return;
    findings_add(ctx, all, class, address, subject, strlen(subject));
}

/* --- the mail ---------------------------------------------------------------------------- */

/* Which message of ours it speaks of: the one returned, or the one answered. */
static char *speaks_of(const void *ctx, const struct message *m)
{
    char *id = mailtext_field(ctx, m->original, strlen(m->original), "Message-ID");
    const char *answered = message_header(m, "In-Reply-To"), *begin, *end;

    if (id == NULL)
        id = mailtext_field(ctx, m->text, strlen(m->text), "Message-ID");
    if (id == NULL)
        id = mem_strdup(ctx, answered);
    begin = strchr(id, '<');
    end = begin == NULL ? NULL : strchr(begin, '>');
    return end == NULL ? mem_strdup(ctx, "")
                       : mailtext_oneline(ctx, begin, (size_t)(end + 1 - begin), 250);
}

struct findings *classify_mail(const void *ctx, const char *bytes, size_t n)
{
    struct findings *all = mem_new(ctx, struct findings);
    void *scratch = mem_must(talloc_new(NULL));
    struct message *m = message_parse(scratch, bytes, n);
    const char *id;

    if (m == NULL) {
        talloc_free(scratch);
        return all;
    }
    if (*m->feedback != '\0')
        read_feedback(all, m, all);
    else if (*m->status == '\0' || dsn_read(all, m->status, m->text, all) == 0) {
        if (m->disposition)
            ;
        else if (textbounce_is(m))
            textbounce_read(all, m, all);
        else
            read_person(all, m, all);
    }
    id = speaks_of(all, m);
    for (size_t i = 0; i < all->n; i++)
        all->items[i].message_id = id;
    talloc_free(scratch);
    return all;
}

/* What follows the "+" in the local part of the first address of a header that has one. */
static char *plus_part(const void *ctx, const char *header)
{
    const char *end = header;
    char *address, *token = NULL;

    while (token == NULL && (address = mailtext_address(NULL, end, strlen(end), &end)) != NULL) {
        size_t local = strcspn(address, "@"), plus = strcspn(address, "+");

        if (plus + 1 < local)
            token = mem_strndup(ctx, address + plus + 1, local - plus - 1);
        talloc_free(address);
    }
    return token;
}

char *classify_token(const void *ctx, const char *bytes, size_t n)
{
    struct message *m = message_parse(NULL, bytes, n);
    char *token = NULL;

    for (const char *const *d = delivered_in; m != NULL && token == NULL && *d != NULL; d++)
        token = plus_part(ctx, message_header(m, *d));
    talloc_free(m);
    return token == NULL ? mem_strdup(ctx, "") : token;
}

json_t *classify_json(const struct findings *all)
{
    json_t *list = json_array();

    for (size_t i = 0; i < all->n; i++) {
        const struct finding *f = &all->items[i];

        json_array_append_new(list,
                              mem_must(json_pack("{s:s, s:s, s:s, s:s}", "recipient", f->recipient,
                                                 "class", finding_class_name(f->class), "status",
                                                 f->status, "reason", f->reason)));
    }
    return list;
}
