/* lexer.c - see lexer.h. Bytes are valid UTF-8 before anything else is looked at, so a column
 * counts characters. */
#include "daemon/rules/lexer.h"

#include "common/buf.h"
#include "common/clock.h"
#include "common/mem.h"
#include "common/utf8.h"
#include "daemon/rules/tree.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_MAX 40
#define YEAR_MIN   1500
#define YEAR_MAX   9998

struct lexer {
    const void *ctx;
    struct diag *d;
    const char *s, *end;
    int line, column;
    struct rule_token *tokens;
    size_t n, cap;
};

static void step(struct lexer *x)
{
    if (*x->s == '\n') {
        x->line++;
        x->column = 1;
        x->s++;
        return;
    }
    x->s += utf8_length(x->s, (size_t)(x->end - x->s));
    x->column++;
}

static void steps(struct lexer *x, size_t characters)
{
    for (size_t i = 0; i < characters; i++)
        step(x);
}

static void add(struct lexer *x, enum rule_token_type type, int line, int column, const char *text)
{
    mem_grow(x->ctx, &x->tokens, &x->cap, x->n + 1);
    x->tokens[x->n++] = (struct rule_token){type, line, column, text};
}

static size_t left(const struct lexer *x)
{
    return (size_t)(x->end - x->s);
}

static void lex_word(struct lexer *x, size_t n)
{
    const char *start = x->s, *end = x->s + n;
    int column = x->column;

    while (x->s < end)
        step(x);
    add(x, RULE_TOKEN_WORD, x->line, column, mem_strndup(x->ctx, start, n));
}

/* A string or a backquoted name, at its opening quote. */
static void lex_quoted(struct lexer *x, char quote)
{
    int line = x->line, column = x->column;
    struct buf b;

    buf_init(&b, x->ctx, RULE_BYTES_MAX);
    step(x);
    while (x->s < x->end && *x->s != quote && *x->s != '\n') {
        const char *from = x->s;

        if (quote == '"' && *x->s == '\\') {
            if (x->s + 1 == x->end || (x->s[1] != '"' && x->s[1] != '\\')) {
                diag_at(x->d, x->line, x->column, "after \\ in a string only \" or \\ may follow");
                step(x);
                continue;
            }
            step(x);
            from = x->s;
        }
        step(x);
        buf_add(&b, from, (size_t)(x->s - from));
    }
    if (x->s == x->end || *x->s != quote) {
        diag_at(x->d, line, column,
                quote == '"' ? "this string is not closed on its line; expected \""
                             : "this name is not closed on its line; expected `");
        return;
    }
    step(x);
    if (quote == '`' && b.len == 0)
        diag_at(x->d, line, column, "a name in backquotes must not be empty");
    add(x, quote == '"' ? RULE_TOKEN_STRING : RULE_TOKEN_NAME, line, column, buf_take(&b, x->ctx));
}

static size_t digits_at(const struct lexer *x, const char *s)
{
    size_t n = 0;

    while (s + n < x->end && isdigit((unsigned char)s[n]))
        n++;
    return n;
}

static bool looks_like_date(const struct lexer *x)
{
    return x->end - x->s >= 6 && digits_at(x, x->s) == 4 && x->s[4] == '-' &&
           isdigit((unsigned char)x->s[5]);
}

static void lex_date(struct lexer *x)
{
    const char *start = x->s;
    int column = x->column;
    size_t n = 0;
    int64_t at_us;
    char *text;

    while (start + n < x->end && (isdigit((unsigned char)start[n]) || start[n] == '-'))
        n++;
    if (start + n < x->end && (start[n] == 'T' || start[n] == 't'))
        while (start + n < x->end &&
               (isalnum((unsigned char)start[n]) || (start[n] != '\0' && strchr("-+:.", start[n]))))
            n++;
    text = mem_strndup(x->ctx, start, n);
    steps(x, n);
    for (char *c = text; *c != '\0'; c++)
        *c = (char)toupper((unsigned char)*c);
    if (!clock_parse(text, &at_us) || (n > 10 && strpbrk(text + 10, "Z+-") == NULL)) {
        diag_at(x->d, x->line, column,
                "%s is no date; expected one such as 2026-03-01 or 2026-03-01T10:00:00Z", text);
        return;
    }
    if (strtol(text, NULL, 10) < YEAR_MIN || strtol(text, NULL, 10) > YEAR_MAX)
        diag_at(x->d, x->line, column, "the year of a date lies between %d and %d", YEAR_MIN,
                YEAR_MAX);
    add(x, RULE_TOKEN_DATE, x->line, column, text);
}

static void lex_number(struct lexer *x)
{
    const char *start = x->s;
    int column = x->column;
    size_t n = *start == '-' ? 1 : 0;

    n += digits_at(x, start + n);
    if (start + n + 1 < x->end && start[n] == '.' && isdigit((unsigned char)start[n + 1]))
        n += 1 + digits_at(x, start + n + 1);
    steps(x, n);
    if (n > NUMBER_MAX) {
        diag_at(x->d, x->line, column, "a number has at most %d digits", NUMBER_MAX);
        return;
    }
    add(x, RULE_TOKEN_NUMBER, x->line, column, mem_strndup(x->ctx, start, n));
}

static void lex_sign(struct lexer *x)
{
    static const char *const signs[] = {"!=", "<>", "<=", ">=", "(", ")", ",", ".", "=", "<", ">"};
    int column = x->column;
    size_t rest = left(x);

    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
        size_t n = strlen(signs[i]);

        if (n <= rest && strncmp(x->s, signs[i], n) == 0) {
            steps(x, n);
            add(x, RULE_TOKEN_SIGN, x->line, column, i == 1 ? "!=" : signs[i]);
            return;
        }
    }
    if (*x->s == '\'') {
        const char *close = memchr(x->s + 1, '\'', rest - 1), *line = memchr(x->s, '\n', rest);

        diag_at(x->d, x->line, column, "a string stands in double quotes");
        /* What is meant as one is not read as words. */
        while (close != NULL && (line == NULL || close < line) && x->s < close)
            step(x);
    } else {
        diag_at(x->d, x->line, column, "unexpected character \"%.*s\"",
                (int)utf8_length(x->s, rest), (unsigned char)*x->s < 0x20 ? "?" : x->s);
    }
    step(x);
}

/* What is written otherwise here is told, and skipped. */
static bool lex_foreign(struct lexer *x)
{
    const char *message, *end = x->s + rule_foreign(x->ctx, x->s, left(x), &message);

    if (end == x->s)
        return false;
    diag_at(x->d, x->line, x->column, "%s", message);
    while (x->s < end)
        step(x);
    return true;
}

static void lex_one(struct lexer *x)
{
    unsigned char c = (unsigned char)*x->s;
    size_t word = rule_word(x->s, left(x));

    if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || rule_blank(x->s, left(x)) > 0)
        step(x);
    else if (c == '#')
        while (x->s < x->end && *x->s != '\n')
            step(x);
    else if (word > 0)
        lex_word(x, word);
    else if (lex_foreign(x))
        return;
    else if (c == '"' || c == '`')
        lex_quoted(x, (char)c);
    else if (looks_like_date(x))
        lex_date(x);
    else if (isdigit(c) || (c == '-' && x->s + 1 < x->end && isdigit((unsigned char)x->s[1])))
        lex_number(x);
    else
        lex_sign(x);
}

struct rule_token *rule_lex(const void *ctx, const char *text, size_t n, struct diag *d,
                            size_t *ret_n)
{
    struct lexer x = {.ctx = ctx, .d = d, .s = text, .end = text + n, .line = 1, .column = 1};
    size_t mistakes = d->n;

    if (n > RULE_BYTES_MAX) {
        diag_at(d, 1, 1, "a rule has at most %d bytes", RULE_BYTES_MAX);
        return NULL;
    }
    if (!utf8_valid(text, n) || memchr(text, '\0', n) != NULL) {
        diag_at(d, 1, 1, "a rule is UTF-8 text without NUL");
        return NULL;
    }
    while (x.s < x.end)
        lex_one(&x);
    add(&x, RULE_TOKEN_END, x.line, x.column, "");
    if (d->n > mistakes)
        return NULL;
    *ret_n = x.n;
    return x.tokens;
}
