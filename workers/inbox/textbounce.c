/* textbounce.c - see textbounce.h. */
#include "workers/inbox/textbounce.h"

#include "common/mem.h"
#include "workers/inbox/mailtext.h"
#include "workers/inbox/reason.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define RECIPIENTS_MAX 50
#define ADDRESSES_MAX  300  /* looked at in one text */
#define AROUND_MAX     1500 /* bytes of the words about one recipient */
#define BEFORE_MAX     500  /* bytes of a line that may lead to an address */

/* --- is it one? -------------------------------------------------------------------------- */

static bool any_within(const char *text, const char *const *words)
{
    for (; *words != NULL; words++)
        if (strcasestr(text, *words) != NULL)
            return true;
    return false;
}

static bool sent_by_a_system(const struct message *m)
{
    static const char *const senders[] = {"mailer-daemon",
                                          "mailer_daemon",
                                          "mailerdaemon",
                                          "postmaster",
                                          "post_master",
                                          "mail-daemon",
                                          "mail delivery sys",
                                          "mail delivery sub",
                                          "mail.delivery.system",
                                          "no-reply@sns.amazonaws",
                                          "sysadmin@",
                                          "mail administrator",
                                          "mdaemon",
                                          "mailmarshal",
                                          "antispam",
                                          "mailfoundry",
                                          NULL};
    const char *path = message_header(m, "Return-Path");

    return any_within(message_header(m, "From"), senders) || strcmp(path, "<>") == 0 ||
           strcasestr(path, "mailer-daemon") != NULL ||
           *message_header(m, "X-Failed-Recipients") != '\0';
}

static bool subject_says_so(const struct message *m)
{
    static const char *const subjects[] = {"undeliver",
                                           "not delivered",
                                           "delivery fail",
                                           "delivery stat",
                                           "delivery notif",
                                           "delivery has failed",
                                           "failure notice",
                                           "failure delivery",
                                           "failed",
                                           "returned mail",
                                           "returned to sender",
                                           "returning message",
                                           "could not be delivered",
                                           "cannot be delivered",
                                           "delivery error",
                                           "delivery problem",
                                           "delivery report",
                                           "error sending",
                                           "non remis",
                                           "no se ha podido entregar",
                                           "no se pudo entregar",
                                           "devuelto",
                                           "unzustellbar",
                                           "mail error",
                                           "permanent error",
                                           "there was an error",
                                           "unknown user",
                                           "user unknown",
                                           "mail system error",
                                           "message status",
                                           "notification message",
                                           NULL};

    return any_within(message_header(m, "Subject"), subjects);
}

static bool text_says_so(const char *text)
{
    static const char *const words[] = {"not be delivered",
                                        "not delivered",
                                        "undeliver",
                                        "unable to deliver",
                                        "not able to deliver",
                                        "delivery failed",
                                        "delivery failure",
                                        "delivery to the following",
                                        "delivery has failed",
                                        "failed permanently",
                                        "error delivering",
                                        "error occurred while",
                                        "trying to deliver",
                                        "trouble delivering",
                                        "failed to deliver",
                                        "returned to sender",
                                        "permanent error",
                                        "fatal errors",
                                        "permanently",
                                        "transcript of session",
                                        "could not deliver",
                                        "couldn't be delivered",
                                        "couldn't deliver",
                                        "wasn't delivered",
                                        "wasn't able to deliver",
                                        "did not reach",
                                        "didn't reach",
                                        "not been delivered",
                                        "being returned",
                                        "is returned",
                                        "was returned",
                                        "returned the following",
                                        "following error",
                                        "following address",
                                        "following recipient",
                                        "delivery error",
                                        "error code",
                                        "rejected",
                                        "bounced",
                                        "bouncetype",
                                        "user unknown",
                                        "unknown user",
                                        "no such user",
                                        "not exist",
                                        "no se pudo entregar",
                                        "no se ha podido entregar",
                                        "n'a pas pu",
                                        "konnte nicht",
                                        NULL};

    return any_within(text, words);
}

/* Words that a system's mail says for one reason alone. */
static bool text_is_sure(const char *text)
{
    static const char *const words[] = {"did not reach the following recipient",
                                        "could not be delivered to:",
                                        "could not be delivered to one or more",
                                        "wasn't able to deliver your message",
                                        "error message below",
                                        "failed permanently",
                                        NULL};

    return any_within(text, words);
}

bool textbounce_is(const struct message *m)
{
    if (*message_header(m, "X-Failed-Recipients") != '\0' ||
        strcasecmp(message_type_parameter(m, "report-type"), "delivery-status") == 0)
        return true;
    if (!sent_by_a_system(m))
        return false;
    return text_is_sure(m->text) ||
           (subject_says_so(m) && (text_says_so(m->text) || reason_says(m->text)));
}

/* --- what it says ------------------------------------------------------------------------ */

/* Where the returned message begins: its copy is full of addresses that did not fail. */
static size_t words_end(const char *text)
{
    static const char *const begins[] = {"received:",
                                         "return-path:",
                                         "--- below this line",
                                         "--- original message",
                                         "--- the header of",
                                         "--- enclosed is",
                                         "--- undelivered message",
                                         "--- unsent message",
                                         "--- this is a copy",
                                         "--- message header",
                                         "message headers follow",
                                         "----- original message",
                                         "------ this is a copy",
                                         "------ this is the header",
                                         "original message:",
                                         "original message follows",
                                         "--- returned message",
                                         "dkim-signature:",
                                         "the original message",
                                         "your original message",
                                         "--- the body of",
                                         "content of your message",
                                         "--- message follows",
                                         NULL};
    const char *next, *line = text;

    for (; line != NULL; line = next) {
        size_t n = mailtext_line(line, &next), skip = strspn(line, " >|");

        if (skip >= n || line == text)
            continue;
        for (const char *const *b = begins; *b != NULL; b++) {
            const char *word = line + skip;

            while (word[0] == '-' && strncmp(*b, "---", 3) == 0 &&
                   strncasecmp(word, *b, strlen(*b)) != 0)
                word++;
            if (strncasecmp(word, *b, strlen(*b)) == 0)
                return (size_t)(line - text);
        }
    }
    return strlen(text);
}

/* `sender` is the From of the returned message, or NULL. */
static bool is_ours(const struct message *m, const char *sender, const char *address)
{
    static const char *const own[] = {"To", "Delivered-To", "X-Original-To", "Envelope-To", NULL};
    static const char *const systems[] = {"mailer-daemon@", "postmaster@", "abuse@",
                                          "support@",       "helpdesk@",   NULL};

    for (const char *const *o = own; *o != NULL; o++)
        if (strcasestr(message_header(m, *o), address) != NULL)
            return true;
    for (const char *const *s = systems; *s != NULL; s++)
        if (strncasecmp(address, *s, strlen(*s)) == 0)
            return true;
    return sender != NULL && strcasestr(sender, address) != NULL;
}

/* Whether the line is one that names a recipient that failed: it begins with the address, or with
 * words that lead to it. */
static bool names_recipient(const char *line, const char *address_at, size_t n)
{
    static const char *const labels[] = {"recipient",    "rcpt to",  "delivering your mail to",
                                         "deliver",      "address:", "to:",
                                         "to <",         "<<<",      "user",
                                         "mailbox",      "target",   "account",
                                         "could not be", "failed",   NULL};
    static const char *const others[] = {
        "message-id", "  to:",    "mail from", "from:",    "sender",
        "contact",    "reply-to", "subject:",  ">>> data", NULL};
    MEM_SCOPED char *before = NULL, *whole = NULL;

    if (address_at - line > BEFORE_MAX)
        return false;
    before = mem_strndup(NULL, line, (size_t)(address_at - line));
    if (any_within(before, others))
        return false;
    if (strspn(before, " \t<>\"'*-+:;,.()[]|#0123456789") == strlen(before))
        return true;
    whole = mem_strndup(NULL, line, n < 2 * AROUND_MAX ? n : 2 * AROUND_MAX);
    return any_within(before, labels) || reason_says(whole);
}

struct named {
    char *address;
    const char *at;
};

static bool already(const struct named *found, size_t n, const char *address)
{
    for (size_t i = 0; i < n; i++)
        if (strcasecmp(found[i].address, address) == 0)
            return true;
    return false;
}

/* Where `own` is set, addresses that are ours count too: a mail to oneself may fail. */
static size_t find_named(const void *ctx, const struct message *m, size_t len, bool own,
                         struct named *found)
{
    size_t n = 0, seen = 0;
    const char *next, *end = m->text + len;
    MEM_SCOPED char *sender = mailtext_field(NULL, m->original, strlen(m->original), "From");

    for (const char *line = m->text; line != NULL && line < end; line = next) {
        size_t left = mailtext_line(line, &next);
        const char *at = line, *stop;
        char *address;

        while (n < RECIPIENTS_MAX && seen < ADDRESSES_MAX &&
               (address = mailtext_address(ctx, at, (size_t)(line + left - at), &stop)) != NULL) {
            const char *begin = stop - strlen(address);

            seen++;
            if ((own || !is_ours(m, sender, address)) && !already(found, n, address) &&
                begin >= line && names_recipient(line, begin, left))
                found[n++] = (struct named){address, line};
            at = stop;
        }
    }
    return n;
}

/* X-Failed-Recipients names them all; else the text; else the returned message's To. */
static size_t recipients(const void *ctx, const struct message *m, size_t len, struct named *found)
{
    const char *header = message_header(m, "X-Failed-Recipients"), *stop = header;
    size_t n = 0;
    char *address;
    MEM_SCOPED char *to = NULL;

    while (n < RECIPIENTS_MAX &&
           (address = mailtext_address(ctx, stop, strlen(stop), &stop)) != NULL)
        if (!already(found, n, address))
            found[n++] = (struct named){address, strcasestr(m->text, address)};
    if (n == 0)
        n = find_named(ctx, m, len, false, found);
    if (n > 0)
        return n;
    to = mailtext_field(NULL, m->original, strlen(m->original), "To");
    if (to == NULL)
        to = mailtext_field(NULL, m->text + len, strlen(m->text + len), "To");
    address = to == NULL ? NULL : mailtext_address(ctx, to, strlen(to), NULL);
    if (address == NULL)
        return find_named(ctx, m, len, true, found);
    found[0] = (struct named){address, NULL};
    return 1;
}

static bool tells(const char *words)
{
    return reason_says(words) || reason_reply(words) > 0;
}

/* The words from this recipient to the next one, and of those the first paragraph if it tells why;
 * all of them where they do not. */
static char *words_of(const void *ctx, const struct message *m, size_t len,
                      const struct named *found, size_t n, size_t i)
{
    const char *from = found[i].at, *to = m->text + len, *gap;
    char *words;

    if (from == NULL || from >= to)
        return mem_strndup(ctx, m->text, len);
    for (size_t k = 0; k < n; k++)
        if (found[k].at != NULL && found[k].at > from && found[k].at < to)
            to = found[k].at;
    if (to - from > AROUND_MAX)
        to = from + AROUND_MAX;
    gap = memmem(from, (size_t)(to - from), "\n\n", 2);
    words = mem_strndup(ctx, from, (size_t)((gap == NULL ? to : gap) - from));
    if (tells(words))
        return words;
    words = mem_strndup(ctx, from, (size_t)(to - from));
    return n > 1 || tells(words) ? words : mem_strndup(ctx, m->text, len);
}

void textbounce_read(const void *ctx, const struct message *m, struct findings *all)
{
    void *scratch = mem_must(talloc_new(NULL));
    struct named found[RECIPIENTS_MAX];
    size_t len = words_end(m->text), n = recipients(scratch, m, len, found);

    for (size_t i = 0; i < n; i++) {
        char *words = words_of(scratch, m, len, found, n, i), status[FINDING_STATUS] = "";
        char *field = mailtext_field(scratch, words, strlen(words), "Status");
        char shown[FINDING_STATUS];
        enum finding_class class;
        struct finding *f;

        if (field != NULL)
            reason_status(field, status);
        class = reason_judge(status, words, shown);
        f = findings_add(ctx, all, class, found[i].address, words, strlen(words));
        memcpy(f->status, shown, sizeof(shown));
    }
    talloc_free(scratch);
}
