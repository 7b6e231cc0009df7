/* test_buf.c - the growing buffer, its writers, and UTF-8. */
#include "common/buf.h"
#include "common/mem.h"
#include "common/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void it_grows_to_its_maximum_and_remembers(void **state)
{
    void *ctx = talloc_new(NULL);
    struct buf b;

    (void)state;
    buf_init(&b, ctx, 10);
    assert_string_equal(b.data, "");
    buf_str(&b, "12345");
    buf_printf(&b, "%d", 67890);
    assert_false(buf_full(&b));
    assert_string_equal(b.data, "1234567890");
    buf_char(&b, 'x');
    assert_true(buf_full(&b));
    assert_string_equal(b.data, "1234567890");
    buf_reset(&b);
    assert_false(buf_full(&b));
    assert_int_equal(b.len, 0);
    /* What does not fit is left out whole, and so is all after it. */
    buf_str(&b, "12345678");
    buf_str(&b, "abc");
    buf_str(&b, "x");
    assert_string_equal(b.data, "12345678");
    buf_done(&b);
    buf_init(&b, ctx, 100000);
    for (int i = 0; i < 100000; i++)
        buf_char(&b, (char)('a' + i % 26));
    assert_false(buf_full(&b));
    assert_int_equal(strlen(b.data), 100000);
    assert_int_equal(strlen(buf_take(&b, ctx)), 100000);
    talloc_free(ctx);
}

static void json_and_html(void **state)
{
    static const char bytes[] = "a\"\\\n\t\x01\x7f\xff\xc3\xb1\xed\xa0\x80/";
    void *ctx = talloc_new(NULL);
    struct buf b;

    (void)state;
    buf_init(&b, ctx, 1000);
    buf_json(&b, bytes, sizeof(bytes) - 1);
    assert_string_equal(b.data, "\"a\\\"\\\\\\n\\t\\u0001\\u007f\xef\xbf\xbd\xc3\xb1"
                                "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd/\"");
    buf_reset(&b);
    buf_json(&b, "\0", 1);
    assert_string_equal(b.data, "\"\\u0000\"");
    buf_reset(&b);
    buf_html(&b, "<a href=\"x\">'&ñ</a>", strlen("<a href=\"x\">'&ñ</a>"));
    assert_string_equal(b.data, "&lt;a href=&quot;x&quot;&gt;&#39;&amp;ñ&lt;/a&gt;");
    talloc_free(ctx);
}

static void utf8_is_judged_by_rfc_3629(void **state)
{
    static const struct {
        const char *bytes;
        size_t n, length;
    } cases[] = {{"a", 1, 1},
                 {"\x7f", 1, 1},
                 {"\x80", 1, 0},
                 {"\xc1\xbf", 2, 0}, /* overlong */
                 {"\xc2\x80", 2, 2},
                 {"\xc2", 1, 0}, /* cut */
                 {"\xc2\x41", 2, 0},
                 {"\xe0\x9f\xbf", 3, 0},
                 {"\xe0\xa0\x80", 3, 3},
                 {"\xed\x9f\xbf", 3, 3},
                 {"\xed\xa0\x80", 3, 0}, /* a surrogate */
                 {"\xe2\x82", 2, 0},
                 {"\xef\xbf\xbf", 3, 3},
                 {"\xf0\x8f\xbf\xbf", 4, 0},
                 {"\xf0\x90\x80\x80", 4, 4},
                 {"\xf4\x8f\xbf\xbf", 4, 4},
                 {"\xf4\x90\x80\x80", 4, 0}, /* beyond U+10FFFF */
                 {"\xf5\x80\x80\x80", 4, 0},
                 {"", 0, 0}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(utf8_length(cases[i].bytes, cases[i].n), cases[i].length);
    assert_int_equal(utf8_decode("\xc2\x80", 2), 0x80);
    assert_int_equal(utf8_decode("\xef\xbf\xbf", 3), 0xffff);
    assert_int_equal(utf8_decode("\xf4\x8f\xbf\xbf", 4), 0x10ffff);
    assert_true(utf8_valid("", 0));
    assert_true(utf8_valid("a\0ñ", 4));
    assert_false(utf8_valid("ñ", 1));
}

/* Every code point there and back. */
static void every_character(void **state)
{
    (void)state;
    for (uint32_t c = 0; c <= 0x10ffff; c++) {
        char s[4];
        size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        bool surrogate = c >= 0xd800 && c < 0xe000;

        s[0] = (char)(n == 1   ? c
                      : n == 2 ? 0xc0 | c >> 6
                      : n == 3 ? 0xe0 | c >> 12
                               : 0xf0 | c >> 18);
        for (size_t i = 1; i < n; i++)
            s[i] = (char)(0x80 | (c >> 6 * (n - 1 - i) & 0x3f));
        if (utf8_length(s, n) != (surrogate ? 0 : n))
            fail_msg("U+%04X", c);
        if (!surrogate && utf8_decode(s, n) != c)
            fail_msg("U+%04X is another", c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_grows_to_its_maximum_and_remembers),
        cmocka_unit_test(json_and_html),
        cmocka_unit_test(utf8_is_judged_by_rfc_3629),
        cmocka_unit_test(every_character),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
