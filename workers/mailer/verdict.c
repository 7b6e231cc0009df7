/* verdict.c - replies to a state.
 *
 * The order of decision: MAIL, then RCPT, then the message. The recipient is looked at before the
 * message, because a relay answers 554 to a pipelined DATA when its 450 to the recipient was the
 * real answer. A message that was handed over whole and got no answer is uncertain; one that was
 * not whole cannot have been taken, so it is tried again. */
#include "workers/mailer/verdict.h"

#include "common/utf8.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *const state_names[] = {
#define X(name) #name,
    VERDICT_STATES(X)
#undef X
};

const char *verdict_state_name(enum verdict_state state)
{
    return state_names[state];
}

bool verdict_state_parse(const char *name, enum verdict_state *ret_state)
{
    for (int i = 0; i < VERDICT_STATE_COUNT; i++)
        if (strcmp(name, state_names[i]) == 0) {
            *ret_state = (enum verdict_state)i;
            return true;
        }
    return false;
}

/* Copies `in` as one line of valid UTF-8: control characters become blanks, runs of blanks one,
 * what is no UTF-8 '?'. */
static void one_line(char out[VERDICT_STATUS + 1], const char *in)
{
    size_t used = 0;
    size_t left = strlen(in);
    while (left > 0) {
        size_t len = utf8_length(in, left);
        char c = len == 0 ? '?' : *in;
        if (len <= 1 && ((unsigned char)c < 0x20 || c == 0x7f))
            c = ' ';
        size_t step = len == 0 ? 1 : len;
        if (used + step > VERDICT_STATUS)
            break;
        if (len > 1) {
            memcpy(out + used, in, len);
            used += len;
        } else if (c != ' ' || (used > 0 && out[used - 1] != ' ')) {
            out[used++] = c;
        }
        in += step;
        left -= step;
    }
    while (used > 0 && out[used - 1] == ' ')
        used--;
    out[used] = '\0';
}

void verdict_set(struct verdict *v, enum verdict_state state, bool hard, const char *code,
                 const char *status, ...)
{
    char text[4 * VERDICT_STATUS];
    va_list ap;
    va_start(ap, status);
    vsnprintf(text, sizeof text, status, ap);
    va_end(ap);
    v->state = state;
    v->hard = hard;
    snprintf(v->code, sizeof v->code, "%s", code);
    one_line(v->status, text);
}

static bool has_any(const char *text, const char *const *words)
{
    for (; *words != NULL; words++)
        if (strcasestr(text, *words) != NULL)
            return true;
    return false;
}

/* Words that say that nobody is there. Asked only where the code leaves it open. */
static bool says_nobody(const char *text)
{
    static const char *const words[] = {"user unknown",
                                        "unknown user",
                                        "no such user",
                                        "no such recipient",
                                        "no such mailbox",
                                        "no such address",
                                        "user not found",
                                        "mailbox not found",
                                        "recipient not found",
                                        "does not exist",
                                        "doesn't exist",
                                        "user doesn",
                                        "invalid recipient",
                                        "invalid mailbox",
                                        "address unknown",
                                        "unknown recipient",
                                        "recipient unknown",
                                        "no mailbox here",
                                        "not a valid mailbox",
                                        "address invalid",
                                        "unknown address",
                                        "unknown local part",
                                        "account has been closed",
                                        "mailbox closed",
                                        "account closed",
                                        "account is closed",
                                        NULL};
    return has_any(text, words);
}

/* Words that say that it is about us, whatever the code. */
static bool says_policy(const char *text)
{
    static const char *const words[] = {"spam",
                                        "blocked",
                                        "blacklist",
                                        "block list",
                                        "blocklist",
                                        "dnsbl",
                                        "policy",
                                        "reputation",
                                        "rate limit",
                                        "too many",
                                        "not authorized",
                                        "spf",
                                        "dmarc",
                                        "dkim",
                                        "relay access denied",
                                        "relaying denied",
                                        "relay not permitted",
                                        "try again",
                                        NULL};
    return has_any(text, words);
}

/* Whether a permanent refusal says that the address does not exist. */
static bool is_hard(const struct reply *r)
{
    const char *text = r->text != NULL ? r->text : "";
    const int *e = r->enhanced;
    if (says_policy(text))
        return false;
    if (e[0] == 5 && e[1] == 1)
        return e[2] == 1 || e[2] == 2 || e[2] == 3 || e[2] == 6 || e[2] == 10 ||
               (e[2] == 0 && says_nobody(text));
    /* No code, one that says nothing, or "mailbox disabled": the text decides. */
    bool open =
        e[0] == 0 ||
        (e[0] == 5 && ((e[1] == 0) || (e[1] == 2 && e[2] == 1) || (e[1] == 5 && e[2] == 0)));
    return open && (r->code == 550 || r->code == 551 || r->code == 552 || r->code == 553) &&
           says_nobody(text) && strcasestr(text, "sender") == NULL;
}

/* A relay that sends enhanced codes without offering them has them at the start of its text: taken
 * from there. */
static struct reply with_code(struct reply r)
{
    unsigned a = 0, b = 0, c = 0;
    int n = 0;
    if (r.enhanced[0] == 0 && r.text != NULL &&
        sscanf(r.text, "%1u.%3u.%3u%n", &a, &b, &c, &n) == 3 && n > 0 &&
        (a == 2 || a == 4 || a == 5) && strchr(" \r\n", r.text[n]) != NULL) {
        r.enhanced[0] = (int)a;
        r.enhanced[1] = (int)b;
        r.enhanced[2] = (int)c;
        r.text += n + strspn(r.text + n, " ");
    }
    return r;
}

static bool is_ok(const struct reply *r)
{
    return r->code >= 200 && r->code < 300;
}

/* Refusals that speak of our right to use the relay, not of this message. */
static bool wants_auth(const struct reply *r)
{
    return r->code == 530 || r->code == 534 || r->code == 535 || r->code == 538;
}

/* Writes the verdict of a reply that is no success. */
static void refused(struct verdict *v, const char *stage, const struct reply *r)
{
    bool permanent = r->code >= 500 && r->code < 600 && r->enhanced[0] != 4 && !wants_auth(r);
    char code[16] = "";
    if (r->enhanced[0] != 0)
        snprintf(code, sizeof code, "%d.%d.%d", r->enhanced[0] % 10, r->enhanced[1] % 1000,
                 r->enhanced[2] % 1000);
    bool hard = permanent && is_hard(r);
    if (code[0] == '\0' && hard)
        snprintf(code, sizeof code, "5.1.1");
    const char *text = r->text != NULL ? r->text : "";
    verdict_set(v, permanent ? VERDICT_failed : VERDICT_retry, hard, code, "%s: %d %s%s%s", stage,
                r->code, r->enhanced[0] != 0 ? code : "", r->enhanced[0] != 0 ? " " : "", text);
}

static void unanswered(struct verdict *v, enum verdict_state state, const char *stage,
                       const char *trouble)
{
    verdict_set(v, state, false, "", "%s: %s", stage,
                trouble != NULL ? trouble : "connection lost before the answer");
}

void verdict_of(const struct replies *replies, struct verdict *v)
{
    const struct replies given = {.mail = with_code(replies->mail),
                                  .rcpt = with_code(replies->rcpt),
                                  .data = with_code(replies->data),
                                  .complete = replies->complete,
                                  .trouble = replies->trouble};
    const struct replies *r = &given;
    if (r->mail.code >= 400) {
        refused(v, "MAIL", &r->mail);
        v->hard = false;
    } else if (!is_ok(&r->mail)) {
        unanswered(v, VERDICT_retry, "MAIL", r->trouble);
    } else if (r->rcpt.code >= 400) {
        refused(v, "RCPT", &r->rcpt);
    } else if (!is_ok(&r->rcpt)) {
        unanswered(v, VERDICT_retry, "RCPT", r->trouble);
    } else if (r->data.code >= 400) {
        refused(v, "DATA", &r->data);
    } else if (!r->complete) {
        unanswered(v, VERDICT_retry, "DATA", r->trouble);
    } else if (is_ok(&r->data)) {
        verdict_set(v, VERDICT_sent, false, "", "%d %s", r->data.code,
                    r->data.text != NULL ? r->data.text : "");
    } else {
        unanswered(v, VERDICT_uncertain, "DATA", r->trouble);
    }
}
