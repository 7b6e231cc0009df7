/* pass.h - one transaction of the evaluator: the touched contacts, what the rules say of them, what
 * is written. For evaluate.c and its parts. */
#ifndef LAZO_DAEMON_EVALUATE_PASS_H
#define LAZO_DAEMON_EVALUATE_PASS_H

#include "daemon/evaluate/evaluate.h"
#include "daemon/evaluate/ruleset.h"

struct evaluate_lane;

/* What a pass does. */
enum pass_sort {
    PASS_changes, /* takes the change log and who is due */
    PASS_model,   /* scores all contacts of a model anew */
    PASS_page     /* evaluates stale segments for the next block of contacts */
};

/* A contact of the pass. */
struct pass_contact {
    int64_t id;
    int64_t changes_at_us; /* the earliest of all rules and models; INT64_MAX: never */
    bool loud;             /* something other than imported history is new */
};

/* An interaction that was recorded and may be a cue. */
struct pass_fact {
    int64_t contact_id, interaction_id, kind_id;
};

struct pass {
    struct evaluate *evaluate;
    struct evaluate_lane *lane;
    enum pass_sort sort;
    int64_t org_id, now_us;
    int currency_digits;
    const struct ruleset *rules;
    bool refers; /* some rule of the organisation says `in segment` */
    struct pgtx *tx;
    struct pass_contact *contacts;
    size_t n_contacts, cap_contacts;
    struct pass_fact *facts;
    size_t n_facts, cap_facts;
    int64_t *quiet_kinds; /* kinds of imported interactions: their models go stale */
    size_t n_quiet_kinds, cap_quiet_kinds;
    int64_t *pairs; /* contact, segment, contact, segment … that hold */
    size_t n_pairs, cap_pairs;
    size_t parts_left;
    int64_t unknown_kind;  /* one that is newer than the rules: they are compiled anew first */
    int64_t asked_kind;    /* the newest kind for which the names were read anew already */
    bool more;             /* there was as much as a pass takes: another one follows */
    int64_t model_id;      /* PASS_model */
    bool quiet_model;      /* who changes class by it starts nothing */
    int64_t after_contact; /* PASS_page: where the block begins */
    int64_t *segments;     /* PASS_page: stale ones, with when they were changed */
    int64_t *updated_at_us;
    size_t n_segments;
    int64_t moved; /* entered and left */
};

/* pass_evaluate() - sends the rules' statements for the pass's contacts (or its page), then
 * membership, wakes and cues; then commits. */
void pass_evaluate(struct pass *);
/* pass_sort_contacts() - in order of id, each once. */
void pass_sort_contacts(struct pass *);
void pass_add_contact(struct pass *, int64_t id, bool loud);
/* pass_take_change() - one row of the change log: its contact, and what it may start. */
void pass_take_change(struct pass *, const struct pgres *, int row);
/* pass_find() - a contact of the sorted pass, or NULL. */
struct pass_contact *pass_find(struct pass *, int64_t id);

#endif
