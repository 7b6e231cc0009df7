/* segment.c - lazoctl segment: who is in it and was, who is kept in or out by hand, who will enter
 * and leave by time alone. To add a word: its line in the table. */
#include "common/mem.h"
#include "daemon/ctl/words.h"

#include <stdio.h>

enum option { DAYS, AS_OF, REASON, FROM, TO };

static const char *const options[] = {"days", "as-of", "reason", "from", "to", NULL};

/* --- forecast
 * ---------------------------------------------------------------------------------------------- */

static const char *text(const void *ctx, const json_t *report, const char *name)
{
    return table_value(ctx, json_object_get(report, name));
}

static void forecast_print(const void *ctx, const json_t *report)
{
    static const char *const day_headings[] = {"DAY", ">ENTERING", ">LEAVING", NULL};
    static const char *const day_keys[] = {"day", "entering", "leaving"};
    static const char *const headings[] = {"AT", "MOVE", ">CONTACT", NULL};
    static const char *const keys[] = {"at", "move", "contact"};

    table_items(json_object_get(report, "days"), day_headings, day_keys);
    putchar('\n');
    table_items(json_object_get(report, "items"), headings, keys);
    printf("\n%s will enter and %s leave by time alone until %s\n", text(ctx, report, "entering"),
           text(ctx, report, "leaving"), text(ctx, report, "until"));
    if (!json_is_true(json_object_get(report, "complete")))
        puts("there is more than is told at a time: ask for fewer days");
    if (!json_is_true(json_object_get(report, "exact")))
        puts("part of what the rule reads is taken as it is now");
}

static int segment_forecast(const struct asked *a)
{
    const char *days = a->options[DAYS] == NULL ? "30" : a->options[DAYS];
    const struct answer *answer = client_get(
        a->ctx, a->client, a->command,
        client_path(a->ctx, "/v1/segments/%s/forecast?days=%s&limit=1000", a->words[0], days));

    if (answer == NULL)
        return CTL_FAILED;
    if (a->json)
        table_json(answer->body);
    else
        forecast_print(a->ctx, answer->body);
    return CTL_DONE;
}

/* --- members
 * ---------------------------------------------------------------------------------------------- */

static void name_member(const struct asked *a, json_t *item)
{
    words_who(a, item, item);
}

static int segment_members(const struct asked *a)
{
    static const char *const headings[] = {">CONTACT", "WHO", "E-MAIL", "SINCE", "EXCEPTION", NULL};
    static const char *const keys[] = {"id", "who", "email", "entered_at", "exception"};
    const char *as_of = a->options[AS_OF];

    return words_list(a,
                      as_of == NULL
                          ? client_path(a->ctx, "/v1/segments/%s/members?limit=1000", a->words[0])
                          : client_path(a->ctx, "/v1/segments/%s/members?limit=1000&as_of=%s",
                                        a->words[0], as_of),
                      headings, keys, name_member);
}

/* The path of what a segment has of the contact that is the second word; NULL where there is none.
 */
static const char *path_of(const struct asked *a, const char *what)
{
    const char *id = words_contact(a, 1);

    return id == NULL ? NULL : client_path(a->ctx, "/v1/segments/%s/%s/%s", a->words[0], what, id);
}

static int change(const struct asked *a, const char *what, const char *method, json_t *body)
{
    const char *path = path_of(a, what);

    if (path == NULL) {
        json_decref(body);
        return CTL_FAILED;
    }
    return words_call(a, method, path, body);
}

static int segment_add(const struct asked *a)
{
    return change(a, "members", "PUT", NULL);
}

static int segment_remove(const struct asked *a)
{
    return change(a, "members", "DELETE", NULL);
}

/* --- exceptions
 * ---------------------------------------------------------------------------------------------- */

static int segment_exceptions(const struct asked *a)
{
    static const char *const headings[] = {">CONTACT", "ALWAYS", "REASON", "BY", "AT", NULL};
    static const char *const keys[] = {"contact", "mode", "reason", "by", "at"};

    return words_list(a, client_path(a->ctx, "/v1/segments/%s/exceptions?limit=1000", a->words[0]),
                      headings, keys, NULL);
}

static int except(const struct asked *a, const char *mode)
{
    json_t *body = mem_must(json_pack("{s:s}", "mode", mode));

    if (a->options[REASON] != NULL)
        json_object_set_new(body, "reason", json_string(a->options[REASON]));
    return change(a, "exceptions", "PUT", body);
}

static int segment_always(const struct asked *a)
{
    return except(a, "in");
}

static int segment_never(const struct asked *a)
{
    return except(a, "out");
}

static int segment_by_rule(const struct asked *a)
{
    return change(a, "exceptions", "DELETE", NULL);
}

/* --- history
 * ---------------------------------------------------------------------------------------------- */

static int segment_history(const struct asked *a)
{
    static const char *const headings[] = {"DAY", ">MEMBERS", ">ENTERED", ">LEFT", NULL};
    static const char *const keys[] = {"day", "count", "entered", "left"};
    const char *path = client_path(a->ctx, "/v1/segments/%s/history?", a->words[0]);

    if (a->options[FROM] != NULL)
        path = mem_printf(a->ctx, "%s%s", path, client_path(a->ctx, "&from=%s", a->options[FROM]));
    if (a->options[TO] != NULL)
        path = mem_printf(a->ctx, "%s%s", path, client_path(a->ctx, "&to=%s", a->options[TO]));
    return words_list(a, path, headings, keys, NULL);
}

int ctl_segment(int argc, char **argv)
{
    static const struct word words[] = {
        {"members", 1, segment_members},   {"add", 2, segment_add},
        {"remove", 2, segment_remove},     {"exceptions", 1, segment_exceptions},
        {"always", 2, segment_always},     {"never", 2, segment_never},
        {"by-rule", 2, segment_by_rule},   {"history", 1, segment_history},
        {"forecast", 1, segment_forecast}, {NULL, 0, NULL}};

    return words_run(argc, argv, words, options);
}
