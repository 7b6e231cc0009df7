/* finding.c - see finding.h. */
#include "workers/inbox/finding.h"

const char *finding_class_name(enum finding_class class)
{
    static const char *const words[] = {
#define X(name, word) word,
        FINDING_CLASSES(X)
#undef X
    };

    return words[class];
}
