/* finding.h - what a mail that came in says about one recipient. */
#ifndef LAZO_INBOX_FINDING_H
#define LAZO_INBOX_FINDING_H

#include <stddef.h>

/* The classes and their words in JSON (INTERFACES.md). */
#define FINDING_CLASSES(X)                                                                         \
    X(HARD, "hard")               /* the address does not exist: never write to it again */        \
    X(SOFT, "soft")               /* may work another time, or nobody knows */                     \
    X(POLICY, "policy")           /* the sender or the message was refused, not the address */     \
    X(COMPLAINT, "complaint")     /* "this is spam", said by the person */                         \
    X(AUTO_REPLY, "auto-reply")   /* a machine answered for the person */                          \
    X(UNSUBSCRIBE, "unsubscribe") /* the person wants no more mail */                              \
    X(REPLY, "reply")             /* a person answered */
enum finding_class {
#define X(name, word) FINDING_##name,
    FINDING_CLASSES(X)
#undef X
        FINDING_CLASS_COUNT
};

#define FINDING_STATUS 16  /* bytes of an enhanced status and its NUL */
#define FINDING_REASON 300 /* bytes of a reason, its NUL not counted */

struct finding {
    enum finding_class class;
    const char *recipient;       /* address, its domain in small letters; "" where it is not told */
    char status[FINDING_STATUS]; /* "5.1.1", or "" */
    const char
        *reason; /* the other side's words on one line, UTF-8, at most FINDING_REASON bytes */
    const char *message_id; /* of the message of ours that it speaks of, with its <>; "" where it is
                               not told */
};

/* finding_class_name() - the word in JSON. */
const char *finding_class_name(enum finding_class);

#endif
