/* Buckets: never more than allowed, of a fixed size. Networks and the tokens of confirmations. */
#include "common/mem.h"
#include "daemon/consent/bucket.h"
#include "daemon/consent/token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define SECOND_US INT64_C(1000000)

static void test_as_many_as_allowed(void **state)
{
    struct buckets *b = buckets_new(NULL, 64);
    int64_t now_us = 5 * SECOND_US;

    (void)state;
    for (int i = 0; i < 10; i++)
        assert_int_equal(buckets_take(b, "a", 10, now_us), 0);
    assert_int_equal(buckets_take(b, "a", 10, now_us), 360);
    assert_int_equal(buckets_take(b, "b", 10, now_us), 0);
    assert_int_equal(buckets_take(b, "a", 10, now_us + 360 * SECOND_US), 0);
    assert_true(buckets_take(b, "a", 10, now_us + 361 * SECOND_US) > 0);
    now_us += 10 * 3600 * SECOND_US;
    for (int i = 0; i < 10; i++)
        assert_int_equal(buckets_take(b, "a", 10, now_us), 0);
    assert_true(buckets_take(b, "a", 10, now_us) > 0);
    assert_true(buckets_take(b, "c", 0, now_us) > 0);
    talloc_free(b);
}

/* With another period: ten at once, and then two a second. */
static void test_another_period(void **state)
{
    struct buckets *b = buckets_new(NULL, 64);

    (void)state;
    buckets_period(b, 5 * SECOND_US);
    for (int i = 0; i < 10; i++)
        assert_int_equal(buckets_take(b, "a", 10, SECOND_US), 0);
    assert_int_equal(buckets_take(b, "a", 10, SECOND_US), 1);
    for (int i = 0; i < 2; i++)
        assert_int_equal(buckets_take(b, "a", 10, 2 * SECOND_US), 0);
    assert_int_equal(buckets_take(b, "a", 10, 2 * SECOND_US), 1);
    talloc_free(b);
}

/* Nobody gets more than a full bucket and what flows in, whatever the times. */
static void test_never_more_than_that(void **state)
{
    unsigned seed = (unsigned)time(NULL);
    struct buckets *b = buckets_new(NULL, 64);
    int64_t now_us = 0, got = 0;

    (void)state;
    print_message("seed %u\n", seed);
    for (int i = 0; i < 20000; i++) {
        seed = seed * 1103515245u + 12345u;
        now_us += (seed >> 8) % (100 * SECOND_US);
        if (buckets_take(b, "a", 20, now_us) == 0)
            got++;
        assert_true((double)got <= 20.001 + 20.0 * (double)now_us / (3600.0 * SECOND_US));
    }
    assert_true(got > 100);
    talloc_free(b);
}

/* A flood of keys keeps the memory, and does not free who was held back. */
static void test_flood(void **state)
{
    struct buckets *b = buckets_new(NULL, 64);
    char key[32];

    (void)state;
    while (buckets_take(b, "held", 5, SECOND_US) == 0)
        ;
    for (int i = 0; i < 100000; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        buckets_take(b, key, 5, SECOND_US);
    }
    assert_true(buckets_take(b, "held", 5, SECOND_US) > 0);
    assert_true(talloc_total_size(b) < 64 * 1024);
    talloc_free(b);
}

static void network(const char *address, const char *wanted)
{
    MEM_SCOPED char *got = bucket_network(NULL, address);

    assert_string_equal(got, wanted);
}

static void test_networks(void **state)
{
    (void)state;
    network("192.0.2.77", "192.0.2.0/24");
    network("2001:db8:1:2:3::4", "2001:db8:1::/48");
    network("", "");
    network("nothing", "nothing");
}

static void test_tokens(void **state)
{
    static const char secret[] = "0123456789abcdef0123456789abcdef";
    void *ctx = talloc_new(NULL);
    char nonce[FORM_NONCE], other[FORM_NONCE], *token;
    int64_t org_id = 0;

    (void)state;
    form_nonce(nonce);
    form_nonce(other);
    assert_string_not_equal(nonce, other);
    token = form_token(ctx, secret, 42, nonce);
    assert_true(form_token_org(secret, token, &org_id));
    assert_int_equal(org_id, 42);
    assert_string_equal(token, form_token(ctx, secret, 42, nonce));
    assert_false(form_token_org("another secret of thirty-two letters", token, &org_id));
    assert_false(form_token_org(secret, "", &org_id));
    for (size_t i = 0; token[i] != '\0'; i++) {
        char *wrong = mem_strdup(ctx, token);

        wrong[i] = wrong[i] == 'A' ? 'B' : 'A';
        assert_false(form_token_org(secret, wrong, &org_id) && org_id != 42);
    }
    talloc_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_many_as_allowed),
        cmocka_unit_test(test_another_period),
        cmocka_unit_test(test_never_more_than_that),
        cmocka_unit_test(test_flood),
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_tokens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
