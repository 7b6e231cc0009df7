/* test_journal.c - the mailer's journal: lines, what a restart knows, torn files, many threads. */
#include "common/mem.h"
#include "workers/mailer/journal.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char path[64];

static int make_folder(void **state)
{
    char folder[] = "/tmp/lazo-journal.XXXXXX";
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/journal", folder);
    return 0;
}

static int remove_folder(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%.*s'", (int)(strrchr(path, '/') - path), path);
    return system(command);
}

static struct journal *open_journal(void)
{
    char *why = NULL;
    struct journal *j = journal_open(NULL, path, &why);
    if (j == NULL)
        fail_msg("%s", why);
    return j;
}

static size_t file_size(void)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return (size_t)st.st_size;
}

static void write_file(const char *bytes, size_t n)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    fclose(f);
}

struct seen {
    struct journal_entry entries[16];
    size_t n;
};

static void remember(void *arg, const struct journal_entry *e)
{
    struct seen *s = arg;
    if (s->n < 16)
        s->entries[s->n] = *e;
    s->n++;
}

static struct seen alive(struct journal *j)
{
    struct seen s = {0};
    journal_each(j, remember, &s);
    return s;
}

static void test_lines(void **state)
{
    (void)state;
    char text[JOURNAL_LINE_MAX];
    struct journal_line line = {.kind = JOURNAL_ANSWERED, .lease = INT64_MAX, .job = -1}, back;
    verdict_set(&line.verdict, VERDICT_failed, true, "5.1.1",
                "RCPT: 550 5.1.1  no\r\nsuch \xc3\xb1 user \x01\xff");
    size_t n = journal_format(text, &line);
    assert_int_equal(text[n - 1], '\n');
    assert_true(journal_parse(text, n - 1, &back));
    assert_int_equal(back.lease, INT64_MAX);
    assert_int_equal(back.job, -1);
    assert_int_equal(back.verdict.state, VERDICT_failed);
    assert_true(back.verdict.hard);
    assert_string_equal(back.verdict.code, "5.1.1");
    assert_string_equal(back.verdict.status, "RCPT: 550 5.1.1 no such \xc3\xb1 user ?");
    /* Cut or changed anywhere it is no line. */
    for (size_t cut = 0; cut < n - 1; cut++)
        assert_false(journal_parse(text, cut, &back));
    for (size_t i = 0; i < n - 1; i++)
        for (int bit = 0; bit < 8; bit++) {
            text[i] = (char)(text[i] ^ 1 << bit);
            assert_false(journal_parse(text, n - 1, &back));
            text[i] = (char)(text[i] ^ 1 << bit);
        }
    /* No status, no code; the longest status. */
    verdict_set(&line.verdict, VERDICT_sent, false, "", "%s", "");
    n = journal_format(text, &line);
    assert_true(journal_parse(text, n - 1, &back));
    assert_string_equal(back.verdict.status, "");
    assert_string_equal(back.verdict.code, "");
    char long_text[1200];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    verdict_set(&line.verdict, VERDICT_retry, false, "4.999.999", "%s", long_text);
    n = journal_format(text, &line);
    assert_true(journal_parse(text, n - 1, &back));
    assert_int_equal(strlen(back.verdict.status), VERDICT_STATUS);
}

static void test_life(void **state)
{
    (void)state;
    struct journal *j = open_journal();
    struct verdict v;
    char *why = NULL;
    assert_true(journal_offer(j, 10, 1));
    assert_true(journal_offer(j, 11, 2));
    assert_true(journal_offer(j, 12, 3));
    verdict_set(&v, VERDICT_sent, false, "", "250 OK");
    assert_true(journal_answer(j, 11, &v));
    assert_true(journal_answer(j, 99, &v));
    /* A second mailer is kept out. */
    assert_null(journal_open(NULL, path, &why));
    assert_non_null(strstr(why, "another mailer"));
    talloc_free(why);
    talloc_free(j);
    /* A new life: one acknowledged after that, one in doubt, one answered. */
    j = open_journal();
    const int64_t acked[] = {10, 77};
    struct seen s = alive(j);
    assert_int_equal(s.n, 3);
    assert_int_equal(s.entries[0].lease, 10);
    assert_int_equal(s.entries[0].job, 1);
    assert_int_equal(s.entries[0].verdict.state, VERDICT_uncertain);
    assert_int_equal(s.entries[1].verdict.state, VERDICT_sent);
    assert_string_equal(s.entries[1].verdict.status, "250 OK");
    journal_ack(j, acked, 2);
    talloc_free(j);
    j = open_journal();
    s = alive(j);
    assert_int_equal(s.n, 2);
    const int64_t rest[] = {11, 12};
    journal_ack(j, rest, 2);
    assert_int_equal(file_size(), 0);
    talloc_free(j);
}

/* The file cut at every byte: what was whole before the cut is known, and nothing else. */
static void test_torn(void **state)
{
    (void)state;
    char text[4 * JOURNAL_LINE_MAX];
    size_t ends[4], n = 0;
    struct journal_line lines[4] = {{.kind = JOURNAL_OFFERED, .lease = 1, .job = 101},
                                    {.kind = JOURNAL_OFFERED, .lease = 2, .job = 102},
                                    {.kind = JOURNAL_ANSWERED, .lease = 1, .job = 101},
                                    {.kind = JOURNAL_ACKED, .lease = 1}};
    verdict_set(&lines[2].verdict, VERDICT_failed, true, "5.1.1", "no");
    for (int i = 0; i < 4; i++) {
        n += journal_format(text + n, &lines[i]);
        ends[i] = n;
    }
    for (size_t cut = 0; cut <= n; cut++) {
        write_file(text, cut);
        struct journal *j = open_journal();
        struct seen s = alive(j);
        size_t whole = 0;
        while (whole < 4 && ends[whole] <= cut)
            whole++;
        static const size_t known[] = {0, 1, 2, 2, 1};
        assert_int_equal(s.n, known[whole]);
        if (whole == 3) {
            assert_int_equal(s.entries[0].verdict.state, VERDICT_failed);
            assert_true(s.entries[0].answered);
        }
        assert_int_equal(journal_damaged(j),
                         cut > 0 && whole < 4 && (whole == 0 || ends[whole - 1] != cut));
        /* It can be written to again. */
        assert_true(journal_offer(j, 3, 103));
        talloc_free(j);
        j = open_journal();
        assert_int_equal(alive(j).n, known[whole] + 1);
        assert_int_equal(journal_damaged(j), 0);
        talloc_free(j);
    }
    /* A damaged line in the middle costs itself alone. */
    text[ends[0] + 12] ^= 1;
    write_file(text, ends[2]);
    struct journal *j = open_journal();
    assert_int_equal(alive(j).n, 1);
    assert_int_equal(journal_damaged(j), 1);
    talloc_free(j);
}

/* Always something alive, so that it is never emptied: it must be rewritten. */
static void test_growth(void **state)
{
    (void)state;
    struct journal *j = open_journal();
    struct verdict v;
    verdict_set(&v, VERDICT_sent, false, "", "%0400d", 7);
    for (int64_t i = 1; i <= 6000; i++) {
        int64_t before = i - 1;
        assert_true(journal_offer(j, i, i));
        assert_true(journal_answer(j, i, &v));
        journal_ack(j, &before, 1);
        assert_true(file_size() < (3u << 20));
    }
    assert_int_equal(alive(j).n, 1);
    talloc_free(j);
    j = open_journal();
    assert_int_equal(alive(j).entries[0].lease, 6000);
    talloc_free(j);
}

static void test_full_disk(void **state)
{
    (void)state;
    if (access("/dev/full", W_OK) != 0)
        skip();
    char *why = NULL;
    assert_null(journal_open(NULL, "/proc/nowhere/journal", &why));
    assert_non_null(why);
    talloc_free(why);
}

struct writer {
    struct journal *j;
    int64_t from;
};

#define WRITERS 8
#define EACH    100

static void *write_many(void *arg)
{
    struct writer *w = arg;
    struct verdict v;
    verdict_set(&v, VERDICT_sent, false, "", "ok");
    for (int64_t i = w->from; i < w->from + EACH; i++) {
        if (!journal_offer(w->j, i, i) || !journal_answer(w->j, i, &v))
            abort();
        if (i % 2 == 0)
            journal_ack(w->j, &i, 1);
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    pthread_t threads[WRITERS];
    struct writer writers[WRITERS];
    struct journal *j = open_journal();
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){j, 1 + i * EACH};
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, &writers[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(alive(j).n, WRITERS * EACH / 2);
    talloc_free(j);
    j = open_journal();
    assert_int_equal(alive(j).n, WRITERS * EACH / 2);
    assert_int_equal(journal_damaged(j), 0);
    talloc_free(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test_setup_teardown(test_life, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_torn, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_growth, make_folder, remove_folder),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test_setup_teardown(test_threads, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
