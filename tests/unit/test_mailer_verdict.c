/* test_mailer_verdict.c - what replies mean, and the relay's URL. Then KumoMTA's rules of reply
 * texts, where they are at hand. */
#include "common/mem.h"
#include "workers/mailer/relay.h"
#include "workers/mailer/verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OK                                                                                         \
    {                                                                                              \
        250, {2, 0, 0}, "ok"                                                                       \
    }
#define NONE                                                                                       \
    {                                                                                              \
        0, {0}, NULL                                                                               \
    }

static void test_decision(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        struct replies r;
        enum verdict_state state;
        bool hard;
        const char *code;
    } cases[] = {
        {"taken", {OK, OK, OK, true, NULL}, VERDICT_sent, false, ""},
        {"no answer after the end", {OK, OK, NONE, true, NULL}, VERDICT_uncertain, false, ""},
        {"354 after the end", {OK, OK, {354, {0}, "go"}, true, NULL}, VERDICT_uncertain, false, ""},
        {"cut in the middle", {OK, OK, {354, {0}, "go"}, false, "cut"}, VERDICT_retry, false, ""},
        {"250 to DATA itself", {OK, OK, OK, false, NULL}, VERDICT_retry, false, ""},
        {"4xx at the end",
         {OK, OK, {451, {4, 3, 0}, "later"}, true, NULL},
         VERDICT_retry,
         false,
         "4.3.0"},
        {"421 at the end", {OK, OK, {421, {0}, "bye"}, true, NULL}, VERDICT_retry, false, ""},
        {"5xx at the end",
         {OK, OK, {554, {5, 6, 0}, "no"}, true, NULL},
         VERDICT_failed,
         false,
         "5.6.0"},
        {"greylisted, DATA pipelined",
         {OK, {450, {4, 7, 1}, "grey"}, {554, {5, 5, 1}, "no valid recipients"}, true, NULL},
         VERDICT_retry,
         false,
         "4.7.1"},
        {"no such user",
         {OK, {550, {5, 1, 1}, "x"}, {503, {5, 5, 1}, "x"}, false, NULL},
         VERDICT_failed,
         true,
         "5.1.1"},
        {"bad host", {OK, {550, {5, 1, 2}, "x"}, NONE, false, NULL}, VERDICT_failed, true, "5.1.2"},
        {"bad syntax",
         {OK, {553, {5, 1, 3}, "x"}, NONE, false, NULL},
         VERDICT_failed,
         true,
         "5.1.3"},
        {"moved", {OK, {550, {5, 1, 6}, "x"}, NONE, false, NULL}, VERDICT_failed, true, "5.1.6"},
        {"null MX",
         {OK, {556, {5, 1, 10}, "x"}, NONE, false, NULL},
         VERDICT_failed,
         true,
         "5.1.10"},
        {"sender",
         {OK, {550, {5, 1, 8}, "user unknown"}, NONE, false, NULL},
         VERDICT_failed,
         false,
         "5.1.8"},
        {"policy",
         {OK, {550, {5, 7, 1}, "user unknown"}, NONE, false, NULL},
         VERDICT_failed,
         false,
         "5.7.1"},
        {"full",
         {OK, {552, {5, 2, 2}, "mailbox full"}, NONE, false, NULL},
         VERDICT_failed,
         false,
         "5.2.2"},
        {"disabled",
         {OK, {550, {5, 2, 1}, "mailbox disabled"}, NONE, false, NULL},
         VERDICT_failed,
         false,
         "5.2.1"},
        {"closed",
         {OK, {550, {5, 2, 1}, "account has been closed"}, NONE, false, NULL},
         VERDICT_failed,
         true,
         "5.2.1"},
        {"5.1.1 for spam",
         {OK, {550, {5, 1, 1}, "blocked as spam"}, NONE, false, NULL},
         VERDICT_failed,
         false,
         "5.1.1"},
        {"no code, no such user",
         {OK, {550, {0}, "No such user here"}, NONE, false, NULL},
         VERDICT_failed,
         true,
         "5.1.1"},
        {"no code, no reason",
         {OK, {550, {0}, "no"}, NONE, false, NULL},
         VERDICT_failed,
         false,
         ""},
        {"code in the text",
         {OK, {550, {0}, "5.1.1 x"}, NONE, false, NULL},
         VERDICT_failed,
         true,
         "5.1.1"},
        {"no code in the text",
         {OK, {550, {0}, "5.1.1x no"}, NONE, false, NULL},
         VERDICT_failed,
         false,
         ""},
        {"the milder wins",
         {OK, {550, {4, 2, 2}, "full"}, NONE, false, NULL},
         VERDICT_retry,
         false,
         "4.2.2"},
        {"the milder wins",
         {OK, {450, {5, 1, 1}, "no such user"}, NONE, false, NULL},
         VERDICT_retry,
         false,
         "5.1.1"},
        {"not tried", {OK, NONE, NONE, false, "lost"}, VERDICT_retry, false, ""},
        {"sender refused",
         {{550, {5, 1, 1}, "x"}, NONE, NONE, false, NULL},
         VERDICT_failed,
         false,
         "5.1.1"},
        {"sender later", {{451, {0}, "x"}, NONE, NONE, false, NULL}, VERDICT_retry, false, ""},
        {"auth wanted",
         {{530, {5, 7, 0}, "x"}, NONE, NONE, false, NULL},
         VERDICT_retry,
         false,
         "5.7.0"},
        {"auth wanted late",
         {OK, {530, {5, 7, 0}, "x"}, NONE, false, NULL},
         VERDICT_retry,
         false,
         "5.7.0"},
        {"too large",
         {{552, {5, 3, 4}, "x"}, NONE, NONE, false, NULL},
         VERDICT_failed,
         false,
         "5.3.4"},
        {"nothing", {NONE, NONE, NONE, false, NULL}, VERDICT_retry, false, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct verdict v;
        verdict_of(&cases[i].r, &v);
        if (v.state != cases[i].state || v.hard != cases[i].hard ||
            strcmp(v.code, cases[i].code) != 0)
            fail_msg("%s: %s hard %d code %s: %s", cases[i].what, verdict_state_name(v.state),
                     v.hard, v.code, v.status);
    }
}

static void test_status(void **state)
{
    (void)state;
    struct verdict v;
    verdict_set(&v, VERDICT_retry, false, "", "  a\r\nb\tc  \x01\xc3 \xc3\xb1\x7f ");
    assert_string_equal(v.status, "a b c ? \xc3\xb1");
    char big[3000];
    for (size_t i = 0; i + 1 < sizeof big; i += 2)
        memcpy(big + i, "\xc3\xb1", 2);
    big[sizeof big - 2] = '\0';
    verdict_set(&v, VERDICT_retry, false, "", "x%s", big);
    assert_int_equal(strlen(v.status), VERDICT_STATUS - 1);
    for (int i = 0; i < VERDICT_STATE_COUNT; i++) {
        enum verdict_state back;
        assert_true(verdict_state_parse(verdict_state_name((enum verdict_state)i), &back));
        assert_int_equal(back, i);
    }
    enum verdict_state none;
    assert_false(verdict_state_parse("SENT", &none));
}

static void test_relay(void **state)
{
    (void)state;
    char *why = NULL;
    struct relay *r =
        relay_parse(NULL, "smtp://a%40b:p%3A%2F@mail.ong.example:587/", "opportunistic", &why);
    assert_non_null(r);
    assert_string_equal(r->user, "a@b");
    assert_string_equal(r->password, "p:/");
    assert_string_equal(r->host, "mail.ong.example");
    assert_int_equal(r->port, 587);
    assert_int_equal(r->tls, RELAY_TLS_REQUIRED);
    talloc_free(r);
    r = relay_parse(NULL, "smtp://localhost", "opportunistic", &why);
    assert_int_equal(r->port, 25);
    assert_null(r->user);
    assert_int_equal(r->tls, RELAY_TLS_OPPORTUNISTIC);
    talloc_free(r);
    static const char *const bad[][2] = {{"mail.example", "off"},
                                         {"smtps://mail.example", "required"},
                                         {"smtp://", "off"},
                                         {"smtp://[::1]:25", "off"},
                                         {"smtp://h:0", "off"},
                                         {"smtp://h:65536", "off"},
                                         {"smtp://h:", "off"},
                                         {"smtp://h:x", "off"},
                                         {"smtp://h:25x", "off"},
                                         {"smtp://u:p@h", "off"},
                                         {"smtp://h", "perhaps"},
                                         {"smtp://u%0a:p@h", "required"},
                                         {"smtp://u%:p@h", "required"},
                                         {"smtp://:p@h", "required"},
                                         {"smtp://h/path", "off"},
                                         {"smtp://h\r\n", "off"},
                                         {"smtp://a b", "off"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        r = relay_parse(NULL, bad[i][0], bad[i][1], &why);
        if (r != NULL)
            fail_msg("%s was taken", bad[i][0]);
        assert_null(strstr(why, ":p@"));
        talloc_free(why);
    }
}

/* A rule's pattern as a text that it matches: enough for the simple ones. False where it is not
 * simple. */
static bool text_of_rule(const char *s, char *out, size_t size)
{
    size_t n = 0;
    s += *s == '^';
    for (; *s != '\0' && *s != '"' && n + 2 < size; s++) {
        if (s[0] == '.' && (s[1] == '+' || s[1] == '*')) {
            out[n++] = ' ';
            s++;
        } else if (s[0] == '\\' && s[1] == '\\' && s[2] == '.') {
            out[n++] = '.';
            s += 2;
        } else if (strchr("()[]{}|*+?\\", *s) != NULL) {
            return false;
        } else if (*s != '$') {
            out[n++] = *s;
        }
    }
    out[n] = '\0';
    return n > 8 && out[0] == '5';
}

/* What KumoMTA's users sort as spam, policy or quota must never be hard. */
static void test_kumo(void **state)
{
    (void)state;
    const char *shared = getenv("LAZO_SHARED");
    char path[512], line[1024], text[600], section[64] = "";
    int hard = 0, invalid = 0, other = 0;
    snprintf(path, sizeof path, "%s/suites/smtp-replies/bounces.toml",
             shared != NULL ? shared : "../shared");
    FILE *f = fopen(path, "r");
    if (f == NULL)
        skip();
    while (fgets(line, sizeof line, f) != NULL) {
        const char *quote = strchr(line, '"');
        if (sscanf(line, "%63[A-Za-z] = [", section) == 1 || quote == NULL || line[0] == '#' ||
            !text_of_rule(quote + 1, text, sizeof text))
            continue;
        struct replies r = {
            OK, {atoi(text), {0}, text + (text[3] == ' ' ? 4 : 3)}, NONE, false, NULL};
        struct verdict v;
        verdict_of(&r, &v);
        if (strcmp(section, "InvalidRecipient") == 0) {
            invalid++;
            hard += v.hard;
        } else if (strcmp(section, "InactiveMailbox") != 0 && strcmp(section, "BadDomain") != 0) {
            other++;
            if (v.hard)
                fail_msg("%s: %s is taken for a wrong address", section, text);
        }
    }
    fclose(f);
    print_message("of %d texts about wrong addresses %d are hard; of %d others none\n", invalid,
                  hard, other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decision),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_relay),
        cmocka_unit_test(test_kumo),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
