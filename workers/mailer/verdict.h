/* verdict.h - what the relay's answers to one message mean. Pure.
 *
 * Only an answer that says that the address does not exist is hard (STANDARDS.md
 * B5): 5.1.1, 5.1.2, 5.1.3, 5.1.6, 5.1.10, or a text that says so where the reply carries no more
 * exact code. A refusal for policy, size or form fails the message and leaves the person alone.
 * Where the three-digit code and the enhanced code disagree about temporary or permanent, the
 * milder one wins. */
#ifndef LAZO_MAILER_VERDICT_H
#define LAZO_MAILER_VERDICT_H

#include <stdbool.h>

/* The names are those of a result on the bus (common/bus.h). */
#define VERDICT_STATES(X) X(sent) X(failed) X(retry) X(uncertain)
enum verdict_state {
#define X(name) VERDICT_##name,
    VERDICT_STATES(X)
#undef X
        VERDICT_STATE_COUNT
};
const char *verdict_state_name(enum verdict_state);
bool verdict_state_parse(const char *name, enum verdict_state *ret_state);

#define VERDICT_STATUS 500 /* bytes of text, without its NUL */

struct verdict {
    enum verdict_state state;
    bool hard;                       /* the address does not exist */
    char code[16];                   /* enhanced status "5.1.1", or "" */
    char status[VERDICT_STATUS + 1]; /* one line of valid UTF-8 */
};

/* One reply. code is 0 where none came. enhanced is {0} where the reply had none. `text` may be
 * NULL, may have many lines, may be anything. */
struct reply {
    int code;
    int enhanced[3];
    const char *text;
};

/* The replies to one message with one recipient. */
struct replies {
    struct reply mail, rcpt, data; /* data: the last one, to DATA, to BDAT or to the final dot */
    bool complete; /* the whole message, with its end, was handed over: from then on the relay may
                      have taken it */
    const char *trouble; /* why the connection ended, where that is known; or NULL */
};

void verdict_of(const struct replies *, struct verdict *ret_verdict);

/* verdict_set() - a verdict of our own; `status` is a printf format, its text made one line and
 * cut. */
void verdict_set(struct verdict *, enum verdict_state, bool hard, const char *code,
                 const char *status, ...) __attribute__((format(printf, 5, 6)));

#endif
