/* rule.h - the rule language of lazo-rules(7): text -> tree -> checked tree -> SQL. Pure: no loop,
 * no database, no clock.
 *
 * A rule is parsed once and is then immutable. Nothing else in the project builds a condition from
 * user input. */
#ifndef LAZO_DAEMON_RULES_RULE_H
#define LAZO_DAEMON_RULES_RULE_H

#include "common/diag.h"
#include "daemon/rules/catalogue.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rule;

/* rule_parse() - the tree of `text`, child of `ctx`; NULL and mistakes with line and column in `d`
 * where it is no rule. */
struct rule *rule_parse(const void *ctx, const char *text, size_t n, struct diag *d);
/* rule_parse_where() - the same for a condition over an interaction's own fields (a journey's
 * `where`). */
struct rule *rule_parse_where(const void *ctx, const char *text, size_t n, struct diag *d);

/* rule_check() - types the tree and resolves its names. False and mistakes in `d` where it does not
 * fit. `warnings` (may be NULL) gets what is no error: a kind that nobody has used yet. Must be
 * true before a rule is compiled. A rule that names itself through segments is refused by
 * `rule_cycle()`. Without a catalogue (NULL) only what needs no organisation is checked, and the
 * rule cannot be compiled. */
bool rule_check(struct rule *, const struct catalogue *, struct diag *d, struct diag *warnings);
/* rule_segments() - names of the segments that it refers to; an array of *ret_n, child of the rule.
 */
const char *const *rule_segments(const struct rule *, size_t *ret_n);
/* rule_json() - the tree as JSON, for `lazoctl rule parse`; a new reference. */
json_t *rule_json(const struct rule *);
/* rule_text() - the rule as text again, in canonical form on one line; parsed, it gives the same
 * tree. Child of ctx. */
char *rule_text(const void *ctx, const struct rule *);
/* rule_kinds() - names of the kinds of interaction that it reads; an array of *ret_n, child of the
 * rule. */
const char *const *rule_kinds(const struct rule *, size_t *ret_n);
/* rule_reads() - what the answer of a checked rule hangs on beside time, as sorted words, each
 * once; an array of *ret_n, child of ctx:
 *
 *     kind:ID      interactions of a kind; "kind": of any kind
 *     field:NAME   a field of the contact (birth: year, month and day; kind: person or company);
 *                  "field": any of them
 *     attr:ID, topic:ID, segment:ID, score:ID (a model), relation
 *     tag:NAME, group:NAME, in small letters, a comma written as a semicolon; "tag" or "group", of
 *                  any name, where it is not plain ASCII */
const char *const *rule_reads(const void *ctx, const struct rule *, size_t *ret_n);
/* rule_reaches() - the same of facts of related contacts: to whom it matters is found from that
 * contact over the relations `hops`, one after the other. In a fixed order, each once. */
#define RULE_HOPS_MAX 6
struct rule_reach {
    const char *word;
    int64_t hops[RULE_HOPS_MAX];
    size_t n_hops;
};
const struct rule_reach *rule_reaches(const void *ctx, const struct rule *, size_t *ret_n);
/* rule_labels() - the tags, groups, campaigns, stages and labels of scores that it names, where
 * they stand; an array of *ret_n, child of ctx. The rule is checked. */
enum rule_label_sort {
    RULE_LABEL_tag,
    RULE_LABEL_group,
    RULE_LABEL_campaign,
    RULE_LABEL_score, /* of the model */
    RULE_LABEL_stage,
};
struct rule_label {
    const char *name;
    enum rule_label_sort sort;
    int64_t model_id;
    int line, column;
};
const struct rule_label *rule_labels(const void *ctx, const struct rule *, size_t *ret_n);
/* rule_cycle() - whether the checked rule, saved as that of the segment `name`, would make it refer
 * to itself through other segments of the catalogue; then the path stands in `d`. */
bool rule_cycle(const char *name, const struct rule *, const struct catalogue *, struct diag *d);

/* What the compiler gives: text, and the parameters that follow the fixed ones. */
struct rule_sql {
    const char *text;
    const char **params; /* text form, in order, from $(first_param) on */
    size_t n_params;
    bool grouped; /* it reads the interactions of all contacts, whomever the rule leaves out */
};

struct rule_root {
    const struct rule *rule;
    int64_t tag; /* what stands for it in `holds`: a segment's id */
};

/* Statements. All run under row-level security with search_path lazo. At most RULE_ROOTS_MAX roots
 * a call. Results are children of ctx.
 *
 * rule_compile_some() - for given contacts: $1 bigint[] contact ids, $2 timestamptz now; params
 * from $3 -> contact_id bigint, holds bigint[] (tags of the rules that hold), changes_at
 * timestamptz (earliest instant after now at which an answer could change with no new fact; null:
 * never). One row a contact that exists.
 *
 * rule_compile_page() - the same over all contacts of the organisation, in blocks by id: $1 bigint
 * after this id, $2 timestamptz now, $3 int limit; params from $4. Ordered by contact_id.
 *
 * rule_compile_range() - the same over the contacts of a range of ids, whose interactions are read
 * once: $1 bigint after this id, $2 timestamptz now, $3 bigint up to this id; params from $4. In no
 * order.
 *
 * rule_compile_search() - ids of contacts for whom one rule holds: $1 bigint after this id, $2
 * timestamptz now, $3 int limit; params from $4 -> contact_id bigint, ordered.
 *
 * rule_compile_where() - which of given interactions a `where` holds for: $1 bigint[] contact ids,
 * $2 bigint[] interaction ids (pairwise), $3 timestamptz now; params from $4 -> contact_id,
 * interaction_id. */
#define RULE_ROOTS_MAX 100
struct rule_sql *rule_compile_some(const void *ctx, const struct rule_root *, size_t n,
                                   const struct catalogue *);
struct rule_sql *rule_compile_page(const void *ctx, const struct rule_root *, size_t n,
                                   const struct catalogue *);
struct rule_sql *rule_compile_range(const void *ctx, const struct rule_root *, size_t n,
                                    const struct catalogue *);
struct rule_sql *rule_compile_search(const void *ctx, const struct rule *,
                                     const struct catalogue *);
struct rule_sql *rule_compile_where(const void *ctx, const struct rule *, const struct catalogue *);
/* rule_compile_span() - as rule_compile_search(), up to a contact: $4 bigint its id; params from
 * $5. rule_compile_among() - among given contacts: $1 bigint[] ids; $2, $3 and params as there. */
struct rule_sql *rule_compile_span(const void *ctx, const struct rule *, const struct catalogue *);
struct rule_sql *rule_compile_among(const void *ctx, const struct rule *, const struct catalogue *);

/* rule_compile_all() - ids of all contacts for whom one rule holds: $1 timestamptz now; params from
 * $2 -> contact_id bigint, in no order. Two forms with one answer: EACH looks the interactions up
 * of each contact whom the other conditions leave, WHOLE reads those of all contacts once. Which is
 * faster hangs on how many are left: the planner's costs say it. Where the rule speaks of no
 * interactions, WHOLE is not `grouped` and no better. */
enum rule_form { RULE_FORM_EACH, RULE_FORM_WHOLE };
struct rule_sql *rule_compile_all(const void *ctx, const struct rule *, const struct catalogue *,
                                  enum rule_form);
/* rule_compile_sample() - the same parameters as rule_compile_all() -> one row: n, how many it
 * holds for; sample, a JSON array of the first ten contacts (id, names, e-mail). */
struct rule_sql *rule_compile_sample(const void *ctx, const struct rule *, const struct catalogue *,
                                     enum rule_form);
/* rule_cost_text() - the statement that asks the planner what `sql` would cost; its parameters are
 * the same. rule_cost() - what it answered in its one column (the name is quoted, as libpq looks
 * it up). */
#define RULE_COST_COLUMN "\"QUERY PLAN\""
const char *rule_cost_text(const void *ctx, const struct rule_sql *sql);
double rule_cost(const char *said);
/* rule_compile_truth() - the statement of rule_compile_page(), whose n tags are ids of segments,
 * compared with `membership`, and when an answer changes next with the `wake` of the part. The same
 * parameters -> one row: last, the last contact of the block; seen, how many it had; differences, a
 * JSON array of {"segment", "contact", "stored", "true"}, and of {"next": "segments", "contact",
 * "stored", "true"}, two instants, where the contact would be looked at again too late or not at
 * all (stored: null). Segments that are stale (of which no wake is expected) and contacts that are
 * yet to be evaluated (in the change log, or due) are left out. Borrows the parameters of `page`.
 */
struct rule_sql *rule_compile_truth(const void *ctx, const struct rule_sql *page,
                                    const int64_t *tags, size_t n, int32_t part);
/* rule_compile_first() - the statement of rule_compile_range(), whose tags are ids of segments,
 * writing: membership of those segments in the range, exceptions made by hand going first (who
 * leaves is kept in membership_past), and when the part of the rules is due, an earlier instant
 * that is there staying. Who moves in a segment of `referred` to which the segment at the same
 * place of `by` refers goes into the change log, unless that one is stale and will be evaluated in
 * full itself. The same parameters -> one row: contacts, moved, logged, how many. Borrows the
 * parameters of `range`. */
#define RULE_IDS_MAX (64 << 20)
struct rule_first {
    int64_t org_id, part;
    const int64_t *segments;
    size_t n_segments;
    const int64_t *referred, *by;
    size_t n_referred;
};
struct rule_sql *rule_compile_first(const void *ctx, const struct rule_sql *range,
                                    const struct rule_first *);
/* rule_compile_values() - what each of some conditions (rule_parts()) is about, for explaining it:
 *   $1 bigint a contact, $2 timestamptz now; params from $3 -> found: a JSON array with the value
 * of the field or aggregate of each, null where it has none or is about neither. At most
 * RULE_ROOTS_MAX. */
struct rule_sql *rule_compile_values(const void *ctx, const struct rule *const *, size_t n,
                                     const struct catalogue *);

#endif
