/* ctl.h - the sub-commands of lazoctl, one function each, and what they share.
 *
 * A command gets its own words: argv[0] is its name, argv[argc] is NULL. It says what went wrong on
 * stderr and returns lazoctl's exit status: 0 done, 1 failed, 2 wrong arguments. */
#ifndef LAZO_DAEMON_CTL_CTL_H
#define LAZO_DAEMON_CTL_CTL_H

enum ctl_status { CTL_DONE = 0, CTL_FAILED = 1, CTL_USAGE = 2 };

/* How the role lazo_owner reaches the database of an installed instance. */
#define CTL_OWNER_CONNINFO "host=/run/postgresql dbname=lazo user=lazo_owner"

typedef int ctl_fn(int argc, char **argv);

/* ctl_usage() - says how `command` (its name in the table of commands) is called, on stderr; gives
 * CTL_USAGE. */
int ctl_usage(const char *command);

/* Local work. */
ctl_fn ctl_up;
ctl_fn ctl_migrate;
ctl_fn ctl_organisation;
ctl_fn ctl_token;
ctl_fn ctl_template;
ctl_fn ctl_rule;
ctl_fn ctl_rfm; /* rfm score: a file, without an instance */
/* Over HTTP. */
ctl_fn ctl_apply;
ctl_fn ctl_import;
ctl_fn ctl_export;
ctl_fn ctl_erase;
ctl_fn ctl_rate;
ctl_fn ctl_status;
ctl_fn ctl_clock;
ctl_fn ctl_api;
ctl_fn ctl_interaction;
ctl_fn ctl_segment;
ctl_fn ctl_segments;
ctl_fn ctl_scores; /* rfm: a model, a contact's scores */
ctl_fn ctl_campaign;
ctl_fn ctl_contact;
ctl_fn ctl_address;
ctl_fn ctl_relation;
ctl_fn ctl_group;
ctl_fn ctl_doubt;
ctl_fn ctl_consent;
ctl_fn ctl_check;
ctl_fn ctl_tokens; /* token list, revoke */
ctl_fn ctl_users;
ctl_fn ctl_audit;
ctl_fn ctl_tags;
ctl_fn ctl_tasks;
ctl_fn ctl_rules; /* rule check, explain, sql */

#endif
