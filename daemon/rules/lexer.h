/* lexer.h - the text of a rule as tokens with line and column. */
#ifndef LAZO_DAEMON_RULES_LEXER_H
#define LAZO_DAEMON_RULES_LEXER_H

#include "common/diag.h"

#include <stdbool.h>
#include <stddef.h>

enum rule_token_type {
    RULE_TOKEN_WORD,   /* a plain word: a keyword or a name */
    RULE_TOKEN_NAME,   /* a name in backquotes, never a keyword */
    RULE_TOKEN_STRING, /* unquoted */
    RULE_TOKEN_NUMBER, /* [-]digits[.digits] */
    RULE_TOKEN_DATE,   /* a day or an RFC 3339 instant that exists */
    RULE_TOKEN_SIGN,   /* ( ) , . = != < <= > >= */
    RULE_TOKEN_END,
};

struct rule_token {
    enum rule_token_type type;
    int line, column; /* from 1; the column in characters */
    const char *text;
};

/* rule_lex() - the tokens of `text`, the last one END; an array of *ret_n, child of ctx. NULL and
 * every mistake in `d` where a sign, string, number or date is none. */
struct rule_token *rule_lex(const void *ctx, const char *text, size_t n, struct diag *d,
                            size_t *ret_n);

/* --- foreign.c --- */
/* rule_blank() - bytes of the blank at `s` that is none of ASCII's (no-break spaces, a byte order
 * mark), of `left` that may be read; 0 where there is none. */
size_t rule_blank(const char *s, size_t left);
/* rule_word() - bytes of the plain word at `s`: letters of any language, digits and _, no digit
 * first; 0 where there is none. */
size_t rule_word(const char *s, size_t left);
/* rule_foreign() - bytes of what stands at `s` and is written otherwise in a rule, and in *ret what
 * to write, a literal or a child of ctx; 0 where it is no such thing. */
size_t rule_foreign(const void *ctx, const char *s, size_t left, const char **ret);

#endif
