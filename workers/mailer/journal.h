/* journal.h - what the mailer has offered to the relay, on disk, so that no mail is lost and none
 * is sent twice.
 *
 * An append-only file of lines, each with its checksum. Life of a lease:
 *
 *     offered    on disk before the end of the message is handed to the relay: from then on the
 *                relay may have it
 *     answered   written when the verdict is known; on disk whenever the next offer is
 *     acked      the daemon has the result in its database; the lease is forgotten
 *
 * After a crash, an offered lease without an answer is uncertain, an answered one has its verdict.
 * A lease that was not offered cannot have reached anybody. The file is emptied when nothing is
 * alive in it and rewritten when it has grown, so its size follows the number of leases alive. A
 * second process on the same journal is refused by a lock.
 *
 * Every function may be called from any thread; journal_offer() calls of many threads share one
 * fdatasync(). */
#ifndef LAZO_MAILER_JOURNAL_H
#define LAZO_MAILER_JOURNAL_H

#include "workers/mailer/verdict.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct journal;

/* What is known of a lease that is alive. state is uncertain where there was no answer. */
struct journal_entry {
    int64_t lease, job;
    bool answered;
    struct verdict verdict;
};

/* journal_open() - opens or makes the file (mode 0600), takes its lock, reads it. A torn or damaged
 * line is left out and counted. NULL and a sentence in `*ret_why` (child of ctx) where that fails.
 * Child of ctx; freeing it closes the file. */
struct journal *journal_open(const void *ctx, const char *path, char **ret_why);

/* journal_each() - calls for every lease alive, in the order of the file. */
typedef void journal_fn(void *arg, const struct journal_entry *);
void journal_each(struct journal *, journal_fn *, void *arg);
size_t journal_damaged(const struct journal *);

/* journal_offer() - true once the mark is on disk. False where the file cannot take it: then
 * nothing may be offered. */
bool journal_offer(struct journal *, int64_t lease, int64_t job);
/* journal_answer() - false where it could not be written; the mark "offered" then stands. A lease
 * never offered is left alone: nothing went out, so there is nothing to remember. */
bool journal_answer(struct journal *, int64_t lease, const struct verdict *);
/* journal_ack() - these leases are done with. Unknown ones do no harm. */
void journal_ack(struct journal *, const int64_t *leases, size_t n);
/* journal_broken() - the disk refused an fdatasync(): what is on it is not known any more. The
 * owner should end. */
bool journal_broken(struct journal *);

/* --- the lines, for the tests and for journal.c ----------------------------------------- */

enum journal_kind { JOURNAL_OFFERED, JOURNAL_ANSWERED, JOURNAL_ACKED };
struct journal_line {
    enum journal_kind kind;
    int64_t lease, job;     /* job: with JOURNAL_OFFERED and JOURNAL_ANSWERED */
    struct verdict verdict; /* with JOURNAL_ANSWERED */
};
#define JOURNAL_LINE_MAX (VERDICT_STATUS + 128)
/* journal_format() - writes the line with its LF and a NUL; returns its length. */
size_t journal_format(char out[JOURNAL_LINE_MAX], const struct journal_line *);
/* journal_parse() - `n` bytes without their LF; false where they are no whole line. */
bool journal_parse(const char *s, size_t n, struct journal_line *ret_line);

#endif
