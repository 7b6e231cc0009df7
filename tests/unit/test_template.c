/* The template engine: values and filters of our own, escaping, errors and their places, limits,
 * locales, threads. Liquid's own behaviour is tested by test_template_suites.c. */
#include "common/buf.h"
#include "common/diag.h"
#include "common/mem.h"
#include "common/template/template.h"

#include <jansson.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

/* 2026-03-02T23:30:00Z, a Tuesday already in Madrid. */
#define NOW_US (INT64_C(1772494200) * 1000000)

static struct template_env env_of(json_t *data)
{
    return (struct template_env){.data = data,
                                 .locale = "es",
                                 .time_zone = "Europe/Madrid",
                                 .currency = "EUR",
                                 .now_us = NOW_US};
}

/* try_env() - the result, or "line:column: message"; child of ctx. */
static const char *try_env(const void *ctx, const struct template_env *env, const char *text)
{
    struct diag d;
    struct buf out;
    diag_init(&d, ctx);
    buf_init(&out, ctx, 4 << 20);
    const struct template *t = template_compile(ctx, text, strlen(text), &d);
    if (t != NULL && template_render(t, env, &out, NULL, &d)) {
        assert_false(diag_any(&d));
        return buf_take(&out, ctx);
    }
    assert_int_equal(d.n, 1);
    return mem_printf(ctx, "%d:%d: %s", d.items[0].line, d.items[0].column, d.items[0].message);
}

static json_t *json(const char *text)
{
    json_t *j = json_loads(text, 0, NULL);
    assert_non_null(j);
    return j;
}

struct expectation {
    const char *text, *result;
};

static void expect_all(const struct template_env *env, const struct expectation *e)
{
    for (; e->text != NULL; e++) {
        void *ctx MEM_SCOPED = mem_must(talloc_new(NULL));
        const char *result = try_env(ctx, env, e->text);
        if (strcmp(result, e->result) != 0)
            print_error("template: %s\n", e->text);
        assert_string_equal(result, e->result);
    }
}

static void test_money(void **state)
{
    json_t *data =
        json("{\"amount\": \"25.00\", \"minor\": \"1234567890123456789012.34\", \"n\": 7,"
             "\"real\": 0.1, \"null\": null, \"word\": \"x\"}");
    struct template_env env = env_of(data);
    (void)state;
    expect_all(
        &env, (const struct expectation[]){
                  {"{{ amount | money }}", "25,00\u00A0€"},
                  {"{{ amount | money: 'USD' }}", "25,00\u00A0US$"},
                  {"{{ n | money }}", "7,00\u00A0€"},
                  {"{{ real | money }}", "0,10\u00A0€"},
                  {"{{ '-1234.5' | money }}", "-1234,50\u00A0€"},
                  {"{{ '12345.678' | money }}", "12.345,68\u00A0€"},
                  /* beyond any double */
                  {"{{ minor | money }}", "1.234.567.890.123.456.789.012,34\u00A0€"},
                  {"{{ minor | plus: '0.01' | money }}", "1.234.567.890.123.456.789.012,35\u00A0€"},
                  {"{{ '0.1' | plus: '0.2' }}", "0.3"},
                  {"[{{ null | money }}{{ nosuch | money }}{{ '' | money }}]", "[]"},
                  {"{{ word | money }}", "1:11: a number expected, not a text (“x”)"},
                  {"{{ n | money: 'euro' }}", "1:8: “euro” is no currency (ISO 4217, as “EUR”)"},
                  {"{{ '1234567.891' | number }}", "1.234.567,891"},
                  {"{{ '1234567.891' | number: 1 }}", "1.234.567,9"},
                  {"{{ 5 | number: 2 }}", "5,00"},
                  {"{{ 2.6 | number: 0 }}", "3"},
                  {NULL, NULL},
              });
    env.locale = "en";
    expect_all(&env, (const struct expectation[]){{"{{ amount | money }}", "€25.00"},
                                                  {"{{ '1234.5' | number: 2 }}", "1,234.50"},
                                                  {NULL, NULL}});
    env.locale = "es-MX";
    env.currency = "MXN";
    expect_all(&env,
               (const struct expectation[]){{"{{ '1234.5' | money }}", "$1,234.50"}, {NULL, NULL}});
    env.locale = "no such language";
    expect_all(&env,
               (const struct expectation[]){
                   {"{{ 5 | number }}", "1:8: “no such language” is no language"}, {NULL, NULL}});
    json_decref(data);
}

static void test_dates(void **state)
{
    json_t *data = json("{\"at\": \"2026-03-02T23:30:00Z\", \"day\": \"2026-03-02\","
                        "\"local\": \"2026-07-01 10:00\"}");
    struct template_env env = env_of(data);
    (void)state;
    expect_all(
        &env,
        (const struct expectation[]){
            {"{{ 'now' | date: '%Y-%m-%d %H:%M %z %Z' }}", "2026-03-03 00:30 +0100 CET"},
            {"{{ 'today' | date: 'long' }}", "3 de marzo de 2026"},
            {"{{ at | date: 'long' }}", "3 de marzo de 2026"},
            {"{{ day | date: 'long' }}", "2 de marzo de 2026"},
            {"{{ day | date: 'short' }}", "2/3/26"},
            {"{{ day | date: 'medium' }}", "2 mar 2026"},
            {"{{ day | date: 'full' }}", "lunes, 2 de marzo de 2026"},
            {"{{ at | date: 'time' }}", "0:30"},
            {"{{ day | date: '%A %-d de %B' }}", "lunes 2 de marzo"},
            {"{{ local | date: '%H:%M %z %s' }}", "10:00 +0200 1782892800"},
            {"{{ 1152098955 | date: '%F %T' }}", "2006-07-05 13:29:15"},
            {"{{ '2027-01-01' | date: '%G-W%V-%u %U %W %j' }}", "2026-W53-5 00 00 001"},
            {"{{ '2024-02-29' | date: '%e %5d %^a %10B|%%|%Q' }}", "29 00029 JUE    febrero|%|%Q"},
            {"{{ '2023-02-29' | date: '%F' }}", "2023-02-29"}, /* no such day: as it is */
            {"{{ 'someday' | date: '%F' }}", "someday"},
            {NULL, NULL},
        });
    env.locale = "en";
    env.time_zone = NULL;
    expect_all(&env, (const struct expectation[]){
                         {"{{ at | date: 'long' }}", "March 2, 2026"},
                         {"{{ 'now' | date: '%c' }}", "Mon Mar  2 23:30:00 2026"},
                         {"{{ '2026-03-02 10:00 -0500' | date: '%H:%M %:z' }}", "10:00 -05:00"},
                         {NULL, NULL},
                     });
    env.time_zone = "Mars/Olympus";
    expect_all(&env, (const struct expectation[]){
                         {"{{ 'now' | date: '%F' }}", "1:12: “Mars/Olympus” is no time zone"},
                         {NULL, NULL}});
    json_decref(data);
}

static void test_escaping(void **state)
{
    json_t *data = json("{\"x\": \"<b>'&\\\"</b>\", \"list\": [\"<\", \"&\"], \"h\": {\"<\": 1}}");
    struct template_env env = env_of(data);
    env.escape_html = true;
    (void)state;
    expect_all(&env,
               (const struct expectation[]){
                   {"<i>{{ x }}</i>", "<i>&lt;b&gt;&#39;&amp;&quot;&lt;/b&gt;</i>"},
                   {"{% echo x | downcase %}", "&lt;b&gt;&#39;&amp;&quot;&lt;/b&gt;"},
                   {"{{ x | raw }}", "<b>'&\"</b>"},
                   {"{{ x | raw | append: '<' }}", "&lt;b&gt;&#39;&amp;&quot;&lt;/b&gt;&lt;"},
                   {"{{ '<&' | escape }}{{ '<&amp;' | escape_once }}", "&lt;&amp;&lt;&amp;"},
                   {"{% assign y = '<' | escape %}{{ y }}", "&lt;"},
                   {"{% capture y %}<p>{{ '<' }}</p>{% endcapture %}{{ y }}", "<p>&lt;</p>"},
                   {"{{ \"a<\nb\" | newline_to_br }}", "a&lt;<br />\nb"},
                   {"{{ list }}{{ list | join: '>' }}{{ h }}",
                    "&lt;&amp;&lt;&gt;&amp;{&quot;&lt;&quot;=&gt;1}"},
                   {"{% cycle '<', 'b' %}", "&lt;"},
                   {"{% cycle 'a', 'b' %}{%cycle \"a\",'b'%}{% cycle 1, 2 %}{% cycle '1', '2' %}"
                    "{%- cycle x, 'b' -%}{%- cycle x, 'b' -%}",
                    "ab11&lt;b&gt;&#39;&amp;&quot;&lt;/b&gt;&lt;b&gt;&#39;&amp;&quot;&lt;/b&gt;"},
                   {"{{ 5 }}{{ true }}{{ 1.5 }}", "5true1.5"},
                   {"{% for c in list %}{{ c }}{% endfor %}", "&lt;&amp;"},
                   {NULL, NULL},
               });
    env.escape_html = false;
    expect_all(&env,
               (const struct expectation[]){{"{{ x }}", "<b>'&\"</b>"},
                                            {"{{ \"a<\nb\" | newline_to_br }}", "a<<br />\nb"},
                                            {NULL, NULL}});
    json_decref(data);
}

static void test_compile_errors(void **state)
{
    struct template_env env = env_of(NULL);
    (void)state;
    expect_all(
        &env,
        (const struct expectation[]){
            {"ñandú\n  {{ x | upcsae }}", "2:10: unknown filter “upcsae”; did you mean “upcase”?"},
            {"{{ x | frobnicate }}", "1:8: unknown filter “frobnicate”"},
            {"€{% fro x in y %}", "1:5: unknown tag “fro”; did you mean “for”?"},
            {"{% if x %}\n{% else", "2:1: “{%” is not closed: “%}” expected"},
            {"a\n{{ x ", "2:1: “{{” is not closed: “}}” expected"},
            {"a{% if x %}b", "1:2: “if” is not closed: “endif” expected"},
            {"{% if x %}{% endfor %}",
             "1:14: “endfor” is not expected here: “endif” expected for the “if” at 1:1"},
            {"{% endif %}", "1:4: “endif” has nothing open before it"},
            {"{% %}", "1:4: the name of a tag expected"},
            {"{% if x = 1 %}{% endif %}", "1:9: “=” does not compare; did you mean “==”?"},
            {"{% if %}{% endif %}", "1:7: a value expected"},
            {"{{ 'abc }}", "1:4: the text that begins with ' is not closed"},
            {"{{ x | default: “y” }}", "1:17: ““” is a typographic quote; write ' or \""},
            {"{{ x | append }}", "1:8: the filter “append” takes 1 argument, not 0"},
            {"{{ x | upcase: 1 }}", "1:8: the filter “upcase” takes no argument"},
            {"{{ x | truncate: 1, 2, 3 }}",
             "1:8: the filter “truncate” takes 0 to 2 arguments, not 3"},
            {"{{ x | append: y: 1 }}", "1:16: the filter “append” has no named argument “y”"},
            {"{{ x y }}", "1:6: “y” is not expected here: “|” or the end expected"},
            {"{{ x. }}", "1:7: a name after “.” expected"},
            {"{{ x[1 }}", "1:8: “]” expected"},
            {"{{ 1234567890123456789012345678901234567890 }}",
             "1:4: the number 1234567890123456789012345678901234567890 has too many digits"},
            {"{% for x of y %}{% endfor %}", "1:10: “of” is not expected here: “in” expected"},
            {"{% for x in y step: 2 %}{% endfor %}",
             "1:15: “step” is not expected here: “limit”, “offset” or “reversed” expected"},
            {"{% render name %}",
             "1:11: “name” is not expected here: the name of a partial in quotes expected"},
            {"{% liquid\n if x\n echo y\n%}", "2:2: “if” is not closed: “endif” expected"},
            {"{% raw %}{{ ", "1:1: “raw” is not closed: “endraw” expected"},
            {"{% comment %}{{ ", "1:1: “comment” is not closed: “endcomment” expected"},
            {"{% assign x %}", "1:13: “=” expected"},
            {"{% assign x = %}", "1:15: a value expected"},
            {"\xFF", "1:1: the template is not plain UTF-8 here"},
            {NULL, NULL},
        });
}

static void test_render_errors(void **state)
{
    json_t *data = json("{\"x\": \"2\", \"list\": [1, \"a\"]}");
    struct template_env env = env_of(data);
    (void)state;
    expect_all(
        &env,
        (const struct expectation[]){
            {"ab\n {{ 1 | divided_by: 0 }}", "2:9: divided by 0"},
            {"{% if x > 1 %}{% endif %}", "1:7: a text cannot be compared with a number"},
            {"{{ list | sort }}", "1:11: a number cannot be sorted with a text"},
            {"{{ x | concat: x }}", "1:8: “concat” takes an array, not a text"},
            {"{% include 'nosuch' %}", "1:12: there is no partial “nosuch”"},
            {"{% for i in list limit: 'a' %}{% endfor %}",
             "1:25: a whole number expected, not a text"},
            {"{{ 'w' | base64_decode }}", "1:10: what goes into “base64_decode” is not base64"},
            {"{{ '%FF' | url_decode }}", "1:12: what comes out of “url_decode” is not UTF-8"},
            {NULL, NULL},
        });
    env.strict = true;
    expect_all(&env,
               (const struct expectation[]){
                   {"{{ x }}{{ contact.nam }}", "1:11: the variable “contact.nam” is not defined"},
                   {"{% if contact.nam %}{% endif %}{{ contact.nam | default: 'you' }}", "you"},
                   {NULL, NULL},
               });
    json_decref(data);
}

static void test_limits(void **state)
{
    json_t *data = json("{}");
    struct template_env env = env_of(data);
    (void)state;
    env.limits.max_output = 100;
    expect_all(&env, (const struct expectation[]){
                         {"{% for i in (1..200) %}x{% endfor %}",
                          "1:24: the output is too long (limit 100 bytes)"},
                         {"{% for i in (1..100) %}{% assign x = i %}{% endfor %}{{ x }}", "100"},
                         {NULL, NULL},
                     });
    env.limits = (struct template_limits){.max_steps = 1000};
    expect_all(&env, (const struct expectation[]){
                         {"{% for i in (1..9000000000) %}{% endfor %}",
                          "1:1: the template takes too many steps (limit 1000)"},
                         {"{{ (1..9000000000) | join: '' }}",
                          "1:22: the template takes too many steps (limit 1000)"},
                         {"{% for i in (1..9000000000) %}{% break %}{% endfor %}", ""},
                         {NULL, NULL},
                     });
    env.limits = (struct template_limits){.max_memory = 100000};
    expect_all(&env, (const struct expectation[]){
                         {"{% assign s = 'abcdefgh' %}{% for i in (1..64) %}"
                          "{% assign s = s | append: s %}{% endfor %}",
                          "1:68: too much memory is used (limit 100000 bytes)"},
                         {"{% assign s = 'abcdefgh' %}{% for i in (1..64) %}"
                          "{% assign s = s | replace: '', s %}{% endfor %}",
                          "1:68: too much memory is used (limit 100000 bytes)"},
                         {NULL, NULL},
                     });
    json_decref(data);
}

static void test_nesting(void **state)
{
    static const char *const NESTS[] = {"{% if a %}", "{% for i in (1..1) %}", "a["};
    struct template_env env = env_of(NULL);
    (void)state;
    for (size_t i = 0; i < sizeof NESTS / sizeof *NESTS; i++) {
        void *ctx MEM_SCOPED = mem_must(talloc_new(NULL));
        struct buf text;
        buf_init(&text, ctx, 100000);
        if (*NESTS[i] == 'a')
            buf_str(&text, "{{ ");
        for (size_t k = 0; k < 1000; k++)
            buf_str(&text, NESTS[i]);
        if (*NESTS[i] == 'a')
            buf_str(&text, " }}");
        assert_non_null(strstr(try_env(ctx, &env, text.data), "too many levels of nesting"));
    }
}

struct self {
    const struct template *t;
};

static const struct template *itself(void *arg, const char *name)
{
    const struct self *s = arg;
    return strcmp(name, "self") == 0 ? s->t : NULL;
}

static void test_partials(void **state)
{
    void *ctx MEM_SCOPED = mem_must(talloc_new(NULL));
    static const char LOOP[] = "{% render 'self' %}", BAD[] = "\n {{ 1 | modulo: x }}";
    struct template_env env = env_of(NULL);
    struct diag d;
    struct buf out;
    struct self self;
    (void)state;
    diag_init(&d, ctx);
    buf_init(&out, ctx, 1000);
    env.partial = itself;
    env.arg = &self;
    self.t = template_compile(ctx, LOOP, strlen(LOOP), &d);
    assert_false(template_render(self.t, &env, &out, NULL, &d));
    assert_non_null(strstr(d.items[0].message, "too many levels of blocks and partials"));
    assert_int_equal(out.len, 0);
    self.t = template_compile(ctx, BAD, strlen(BAD), &d);
    assert_string_equal(try_env(ctx, &env, "{% include 'self' %}"),
                        "2:9: in the partial “self”: divided by 0");
}

static void test_names_and_missing(void **state)
{
    static const char TEXT[] =
        "{{ contact.first_name }}{{ contact['last_name'] }}{% for o in orders %}{{ o.amount }}"
        "{{ forloop.index }}{% endfor %}{% assign z = y | append: x.y[0].q %}{{ z }}"
        "{% if vip %}{{ contact.first_name }}{% endif %}{{ nick | default: 'you' }}";
    static const char *const NAMES[] = {
        "contact.first_name", "contact.last_name", "nick", "orders", "vip", "x.y", "y"};
    static const char *const MISSING[] = {"contact.last_name", "o.amount", "x.y", "y"};
    void *ctx MEM_SCOPED = mem_must(talloc_new(NULL));
    json_t *data = json("{\"contact\": {\"first_name\": \"Ana\"}, \"orders\": [{}]}");
    struct template_env env = env_of(data);
    struct template_missing missing;
    struct diag d;
    struct buf out;
    size_t n;
    (void)state;
    diag_init(&d, ctx);
    buf_init(&out, ctx, 1000);
    template_missing_init(&missing, ctx);
    const struct template *t = template_compile(ctx, TEXT, strlen(TEXT), &d);
    assert_non_null(t);
    const char *const *names = template_names(t, &n);
    assert_int_equal(n, 7);
    for (size_t i = 0; i < n; i++)
        assert_string_equal(names[i], NAMES[i]);
    assert_true(template_render(t, &env, &out, &missing, &d));
    assert_string_equal(out.data, "Ana1you");
    assert_int_equal(missing.n, 4);
    for (size_t i = 0; i < missing.n; i++)
        assert_string_equal(missing.names[i], MISSING[i]);
    json_decref(data);
}

static void test_names_in_unicode(void **state)
{
    json_t *data = json("{\"año\": 7, \"attr\": {\"cuota_año\": 8}}");
    struct template_env env = env_of(data);
    (void)state;
    expect_all(&env, (const struct expectation[]){
                         {"{{ año }}{{\u00A0attr.cuota_año }}", "78"},
                         {"{{ 'ángel ñu' | upcase }}", "ÁNGEL ÑU"},
                         {"{{ 'ÁNGEL' | capitalize }}{{ 'ñu' | size }}", "Ángel2"},
                         {"{{ 'ñandú' | slice: 0 }}{{ 'ñandú' | truncate: 4, '…' }}", "ññan…"},
                         {NULL, NULL}});
    json_decref(data);
}

static void test_kept_loop(void **state)
{
    struct template_env env = env_of(NULL);
    (void)state;
    expect_all(&env,
               (const struct expectation[]){
                   {"{% for i in (1..3) %}{% assign f = forloop %}{% endfor %}{{ f.length }}", "3"},
                   {NULL, NULL}});
}

/* --- threads ------------------------------------------------------------------------------------
 */

struct worker {
    const struct template *t;
    json_t *data;
    const char *locale, *wanted;
    bool ok;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    w->ok = true;
    for (int i = 0; i < 200 && w->ok; i++) {
        void *ctx MEM_SCOPED = mem_must(talloc_new(NULL));
        struct template_env env = env_of(w->data);
        struct diag d;
        struct buf out;
        env.locale = w->locale;
        diag_init(&d, ctx);
        buf_init(&out, ctx, 10000);
        w->ok = template_render(w->t, &env, &out, NULL, &d) && strcmp(out.data, w->wanted) == 0;
    }
    return NULL;
}

static void test_threads(void **state)
{
    static const char TEXT[] =
        "{% for d in gifts %}{{ d.amount | money }} {{ d.at | date: 'long' }};{% endfor %}";
    void *ctx MEM_SCOPED = mem_must(talloc_new(NULL));
    json_t *data = json("{\"gifts\": [{\"amount\": \"25.00\", \"at\": \"2026-03-02\"}]}");
    struct diag d;
    pthread_t threads[2];
    (void)state;
    diag_init(&d, ctx);
    const struct template *t = template_compile(ctx, TEXT, strlen(TEXT), &d);
    struct worker workers[] = {
        {t, data, "es", "25,00\u00A0€ 2 de marzo de 2026;", false},
        {t, data, "en", "€25.00 March 2, 2026;", false},
    };
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    for (size_t i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        assert_true(workers[i].ok);
    }
    json_decref(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_money),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_escaping),
        cmocka_unit_test(test_compile_errors),
        cmocka_unit_test(test_render_errors),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_nesting),
        cmocka_unit_test(test_partials),
        cmocka_unit_test(test_names_and_missing),
        cmocka_unit_test(test_names_in_unicode),
        cmocka_unit_test(test_kept_loop),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
