/* lexer.h - a template's text in pieces, and the tokens within a piece. Pure. */
#ifndef LAZO_COMMON_TEMPLATE_LEXER_H
#define LAZO_COMMON_TEMPLATE_LEXER_H

#include <stdbool.h>
#include <stddef.h>

/* A piece is plain text, an {{ output }} or a {% tag %}; within {% liquid %} each line is a tag. */
enum piece_kind { PIECE_TEXT, PIECE_OUTPUT, PIECE_TAG, PIECE_END };

struct piece {
    enum piece_kind kind;
    size_t at; /* where it begins, delimiter included */
    size_t from,
        to; /* the text; or what stands between the delimiters, without the name of a tag */
    size_t name, name_n;
    const char *error; /* what is wrong with it, or NULL */
};

struct scanner {
    const char *source;
    size_t at, end;
    bool lines; /* within {% liquid %} */
    bool trim;  /* the piece before ended in -%} or -}} */
};

struct piece scanner_next(struct scanner *);
/* scanner_skip_text() - on to the next tag. */
void scanner_skip_text(struct scanner *);
/* scanner_verbatim() - the text up to {% word %}, which is passed too; false where it does not
 * come. */
bool scanner_verbatim(struct scanner *, const char *word, size_t *ret_from, size_t *ret_to);

enum token_kind {
    TOKEN_END,
    TOKEN_NAME,
    TOKEN_NUMBER,
    TOKEN_TEXT, /* a quoted text; its bytes are between the quotes */
    TOKEN_OPERATOR,
    TOKEN_EQUALS,
    TOKEN_DOT,
    TOKEN_DOTS,
    TOKEN_COMMA,
    TOKEN_COLON,
    TOKEN_PIPE,
    TOKEN_OPEN_SQUARE,
    TOKEN_CLOSE_SQUARE,
    TOKEN_OPEN_ROUND,
    TOKEN_CLOSE_ROUND,
    TOKEN_BAD,
};

struct token {
    enum token_kind kind;
    size_t at, end; /* its bytes in the source */
};

/* lexer_next() - the token at or after `at`, before `end`. */
struct token lexer_next(const char *source, size_t at, size_t end);

#endif
