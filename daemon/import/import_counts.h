/* import_counts.h - what an import did, or would do: numbers, and a sample of them. Pure. */
#ifndef LAZO_DAEMON_IMPORT_IMPORT_COUNTS_H
#define LAZO_DAEMON_IMPORT_IMPORT_COUNTS_H

#include <jansson.h>
#include <stdint.h>

#define IMPORT_COUNTS(X)                                                                           \
    X(rows, "Rows read from the files of imports.")                                                \
    X(recorded, "Interactions that imports recorded.")                                             \
    X(amended, "Interactions of imports that amend others.")                                       \
    X(duplicates, "Rows of imports that were there already.")                                      \
    X(created, "Contacts that imports created.")                                                   \
    X(merged, "Contacts that imports merged into others.")                                         \
    X(joined, "Contacts that imports did not make, since rows said that they are others.")         \
    X(matched, "Rows of imports whose contact was there.")                                         \
    X(changed, "Contacts that a block of an import changed.")                                      \
    X(related, "Relations that imports made.")                                                     \
    X(unrelated, "Rows of imports that were recorded without a relation that they say.")           \
    X(consents, "Consents that imports recorded.")                                                 \
    X(refused, "Rows of imports that were refused.")                                               \
    X(without_contact, "Rows of imports that say nobody and were passed over.")

struct import_counts {
#define X(name, help) int64_t name;
    IMPORT_COUNTS(X)
#undef X
    json_t *fields; /* field → how many contacts' it changed; owned */
    json_t *sample; /* the first contacts that are created or changed; owned */
};

/* import_counts_init() - all 0. import_counts_done() - releases what is owned. */
void import_counts_init(struct import_counts *);
void import_counts_done(struct import_counts *);
/* import_counts_read() - what import_counts_json() wrote; a NULL is all 0. The first is
 * initialised.
 */
void import_counts_read(struct import_counts *, const json_t *report);
json_t *import_counts_json(const struct import_counts *);
void import_counts_add(struct import_counts *, const struct import_counts *more);
/* import_counts_field() - one more contact whose field changed. import_counts_sample() - one more
 * of the sample, where there is room; the reference is taken. */
void import_counts_field(struct import_counts *, const char *field);
void import_counts_sample(struct import_counts *, json_t *contact_take);

#endif
