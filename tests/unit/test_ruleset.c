/* test_ruleset.c - the rules of an organisation, compiled together. */
#include "common/mem.h"
#include "daemon/evaluate/ruleset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MANY 250

static struct catalogue_name kinds[] = {{"donation", 4}, {"signup", 9}};
static struct catalogue_segment few[] = {{"spain", 11, "country = \"ES\""},
                                         {"hand-made", 12, NULL},
                                         {"broken", 13, "shoe_size = 5"},
                                         {"givers", 14, "any(donation) and in segment \"spain\""}};
static struct catalogue_segment many[MANY];

static struct catalogue catalogue_of(struct catalogue_segment *segments, size_t n)
{
    return (struct catalogue){.org_id = 1,
                              .time_zone = "Europe/Madrid",
                              .currency = "EUR",
                              .currency_digits = 2,
                              .language = "es",
                              .leap_birthday = "02-28",
                              .kinds = kinds,
                              .n_kinds = 2,
                              .segments = segments,
                              .n_segments = n};
}

/* Entering is read by nobody, by its name, by a score, or as any kind. */
static void who_reads_moves(void **state)
{
    static struct catalogue_name moving[] = {
        {"donation", 4}, {"segment_entered", 7}, {"segment_left", 8}};
    static struct catalogue_segment rules[] = {{"plain", 1, "any(donation)"},
                                               {"gone", 2, "any(segment_left)"}};
    struct catalogue c = catalogue_of(rules, 1);
    int64_t scored[] = {7};
    void *ctx = talloc_new(NULL);
    struct ruleset *set;
    struct diag d;

    (void)state;
    diag_init(&d, ctx);
    c.kinds = moving;
    c.n_kinds = 3;
    set = ruleset_compile(ctx, &c, RULESET_some, NULL, 0, &d);
    assert_int_equal(set->n_move_kinds, 0);
    c.score_kinds = scored;
    c.n_score_kinds = 1;
    set = ruleset_compile(ctx, &c, RULESET_some, NULL, 0, &d);
    assert_int_equal(set->n_move_kinds, 1);
    assert_int_equal(set->move_kinds[0], 7);
    c.n_segments = 2;
    set = ruleset_compile(ctx, &c, RULESET_some, NULL, 0, &d);
    assert_int_equal(set->n_move_kinds, 2);
    assert_int_equal(set->move_kinds[1], 8);
    assert_int_equal(d.n, 0);
    talloc_free(ctx);
}

static void dynamic_ones_that_check(void **state)
{
    struct catalogue c = catalogue_of(few, 4);
    void *ctx = talloc_new(NULL);
    struct ruleset *set;
    struct diag d;

    (void)state;
    diag_init(&d, ctx);
    set = ruleset_compile(ctx, &c, RULESET_some, NULL, 0, &d);
    assert_int_equal(set->n_segments, 2);
    assert_int_equal(set->segments[0].id, 11);
    assert_int_equal(set->segments[1].id, 14);
    assert_int_equal(set->n_groups, 2);
    assert_int_equal(set->groups[0].level, 0);
    assert_int_equal(set->groups[1].level, 1);
    assert_int_equal(set->groups[1].statement.segments[0], 14);
    assert_non_null(set->groups[0].statement.sql->text);
    assert_int_equal(set->last_kind, 9);
    assert_null(ruleset_segment(set, 12));
    assert_int_equal(ruleset_segment(set, 14)->group, 1);
    assert_int_equal(d.n, 1);
    assert_string_equal(d.items[0].pointer, "broken");
    talloc_free(ctx);
}

static void some_alone(void **state)
{
    const int64_t only[] = {11, 12, 99};
    struct catalogue c = catalogue_of(few, 4);
    void *ctx = talloc_new(NULL);
    struct ruleset *set;
    struct diag d;

    (void)state;
    diag_init(&d, ctx);
    set = ruleset_compile(ctx, &c, RULESET_some, only, 3, &d);
    assert_int_equal(set->n_segments, 1);
    assert_int_equal(set->segments[0].id, 11);
    assert_null(ruleset_word(set, "segment:11"));
    assert_false(diag_any(&d));
    set = ruleset_compile(ctx, &c, RULESET_some, only, 0, &d);
    assert_int_equal(set->n_segments, 0);
    assert_int_equal(set->n_groups, 0);
    talloc_free(ctx);
}

/* Who asks for members of a segment, itself or of a related contact. */
static void references(void **state)
{
    struct catalogue_relation relations[] = {{"member of", 1, 2, 0}, {"has member", 2, 1, 0}};
    struct catalogue_segment chain[] = {
        {"a", 11, "any(donation)"},
        {"b", 12, "in segment \"a\" and not in segment \"a\""},
        {"c", 13, "related as \"member of\" where (in segment \"b\")"},
    };
    struct catalogue c = catalogue_of(chain, 3);
    void *ctx = talloc_new(NULL);
    struct ruleset *set;
    struct diag d;

    (void)state;
    c.relations = relations;
    c.n_relations = 2;
    diag_init(&d, ctx);
    set = ruleset_compile(ctx, &c, RULESET_range, NULL, 0, &d);
    assert_false(diag_any(&d));
    assert_int_equal(set->n_references, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_true(set->references[i].to == 11 || set->references[i].to == 12);
        assert_int_equal(set->references[i].by, set->references[i].to + 1);
    }
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(set->groups[ruleset_segment(set, 11 + (int64_t)i)->group].level, i);
    talloc_free(ctx);
}

/* One group holds so many; none is lost at the edges, and what reads the same stands together. */
static void many_are_parted(void **state)
{
    struct catalogue c = catalogue_of(many, MANY);
    void *ctx = talloc_new(NULL);
    const struct ruleset_word *tagged;
    struct ruleset *set;
    struct diag d;

    (void)state;
    for (size_t i = 0; i < MANY; i++)
        many[i] =
            (struct catalogue_segment){.name = mem_printf(ctx, "s%zu", i),
                                       .id = (int64_t)i + 1,
                                       .rule = i % 5 == 0 ? "count(donation) > 3 and tag \"x\""
                                                          : "count(donation) > 3 and age > 9"};
    diag_init(&d, ctx);
    set = ruleset_compile(ctx, &c, RULESET_page, NULL, 0, &d);
    assert_int_equal(set->n_segments, MANY);
    assert_int_equal(set->n_groups, (MANY + RULE_ROOTS_MAX - 1) / RULE_ROOTS_MAX);
    assert_int_equal(ruleset_word(set, "kind:4")->n, set->n_groups);
    assert_int_equal(ruleset_part_size(set, set->groups[0].part), set->n_groups);
    tagged = ruleset_word(set, "tag:x");
    assert_int_equal(tagged->n, 1);
    assert_int_equal(tagged->groups[0], set->n_groups - 1);
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(set->segments[i].id, i + 1);
    talloc_free(ctx);
}

/* The facts of others that a rule hangs on, each with the way back from whom they are of. */
static void facts_of_related_contacts(void **state)
{
    struct catalogue_relation relations[] = {
        {"parent of", 1, 2, 0}, {"child of", 2, 1, 0}, {"sibling", 3, 0, 2}};
    static struct catalogue_name models[] = {{"main", 6}};
    struct catalogue_segment segment[] = {
        {"uncles", 21,
         "related as \"sibling\" where (related as \"parent of\" "
         "where (tag \"x\" or any(donation) or rfm.label = \"best\"))"}};
    static const struct {
        const char *word;
        size_t n_hops;
        int64_t hops[4];
    } wanted[] = {{"relation", 1, {1}},
                  {"relation", 2, {2, 1}},
                  {"kind:4", 3, {2, 2, 1}},
                  {"score:6", 3, {2, 2, 1}},
                  {"tag:x", 3, {2, 2, 1}}};
    struct catalogue c = catalogue_of(segment, 1);
    void *ctx = talloc_new(NULL);
    struct ruleset *set;
    struct diag d;

    (void)state;
    c.relations = relations;
    c.n_relations = 3;
    c.models = models;
    c.n_models = 1;
    diag_init(&d, ctx);
    set = ruleset_compile(ctx, &c, RULESET_some, NULL, 0, &d);
    assert_false(diag_any(&d));
    assert_int_equal(set->n_words, 1);
    assert_string_equal(set->words[0].word, "relation");
    assert_int_equal(set->n_reaches, 5);
    for (size_t i = 0; i < 5; i++) {
        const struct rule_reach *way = &set->reaches[i].way;

        assert_string_equal(way->word, wanted[i].word);
        assert_int_equal(way->n_hops, wanted[i].n_hops);
        assert_memory_equal(way->hops, wanted[i].hops, way->n_hops * sizeof(way->hops[0]));
    }
    assert_true(ruleset_reaches(set, "tag:x"));
    assert_false(ruleset_reaches(set, "tag"));
    assert_true(ruleset_reads_model(set, 6));
    assert_false(ruleset_reads_model(set, 60));
    talloc_free(ctx);
}

static const char *text_of(void *ctx, const struct ruleset *set, const char *word)
{
    const struct ruleset_word *w = ruleset_word(set, word);
    char *text = mem_strdup(ctx, "");

    for (size_t i = 0; w != NULL && i < w->n; i++)
        for (size_t s = 0; s < set->n_segments; s++)
            if (set->segments[s].group == w->groups[i])
                text = mem_printf(ctx, "%s %d", text, (int)set->segments[s].id);
    return text;
}

/* Who is touched by what: an opened mail by no rule about gifts. */
static void words_touch_groups(void **state)
{
    static struct catalogue_name used[] = {{"donation", 4}, {"email_opened", 5}};
    static struct catalogue_field fields[] = {{"diet", 3, FIELD_TEXT}};
    static struct catalogue_name topics[] = {{"news", 8}}, models[] = {{"main", 6}};
    static struct catalogue_segment rules[] = {
        {"gave", 1, "count(donation) > 3 and city = \"Madrid\""},
        {"reads", 2, "any(email_opened in last 30 days)"},
        {"gave and reads", 3, "any(donation) and any(email_opened)"},
        {"known", 4, "known_since before 30 days ago and age > 18"},
        {"tags", 5,
         "tag \"Top, x\" or in group \"y\" or tag \"caf\u00e9\" or subscribed \"news\" or "
         "attr.diet = \"vegan\""},
        {"score", 6, "rfm.r > 3 and person and in segment \"fixed\" and updated_at today"},
        {"fixed", 7, NULL}};
    struct catalogue c = catalogue_of(rules, 7);
    const struct ruleset_word *end, *first;
    void *ctx = talloc_new(NULL);
    struct ruleset *set;
    struct diag d;

    (void)state;
    c.kinds = used;
    c.n_kinds = 2;
    c.fields = fields;
    c.n_fields = c.n_topics = c.n_models = 1;
    c.topics = topics;
    c.models = models;
    diag_init(&d, ctx);
    set = ruleset_compile(ctx, &c, RULESET_some, NULL, 0, &d);
    assert_false(diag_any(&d));
    assert_null(strstr(text_of(ctx, set, "kind:5"), " 1"));
    assert_non_null(strstr(text_of(ctx, set, "kind:5"), " 3"));
    assert_non_null(strstr(text_of(ctx, set, "kind:5"), " 2"));
    assert_null(strstr(text_of(ctx, set, "kind:4"), " 2"));
    assert_string_equal(text_of(ctx, set, "field:city"), " 1");
    assert_string_equal(text_of(ctx, set, "kind"), " 4");
    assert_string_equal(text_of(ctx, set, "field:birth"), " 4");
    assert_string_equal(text_of(ctx, set, "field:time_zone"), " 4");
    assert_string_equal(text_of(ctx, set, "tag"), " 5 6");
    assert_string_equal(text_of(ctx, set, "tag:top; x"), " 5 6");
    assert_string_equal(text_of(ctx, set, "group"), "");
    assert_string_equal(text_of(ctx, set, "group:y"), " 5 6");
    assert_string_equal(text_of(ctx, set, "attr:3"), " 5 6");
    assert_string_equal(text_of(ctx, set, "segment:7"), " 5 6");
    assert_string_equal(text_of(ctx, set, "field"), " 5 6");
    assert_string_equal(text_of(ctx, set, "field:stage"), "");
    first = ruleset_first(set, "topic:", &end);
    assert_int_equal(end - first, 1);
    assert_string_equal(first->word, "topic:8");
    first = ruleset_first(set, "score:", &end);
    assert_int_equal(end - first, 1);
    assert_true(ruleset_reads_model(set, 6));
    assert_false(ruleset_reads_model(set, 7));
    talloc_free(ctx);
}

/* Each level above what it refers to; a part keeps its number when a kind is used at last. */
static void levels_and_parts(void **state)
{
    static struct catalogue_segment chain[] = {{"d", 1, "in segment \"c\" and any(Gala)"},
                                               {"c", 2, "not in segment \"b\" or any(gala)"},
                                               {"b", 3, "in segment \"a\""},
                                               {"a", 4, "any(gala in last 1 day)"}};
    static struct catalogue_name later[] = {{"donation", 4}, {"signup", 9}, {"gala", 12}};
    struct catalogue c = catalogue_of(chain, 4);
    void *ctx = talloc_new(NULL);
    struct ruleset *set;
    struct diag d;
    int32_t part;

    (void)state;
    diag_init(&d, ctx);
    set = ruleset_compile(ctx, &c, RULESET_some, NULL, 0, &d);
    for (int i = 0; i < 4; i++)
        assert_int_equal(set->groups[ruleset_segment(set, i + 1)->group].level, 3 - i);
    part = set->groups[0].part;
    assert_int_equal(ruleset_part_size(set, part), 3);
    assert_true(part > RULESET_SCORES);
    c.kinds = later;
    c.n_kinds = 3;
    set = ruleset_compile(ctx, &c, RULESET_some, NULL, 0, &d);
    assert_int_equal(set->groups[0].part, part);
    assert_int_equal(ruleset_part_size(set, part), 3);
    talloc_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dynamic_ones_that_check),
        cmocka_unit_test(who_reads_moves),
        cmocka_unit_test(some_alone),
        cmocka_unit_test(many_are_parted),
        cmocka_unit_test(facts_of_related_contacts),
        cmocka_unit_test(words_touch_groups),
        cmocka_unit_test(levels_and_parts),
        cmocka_unit_test(references),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
