/* test_diag.c - mistakes and their places; lines of the log. */
#include "common/diag.h"
#include "common/log.h"
#include "common/mem.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void mistakes_up_to_a_number(void **state)
{
    void *ctx = talloc_new(NULL);
    char where[] = "/a";
    struct diag d;

    (void)state;
    diag_init(&d, ctx);
    assert_false(diag_any(&d));
    diag_field(&d, where, "%d is too much", 7);
    where[1] = 'b';
    diag_at(&d, 3, 4, "here");
    assert_true(diag_any(&d));
    assert_string_equal(d.items[0].pointer, "/a");
    assert_string_equal(d.items[0].message, "7 is too much");
    assert_null(d.items[1].pointer);
    assert_int_equal(d.items[1].line, 3);
    assert_int_equal(d.items[1].column, 4);
    for (int i = 0; i < 2 * DIAG_MAX; i++)
        diag_field(&d, NULL, "more");
    assert_int_equal(d.n, DIAG_MAX);
    talloc_free(ctx);
}

static void pointers_are_escaped(void **state)
{
    void *ctx = talloc_new(NULL);
    char key[402], *pointer;

    (void)state;
    assert_string_equal(diag_pointer(ctx, "", "a"), "/a");
    assert_string_equal(diag_pointer(ctx, "/a/0", "b/c~d"), "/a/0/b~1c~0d");
    assert_string_equal(diag_pointer(ctx, "", ""), "/");
    /* Cut, but not within a character. */
    key[0] = 'x';
    for (size_t i = 1; i < 401; i += 2)
        memcpy(key + i, "ñ", 2);
    key[401] = '\0';
    pointer = diag_pointer(ctx, "", key);
    assert_int_equal(strlen(pointer), 200);
    assert_memory_equal(pointer + 198, "ñ", 2);
    talloc_free(ctx);
}

static void messages_are_whole_characters(void **state)
{
    void *ctx = talloc_new(NULL);
    struct diag d;

    (void)state;
    diag_init(&d, ctx);
    diag_at(&d, 1, 1, "“%.4s” is no step", "abcñ");
    diag_field(&d, "/a", "“%.5s” is no step", "abcñ");
    diag_field(&d, "/b", "\xe2\x80");
    assert_string_equal(d.items[0].message, "“abc” is no step");
    assert_string_equal(d.items[1].message, "“abcñ” is no step");
    assert_string_equal(d.items[2].message, "");
    talloc_free(ctx);
}

/* What `write` says on stderr. */
static char *said(void *ctx, void (*write_it)(void))
{
    int ends[2], kept = dup(STDERR_FILENO);
    char *text = mem_array(ctx, char, 8192);
    ssize_t n;

    assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    dup2(ends[1], STDERR_FILENO);
    write_it();
    dup2(kept, STDERR_FILENO);
    n = read(ends[0], text, 8191);
    text[n < 0 ? 0 : n] = '\0';
    close(ends[0]);
    close(ends[1]);
    close(kept);
    return text;
}

static void a_step(void)
{
    log_info("journey", "step done", "id=%d name=%s", 7, log_value("a \"b\"\n<3>forged\\"));
}

static void without_pairs(void)
{
    log_warning("lazod", "ready", "%s", "");
}

static void too_quiet(void)
{
    log_debug("lazod", "ready", "n=%d", 1);
}

static void very_long(void)
{
    char long_value[5000];

    memset(long_value, 'x', sizeof(long_value) - 1);
    long_value[sizeof(long_value) - 1] = '\0';
    log_error("lazod", "long", "a=%s b=%s", log_value(long_value), long_value);
}

static void one_line_an_event(void **state)
{
    void *ctx = talloc_new(NULL);
    char *text;

    (void)state;
    assert_string_equal(said(ctx, a_step),
                        "<6>journey event=\"step done\" id=7 name=\"a \\\"b\\\" <3>forged\\\\\"\n");
    assert_string_equal(said(ctx, without_pairs), "<4>lazod event=\"ready\"\n");
    assert_string_equal(said(ctx, too_quiet), "");
    log_set_level(LOG_LEVEL_DEBUG);
    assert_string_equal(said(ctx, too_quiet), "<7>lazod event=\"ready\" n=1\n");
    log_set_level(LOG_LEVEL_INFO);
    text = said(ctx, very_long);
    assert_true(strlen(text) <= 2048);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    assert_non_null(strstr(text, "\" b=xxxx"));
    talloc_free(ctx);
}

static void levels(void **state)
{
    enum log_level level;

    (void)state;
    assert_true(log_level_parse("warning", &level));
    assert_int_equal(level, LOG_LEVEL_WARNING);
    assert_false(log_level_parse("loud", &level));
    assert_false(log_level_parse("", &level));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_up_to_a_number),
        cmocka_unit_test(pointers_are_escaped),
        cmocka_unit_test(messages_are_whole_characters),
        cmocka_unit_test(one_line_an_event),
        cmocka_unit_test(levels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
