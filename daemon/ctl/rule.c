/* rule.c - see rule.h. */
#include "daemon/ctl/rule.h"

#include "common/buf.h"
#include "common/mem.h"
#include "daemon/rules/rule.h"

#include <stdio.h>
#include <string.h>

/* More than any rule may have, so that the parser says it. */
#define INPUT_MAX (1 << 20)

static void print_mistakes(const struct diag *d)
{
    for (size_t i = 0; i < d->n; i++)
        fprintf(stderr, "%d:%d: %s\n", d->items[i].line, d->items[i].column, d->items[i].message);
}

static int rule_parse_stdin(void)
{
    MEM_SCOPED void *ctx = mem_must(talloc_new(NULL));
    struct rule *rule;
    struct diag d;
    struct buf text;
    char block[4096];
    json_t *tree;
    size_t n;

    diag_init(&d, ctx);
    buf_init(&text, ctx, INPUT_MAX);
    while ((n = fread(block, 1, sizeof(block), stdin)) > 0)
        buf_add(&text, block, n);
    rule = rule_parse(ctx, text.data, text.len, &d);
    if (rule == NULL || !rule_check(rule, NULL, &d, NULL)) {
        print_mistakes(&d);
        return 1;
    }
    tree = rule_json(rule);
    json_dumpf(tree, stdout, JSON_INDENT(2));
    json_decref(tree);
    putchar('\n');
    return ferror(stdout) || fflush(stdout) != 0 ? 1 : 0;
}

int ctl_rule(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "parse") == 0)
        return rule_parse_stdin();
    fprintf(stderr, "usage: lazoctl rule parse <RULE\n");
    return 2;
}
