/* interaction.c - lazoctl interaction: what happened to one contact, told or put right by hand. To
 * add a word: its line in the table. */
#include "common/mem.h"
#include "common/text.h"
#include "daemon/ctl/words.h"

#include <stdio.h>

enum option { KIND, AMOUNT, CURRENCY, AT, SOURCE, KEY, DATA };

static const char *const options[] = {"kind",   "amount", "currency", "at",
                                      "source", "key",    "data",     NULL};

static int interaction_list(const struct asked *a)
{
    static const char *const headings[] = {">ID",       "OCCURRED", "KIND",   ">AMOUNT", "CURRENCY",
                                           ">RECORDED", "SOURCE",   "AMENDS", NULL};
    static const char *const keys[] = {"id",       "occurred_at",     "kind",   "amount",
                                       "currency", "recorded_amount", "source", "amends"};
    const char *id = words_contact(a, 0), *kind = a->options[KIND];

    if (id == NULL)
        return CTL_FAILED;
    return words_list(
        a,
        kind == NULL
            ? client_path(a->ctx, "/v1/contacts/%s/interactions?limit=1000", id)
            : client_path(a->ctx, "/v1/contacts/%s/interactions?limit=1000&kind=%s", id, kind),
        headings, keys, NULL);
}

/* NULL, said on stderr, where --data is no JSON object. */
static json_t *data_of(const struct asked *a)
{
    json_error_t wrong;
    json_t *data = json_loads(a->options[DATA], 0, &wrong);

    if (json_is_object(data))
        return data;
    fprintf(stderr, "%s: --data: a JSON object is expected%s%s\n", a->command,
            data == NULL ? ": " : "", data == NULL ? wrong.text : "");
    json_decref(data);
    return NULL;
}

static int recorded_print(const struct asked *a, const struct answer *answer)
{
    const json_t *item = json_array_get(json_object_get(answer->body, "items"), 0);

    if (a->json)
        table_json(answer->body);
    else
        printf("%s as interaction %" JSON_INTEGER_FORMAT "\n",
               json_is_true(json_object_get(item, "duplicate")) ? "was there" : "recorded",
               json_integer_value(json_object_get(item, "id")));
    return CTL_DONE;
}

/* What the options say of an interaction; takes it. */
static int record(const struct asked *a, json_t *interaction)
{
    static const char *const names[] = {NULL, "amount", "currency", "occurred_at", "source", "key"};
    const struct answer *answer;

    for (size_t i = AMOUNT; i <= KEY; i++)
        if (a->options[i] != NULL)
            json_object_set_new(interaction, names[i], json_string(a->options[i]));
    if (a->options[DATA] != NULL) {
        json_t *data = data_of(a);

        if (data == NULL) {
            json_decref(interaction);
            return CTL_FAILED;
        }
        json_object_set_new(interaction, "data", data);
    }
    answer = words_ask(a, "POST", "/v1/interactions", interaction);
    return answer == NULL ? CTL_FAILED : recorded_print(a, answer);
}

/* {"contact": {"id": …}} of the first word; NULL, said on stderr, where there is none. */
static json_t *of_contact(const struct asked *a)
{
    const char *id = words_contact(a, 0);
    int64_t number;

    if (id == NULL || !text_int(id, &number))
        return NULL;
    return mem_must(json_pack("{s:{s:I}}", "contact", "id", (json_int_t)number));
}

static int interaction_record(const struct asked *a)
{
    json_t *interaction = of_contact(a);

    if (interaction == NULL)
        return CTL_FAILED;
    json_object_set_new(interaction, "kind", json_string(a->words[1]));
    return record(a, interaction);
}

/* One that amends the interaction that is the second word. */
static int amend(const struct asked *a, const char *kind, const char *amount)
{
    int64_t amends;
    json_t *interaction;

    if (!text_int(a->words[1], &amends) || amends <= 0) {
        fprintf(stderr, "%s: \"%s\" is no id of an interaction\n", a->command, a->words[1]);
        return CTL_FAILED;
    }
    interaction = of_contact(a);
    if (interaction == NULL)
        return CTL_FAILED;
    json_object_set_new(interaction, "amends", json_integer(amends));
    json_object_set_new(interaction, "kind", json_string(kind));
    json_object_set_new(interaction, "amount", json_string(amount));
    return record(a, interaction);
}

static int interaction_refund(const struct asked *a)
{
    return amend(a, "refund", mem_printf(a->ctx, "-%s", a->words[2]));
}

static int interaction_correct(const struct asked *a)
{
    return amend(a, "correction", a->words[2]);
}

static int interaction_delete(const struct asked *a)
{
    const char *id = words_contact(a, 0);

    return id == NULL
               ? CTL_FAILED
               : words_call(a, "DELETE",
                            client_path(a->ctx, "/v1/contacts/%s/interactions/%s", id, a->words[1]),
                            NULL);
}

int ctl_interaction(int argc, char **argv)
{
    static const struct word words[] = {
        {"list", 1, interaction_list},     {"record", 2, interaction_record},
        {"refund", 3, interaction_refund}, {"correct", 3, interaction_correct},
        {"delete", 2, interaction_delete}, {NULL, 0, NULL}};

    return words_run(argc, argv, words, options);
}
