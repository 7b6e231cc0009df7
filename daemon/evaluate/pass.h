/* pass.h - one transaction of the evaluator: the touched contacts, what the rules say of them, what
 * is written. For evaluate.c and its parts:
 *
 *     pass_take.c     what has changed, and who is due
 *     pass.c          who is touched, and in which groups of rules
 *     pass_reach.c    who is touched by what changed for a related contact
 *     pass_rules.c    the rules, level by level, then wakes and cues
 *     pass_members.c  the difference to what is stored */
#ifndef LAZO_DAEMON_EVALUATE_PASS_H
#define LAZO_DAEMON_EVALUATE_PASS_H

#include "daemon/evaluate/evaluate.h"
#include "daemon/evaluate/ruleset.h"

struct evaluate_lane;

/* Beside the halves of the contacts, 0 and 1. */
#define PASS_EVERYBODY (-1)

/* A contact of the pass. */
struct pass_contact {
    int64_t id;
    bool loud; /* something other than imported history is new */
};

struct pass_ids {
    int64_t *ids;
    size_t n, cap;
};

/* An interaction that was recorded and may be a cue. */
struct pass_fact {
    int64_t contact_id, interaction_id, kind_id;
};

struct pass_pair {
    int64_t contact_id, segment_id;
};

struct pass_pairs {
    struct pass_pair *pairs;
    size_t n, cap;
};

/* Who enters or leaves. */
struct pass_move {
    struct pass_pair pair;
    bool entered;
    const char *cause;      /* as people read it */
    int64_t interaction_id; /* the one that is the cause; 0: none is */
};

/* Why a contact is asked about: a word that rules read; or one segment by hand; or a related
 * contact; or, with none of them, all that is known of it. */
struct pass_cause {
    int64_t contact_id;
    size_t order; /* as they came */
    const struct ruleset_word *word;
    int64_t interaction_id, segment_id;
    bool related;
};

/* On the way to those whom the facts of a related contact matter to. */
struct pass_step {
    int64_t contact_id;
    size_t reach; /* of the rules */
    size_t hop;   /* the next relation on the way */
};

/* When a group's answers for a contact may change next; INT64_MAX: never. */
struct pass_wake {
    int64_t contact_id, at_us;
    int32_t part;
    size_t n_groups; /* that say so */
};

struct pass {
    struct evaluate *evaluate;
    struct evaluate_lane *lane;
    int64_t org_id, now_us;
    int half; /* of the contacts whose changes it takes, */
    int most; /* and how many; */
    int64_t
        scoring; /* the model that is being scored meanwhile: its scores are left alone. 0: none */
    const struct ruleset *rules;
    struct pgtx *tx;
    struct pass_contact *contacts; /* all of them */
    size_t n_contacts, cap_contacts;
    struct pass_ids *touched; /* for each group of the rules */
    struct pass_ids whole;    /* for all groups, and scores */
    struct pass_ids scored;   /* whose scores may differ */
    struct pass_step *steps;  /* that are to be asked for */
    size_t n_steps, cap_steps;
    struct pass_fact *facts;
    size_t n_facts, cap_facts;
    int64_t *quiet_kinds; /* kinds of imported interactions: their models go stale */
    size_t n_quiet_kinds, cap_quiet_kinds;
    int level;                     /* that is being evaluated */
    size_t answers_left;           /* of that level */
    struct pass_pairs held;        /* of that level: what the rules say */
    struct pass_pairs stored;      /* what membership says */
    struct pass_pairs put, barred; /* by hand */
    struct pass_move *moves;
    size_t n_moves, cap_moves;
    struct pass_cause *causes;
    size_t n_causes, cap_causes;
    int64_t taking; /* the interaction of the row that is taken from the change log; 0: none */
    struct pass_wake *wakes;
    size_t n_wakes, cap_wakes;
    int64_t unknown_kind; /* one that is newer than the rules: they are compiled anew first */
    int64_t asked_kind;   /* the newest kind for which the names were read anew already */
    bool more;            /* there was as much as a pass takes: another one follows */
    int64_t moved;        /* entered and left */
    bool logged;          /* of that something stands in the change log */
    uint64_t answers;     /* of a rule for a contact */
    int64_t n_relabelled; /* labels that are in the timeline */
};

/* --- pass.c --- */
/* pass_prepare() - when `rules` is known: nobody is touched yet. */
void pass_prepare(struct pass *);
void pass_add_contact(struct pass *, int64_t id, bool loud);
/* pass_sort_contacts() - in order of id, each once. */
void pass_sort_contacts(struct pass *);
/* pass_is_loud() - of one of the sorted contacts. */
bool pass_is_loud(const struct pass *, int64_t id);
void pass_ids_add(const struct pass *, struct pass_ids *, int64_t id);
void pass_ids_sort(struct pass_ids *);
bool pass_ids_have(const struct pass_ids *, int64_t id); /* sorted ones */
/* pass_ids_args() - as the next parameter. */
void pass_ids_args(const struct pass *, const struct pass_ids *, struct pgargs *);
/* pass_quiet_args() - those of whom only imported history is new, as the next parameter. */
void pass_quiet_args(struct pass *, struct pgargs *);
/* pass_touch() - the contact, in the groups that read a word. */
void pass_touch(struct pass *, int64_t contact_id, const char *word);
void pass_touch_all(struct pass *, int64_t contact_id, const char *prefix);
/* pass_add_cause() - its order is set here. */
void pass_add_cause(struct pass *, struct pass_cause);
/* pass_take_change() - one row of the change log: its contact, and what it touches and may start.
 * pass_take_wake() - one contact whose time has come, and which part of the rules it is due for. */
void pass_take_change(struct pass *, const struct pgres *, int row);
void pass_take_wake(struct pass *, int64_t contact_id, int32_t part);
/* pass_mark_models() - on the list of models: those that score kinds of imported history are scored
 * in full. */
void pass_mark_models(void *pass, const struct pgres *);

/* --- pass_take.c --- */
/* pass_take() - in a transaction that has begun: takes changes and who is due, scores those whose
 * scores may differ, then calls pass_evaluate(). Rolls back where there is an `unknown_kind`. */
void pass_take(struct pass *);

/* --- pass_reach.c --- */
/* pass_reach_add() - what `word` says of the contact matters to those who are related to it, where
 * a rule asks so. pass_reach_all() - the same of words that begin with `prefix`. */
void pass_reach_add(struct pass *, int64_t contact_id, const char *word);
void pass_reach_all(struct pass *, int64_t contact_id, const char *prefix);
/* pass_reach() - finds them, and touches them in the groups of those rules; then calls `done`. */
void pass_reach(struct pass *, void (*done)(struct pass *));

/* --- pass_rules.c --- */
/* pass_evaluate() - the rules of the touched groups for the touched contacts, level by level, with
 * what follows for membership; then wakes and cues; then commits. */
void pass_evaluate(struct pass *);
void pass_add_wake(struct pass *, int64_t contact_id, int32_t part, int64_t at_us, size_t n_groups);

/* --- pass_members.c --- */
/* pass_stored_take() - one row of membership_stored. */
void pass_stored_take(struct pass *, const struct pgres *, int row);
/* pass_compare() - fills `moves` with the differences of the level between what is held and what is
 * stored, exceptions made by hand going first. */
void pass_compare(struct pass *);

#endif
