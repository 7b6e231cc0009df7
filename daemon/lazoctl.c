/* lazoctl.c - what a person types. A table of sentences; each command is a function in daemon/ctl/.
 *
 * To add a command: its function in ctl.h, a line here, a paragraph in daemon/ctl/lazoctl.8. */
#include "common/mem.h"
#include "common/suggest.h"
#include "daemon/ctl/ctl.h"

#include <curl/curl.h>
#include <jansson.h>
#include <locale.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Two commands of one name: scoring a file needs no instance. */
static int rfm(int argc, char **argv)
{
    return argc > 1 && strcmp(argv[1], "score") == 0 ? ctl_rfm(argc, argv) : ctl_scores(argc, argv);
}

/* So has this: reading a rule needs none. */
static int rule(int argc, char **argv)
{
    return argc == 2 && strcmp(argv[1], "parse") == 0 ? ctl_rule(argc, argv)
                                                      : ctl_rules(argc, argv);
}

/* The first token is made without an instance's help. */
static int token(int argc, char **argv)
{
    return argc > 1 && strcmp(argv[1], "create") == 0 ? ctl_token(argc, argv)
                                                      : ctl_tokens(argc, argv);
}

static const struct command {
    const char *name;
    const char *words; /* what follows the name */
    const char *sentence;
    ctl_fn *run;
} commands[] = {
    {"up", "--home DIR [--http ADDR:PORT] [--relay URL] [--clock INSTANT] [--example]",
     "Run a whole instance in the foreground, with a PostgreSQL of its own under DIR.", ctl_up},
    {"status", "[--json]", "Show how the instance is and what waits in it.", ctl_status},
    {"apply", "DIR [--dry-run]", "Make the organisation match a folder of definitions.", ctl_apply},
    {"import",
     "contacts|interactions FILE.csv [--map COLUMN=FIELD]... [--mapping FILE] [--kind KIND] "
     "[--source SOURCE] [--key-columns A,B] [--topic TOPIC --attestation TEXT] [--delimiter C] "
     "[--live] [--dry-run] [--yes] | list | show|pause|resume|cancel|undo|rejected ID",
     "Bring in people or their history from a CSV file, or take an import back; running it again "
     "changes nothing.",
     ctl_import},
    {"export",
     "contacts|interactions [--rule RULE] [--columns A,B] [--format csv|ndjson] [--output FILE]",
     "Write people or their history to a file, or to standard output.", ctl_export},
    {"interaction",
     "list CONTACT [--kind KIND] | record CONTACT KIND [--amount N] [--currency CODE] [--at "
     "INSTANT] [--source SOURCE] [--key KEY] [--data JSON] | refund CONTACT ID AMOUNT | correct "
     "CONTACT ID AMOUNT | delete CONTACT ID [--json]",
     "Show what happened to a contact, record something by hand, or put it right.",
     ctl_interaction},
    {"segment",
     "members NAME [--as-of INSTANT] | add|remove NAME CONTACT | exceptions NAME | always|never "
     "NAME CONTACT [--reason TEXT] | by-rule NAME CONTACT | history NAME [--from DAY] [--to DAY] | "
     "forecast NAME [--days N] [--json]",
     "Show who is or was in a segment, and how many on each day; put contacts into a fixed one; "
     "keep them in or out of one with a rule; tell who will enter and leave by time alone.",
     ctl_segment},
    {"segments", "[--json]", "List the segments and how many belong to each.", ctl_segments},
    {"rfm",
     "[show | breaks | recompute] MODEL [--json] | contact ID|EMAIL [--model MODEL] [--as-of "
     "INSTANT] "
     "[--json] | score FILE.csv --model FILE.yaml --date DATE",
     "Show a model, compute it anew, show what one contact's scores are and were, or score a file.",
     rfm},
    {"campaign", "show|start|pause|resume|cancel NAME [--json]", "Show a campaign or steer it.",
     ctl_campaign},
    {"contact",
     "show|history|deceased|alive ID|EMAIL [--on DATE] | merge KEEP OTHER [--take|--keep FIELD]... "
     "| merges | undo MERGE | "
     "duplicates | distinct ID ID [--json]",
     "Show one contact, its segments and its last interactions; or what its fields were before; or "
     "say that it died, which stops everything, or lives; or find and merge those that are one "
     "person.",
     ctl_contact},
    {"address", "list CONTACT | add|primary|remove CONTACT EMAIL|PHONE [--label LABEL] [--json]",
     "Show or change the e-mail addresses and phones of a contact.", ctl_address},
    {"relation",
     "kinds | list CONTACT | add|remove CONTACT RELATION OTHER [--since DATE] [--until DATE] "
     "[--note TEXT] [--json]",
     "Show which relations there are and who is related to whom; relate two contacts.",
     ctl_relation},
    {"group", "list | members GROUP | add|remove GROUP CONTACT [--json]",
     "Show groups and who is in them; put a contact in, or take it out.", ctl_group},
    {"consent", "verify | evidence ID|EMAIL",
     "Check the chains of the ledger of consent, or print the evidence for one person.",
     ctl_consent},
    {"rate",
     "list [CURRENCY] | set CURRENCY RATE [--on DATE] | delete CURRENCY DATE | load FILE.csv",
     "Keep what other currencies are worth in the organisation's.", ctl_rate},
    {"erase", "ID|EMAIL --reason TEXT",
     "Erase a person; what they gave stays in totals, and no import brings them back.", ctl_erase},
    {"doubt", "[--json] | resend ID",
     "List the mails of which nobody knows whether they went out, or send one again.", ctl_doubt},
    {"check", "[--segments] [--rfm] [--repair] [--json]",
     "Compare segments and scores with what the facts say now; mend what differs.", ctl_check},
    {"clock", "[advance DURATION] [--json]", "Show the instance's clock, or move a simulated one.",
     ctl_clock},
    {"template", "render FILE.liquid --data FILE.json [--partials DIR] [--escape html]",
     "Render a template without an instance.", ctl_template},
    {"rule",
     "parse <RULE | check [--as-of INSTANT] [--json] <RULE | explain ID|EMAIL [--segment NAME] "
     "[--as-of INSTANT] [--json] [<RULE] | sql [--json] <RULE",
     "Read a rule from standard input: its tree, for whom it holds, why, its SQL.", rule},
    {"api", "METHOD PATH [FILE|-] [--type TYPE]",
     "Make one call of the HTTP API, and print its answer.", ctl_api},
    {"migrate", "[--database CONNINFO] [--roles]", "Bring a database's schema up to date.",
     ctl_migrate},
    {"organisation",
     "create SLUG [--name NAME] [--time-zone ZONE] [--language TAG] [--currency CODE] [--database "
     "CONNINFO]",
     "Make an organisation.", ctl_organisation},
    {"token",
     "create --organisation SLUG [--role owner|editor|recorder|reader] [--name NAME] [--database "
     "CONNINFO] | list [--json] | revoke ID",
     "Make an API token and print it, this once; list or withdraw them.", token},
    {"users", "[--json] | add NAME EMAIL ROLE | remove ID",
     "List, add or remove the people who administer; their tokens may what they may.", ctl_users},
    {"audit", "[--what WHAT] [--name NAME] [--json|--csv]",
     "Show who changed what last, or write all of it as CSV.", ctl_audit},
    {"tags", "[--json] | rename TAG NEW | delete TAG",
     "List the tags and how many contacts have each; rename or delete one.", ctl_tags},
    {"tasks", "[--all] [--json] | add CONTACT TITLE [--due DAY] | done ID",
     "List what somebody is to do about contacts; add a task, or say that one is done.", ctl_tasks},
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

int ctl_usage(const char *name)
{
    const struct command *c = command_find(name);

    if (c == NULL)
        bug("no command %s", name);
    fprintf(stderr, "usage: lazoctl %s %s\n", c->name, c->words);
    return CTL_USAGE;
}

static int help(void)
{
    puts("lazoctl COMMAND ...\n");
    for (size_t i = 0; i < COMMANDS; i++)
        printf("  %s %s\n      %s\n", commands[i].name, commands[i].words, commands[i].sentence);
    puts("\nCommands that speak to an instance find it by --home DIR, or by LAZO_URL and "
         "LAZO_TOKEN, or by LAZO_HOME.\n"
         "Exit status: 0 done, 1 failed, 2 wrong arguments. See lazoctl(8).");
    return CTL_DONE;
}

static int unknown(const char *name)
{
    const char *names[COMMANDS];
    const char *near;

    for (size_t i = 0; i < COMMANDS; i++)
        names[i] = commands[i].name;
    near = suggest_nearest(name, names, COMMANDS);
    fprintf(stderr, "lazoctl: no command %s%s%s%s; lazoctl help lists them\n", name,
            near != NULL ? "; did you mean " : "", near != NULL ? near : "",
            near != NULL ? "?" : "");
    return CTL_USAGE;
}

/* --home DIR may stand anywhere, and is then what LAZO_HOME would be; for `up` it is an option of
 * its own. */
static void home_take(int *argc, char **argv)
{
    int kept = 1;

    for (int i = 1; i < *argc; i++) {
        const char *home = NULL;

        if (strcmp(argv[i], "--home") == 0 && i + 1 < *argc)
            home = argv[++i];
        else if (strncmp(argv[i], "--home=", 7) == 0)
            home = argv[i] + 7;
        else
            argv[kept++] = argv[i];
        if (home != NULL) {
            setenv("LAZO_HOME", home, 1);
            unsetenv("LAZO_URL");
        }
    }
    *argc = kept;
    argv[kept] = NULL;
}

int main(int argc, char **argv)
{
    const struct command *c;

    setlocale(LC_ALL, "");
    setlocale(LC_NUMERIC, "C");
    if (sodium_init() < 0 || curl_global_init(CURL_GLOBAL_ALL) != 0)
        bug("libraries do not start");
    if (argc < 2 || strcmp(argv[1], "up") != 0)
        home_take(&argc, argv);
    if (argc < 2)
        return help(), CTL_USAGE;
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 ||
        strcmp(argv[1], "-h") == 0)
        return help();
    if (strcmp(argv[1], "--version") == 0)
        return puts("lazoctl " LAZO_VERSION), CTL_DONE;
    c = command_find(argv[1]);
    return c == NULL ? unknown(argv[1]) : c->run(argc - 1, argv + 1);
}
