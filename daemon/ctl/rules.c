/* rules.c - lazoctl rule check, explain and sql: a rule against a running instance, which knows the
 * organisation's names and its clock. */
#include "common/buf.h"
#include "common/mem.h"
#include "common/text.h"
#include "daemon/ctl/client.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/options.h"
#include "daemon/ctl/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* More than any rule may have, so that lazod says it. */
#define INPUT_MAX (1 << 20)

static const char *rule_read(const void *ctx)
{
    char block[4096];
    struct buf text;
    size_t n;

    buf_init(&text, ctx, INPUT_MAX);
    while ((n = fread(block, 1, sizeof(block), stdin)) > 0)
        buf_add(&text, block, n);
    return buf_take(&text, ctx);
}

/* The answer of a good call; NULL, said on stderr, else. Takes the body's reference. */
static const json_t *rule_ask(const void *ctx, struct client *c, const char *what, json_t *body)
{
    const struct answer *a =
        client_ask(ctx, c, "rule", "POST", client_path(ctx, "/v1/rules/%s", what), mem_must(body));

    return a == NULL ? NULL : a->body;
}

static void mistakes_print(const json_t *list, const char *sort)
{
    const json_t *item;
    size_t i;

    json_array_foreach(list, i, item) fprintf(
        stderr, "%lld:%lld: %s%s\n", (long long)json_integer_value(json_object_get(item, "line")),
        (long long)json_integer_value(json_object_get(item, "column")), sort,
        json_string_value(json_object_get(item, "message")));
}

static int rule_check_run(const void *ctx, struct client *c, const char *as_of, bool json)
{
    static const char *const headings[] = {">CONTACT",  "E-MAIL",  "FIRST NAME",
                                           "LAST NAME", "COMPANY", NULL};
    static const char *const keys[] = {"id", "email", "first_name", "last_name", "company_name"};
    const json_t *answer =
        rule_ask(ctx, c, "check", json_pack("{s:s, s:s?}", "rule", rule_read(ctx), "as_of", as_of));
    const char *unknown;
    bool valid;

    if (answer == NULL)
        return CTL_FAILED;
    unknown = json_string_value(json_object_get(answer, "unknown"));
    valid = json_is_true(json_object_get(answer, "valid"));
    if (json) {
        table_json(answer);
    } else {
        mistakes_print(json_object_get(answer, "errors"), "");
        mistakes_print(json_object_get(answer, "warnings"), "warning: ");
        if (valid)
            printf("holds for %lld\n",
                   (long long)json_integer_value(json_object_get(answer, "count")));
        if (unknown != NULL)
            printf("not known: %s\n", unknown);
        if (json_array_size(json_object_get(answer, "sample")) > 0)
            table_items(json_object_get(answer, "sample"), headings, keys);
    }
    return valid ? CTL_DONE : CTL_FAILED;
}

static void exception_print(const void *ctx, const json_t *exception)
{
    const char *reason = table_value(ctx, json_object_get(exception, "reason"));

    printf("whatever the rule says, the contact is always %s: said by %s at %s, %s%s\n",
           json_string_value(json_object_get(exception, "mode")),
           table_value(ctx, json_object_get(exception, "by")),
           table_value(ctx, json_object_get(exception, "at")),
           *reason == '\0' ? "without a reason" : "because: ", reason);
}

static void explain_print(const void *ctx, const json_t *answer)
{
    static const char *const headings[] = {"CONDITION",  ">VALUE",  "HOLDS", "SINCE",
                                           "CHANGES AT", "UNKNOWN", NULL};
    static const char *const keys[] = {"text", "value", "holds", "since", "changes_at", "unknown"};
    const json_t *exception = json_object_get(answer, "exception");
    const char *changes = json_string_value(json_object_get(answer, "changes_at"));
    json_int_t omitted = json_integer_value(json_object_get(answer, "omitted"));
    const char *since = json_string_value(json_object_get(answer, "since"));
    const char *unknown = json_string_value(json_object_get(answer, "unknown"));

    table_items(json_object_get(answer, "conditions"), headings, keys);
    if (omitted > 0)
        printf("and %lld more conditions\n", (long long)omitted);
    printf("the rule %s\n",
           json_is_true(json_object_get(answer, "holds")) ? "holds" : "does not hold");
    if (json_is_object(exception))
        exception_print(ctx, exception);
    if (since != NULL)
        printf("it has been so since %s\n", since);
    if (unknown != NULL)
        printf("not known: %s\n", unknown);
    else if (changes == NULL)
        puts("time alone changes nothing");
    if (changes != NULL)
        printf("time alone may change this at %s\n", changes);
}

static int rule_explain_run(const void *ctx, struct client *c, const char *contact,
                            const char *segment, const char *as_of, bool json)
{
    const char *id = client_contact(ctx, c, "rule", contact), *rule;
    const json_t *answer;
    int64_t number;

    if (id == NULL || !text_int(id, &number))
        return CTL_FAILED;
    rule = segment == NULL ? rule_read(ctx) : NULL;
    answer = rule_ask(ctx, c, "explain",
                      json_pack("{s:s?, s:s?, s:I, s:s?}", "rule", rule, "segment", segment,
                                "contact", (json_int_t)number, "as_of", as_of));
    if (answer == NULL)
        return CTL_FAILED;
    if (json)
        table_json(answer);
    else
        explain_print(ctx, answer);
    return CTL_DONE;
}

/* A comment ends with its line, which psql sees in a carriage return, too. */
static const char *one_line(const void *ctx, const char *text)
{
    char *line = mem_strdup(ctx, text);

    for (char *c = line; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20)
            *c = ' ';
    return line;
}

static const char *quoted(const void *ctx, const char *text)
{
    struct buf b;

    buf_init(&b, ctx, INPUT_MAX);
    buf_char(&b, '\'');
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            buf_char(&b, '\'');
        buf_char(&b, *text);
    }
    buf_char(&b, '\'');
    return buf_take(&b, ctx);
}

/* What psql runs as it stands, as any role that may become lazo_app: who is found, by the present
 * clock of the instance. */
static void sql_print(const void *ctx, const json_t *answer)
{
    const json_t *params = json_object_get(answer, "params"), *param;
    size_t i;

    printf("-- %s\n", one_line(ctx, json_string_value(json_object_get(answer, "rule"))));
    puts("BEGIN READ ONLY;\n"
         "SET LOCAL ROLE lazo_app;\n"
         "SET LOCAL search_path = lazo;\n"
         "SET LOCAL TimeZone = 'UTC';\n"
         "SET LOCAL standard_conforming_strings = on;");
    printf("SET LOCAL lazo.org = '%lld';\n",
           (long long)json_integer_value(json_object_get(answer, "organisation")));
    printf("PREPARE lazo_rule AS\n%s;\n", json_string_value(json_object_get(answer, "sql")));
    puts("EXECUTE lazo_rule(\n    0, -- $1: contacts after this one");
    printf("    %s, -- $2: now\n", quoted(ctx, json_string_value(json_object_get(answer, "now"))));
    printf("    1000000000%s -- $3: at most so many\n", json_array_size(params) > 0 ? "," : "");
    json_array_foreach(params, i, param)
        printf("    %s%s -- $%zu\n", quoted(ctx, json_string_value(param)),
               i + 1 < json_array_size(params) ? "," : "", i + 4);
    puts(");\nDEALLOCATE lazo_rule;\nROLLBACK;");
}

static int rule_sql_run(const void *ctx, struct client *c, bool json)
{
    const json_t *answer = rule_ask(ctx, c, "sql", json_pack("{s:s}", "rule", rule_read(ctx)));

    if (answer == NULL)
        return CTL_FAILED;
    if (json) {
        table_json(answer);
        return CTL_DONE;
    }
    sql_print(ctx, answer);
    return CTL_DONE;
}

int ctl_rules(int argc, char **argv)
{
    const char *segment = NULL, *as_of = NULL;
    bool json = false;
    const struct option_spec specs[] = {{.name = "segment", .text = &segment},
                                        {.name = "as-of", .text = &as_of},
                                        {.name = "json", .flag = &json},
                                        {0}};
    MEM_SCOPED void *ctx = talloc_new(NULL);
    bool check, explain, sql;
    struct client *c;

    if (!options_parse(&argc, argv, specs) || argc < 2)
        return ctl_usage("rule");
    check = argc == 2 && segment == NULL && strcmp(argv[1], "check") == 0;
    explain = argc == 3 && strcmp(argv[1], "explain") == 0;
    sql = argc == 2 && segment == NULL && as_of == NULL && strcmp(argv[1], "sql") == 0;
    if (!check && !explain && !sql)
        return ctl_usage("rule");
    c = client_open(ctx, NULL);
    if (c == NULL)
        return CTL_FAILED;
    if (check)
        return rule_check_run(ctx, c, as_of, json);
    return explain ? rule_explain_run(ctx, c, argv[2], segment, as_of, json)
                   : rule_sql_run(ctx, c, json);
}
