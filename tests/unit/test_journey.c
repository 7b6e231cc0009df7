/* test_journey.c - definitions of journeys: what they compile to, and every way to get one wrong.
 */
#include "common/mem.h"
#include "daemon/decide/campaign.h"
#include "daemon/decide/journey.h"
#include "daemon/pg/migrations.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct catalogue_name kinds[] = {{"donation", 1}, {"signup", 2}, {"email_sent", 3}};
static struct catalogue_field fields[] = {{"joined", 5, FIELD_DATE},
                                          {"points", 6, FIELD_NUMBER},
                                          {"note", 7, FIELD_TEXT},
                                          {"vip", 8, FIELD_BOOLEAN}};
static struct catalogue_name topics[] = {{"news", 11}, {"appeals", 12}};
static struct catalogue_segment segments[] = {{"lapsed", 21, "not any(donation)"},
                                              {"by-hand", 22, NULL}};
static struct catalogue_name models[] = {{"giving", 31}};
static const struct catalogue catalogue = {.org_id = 1,
                                           .time_zone = "Europe/Madrid",
                                           .currency = "EUR",
                                           .currency_digits = 2,
                                           .language = "es",
                                           .leap_birthday = "02-28",
                                           .kinds = kinds,
                                           .n_kinds = 3,
                                           .fields = fields,
                                           .n_fields = 4,
                                           .topics = topics,
                                           .n_topics = 2,
                                           .segments = segments,
                                           .n_segments = 2,
                                           .models = models,
                                           .n_models = 1};

struct parsed {
    void *ctx;
    struct journey_def *def;
    struct diag d;
};

static struct parsed parse(const char *text)
{
    struct parsed p = {.ctx = talloc_new(NULL)};
    json_error_t error;
    json_t *json = json_loads(text, JSON_DECODE_ANY, &error);

    if (json == NULL)
        fail_msg("the test's JSON is wrong: %s in %s", error.text, text);
    diag_init(&p.d, p.ctx);
    p.def = journey_parse(p.ctx, json, &catalogue, &p.d);
    json_decref(json);
    return p;
}

static struct parsed parse_good(const char *text)
{
    struct parsed p = parse(text);

    if (p.def == NULL)
        fail_msg("%s: %s: %s", text, p.d.items[0].pointer, p.d.items[0].message);
    assert_false(diag_any(&p.d));
    return p;
}

/* One mistake at that pointer, whose message has these words. */
static void assert_refused(const char *text, const char *pointer, const char *words)
{
    struct parsed p = parse(text);
    bool found = false;

    if (p.def != NULL)
        fail_msg("not refused: %s", text);
    for (size_t i = 0; i < p.d.n; i++)
        found = found || (strcmp(p.d.items[i].pointer, pointer) == 0 &&
                          strstr(p.d.items[i].message, words) != NULL);
    if (!found)
        fail_msg("%s: no mistake at \"%s\" with \"%s\"; the first is %s: %s", text, pointer, words,
                 p.d.items[0].pointer, p.d.items[0].message);
    talloc_free(p.ctx);
}

/* The program in one line: "branch>3 send:a jump>4 send:b". */
static char *program(const struct parsed *p)
{
    char *s = mem_strdup(p->ctx, "");

    for (size_t i = 0; i < p->def->n_steps; i++) {
        const struct journey_step *step = &p->def->steps[i];

        s = talloc_asprintf_append(s, "%s%s", i == 0 ? "" : " ", journey_step_name(step->kind));
        if (step->name != NULL)
            s = talloc_asprintf_append(s, ":%s", step->name);
        if (step->kind == JOURNEY_STEP_branch || step->kind == JOURNEY_STEP_jump ||
            step->kind == JOURNEY_STEP_until)
            s = talloc_asprintf_append(s, ">%zu", step->to);
    }
    return s;
}

static void assert_program(const char *steps, const char *expected)
{
    void *ctx = talloc_new(NULL);
    struct parsed p = parse_good(
        mem_printf(ctx, "{\"start\":{\"interaction\":\"donation\"},\"steps\":%s}", steps));

    assert_string_equal(program(&p), expected);
    talloc_free(p.ctx);
    talloc_free(ctx);
}

static void the_example_compiles(void **state)
{
    struct parsed p =
        parse_good("{\"start\": {\"interaction\": \"donation\", \"where\": \"amount > 0\"}, "
                   "\"again\": \"always\","
                   " \"leave when\": \"tag \\\"no-mail\\\"\","
                   " \"steps\": [{\"wait\": \"10 minutes\"},"
                   "   {\"if\": \"count(donation) = 1\","
                   "    \"then\": [{\"send\": \"thank-you-first\"}, {\"tag\": \"donor\"}],"
                   "    \"else\": [{\"send\": \"thank-you\", \"topic\": \"appeals\"}]},"
                   "   {\"webhook\": \"crm\"}]}");

    (void)state;
    assert_int_equal(p.def->start.kind, JOURNEY_START_INTERACTION);
    assert_string_equal(p.def->start.name, "donation");
    assert_non_null(p.def->start.where);
    assert_non_null(p.def->leave_when);
    assert_int_equal(p.def->again, JOURNEY_AGAIN_ALWAYS);
    assert_int_equal(p.def->fresh_us, INT64_C(172800000000));
    assert_string_equal(program(&p), "wait branch>5 send:thank-you-first tag:donor jump>6 "
                                     "send:thank-you webhook:crm");
    assert_int_equal(p.def->steps[0].wait_us, INT64_C(600000000));
    assert_int_equal(p.def->steps[2].topic_id, 0);
    assert_int_equal(p.def->steps[5].topic_id, 12);
    assert_string_equal(p.def->steps[3].pointer, "/steps/1/then/1/tag");
    talloc_free(p.ctx);
}

static void branches_nest_and_only_go_forward(void **state)
{
    (void)state;
    assert_program("[]", "");
    assert_program("[{\"if\":\"true\",\"then\":[{\"send\":\"a\"}]}]", "branch>2 send:a");
    assert_program("[{\"if\":\"true\",\"else\":[{\"send\":\"a\"}]}]", "branch>2 jump>3 send:a");
    assert_program("[{\"if\":\"true\",\"then\":[],\"else\":[]}]", "branch>2 jump>2");
    assert_program(
        "[{\"if\":\"true\",\"then\":[{\"if\":\"false\",\"then\":[{\"send\":\"a\"}],"
        "\"else\":[{\"send\":\"b\"}]},{\"send\":\"c\"}],\"else\":[\"leave\"]},{\"send\":\"d\"}]",
        "branch>7 branch>4 send:a jump>5 send:b send:c jump>8 leave send:d");
}

static void every_step_has_its_form(void **state)
{
    struct parsed p;

    (void)state;
    p = parse_good("{\"start\":{\"rfm\":{\"model\":\"giving\",\"to\":\"at risk\"}},\"steps\":[]}");
    assert_int_equal(p.def->start.kind, JOURNEY_START_LABEL);
    assert_string_equal(p.def->start.name, "giving");
    assert_null(p.def->start.from);
    assert_string_equal(p.def->start.to, "at risk");
    talloc_free(p.ctx);
    p = parse_good("{\"start\":{\"segment\":{\"leave\":\"lapsed\"}},\"again\":\"once per 30 "
                   "days\",\"fresh\":\"1 week\","
                   "\"steps\":[{\"untag\":\"x\"},{\"set\":{\"stage\":\"socio\",\"city\":null,"
                   "\"attr.points\":2.5,\"joined\":\"2024-02-29\","
                   "\"note\":\"hi\",\"vip\":true}},{\"add to\":\"by-hand\"},{\"remove "
                   "from\":\"by-hand\"},{\"record\":\"call\"},"
                   "{\"record\":{\"kind\":\"call\",\"data\":{\"n\":1}}},{\"at\":\"09:30\"},{"
                   "\"leave\":true}]}");
    assert_int_equal(p.def->start.kind, JOURNEY_START_SEGMENT_LEAVE);
    assert_int_equal(p.def->again, JOURNEY_AGAIN_PER_DAYS);
    assert_int_equal(p.def->again_days, 30);
    assert_int_equal(p.def->fresh_us, INT64_C(604800000000));
    assert_string_equal(
        program(&p),
        "untag:x set:stage set:city set:points set:joined set:note set:vip add:by-hand "
        "remove:by-hand record:call record:call at leave");
    assert_string_equal(p.def->steps[1].value, "socio");
    assert_int_equal(p.def->steps[1].field_id, 0);
    assert_null(p.def->steps[2].value);
    assert_string_equal(p.def->steps[3].value, "2.5");
    assert_int_equal(p.def->steps[3].field_id, 6);
    assert_string_equal(p.def->steps[4].value, "2024-02-29");
    assert_string_equal(p.def->steps[6].value, "true");
    assert_int_equal(p.def->steps[7].segment_id, 22);
    assert_string_equal(p.def->steps[10].value, "{\"n\":1}");
    assert_int_equal(p.def->steps[11].minute, 570);
    talloc_free(p.ctx);
}

static void the_calendar_starts_journeys(void **state)
{
    struct parsed p = parse_good("{\"start\":{\"birthday\":true},\"steps\":[]}");

    (void)state;
    assert_int_equal(p.def->start.kind, JOURNEY_START_BIRTHDAY);
    assert_int_equal(p.def->start.minute, 540);
    talloc_free(p.ctx);
    p = parse_good("{\"start\":{\"at\":\"00:00\",\"anniversary\":\"attr.joined\"},\"steps\":[]}");
    assert_int_equal(p.def->start.kind, JOURNEY_START_ANNIVERSARY);
    assert_int_equal(p.def->start.minute, 0);
    assert_int_equal(p.def->start.field_id, 5);
    talloc_free(p.ctx);
}

/* The looks are spread over the whole span, and each goes to the end where the rule holds. */
static void until_looks_again_and_again(void **state)
{
    struct parsed p = parse_good("{\"start\":{\"interaction\":\"donation\"},\"steps\":[{\"until\":"
                                 "\"tag \\\"x\\\"\",\"up to\":\"3 days\"},{\"send\":\"a\"}]}");
    int64_t total = 0;

    (void)state;
    for (size_t i = 0; i + 1 < p.def->n_steps; i++) {
        assert_int_equal(p.def->steps[i].kind, i % 2 == 0 ? JOURNEY_STEP_until : JOURNEY_STEP_wait);
        assert_int_equal(p.def->steps[i].to, p.def->n_steps - 1);
        total += p.def->steps[i].wait_us;
    }
    assert_int_equal(total, INT64_C(3) * 86400 * 1000000);
    assert_int_equal(p.def->n_steps, 2 * 48 + 1);
    talloc_free(p.ctx);
    assert_program("[{\"until\":\"true\",\"up to\":\"90 s\"}]", "until>4 wait until>4 wait");
}

static void mistakes_have_their_place(void **state)
{
#define START    "{\"start\":{\"interaction\":\"donation\"},"
#define STEPS(s) START "\"steps\":[" s "]}"
    static const struct {
        const char *text, *pointer, *words;
    } cases[] = {
        {"[]", "", "expected an object"},
        {"null", "", "expected an object"},
        {"{}", "", "\"start\" is missing"},
        {START "\"x\":1}", "", "\"steps\" is missing"},
        {START "\"steps\":[],\"agian\":1}", "/agian", "did you mean \"again\""},
        {START "\"steps\":[],\"a/b~\":1}", "/a~1b~0", "no key of a journey"},
        {START "\"steps\":{}}", "/steps", "a list of steps"},
        {START "\"steps\":[],\"again\":\"twice\"}", "/again", "once per N days"},
        {START "\"steps\":[],\"again\":\"once per 0 days\"}", "/again", "once per N days"},
        {START "\"steps\":[],\"again\":\"once per 9999999999999 days\"}", "/again",
         "once per N days"},
        {START "\"steps\":[],\"again\":3}", "/again", "expected"},
        {START "\"steps\":[],\"fresh\":\"2 moons\"}", "/fresh", "a duration"},
        {START "\"steps\":[],\"fresh\":\"0 s\"}", "/fresh", "more than nothing"},
        {START "\"steps\":[],\"leave when\":\"tag\"}", "/leave when", ""},
        {START "\"steps\":[],\"leave when\":7}", "/leave when", "a rule as text"},
        {"{\"start\":7,\"steps\":[]}", "/start", "an object"},
        {"{\"start\":{},\"steps\":[]}", "/start", "expected one of"},
        {"{\"start\":{\"birthday\":true,\"interaction\":\"x\"},\"steps\":[]}", "/start",
         "expected one of"},
        {"{\"start\":{\"birthday\":false},\"steps\":[]}", "/start/birthday", "expected true"},
        {"{\"start\":{\"birthday\":true,\"at\":\"9:00\"},\"steps\":[]}", "/start/at",
         "a time of day"},
        {"{\"start\":{\"birthday\":true,\"at\":\"24:00\"},\"steps\":[]}", "/start/at",
         "a time of day"},
        {"{\"start\":{\"birthday\":true,\"at\":\"08:60\"},\"steps\":[]}", "/start/at",
         "a time of day"},
        {"{\"start\":{\"birthday\":true,\"where\":\"true\"},\"steps\":[]}", "/start/where",
         "goes with"},
        {"{\"start\":{\"birthday\":true},\"fresh\":\"1 day\",\"steps\":[]}", "/fresh",
         "is for what"},
        {"{\"start\":{\"birthday\":true},\"again\":\"once per 3 days\",\"steps\":[]}", "/again",
         "once a year"},
        {"{\"start\":{\"anniversary\":\"joind\"},\"steps\":[]}", "/start/anniversary",
         "did you mean \"joined\""},
        {"{\"start\":{\"anniversary\":\"points\"},\"steps\":[]}", "/start/anniversary", "no date"},
        {"{\"start\":{\"rfm\":\"giving\"},\"steps\":[]}", "/start/rfm", "expected {\"model\""},
        {"{\"start\":{\"rfm\":{\"model\":\"givin\"}},\"steps\":[]}", "/start/rfm/model",
         "did you mean \"giving\""},
        {"{\"start\":{\"rfm\":{\"model\":\"giving\",\"form\":\"x\"}},\"steps\":[]}",
         "/start/rfm/form", "did you mean \"from\""},
        {"{\"start\":{\"segment\":\"lapsed\"},\"steps\":[]}", "/start/segment",
         "{\"enter\": NAME}"},
        {"{\"start\":{\"segment\":{\"entre\":\"lapsed\"}},\"steps\":[]}", "/start/segment/entre",
         "did you mean \"enter\""},
        {"{\"start\":{\"segment\":{\"enter\":\"lapsd\"}},\"steps\":[]}", "/start/segment/enter",
         "did you mean \"lapsed\""},
        {"{\"start\":{\"interaction\":\"\"},\"steps\":[]}", "/start/interaction", "1 to 80"},
        {"{\"start\":{\"interaction\":\"a\\nb\"},\"steps\":[]}", "/start/interaction", "1 to 80"},
        {"{\"start\":{\"interaction\":\"x\",\"at\":\"09:00\"},\"steps\":[]}", "/start/at",
         "goes with"},
        {"{\"start\":{\"interaction\":\"x\",\"were\":\"true\"},\"steps\":[]}", "/start/were",
         "did you mean \"where\""},
        {"{\"start\":{\"interaction\":\"x\",\"where\":\"amuont > 3\"},\"steps\":[]}",
         "/start/where", "amuont"},
        {STEPS("7"), "/steps/0", "expected a step"},
        {STEPS("{}"), "/steps/0", "expected a step"},
        {STEPS("\"sned\""), "/steps/0", "expected a step"},
        {STEPS("{\"sned\":\"a\"}"), "/steps/0/sned", "did you mean \"send\""},
        {STEPS("{\"send\":\"a\",\"tag\":\"b\"}"), "/steps/0", "a step does one thing"},
        {STEPS("{\"send\":\"a\",\"tpoic\":\"b\"}"), "/steps/0/tpoic", "did you mean \"topic\""},
        {STEPS("{\"send\":\"A\"}"), "/steps/0/send", "only small letters"},
        {STEPS("{\"send\":\"-a\"}"), "/steps/0/send", "only small letters"},
        {STEPS("{\"send\":7}"), "/steps/0/send", "expected a text"},
        {STEPS("{\"send\":\"a\",\"topic\":\"new\"}"), "/steps/0/topic", "did you mean \"news\""},
        {STEPS("{\"tag\":\"\"}"), "/steps/0/tag", "1 to 100"},
        {STEPS("{\"wait\":10}"), "/steps/0/wait", "a duration"},
        {STEPS("{\"wait\":\"1 month\"}"), "/steps/0/wait", "a duration"},
        {STEPS("{\"wait\":\"4000 days\"}"), "/steps/0/wait", "ten years"},
        {STEPS("{\"at\":900}"), "/steps/0/at", "a time of day"},
        {STEPS("{\"until\":\"true\"}"), "/steps/0/up to", "a duration"},
        {STEPS("{\"until\":\"tag\",\"up to\":\"1 day\"}"), "/steps/0/until", ""},
        {STEPS("{\"if\":\"true\"}"), "/steps/0/if", "\"then\" or \"else\""},
        {STEPS("{\"if\":true,\"then\":[]}"), "/steps/0/if", "a rule as text"},
        {STEPS("{\"if\":\"true\",\"then\":[{\"wiat\":\"1 h\"}]}"), "/steps/0/then/0/wiat",
         "did you mean \"wait\""},
        {STEPS("{\"if\":\"true\",\"then\":{\"send\":\"a\"}}"), "/steps/0/then", "a list of steps"},
        {STEPS("{\"set\":{}}"), "/steps/0/set", "expected an object"},
        {STEPS("{\"set\":{\"email\":\"a@b\"}}"), "/steps/0/set/email", "no custom field"},
        {STEPS("{\"set\":{\"country\":\"esp\"}}"), "/steps/0/set/country", "1 to 2"},
        {STEPS("{\"set\":{\"country\":\"es\"}}"), "/steps/0/set/country", "two letters"},
        {STEPS("{\"set\":{\"points\":\"1\"}}"), "/steps/0/set/points", "a number"},
        {STEPS("{\"set\":{\"vip\":1}}"), "/steps/0/set/vip", "true or false"},
        {STEPS("{\"set\":{\"joined\":\"2023-02-29\"}}"), "/steps/0/set/joined", "a date"},
        {STEPS("{\"add to\":\"lapsed\"}"), "/steps/0/add to", "follows its rule"},
        {STEPS("{\"add to\":\"nobody\"}"), "/steps/0/add to", "no segment"},
        {STEPS("{\"record\":\"email_sent\"}"), "/steps/0/record", "only Lazo itself"},
        {STEPS("{\"record\":{\"kind\":\"call\",\"dta\":{}}}"), "/steps/0/record/dta",
         "did you mean \"data\""},
        {STEPS("{\"record\":{\"kind\":\"call\",\"data\":3}}"), "/steps/0/record/data", "an object"},
        {STEPS("{\"record\":\"donation\"}"), "/steps/0/record", "start itself for ever"},
        {"{\"start\":{\"interaction\":\"email_sent\"},\"steps\":[{\"wait\":\"1 "
         "h\"},{\"send\":\"a\"}]}",
         "/steps/1/send", "start itself for ever"},
        {"{\"start\":{\"interaction\":\"webhook_failed\"},\"steps\":[{\"webhook\":\"a\"}]}",
         "/steps/0/webhook", "start itself for ever"},
        {STEPS("{\"leave\":false}"), "/steps/0/leave", "expected true"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_refused(cases[i].text, cases[i].pointer, cases[i].words);
    }
}

static void mistakes_within_a_rule_have_line_and_column(void **state)
{
    struct parsed p = parse("{\"start\":{\"interaction\":\"donation\"},\"leave when\":\"person "
                            "and\\n  conutry = 3\",\"steps\":[]}");

    (void)state;
    assert_null(p.def);
    assert_string_equal(p.d.items[0].pointer, "/leave when");
    assert_int_equal(p.d.items[0].line, 2);
    assert_int_equal(p.d.items[0].column, 3);
    talloc_free(p.ctx);
}

static void all_mistakes_are_found_in_one_go(void **state)
{
    struct parsed p = parse(
        "{\"start\":{},\"again\":1,\"fresh\":1,\"steps\":[{\"wait\":1},{\"send\":1},{\"x\":1}]}");

    (void)state;
    assert_null(p.def);
    assert_int_equal(p.d.n, 6);
    talloc_free(p.ctx);
}

static void size_and_depth_have_limits(void **state)
{
    void *ctx = talloc_new(NULL);
    char *text = mem_strdup(ctx, "{\"start\":{\"interaction\":\"x\"},\"steps\":[\"leave\"");

    (void)state;
    for (int i = 1; i < JOURNEY_STEPS_MAX; i++)
        text = talloc_strdup_append_buffer(text, ",\"leave\"");
    talloc_free(parse_good(mem_printf(ctx, "%s]}", text)).ctx);
    assert_refused(mem_printf(ctx, "%s,\"leave\"]}", text), "/steps/1000", "at most 1000 steps");
    assert_refused(mem_printf(ctx,
                              "%s,{\"if\":\"true\",\"then\":[\"leave\"],\"else\":[{\"until\":"
                              "\"true\",\"up to\":\"1 day\"}]}]}",
                              text),
                   "/steps/1000/if", "at most 1000 steps");
    text = mem_strdup(ctx, "[]");
    for (int i = 0; i < 16; i++)
        text = mem_printf(ctx, "[{\"if\":\"true\",\"then\":%s}]", text);
    talloc_free(
        parse_good(mem_printf(ctx, "{\"start\":{\"interaction\":\"x\"},\"steps\":%s}", text)).ctx);
    text = mem_printf(ctx, "[{\"if\":\"true\",\"then\":%s}]", text);
    {
        struct parsed p =
            parse(mem_printf(ctx, "{\"start\":{\"interaction\":\"x\"},\"steps\":%s}", text));

        assert_null(p.def);
        talloc_free(p.ctx);
    }
    talloc_free(ctx);
}

static void uses_are_named_once(void **state)
{
    struct parsed p = parse_good(
        "{\"start\":{\"interaction\":\"x\"},\"steps\":[{\"send\":\"a\"},{\"webhook\":\"w\"},"
        "{\"if\":\"true\",\"then\":[{\"send\":\"b\"},{\"send\":\"a\"}]}]}");
    size_t n;
    struct journey_use *uses = journey_uses(p.ctx, p.def, JOURNEY_STEP_send, &n);

    (void)state;
    assert_int_equal(n, 2);
    assert_string_equal(uses[0].name, "a");
    assert_string_equal(uses[0].pointer, "/steps/0/send");
    assert_string_equal(uses[1].name, "b");
    assert_string_equal(uses[1].pointer, "/steps/2/then/0/send");
    talloc_free(p.ctx);
}

/* The text of the table's CHECK (state IN (...)) in the migrations. */
static char *states_in_schema(void *ctx, const char *table)
{
    char *create = mem_printf(ctx, "CREATE TABLE %s (", table);

    for (const struct migration_file *f = migration_files; f->name != NULL; f++) {
        const char *at = strstr(f->sql, create), *end;

        if (at == NULL)
            continue;
        at = strstr(at, "CHECK (state IN (");
        assert_non_null(at);
        at += strlen("CHECK (state IN (");
        end = strchr(at, ')');
        return mem_strndup(ctx, at, (size_t)(end - at));
    }
    fail_msg("no table %s", table);
    return NULL;
}

static void states_are_those_of_the_database(void **state)
{
    void *ctx = talloc_new(NULL);
    char *journey = mem_strdup(ctx, ""), *campaign = mem_strdup(ctx, "");

    (void)state;
    for (int i = 0; i < JOURNEY_STATE_COUNT; i++)
        journey = talloc_asprintf_append(journey, "%s'%s'", i == 0 ? "" : ", ",
                                         journey_state_name((enum journey_state)i));
    for (int i = 0; i < CAMPAIGN_STATE_COUNT; i++)
        campaign = talloc_asprintf_append(campaign, "%s'%s'", i == 0 ? "" : ", ",
                                          campaign_state_name((enum campaign_state)i));
    assert_string_equal(journey, states_in_schema(ctx, "journey_position"));
    assert_string_equal(campaign, states_in_schema(ctx, "campaign"));
    talloc_free(ctx);
}

static void campaigns_move_along_their_picture(void **state)
{
    enum campaign_state s;

    (void)state;
    assert_true(campaign_state_parse("paused", &s));
    assert_int_equal(s, CAMPAIGN_paused);
    assert_false(campaign_state_parse("stopped", &s));
    assert_true(campaign_may_move(CAMPAIGN_draft, CAMPAIGN_scheduled));
    assert_true(campaign_may_move(CAMPAIGN_running, CAMPAIGN_finished));
    for (int to = 0; to < CAMPAIGN_STATE_COUNT; to++) {
        assert_false(campaign_may_move(CAMPAIGN_finished, (enum campaign_state)to));
        assert_false(campaign_may_move(CAMPAIGN_cancelled, (enum campaign_state)to));
        assert_false(campaign_may_move((enum campaign_state)to, (enum campaign_state)to));
    }
    assert_false(campaign_may_move(CAMPAIGN_draft, CAMPAIGN_running));
    assert_false(campaign_may_move(CAMPAIGN_expanding, CAMPAIGN_finished));
}

/* Definitions torn and mixed at random: never a crash, and never a program that goes back or out of
 * itself. */
static json_t *random_json(unsigned *seed, int depth)
{
    static const char *const words[] = {
        "start",   "steps",       "again",      "if",       "then",   "else",  "send",
        "a",       "wait",        "1 day",      "until",    "up to",  "true",  "topic",
        "news",    "interaction", "x",          "birthday", "set",    "stage", "add to",
        "by-hand", "record",      "kind",       "leave",    "09:00",  "at",    "segment",
        "enter",   "lapsed",      "leave when", "\xc3\xa9", "joined", "tag",   "person"};
    unsigned n = sizeof(words) / sizeof(words[0]);
    json_t *json;

    switch (rand_r(seed) % (depth > 6 ? 4U : 7U)) {
    case 0:
        return json_integer(rand_r(seed) % 100);
    case 1:
        return json_boolean(rand_r(seed) % 2);
    case 2:
    case 3:
        return json_string(words[(unsigned)rand_r(seed) % n]);
    case 4:
        json = json_array();
        for (unsigned i = (unsigned)rand_r(seed) % 4; i > 0; i--)
            json_array_append_new(json, random_json(seed, depth + 1));
        return json;
    default:
        json = json_object();
        for (unsigned i = (unsigned)rand_r(seed) % 4; i > 0; i--)
            json_object_set_new(json, words[(unsigned)rand_r(seed) % n],
                                random_json(seed, depth + 1));
        return json;
    }
}

static void anything_is_read_or_refused(void **state)
{
    unsigned seed = getenv("LAZO_SEED") != NULL ? (unsigned)atoi(getenv("LAZO_SEED")) : 20270308;

    (void)state;
    print_message("seed %u\n", seed);
    for (int i = 0; i < 3000; i++) {
        void *ctx = talloc_new(NULL);
        json_t *json =
            json_pack("{s:{s:s},s:[o,o,o]}", "start", "interaction", "x", "steps",
                      random_json(&seed, 3), random_json(&seed, 3), random_json(&seed, 3));
        struct journey_def *def;
        struct diag d;

        diag_init(&d, ctx);
        def = journey_parse(ctx, json, &catalogue, &d);
        assert_true((def == NULL) == diag_any(&d));
        for (size_t k = 0; def != NULL && k < def->n_steps; k++)
            if (def->steps[k].kind == JOURNEY_STEP_branch ||
                def->steps[k].kind == JOURNEY_STEP_jump)
                assert_in_range(def->steps[k].to, k + 1, def->n_steps);
        json_decref(json);
        talloc_free(ctx);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_compiles),
        cmocka_unit_test(branches_nest_and_only_go_forward),
        cmocka_unit_test(every_step_has_its_form),
        cmocka_unit_test(the_calendar_starts_journeys),
        cmocka_unit_test(until_looks_again_and_again),
        cmocka_unit_test(mistakes_have_their_place),
        cmocka_unit_test(mistakes_within_a_rule_have_line_and_column),
        cmocka_unit_test(all_mistakes_are_found_in_one_go),
        cmocka_unit_test(size_and_depth_have_limits),
        cmocka_unit_test(uses_are_named_once),
        cmocka_unit_test(states_are_those_of_the_database),
        cmocka_unit_test(campaigns_move_along_their_picture),
        cmocka_unit_test(anything_is_read_or_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
