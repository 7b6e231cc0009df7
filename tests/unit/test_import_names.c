/* test_import_names.c - who the rows of a file say is one person. */
#include "common/json.h"
#include "common/mem.h"
#include "daemon/import/import_names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct merges {
    int64_t keep[8], gone[8];
    size_t n;
};

static void merged(void *arg, int64_t keep_id, int64_t gone_id)
{
    struct merges *m = arg;

    m->keep[m->n] = keep_id;
    m->gone[m->n++] = gone_id;
}

static struct record_contact who(void *ctx, const char *external, const char *email,
                                 const char *further)
{
    struct record_contact c = {.external_id = external, .email = email};

    if (further != NULL)
        c.emails = json_keep(ctx, json_pack("[{s:s}]", "email", further));
    return c;
}

static size_t row(struct import_names *names, struct merges *m, const char *external,
                  const char *email, const char *further)
{
    struct record_contact c = who(names, external, email, further);

    return import_names_row(names, &c, merged, m);
}

/* By what the row's person is found: "17", or "email a@x", or "" where it needs no telling. */
static const char *told(struct import_names *names, const char *external, const char *email)
{
    struct record_contact c = who(names, external, email, NULL);

    import_names_apply(names, &c);
    return c.id != 0 ? mem_printf(names, "%lld", (long long)c.id)
                     : mem_printf(names, "%s%s%s", c.same_sort != NULL ? c.same_sort : "",
                                  c.same_sort != NULL ? " " : "",
                                  c.same_value != NULL ? c.same_value : "");
}

static void test_joining(void **state)
{
    MEM_SCOPED struct import_names *names = import_names_new(NULL);
    struct merges m = {0};

    (void)state;
    assert_int_equal(row(names, &m, "1", NULL, NULL), 0);
    assert_int_equal(row(names, &m, NULL, "a@x", NULL), 0);
    assert_int_equal(row(names, &m, "2", NULL, NULL), 0);
    assert_int_equal(row(names, &m, "1", "a@x", NULL), 1);
    assert_int_equal(row(names, &m, "1", "a@x", NULL), 0);
    assert_int_equal(m.n, 0);
    assert_string_equal(told(names, NULL, "a@x"), "external_id 1");
    assert_string_equal(told(names, "1", NULL), "external_id 1");
    assert_string_equal(told(names, "2", NULL), "");
    /* An id that nobody has beside the address of who has one: another of the household. */
    assert_int_equal(row(names, &m, "3", "a@x", NULL), 0);
    assert_string_equal(told(names, "3", "a@x"), "");
    /* One that is somebody's joins them, and says it of the rows before, too. */
    assert_int_equal(row(names, &m, "2", "a@x", NULL), 1);
    assert_string_equal(told(names, "1", "a@x"), told(names, "2", NULL));
    /* By a further address. */
    assert_int_equal(row(names, &m, NULL, "b@x", NULL), 0);
    assert_int_equal(row(names, &m, NULL, "c@x", "b@x"), 0);
    assert_string_equal(told(names, NULL, "c@x"), "");
    assert_int_equal(row(names, &m, "1", "d@x", "c@x"), 1);
    assert_string_equal(told(names, NULL, "b@x"), told(names, "2", NULL));
}

static void test_merging(void **state)
{
    MEM_SCOPED struct import_names *names = import_names_new(NULL);
    struct merges m = {0};

    (void)state;
    import_names_owner(names, "external_id", "1", 10, true);
    import_names_owner(names, "email", "a@x", 11, false);
    import_names_owner(names, "email", "b@x", 12, true);
    import_names_owner(names, "email", "b2@x", 12, true);
    import_names_owner(names, "email", "new@x", 0, false);
    assert_true(import_names_known(names, "email", "new@x"));
    assert_false(import_names_known(names, "external_id", "new@x"));
    assert_int_equal(row(names, &m, NULL, "new@x", NULL), 0);
    assert_int_equal(row(names, &m, "1", "a@x", NULL), 0);
    assert_int_equal(row(names, &m, "1", "b2@x", NULL), 0);
    assert_int_equal(row(names, &m, "1", "a@x", "b@x"), 0);
    assert_int_equal(row(names, &m, "1", "new@x", NULL), 1);
    assert_int_equal(m.n, 2);
    assert_int_equal(m.keep[0], 10);
    assert_int_equal(m.gone[0], 11);
    assert_int_equal(m.gone[1], 12);
    assert_string_equal(told(names, NULL, "new@x"), "10");
    assert_string_equal(told(names, NULL, "b@x"), "10");
}

/* A chain of many, each joined to the next: found without a long way. */
static void test_chain(void **state)
{
    MEM_SCOPED struct import_names *names = import_names_new(NULL);
    struct merges m = {0};
    size_t joined = 0;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        const char *mine = mem_printf(names, "%d@x", i), *last = mem_printf(names, "%d@x", i - 1);

        row(names, &m, NULL, mine, NULL);
        joined += i == 0 ? 0 : row(names, &m, NULL, mine, last);
    }
    assert_int_equal(joined, 19999);
    assert_string_equal(told(names, NULL, "0@x"), told(names, NULL, "19999@x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_joining),
        cmocka_unit_test(test_merging),
        cmocka_unit_test(test_chain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
