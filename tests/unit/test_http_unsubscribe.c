/* The tokens of unsubscribe links: what was signed is opened, nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/mem.h"
#include "common/sign.h"
#include "daemon/dispatch/unsubscribe.h"

#include <string.h>

static const char secret[] = "a secret of at least thirty-two characters";

static void what_was_signed_is_opened(void **state)
{
    const struct unsubscribe given = {.org_id = 1, .contact_id = INT64_MAX, .topic_id = 7};
    struct unsubscribe u;
    char *token = unsubscribe_token(NULL, secret, &given);

    (void)state;
    assert_true(unsubscribe_token_open(secret, token, &u));
    assert_int_equal(u.org_id, 1);
    assert_true(u.contact_id == INT64_MAX);
    assert_int_equal(u.topic_id, 7);
    assert_int_equal(
        strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
        strlen(token));
    talloc_free(token);
}

static void each_changed_character_is_refused(void **state)
{
    const struct unsubscribe given = {.org_id = 1, .contact_id = 2, .topic_id = 3};
    struct unsubscribe u;
    char *token = unsubscribe_token(NULL, secret, &given);

    (void)state;
    for (size_t i = 0; token[i] != '\0'; i++) {
        char was = token[i];

        token[i] = was == 'A' ? 'B' : 'A';
        assert_false(unsubscribe_token_open(secret, token, &u));
        token[i] = was;
    }
    assert_false(unsubscribe_token_open("another secret of thirty-two characters", token, &u));
    token[strlen(token) - 1] = '\0';
    assert_false(unsubscribe_token_open(secret, token, &u));
    assert_false(unsubscribe_token_open(secret, "", &u));
    talloc_free(token);
}

static void tokens_for_other_purposes_are_refused(void **state)
{
    static const char *const payloads[] = {"u1:1:2",    "u2:1:2:3", "c1:1:2:3",  "u1:1:2:3:4",
                                           "u1:1:2:3 ", "u1:1:2:x", " u1:1:2:3", "",
                                           "u1:1:2:",   "U1:1:2:3", "1:2:3"};
    struct sign_secret key = {.bytes = (const uint8_t *)secret, .n = strlen(secret)};
    struct unsubscribe u;

    (void)state;
    for (size_t i = 0; i < sizeof payloads / sizeof payloads[0]; i++) {
        char *token = sign_token(NULL, &key, payloads[i], strlen(payloads[i]));

        if (unsubscribe_token_open(secret, token, &u))
            fail_msg("\"%s\" was opened", payloads[i]);
        talloc_free(token);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_signed_is_opened),
        cmocka_unit_test(each_changed_character_is_refused),
        cmocka_unit_test(tokens_for_other_purposes_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
