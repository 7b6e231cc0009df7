/* dsn.c - see dsn.h. */
#include "workers/inbox/dsn.h"

#include "common/mem.h"
#include "workers/inbox/mailtext.h"
#include "workers/inbox/reason.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define RECIPIENT_MAX 320

struct finding *findings_add(const void *ctx, struct findings *all, enum finding_class class,
                             const char *recipient, const char *words, size_t n)
{
    struct finding *f;

    mem_grow(ctx, &all->items, &all->cap, all->n + 1);
    f = &all->items[all->n++];
    *f = (struct finding){.class = class, .recipient = "", .message_id = ""};
    if (recipient != NULL)
        f->recipient = mailtext_oneline(ctx, recipient, strlen(recipient), RECIPIENT_MAX);
    f->reason = mailtext_oneline(ctx, words, n, FINDING_REASON);
    return f;
}

/* The group's end: an empty line, or the next group's first field where the empty line is missing.
 */
static const char *group_end(const char *s)
{
    const char *next, *line = s;
    bool recipient = false, action = false;

    for (; line != NULL && *line != '\0'; line = next) {
        size_t n = mailtext_line(line, &next);
        bool is_recipient = n > 16 && strncasecmp(line, "Final-Recipient:", 16) == 0;
        bool is_action = n > 7 && strncasecmp(line, "Action:", 7) == 0;

        if (strspn(line, " \t") >= n || (recipient && is_recipient) || (action && is_action))
            return line;
        recipient = recipient || is_recipient;
        action = action || is_action;
    }
    return line == NULL ? s + strlen(s) : line;
}

static char *group_recipient(const void *ctx, const char *s, size_t n)
{
    static const char *const names[] = {"Final-Recipient", "Original-Recipient",
                                        "X-Actual-Recipient"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        MEM_SCOPED char *value = mailtext_field(NULL, s, n, names[i]);
        const char *bare = value == NULL ? NULL : strchr(value, ';');
        char *address = NULL;

        if (value == NULL)
            continue;
        bare = bare == NULL ? value : bare + 1;
        address = mailtext_address(ctx, bare, strlen(bare), NULL);
        if (address != NULL)
            return address;
    }
    return NULL;
}

/* The piece of what people read that speaks of this recipient, or all of it. */
static const char *words_about(const char *text, const char *recipient)
{
    const char *at = strcasestr(text, recipient);

    return at != NULL && reason_says(at) ? at : text;
}

/* "smtp; 550 no such user" without its type, which may hold words of its own
 * ("X-Outbound-Mail-Relay"). */
static const char *without_type(const char *diagnostic)
{
    size_t n = strcspn(diagnostic, "; ");

    return diagnostic[n] == ';' ? diagnostic + n + 1 : diagnostic;
}

static void add_failed(const void *ctx, const char *recipient, const char *status,
                       const char *diagnostic, const char *text, struct findings *all)
{
    char code[FINDING_STATUS] = "", shown[FINDING_STATUS];
    const char *words = diagnostic == NULL ? "" : diagnostic;
    enum finding_class class;
    struct finding *f;

    if (status != NULL)
        reason_status(status, code);
    words = without_type(words);
    /* Where the report says no more than a number, people may be told more. */
    if (!reason_says(words)) {
        if (status != NULL && reason_says(status))
            words = status;
        else if (diagnostic == NULL || strcspn(diagnostic, " ") + 8 > strlen(diagnostic))
            words = words_about(text, recipient);
    }
    class = reason_judge(code, words, shown);
    if (diagnostic == NULL)
        diagnostic = words;
    f = findings_add(ctx, all, class, recipient, diagnostic, strlen(diagnostic));
    memcpy(f->status, shown, sizeof(shown));
}

/* Gives whether the group names a recipient. */
static bool read_group(const void *ctx, const char *s, size_t n, const char *text,
                       struct findings *all)
{
    void *scratch = mem_must(talloc_new(NULL));
    char *recipient = group_recipient(scratch, s, n);
    char *action = mailtext_field(scratch, s, n, "Action");
    char *status = mailtext_field(scratch, s, n, "Status");
    char *diagnostic = mailtext_field(scratch, s, n, "Diagnostic-Code");
    bool failed;

    if (recipient == NULL) {
        talloc_free(scratch);
        return false;
    }
    failed = action != NULL ? strncasecmp(action, "failed", 6) == 0
                            : status != NULL && (*status == '5' || *status == '4');
    if (failed)
        add_failed(ctx, recipient, status, diagnostic, text, all);
    talloc_free(scratch);
    return true;
}

size_t dsn_read(const void *ctx, const char *status, const char *text, struct findings *all)
{
    size_t recipients = 0;

    for (const char *s = status; *s != '\0' && all->n < DSN_RECIPIENTS;) {
        const char *end = group_end(s);

        if (end == s) {
            s += strcspn(s, "\n");
            s += *s == '\n';
            continue;
        }
        if (read_group(ctx, s, (size_t)(end - s), text, all))
            recipients++;
        s = end;
    }
    return recipients;
}
