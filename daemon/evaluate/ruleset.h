/* ruleset.h - the rules of an organisation's dynamic segments, compiled in groups. Pure.
 *
 * A group has rules that read the same kinds of interaction and stand on the same level, in one
 * statement: at most RULE_ROOTS_MAX. Where there are more, those that read the same fields, tags
 * and so on stand together, so that a change of one asks few groups. (To ask a statement without
 * some of its rules is not worth it: a hundred more rules over tags cost a fifth of a millisecond,
 * or 8 microseconds a contact where many are asked at once.) Level 0 refers to no other dynamic
 * segment, level 1 to some of level 0, and so on: who evaluates level after level sees each rule
 * once, with what it refers to already decided. Words (rule_reads()) say which groups a change
 * touches.
 *
 * A part is all groups over the same kinds, whatever their level. Its number follows from the names
 * of the kinds alone, so it stays the same when other rules come and go: what is kept in the
 * database about the next change of an answer (`wake`) is kept by part. */
#ifndef LAZO_DAEMON_EVALUATE_RULESET_H
#define LAZO_DAEMON_EVALUATE_RULESET_H

#include "daemon/rules/rule.h"

#include <stddef.h>
#include <stdint.h>

/* Numbers that no part has: all rules and scores of a contact; the scores. */
#define RULESET_WHOLE  0
#define RULESET_SCORES 1

/* Which statement is compiled: rule_compile_some(), rule_compile_page() or rule_compile_range(). */
enum ruleset_form { RULESET_some, RULESET_page, RULESET_range };

struct ruleset_statement {
    struct rule_sql *sql;
    const char *key; /* names the text */
    int64_t *segments;
    size_t n_segments;
};

struct ruleset_group {
    int level;
    int32_t part;
    struct ruleset_statement statement;
};

/* Which groups a word touches. */
struct ruleset_word {
    const char *word;
    const char *told; /* by name: "interaction donation", "field city", "segment loyal" */
    size_t *groups;
    size_t n, cap;
};

/* Which groups a word touches where it is about a related contact: those that are reached from
 * there over `hops`. */
struct ruleset_reach {
    struct rule_reach way;
    size_t *groups;
    size_t n, cap;
};

/* Which group a segment belongs to, and what its rule hangs on. */
struct ruleset_segment {
    int64_t id;
    size_t group;
    const char *const *words; /* sorted */
    size_t n_words;
    bool related; /* on facts of related contacts, too */
};

/* The rule of the segment `by` asks for members of the segment `to`, be it of a related contact. */
struct ruleset_reference {
    int64_t to, by;
};

struct ruleset {
    struct ruleset_group *groups; /* by level */
    size_t n_groups;
    struct ruleset_word *words; /* sorted */
    size_t n_words, cap_words;
    struct ruleset_reach *reaches;
    size_t n_reaches, cap_reaches;
    struct ruleset_segment *segments; /* that were compiled, by id */
    size_t n_segments;
    struct ruleset_reference *references;
    size_t n_references, cap_references;
    int64_t *score_kinds; /* kinds that some model scores */
    size_t n_score_kinds;
    int64_t
        *move_kinds; /* of the kinds of entering and leaving, those that a rule or a model reads */
    size_t n_move_kinds;
    int64_t last_kind; /* the highest id of a kind that the rules know of */
};

/* ruleset_compile() - of the dynamic segments of the catalogue, or, with `only` (n_only ids), of
 * those of them alone. A rule that no longer checks (a name it used was removed) is left out and
 * reported in `d` by its segment's name. Child of ctx. */
struct ruleset *ruleset_compile(const void *ctx, const struct catalogue *, enum ruleset_form,
                                const int64_t *only, size_t n_only, struct diag *d);
/* ruleset_word() - NULL: the word touches no group. ruleset_first() - the first of the words that
 * begin with `prefix`, up to *ret_end. */
const struct ruleset_word *ruleset_word(const struct ruleset *, const char *word);
const struct ruleset_word *ruleset_first(const struct ruleset *, const char *prefix,
                                         const struct ruleset_word **ret_end);
/* ruleset_segment_reads() - whether its rule hangs on the word. */
bool ruleset_segment_reads(const struct ruleset_segment *, const char *word);
/* ruleset_reaches() - whether the word is one about related contacts. */
bool ruleset_reaches(const struct ruleset *, const char *word);
/* ruleset_reads_model() - whether a rule asks about the scores of this model: the contact's own, or
 * a related one's. */
bool ruleset_reads_model(const struct ruleset *, int64_t model_id);
/* ruleset_segment() - NULL: there is no such dynamic segment. */
const struct ruleset_segment *ruleset_segment(const struct ruleset *, int64_t id);
/* ruleset_part_size() - how many groups a part has; 0: there is no such part. */
size_t ruleset_part_size(const struct ruleset *, int32_t part);

#endif
