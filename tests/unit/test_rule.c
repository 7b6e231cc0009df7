/* The rule language's parser, printer and checker: what is a rule, what is none, and where it says
 * so. */
#include "common/mem.h"
#include "daemon/rules/instant.h"
#include "daemon/rules/rule.h"
#include "daemon/rules/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct catalogue_name kinds[] = {{"donation", 1}, {"email_opened", 2}, {"Cena de gala", 3}};
static struct catalogue_name topics[] = {{"boletin", 1}};
static struct catalogue_name models[] = {{"main", 7}, {"gifts-2", 8}};
static struct catalogue_field fields[] = {{"renta", 1, FIELD_NUMBER},
                                          {"carnet", 2, FIELD_TEXT},
                                          {"alta", 3, FIELD_DATE},
                                          {"activo", 4, FIELD_BOOLEAN}};
static struct catalogue_segment segments[] = {{"fieles", 1, "in segment \"base\" and person"},
                                              {"base", 2, "country = \"ES\""},
                                              {"otros", 3, NULL}};
static const struct catalogue catalogue = {.org_id = 1,
                                           .time_zone = "Europe/Madrid",
                                           .currency = "EUR",
                                           .currency_digits = 2,
                                           .language = "es",
                                           .leap_birthday = "02-28",
                                           .kinds = kinds,
                                           .n_kinds = 3,
                                           .topics = topics,
                                           .n_topics = 1,
                                           .models = models,
                                           .n_models = 2,
                                           .fields = fields,
                                           .n_fields = 4,
                                           .segments = segments,
                                           .n_segments = 3};

static struct rule *checked(const void *ctx, const char *text, struct diag *d,
                            struct diag *warnings)
{
    struct rule *rule = rule_parse(ctx, text, strlen(text), d);

    return rule != NULL && rule_check(rule, &catalogue, d, warnings) ? rule : NULL;
}

/* --- good rules: their canonical text --- */

static const struct {
    const char *text, *canonical; /* NULL: the same */
} good[] = {
    {"true", NULL},
    {"TRUE  and\n# a comment\nFalse", "true and false"},
    {"person and country in (\"ES\", \"PT\")", NULL},
    {"count(donation in last 12 months) >= 2", NULL},
    {"sum(donation.amount where source = \"web\" in last 12 months) > 100", NULL},
    {"not any(email_opened in last 90 days)", NULL},
    {"(tag \"socio\" or rfm.label = \"champion\")", "tag \"socio\" or rfm.label = \"champion\""},
    {"not not (person or company)", "not not (person or company)"},
    {"person and (company or person and true)", NULL},
    {"(person and company) and true", "(person and company) and true"},
    {"((person))", "person"},
    {"city = \"say \\\"hi\\\" \\\\\"", NULL},
    {"first_name <> \"Ana\"", "first_name != \"Ana\""},
    {"COUNTRY = \"ES\"", NULL},
    {"country not in (\"ES\")", NULL},
    {"age between 18 and 30 and person", NULL},
    {"created_at between 2026-01-01 and 2026-12-31", NULL},
    {"created_at in last 30 DAYS", "created_at in last 30 days"},
    {"created_at in last 1 day", NULL},
    {"created_at before 2026-03-01T10:00:00Z", NULL},
    {"known_since before 90 days ago", NULL},
    {"last(donation) before 12 months ago", NULL},
    {"last(donation.amount) > 25.50", NULL},
    {"first(donation.source where amount > 10) = \"web\"", NULL},
    {"max(donation.amount this year) >= 100", NULL},
    {"min(donation.data.units previous quarter) is known", NULL},
    {"any(`Cena de gala` on 2026-03-01)", NULL},
    {"any(`donation` between 2026-03-01 and 2026-03-31T10:00:00Z)",
     "any(donation between 2026-03-01 and 2026-03-31T10:00:00Z)"},
    {"any(donation where amount > 5 or currency = \"USD\" today)", NULL},
    {"any(donation where not (amount > 5 and data.form contains \"x\") yesterday)", NULL},
    {"any(donation where data.vip = true after 2 weeks ago)", NULL},
    {"any(donation where data.units = 3 and data.form is known since 2026-01-01)", NULL},
    {"birthday today or birthday tomorrow or birthday in next 7 days", NULL},
    {"anniversary of created_at in next 2 weeks", NULL},
    {"anniversary of attr.alta today", NULL},
    {"attr.renta >= 0.1 and attr.carnet starts with \"A\" and attr.alta since 2020-01-01", NULL},
    {"attr.activo = true and attr.activo != false", NULL},
    {"attr.alta = 2020-02-29", NULL},
    {"rfm.r >= 4 and rfm.score > 400 and rfm.monetary > 99.99 and rfm.recency < 30", NULL},
    {"rfm.`gifts-2`.label = \"x\"", NULL},
    {"subscribed \"boletin\" and in segment \"fieles\" and in group \"Junta\"", NULL},
    {"first_name = last_name", NULL},
    {"\"ES\" = country", NULL},
    {"attr.renta > sum(donation.amount)", NULL},
    {"count(donation) > count(email_opened)", NULL},
    {"created_at < last(email_opened)", NULL},
    {"1 = 1", NULL},
    {"email ends with \"@example.org\"", NULL},
    {"city is unknown", NULL},
    {"count(donation where amount >= 9999999999999.99) = 0", NULL},
    {"any(donation where amount between -5 and 5.00)", NULL},
    {"any(compra where amount > 5)", NULL},
    /* blanks of Word and of the web, and a byte order mark */
    {"\xef\xbb\xbf"
     "city\xc2\xa0= \"x\"\r\n\tand\xe2\x80\xaf"
     "person",
     "city = \"x\" and person"},
    {"any(l’aide) and any(año_nuevo)", NULL},
    {"any(`’aide`) and any(`50€`) and any(`a€`)", NULL},
    {"city = \"“x”\" and age >= 18.000", NULL},
};

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        MEM_SCOPED void *ctx = talloc_new(NULL);
        const char *want = good[i].canonical == NULL ? good[i].text : good[i].canonical, *text;
        struct rule *rule, *again;
        struct diag d;
        json_t *a, *b;

        diag_init(&d, ctx);
        rule = checked(ctx, good[i].text, &d, NULL);
        if (rule == NULL)
            fail_msg("%s: %d:%d: %s", good[i].text, d.items[0].line, d.items[0].column,
                     d.items[0].message);
        text = rule_text(ctx, rule);
        assert_string_equal(text, want);
        again = checked(ctx, text, &d, NULL);
        assert_non_null(again);
        assert_string_equal(rule_text(ctx, again), want);
        a = rule_json(rule);
        b = rule_json(again);
        assert_string_equal(json_string_value(json_object_get(a, "type")),
                            json_string_value(json_object_get(b, "type")));
        json_decref(a);
        json_decref(b);
    }
}

/* --- bad rules: the first mistake --- */

static const struct {
    const char *text;
    int line, column;
    const char *message; /* stands in the message */
} bad[] = {
    /* signs, strings, numbers, dates */
    {"", 1, 1,
     "expected a field, a literal, an aggregate or a condition, found the end of the rule"},
    {"# nothing\n", 2, 1, "found the end of the rule"},
    {"city = 'x'", 1, 8, "double quotes"},
    {"city = \"x", 1, 8, "not closed"},
    {"city = \"x\ny\"", 1, 8, "not closed"},
    {"city = \"a\\n\"", 1, 10, "only \" or \\ may follow"},
    {"city = \"ñandú\" y", 1, 16, "expected \"and\", \"or\" or the end of the rule, found \"y\""},
    {"person and\n  city % \"x\"", 2, 8, "unexpected character \"%\""},
    {"any(``)", 1, 5, "must not be empty"},
    {"any(`x)", 1, 5, "not closed"},
    {"created_at > 2026-02-30", 1, 14, "2026-02-30 is no date"},
    {"created_at > 2026-13-01", 1, 14, "is no date"},
    {"created_at > 2026-3-1", 1, 14, "is no date"},
    {"created_at > 2026-03-01T10:00:00", 1, 14, "is no date"},
    {"created_at > 0001-03-01", 1, 14, "between 1500 and 9998"},
    {"age > 11111111111111111111111111111111111111111", 1, 7, "at most 40 digits"},
    {"age > 9223372036854775808", 1, 7, "too large"},
    {"sum(donation.amount) > 1.234", 1, 24, "2 decimals here; a thousand is written 1000"},
    {"city = null", 1, 8, "with \"is unknown\""},
    /* grammar */
    {"country", 1, 8, "expected a comparison"},
    {"country = ", 1, 11, "found the end of the rule"},
    {"country == \"ES\"", 1, 9, "\"==\" is written \"=\""},
    {"(person", 1, 8, "\")\", found the end"},
    {"person)", 1, 7, "the end of the rule, found \")\""},
    {"person company", 1, 8, "expected \"and\", \"or\" or the end"},
    {"and person", 1, 1, "expected a field, a literal, an aggregate or a condition, found \"and\""},
    {"not", 1, 4, "found the end"},
    {"country in \"ES\"", 1, 12, "\"(\" and a list"},
    {"country in (\"ES\" \"PT\")", 1, 18, "\",\" or \")\", found a string"},
    {"country in ()", 1, 13, "expected a string, a number"},
    {"country not \"x\"", 1, 9, "expected a comparison"},
    {"city is empty", 1, 9, "\"known\" or \"unknown\", found \"empty\""},
    {"city starts \"x\"", 1, 6, "did you mean \"starts with\"?"},
    {"city contains 5", 1, 15, "expected a string, found \"5\""},
    {"age between 3", 1, 14, "\"and\" and the upper end"},
    {"created_at in last days", 1, 20, "a duration such as 30 days"},
    {"created_at in last 3", 1, 21, "minutes, hours, days"},
    {"created_at in last 3 fortnights", 1, 22, "minutes, hours, days"},
    {"created_at in last 0 days", 1, 20, "at least one day"},
    {"created_at in last 201 years", 1, 20, "at most 200 years"},
    {"created_at in last 1.5 days", 1, 20, "a duration such as"},
    {"created_at before 3 days", 1, 25, "\"ago\""},
    {"created_at before lunch", 1, 19, "a date, or a duration"},
    {"created_at after 2026-01-01", 1, 18, "a duration and \"ago\""},
    {"created_at this day", 1, 17, "week, month, quarter or year"},
    {"any(donation between 2026-01-01 or 2026-02-01)", 1, 33, "\"and\" and a second date"},
    {"birthday", 1, 9, "\"today\", \"tomorrow\" or \"in next\""},
    {"birthday in last 3 days", 1, 10, "\"in next\""},
    {"anniversary created_at today", 1, 13, "\"of\""},
    {"tag socio", 1, 5, "expected a string, found \"socio\""},
    {"in club \"x\"", 1, 4, "\"segment\" or \"group\""},
    {"count donation > 3", 1, 7, "expected a comparison"},
    {"count(donation", 1, 15, "\"where\", a window"},
    {"count()", 1, 7, "a kind of interaction"},
    {"count(donation.amount) > 3", 1, 15, "counts interactions, not a field"},
    {"sum(donation) > 3", 1, 13, "a field of the interaction"},
    {"sum(donation.) > 3", 1, 14, "a field of the interaction"},
    {"cuont(donation) > 3", 1, 1, "no function \"cuont\"; did you mean \"count\"?"},
    {"tga \"socio\"", 1, 1, "did you mean \"tag\"?"},
    {"count(donation in last 3 moths) > 1", 1, 26, "found \"moths\"; did you mean \"months\"?"},
    {"city contians \"x\"", 1, 6, "did you mean \"contains\"?"},
    {"country = \"ES\" adn tag \"x\"", 1, 16, "did you mean \"and\"?"},
    {"person and contry", 1, 12, "no field or condition \"contry\"; did you mean \"country\"?"},
    {"compny or person", 1, 1, "did you mean \"company\"?"},
    {"country", 1, 8, "expected a comparison"},
    {"country \"ES\"", 1, 9, "expected a comparison"},
    {"country = ES", 1, 11, "no field \"ES\"; a text stands in double quotes"},
    {"donation > 3", 1, 1, "no field \"donation\"; it is a kind of interaction"},
    {"birthdy today", 1, 1, "did you mean \"birthday\"?"},
    {"any(donation last month)", 1, 14, "found \"last\"; did you mean \"previous month\"?"},
    {"any(donation where amont > 3)", 1, 20, "and data.NAME; did you mean \"amount\"?"},
    {"a.b.c.d = 1", 1, 7, "at most 3 parts"},
    /* names */
    {"contry = \"ES\"", 1, 1, "no field \"contry\"; did you mean \"country\"?"},
    {"frist_name = \"x\"", 1, 1, "did you mean \"first_name\"?"},
    {"zzzzz = \"x\"", 1, 1, "there is no field \"zzzzz\""},
    {"person and\n\n   attr.rneta > 3", 3, 4, "no custom field \"rneta\"; did you mean \"renta\"?"},
    {"attr > 3", 1, 1, "attr.NAME"},
    {"rfm.labl = \"x\"", 1, 1, "did you mean \"label\"?"},
    {"rfm.mian.r = 3", 1, 1, "no RFM model \"mian\"; did you mean \"main\"?"},
    {"in segment \"fieels\"", 1, 1, "did you mean \"fieles\"?"},
    {"subscribed \"boletn\"", 1, 1, "did you mean \"boletin\"?"},
    {"any(donation where amuont > 3)", 1, 20, "did you mean \"amount\"?"},
    {"contact.city = \"x\"", 1, 1, "custom fields are attr.NAME"},
    /* types */
    {"country = 5", 1, 11, "country is a text: expected a string"},
    {"age = \"x\"", 1, 7, "age is a whole number: expected a number"},
    {"age > 1.5", 1, 7, "a whole number"},
    {"sum(donation.amount) > 25.505", 1, 24, "at most 2 decimals"},
    {"any(donation where amount > 0.001)", 1, 29, "at most 2 decimals"},
    {"created_at > \"x\"", 1, 14, "an instant: expected a date"},
    {"attr.alta > 2026-03-01T10:00:00Z", 1, 13, "is a date: expected a date such as"},
    {"attr.activo > true", 1, 1, "with = or !="},
    {"attr.activo = \"true\"", 1, 15, "expected true or false"},
    {"age contains \"1\"", 1, 1, "contains is for text"},
    {"city contains \"\"", 1, 15, "not empty"},
    {"city in last 3 days", 1, 1, "a window is for instants"},
    {"city = age", 1, 8, "cannot be compared"},
    {"sum(donation.source) > 3", 1, 1, "sum needs a number"},
    {"anniversary of city today", 1, 16, "that of a date or an instant"},
    {"birthday in next 3 hours", 1, 1, "counts days"},
    {"any(donation in next 3 days)", 1, 14, "only once it has happened"},
    {"any(donation where city = \"x\")", 1, 20, "an interaction has no field \"city\""},
    {"any(donation where tag \"x\")", 1, 20, "only the interaction's own fields"},
    {"any(donation where count(donation) > 1)", 1, 20, "only the interaction's own fields"},
    {"any(donation where data > 1)", 1, 20, "data.NAME"},
    {"country = \"ES\" and any(donation) = true", 1, 34, "expected \"and\", \"or\""},
    {"true = any(donation)", 1, 8, "condition by itself"},
    {"city matches \"(M\"", 1, 14, "a group \"(\" is not closed"},
    {"city matches \"\"", 1, 14, "expected a string that is not empty"},
    {"related as \"child\" where (age < 18)", 1, 1, "there is no relation \"child\""},
};

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        MEM_SCOPED void *ctx = talloc_new(NULL);
        struct diag d;

        diag_init(&d, ctx);
        if (checked(ctx, bad[i].text, &d, NULL) != NULL)
            fail_msg("\"%s\" passed", bad[i].text);
        assert_true(diag_any(&d));
        if (d.items[0].line != bad[i].line || d.items[0].column != bad[i].column ||
            strstr(d.items[0].message, bad[i].message) == NULL)
            fail_msg("%s: %d:%d: %s", bad[i].text, d.items[0].line, d.items[0].column,
                     d.items[0].message);
    }
}

static void test_several_mistakes(void **state)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct diag d;

    (void)state;
    diag_init(&d, ctx);
    assert_null(checked(ctx, "country = and\ncity contains 5 or person", &d, NULL));
    assert_int_equal(d.n, 2);
    assert_int_equal(d.items[1].line, 2);
    diag_init(&d, ctx);
    assert_null(checked(ctx, "contry = \"x\" and age = \"x\" and in segment \"nobody\"", &d, NULL));
    assert_int_equal(d.n, 3);
    assert_int_equal(d.items[2].column, 32);
    diag_init(&d, ctx);
    assert_null(checked(ctx, "city = 'Las Palmas' and city = 'x\n", &d, NULL));
    assert_int_equal(d.n, 2);
    assert_int_equal(d.items[1].column, 32);
}

static void test_warning(void **state)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct diag d, warnings;
    size_t n;
    struct rule *rule;

    (void)state;
    diag_init(&d, ctx);
    diag_init(&warnings, ctx);
    rule = checked(ctx, "any(donatoin) and in segment \"FIELES\"", &d, &warnings);
    assert_non_null(rule);
    assert_int_equal(warnings.n, 1);
    assert_int_equal(warnings.items[0].column, 1);
    assert_non_null(strstr(warnings.items[0].message, "did you mean \"donation\""));
    assert_string_equal(rule_segments(rule, &n)[0], "fieles");
    assert_int_equal(n, 1);
    assert_string_equal(rule_kinds(rule, &n)[0], "donatoin");
    assert_non_null(checked(ctx,
                            "age between 5 and 2 or age between 2 and 10 or created_at between "
                            "2026-05-01 and 2026-05-01\n"
                            "or any(donation between 2026-05-01 and 2026-04-30)",
                            &d, &warnings));
    assert_int_equal(warnings.n, 3);
    assert_int_equal(warnings.items[1].column, 13);
    assert_int_equal(warnings.items[2].line, 2);
    assert_int_equal(warnings.items[2].column, 17);
    assert_non_null(strstr(warnings.items[2].message, "the lower end is above the upper one"));
    assert_non_null(checked(
        ctx, "sum(donation.amount) > 1.000 and attr.renta > 1.000 and age > 0.000", &d, &warnings));
    assert_int_equal(warnings.n, 4);
    assert_int_equal(warnings.items[3].column, 24);
    assert_non_null(strstr(warnings.items[3].message, "a thousand is written 1000"));
}

/* --- limits --- */

static char *repeated(const void *ctx, const char *before, const char *middle, const char *after,
                      int n)
{
    char *s = mem_strdup(ctx, "");

    for (int i = 0; i < n; i++)
        s = talloc_strdup_append_buffer(s, before);
    s = talloc_strdup_append_buffer(s, middle);
    for (int i = 0; i < n; i++)
        s = talloc_strdup_append_buffer(s, after);
    return s;
}

static void expect_mistake(const char *text, size_t n, const char *message)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct rule *rule;
    struct diag d;

    diag_init(&d, ctx);
    rule = rule_parse(ctx, text, n, &d);
    assert_true(rule == NULL || !rule_check(rule, &catalogue, &d, NULL));
    assert_non_null(strstr(d.items[0].message, message));
}

static void test_limits(void **state)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct diag d;
    char *text;

    (void)state;
    diag_init(&d, ctx);
    assert_non_null(checked(ctx, repeated(ctx, "(", "person", ")", 60), &d, NULL));
    text = repeated(ctx, "(", "person", ")", 70);
    expect_mistake(text, strlen(text), "nested at most 64 deep");
    text = repeated(ctx, "not ", "person", "", 4000);
    expect_mistake(text, strlen(text), "nested at most 64 deep");
    assert_non_null(checked(ctx, repeated(ctx, "true or ", "person", "", 199), &d, NULL));
    text = repeated(ctx, "true or ", "person", "", 200);
    expect_mistake(text, strlen(text), "at most 200 conditions");
    text = mem_printf(ctx, "age in (%s)", repeated(ctx, "1, ", "1", "", 400));
    expect_mistake(text, strlen(text), "at most 400 literals");
    text = repeated(ctx, "true or ", "person", "", 2600);
    expect_mistake(text, strlen(text), "at most 20000 bytes");
    text = repeated(ctx, "any(a) or ", "person", "", 101);
    expect_mistake(text, strlen(text), "at most 100 aggregates");
    expect_mistake("person\0", 7, "without NUL");
    expect_mistake("city = \"\xff\"", 10, "UTF-8");
}

/* --- pieces --- */

static void test_numbers(void **state)
{
    static const struct {
        const char *text;
        int digits;
        bool fits, fraction;
        int64_t value;
    } cases[] = {
        {"25.50", 2, true, false, 2550},
        {"25.5", 2, true, false, 2550},
        {"25", 2, true, false, 2500},
        {"-0.01", 2, true, false, -1},
        {"25.500", 2, true, false, 2550},
        {"25.501", 2, false, true, 0},
        {"3.0", 0, true, false, 3},
        {"9223372036854775807", 0, true, false, INT64_MAX},
        {"-9223372036854775808", 0, true, false, INT64_MIN},
        {"9223372036854775808", 0, false, false, 0},
        {"92233720368547758.08", 2, false, false, 0},
        {"-92233720368547758.08", 2, true, false, INT64_MIN},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t value = 0;
        bool fraction;

        assert_int_equal(rule_number_scaled(cases[i].text, cases[i].digits, &value, &fraction),
                         cases[i].fits);
        assert_int_equal(fraction, cases[i].fraction);
        assert_int_equal(value, cases[i].value);
    }
}

static void test_cycle(void **state)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct diag d;
    struct rule *rule;

    (void)state;
    diag_init(&d, ctx);
    rule = checked(ctx, "person and in segment \"fieles\"", &d, NULL);
    assert_false(rule_cycle("otros", rule, &catalogue, &d));
    assert_false(rule_cycle("new one", rule, &catalogue, &d));
    assert_true(rule_cycle("base", rule, &catalogue, &d));
    assert_int_equal(d.items[0].column, 12);
    assert_string_equal(d.items[0].message,
                        "the segment would refer to itself: base > fieles > base");
    assert_true(rule_cycle("fieles", rule, &catalogue, &d));
    assert_false(rule_cycle("Fieles", rule, &catalogue, &d)); /* another one */
    rule = checked(ctx, "IN SEGMENT \"FIELES\"", &d, NULL);
    assert_true(rule_cycle("fieles", rule, &catalogue, &d));
}

static void test_without_catalogue(void **state)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    const char *text =
        "attr.any = 5 and in segment \"x\" and city matches \"^a\" and rfm.other.label = \"x\"";
    struct rule *rule;
    struct diag d;

    (void)state;
    diag_init(&d, ctx);
    rule = rule_parse(ctx, text, strlen(text), &d);
    assert_true(rule_check(rule, NULL, &d, NULL));
    rule = rule_parse(ctx, "contry = \"x\"", 12, &d);
    assert_false(rule_check(rule, NULL, &d, NULL));
}

static void test_sql_holds_no_text(void **state)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    const char *text = "city = \"'; DROP TABLE contact; --\" and tag \"zzz1\" and any(donation "
                       "where data.zzz2 = \"zzz3\" since 2026-03-01)"
                       " and attr.carnet contains \"zzz4\" and age > 12345";
    static const char *const own[] = {"DROP", "zzz", "2026-03-01", "12345"};
    struct rule_root root;
    struct rule_sql *sql;
    struct diag d;

    (void)state;
    diag_init(&d, ctx);
    root = (struct rule_root){checked(ctx, text, &d, NULL), 42};
    assert_non_null(root.rule);
    for (int i = 0; i < 3; i++) {
        sql = i == 0   ? rule_compile_some(ctx, &root, 1, &catalogue)
              : i == 1 ? rule_compile_page(ctx, &root, 1, &catalogue)
                       : rule_compile_search(ctx, root.rule, &catalogue);
        for (size_t j = 0; j < sizeof(own) / sizeof(own[0]); j++)
            assert_null(strstr(sql->text, own[j]));
    }
    root.rule = NULL;
    sql = rule_compile_some(ctx, &root, 0, &catalogue);
    assert_int_equal(sql->n_params, 0);
}

/* `and` and `or` in turn, as deep as a rule may be, around `inner`. */
static char *deepest(const void *ctx, const char *inner)
{
    return repeated(ctx, "birthday today and (person or ", inner, ")", 61);
}

static void test_deepest(void **state)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct rule_root root = {.tag = 1};
    struct diag d;

    (void)state;
    diag_init(&d, ctx);
    root.rule = checked(ctx, deepest(ctx, "age > 5"), &d, NULL);
    assert_non_null(root.rule);
    assert_non_null(strstr(rule_compile_some(ctx, &root, 1, &catalogue)->text, ") n121\n"));
}

/* Segments in place of their names make a rule no deeper than one may be. */
static void test_deep_segments(void **state)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct catalogue_segment chain[] = {{"a", 1, deepest(ctx, "age > 5")},
                                        {"b", 2, "person and in segment \"a\""},
                                        {"c", 3, deepest(ctx, "in segment \"a\"")}};
    struct catalogue c = catalogue;
    struct rule_root root = {.tag = 1};
    const struct rule *rule;
    struct diag d;
    bool left;

    (void)state;
    c.segments = chain;
    diag_init(&d, ctx);
    for (size_t i = 1; i < 3; i++) {
        struct rule *written = rule_parse(ctx, chain[i].rule, strlen(chain[i].rule), &d);

        assert_true(rule_check(written, &c, &d, NULL));
        rule = rule_inline(ctx, written, &c, &left);
        assert_int_equal(left, i == 2);
        root.rule = rule;
        assert_non_null(rule_compile_some(ctx, &root, 1, &c));
    }
}

/* However many segments stand behind one another: what is not followed is said. */
static void test_long_chain(void **state)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct catalogue_segment *chain = mem_array(ctx, struct catalogue_segment, 40);
    struct catalogue c = catalogue;
    struct rule *rule;
    const char *const *words;
    struct diag d;
    bool left;
    size_t n;

    (void)state;
    for (int i = 0; i < 40; i++)
        chain[i] = (struct catalogue_segment){
            mem_printf(ctx, "s%d", i), i + 1,
            i == 0 ? "age > 5" : mem_printf(ctx, "in segment \"s%d\"", i - 1)};
    c.segments = chain;
    c.n_segments = 40;
    diag_init(&d, ctx);
    for (int i = 1; i < 40; i++) {
        rule = rule_parse(ctx, chain[i].rule, strlen(chain[i].rule), &d);
        assert_true(rule_check(rule, &c, &d, NULL));
        words = rule_reads(ctx, rule_inline(ctx, rule, &c, &left), &n);
        assert_int_equal(left, i > 20);
        assert_int_equal(n, left ? 1 : 2); /* the segment that stayed, or what age hangs on */
        assert_string_equal(words[0], left ? mem_printf(ctx, "segment:%d", i - 20) : "field:birth");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deepest),
        cmocka_unit_test(test_deep_segments),
        cmocka_unit_test(test_long_chain),
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_several_mistakes),
        cmocka_unit_test(test_warning),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_cycle),
        cmocka_unit_test(test_without_catalogue),
        cmocka_unit_test(test_sql_holds_no_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
