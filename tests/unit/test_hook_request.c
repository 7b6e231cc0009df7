/* A hook job as a request, an answer as a result, and the waits between attempts. */
#include "common/mem.h"
#include "workers/hook/request.h"
#include "workers/hook/retry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define SECRET "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define SECOND INT64_C(1000000)

/* NULL where the job is accepted, else why not. */
static const char *why_not(json_t *job)
{
    void *ctx = mem_must(talloc_new(NULL));
    const char *why = NULL;
    struct request *r = request_new(ctx, job, &why);

    assert_true((r == NULL) == (why != NULL));
    talloc_free(ctx);
    json_decref(job);
    return why;
}

static json_t *job_with(const char *key, json_t *value)
{
    json_t *job = json_pack("{s:i, s:i, s:s, s:s, s:s, s:[s]}", "lease", 7, "id", 70, "url",
                            "https://example.org/hook?x=1", "webhook_id", "msg_1", "body", "{}",
                            "secrets", SECRET);

    if (key != NULL)
        json_object_set_new(job, key, value);
    return job;
}

static json_t *job_to(const char *url)
{
    return job_with("url", json_string(url));
}

static void test_jobs_taken(void **state)
{
    static const char *const urls[] = {
        "http://example.org",         "HTTPS://EXAMPLE.ORG:8443/a/b?c=d#e",
        "http://127.0.0.1:1/",        "http://[::1]:80/",
        "https://ong.example/%00%0a", "https://d\xc3\xa9j\xc3\xa0.example/"};

    (void)state;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++)
        assert_null(why_not(job_to(urls[i])));
    assert_null(why_not(job_with("secrets", json_pack("[s, s]", "whsec_" SECRET, SECRET))));
}

static void test_jobs_refused(void **state)
{
    static const char *const urls[] = {"",
                                       "example.org",
                                       "ftp://example.org/",
                                       "file:///etc/passwd",
                                       "gopher://x",
                                       "http://",

                                       "http://u@example.org/",
                                       "http://u:p@example.org/",
                                       "http://example.org/a b",
                                       "http://example.org/\r\nX: y",
                                       "http://example.org\\@other/",
                                       "http://example.org:99999/",
                                       "javascript:alert(1)",
                                       " http://example.org",
                                       "http://example.org/\x7f"};
    static const char *const ids[] = {"", "a.b", "a b", "a\r\nb", "\xc3\xa9"};
    char url[2200] = "http://example.org/";

    (void)state;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++)
        if (why_not(job_to(urls[i])) == NULL)
            fail_msg("taken: %s", urls[i]);
    memset(url + strlen(url), 'a', sizeof(url) - 20);
    url[sizeof(url) - 1] = '\0';
    assert_non_null(why_not(job_to(url)));
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
        assert_non_null(why_not(job_with("webhook_id", json_string(ids[i]))));
    assert_non_null(why_not(job_with("secrets", json_array())));
    assert_non_null(why_not(job_with("secrets", json_pack("[s]", "no base64!"))));
    assert_non_null(why_not(job_with("secrets", json_pack("[i]", 1))));
    assert_non_null(why_not(
        job_with("secrets", json_pack("[s,s,s,s,s]", SECRET, SECRET, SECRET, SECRET, SECRET))));
    assert_non_null(why_not(job_with("body", json_null())));
    assert_non_null(why_not(job_with("lease", json_string("7"))));
    assert_non_null(why_not(json_object()));
}

/* The vector of Standard Webhooks' own libraries. */
static void test_headers(void **state)
{
    static const char *const wanted[REQUEST_HEADERS] = {
        "content-type: application/json",
        "user-agent: Lazo/" LAZO_VERSION,
        "webhook-id: msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp: 1614265330",
        "webhook-signature: v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        "accept: */*",
        "Expect:"};
    void *ctx = mem_must(talloc_new(NULL));
    json_t *job = json_pack("{s:i, s:s, s:s, s:s, s:[s]}", "lease", 7, "url", "http://example.org/",
                            "webhook_id", "msg_p5jXN8AQM9LWM0D4loKWxJek", "body",
                            "{\"test\": 2432232314}", "secrets", "whsec_" SECRET);
    const char *why = NULL;
    struct request *r = request_new(ctx, job, &why);
    char *lines[REQUEST_HEADERS];

    (void)state;
    assert_non_null(r);
    json_decref(job);
    request_headers(ctx, r, 1614265330, lines);
    for (int i = 0; i < REQUEST_HEADERS; i++)
        assert_string_equal(lines[i], wanted[i]);
    talloc_free(ctx);
}

static void test_verdicts(void **state)
{
    (void)state;
    for (int status = 0; status < 600; status++) {
        enum verdict wanted = status / 100 == 2 ? VERDICT_SENT
                              : status == 410   ? VERDICT_GONE
                                                : VERDICT_AGAIN;

        assert_int_equal(request_verdict(status), wanted);
    }
}

static void test_status_text(void **state)
{
    void *ctx = mem_must(talloc_new(NULL));
    char long_body[1000];

    (void)state;
    memset(long_body, 'x', sizeof(long_body));
    assert_string_equal(request_status_text(ctx, 204, "", 0), "HTTP 204");
    assert_string_equal(request_status_text(ctx, 503, "busy\r\n\r\nlater \xff\x00!", 17),
                        "HTTP 503: busy later !");
    assert_string_equal(request_status_text(ctx, 500, " \n\t", 3), "HTTP 500");
    assert_int_equal(strlen(request_status_text(ctx, 500, long_body, sizeof(long_body))), 10 + 200);
    talloc_free(ctx);
}

static void test_result(void **state)
{
    char text[600];
    json_t *job = job_with(NULL, NULL), *result;

    (void)state;
    memset(text, 'y', sizeof(text));
    text[0] = '\xc3';
    text[sizeof(text) - 1] = '\0';
    result = request_result(job, "failed", text, 410, true);
    assert_int_equal(json_integer_value(json_object_get(result, "lease")), 7);
    assert_int_equal(json_integer_value(json_object_get(result, "id")), 70);
    assert_string_equal(json_string_value(json_object_get(result, "code")), "410");
    assert_true(json_is_true(json_object_get(result, "gone")));
    assert_int_equal(json_string_length(json_object_get(result, "status")), REQUEST_STATUS_MAX);
    json_decref(result);
    result = request_result(job, "sent", "HTTP 200", 0, false);
    assert_string_equal(json_string_value(json_object_get(result, "code")), "");
    assert_null(json_object_get(result, "gone"));
    json_decref(result);
    json_decref(job);
}

static void test_waits(void **state)
{
    (void)state;
    assert_int_equal(hookretry_wait_us(5 * SECOND, 0, 0, 0), 5 * SECOND);
    assert_int_equal(hookretry_wait_us(5 * SECOND, 1, 0, 0), 30 * SECOND);
    assert_int_equal(hookretry_wait_us(5 * SECOND, 2, 0, 0), 180 * SECOND);
    assert_int_equal(hookretry_wait_us(5 * SECOND, 3, 0, 0), 300 * SECOND);
    assert_int_equal(hookretry_wait_us(5 * SECOND, 1000000, UINT32_MAX, 0), 300 * SECOND);
    assert_int_equal(hookretry_wait_us(INT64_MAX / 2, 9, UINT32_MAX, 0), 300 * SECOND);
    assert_int_equal(hookretry_wait_us(0, 9, UINT32_MAX, 0), 0);
    /* the jitter is a fifth at most */
    assert_true(hookretry_wait_us(5 * SECOND, 0, UINT32_MAX, 0) < 6 * SECOND);
    assert_true(hookretry_wait_us(5 * SECOND, 0, UINT32_MAX, 0) > 5.9 * SECOND);
    /* Retry-After is obeyed within bounds */
    assert_int_equal(hookretry_wait_us(5 * SECOND, 0, 0, 3), 5 * SECOND);
    assert_int_equal(hookretry_wait_us(5 * SECOND, 0, 0, 60), 60 * SECOND);
    assert_int_equal(hookretry_wait_us(5 * SECOND, 0, 0, INT64_C(1000000000)), 300 * SECOND);
    assert_int_equal(hookretry_wait_us(5 * SECOND, 0, 0, INT64_MAX), 300 * SECOND);
    assert_int_equal(hookretry_wait_us(5 * SECOND, 0, 0, -5), 5 * SECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jobs_taken),  cmocka_unit_test(test_jobs_refused),
        cmocka_unit_test(test_headers),     cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_status_text), cmocka_unit_test(test_result),
        cmocka_unit_test(test_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
