/* test_ctl_definition.c - options, places in YAML, and a folder of definitions with its mistakes.
 */
#include "common/mem.h"
#include "common/text.h"
#include "daemon/ctl/definition.h"
#include "daemon/ctl/options.h"
#include "daemon/ctl/place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* --- options ------------------------------------------------------------------------------------
 */

static void test_options(void **state)
{
    const char *kind = NULL;
    struct option_list maps = {0};
    bool live = false;
    const struct option_spec specs[] = {{.name = "kind", .text = &kind},
                                        {.name = "map", .list = &maps},
                                        {.name = "live", .flag = &live},
                                        {0}};
    char *argv[] = {"import", "a",   "--kind", "x",  "--map=b=c", "--live",
                    "--map",  "d=e", "-",      "--", "--f",       NULL};
    char *wrong[][3] = {{"import", "--knid", NULL},
                        {"import", "--kind", NULL},
                        {"import", "--live=yes", NULL},
                        {"import", "-x", NULL}};
    int argc = 11;

    (void)state;
    assert_true(options_parse(&argc, argv, specs));
    assert_int_equal(argc, 4);
    assert_string_equal(argv[1], "a");
    assert_string_equal(argv[2], "-");
    assert_string_equal(argv[3], "--f");
    assert_null(argv[4]);
    assert_string_equal(kind, "x");
    assert_int_equal(maps.n, 2);
    assert_string_equal(maps.items[0], "b=c");
    assert_string_equal(maps.items[1], "d=e");
    assert_true(live);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        argc = 2;
        assert_false(options_parse(&argc, wrong[i], specs));
    }
}

/* --- places -------------------------------------------------------------------------------------
 */

static void place(const char *yaml, const char *pointer, int line, int column)
{
    int at_line = 0, at_column = 0;

    place_find(yaml, strlen(yaml), pointer, &at_line, &at_column);
    assert_int_equal(at_line, line);
    assert_int_equal(at_column, column);
}

static void test_places(void **state)
{
    static const char yaml[] = "# a journey\n"
                               "start: { interaction: donation, where: 'amount > 0' }\n"
                               "steps:\n"
                               "  - wait: 10 minutes\n"
                               "  - if: 'true'\n"
                               "    then: [ { send: a }, { tag: b } ]\n"
                               "  - a/b~c: 1\n";

    (void)state;
    place(yaml, "", 1, 1);
    place(yaml, "/start", 2, 1);
    place(yaml, "/start/where", 2, 33);
    place(yaml, "/steps/0/wait", 4, 5);
    place(yaml, "/steps/1/then/1/tag", 6, 28);
    place(yaml, "/steps/2/a~1b~0c", 7, 5);
    /* What is not there: the innermost thing that is. */
    place(yaml, "/steps/1/else", 5, 5);
    place(yaml, "/steps/9", 3, 1);
    place(yaml, "/steps/0/wait/deeper", 4, 5);
    place("", "/a", 1, 1);
    place("[unclosed", "/0/1", 1, 2);
}

/* --- a folder
 * ------------------------------------------------------------------------------------- */

static void put(const char *dir, const char *file, const char *text)
{
    MEM_SCOPED char *path = mem_printf(NULL, "%s/%s", dir, file);

    for (char *p = strchr(path + strlen(dir) + 1, '/'); p != NULL; p = strchr(p + 1, '/')) {
        *p = '\0';
        mkdir(path, 0700);
        *p = '/';
    }
    assert_true(text_file_write(path, 0600, text));
}

static int folder_make(void **state)
{
    char *dir = strdup("/tmp/lazo-test-XXXXXX");

    assert_non_null(mkdtemp(dir));
    *state = dir;
    return 0;
}

static int folder_drop(void **state)
{
    MEM_SCOPED char *command = mem_printf(NULL, "rm -rf -- '%s'", (char *)*state);

    assert_int_equal(system(command), 0);
    free(*state);
    return 0;
}

static const struct definition *find(const struct definitions *all, enum definition_sort sort,
                                     const char *name)
{
    for (size_t i = 0; i < all->n; i++) {
        if (all->items[i]->sort == sort && strcmp(all->items[i]->name, name) == 0)
            return all->items[i];
    }
    fail_msg("no %s %s", definition_noun(sort), name);
    return NULL;
}

static const char *member(const struct definition *d, const char *key)
{
    return json_string_value(json_object_get(d->body, key));
}

static void test_folder(void **state)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    const char *dir = *state;
    const struct definition *d;
    struct definitions *all;

    put(dir, "organisation.yaml", "name: Verde\n");
    put(dir, "topics.yaml", "boletin: Boletín\nempty:\n");
    put(dir, "webhooks.yaml",
        "crm: { url: '${LAZO_TEST_NONE:-http://x}/${LAZO_TEST_SOME}', events: [donation] }\n");
    put(dir, "segments/a b.rule", "#  Un título \nany(donation)\n");
    put(dir, "segments/c.rule", "any(donation)");
    put(dir, "templates/t/es/subject.liquid", "Hola\n");
    put(dir, "templates/t/es/body.html.liquid", "<p>Hola</p>\n");
    put(dir, "templates/t/es/body.txt.liquid", "Hola\n");
    put(dir, "journeys/j.yaml",
        "enabled: false\nstart: { birthday: true }\nsteps: [{ send: t }]\n");
    put(dir, "history/readme.txt", "not ours");
    setenv("LAZO_TEST_SOME", "hook", 1);
    all = definitions_read(ctx, dir, "X");
    assert_int_equal(all->mistakes, 0);
    assert_int_equal(all->n, 8);
    assert_string_equal(member(find(all, DEFINITION_topic, "boletin"), "title"), "Boletín");
    assert_string_equal(member(find(all, DEFINITION_webhook, "crm"), "url"), "http://x/hook");
    d = find(all, DEFINITION_segment, "a b");
    assert_string_equal(d->path, "/v1/segments/a%20b");
    assert_string_equal(member(d, "title"), "Un título");
    assert_string_equal(member(find(all, DEFINITION_segment, "c"), "title"), "");
    d = find(all, DEFINITION_template, "t/es");
    assert_string_equal(member(d, "subject"), "Hola");
    assert_string_equal(member(d, "html"), "<p>Hola</p>\n");
    d = find(all, DEFINITION_journey, "j");
    assert_true(d->off);
    assert_null(json_object_get(d->body, "enabled"));
    for (size_t i = 1; i < all->n; i++)
        assert_true(all->items[i - 1]->sort <= all->items[i]->sort);
}

static void test_mistakes(void **state)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    const char *dir = *state;

    put(dir, "topic.yaml", "a: b\n");  /* did you mean topics.yaml? */
    put(dir, "fields.yaml", "a: [\n"); /* no YAML */
    put(dir, "rfm.yaml", "- a\n");     /* no mapping */
    put(dir, "webhooks.yaml",
        "crm: { url: '${LAZO_TEST_NONE}' }\nx: 3\n");    /* not set; no mapping */
    put(dir, "segments/a.rul", "true");                  /* another suffix */
    put(dir, "segments/b.rule", "\xFF");                 /* not UTF-8 */
    put(dir, "templates/t/es/subject.liquid", "Hola\n"); /* two files are missing */
    assert_int_equal(definitions_read(ctx, dir, "X")->mistakes, 9);
    assert_int_equal(symlink("journeys", mem_printf(ctx, "%s/journeys", dir)),
                     0); /* cannot be read */
    assert_int_equal(definitions_read(ctx, dir, "X")->mistakes, 10);
    assert_int_equal(definitions_read(ctx, "/nowhere/at/all", "X")->mistakes, 1);
}

/* What a refusal says, as it is shown. */
static void said(const struct definition *d, const char *pointer, int line, int column,
                 const char *expected)
{
    char *text = NULL;
    size_t n;
    FILE *out = open_memstream(&text, &n);

    definition_mistake(d, out, pointer, line, column, "wrong");
    fclose(out);
    assert_string_equal(text, expected);
    free(text);
}

static void test_refusals(void **state)
{
    MEM_SCOPED void *ctx = talloc_new(NULL);
    const char *dir = *state;
    struct definitions *all;

    put(dir, "fields.yaml", "a: { type: text }\nb: { type: txt }\n");
    put(dir, "segments/s.rule", "# t\nany(donation\n");
    put(dir, "templates/t/es/subject.liquid", "{{\n");
    put(dir, "templates/t/es/body.html.liquid", "");
    put(dir, "templates/t/es/body.txt.liquid", "");
    put(dir, "journeys/j.yaml",
        "start:\n  interaction: donation\n  where: 'amount >'\nsteps: []\n");
    all = definitions_read(ctx, dir, "X");
    said(find(all, DEFINITION_field, "b"), "/type", 0, 0, "X/fields.yaml:2:6: type: wrong\n");
    said(find(all, DEFINITION_segment, "s"), "/rule", 2, 13, "X/segments/s.rule:2:13: wrong\n");
    said(find(all, DEFINITION_template, "t/es"), "/subject", 1, 3,
         "X/templates/t/es/subject.liquid:1:3: wrong\n");
    said(find(all, DEFINITION_template, "t/es"), "/text", 0, 0,
         "X/templates/t/es/body.txt.liquid:1:1: wrong\n");
    said(find(all, DEFINITION_journey, "j"), "/start/where", 1, 9,
         "X/journeys/j.yaml:3:3: start/where: line 1, column 9 of it: wrong\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_places),
        cmocka_unit_test_setup_teardown(test_folder, folder_make, folder_drop),
        cmocka_unit_test_setup_teardown(test_mistakes, folder_make, folder_drop),
        cmocka_unit_test_setup_teardown(test_refusals, folder_make, folder_drop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
