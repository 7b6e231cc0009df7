/* Signatures against the vectors of others (Standard Webhooks, Wycheproof), and tokens against
 * everything that is none. */
#include "common/mem.h"
#include "common/sign.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

static json_t *suite(const char *name)
{
    const char *shared = getenv("LAZO_SHARED");
    MEM_SCOPED char *path =
        mem_printf(NULL, "%s/suites/%s", shared == NULL ? "../shared" : shared, name);

    if (access(path, R_OK) != 0) {
        print_message("%s is not there\n", path);
        return NULL;
    }
    return json_load_file(path, 0, NULL);
}

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static void test_webhook_vectors(void **state)
{
    void *ctx = mem_must(talloc_new(NULL));
    json_t *all = suite("webhooks/vectors.json"), *one;
    size_t i, seen = 0;

    (void)state;
    if (all == NULL) {
        talloc_free(ctx);
        skip();
    }
    json_array_foreach(json_object_get(all, "sign"), i, one)
    {
        struct sign_secret secret;
        const char *payload = text_of(one, "payload");
        json_int_t at = json_integer_value(json_object_get(one, "timestamp"));

        assert_true(sign_secret_parse(ctx, text_of(one, "secret"), &secret));
        assert_string_equal(
            sign_webhook(ctx, text_of(one, "msg_id"), at, payload, strlen(payload), &secret, 1),
            text_of(one, "signature"));
        /* the prefix is optional */
        assert_true(sign_secret_parse(ctx, text_of(one, "secret") + strlen("whsec_"), &secret));
        assert_string_equal(
            sign_webhook(ctx, text_of(one, "msg_id"), at, payload, strlen(payload), &secret, 1),
            text_of(one, "signature"));
        seen++;
    }
    assert_true(seen >= 2);
    json_array_foreach(json_object_get(all, "invalid_secrets"), i, one)
    {
        struct sign_secret secret;

        assert_false(sign_secret_parse(ctx, json_string_value(one), &secret));
    }
    json_decref(all);
    talloc_free(ctx);
}

/* The same vector, standing here, and two secrets during a rotation. */
static void test_webhook(void **state)
{
    static const char body[] = "{\"test\": 2432232314}";
    void *ctx = mem_must(talloc_new(NULL));
    struct sign_secret secrets[2];
    char *both;

    (void)state;
    assert_true(sign_secret_parse(ctx, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", &secrets[0]));
    assert_true(sign_secret_parse(ctx, "C2FVsBQIhrscChlQIMV+b5sSYspob7oD", &secrets[1]));
    assert_int_equal(secrets[0].n, 24);
    both = sign_webhook(ctx, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body, strlen(body),
                        secrets, 2);
    assert_true(strncmp(both, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v1,", 51) == 0);
    assert_int_equal(strlen(both), 47 + 1 + 47);
    talloc_free(ctx);
}

static void test_secrets(void **state)
{
    void *ctx = mem_must(talloc_new(NULL));
    struct sign_secret secret;
    char *text;

    (void)state;
    assert_true(sign_secret_parse(ctx, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwBr", &secret));
    assert_int_equal(secret.n, 25);
    assert_true(sign_secret_parse(ctx, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwBg", &secret));
    assert_int_equal(secret.n, 25);
    assert_true(sign_secret_parse(ctx, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwBg==", &secret));
    assert_false(sign_secret_parse(ctx, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwBg===", &secret));
    assert_false(sign_secret_parse(ctx, "not base64 at all", &secret));
    assert_false(sign_secret_parse(ctx, "====", &secret));
    text = mem_array(ctx, char, 4000);
    memset(text, 'A', 3999);
    assert_false(sign_secret_parse(ctx, text, &secret));
    talloc_free(ctx);
}

static size_t unhex(const char *hex, uint8_t *out)
{
    size_t n = strlen(hex) / 2;

    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)strtoul((char[]){hex[2 * i], hex[2 * i + 1], '\0'}, NULL, 16);
    return n;
}

static void test_wycheproof(void **state)
{
    json_t *all = suite("crypto/hmac_sha256_test.json"), *group, *one;
    size_t g, i, seen = 0;

    (void)state;
    if (all == NULL)
        skip();
    json_array_foreach(json_object_get(all, "testGroups"), g, group)
    {
        size_t size = (size_t)json_integer_value(json_object_get(group, "tagSize")) / 8;

        json_array_foreach(json_object_get(group, "tests"), i, one)
        {
            static uint8_t key_bytes[1024], message[65536];
            uint8_t tag[64], mac[SIGN_HMAC_BYTES];
            struct sign_secret key = {key_bytes, unhex(text_of(one, "key"), key_bytes)};

            sign_hmac(&key, message, unhex(text_of(one, "msg"), message), mac);
            unhex(text_of(one, "tag"), tag);
            assert_int_equal(memcmp(mac, tag, size) == 0,
                             strcmp(text_of(one, "result"), "valid") == 0);
            seen++;
        }
    }
    assert_true(seen > 100);
    json_decref(all);
}

static const struct sign_secret key = {(const uint8_t *)"0123456789abcdef0123456789abcdef", 32};
static const struct sign_secret other = {(const uint8_t *)"0123456789abcdef0123456789abcdeg", 32};

static void test_tokens(void **state)
{
    void *ctx = mem_must(talloc_new(NULL));
    uint8_t payload[300], *back;
    unsigned seed = (unsigned)time(NULL);
    size_t n;

    (void)state;
    print_message("seed %u\n", seed);
    srand(seed);
    for (size_t len = 0; len <= sizeof(payload); len++) {
        char *token;

        for (size_t i = 0; i < len; i++)
            payload[i] = (uint8_t)rand();
        token = sign_token(ctx, &key, payload, len);
        assert_int_equal(
            strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
            strlen(token));
        assert_true(sign_token_open(ctx, &key, token, &back, &n));
        assert_int_equal(n, len);
        assert_memory_equal(back, payload, len);
        assert_false(sign_token_open(ctx, &other, token, &back, &n));
    }
    talloc_free(ctx);
}

/* Every changed, dropped or added letter spoils a token. */
static void test_forged_tokens(void **state)
{
    void *ctx = mem_must(talloc_new(NULL));
    char *token = sign_token(ctx, &key, "u12345678", 9), *forged, *longest;
    uint8_t *back;
    size_t n, len = strlen(token);

    (void)state;
    for (size_t i = 0; i < len; i++) {
        forged = mem_strdup(ctx, token);
        for (const char *c = "AZaz09-_=+/. \x80"; *c != '\0'; c++) {
            forged[i] = *c;
            if (strcmp(forged, token) != 0)
                assert_false(sign_token_open(ctx, &key, forged, &back, &n));
        }
        forged[i] = '\0';
        assert_false(sign_token_open(ctx, &key, forged, &back, &n));
        assert_false(sign_token_open(ctx, &key, token + i + 1, &back, &n));
    }
    assert_false(sign_token_open(ctx, &key, mem_printf(ctx, "%sA", token), &back, &n));
    assert_false(sign_token_open(ctx, &key, mem_printf(ctx, "%s=", token), &back, &n));
    assert_false(sign_token_open(ctx, &key, mem_printf(ctx, " %s", token), &back, &n));
    longest = mem_array(ctx, char, 100000);
    memset(longest, 'A', 99999);
    assert_false(sign_token_open(ctx, &key, longest, &back, &n));
    talloc_free(ctx);
}

static void test_base64(void **state)
{
    void *ctx = mem_must(talloc_new(NULL));
    uint8_t *bytes;
    size_t n;

    (void)state;
    assert_string_equal(sign_base64(ctx, "", 0), "");
    assert_string_equal(sign_base64(ctx, "f", 1), "Zg==");
    assert_string_equal(sign_base64(ctx, "foobar", 6), "Zm9vYmFy");
    assert_true(sign_base64_parse(ctx, "Zm9vYg==", &bytes, &n));
    assert_int_equal(n, 4);
    assert_memory_equal(bytes, "foob", 4);
    assert_true(sign_base64_parse(ctx, "", &bytes, &n));
    assert_int_equal(n, 0);
    assert_false(sign_base64_parse(ctx, "Zm9v Yg==", &bytes, &n));
    assert_false(sign_base64_parse(ctx, "Z", &bytes, &n));
    talloc_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_webhook_vectors), cmocka_unit_test(test_webhook),
        cmocka_unit_test(test_secrets),         cmocka_unit_test(test_wycheproof),
        cmocka_unit_test(test_tokens),          cmocka_unit_test(test_forged_tokens),
        cmocka_unit_test(test_base64),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
