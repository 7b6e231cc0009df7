/* test_mime.c - messages as mail programs read them: GMime is the judge. Then the parts: addresses,
 * encodings, plain text. */
#include "common/buf.h"
#include "common/mem.h"
#include "common/utf8.h"
#include "workers/mailer/encode.h"
#include "workers/mailer/mime.h"
#include "workers/mailer/plaintext.h"

#include <gmime/gmime.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct mime_mail sample(void)
{
    return (struct mime_mail){.from = "hola@ong.example",
                              .to = "ana@example.net",
                              .reply_to = "oficina@ong.example",
                              .from_name = "Asociaci\xc3\xb3n \xc3\x91"
                                           "and\xc3\xba",
                              .to_name = "Ana \"Nita\" L\xc3\xb3pez",
                              .subject = "Gr\xc3\xa0"
                                         "cies, l\xc2\xb7l",
                              .message_id = "<1.abc@ong.example>",
                              .date_us = INT64_C(1772445600000000),
                              .unsubscribe = "https://ong.example/u/abc",
                              .list_id = "boletin.ong.example",
                              .automatic = true,
                              .text = "Hola\n.punto\nFrom aqu\xc3\xad\n",
                              .html = "<p>Hola \xe2\x82\xac</p>"};
}

/* The rules that hold for every message (STANDARDS.md B3). */
static void check_wire(const struct buf *b)
{
    size_t line = 0;
    for (size_t i = 0; i < b->len; i++) {
        unsigned char c = (unsigned char)b->data[i];
        if (c == '\r') {
            assert_int_equal(b->data[i + 1], '\n');
            assert_true(line <= 998);
            line = 0;
            i++;
            assert_true(i + 1 >= b->len || b->data[i + 1] != '.');
            continue;
        }
        assert_true(c == '\t' || (c >= ' ' && c < 0x7f));
        line++;
    }
    assert_int_equal(line, 0);
}

static GMimeMessage *parse(const struct buf *b)
{
    GMimeStream *stream = g_mime_stream_mem_new_with_buffer(b->data, b->len);
    GMimeParser *parser = g_mime_parser_new_with_stream(stream);
    GMimeMessage *message = g_mime_parser_construct_message(parser, NULL);
    g_object_unref(parser);
    g_object_unref(stream);
    assert_non_null(message);
    return message;
}

static char *part_text(const void *ctx, GMimeMessage *message, int i)
{
    GMimeObject *root = g_mime_message_get_mime_part(message);
    GMimeObject *part =
        GMIME_IS_MULTIPART(root) ? g_mime_multipart_get_part(GMIME_MULTIPART(root), i) : root;
    char *text = g_mime_text_part_get_text(GMIME_TEXT_PART(part));
    char *copy = mem_strdup(ctx, text);
    g_free(text);
    return copy;
}

static void test_whole(void **state)
{
    (void)state;
    struct mime_mail m = sample();
    struct buf b, again;
    buf_init(&b, NULL, 1 << 20);
    buf_init(&again, NULL, 1 << 20);
    assert_true(mime_write(&b, &m));
    assert_true(mime_write(&again, &m));
    assert_int_equal(b.len, again.len);
    assert_memory_equal(b.data, again.data, b.len);
    check_wire(&b);
    GMimeMessage *g = parse(&b);
    assert_string_equal(g_mime_message_get_subject(g), m.subject);
    assert_string_equal(g_mime_message_get_message_id(g), "1.abc@ong.example");
    InternetAddress *from = internet_address_list_get_address(g_mime_message_get_from(g), 0);
    assert_string_equal(internet_address_get_name(from), m.from_name);
    assert_string_equal(internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(from)), m.from);
    InternetAddress *to = internet_address_list_get_address(g_mime_message_get_to(g), 0);
    assert_string_equal(internet_address_get_name(to), m.to_name);
    char *text = part_text(b.data, g, 0), *html = part_text(b.data, g, 1);
    assert_non_null(strstr(text, "Hola"));
    assert_non_null(strstr(text, "From aqu\xc3\xad"));
    assert_non_null(strstr(text, "\n.punto"));
    assert_string_equal(html, m.html);
    static const char *const lines[] = {"\r\nDate: Mon, 02 Mar 2026 10:00:00 +0000\r\n",
                                        "\r\nList-Unsubscribe: <https://ong.example/u/abc>\r\n",
                                        "\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
                                        "\r\nList-Id: <boletin.ong.example>\r\n",
                                        "\r\nAuto-Submitted: auto-generated\r\n",
                                        "\r\nMIME-Version: 1.0\r\n"};
    char *all = mem_printf(b.data, "\r\n%s", b.data);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        assert_non_null(strstr(all, lines[i]));
    g_object_unref(g);
    buf_done(&b);
    buf_done(&again);
}

static void test_unsubscribe(void **state)
{
    (void)state;
    struct mime_mail m = sample();
    struct buf b;
    static const struct {
        const char *url;
        bool header, post;
    } cases[] = {
        {"https://a.example/u", true, true},          {"http://a.example/u", true, false},
        {"https://a.example/\r\nX: y", false, false}, {"javascript:alert(1)", false, false},
        {"https://a.example/>, <x", false, false},    {NULL, false, false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        buf_init(&b, NULL, 1 << 20);
        m.unsubscribe = cases[i].url;
        assert_true(mime_write(&b, &m));
        assert_int_equal(strstr(b.data, "List-Unsubscribe: ") != NULL, cases[i].header);
        assert_int_equal(strstr(b.data, "List-Unsubscribe-Post: ") != NULL, cases[i].post);
        buf_done(&b);
    }
}

/* One string as subject, name and body; what GMime reads must be what went in, cleaned. */
static void round_trip(const char *s)
{
    struct mime_mail m = sample();
    struct buf b;
    m.subject = m.from_name = m.to_name = m.message_id = m.list_id = s;
    m.text = m.html = s;
    m.message_id = "id@ong.example";
    buf_init(&b, NULL, 1 << 22);
    assert_true(mime_write(&b, &m));
    check_wire(&b);
    GMimeMessage *g = parse(&b);
    char *clean = encode_clean(b.data, s);
    if (strcmp(g_mime_message_get_subject(g), clean) != 0)
        fail_msg("subject: %s\n      as: %s", clean, g_mime_message_get_subject(g));
    InternetAddress *from = internet_address_list_get_address(g_mime_message_get_from(g), 0);
    const char *name = internet_address_get_name(from);
    /* A name has no blanks at its ends. */
    while (clean[0] != '\0' && clean[strlen(clean) - 1] == ' ')
        clean[strlen(clean) - 1] = '\0';
    clean += strspn(clean, " ");
    if (strcmp(name != NULL ? name : "", clean) != 0)
        fail_msg("name: %s\n  as: %s", clean, name);
    assert_string_equal(internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(from)), m.from);
    assert_int_equal(internet_address_list_length(g_mime_message_get_from(g)), 1);
    assert_int_equal(
        g_mime_header_list_contains(g_mime_object_get_header_list(GMIME_OBJECT(g)), "Bcc"), 0);
    g_object_unref(g);
    buf_done(&b);
}

static void test_strings(void **state)
{
    (void)state;
    static const char *const own[] = {"",
                                      " ",
                                      "a",
                                      " leading and trailing ",
                                      "two  blanks",
                                      "a\r\nBcc: x@y.example",
                                      "a\nb",
                                      "tab\there",
                                      "=?utf-8?Q?x?=",
                                      "quoted \"name\" \\ back",
                                      "a,b;c:d@e<f>(g)",
                                      "\x7f\x01",
                                      "\xff\xfe bad utf-8 \xc3",
                                      "\xe2\x80\xa8 line separator",
                                      "\xc2\x85 next line",
                                      "a very long subject in plain ascii that has to be folded at "
                                      "least once, and then again, because it is long",
                                      "wordwithoutanyblankthatismuchlongerthanalinemaybeandsocannot"
                                      "befoldedatallbutmustbeencodedinsomewayorother",
                                      "\xf0\x9f\x8e\x89\xf0\x9f\x8e\x89\xf0\x9f\x8e\x89\xf0\x9f\x8e"
                                      "\x89\xf0\x9f\x8e\x89\xf0\x9f\x8e\x89\xf0\x9f\x8e\x89"
                                      "\xf0\x9f\x8e\x89\xf0\x9f\x8e\x89\xf0\x9f\x8e\x89\xf0\x9f\x8e"
                                      "\x89\xf0\x9f\x8e\x89\xf0\x9f\x8e\x89\xf0\x9f\x8e\x89"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        round_trip(own[i]);
    const char *shared = getenv("LAZO_SHARED");
    char path[512];
    snprintf(path, sizeof path, "%s/suites/strings/naughty.json",
             shared != NULL ? shared : "../shared");
    json_t *list = json_load_file(path, JSON_ALLOW_NUL, NULL);
    if (list == NULL) {
        print_message("%s is not here: its strings are not tried\n", path);
        return;
    }
    for (size_t i = 0; i < json_array_size(list); i++)
        round_trip(json_string_value(json_array_get(list, i)));
    print_message("%zu strings\n", json_array_size(list));
    json_decref(list);
}

/* Random texts of awkward characters; the words of a header are at most 75 bytes and hold whole
 * characters. */
static void test_random(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        "a",  " ",  "=",  "?", "_",    "\"",  "\xc3\xb1", "\xe2\x82\xac", "\xf0\x9f\x8e\x89",
        "\r", "\n", "\\", ".", "word", "\xff"};
    unsigned seed = (unsigned)getpid();
    print_message("seed %u\n", seed);
    srandom(seed);
    for (int round = 0; round < 2000; round++) {
        char s[700] = "";
        int n = (int)(random() % 150);
        for (int i = 0; i < n; i++)
            strcat(s, pieces[(size_t)random() % (sizeof pieces / sizeof pieces[0])]);
        round_trip(s);
        struct buf b;
        buf_init(&b, NULL, 1 << 16);
        encode_field(&b, "Subject", s);
        for (const char *p = b.data; (p = strstr(p, "=?utf-8?")) != NULL; p++)
            assert_true(strstr(p + 10, "?=") + 2 - p <= 75);
        buf_done(&b);
    }
}

static void test_plaintext(void **state)
{
    (void)state;
    static const struct {
        const char *html, *text;
    } cases[] = {
        {"<p>Hola   <b>Ana</b>,</p><p>adi\xc3\xb3s</p>", "Hola Ana,\n\nadi\xc3\xb3s\n"},
        {"a<br>b<br/>c", "a\nb\nc\n"},
        {"<a href=\"https://x.es/?a=1&amp;b=2\">mira</a> ya", "mira (https://x.es/?a=1&b=2) ya\n"},
        {"<a href='https://x.es/abc'>https://x.es/abc</a>", "https://x.es/abc\n"},
        {"<a href=\"mailto:a@x.es\">escribe</a>", "escribe\n"},
        {"<style>p{}</style><script>x<y</script><!-- no -->s\xc3\xad", "s\xc3\xad\n"},
        {"<ul><li>uno<li>dos</ul>", "- uno\n- dos\n"},
        {"1 &lt; 2 &amp;&amp; 3 &gt; 2 &euro; &#8364; &#x20ac; &bogus;",
         "1 < 2 && 3 > 2 \xe2\x82\xac \xe2\x82\xac \xe2\x82\xac &bogus;\n"},
        {"<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc\n"},
        {"a < b", "a < b\n"},
        {"<p", ""},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf b;
        buf_init(&b, NULL, 10000);
        plaintext_of_html(&b, cases[i].html);
        assert_string_equal(b.data, cases[i].text);
        buf_done(&b);
    }
}

int main(void)
{
    g_mime_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),     cmocka_unit_test(test_unsubscribe),
        cmocka_unit_test(test_strings),   cmocka_unit_test(test_random),
        cmocka_unit_test(test_plaintext),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
