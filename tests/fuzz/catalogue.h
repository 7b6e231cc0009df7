/* catalogue.h - the names of a small organisation, for the fuzzers of rules and journeys. */
#ifndef LAZO_TESTS_FUZZ_CATALOGUE_H
#define LAZO_TESTS_FUZZ_CATALOGUE_H

#include "daemon/rules/rule.h"

static struct catalogue_name kinds[] = {{"donation", 1}, {"call", 2}};
static struct catalogue_name topics[] = {{"news", 1}};
static struct catalogue_name models[] = {{"main", 1}};
static struct catalogue_field fields[] = {
    {"t", 1, FIELD_TEXT}, {"n", 2, FIELD_NUMBER}, {"d", 3, FIELD_DATE}, {"b", 4, FIELD_BOOLEAN}};
static struct catalogue_segment segments[] = {{"s", 1, "in segment \"s2\""}, {"s2", 2, "person"}};
static struct catalogue_relation relations[] = {
    {"parent of", 1, 2, 0}, {"child of", 2, 1, 0}, {"sibling", 3, 0, 2}};
static const struct catalogue catalogue = {.org_id = 1,
                                           .time_zone = "Europe/Madrid",
                                           .currency = "EUR",
                                           .currency_digits = 2,
                                           .language = "es",
                                           .leap_birthday = "02-28",
                                           .kinds = kinds,
                                           .n_kinds = 2,
                                           .fields = fields,
                                           .n_fields = 4,
                                           .topics = topics,
                                           .n_topics = 1,
                                           .segments = segments,
                                           .n_segments = 2,
                                           .relations = relations,
                                           .n_relations = 3,
                                           .models = models,
                                           .n_models = 1};

#endif
