/* import_block.h - the inside of an import's job: its block of rows, from the file to the recorder
 * and to the import's new position. For import_job.c and import_block.c. */
#ifndef LAZO_DAEMON_IMPORT_IMPORT_BLOCK_H
#define LAZO_DAEMON_IMPORT_IMPORT_BLOCK_H

#include "daemon/import/import_job.h"
#include "daemon/import/import_settings.h"

struct import_line;

#define IMPORT_BLOCK_ROWS  1000
#define IMPORT_BLOCK_BYTES ((size_t)4 << 20) /* of the file, whatever its rows */
#define IMPORT_STATE_MAX   16

struct refusal {
    const struct import_line *line;
    const char *heading, *reason;
};

/* Everything of one block is a child of ctx. */
struct block {
    void *ctx;
    size_t n_lines, bytes;
    struct record_item *items;
    const struct import_line **item_lines; /* of each item */
    int64_t *item_numbers;
    size_t n;
    struct refusal *refusals;
    size_t n_refusals, cap_refusals;
    struct import_counts counts;
    struct import_changes *changes;
    size_t n_before; /* refusals that were known before the recorder looked */
    bool stepped, committed;
    char state[IMPORT_STATE_MAX]; /* of the import after it; "" where another lazod was quicker */
};

struct import_relate;
struct import_names;

struct import_job {
    struct import_env env;
    int64_t org_id, id, position;
    const char *name;
    bool dry;
    struct import_settings settings;
    struct import_keys *keys;
    struct import_names *names; /* who the rows say are one person; NULL: they do not say it */
    struct import_file *file;
    struct import_overlay *overlay;
    struct import_relate *relate; /* all rows are recorded: their relations are made */
    struct import_counts counts;
    struct record_work work;
    size_t most; /* rows of the next block */
    struct block b;
    struct pgtx *tx;
    struct batch *batch; /* of the recorder, while it has the block */
    void (*fn)(void *arg, bool ok);
    void *arg;
};

/* import_item_parse() - a row's JSON as the recorder takes it, child of ctx; mistakes go to `d`. */
bool import_item_parse(const void *ctx, const struct import_settings *, json_t *value,
                       const struct catalogue *, struct record_item *ret_item, struct diag *d);

/* import_block_begin() - forgets the block before. import_block_full() - whether it takes no more
 * rows. import_block_fill() - takes rows that were read,
 * but for those that were recorded before. import_block_send() - records what it has; then the job
 * goes on, or is done. */
void import_block_begin(struct import_job *);
bool import_block_full(const struct import_job *);
void import_block_fill(struct import_job *, const struct catalogue *);
void import_block_send(struct import_job *);

/* import_block_tell() - a row is to be among those that were refused; the texts must live as long
 * as the block. import_block_step() - the last statements of the transaction `tx`: what was told,
 * and the import's report; then it is committed. import_block_close() - and the job goes on.
 * import_block_plain() - both, in a transaction of its own. */
void import_block_tell(struct import_job *, const struct import_line *, const char *heading,
                       const char *reason);
void import_block_step(struct import_job *);
void import_block_close(struct import_job *, bool committed);
void import_block_plain(struct import_job *);

/* import_job_end() - all is done. import_job_go_on() - the next rows. import_job_done() - frees the
 * job and calls back. import_job_trouble() - the database did not do it: what passes is tried again
 * later, what does not ends the import, which is in this state. */
void import_job_end(struct import_job *);
void import_job_go_on(struct import_job *);
void import_job_done(struct import_job *, bool ok);
void import_job_trouble(struct import_job *, const struct pgres *error, const char *state);

#endif
