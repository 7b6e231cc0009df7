/* test_record_parse.c - JSON of contacts and interactions: every field, every bad value with its
 * pointer. */
#include "common/clock.h"
#include "common/mem.h"
#include "daemon/record/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NOW_US INT64_C(1805018400000000) /* 2027-03-14T10:00:00Z */

static struct {
    void *ctx;
    json_t *json;
    struct diag d;
    struct record_item item;
    struct record_contact contact;
} t;

static const struct catalogue *catalogue(int digits)
{
    static struct catalogue_name topics[] = {{"news", 1}};
    static struct catalogue_field fields[] = {{"size", 1, FIELD_TEXT},
                                              {"weight", 2, FIELD_NUMBER},
                                              {"joined", 3, FIELD_DATE},
                                              {"vip", 4, FIELD_BOOLEAN}};
    static struct catalogue c = {.topics = topics, .n_topics = 1, .fields = fields, .n_fields = 4};

    c.currency = digits == 0 ? "JPY" : "EUR";
    c.currency_digits = digits;
    return &c;
}

static void done(void)
{
    json_decref(t.json);
    talloc_free(t.ctx);
    t.json = NULL;
    t.ctx = NULL;
}

static void load(const char *text)
{
    char *json;

    done();
    t.ctx = talloc_new(NULL);
    diag_init(&t.d, t.ctx);
    json = mem_strdup(t.ctx, text);
    for (char *c = json; *c != '\0'; c++)
        if (*c == '\'')
            *c = '"';
    t.json = json_loads(json, JSON_DECODE_ANY, NULL);
    if (t.json == NULL)
        fail_msg("no JSON: %s", text);
}

static bool item(const char *text)
{
    load(text);
    return record_item_parse(t.ctx, t.json, "/3", catalogue(2), NOW_US, &t.item, &t.d);
}

static bool contact(const char *text)
{
    load(text);
    return record_contact_parse(t.ctx, t.json, "", catalogue(2), NOW_US, &t.contact, &t.d);
}

static const char *field(const char *name)
{
    return json_string_value(json_object_get(t.contact.fields, name));
}

/* An interaction, its contact in order, with `rest` beside. */
static bool fact(const char *rest)
{
    char text[20000];

    snprintf(text, sizeof(text), "{'contact': {'id': 7}, 'kind': 'donation'%s%s}",
             rest[0] == '\0' ? "" : ", ", rest);
    return item(text);
}

/* --- what is taken ----------------------------------------------------------- */

static void an_interaction_with_all_its_fields(void **state)
{
    (void)state;
    assert_true(item("{'contact': {'email': ' Ana@EXAMPLE.org ', 'external_id': 'E1'}, 'kind': ' "
                     "donation ', 'occurred_at': '2027-03-01T12:00:00.5+02:00', 'amount': '25.5', "
                     "'currency': 'EUR', 'source': 'web', 'key': 'k1', 'data': {'form': 'x', 'n': "
                     "[1, 0.1]}}"));
    assert_string_equal(t.item.contact.email, "ana@example.org");
    assert_string_equal(t.item.contact.external_id, "E1");
    assert_string_equal(t.item.kind, "donation");
    assert_int_equal(t.item.occurred_at_us, INT64_C(1803895200500000));
    assert_true(t.item.has_amount);
    assert_int_equal(t.item.amount, 2550);
    assert_string_equal(t.item.currency, "EUR");
    assert_string_equal(t.item.source, "web");
    assert_string_equal(t.item.key, "k1");
    assert_string_equal(t.item.data, "{\"form\":\"x\",\"n\":[1,0.1]}");
    assert_false(t.item.quiet);
}

static void an_interaction_with_the_least(void **state)
{
    (void)state;
    assert_true(fact(""));
    assert_int_equal(t.item.contact.id, 7);
    assert_int_equal(t.item.occurred_at_us, NOW_US);
    assert_false(t.item.has_amount);
    assert_string_equal(t.item.source, "");
    assert_null(t.item.key);
    assert_null(t.item.data);
    assert_true(fact("'occurred_at': null, 'amount': null, 'currency': null, 'source': null, "
                     "'key': null, 'data': null"));
    assert_false(t.item.has_amount);
    /* A day alone is its noon. */
    assert_true(fact("'occurred_at': '2027-03-01'"));
    assert_int_equal(t.item.occurred_at_us % CLOCK_DAY_US, CLOCK_DAY_US / 2);
    /* What is escaped in the text is no character U+0000. */
    assert_true(fact("'data': {'path': '\\\\u0000'}"));
}

static void amounts_are_exact(void **state)
{
    static const struct {
        const char *given;
        int64_t minor;
    } good[] = {{"'0'", 0},
                {"0", 0},
                {"25", 2500},
                {"25.1", 2510},
                {"19.99", 1999},
                {"-7.05", -705},
                {"'-0.07'", -7},
                {"'25.500'", 2550},
                {"1e2", 10000},
                {"0.30000000000000004", 30},
                {"999999999999.99", INT64_C(99999999999999)},
                {"'9999999999999.99'", INT64_C(999999999999999)}};
    static const char *const bad[] = {"'25.555'",
                                      "25.555",
                                      "''",
                                      "'25,00'",
                                      "'1e2'",
                                      "' 25'",
                                      "'25 EUR'",
                                      "true",
                                      "{}",
                                      "1e12",
                                      "'10000000000000.01'",
                                      "'.5'",
                                      "'5.'",
                                      "'+5'",
                                      "1e300",
                                      "'--5'",
                                      "'0x10'",
                                      "123456789012345678"};

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        char rest[80];

        snprintf(rest, sizeof(rest), "'amount': %s", good[i].given);
        if (!fact(rest) || t.item.amount != good[i].minor)
            fail_msg("%s became %lld", good[i].given, (long long)t.item.amount);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char rest[80];

        snprintf(rest, sizeof(rest), "'amount': %s", bad[i]);
        if (fact(rest) || t.d.n != 1 || strcmp(t.d.items[0].pointer, "/3/amount") != 0)
            fail_msg("%s was taken", bad[i]);
    }
}

static void a_contact_with_all_its_fields(void **state)
{
    (void)state;
    assert_true(contact("{'email': 'josé@x.org', 'kind': 'person'}") ==
                false); /* only the domain may be IDN */
    assert_true(contact(
        "{'id': 5, 'email': 'ana@münchen.example', 'external_id': 'E 1', 'kind': 'company', "
        "'first_name': 'Ana', 'last_name': 'García', 'company_name': 'X', 'phone': '+34 600', "
        "'language': 'es', 'country': 'es', 'city': 'Málaga', 'postal_code': '29001', "
        "'birth_date': '1970-03-09', 'time_zone': 'Europe/Madrid', 'stage': 'new', 'attr': "
        "{'size': 'L', 'weight': 1.5, 'joined': '2026-03-01', 'vip': false}, 'tags': ['a', 'b'], "
        "'groups': ['g'], 'consents': [{'topic': 'news', 'action': 'grant'}]}"));
    assert_int_equal(t.contact.id, 5);
    assert_string_equal(t.contact.email, "ana@xn--mnchen-3ya.example");
    assert_string_equal(t.contact.external_id, "E 1");
    assert_string_equal(field("kind"), "company");
    assert_string_equal(field("last_name"), "García");
    assert_string_equal(field("country"), "ES");
    assert_string_equal(field("time_zone"), "Europe/Madrid");
    assert_int_equal(json_integer_value(json_object_get(t.contact.fields, "birth_year")), 1970);
    assert_int_equal(json_integer_value(json_object_get(t.contact.fields, "birth_month")), 3);
    assert_int_equal(json_integer_value(json_object_get(t.contact.fields, "birth_day")), 9);
    assert_int_equal(json_object_size(t.contact.attrs), 4);
    assert_int_equal(json_array_size(t.contact.tags), 2);
    assert_int_equal(json_array_size(t.contact.groups), 1);
    assert_int_equal(json_array_size(t.contact.consents), 1);
}

static void null_empties_a_field(void **state)
{
    static const char *const names[] = {"first_name",  "last_name", "company_name", "phone",
                                        "language",    "country",   "city",         "postal_code",
                                        "birth_month", "time_zone", "stage"};

    (void)state;
    assert_true(contact("{'first_name': null, 'last_name': null, 'company_name': null, 'phone': "
                        "null, 'language': null, 'country': null, 'city': null, 'postal_code': "
                        "null, 'birth_date': null, 'time_zone': null, 'stage': null, 'attr': "
                        "{'size': null}}"));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (!json_is_null(json_object_get(t.contact.fields, names[i])))
            fail_msg("%s is not emptied", names[i]);
    assert_true(contact("{}"));
    assert_int_equal(json_object_size(t.contact.fields), 0);
}

static void birth_dates_may_lack_the_year(void **state)
{
    static const char *const good[] = {"--03-09", "03-09", "--02-29", "02-29", "2000-02-29"};
    static const char *const bad[] = {"02-30",      "1900-02-29", "1849-01-01", "2201-01-01",
                                      "1970-3-9",   "9/3/1970",   "1970-13-01", "-03-09",
                                      "1970-03-9x", "----03-09",  "00-10",      "--"};

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        char text[80];

        snprintf(text, sizeof(text), "{'birth_date': '%s'}", good[i]);
        if (!contact(text))
            fail_msg("%s is refused", good[i]);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[80];

        snprintf(text, sizeof(text), "{'birth_date': '%s'}", bad[i]);
        if (contact(text) || strcmp(t.d.items[0].pointer, "/birth_date") != 0)
            fail_msg("%s is taken", bad[i]);
    }
}

/* What the ledger gets is what was checked: trimmed, its instant in UTC. */
static void consents_are_normalised(void **state)
{
    const json_t *entry;

    (void)state;
    assert_true(contact("{'consents': [{'topic': ' news ', 'action': ' withdraw', 'at': "
                        "'2027-03-01T12:00:00+02:00', 'ip': '', 'purpose': ' p ', 'wording': "
                        "null}]}"));
    entry = json_array_get(t.contact.consents, 0);
    assert_string_equal(json_string_value(json_object_get(entry, "topic")), "news");
    assert_string_equal(json_string_value(json_object_get(entry, "action")), "withdraw");
    assert_string_equal(json_string_value(json_object_get(entry, "purpose")), "p");
    assert_string_equal(json_string_value(json_object_get(entry, "at")),
                        "2027-03-01T10:00:00.000000Z");
    assert_null(json_object_get(entry, "ip"));
    assert_null(json_object_get(entry, "wording"));
    assert_true(contact("{'consents': [{'topic': 'news', 'action': 'grant', 'at': ''}]}"));
    assert_null(json_object_get(json_array_get(t.contact.consents, 0), "at"));
}

/* --- what is refused, and where --------------------------------------------- */

static void bad_interactions(void **state)
{
    static const struct {
        const char *text, *pointer;
    } bad[] = {
        {"7", "/3"},
        {"[]", "/3"},
        {"{'kind': 'a'}", "/3/contact"},
        {"{'contact': 'ana', 'kind': 'a'}", "/3/contact"},
        {"{'contact': {'first_name': 'Ana'}, 'kind': 'a'}", "/3/contact"},
        {"{'contact': {'id': 0}, 'kind': 'a'}", "/3/contact/id"},
        {"{'contact': {'id': '5'}, 'kind': 'a'}", "/3/contact/id"},
        {"{'contact': {'id': 1.5}, 'kind': 'a'}", "/3/contact/id"},
        {"{'contact': {'email': 'ana'}, 'kind': 'a'}", "/3/contact/email"},
        {"{'contact': {'email': 5}, 'kind': 'a'}", "/3/contact/email"},
        {"{'contact': {'id': 1}}", "/3/kind"},
        {"{'contact': {'id': 1}, 'kind': ''}", "/3/kind"},
        {"{'contact': {'id': 1}, 'kind': 5}", "/3/kind"},
        {"{'contact': {'id': 1}, 'kind': 'a\\tb'}", "/3/kind"},
        {"{'contact': {'id': 1}, 'kind': 'a\\u0085b'}", "/3/kind"},
        {"{'contact': {'id': 1}, 'kind': 'a\\u2028b'}", "/3/kind"},
        {"{'contact': {'id': 1}, 'kind': 'a', 'colour': 1}", "/3/colour"},
        {"{'contact': {'id': 1}, 'kind': 'a', 'a/b~c': 1}", "/3/a~1b~0c"},
        {"{'contact': {'id': 1, 'nombre': 1}, 'kind': 'a'}", "/3/contact/nombre"},
        {"{'contact': {'id': 1}, 'kind': 'a', 'occurred_at': 'yesterday'}", "/3/occurred_at"},
        {"{'contact': {'id': 1}, 'kind': 'a', 'occurred_at': '2027-02-30'}", "/3/occurred_at"},
        {"{'contact': {'id': 1}, 'kind': 'a', 'occurred_at': '2027-03-01T25:00:00Z'}",
         "/3/occurred_at"},
        {"{'contact': {'id': 1}, 'kind': 'a', 'occurred_at': '2027-03-01T12:00:00'}",
         "/3/occurred_at"},
        {"{'contact': {'id': 1}, 'kind': 'a', 'occurred_at': '9999-12-31T23:59:59-01:00'}",
         "/3/occurred_at"},
        {"{'contact': {'id': 1}, 'kind': 'a', 'occurred_at': '0001-01-01T00:00:00+01:00'}",
         "/3/occurred_at"},
        {"{'contact': {'id': 1}, 'kind': 'a', 'occurred_at': 1805018400}", "/3/occurred_at"},
        {"{'contact': {'id': 1}, 'kind': 'a', 'currency': 'usd'}", "/3/currency"},
        {"{'contact': {'id': 1}, 'kind': 'a', 'currency': 'JPY', 'amount': '1.5'}", "/3/amount"},
        {"{'contact': {'id': 1}, 'kind': 'a', 'currency': 'euros'}", "/3/currency"},
        {"{'contact': {'id': 1}, 'kind': 'a', 'source': []}", "/3/source"},
        {"{'contact': {'id': 1}, 'kind': 'a', 'key': 'a\\u001fb'}", "/3/key"},
        {"{'contact': {'id': 1}, 'kind': 'a', 'key': 12}", "/3/key"},
        {"{'contact': {'id': 1}, 'kind': 'a', 'data': 'x'}", "/3/data"},
        {"{'contact': {'id': 1}, 'kind': 'a', 'data': []}", "/3/data"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (item(bad[i].text) || strcmp(t.d.items[0].pointer, bad[i].pointer) != 0)
            fail_msg("%s: %s", bad[i].text, t.d.n == 0 ? "taken" : t.d.items[0].pointer);
}

static void bad_contacts(void **state)
{
    static const struct {
        const char *text, *pointer;
    } bad[] = {
        {"[]", ""},
        {"{'kind': 'dog'}", "/kind"},
        {"{'country': 'ESP'}", "/country"},
        {"{'country': 'E1'}", "/country"},
        {"{'country': 'ñ'}", "/country"},
        {"{'time_zone': 'Mars/Olympus'}", "/time_zone"},
        {"{'birth_date': 19700309}", "/birth_date"},
        {"{'first_name': 5}", "/first_name"},
        {"{'city': 'a\\nb'}", "/city"},
        {"{'phone': {}}", "/phone"},
        {"{'attr': []}", "/attr"},
        {"{'attr': {'colour': 'red'}}", "/attr/colour"},
        {"{'attr': {'size': 5}}", "/attr/size"},
        {"{'attr': {'weight': '5'}}", "/attr/weight"},
        {"{'attr': {'joined': '2026-3-1'}}", "/attr/joined"},
        {"{'attr': {'joined': '2026-02-30'}}", "/attr/joined"},
        {"{'attr': {'vip': 'yes'}}", "/attr/vip"},
        {"{'tags': 'a'}", "/tags"},
        {"{'tags': ['a', '']}", "/tags/1"},
        {"{'tags': ['a', 5]}", "/tags/1"},
        {"{'groups': [null]}", "/groups/0"},
        {"{'consents': {}}", "/consents"},
        {"{'consents': [5]}", "/consents/0"},
        {"{'consents': [{'action': 'grant'}]}", "/consents/0/topic"},
        {"{'consents': [{'topic': 'other', 'action': 'grant'}]}", "/consents/0/topic"},
        {"{'consents': [{'topic': 'news', 'action': 'maybe'}]}", "/consents/0/action"},
        {"{'consents': [{'topic': 'news', 'action': 'grant', 'at': 'now'}]}", "/consents/0/at"},
        {"{'consents': [{'topic': 'news', 'action': 'grant', 'who': 'me'}]}", "/consents/0/who"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (contact(bad[i].text) || strcmp(t.d.items[0].pointer, bad[i].pointer) != 0)
            fail_msg("%s: %s", bad[i].text, t.d.n == 0 ? "taken" : t.d.items[0].pointer);
}

/* Each text at its length, in characters, and one more. */
static void lengths_are_bounded(void **state)
{
    static const struct {
        const char *before, *after, *pointer;
        size_t max;
    } texts[] = {
        {"{'first_name': '", "'}", "/first_name", 200},
        {"{'last_name': '", "'}", "/last_name", 200},
        {"{'company_name': '", "'}", "/company_name", 200},
        {"{'phone': '", "'}", "/phone", 50},
        {"{'language': '", "'}", "/language", 35},
        {"{'city': '", "'}", "/city", 200},
        {"{'postal_code': '", "'}", "/postal_code", 20},
        {"{'stage': '", "'}", "/stage", 80},
        {"{'external_id': '", "'}", "/external_id", 200},
        {"{'tags': ['", "']}", "/tags/0", 100},
        {"{'attr': {'size': '", "'}}", "/attr/size", 2000},
        {"{'consents': [{'topic': 'news', 'action': 'grant', 'wording': '", "'}]}",
         "/consents/0/wording", 5000},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        for (size_t more = 0; more < 2; more++) {
            char text[20000], *out = text + sprintf(text, "%s", texts[i].before);

            for (size_t k = 0; k < texts[i].max + more; k++)
                out += sprintf(out, "ñ");
            sprintf(out, "%s", texts[i].after);
            if (contact(text) != (more == 0))
                fail_msg("%s of %zu characters", texts[i].pointer, texts[i].max + more);
            if (more == 1)
                assert_string_equal(t.d.items[0].pointer, texts[i].pointer);
        }
    }
}

/* All that is wrong is told at once. */
static void mistakes_are_collected(void **state)
{
    (void)state;
    assert_false(item("{'contact': {'email': 'x', 'country': 'ESP', 'tags': 5}, 'amount': 'x', "
                      "'key': 5, 'who': 1}"));
    assert_true(t.d.n >= 6);
}

static int teardown(void **state)
{
    (void)state;
    done();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_interaction_with_all_its_fields),
        cmocka_unit_test(an_interaction_with_the_least),
        cmocka_unit_test(amounts_are_exact),
        cmocka_unit_test(a_contact_with_all_its_fields),
        cmocka_unit_test(null_empties_a_field),
        cmocka_unit_test(birth_dates_may_lack_the_year),
        cmocka_unit_test(consents_are_normalised),
        cmocka_unit_test(bad_interactions),
        cmocka_unit_test(bad_contacts),
        cmocka_unit_test(lengths_are_bounded),
        cmocka_unit_test(mistakes_are_collected),
    };

    return cmocka_run_group_tests(tests, NULL, teardown);
}
