/* import_counts.c - see import_counts.h. */
#include "daemon/import/import_counts.h"

#include "common/mem.h"

#define SAMPLE 20

void import_counts_init(struct import_counts *c)
{
    *c =
        (struct import_counts){.fields = mem_must(json_object()), .sample = mem_must(json_array())};
}

void import_counts_done(struct import_counts *c)
{
    json_decref(c->fields);
    json_decref(c->sample);
    c->fields = c->sample = NULL;
}

void import_counts_read(struct import_counts *c, const json_t *report)
{
#define X(name, help) c->name = json_integer_value(json_object_get(report, #name));
    IMPORT_COUNTS(X)
#undef X
    json_object_update(c->fields, json_object_get(report, "fields"));
    json_array_extend(c->sample, json_object_get(report, "sample"));
}

json_t *import_counts_json(const struct import_counts *c)
{
    json_t *report = mem_must(json_object());

#define X(name, help) json_object_set_new(report, #name, json_integer(c->name));
    IMPORT_COUNTS(X)
#undef X
    json_object_set(report, "fields", c->fields);
    json_object_set(report, "sample", c->sample);
    return report;
}

void import_counts_add(struct import_counts *c, const struct import_counts *more)
{
    const char *field;
    json_t *value;
    size_t i;

#define X(name, help) c->name += more->name;
    IMPORT_COUNTS(X)
#undef X
    json_object_foreach(more->fields, field, value)
        json_object_set_new(c->fields, field,
                            json_integer(json_integer_value(json_object_get(c->fields, field)) +
                                         json_integer_value(value)));
    json_array_foreach(more->sample, i, value) if (json_array_size(c->sample) < SAMPLE)
        json_array_append(c->sample, value);
}

void import_counts_field(struct import_counts *c, const char *field)
{
    json_object_set_new(c->fields, field,
                        json_integer(json_integer_value(json_object_get(c->fields, field)) + 1));
}

void import_counts_sample(struct import_counts *c, json_t *contact_take)
{
    if (json_array_size(c->sample) < SAMPLE)
        json_array_append_new(c->sample, contact_take);
    else
        json_decref(contact_take);
}
