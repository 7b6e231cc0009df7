/* reason.h - is a refusal the end of an address, or not? Pure.
 *
 * Enhanced status first (RFC 3463), where its detail says something; the words of the refusal
 * otherwise. Words may lower a verdict (a 5.1.1 that speaks of a block list is no dead address) but
 * never raise a 4.x.x to hard, nor one about policy, size or quota. Dead addresses
 * are 5.1.1, 5.1.2, 5.1.3, 5.1.6 and 5.1.10, and what says "no such user" or "no such host" in so
 * many words. In doubt an address lives. */
#ifndef LAZO_INBOX_REASON_H
#define LAZO_INBOX_REASON_H

#include "workers/inbox/finding.h"

#include <stdbool.h>
#include <stddef.h>

/* reason_status() - the first enhanced status code in `text` ("5.1.1", no piece of an IP address or
 * a version); false where there is none. */
bool reason_status(const char *text, char ret_status[FINDING_STATUS]);
/* reason_reply() - the first three-digit SMTP reply of refusal in `text`, 400 to 599; 0 where there
 * is none. */
int reason_reply(const char *text);
/* reason_says() - whether the words say why, of any kind. */
bool reason_says(const char *text);

/* reason_judge() - HARD, SOFT or POLICY. `status` is what the report says, "" where it says
 * nothing; `text` the words of the refusal, UTF-8 or not. The status to be shown comes back: the
 * more telling one of `status` and of what stands in the text, or "". */
enum finding_class reason_judge(const char *status, const char *text,
                                char ret_status[FINDING_STATUS]);

#endif
