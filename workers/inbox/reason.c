/* reason.c - see reason.h. One more phrase is one more line of the table; the first line that fits
 * wins, so what lowers a verdict stands above what raises it. In a phrase, "*" stands for up to GAP
 * bytes. Before they are compared, texts lose their capitals, addresses and URLs: local parts and
 * links are full of words that mean nothing. */
#include "workers/inbox/reason.h"

#include "common/mem.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define GAP      40
#define TEXT_MAX 4000

enum kind {
    KIND_FULL,
    KIND_CLOSED,
    KIND_POLICY,
    KIND_NO_USER,
    KIND_NO_HOST,
    KIND_PASSING,
    KIND_NONE
};

static const struct phrase {
    enum kind kind;
    const char *words;
} phrases[] = {
    /* refusals that sound like another sort */
    {KIND_NO_USER, "recipient address rejected: access denied"},
    {KIND_NO_USER, "invalid recipient"},
    {KIND_POLICY, "too many recipients"},
    {KIND_PASSING, "too many hops"},
    {KIND_PASSING, "hop count exceeded"},
    {KIND_PASSING, "mail loop"},
    {KIND_PASSING, "routing loop"},

    {KIND_FULL, "mailbox full"},
    {KIND_FULL, "mailbox is full"},
    {KIND_FULL, "mailbox * full"},
    {KIND_FULL, "inbox is full"},
    {KIND_FULL, "mail box full"},
    {KIND_FULL, "over quota"},
    {KIND_FULL, "overquota"},
    {KIND_FULL, "over * quota"},
    {KIND_FULL, "quota exceeded"},
    {KIND_FULL, "quota * exceeded"},
    {KIND_FULL, "exceed* quota"},
    {KIND_FULL, "quota full"},
    {KIND_FULL, "disk quota"},
    {KIND_FULL, "out of storage"},
    {KIND_FULL, "storage limit"},
    {KIND_FULL, "insufficient * space"},
    {KIND_FULL, "insufficient * storage"},
    {KIND_FULL, "no space left"},
    {KIND_FULL, "not enough * space"},
    {KIND_FULL, "mailbox size limit"},
    {KIND_FULL, "mailbox exceeds"},
    {KIND_FULL, "exceeded storage allocation"},
    {KIND_FULL, "too many messages"},
    {KIND_FULL, "mailbox has exceeded"},
    {KIND_FULL, "buz\xc3\xb3n lleno"},
    {KIND_FULL, "casilla llena"},
    {KIND_FULL, "bo\xc3\xaete * pleine"},

    {KIND_CLOSED, "account disabled"},
    {KIND_CLOSED, "account * disabled"},
    {KIND_CLOSED, "account * inactive"},
    {KIND_CLOSED, "account * suspended"},
    {KIND_CLOSED, "account * locked"},
    {KIND_CLOSED, "disabled recipient"},
    {KIND_CLOSED, "disabled account"},
    {KIND_CLOSED, "inactive account"},
    {KIND_CLOSED, "user suspended"},
    {KIND_CLOSED, "user * suspended"},
    {KIND_CLOSED, "user * inactive"},
    {KIND_CLOSED, "mailbox * inactive"},
    {KIND_CLOSED, "mailbox * disabled"},
    {KIND_CLOSED, "mailbox is frozen"},
    {KIND_CLOSED, "mailbox * suspended"},
    {KIND_CLOSED, "recipient suspend"},
    {KIND_CLOSED, "not active"},
    {KIND_CLOSED, "on hold"},
    {KIND_CLOSED, "temporarily disabled"},
    {KIND_CLOSED, "permission * recipient"},

    {KIND_POLICY, "message too large"},
    {KIND_POLICY, "message is too large"},
    {KIND_POLICY, "too big"},
    {KIND_POLICY, "message size exceeds"},
    {KIND_POLICY, "maximum message size"},
    {KIND_POLICY, "message length exceeds"},
    {KIND_POLICY, "size limit"},
    {KIND_POLICY, "exceeds the size"},
    {KIND_POLICY, "spam"},
    {KIND_POLICY, "virus"},
    {KIND_POLICY, "blocked"},
    {KIND_POLICY, "blacklist"},
    {KIND_POLICY, "blocklist"},
    {KIND_POLICY, "block list"},
    {KIND_POLICY, "black list"},
    {KIND_POLICY, "is listed"},
    {KIND_POLICY, "listed at"},
    {KIND_POLICY, "listed by"},
    {KIND_POLICY, "reputation"},
    {KIND_POLICY, "dmarc"},
    {KIND_POLICY, "dkim"},
    {KIND_POLICY, "spf "},
    {KIND_POLICY, "unauthenticated"},
    {KIND_POLICY, "authenticat"},
    {KIND_POLICY, "not authorized"},
    {KIND_POLICY, "unauthorized"},
    {KIND_POLICY, "policy"},
    {KIND_POLICY, "policies"},
    {KIND_POLICY, "reverse dns"},
    {KIND_POLICY, "ptr record"},
    {KIND_POLICY, "dns ptr"},
    {KIND_POLICY, "rdns"},
    {KIND_POLICY, "reverse * lookup"},
    {KIND_POLICY, "mismatches client ip"},
    {KIND_POLICY, "client host rejected"},
    {KIND_POLICY, "cannot find your * hostname"},
    {KIND_POLICY, "access denied"},
    {KIND_POLICY, "relay"},
    {KIND_POLICY, "sender address"},
    {KIND_POLICY, "sender domain"},
    {KIND_POLICY, "sender rejected"},
    {KIND_POLICY, "sender * rejected"},
    {KIND_POLICY, "sender is not"},
    {KIND_POLICY, "sender verify failed"},
    {KIND_POLICY, "sender * blocked"},
    {KIND_POLICY, "responsible address"},
    {KIND_POLICY, "domain of sender"},
    {KIND_POLICY, "content reject"},
    {KIND_POLICY, "content * reject"},
    {KIND_POLICY, "message rejected"},
    {KIND_POLICY, "message refused"},
    {KIND_POLICY, "banned"},
    {KIND_POLICY, "bulk"},
    {KIND_POLICY, "unsolicited"},
    {KIND_POLICY, "suspicious"},
    {KIND_POLICY, "complaint"},
    {KIND_POLICY, "rate limit"},
    {KIND_POLICY, "frequency limited"},
    {KIND_POLICY, "too many connections"},
    {KIND_POLICY, "too many concurrent"},
    {KIND_POLICY, "rfc 5322"},
    {KIND_POLICY, "rfc 2822"},
    {KIND_POLICY, "header error"},
    {KIND_POLICY, "starttls"},
    {KIND_POLICY, "not accepted from"},
    {KIND_POLICY, "refused to accept your message"},
    {KIND_POLICY, "you are not allowed"},
    {KIND_POLICY, "no permite"},

    {KIND_NO_USER, "user unknown"},
    {KIND_NO_USER, "unknown user"},
    {KIND_NO_USER, "user * unknown"},
    {KIND_NO_USER, "no such user"},
    {KIND_NO_USER, "no such recipient"},
    {KIND_NO_USER, "no such mailbox"},
    {KIND_NO_USER, "no such address"},
    {KIND_NO_USER, "no such person"},
    {KIND_NO_USER, "no such account"},
    {KIND_NO_USER, "no such local user"},
    {KIND_NO_USER, "no such virtual user"},
    {KIND_NO_USER, "no mailbox"},
    {KIND_NO_USER, "no account"},
    {KIND_NO_USER, "no valid recipients"},
    {KIND_NO_USER, "user not found"},
    {KIND_NO_USER, "user * not found"},
    {KIND_NO_USER, "user does not exist"},
    {KIND_NO_USER, "user doesn't exist"},
    {KIND_NO_USER, "user * doesn't have"},
    {KIND_NO_USER, "doesn't have a * account"},
    {KIND_NO_USER, "recipient not found"},
    {KIND_NO_USER, "recipient * not found"},
    {KIND_NO_USER, "recipnotfound"},
    {KIND_NO_USER, "recipient unknown"},
    {KIND_NO_USER, "unknown recipient"},
    {KIND_NO_USER, "recipient * does not exist"},
    {KIND_NO_USER, "recipient no longer"},
    {KIND_NO_USER, "no longer on server"},
    {KIND_NO_USER, "no longer available"},
    {KIND_NO_USER, "no longer valid"},
    {KIND_NO_USER, "no longer exists"},
    {KIND_NO_USER, "address unknown"},
    {KIND_NO_USER, "unknown address"},
    {KIND_NO_USER, "unknown local"},
    {KIND_NO_USER, "unknown mailbox"},
    {KIND_NO_USER, "unknown account"},
    {KIND_NO_USER, "unknown email"},
    {KIND_NO_USER, "unknown or illegal"},
    {KIND_NO_USER, "account * does not exist"},
    {KIND_NO_USER, "account * not exist"},
    {KIND_NO_USER, "account * deleted"},
    {KIND_NO_USER, "account * closed"},
    {KIND_NO_USER, "address * does not exist"},
    {KIND_NO_USER, "address * doesn't exist"},
    {KIND_NO_USER, "address * not found"},
    {KIND_NO_USER, "address couldn't be found"},
    {KIND_NO_USER, "mailbox does not exist"},
    {KIND_NO_USER, "mailbox * does not exist"},
    {KIND_NO_USER, "mailbox not found"},
    {KIND_NO_USER, "mailbox * not found"},
    {KIND_NO_USER, "mailbox unknown"},
    {KIND_NO_USER, "invalid mailbox"},
    {KIND_NO_USER, "invalid user"},
    {KIND_NO_USER, "invalid final delivery"},
    {KIND_NO_USER, "name is not recognized"},
    {KIND_NO_USER, "not a valid mailbox"},
    {KIND_NO_USER, "not a valid recipient"},
    {KIND_NO_USER, "not a known user"},
    {KIND_NO_USER, "not our customer"},
    {KIND_NO_USER, "not listed in"},
    {KIND_NO_USER, "bad destination mailbox"},
    {KIND_NO_USER, "bad mailbox"},
    {KIND_NO_USER, "badly formed"},
    {KIND_NO_USER, "unrouteable address"},
    {KIND_NO_USER, "unroutable address"},
    {KIND_NO_USER, "usuario desconocido"},
    {KIND_NO_USER, "destinatario desconocido"},
    {KIND_NO_USER, "usuario * no existe"},
    {KIND_NO_USER, "direcci\xc3\xb3n * no existe"},
    {KIND_NO_USER, "nadie con esta direcci"},
    {KIND_NO_USER, "utilisateur inconnu"},
    {KIND_NO_USER, "empf\xc3\xa4nger unbekannt"},

    {KIND_NO_HOST, "host unknown"},
    {KIND_NO_HOST, "unknown host"},
    {KIND_NO_HOST, "host not found"},
    {KIND_NO_HOST, "domain not found"},
    {KIND_NO_HOST, "unknown domain"},
    {KIND_NO_HOST, "no such domain"},
    {KIND_NO_HOST, "domain * does not exist"},
    {KIND_NO_HOST, "domain does not exist"},
    {KIND_NO_HOST, "bad destination system"},
    {KIND_NO_HOST, "domain is not reachable"},
    {KIND_NO_HOST, "unrouteable mail domain"},
    {KIND_NO_HOST, "couldn't find any host"},
    {KIND_NO_HOST, "does not accept mail"},
    {KIND_NO_HOST, "not accept any mail"},
    {KIND_NO_HOST, "not accepting network messages"},
    {KIND_NO_HOST, "no mail servers for"},
    {KIND_NO_HOST, "all relevant mx records point to non-existent"},

    {KIND_PASSING, "timed out"},
    {KIND_PASSING, "timeout"},
    {KIND_PASSING, "time out"},
    {KIND_PASSING, "refused"},
    {KIND_PASSING, "lost connection"},
    {KIND_PASSING, "deferred"},
    {KIND_PASSING, "temporar"},
    {KIND_PASSING, "try again"},
    {KIND_PASSING, "queue too long"},
    {KIND_PASSING, "could not connect"},
    {KIND_PASSING, "unable to connect"},
    {KIND_PASSING, "couldn't be connected"},
    {KIND_PASSING, "name server"},
    {KIND_PASSING, "unavailable"},
    {KIND_PASSING, "not reachable"},
    {KIND_PASSING, "multiple retries"},
    {KIND_PASSING, "system error"},
};

/* --- texts ------------------------------------------------------------------------------- */

static bool is_url(const char *word)
{
    return strncasecmp(word, "http://", 7) == 0 || strncasecmp(word, "https://", 8) == 0;
}

/* Small letters, one space between words, no addresses, no URLs. */
static void normalise(const char *text, char *out, size_t max)
{
    size_t n = 0;

    while (*text != '\0') {
        size_t len = strcspn(text, " \t\r\n");

        if (len > 0 && !is_url(text) && memchr(text, '@', len) == NULL) {
            if (n + len + 2 > max)
                break;
            for (size_t i = 0; i < len; i++)
                out[n++] = (char)tolower((unsigned char)text[i]);
            out[n++] = ' ';
        }
        text += len;
        text += strspn(text, " \t\r\n");
    }
    out[n] = '\0';
}

static const char *find_bounded(const char *text, const char *word, size_t n, size_t reach)
{
    for (size_t i = 0; i <= reach && text[i] != '\0'; i++)
        if (strncmp(text + i, word, n) == 0)
            return text + i + n;
    return NULL;
}

static bool phrase_within(const char *text, const char *words)
{
    size_t first = strcspn(words, "*");

    for (const char *at = text; (at = find_bounded(at, words, first, TEXT_MAX)) != NULL;) {
        const char *rest = words + first, *end = at;

        while (*rest == '*' && end != NULL) {
            size_t n = strcspn(++rest, "*");

            end = find_bounded(end, rest, n, GAP);
            rest += n;
        }
        if (end != NULL)
            return true;
    }
    return false;
}

static enum kind kind_of(const char *text)
{
    char plain[TEXT_MAX];

    normalise(text, plain, sizeof(plain));
    for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
        if (phrase_within(plain, phrases[i].words))
            return phrases[i].kind;
    return KIND_NONE;
}

bool reason_says(const char *text)
{
    return kind_of(text) != KIND_NONE;
}

/* --- codes ------------------------------------------------------------------------------- */

static bool is_code_edge(char c)
{
    return !isalnum((unsigned char)c) && c != '.' && c != '-' && c != '_';
}

bool reason_status(const char *text, char ret_status[FINDING_STATUS])
{
    for (const char *s = text; *s != '\0'; s++) {
        unsigned a, b, c;
        int n = 0;

        if (*s < '2' || *s > '5' || *s == '3' || s[1] != '.' ||
            (s > text && !is_code_edge(s[-1]) && s[-1] != '-'))
            continue;
        if (sscanf(s, "%1u.%3u.%3u%n", &a, &b, &c, &n) != 3 || n == 0 ||
            isalnum((unsigned char)s[n]) || (s[n] == '.' && isdigit((unsigned char)s[n + 1])))
            continue;
        snprintf(ret_status, FINDING_STATUS, "%u.%u.%u", a, b, c);
        return true;
    }
    return false;
}

int reason_reply(const char *text)
{
    for (const char *s = text; *s != '\0'; s++)
        if ((*s == '4' || *s == '5') && isdigit((unsigned char)s[1]) &&
            isdigit((unsigned char)s[2]) && s[1] <= '6' &&
            (s > text ? is_code_edge(s[-1]) : true) &&
            (s[3] == ' ' || s[3] == '-' || s[3] == ':' || s[3] == ',' || s[3] == '\n' ||
             s[3] == '\0'))
            return (s[0] - '0') * 100 + (s[1] - '0') * 10 + (s[2] - '0');
    return 0;
}

/* "5.0.0" and the like say no more than the reply's first digit. */
static bool is_vague(const char *status)
{
    return *status == '\0' || strcmp(status + 1, ".0.0") == 0;
}

static bool is_any(const char *status, const char *list)
{
    char spaced[FINDING_STATUS + 2];

    snprintf(spaced, sizeof(spaced), " %s ", status);
    return strstr(list, spaced) != NULL;
}

/* --- the verdict ------------------------------------------------------------------------- */

static enum finding_class by_status(const char *status)
{
    if (is_any(status, " 5.1.1 5.1.2 5.1.3 5.1.6 5.1.10 "))
        return FINDING_HARD;
    if (strncmp(status, "5.7.", 4) == 0 || strncmp(status, "5.6.", 4) == 0 ||
        is_any(status, " 5.1.7 5.1.8 5.2.3 5.3.4 "))
        return FINDING_POLICY;
    return FINDING_SOFT;
}

/* Words raise a verdict to hard where the status leaves it open. */
static bool may_be_raised(const char *status)
{
    return *status == '\0' || (*status == '5' && by_status(status) != FINDING_POLICY &&
                               !is_any(status, " 5.2.2 5.4.6 5.4.7 "));
}

enum finding_class reason_judge(const char *status, const char *text,
                                char ret_status[FINDING_STATUS])
{
    char found[FINDING_STATUS] = "";
    int reply = reason_reply(text);

    if (is_vague(status) && reason_status(text, found) && (*status == '\0' || found[0] == *status))
        status = found;
    snprintf(ret_status, FINDING_STATUS, "%.*s", FINDING_STATUS - 1, status);
    if (*status == '4' || (*status == '\0' && reply >= 400 && reply <= 499))
        return kind_of(text) == KIND_POLICY ? FINDING_POLICY : FINDING_SOFT;
    switch (kind_of(text)) {
    case KIND_FULL:
    case KIND_CLOSED:
        return FINDING_SOFT;
    case KIND_POLICY:
        return FINDING_POLICY;
    case KIND_NO_USER:
    case KIND_NO_HOST:
        return may_be_raised(status) ? FINDING_HARD : by_status(status);
    case KIND_PASSING:
        return by_status(status) == FINDING_POLICY ? FINDING_POLICY : FINDING_SOFT;
    case KIND_NONE:
        return by_status(status);
    }
    bug("kind of refusal");
}
