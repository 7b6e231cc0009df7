/* mailer_env.h - the environment of test_mailer_relay.c: settings of the mailer as variables, where
 * the repository is, what ThreadSanitizer passes over. */
#ifndef LAZO_TESTS_UNIT_MAILER_ENV_H
#define LAZO_TESTS_UNIT_MAILER_ENV_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_THREAD__)
/* libzmq is not built for ThreadSanitizer, which does not see how it synchronises its threads. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:libzmq.so\ncalled_from_lib:libzmq.so\n";
}
#endif

static void set(const char *key, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void set(const char *key, const char *format, ...)
{
    char value[256];
    va_list ap;
    va_start(ap, format);
    vsnprintf(value, sizeof value, format, ap);
    va_end(ap);
    setenv(key, value, 1);
}

static const char *repository(void)
{
    const char *root = getenv("LAZO_ROOT");
    return root != NULL ? root : ".";
}

#endif
