/* lexer.c - finds the delimiters, obeys {%- and -%}, and cuts what is between them into tokens.
 *
 * As in Liquid, the first "%}" or "}}" ends a tag or an output, even within quotes. */
#include "common/template/lexer.h"

#include <string.h>
#include <unicode/uchar.h>

#include "common/template/ascii.h"
#include "common/utf8.h"

static bool is_word(char c)
{
    return ascii_letter(c) || ascii_digit(c) || c == '_';
}

static bool starts(const struct scanner *s, size_t at, const char *two)
{
    return at + 2 <= s->end && s->source[at] == two[0] && s->source[at + 1] == two[1];
}

static size_t find(const struct scanner *s, size_t at, const char *two)
{
    for (; at + 2 <= s->end; at++) {
        if (starts(s, at, two))
            return at;
    }
    return s->end;
}

/* name_tag() - splits the word off the front of piece's text. */
static void name_tag(const char *source, struct piece *p)
{
    while (p->from < p->to && ascii_space(source[p->from]))
        p->from++;
    p->name = p->from;
    if (p->from < p->to && source[p->from] == '#')
        p->from++;
    else
        while (p->from < p->to && is_word(source[p->from]))
            p->from++;
    p->name_n = p->from - p->name;
}

static struct piece next_line(struct scanner *s)
{
    struct piece p = {.kind = PIECE_END, .at = s->end};
    while (s->at < s->end && ascii_space(s->source[s->at]))
        s->at++;
    if (s->at == s->end)
        return p;
    const char *newline = memchr(s->source + s->at, '\n', s->end - s->at);
    p.kind = PIECE_TAG;
    p.at = p.from = s->at;
    p.to = s->at = newline == NULL ? s->end : (size_t)(newline - s->source);
    name_tag(s->source, &p);
    return p;
}

static struct piece next_text(struct scanner *s)
{
    struct piece p = {.kind = PIECE_TEXT, .at = s->at, .from = s->at};
    size_t at = s->at;
    while (at < s->end && !starts(s, at, "{{") && !starts(s, at, "{%"))
        at++;
    s->at = p.to = at;
    if (s->trim) {
        while (p.from < p.to && ascii_space(s->source[p.from]))
            p.from++;
    }
    s->trim = false;
    if (at + 2 < s->end && s->source[at + 2] == '-') {
        while (p.to > p.from && ascii_space(s->source[p.to - 1]))
            p.to--;
    }
    return p;
}

static struct piece next_markup(struct scanner *s, bool tag)
{
    struct piece p = {.kind = tag ? PIECE_TAG : PIECE_OUTPUT, .at = s->at, .from = s->at + 2};
    if (p.from < s->end && s->source[p.from] == '-')
        p.from++;
    size_t close = find(s, s->at + 2, tag ? "%}" : "}}");
    if (close == s->end) {
        p.error = tag ? "“{%” is not closed: “%}” expected" : "“{{” is not closed: “}}” expected";
        p.to = s->at = s->end;
        return p;
    }
    s->at = close + 2;
    s->trim = close > p.from && s->source[close - 1] == '-';
    p.to = s->trim ? close - 1 : close;
    if (tag)
        name_tag(s->source, &p);
    return p;
}

void scanner_skip_text(struct scanner *s)
{
    if (!s->lines)
        s->at = find(s, s->at, "{%");
}

struct piece scanner_next(struct scanner *s)
{
    if (s->lines)
        return next_line(s);
    if (s->at >= s->end)
        return (struct piece){.kind = PIECE_END, .at = s->end};
    if (starts(s, s->at, "{{"))
        return next_markup(s, false);
    if (starts(s, s->at, "{%"))
        return next_markup(s, true);
    return next_text(s);
}

bool scanner_verbatim(struct scanner *s, const char *word, size_t *ret_from, size_t *ret_to)
{
    size_t n = strlen(word);
    *ret_from = s->at;
    for (size_t open = find(s, s->at, "{%"); open < s->end; open = find(s, open + 1, "{%")) {
        size_t at = open + 2;
        if (at < s->end && s->source[at] == '-')
            at++;
        while (at < s->end && ascii_space(s->source[at]))
            at++;
        if (at + n > s->end || memcmp(s->source + at, word, n) != 0)
            continue;
        at += n;
        while (at < s->end && ascii_space(s->source[at]))
            at++;
        bool trim = at < s->end && s->source[at] == '-';
        if (!starts(s, at + trim, "%}"))
            continue;
        *ret_to = open;
        s->at = at + trim + 2;
        s->trim = trim;
        return true;
    }
    return false;
}

/* --- tokens -------------------------------------------------------------------------------------
 */

/* space_at() - bytes of white space at `at`; the no-break space that editors put in counts. */
static size_t space_at(const char *s, size_t at, size_t end)
{
    if (at < end && ascii_space(s[at]))
        return 1;
    return at + 2 <= end && memcmp(s + at, "\xC2\xA0", 2) == 0 ? 2 : 0;
}

/* letter_at() - bytes of the character at `at` where it may stand in a name. */
static size_t letter_at(const char *s, size_t at, size_t end, bool first)
{
    if (at >= end)
        return 0;
    if ((unsigned char)s[at] < 0x80)
        return is_word(s[at]) ? !(first && ascii_digit(s[at])) : (!first && s[at] == '-');
    size_t n = utf8_length(s + at, end - at);
    return n > 0 && u_isalnum((UChar32)utf8_decode(s + at, n)) ? n : 0;
}

static struct token name_token(const char *s, size_t at, size_t end)
{
    struct token t = {.kind = TOKEN_NAME, .at = at};
    bool first = true;
    for (size_t n; (n = letter_at(s, at, end, first)) > 0; first = false)
        at += n;
    if (at < end && s[at] == '?')
        at++;
    t.end = at;
    size_t n = t.end - t.at;
    if (n == 8 && memcmp(s + t.at, "contains", 8) == 0)
        t.kind = TOKEN_OPERATOR;
    return t;
}

static bool digit_at(const char *s, size_t at, size_t end)
{
    return at < end && ascii_digit(s[at]);
}

static struct token number_token(const char *s, size_t at, size_t end)
{
    struct token t = {.kind = TOKEN_NUMBER, .at = at};
    at += s[at] == '-';
    while (digit_at(s, at, end))
        at++;
    if (at < end && s[at] == '.' && digit_at(s, at + 1, end)) {
        at++;
        while (digit_at(s, at, end))
            at++;
    }
    t.end = at;
    return t;
}

static struct token text_token(const char *s, size_t at, size_t end)
{
    const char *close = memchr(s + at + 1, s[at], end - at - 1);
    if (close == NULL)
        return (struct token){.kind = TOKEN_BAD, .at = at, .end = at + 1};
    return (struct token){.kind = TOKEN_TEXT, .at = at, .end = (size_t)(close - s) + 1};
}

static struct token sign_token(const char *s, size_t at, size_t end)
{
    static const char *const PAIRS[] = {"==", "!=", "<>", "<=", ">=", ".."};
    static const struct {
        char sign;
        enum token_kind kind;
    } SIGNS[] = {{'<', TOKEN_OPERATOR},   {'>', TOKEN_OPERATOR},    {'=', TOKEN_EQUALS},
                 {'.', TOKEN_DOT},        {',', TOKEN_COMMA},       {':', TOKEN_COLON},
                 {'|', TOKEN_PIPE},       {'[', TOKEN_OPEN_SQUARE}, {']', TOKEN_CLOSE_SQUARE},
                 {'(', TOKEN_OPEN_ROUND}, {')', TOKEN_CLOSE_ROUND}};
    for (size_t i = 0; at + 2 <= end && i < sizeof PAIRS / sizeof *PAIRS; i++) {
        if (memcmp(s + at, PAIRS[i], 2) == 0)
            return (struct token){
                .kind = s[at] == '.' ? TOKEN_DOTS : TOKEN_OPERATOR, .at = at, .end = at + 2};
    }
    for (size_t i = 0; i < sizeof SIGNS / sizeof *SIGNS; i++) {
        if (s[at] == SIGNS[i].sign)
            return (struct token){.kind = SIGNS[i].kind, .at = at, .end = at + 1};
    }
    size_t n = utf8_length(s + at, end - at);
    return (struct token){.kind = TOKEN_BAD, .at = at, .end = at + (n > 0 ? n : 1)};
}

struct token lexer_next(const char *s, size_t at, size_t end)
{
    for (size_t n; (n = space_at(s, at, end)) > 0;)
        at += n;
    if (at >= end)
        return (struct token){.kind = TOKEN_END, .at = end, .end = end};
    if (letter_at(s, at, end, true) > 0)
        return name_token(s, at, end);
    if (digit_at(s, at, end) || (s[at] == '-' && digit_at(s, at + 1, end)))
        return number_token(s, at, end);
    if (s[at] == '\'' || s[at] == '"')
        return text_token(s, at, end);
    return sign_token(s, at, end);
}
