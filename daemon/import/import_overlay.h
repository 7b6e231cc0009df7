/* import_overlay.h - what a dry run has seen of its file: names, keys, amounts and fields that the
 * rows before would have written, as hashes. With it each block finds the database as the run will
 * find it. */
#ifndef LAZO_DAEMON_IMPORT_IMPORT_OVERLAY_H
#define LAZO_DAEMON_IMPORT_IMPORT_OVERLAY_H

#include "daemon/record/batch.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct import_overlay;

struct import_overlay *import_overlay_new(const void *ctx);
/* import_overlay_merge() - a contact would be merged into another one, before any row: from here on
 * it is found as that one. False where both are one already. import_overlay_merges() - the
 * parameters of import_would_merge, for those of these contacts, so that the database compares them
 * as they would be; false where there are none. */
bool import_overlay_merge(struct import_overlay *, int64_t keep_id, int64_t gone_id);
bool import_overlay_merges(struct import_overlay *, const void *ctx, const int64_t *ids, size_t n,
                           int64_t import_id, struct pgargs *);
/* import_overlay_found() - after record_find: names and keys of earlier blocks have an owner too;
 * one that would be created has a negative id. What an earlier try of the block said is forgotten.
 * import_overlay_keep() - the block is counted: from here on it is an earlier one. */
void import_overlay_found(struct import_overlay *, struct batch *);
void import_overlay_keep(struct import_overlay *);
/* import_overlay_targets() - after the batch is resolved: contacts that would be created get their
 * ids, keys are remembered. The parameters of import_targets for what is to be amended and is not
 * of this file; false where there is none. import_overlay_on_targets() - its answer (NULL: none).
 * Then amendments are judged as interaction_amend() does; false where one is refused: then the
 * batch is to be rolled back, and tried again without it, as in the run. */
bool import_overlay_targets(struct import_overlay *, struct batch *, struct pgargs *);
bool import_overlay_on_targets(struct import_overlay *, struct batch *, const struct pgres *);
/* import_overlay_field() - whether a field of a contact changes: against what an earlier block
 * wrote, or, where none did, as the database says. Remembers it. */
bool import_overlay_field(struct import_overlay *, int64_t contact_id, const char *field,
                          const json_t *value, bool differs);
/* import_overlay_country() - the country that an earlier block gave the contact, child of ctx; NULL
 * where none did. */
const char *import_overlay_country(const struct import_overlay *, const void *ctx,
                                   int64_t contact_id);
/* import_overlay_owner() - whose a name would be that is this contact's in the database; 0:
 * nobody's.
 */
int64_t import_overlay_owner(const struct import_overlay *, const char *sort, const char *value,
                             int64_t contact_id);
/* import_overlay_company() - what a row says of a contact's kind and name (NULL: nothing);
 * `is_person` is its kind where nothing was said yet. Companies and households have names.
 * import_overlay_company_of() - which one has the name by the file: 0 none, INT64_MIN several.
 * import_overlay_renamed() - whether the file gives the contact another name than it has, or makes
 * it a person. */
void import_overlay_company(struct import_overlay *, int64_t contact_id, const char *kind,
                            const char *name, bool is_person);
int64_t import_overlay_company_of(const struct import_overlay *, const char *name);
bool import_overlay_renamed(const struct import_overlay *, int64_t contact_id);
/* import_overlay_make() - a contact that would be made with this name beside the rows.
 * import_overlay_relate() - whether a relation is new in this file; remembers it from both sides.
 */
int64_t import_overlay_make(struct import_overlay *, const char *name);
bool import_overlay_relate(struct import_overlay *, int64_t own, int64_t kind_id,
                           int64_t inverse_id, int64_t other);
/* import_overlay_repeats() - whether the key of this item of the batch came before in this file. */
bool import_overlay_repeats(const struct import_overlay *, size_t item);

#endif
