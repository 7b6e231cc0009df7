/* api_search.h - contacts by rule and by words, page by page, within a bound of time. For
 * api_search*.c.
 *
 * A page is looked for in steps, each one statement over a bounded number of contacts: by id where
 * only a rule is asked for, else in the order of the words that match. When the page is full, or
 * nothing is left, or the time is over, it is answered; the cursor says where the search stands. So
 * a page may hold less than `limit`, even nothing, while `next` is no null. */
#ifndef LAZO_DAEMON_HTTP_API_SEARCH_H
#define LAZO_DAEMON_HTTP_API_SEARCH_H

#include "daemon/http/api_record.h"
#include "daemon/rules/rule.h"

#define SEARCH_WORDS_MAX 10

/* Where a search by words stands: it is the cursor. The contacts of one word's prefixes are gone
 * through, in the order of the prefixes, then of their words. */
struct search_words {
    size_t n;
    struct {
        size_t n;
        const char **prefixes; /* what the word may begin like: itself, or what was meant by it */
    } words[SEARCH_WORDS_MAX]; /* the first drives */
    size_t prefix;             /* of the first word: where it stands */
    const char *word;          /* the last one seen, and its contact */
    int64_t contact_id;
};

/* search_cursor() - as text, child of ctx. search_cursor_read() - false where `text` is none. What
 * it holds is checked, but not whether it was ours: whoever makes one up searches for something
 * else. */
char *search_cursor(const void *ctx, const struct search_words *);
bool search_cursor_read(const void *ctx, const char *text, struct search_words *ret);

#endif
