/* log.h - one line an event, logfmt on stderr, for journald.
 *
 * A line names the object it speaks of and what happened, then key=value pairs: ids and counts,
 * never addresses or personal data. Values are quoted and escaped, so nothing from outside can
 * forge a line. `common/` itself never logs: it returns, and the owner logs once. Thread-safe.
 *
 *     log_info("journey", "step done", "id=%d step=%d", id, step);
 *     -> <6>journey event="step done" id=7 step=2
 */
#ifndef LAZO_COMMON_LOG_H
#define LAZO_COMMON_LOG_H

#include <stdbool.h>

enum log_level {
    LOG_LEVEL_ERROR = 3,
    LOG_LEVEL_WARNING = 4,
    LOG_LEVEL_INFO = 6,
    LOG_LEVEL_DEBUG = 7
};

/* log_set_level() - what is less urgent than `level` is not written. LOG_LEVEL_INFO at start. */
void log_set_level(enum log_level level);
/* log_level_parse() - "error", "warning", "info" or "debug"; false where `name` is none of them. */
bool log_level_parse(const char *name, enum log_level *ret_level);

/* `pairs` is a printf format of "key=value" words; a %s value that may hold spaces is written with
 * log_value(). May be "". */
void log_line(enum log_level level, const char *object, const char *event, const char *pairs, ...)
    __attribute__((format(printf, 4, 5)));
#define log_error(...)   log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* log_value() - `s` quoted and escaped for a pair (at most 400 bytes of it), in a buffer of the
 * calling thread that its next eight calls leave alone. NULL gives "". */
const char *log_value(const char *s);

/* log_fatal() - the environment's fault: one line of level error, then exit status 1. systemd
 * starts us again. */
_Noreturn void log_fatal(const char *object, const char *event, const char *pairs, ...)
    __attribute__((format(printf, 3, 4)));

#endif
