/* test_address.c - what may stand in an envelope, and the form under which it is stored. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/address.h"
#include "common/mem.h"

#include <string.h>

static void good_addresses_get_their_form(void **state)
{
    static const struct {
        const char *in, *envelope, *stored;
    } cases[] = {
        {"Ana.L@Example.NET", "Ana.L@example.net", "ana.l@example.net"},
        {" a+b@\xc3\xb1"
         "and\xc3\xba.es\t",
         "a+b@xn--and-6ma2c.es", "a+b@xn--and-6ma2c.es"},
        {"x@localhost", "x@localhost", "x@localhost"},
        {"bounce+b1j2m0A@x.es", "bounce+b1j2m0A@x.es", "bounce+b1j2m0a@x.es"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *why = NULL;
        char *envelope = address_envelope(NULL, cases[i].in, &why);
        char *stored = address_normalise(NULL, cases[i].in, &why);

        assert_non_null(envelope);
        assert_non_null(stored);
        assert_string_equal(envelope, cases[i].envelope);
        assert_string_equal(stored, cases[i].stored);
        talloc_free(envelope);
        talloc_free(stored);
    }
}

static void others_are_refused_with_a_reason(void **state)
{
    static const char *const texts[] = {"a@ong..es",
                                        "a@.es",
                                        "a@es.",
                                        "a@-x.es",
                                        "a@x-.es",
                                        "a@x_y.es",
                                        ".a@x.es",
                                        "a.@x.es",
                                        "a..b@x.es",
                                        "a b@x.es",
                                        "\"a b\"@x.es",
                                        "\"a@b\"@x.es",
                                        "a@x.es>",
                                        "<a@x.es",
                                        "a@x.es\r\nRCPT TO:<b@x.es>",
                                        "a\n@x.es",
                                        "@x.es",
                                        "a@",
                                        "",
                                        "a",
                                        "a@[127.0.0.1]",
                                        "se\xc3\xb1or@x.es",
                                        "\xff@x.es",
                                        "a@\xff.es"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const char *why = NULL;

        if (address_envelope(NULL, texts[i], &why) != NULL || why == NULL)
            fail_msg("%s", texts[i]);
    }
}

static void lengths_are_bounded(void **state)
{
    char text[400];
    const char *why = NULL;
    char *got;

    (void)state;
    memset(text, 'a', sizeof(text));
    strcpy(text + 65, "@x.es");
    assert_null(address_envelope(NULL, text, &why));
    assert_non_null(got = address_envelope(NULL, text + 1, &why));
    talloc_free(got);
    strcpy(text, "a@");
    for (int i = 0; i < 6; i++)
        strcat(text, "a23456789012345678901234567890123456789012345678901234567890.");
    strcat(text, "es");
    assert_null(address_envelope(NULL, text, &why));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_addresses_get_their_form),
        cmocka_unit_test(others_are_refused_with_a_reason),
        cmocka_unit_test(lengths_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
