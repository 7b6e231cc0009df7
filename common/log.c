/* log.c - see log.h. Each line is one write(2), so that threads and processes do not mix theirs. */
#include "common/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048
#define VALUE_MAX      400
#define VALUE_SLOTS    8

static _Atomic int log_level_now = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
    log_level_now = (int)level;
}

bool log_level_parse(const char *name, enum log_level *ret_level)
{
    static const struct {
        const char *name;
        enum log_level level;
    } levels[] = {{"error", LOG_LEVEL_ERROR},
                  {"warning", LOG_LEVEL_WARNING},
                  {"info", LOG_LEVEL_INFO},
                  {"debug", LOG_LEVEL_DEBUG}};

    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (strcmp(name, levels[i].name) == 0) {
            *ret_level = levels[i].level;
            return true;
        }
    }
    return false;
}

static void log_write(enum log_level level, const char *object, const char *event,
                      const char *pairs, va_list ap) __attribute__((format(printf, 4, 0)));
static void log_write(enum log_level level, const char *object, const char *event,
                      const char *pairs, va_list ap)
{
    char line[LINE_MAX_BYTES];
    int n = snprintf(line, sizeof(line), "<%d>%s event=\"%s\" ", (int)level, object, event);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof(line) - 1 ? (size_t)n : sizeof(line) - 2;

    n = vsnprintf(line + len, sizeof(line) - 1 - len, pairs, ap);
    if (n > 0)
        len += (size_t)n < sizeof(line) - 2 - len ? (size_t)n : sizeof(line) - 2 - len;
    while (len > 0 && line[len - 1] == ' ')
        len--;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)line[i] < 0x20)
            line[i] = ' ';
    line[len++] = '\n';
    /* Where stderr is gone there is nobody left to tell. */
    if (write(STDERR_FILENO, line, len) < 0)
        return;
}

void log_line(enum log_level level, const char *object, const char *event, const char *pairs, ...)
{
    va_list ap;

    if ((int)level > log_level_now)
        return;
    va_start(ap, pairs);
    log_write(level, object, event, pairs, ap);
    va_end(ap);
}

void log_fatal(const char *object, const char *event, const char *pairs, ...)
{
    va_list ap;

    va_start(ap, pairs);
    log_write(LOG_LEVEL_ERROR, object, event, pairs, ap);
    va_end(ap);
    exit(1);
}

const char *log_value(const char *s)
{
    static _Thread_local char slots[VALUE_SLOTS][VALUE_MAX + 8];
    static _Thread_local unsigned next;
    char *out = slots[next++ % VALUE_SLOTS];
    size_t len = 0;

    out[len++] = '"';
    for (; s != NULL && *s != '\0' && len < VALUE_MAX; s++) {
        unsigned char c = (unsigned char)*s;

        if (c == '"' || c == '\\')
            out[len++] = '\\';
        out[len++] = c < 0x20 || c == 0x7f ? ' ' : (char)c;
    }
    out[len++] = '"';
    out[len] = '\0';
    return out;
}
