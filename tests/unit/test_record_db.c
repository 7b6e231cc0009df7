/* test_record_db.c - the recorder on a real database: who an item speaks of, what is refused and by
 * what place, that nothing of a refused request stays, and that each write leaves its change row.
 */
#include "daemon/record/record.h"
#include "tests/unit/decide_db.h"

#define CALLS_MAX 8

/* One call of record_items() and its answer. */
struct call {
    void *ctx;
    json_t *array;
    struct record_item items[8];
    size_t n;
    bool done, ok;
    struct record_result results[8];
};

static struct record *recorder;
static struct call calls[CALLS_MAX];
static size_t n_calls;
static int n_recorded;

static void on_recorded(void *arg, int64_t org_id)
{
    (void)arg;
    (void)org_id;
    n_recorded++;
}

static int start(void **state)
{
    clean(state);
    sql("INSERT INTO topic (org_id, name) VALUES (%lld, 'news')", (long long)t.org_id);
    sql("INSERT INTO field (org_id, name, type) VALUES (%lld, 'size', 'text')",
        (long long)t.org_id);
    recorder = record_new(t.pool, t.loop, t.pool, orgs_new(t.pool, t.pool), on_recorded, NULL);
    n_calls = 0;
    n_recorded = 0;
    return 0;
}

static int stop(void **state)
{
    for (size_t i = 0; i < n_calls; i++) {
        json_decref(calls[i].array);
        talloc_free(calls[i].ctx);
    }
    return finish(state);
}

static void on_answer(void *arg, bool ok, const struct record_result *results, size_t n)
{
    struct call *call = arg;

    call->done = true;
    call->ok = ok;
    for (size_t i = 0; i < n; i++) {
        call->results[i] = results[i];
        if (results[i].error != NULL)
            call->results[i].error = mem_strdup(call->ctx, results[i].error);
    }
}

static const struct catalogue *catalogue(void)
{
    static struct catalogue_name topics[] = {{"news", 1}};
    static struct catalogue_field fields[] = {{"size", 1, FIELD_TEXT}};
    static struct catalogue c = {.currency = "EUR",
                                 .currency_digits = 2,
                                 .topics = topics,
                                 .n_topics = 1,
                                 .fields = fields,
                                 .n_fields = 1};

    return &c;
}

/* Asks, and waits for nothing. `text` is an array of interactions in JSON; 'quotes' for "quotes".
 */
static struct call *ask(const char *text, bool all_or_nothing)
{
    struct call *call = &calls[n_calls++];
    json_t *array, *value;
    struct diag d;
    char *json;
    size_t i;

    *call = (struct call){.ctx = talloc_new(NULL)};
    json = mem_strdup(call->ctx, text);
    for (char *c = json; *c != '\0'; c++)
        if (*c == '\'')
            *c = '"';
    array = json_loads(json, 0, NULL);
    assert_non_null(array);
    diag_init(&d, call->ctx);
    json_array_foreach(array, i, value) assert_true(record_item_parse(
        call->ctx, value, "", catalogue(), clock_now_us(), &call->items[call->n++], &d));
    call->array = array; /* the items keep what they need of tags and lists in it */
    record_items(recorder, t.org_id, call->items, call->n, all_or_nothing, on_answer, call);
    return call;
}

static struct call *wait_for(struct call *call)
{
    int64_t begin = clock_monotonic_us();

    while (!call->done) {
        if (clock_monotonic_us() - begin > DEADLINE_US)
            fail_msg("no answer");
        run_ms(5);
    }
    return call;
}

static struct call *say(const char *text)
{
    return wait_for(ask(text, true));
}

static void one_contact_by_id_and_address(void **state)
{
    struct call *c;

    (void)state;
    say("[{'contact': {'email': 'ana@example.org'}, 'kind': 'a'}]");
    c = say("[{'contact': {'id': 1, 'email': 'ana@example.org'}, 'kind': 'a'},"
            "{'contact': {'id': 1, 'email': 'ana@example.org', 'city': 'Toledo'}, 'kind': 'a'},"
            "{'contact': {'email': 'ana@example.org', 'city': 'Soria'}, 'kind': 'a'},"
            "{'contact': {'id': 1, 'email': 'ana2@example.org', 'stage': 'x'}, 'kind': 'a'},"
            "{'contact': {'email': 'ana2@example.org', 'external_id': 'E1'}, 'kind': 'a'}]");
    assert_true(c->ok);
    for (size_t i = 0; i < c->n; i++) {
        assert_null(c->results[i].error);
        assert_int_equal(c->results[i].contact_id, 1);
    }
    assert_int_equal(number("SELECT count(*) FROM interaction"), 7);
    assert_text("{\"to\": \"x\", \"from\": null}",
                "SELECT i.data::text FROM interaction i JOIN kind k ON k.id = i.kind_id WHERE "
                "k.name = 'stage_changed'");
    assert_text("ana@example.org Soria x E1",
                "SELECT concat_ws(' ', email, city, stage, external_id) FROM contact");
    assert_int_equal(number("SELECT count(*) FROM identity"), 3);
}

static void an_address_with_two_external_ids_is_two_people(void **state)
{
    struct call *c =
        ask("[{'contact': {'external_id': 'A', 'email': 'x@example.org'}, 'kind': 'a'},"
            "{'contact': {'external_id': 'B', 'email': 'x@example.org'}, 'kind': 'a'},"
            "{'contact': {'external_id': 'B'}, 'kind': 'a'}]",
            false);

    (void)state;
    wait_for(c);
    assert_null(c->results[0].error);
    assert_string_equal(c->results[1].error, "belongs to another contact");
    assert_string_equal(c->results[1].pointer, "/contact/email");
    assert_null(c->results[2].error);
    assert_int_not_equal(c->results[0].contact_id, c->results[2].contact_id);
}

static void a_refused_request_leaves_nothing_behind(void **state)
{
    /* Both travel in one batch. */
    struct call *bad = ask("[{'contact': {'external_id': 'E9', 'email': 'x@example.org'}, 'kind': "
                           "'a'}, {'contact': {'id': 999}, 'kind': 'a'}]",
                           true);
    struct call *good = ask("[{'contact': {'email': 'x@example.org'}, 'kind': 'b'}]", true);

    (void)state;
    wait_for(bad);
    wait_for(good);
    assert_string_equal(bad->results[1].error, "no contact has this id");
    assert_non_null(bad->results[0].error);
    assert_null(good->results[0].error);
    assert_true(good->results[0].created);
    assert_text("x@example.org -",
                "SELECT concat_ws(' ', email, coalesce(external_id, '-')) FROM contact");
    assert_int_equal(number("SELECT count(*) FROM interaction"), 1);
    assert_int_equal(number("SELECT count(*) FROM identity"), 1);
}

static void another_requests_mistake_costs_nobody(void **state)
{
    struct call *bad, *good;

    (void)state;
    say("[{'contact': {'email': 'x@example.org'}, 'kind': 'a'}]");
    bad = ask("[{'contact': {'id': 999, 'email': 'x@example.org'}, 'kind': 'a'}]", true);
    good = ask("[{'contact': {'email': 'x@example.org'}, 'kind': 'b'}]", true);
    wait_for(bad);
    wait_for(good);
    assert_string_equal(bad->results[0].pointer, "/contact/id");
    assert_null(good->results[0].error);
    assert_int_equal(good->results[0].contact_id, 1);
}

static void a_key_counts_once(void **state)
{
    struct call *c = say("[{'contact': {'email': 'x@example.org'}, 'kind': 'a', 'source': 's', "
                         "'key': 'k'}, {'contact': {'email': 'x@example.org'}, 'kind': 'a', "
                         "'source': 's', 'key': 'k'}, {'contact': {'email': 'x@example.org'}, "
                         "'kind': 'a', 'source': 'other', 'key': 'k'}]");
    struct call *again = say("[{'contact': {'email': 'y@example.org', 'id': 77}, 'kind': 'a', "
                             "'source': 's', 'key': 'k'}]");

    (void)state;
    assert_false(c->results[0].duplicate);
    assert_true(c->results[1].duplicate);
    assert_int_equal(c->results[1].interaction_id, c->results[0].interaction_id);
    assert_false(c->results[2].duplicate);
    assert_true(again->results[0].duplicate);
    assert_int_equal(again->results[0].interaction_id, c->results[0].interaction_id);
    assert_int_equal(again->results[0].contact_id, c->results[0].contact_id);
    assert_int_equal(number("SELECT count(*) FROM interaction"), 2);
    assert_int_equal(number("SELECT count(*) FROM contact"), 1);
}

static void a_key_of_a_request_holds_for_its_content_alone(void **state)
{
    static const char text[] = "[{'contact': {'email': 'x@example.org'}, 'kind': 'a', 'key': 'k'}]";
    const int64_t contents[] = {5, 5, 6};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct call *c = ask(text, true);

        c->items[0].content = contents[i];
        wait_for(c);
        assert_int_equal(c->results[0].reused, i == 2);
        assert_int_equal(c->results[0].duplicate, i == 1);
        assert_int_equal(c->results[0].error != NULL, i == 2);
    }
    assert_int_equal(number("SELECT count(*) FROM interaction"), 1);
}

static void what_the_database_refuses_is_told(void **state)
{
    struct call *bad, *good;

    (void)state;
    /* The parser takes no such zone: whoever fills items by hand may. */
    bad = ask("[{'contact': {'email': 'x@example.org'}, 'kind': 'a'}]", true);
    json_object_set_new(bad->items[0].contact.fields, "time_zone", json_string("Mars/Olympus"));
    good = ask("[{'contact': {'email': 'y@example.org'}, 'kind': 'a'}]", true);
    wait_for(bad);
    wait_for(good);
    assert_true(bad->ok);
    assert_non_null(strstr(bad->results[0].error, "contact_time_zone_check"));
    assert_string_equal(bad->results[0].pointer, "");
    assert_null(good->results[0].error);
    assert_text("y@example.org", "SELECT string_agg(email, ' ') FROM contact");
}

static void each_write_leaves_its_change(void **state)
{
    struct call *c;

    (void)state;
    c = say("[{'contact': {'email': 'x@example.org', 'attr': {'size': 'L'}, 'tags': ['t'], "
            "'groups': ['g'], 'consents': [{'topic': ' news ', 'action': 'grant', 'at': "
            "'2027-03-01T12:00:00+02:00'}]}, 'kind': 'a'}]");
    assert_null(c->results[0].error);
    assert_text("consent field group interaction tag",
                "SELECT string_agg(DISTINCT sort, ' ' ORDER BY sort) FROM change");
    assert_text("a subscribed",
                "SELECT string_agg(k.name, ' ' ORDER BY k.name) FROM change c JOIN kind k ON k.id "
                "= c.kind_id WHERE c.interaction_id IN (SELECT id FROM interaction)");
    assert_text("2027-03-01 10:00:00+00 news",
                "SELECT concat_ws(' ', occurred_at AT TIME ZONE 'UTC' || '+00', data->>'topic') "
                "FROM interaction i JOIN kind k ON k.id = i.kind_id WHERE k.name = 'subscribed'");
    sql("DELETE FROM change");
    say("[{'contact': {'email': 'x@example.org', 'attr': {'size': 'L'}, 'tags': ['T'], 'groups': "
        "['g'], 'consents': [{'topic': 'news', 'action': 'grant'}]}, 'kind': 'a'}]");
    assert_text("interaction", "SELECT string_agg(sort, ' ') FROM change");
    say("[{'contact': {'email': 'x@example.org', 'consents': [{'topic': 'news', 'action': "
        "'withdraw'}]}, 'kind': 'a'}]");
    assert_int_equal(number("SELECT count(*) FROM interaction i JOIN kind k ON k.id = i.kind_id "
                            "WHERE k.name = 'unsubscribed'"),
                     1);
    assert_int_equal(number("SELECT count(*) FROM subscription WHERE NOT subscribed"), 1);
}

static void keys_go_with_their_contact(void **state)
{
    struct call *c = say("[{'contact': {'email': 'x@example.org'}, 'kind': 'a', 'key': 'k'}]");

    (void)state;
    sql("DELETE FROM contact");
    assert_int_equal(number("SELECT count(*) FROM interaction_key"), 0);
    c = say("[{'contact': {'email': 'x@example.org'}, 'kind': 'a', 'key': 'k'}]");
    assert_true(c->results[0].created);
    assert_false(c->results[0].duplicate);
}

int main(int argc, char **argv)
{
#define RECORD_TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)
    const struct CMUnitTest tests[] = {
        RECORD_TEST(one_contact_by_id_and_address),
        RECORD_TEST(an_address_with_two_external_ids_is_two_people),
        RECORD_TEST(a_refused_request_leaves_nothing_behind),
        RECORD_TEST(another_requests_mistake_costs_nobody),
        RECORD_TEST(a_key_counts_once),
        RECORD_TEST(a_key_of_a_request_holds_for_its_content_alone),
        RECORD_TEST(what_the_database_refuses_is_told),
        RECORD_TEST(each_write_leaves_its_change),
        RECORD_TEST(keys_go_with_their_contact),
    };

    return decide_tests_run(tests, sizeof(tests) / sizeof(tests[0]), argc > 1 ? argv[1] : NULL);
}
