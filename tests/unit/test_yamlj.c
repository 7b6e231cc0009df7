/* YAML read as JSON: what plain scalars mean, and what is refused, with its place. */
#include "common/diag.h"
#include "common/mem.h"
#include "common/yamlj.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

/* Each text and the JSON that it is. */
static const struct {
    const char *yaml, *json;
} good[] = {
    {"", "null"},
    {"# nothing but a comment\n", "null"},
    {"a: 1", "{\"a\": 1}"},
    {"a: -17\nb: +4\nc: 0x1F\nd: 0o17\ne: 012", "{\"a\":-17,\"b\":4,\"c\":31,\"d\":15,\"e\":12}"},
    {"a: 1.5\nb: .5\nc: 1e3\nd: -2.", "{\"a\":1.5,\"b\":0.5,\"c\":1000.0,\"d\":-2.0}"},
    {"a: true\nb: False\nc: NULL\nd: ~\ne:",
     "{\"a\":true,\"b\":false,\"c\":null,\"d\":null,\"e\":null}"},
    {"a: yes\nb: no\nc: on\nd: off", "{\"a\":\"yes\",\"b\":\"no\",\"c\":\"on\",\"d\":\"off\"}"},
    {"a: 2006-12-31\nb: 09:00\nc: 10 minutes",
     "{\"a\":\"2006-12-31\",\"b\":\"09:00\",\"c\":\"10 minutes\"}"},
    {"a: \"1\"\nb: '1'\nc: |\n  1\n", "{\"a\":\"1\",\"b\":\"1\",\"c\":\"1\\n\"}"},
    {"a: .inf\nb: .nan\nc: 1e999\nd: 0x\ne: '-'",
     "{\"a\":\".inf\",\"b\":\".nan\",\"c\":\"1e999\",\"d\":\"0x\",\"e\":\"-\"}"},
    {"a: 9223372036854775807\nb: -9223372036854775808",
     "{\"a\":9223372036854775807,\"b\":-9223372036854775808}"},
    {"- 1\n- [a, b]\n- {x: y}\n- []\n- {}", "[1,[\"a\",\"b\"],{\"x\":\"y\"},[],{}]"},
    {"1: a\ntrue: b\n~: c", "{\"1\":\"a\",\"true\":\"b\",\"~\":\"c\"}"},
    {"leave when: 'tag \"no-mail\"'", "{\"leave when\":\"tag \\\"no-mail\\\"\"}"},
    {"\"a\\u00e9\": \xc3\xa1\xf0\x9f\x8e\x82", "{\"a\xc3\xa9\":\"\xc3\xa1\xf0\x9f\x8e\x82\"}"},
    {"%YAML 1.2\n---\na: b\n...\n", "{\"a\":\"b\"}"},
    {"steps:\n  - wait: 10 minutes\n  - if: 'count(donation) = 1'\n    then: [ { send: first }, { "
     "tag: donor } ]\n",
     "{\"steps\":[{\"wait\":\"10 minutes\"},{\"if\":\"count(donation) = "
     "1\",\"then\":[{\"send\":\"first\"},{\"tag\":\"donor\"}]}]}"},
};

static void test_good(void **state)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct diag d;
        json_t *wanted = json_loads(good[i].json, JSON_DECODE_ANY, NULL);
        json_t *value;

        diag_init(&d, ctx);
        value = yamlj_parse(good[i].yaml, strlen(good[i].yaml), &d);
        if (value == NULL || !json_equal(value, wanted))
            fail_msg("%s gave %s, wanted %s", good[i].yaml,
                     value == NULL ? d.items[0].message : json_dumps(value, JSON_ENCODE_ANY),
                     good[i].json);
        assert_false(diag_any(&d));
        json_decref(value);
        json_decref(wanted);
    }
}

static const struct {
    const char *yaml;
    int line, column; /* 0: not asked */
    const char *part; /* of the message */
} bad[] = {
    {"a: 1\nb: 2\na: 3", 3, 1, "twice"},
    {"a: 1\n\"a\": 3", 2, 1, "twice"},
    {"a: &x 1\nb: *x", 1, 4, "anchors"},
    {"b: *x", 1, 4, "aliases"},
    {"a: &x [1]", 1, 4, "anchors"},
    {"a: &x {b: 1}", 1, 4, "anchors"},
    {"a: !!str 1", 1, 4, "tags"},
    {"!!map {a: 1}", 1, 1, "tags"},
    {"? [a]\n: b", 1, 3, "key"},
    {"a: b\n---\nc: d", 2, 1, "one document"},
    {"a: [1, 2", 0, 0, ""},
    {"a: b: c", 1, 5, ""},
    {"a:\n\t- b", 2, 1, ""},
    {"a: \"\\0\"", 1, 4, "no character"},
    {"\"\\0\": a", 1, 1, "no character"},
    {"a: \xff\xfe", 0, 0, ""},
    {"a: \x01", 0, 0, ""},
    {"a: 'unfinished", 0, 0, ""},
};

static void test_bad(void **state)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct diag d;
        json_t *value;

        diag_init(&d, ctx);
        value = yamlj_parse(bad[i].yaml, strlen(bad[i].yaml), &d);
        if (value != NULL || d.n != 1)
            fail_msg("%s: %zu mistakes", bad[i].yaml, d.n);
        if (bad[i].line != 0 &&
            (d.items[0].line != bad[i].line || d.items[0].column != bad[i].column))
            fail_msg("%s: %d:%d %s", bad[i].yaml, d.items[0].line, d.items[0].column,
                     d.items[0].message);
        if (strstr(d.items[0].message, bad[i].part) == NULL)
            fail_msg("%s: %s", bad[i].yaml, d.items[0].message);
    }
}

static json_t *nested(void *ctx, size_t depth, const char *open, const char *close, struct diag *d)
{
    char *text = mem_array(ctx, char, depth *(strlen(open) + strlen(close)) + 1);
    size_t n = 0;

    for (size_t i = 0; i < depth; i++)
        n += (size_t)sprintf(text + n, "%s", open);
    for (size_t i = 0; i < depth; i++)
        n += (size_t)sprintf(text + n, "%s", close);
    return yamlj_parse(text, n, d);
}

static void test_depth(void **state)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    json_t *value;
    struct diag d;

    (void)state;
    diag_init(&d, ctx);
    value = nested(ctx, YAMLJ_DEPTH, "[", "]", &d);
    assert_non_null(value);
    json_decref(value);
    assert_null(nested(ctx, YAMLJ_DEPTH + 1, "[", "]", &d));
    assert_true(diag_any(&d));
    diag_init(&d, ctx);
    assert_null(nested(ctx, 10000, "[", "]", &d));
    diag_init(&d, ctx);
    assert_null(nested(ctx, 10000, "{a: ", "}", &d));
    assert_true(diag_any(&d));
}

static void test_size(void **state)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    char *text = mem_array(ctx, char, YAMLJ_SIZE + 1);
    json_t *value;
    struct diag d;

    (void)state;
    memset(text, 'a', YAMLJ_SIZE + 1);
    diag_init(&d, ctx);
    value = yamlj_parse(text, YAMLJ_SIZE, &d);
    assert_non_null(value);
    json_decref(value);
    assert_null(yamlj_parse(text, YAMLJ_SIZE + 1, &d));
    assert_true(diag_any(&d));
}

/* Whatever bytes come: a value or a mistake, never both, never a crash. Each is a good text with
 * some bytes changed. */
static void test_damaged(void **state)
{
    static const char pieces[] = "{}[]:,-?&*!|>'\"%@` \n\t#abc019.\x80\xc3";
    MEM_SCOPED void *ctx = talloc_new(NULL);
    const char *given = getenv("LAZO_SEED");
    unsigned seed = given != NULL ? (unsigned)atoi(given) : (unsigned)time(NULL);

    (void)state;
    print_message("LAZO_SEED=%u\n", seed);
    srand(seed);
    for (int round = 0; round < 3000; round++) {
        char *text = mem_strdup(ctx, good[(size_t)rand() % (sizeof(good) / sizeof(good[0]))].yaml);
        size_t n = strlen(text);
        json_t *value;
        struct diag d;

        for (int i = 0; n > 0 && i < 3; i++)
            text[(size_t)rand() % n] = pieces[(size_t)rand() % (sizeof(pieces) - 1)];
        diag_init(&d, ctx);
        value = yamlj_parse(text, n, &d);
        assert_true((value == NULL) == diag_any(&d));
        json_decref(value);
        talloc_free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good), cmocka_unit_test(test_bad),     cmocka_unit_test(test_depth),
        cmocka_unit_test(test_size), cmocka_unit_test(test_damaged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
