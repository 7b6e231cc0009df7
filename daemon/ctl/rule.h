/* rule.h - `lazoctl rule`: the rule language without an instance. */
#ifndef LAZO_DAEMON_CTL_RULE_H
#define LAZO_DAEMON_CTL_RULE_H

/* ctl_rule() - argv[0] is "rule".
 *
 *     rule parse      reads a rule from standard input; prints its tree as JSON, or its errors on
 * standard error, one a line as `line:column: message`
 *
 * Returns the exit status: 0, 1 where the rule has errors, 2 on bad arguments. */
int ctl_rule(int argc, char **argv);

#endif
