/* test_address.c - e-mail addresses: our own cases, and those of the isemail suite. */
#include "common/address.h"

#include "common/mem.h"
#include "common/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void one_form_of_each(void **state)
{
    static const struct {
        const char *given, *stored;
    } good[] = {{"ana@example.org", "ana@example.org"},
                {" \tAna.Garcia@EXAMPLE.Org ", "ana.garcia@example.org"},
                {"a+b@x.y-z.org", "a+b@x.y-z.org"},
                {"o'brien@example.org", "o'brien@example.org"},
                {"ana@MÜNCHEN.example", "ana@xn--mnchen-3ya.example"},
                {"ana@xn--mnchen-3ya.example", "ana@xn--mnchen-3ya.example"},
                {"ana@straße.de", "ana@xn--strae-oqa.de"},
                {"root@localhost", "root@localhost"}};
    void *ctx = talloc_new(NULL);

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        const char *why = NULL, *stored = address_normalise(ctx, good[i].given, &why);

        if (stored == NULL || strcmp(stored, good[i].stored) != 0)
            fail_msg("%s: %s", good[i].given, stored == NULL ? why : stored);
        /* What is stored is its own form. */
        assert_string_equal(address_normalise(ctx, stored, &why), stored);
    }
    talloc_free(ctx);
}

static void what_no_mail_can_be_sent_to(void **state)
{
    static const char *const bad[] = {"",
                                      " ",
                                      "ana",
                                      "@example.org",
                                      "ana@",
                                      "ana@ example.org",
                                      "a na@example.org",
                                      "ana@@example.org",
                                      ".ana@example.org",
                                      "ana.@example.org",
                                      "a..na@example.org",
                                      "ana@.org",
                                      "ana@example..org",
                                      "ana@-example.org",
                                      "ana@example-.org",
                                      "ana@exa_mple.org",
                                      "ana@[127.0.0.1]",
                                      "\"ana\"@example.org",
                                      "ana(x)@example.org",
                                      "Ana <ana@example.org>",
                                      "ana@example.org\r\nRCPT TO:<x@y>",
                                      "ana@example.org, b@example.org",
                                      "josé@example.org",
                                      "ana@example.org\xff",
                                      "ana@\xc3"};
    void *ctx = talloc_new(NULL);

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *why = NULL;

        if (address_normalise(ctx, bad[i], &why) != NULL || why == NULL)
            fail_msg("%s is taken", bad[i]);
    }
    talloc_free(ctx);
}

static void at_its_longest(void **state)
{
    char text[400];
    void *ctx = talloc_new(NULL);
    const char *why;

    (void)state;
    memset(text, 'a', sizeof(text));
    memcpy(text + 64, "@example.org", 13);
    assert_non_null(address_normalise(ctx, text, &why));
    assert_null(address_normalise(ctx, mem_printf(ctx, "a%s", text), &why));
    /* 64 + 1 + 3 * 63 = 254 bytes, and one more. */
    memset(text + 65, 'b', 189);
    for (size_t i = 65 + 62; i < 254; i += 63)
        text[i] = '.';
    text[253] = 'b';
    text[254] = '\0';
    assert_non_null(address_normalise(ctx, text, &why));
    assert_null(address_normalise(ctx, mem_printf(ctx, "%sb", text), &why));
    talloc_free(ctx);
}

/* --- isemail ----------------------------------------------------------------- */

/* The text between `open` and `close` from *at on, its entities resolved; moves *at behind it. */
static char *element(void *ctx, const char **at, const char *open, const char *close)
{
    const char *from = strstr(*at, open), *to;
    char *text, *out;

    if (from == NULL || (to = strstr(from, close)) == NULL)
        return NULL;
    from += strlen(open);
    *at = to;
    out = text = mem_strndup(ctx, from, (size_t)(to - from));
    for (const char *s = text; *s != '\0'; s++) {
        static const struct {
            const char *entity, character;
        } named[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}};
        bool found = false;

        for (size_t i = 0; i < 4 && !found; i++)
            if (text_begins(s, named[i].entity)) {
                *out++ = named[i].character;
                s += strlen(named[i].entity) - 1;
                found = true;
            }
        if (!found && text_begins(s, "&#x")) {
            /* U+2400 and on stand for the control characters. */
            unsigned long code = strtoul(s + 3, (char **)&s, 16);

            *out++ = (char)(code >= 0x2400 && code < 0x2420 ? code - 0x2400 : '?');
            if (code == 0x2400)
                out[-1] = 1;
        } else if (!found) {
            *out++ = *s;
        }
    }
    *out = '\0';
    return text;
}

/* Only what dot-atoms and host names can say is taken; what is in error never. */
static bool beyond_us(const char *address)
{
    return strpbrk(address, "\"()[]\\ \t\r\n") != NULL;
}

static void the_isemail_suite(void **state)
{
    const char *shared = getenv("LAZO_SHARED");
    void *ctx = talloc_new(NULL);
    const char *path =
        mem_printf(ctx, "%s/suites/addresses/isemail.xml", shared == NULL ? "../shared" : shared);
    size_t n, refused = 0, taken = 0;
    const char *at = text_file_read(ctx, path, 1 << 20, &n), *why;

    (void)state;
    if (at == NULL) {
        print_message("skipped: there is no %s\n", path);
        talloc_free(ctx);
        skip();
    }
    while ((at = strstr(at, "<test id=")) != NULL) {
        char *address, *category;

        at++;
        address = element(ctx, &at, "<address>", "</address>");
        category = element(ctx, &at, "<category>", "</category>");
        if (address == NULL || category == NULL)
            continue;
        if (strcmp(category, "ISEMAIL_ERR") == 0) {
            if (address_normalise(ctx, address, &why) != NULL)
                fail_msg("taken: %s", address);
            refused++;
        } else if ((strcmp(category, "ISEMAIL_VALID_CATEGORY") == 0 ||
                    strcmp(category, "ISEMAIL_DNSWARN") == 0) &&
                   !beyond_us(address)) {
            if (address_normalise(ctx, address, &why) == NULL)
                fail_msg("refused: %s: %s", address, why);
            taken++;
        }
    }
    assert_true(refused > 50 && taken > 5);
    talloc_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_form_of_each),
        cmocka_unit_test(what_no_mail_can_be_sent_to),
        cmocka_unit_test(at_its_longest),
        cmocka_unit_test(the_isemail_suite),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
