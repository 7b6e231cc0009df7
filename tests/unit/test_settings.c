/* lazo.conf, its conf.d, secrets and the environment: what is taken, and what is told about
 * mistakes. config/lazo.conf is the table as it is printed; LAZO_WRITE=1 writes it anew. */
#include "common/mem.h"
#include "common/settings.h"
#include "common/suggest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

struct scene {
    char folder[64];
    char *conf; /* FOLDER/lazo.conf */
    struct diag d;
};

static int set_up(void **state)
{
    struct scene *s = mem_new(NULL, struct scene);

    strcpy(s->folder, "/tmp/lazo-settings-XXXXXX");
    assert_non_null(mkdtemp(s->folder));
    s->conf = mem_printf(s, "%s/lazo.conf", s->folder);
    diag_init(&s->d, s);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *s = *state;
    MEM_SCOPED char *command = mem_printf(NULL, "rm -r %s", s->folder);
    static const char *const names[] = {
        "LAZO_HTTP_LISTEN", "LAZO_HOOK_RETRIES", "LAZO_HTTP_SECRET",     "LAZO_HTTP_SECRET_FILE",
        "LAZO_HTTP_LISTN",  "LAZO_HOME",         "CREDENTIALS_DIRECTORY"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unsetenv(names[i]);
    assert_int_equal(system(command), 0);
    talloc_free(s);
    return 0;
}

static char *put(struct scene *s, const char *name, const char *text)
{
    char *path = mem_printf(s, "%s/%s", s->folder, name);
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    return path;
}

static struct settings *load(struct scene *s, const char *text)
{
    put(s, "lazo.conf", text);
    return settings_load(s, s->conf, &s->d);
}

/* The text is refused, with exactly this message behind "FILE:LINE: " (line 0: no line). */
static void refused(struct scene *s, const char *text, int line, const char *message)
{
    MEM_SCOPED char *wanted = line > 0 ? mem_printf(NULL, "%s:%d: %s", s->conf, line, message)
                                       : mem_printf(NULL, "%s: %s", s->conf, message);

    diag_init(&s->d, s);
    assert_null(load(s, text));
    assert_int_equal(s->d.n, 1);
    assert_string_equal(s->d.items[0].message, wanted);
    assert_int_equal(s->d.items[0].line, line);
}

static void test_defaults(void **state)
{
    struct scene *s = *state;
    struct settings *v = settings_load(s, NULL, &s->d);

    assert_non_null(v);
    assert_string_equal(settings_text(v, "http.listen"), "127.0.0.1:7400");
    assert_string_equal(settings_text(v, "mail.relay"), "");
    assert_int_equal(settings_int(v, "bus.dead_after"), 15000000);
    assert_int_equal(settings_int(v, "limits.body"), 8 << 20);
    assert_int_equal(settings_int(v, "hook.retries"), 3);
    assert_false(settings_bool(v, "hook.allow_private"));
    assert_string_equal(settings_text(v, "log.level"), "info");
}

static void test_file(void **state)
{
    struct scene *s = *state;
    struct settings *v = load(s, "\xef\xbb\xbf# a comment\n; another\n\n[database]\nurl = "
                                 "host=/run/x dbname=a b  \n[hook]\nretries=5\n"
                                 "allow_private = Yes ; for tests\n  timeout = 1 minute 30 "
                                 "s\r\n[limits]\nbody = 2G\nline=1000\n"
                                 "[log]\nlevel = debug\n[mail]\nrelay = smtp://u:p#q@h:25 # c\n");

    assert_non_null(v);
    assert_string_equal(settings_text(v, "database.url"), "host=/run/x dbname=a b");
    assert_int_equal(settings_int(v, "hook.retries"), 5);
    assert_true(settings_bool(v, "hook.allow_private"));
    assert_int_equal(settings_int(v, "hook.timeout"), 90000000);
    assert_int_equal(settings_int(v, "limits.body"), INT64_C(2) << 30);
    assert_int_equal(settings_int(v, "limits.line"), 1000);
    assert_string_equal(settings_text(v, "log.level"), "debug");
    /* "#" begins a comment at the start of a line alone: passwords hold it */
    assert_string_equal(settings_text(v, "mail.relay"), "smtp://u:p#q@h:25 # c");
}

/* inih by itself would cut lines at 200 bytes. */
static void test_long_lines(void **state)
{
    struct scene *s = *state;
    char text[5000] = "[mail]\nrelay = ", value[4200];
    struct settings *v;

    memset(value, 'x', sizeof(value));
    value[3900] = '\0';
    strcat(text, value);
    v = load(s, text);
    assert_non_null(v);
    assert_string_equal(settings_text(v, "mail.relay"), value);
    text[15] = '\0';
    value[3900] = 'x';
    value[4100] = '\0';
    strcat(text, value);
    refused(s, text, 2, "the line is longer than 4000 bytes");
}

static void test_mistakes(void **state)
{
    struct scene *s = *state;

    refused(s, "[hook]\n\nretrys = 3\n", 3,
            "[hook] has no key \"retrys\"; did you mean \"retries\"?");
    refused(s, "[hook]\nzzzzzz = 3\n", 2, "[hook] has no key \"zzzzzz\"");
    refused(s, "[hoook]\nretries = 3\n", 1, "there is no section [hoook]; did you mean [hook]?");
    refused(s, "[completely-else]\n", 1, "there is no section [completely-else]");
    refused(s, "retries = 3\n", 1, "\"retries\" stands before any [section]");
    refused(s, "[hook]\nretries\n", 2, "\"retries\" is no \"key = value\"");
    refused(s, "[hook\n", 1, "the section's name lacks its \"]\"");
    refused(s, "[hook]\nretries = many\n", 2, "retries must be a whole number, not \"many\"");
    refused(s, "[hook]\nretries = -1\n", 2, "retries must be a whole number, not \"-1\"");
    refused(s, "[hook]\nretries = 99999999999999999999\n", 2,
            "retries must be a whole number, not \"99999999999999999999\"");
    refused(s, "[hook]\nretries =\n", 2, "retries must be a whole number, not \"\"");
    refused(s, "[hook]\ntimeout = 10\n", 2,
            "timeout must be a duration such as \"10 s\" or \"5 minutes\", not \"10\"");
    refused(s, "[hook]\nallow_private = maybe\n", 2,
            "allow_private must be yes or no, not \"maybe\"");
    refused(s, "[limits]\nbody = 9X\n", 2,
            "body must be a size such as \"64k\" or \"8M\", not \"9X\"");
    refused(s, "[limits]\nbody = 1099511627776G\n", 2,
            "body must be a size such as \"64k\" or \"8M\", not \"1099511627776G\"");
    refused(s, "[log]\nlevel = loud\n", 2,
            "level must be error, warning, info or debug, not \"loud\"");
    refused(s, "[http]\nlisten_file = /etc/passwd\n", 2, "[http] has no key \"listen_file\"");
    refused(s, "[http]\nsecret_file = /nowhere\n", 2,
            "cannot read /nowhere: No such file or directory");
    assert_int_equal(unlink(s->conf), 0);
    diag_init(&s->d, s);
    assert_null(settings_load(s, s->conf, &s->d));
    assert_non_null(strstr(s->d.items[0].message, "cannot read it: No such file"));
}

static void test_all_mistakes_are_told(void **state)
{
    struct scene *s = *state;

    assert_null(load(s, "[hook]\nretries = x\n[nowhere]\na = b\n[log]\nlevel = y\n"));
    assert_int_equal(s->d.n, 3);
}

static void test_conf_d(void **state)
{
    struct scene *s = *state;
    MEM_SCOPED char *folder = mem_printf(NULL, "%s.d", s->conf);
    struct settings *v;

    assert_int_equal(mkdir(folder, 0700), 0);
    put(s, "lazo.conf.d/20-b.conf", "[hook]\nretries = 20\n");
    put(s, "lazo.conf.d/10-a.conf", "[hook]\nretries = 10\nconcurrency = 10\n");
    put(s, "lazo.conf.d/30-c.conf.off", "[hook]\nretries = 30\n");
    v = load(s, "[hook]\nretries = 1\nconcurrency = 1\ntimeout = 1 s\n");
    assert_non_null(v);
    assert_int_equal(settings_int(v, "hook.retries"), 20);
    assert_int_equal(settings_int(v, "hook.concurrency"), 10);
    assert_int_equal(settings_int(v, "hook.timeout"), 1000000);
    put(s, "lazo.conf.d/40-d.conf", "\n[hook]\nnonsense = 1\n");
    assert_null(settings_load(s, s->conf, &s->d));
    assert_non_null(strstr(s->d.items[0].message, "lazo.conf.d/40-d.conf:3: "));
}

static void test_environment(void **state)
{
    struct scene *s = *state;
    struct settings *v;

    setenv("LAZO_HOOK_RETRIES", "7", 1);
    setenv("LAZO_HTTP_LISTEN", "[::1]:0", 1);
    setenv("LAZO_HOME", "/somewhere", 1); /* no section of ours */
    v = load(s, "[hook]\nretries = 1\n");
    assert_non_null(v);
    assert_int_equal(settings_int(v, "hook.retries"), 7);
    assert_string_equal(settings_text(v, "http.listen"), "[::1]:0");
    setenv("LAZO_HTTP_LISTN", "x", 1);
    assert_null(settings_load(s, NULL, &s->d));
    assert_string_equal(s->d.items[0].message,
                        "LAZO_HTTP_LISTN: [http] has no key \"listn\"; did you mean \"listen\"?");
}

static void test_secrets(void **state)
{
    struct scene *s = *state;
    MEM_SCOPED char *from_file =
        mem_printf(NULL, "[http]\nsecret_file = %s\n", put(s, "a", "from a file\n"));

    assert_string_equal(settings_text(load(s, from_file), "http.secret"), "from a file");
    put(s, "http.secret", "from systemd");
    setenv("CREDENTIALS_DIRECTORY", s->folder, 1);
    assert_string_equal(settings_text(load(s, from_file), "http.secret"), "from systemd");
    setenv("LAZO_HTTP_SECRET_FILE", put(s, "b", "named by the environment"), 1);
    assert_string_equal(settings_text(load(s, from_file), "http.secret"),
                        "named by the environment");
}

static void test_example_is_printed(void **state)
{
    char *printed = NULL, standing[32768];
    size_t n = 0, len;
    FILE *out = open_memstream(&printed, &n), *f;

    (void)state;
    settings_write_example(out);
    fclose(out);
    if (getenv("LAZO_WRITE") != NULL && (f = fopen("config/lazo.conf", "w")) != NULL) {
        fputs(printed, f);
        fclose(f);
    }
    f = fopen("config/lazo.conf", "r");
    if (f == NULL) {
        free(printed);
        skip();
    }
    len = fread(standing, 1, sizeof(standing) - 1, f);
    fclose(f);
    standing[len] = '\0';
    assert_string_equal(printed, standing); /* LAZO_WRITE=1 writes it anew */
    free(printed);
}

/* The example is itself a good lazo.conf, also with its comment signs taken away. */
static void test_example_is_good(void **state)
{
    struct scene *s = *state;
    FILE *out = fopen(s->conf, "w");
    MEM_SCOPED char *uncomment = mem_printf(NULL, "sed -i 's/^#\\([a-z]\\)/\\1/' %s", s->conf);

    settings_write_example(out);
    fclose(out);
    assert_non_null(settings_load(s, s->conf, &s->d));
    assert_int_equal(system(uncomment), 0);
    assert_non_null(settings_load(s, s->conf, &s->d));
}

/* Each setting has its place in the manual, and no other has one. */
static void test_manual(void **state)
{
    static const char *const names[] = {
#define SETTING(section, key, type, initial, reloadable, help) #section "." #key,
#include "common/settings.def"
#undef SETTING
    };
    static char text[65536];
    FILE *f = fopen("config/lazo.conf.5", "r");
    size_t n, entries = 0;

    (void)state;
    if (f == NULL)
        skip();
    n = fread(text, 1, sizeof(text) - 1, f);
    fclose(f);
    text[n] = '\0';
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        MEM_SCOPED char *section = mem_strndup(NULL, names[i], strcspn(names[i], "."));
        MEM_SCOPED char *heading = mem_printf(NULL, ".Ss [%s]\n", section);
        MEM_SCOPED char *entry = mem_printf(NULL, "\n.It Ic %s\n", strchr(names[i], '.') + 1);
        const char *at = strstr(text, heading), *found, *next;

        if (at == NULL)
            fail_msg("lazo.conf.5 has no section %s", section);
        next = strstr(at + 1, "\n.S");
        found = strstr(at, entry);
        if (found == NULL || (next != NULL && found > next))
            fail_msg("lazo.conf.5 does not tell of %s", names[i]);
    }
    for (const char *at = text; (at = strstr(at, "\n.It Ic ")) != NULL; at++)
        entries++;
    assert_int_equal(entries, sizeof(names) / sizeof(names[0]));
}

static void test_suggestions(void **state)
{
    static const char *const words[] = {"listen", NULL, "secret", "public_url", "go"};

    (void)state;
    assert_string_equal(suggest_nearest("lisetn", words, 5), "listen");
    assert_string_equal(suggest_nearest("LISTEN", words, 5), "listen");
    assert_string_equal(suggest_nearest("secrets", words, 5), "secret");
    assert_string_equal(suggest_nearest("publicurl", words, 5), "public_url");
    assert_null(suggest_nearest("x", words, 5) == words[0] ? words[0] : NULL);
    assert_null(suggest_nearest("database", words, 5));
    assert_null(suggest_nearest("", words, 5));
    assert_null(suggest_nearest(
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", words, 5));
}

int main(void)
{
#define SCENE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        SCENE(test_defaults),
        SCENE(test_file),
        SCENE(test_long_lines),
        SCENE(test_mistakes),
        SCENE(test_all_mistakes_are_told),
        SCENE(test_conf_d),
        SCENE(test_environment),
        SCENE(test_secrets),
        cmocka_unit_test(test_example_is_printed),
        SCENE(test_example_is_good),
        cmocka_unit_test(test_manual),
        cmocka_unit_test(test_suggestions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
