/* The tokens of bounce addresses: they come back through mail servers, which fold case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/mem.h"
#include "daemon/dispatch/hand.h"
#include "workers/inbox/classify.h"

#include <ctype.h>
#include <string.h>

static const char secret[] = "a secret of at least thirty-two characters";

static void what_was_signed_is_opened(void **state)
{
    char *token = bounce_token(NULL, secret, 12, 3456789);
    int64_t org_id = 0, job_id = 0;

    (void)state;
    assert_true(bounce_token_open(secret, token, &org_id, &job_id));
    assert_int_equal(org_id, 12);
    assert_int_equal(job_id, 3456789);
    assert_int_equal(strspn(token, "abcdefghijklmnopqrstuvwxyz0123456789"), strlen(token));
    talloc_free(token);
}

static void the_largest_leaves_room_in_a_local_part(void **state)
{
    char *token = bounce_token(NULL, secret, INT64_MAX, INT64_MAX);
    int64_t org_id = 0, job_id = 0;

    (void)state;
    assert_true(strlen("bounce+") + strlen(token) <= 64);
    assert_true(bounce_token_open(secret, token, &org_id, &job_id));
    assert_true(org_id == INT64_MAX && job_id == INT64_MAX);
    talloc_free(token);
}

static void its_case_does_not_matter(void **state)
{
    char *token = bounce_token(NULL, secret, 171, 48879);
    int64_t org_id = 0, job_id = 0;

    (void)state;
    for (char *c = token; *c != '\0'; c++)
        *c = (char)toupper((unsigned char)*c);
    assert_true(bounce_token_open(secret, token, &org_id, &job_id));
    assert_int_equal(org_id, 171);
    assert_int_equal(job_id, 48879);
    talloc_free(token);
}

static void each_changed_character_is_refused(void **state)
{
    char *token = bounce_token(NULL, secret, 1, 2);
    int64_t org_id = 7, job_id = 8;

    (void)state;
    for (size_t i = 0; token[i] != '\0'; i++) {
        char was = token[i];

        token[i] = was == '0' ? '1' : '0';
        assert_false(bounce_token_open(secret, token, &org_id, &job_id));
        token[i] = '\0';
        assert_false(bounce_token_open(secret, token, &org_id, &job_id));
        token[i] = was;
    }
    assert_false(bounce_token_open("another secret", token, &org_id, &job_id));
    assert_int_equal(org_id, 7);
    assert_int_equal(job_id, 8);
    talloc_free(token);
}

static void strange_texts_are_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "m",
        "b1j2",
        "b1j2m",
        "bm",
        "b1j2m00000000000000000000",
        "\xc3\xb1",
        "b1j2m000000000000000000000000000000000000000000000000000000000000000000000000"};
    int64_t org_id, job_id;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_false(bounce_token_open(secret, texts[i], &org_id, &job_id));
}

static void it_comes_back_through_the_inbox(void **state)
{
    void *ctx = talloc_new(NULL);
    char *token = bounce_token(ctx, secret, 1, 2);
    char *mail = mem_printf(ctx, "Delivered-To: Rebotes+%s@ong.example\r\n\r\nhola\r\n", token);

    (void)state;
    assert_string_equal(classify_token(ctx, mail, strlen(mail)), token);
    talloc_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_signed_is_opened),
        cmocka_unit_test(the_largest_leaves_room_in_a_local_part),
        cmocka_unit_test(its_case_does_not_matter),
        cmocka_unit_test(each_changed_character_is_refused),
        cmocka_unit_test(strange_texts_are_refused),
        cmocka_unit_test(it_comes_back_through_the_inbox),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
