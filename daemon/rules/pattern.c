/* pattern.c - what `matches` may be given: POSIX extended expressions that mean the same to
 * PostgreSQL, and whose size is bounded. Without references back into the text PostgreSQL matches
 * in time linear in the text, so that a bounded size bounds the time too. What is let pass must
 * never fail in the database: a pass of the evaluator holds all rules. */
#include "daemon/rules/tree.h"

#include <ctype.h>
#include <string.h>

#define PATTERN_BYTES_MAX  200
#define PATTERN_DEPTH_MAX  10
#define PATTERN_REPEAT_MAX 100
/* Of single characters, repetitions written out. */
#define PATTERN_SIZE_MAX 500

struct pattern {
    const char *s; /* what is left */
    const char *fault;
    int depth;
    bool fresh; /* at the first character within a bracket */
};

static int alternation(struct pattern *p);

static bool is_range(char from, char to)
{
    return from <= to && ((isdigit((unsigned char)from) && isdigit((unsigned char)to)) ||
                          (islower((unsigned char)from) && islower((unsigned char)to)) ||
                          (isupper((unsigned char)from) && isupper((unsigned char)to)));
}

/* [:alpha:] and its like; skipped. */
static bool take_class(struct pattern *p)
{
    static const char *const names[] = {"[:alnum:]", "[:alpha:]", "[:digit:]", "[:space:]",
                                        "[:punct:]", "[:blank:]", "[:lower:]", "[:xdigit:]"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t n = strlen(names[i]);

        if (strncmp(p->s, names[i], n) == 0) {
            p->s += n;
            return true;
        }
    }
    return false;
}

/* A character, a range or a class within a bracket. */
static void member(struct pattern *p)
{
    if (*p->s == '\0') {
        p->fault = "a bracket \"[\" is not closed";
    } else if (*p->s == '[') {
        if (!take_class(p))
            p->fault = "within [ ] stand characters, ranges and classes such as [:digit:]";
    } else if (*p->s == '\\') {
        p->fault = "within [ ] stand characters, ranges and classes such as [:digit:]";
    } else if (p->s[1] == '-' && p->s[2] != ']' && p->s[2] != '\0') {
        if (is_range(p->s[0], p->s[2]))
            p->s += 3;
        else
            p->fault = "a range is of digits or of plain letters, such as a-z";
    } else if (*p->s == '-' && p->s[1] != ']' && !p->fresh) {
        p->fault = "a hyphen stands first or last within [ ]";
    } else {
        p->s++;
    }
    p->fresh = false;
}

/* After "[". */
static void bracket(struct pattern *p)
{
    p->s += *p->s == '^';
    p->fresh = true;
    do
        member(p);
    while (p->fault == NULL && *p->s != ']');
    if (p->fault == NULL)
        p->s++;
}

/* One thing that may be repeated; its size, 0 for an anchor. */
static int atom(struct pattern *p)
{
    char c = *p->s++;
    int size = 1;

    if (c == '(') {
        if (++p->depth > PATTERN_DEPTH_MAX) {
            p->fault = "groups stand too deep in each other";
            return 1;
        }
        size = alternation(p);
        p->depth--;
        if (p->fault == NULL && *p->s++ != ')')
            p->fault = "a group \"(\" is not closed";
    } else if (c == '[') {
        bracket(p);
    } else if (c == '\\') {
        if (!ispunct((unsigned char)*p->s))
            p->fault = "a backslash stands before a sign that is meant as itself";
        else
            p->s++;
    } else if (c == '^' || c == '$') {
        size = 0;
    } else if (strchr("*+?{", c) != NULL) {
        p->fault = "there is nothing to repeat";
    } else if (c == ']' || c == '}') {
        p->fault = "this sign is written with a backslash before it";
    }
    return size;
}

/* {m}, {m,} or {m,n}; how often at most, written out. */
static int bounds(struct pattern *p)
{
    int least = 0, most, digits = 0;

    for (p->s++; isdigit((unsigned char)*p->s) && digits < 4; digits++)
        least = 10 * least + (*p->s++ - '0');
    most = least;
    if (*p->s == ',') {
        p->s++;
        if (*p->s == '}')
            most = least + 1;
        else
            for (most = 0; isdigit((unsigned char)*p->s) && most < 1000; p->s++)
                most = 10 * most + (*p->s - '0');
    }
    if (digits == 0 || *p->s != '}' || most < least || most > PATTERN_REPEAT_MAX || most == 0)
        p->fault = "a repetition is {m}, {m,} or {m,n} with numbers up to 100";
    else
        p->s++;
    return most;
}

static int piece(struct pattern *p)
{
    int size = atom(p), times = 1;

    if (p->fault != NULL || *p->s == '\0' || strchr("*+?{", *p->s) == NULL)
        return size;
    if (size == 0)
        p->fault = "the ends of the text cannot be repeated";
    else if (*p->s == '{')
        times = bounds(p);
    else
        times = *p->s++ == '?' ? 1 : 2;
    if (p->fault == NULL && *p->s != '\0' && strchr("*+?{", *p->s) != NULL)
        p->fault = "a repetition is not repeated itself; put it in a group";
    return size * times;
}

static int alternation(struct pattern *p)
{
    bool empty = true;
    int size = 0;

    while (p->fault == NULL && *p->s != '\0' && *p->s != ')') {
        if (*p->s == '|') {
            if (empty)
                break;
            empty = true;
            p->s++;
            continue;
        }
        size += piece(p);
        empty = false;
        if (p->fault == NULL && size > PATTERN_SIZE_MAX)
            p->fault = "the expression is too large";
    }
    if (p->fault == NULL && empty)
        p->fault = "a part of the expression is empty";
    return size > 0 ? size : 1;
}

const char *rule_pattern_fault(const char *pattern)
{
    struct pattern p = {.s = pattern};

    if (strlen(pattern) > PATTERN_BYTES_MAX)
        return "an expression has at most 200 bytes";
    alternation(&p);
    if (p.fault == NULL && *p.s != '\0')
        p.fault = "a group is closed that was not opened";
    return p.fault;
}
