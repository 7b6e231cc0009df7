/* check.c - lazoctl check: compares what is stored of segments and scores with what the facts say,
 * through lazod, whose clock counts. */
#include "common/mem.h"
#include "daemon/ctl/client.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/options.h"
#include "daemon/ctl/table.h"

#include <stdio.h>

static long long number(const json_t *report, const char *name)
{
    return (long long)json_integer_value(json_object_get(report, name));
}

static void check_print(const json_t *report)
{
    static const char *const headings[] = {"SEGMENT", "MODEL", "NEXT", ">CONTACT",
                                           "STORED",  "TRUE",  NULL};
    static const char *const keys[] = {"segment", "model", "next", "contact", "stored", "true"};
    const json_t *differences = json_object_get(report, "differences");
    const json_t *name;
    size_t i;

    if (json_array_size(differences) > 0)
        table_items(differences, headings, keys);
    json_array_foreach(json_object_get(report, "unreadable"), i, name)
        printf("the rule of the segment %s no longer checks\n", json_string_value(name));
    if (json_is_true(json_object_get(report, "waiting")))
        printf(
            "the instance did not come to rest: %lld contacts that wait to be evaluated were left "
            "out\n",
            number(report, "left_out"));
    printf("%lld contacts, %lld segments, %lld models: %lld differences\n",
           number(report, "contacts"), number(report, "segments"), number(report, "models"),
           number(report, "count"));
    if (json_object_get(report, "mended") != NULL)
        printf("%lld mended, %lld left\n", number(report, "mended"), number(report, "left"));
}

int ctl_check(int argc, char **argv)
{
    bool segments = false, scores = false, repair = false, json = false;
    const struct option_spec specs[] = {{.name = "segments", .flag = &segments},
                                        {.name = "rfm", .flag = &scores},
                                        {.name = "repair", .flag = &repair},
                                        {.name = "json", .flag = &json},
                                        {0}};
    MEM_SCOPED void *ctx = talloc_new(NULL);
    const struct answer *a;
    struct client *c;
    json_t *body;

    if (!options_parse(&argc, argv, specs) || argc != 1)
        return ctl_usage("check");
    c = client_open(ctx, NULL);
    if (c == NULL)
        return CTL_FAILED;
    body = mem_must(json_pack("{s:b, s:b, s:b}", "segments", segments || !scores, "rfm",
                              scores || !segments, "repair", repair));
    a = client_ask(ctx, c, "check", "POST", "/v1/check", body);
    if (a == NULL)
        return CTL_FAILED;
    if (json)
        table_json(a->body);
    else
        check_print(a->body);
    return number(a->body, "count") == 0 ? CTL_DONE : CTL_FAILED;
}
