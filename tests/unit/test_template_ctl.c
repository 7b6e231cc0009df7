/* `lazoctl template render` as it is called, in a child, with files in a private folder. */
#include "common/mem.h"
#include "common/text.h"
#include "daemon/ctl/template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define WORDS_MAX 16

struct scene {
    char dir[64];
};

static void write_file(const char *name, const char *text)
{
    assert_true(text_file_write(name, 0600, text));
}

static char *read_file(const void *ctx, const char *name)
{
    size_t n;
    char *text = text_file_read(ctx, name, 100000, &n);
    assert_non_null(text);
    return text;
}

/* call() - the command's status; what it wrote is then in the files "out" and "err". */
static int call(const char *const *words)
{
    char *argv[WORDS_MAX];
    int argc = 0, status = -1;
    for (; words[argc] != NULL; argc++)
        argv[argc] = strdup(words[argc]);
    argv[argc] = NULL;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (freopen("out", "w", stdout) == NULL || freopen("err", "w", stderr) == NULL)
            _exit(99);
        status = ctl_template(argc, argv);
        fflush(NULL);
        _exit(status);
    }
    for (int i = 0; i < argc; i++)
        free(argv[i]);
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}
#define CALL(...) call((const char *const[]){"template", __VA_ARGS__, NULL})

static int enter(void **state)
{
    struct scene *s = malloc(sizeof *s);
    if (s == NULL)
        return -1;
    strcpy(s->dir, "/tmp/lazo-template-XXXXXX");
    if (mkdtemp(s->dir) == NULL || chdir(s->dir) != 0)
        return -1;
    *state = s;
    return 0;
}

static int leave(void **state)
{
    struct scene *s = *state;
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", s->dir);
    int status = chdir("/") != 0 || system(command) != 0;
    free(s);
    return status;
}

static void test_renders(void **state)
{
    void *ctx MEM_SCOPED = mem_must(talloc_new(NULL));
    (void)state;
    write_file("a.liquid", "Hola {{ name }}: {{ amount | money }}\n{% render 'foot', n: 1 %}");
    write_file("a.json", "{\"name\": \"<Ana>\", \"amount\": \"25.00\"}");
    assert_int_equal(mkdir("parts", 0700), 0);
    write_file("parts/foot.liquid", "pie {{ n }}");
    write_file("parts/plain", "llano");
    assert_int_equal(CALL("render", "a.liquid", "--data", "a.json", "--partials", "parts",
                          "--escape", "html", "--locale", "es"),
                     0);
    assert_string_equal(read_file(ctx, "out"), "Hola &lt;Ana&gt;: 25,00\u00A0€\npie 1");
    assert_string_equal(read_file(ctx, "err"), "");
    write_file("b.liquid", "{% include 'plain' %}{{ '2026-03-02T23:30:00Z' | date: '%H' }}");
    assert_int_equal(CALL("render", "--partials=parts", "b.liquid", "--time-zone", "Europe/Madrid"),
                     0);
    assert_string_equal(read_file(ctx, "out"), "llano00");
}

static void test_mistakes(void **state)
{
    void *ctx MEM_SCOPED = mem_must(talloc_new(NULL));
    (void)state;
    write_file("a.liquid", "one\n{{ x | upcse }}");
    assert_int_equal(CALL("render", "a.liquid"), 1);
    assert_string_equal(read_file(ctx, "err"),
                        "2:8: unknown filter “upcse”; did you mean “upcase”?\n");
    assert_string_equal(read_file(ctx, "out"), "");
    assert_int_equal(mkdir("parts", 0700), 0);
    write_file("parts/bad.liquid", "\n{% if %}");
    write_file("a.liquid", "{% include 'bad' %}");
    assert_int_equal(CALL("render", "a.liquid", "--partials", "parts"), 1);
    assert_non_null(strstr(read_file(ctx, "err"), "2:7: in the partial “bad”: a value expected\n"));
    /* no way out of the folder of partials */
    write_file("secret", "secret");
    write_file("a.liquid", "{% include '../secret' %}");
    assert_int_equal(CALL("render", "a.liquid", "--partials", "parts"), 1);
    assert_string_equal(read_file(ctx, "err"), "1:12: there is no partial “../secret”\n");
    write_file("a.liquid", "{% include 'x/../../secret' %}");
    assert_int_equal(CALL("render", "a.liquid", "--partials", "parts"), 1);
    write_file("a.liquid", "{{ name }}");
    assert_int_equal(CALL("render", "a.liquid", "--strict"), 1);
    assert_string_equal(read_file(ctx, "err"), "1:4: the variable “name” is not defined\n");
    write_file("a.json", "[1]");
    assert_int_equal(CALL("render", "a.liquid", "--data", "a.json"), 1);
    write_file("a.json", "{\"a\": ");
    assert_int_equal(CALL("render", "a.liquid", "--data", "a.json"), 1);
    assert_int_equal(CALL("render", "nosuch.liquid"), 1);
}

static void test_usage(void **state)
{
    (void)state;
    write_file("a.liquid", "x");
    assert_int_equal(CALL("render"), 2);
    assert_int_equal(CALL("show", "a.liquid"), 2);
    assert_int_equal(CALL("render", "a.liquid", "b"), 2);
    assert_int_equal(CALL("render", "a.liquid", "--nosuch"), 2);
    assert_int_equal(CALL("render", "a.liquid", "--escape", "xml"), 2);
    assert_int_equal(call((const char *const[]){"template", NULL}), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_renders, enter, leave),
        cmocka_unit_test_setup_teardown(test_mistakes, enter, leave),
        cmocka_unit_test_setup_teardown(test_usage, enter, leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
