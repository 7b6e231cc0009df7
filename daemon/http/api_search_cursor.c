/* api_search_cursor.c - the cursor of a search by words: {"w": [[prefix, ...], ...], "p": place of
 * the prefix, "a": word, "i": contact} as base64url. See api_search.h. */
#include "common/mem.h"
#include "daemon/http/api_search.h"

#include <sodium.h>
#include <string.h>

#define CURSOR_MAX   12000
#define PREFIXES_MAX 13
#define WORD_MAX     400

static json_t *prefixes_json(const struct search_words *s)
{
    json_t *words = mem_must(json_array());

    for (size_t i = 0; i < s->n; i++) {
        json_t *prefixes = mem_must(json_array());

        for (size_t j = 0; j < s->words[i].n; j++)
            json_array_append_new(prefixes, json_string(s->words[i].prefixes[j]));
        json_array_append_new(words, prefixes);
    }
    return words;
}

char *search_cursor(const void *ctx, const struct search_words *s)
{
    json_t *value =
        mem_must(json_pack("{s:o, s:I, s:s, s:I}", "w", prefixes_json(s), "p",
                           (json_int_t)s->prefix, "a", s->word, "i", (json_int_t)s->contact_id));
    const char *text = api_json_text(ctx, value);
    size_t n = strlen(text), room;
    char *out;

    json_decref(value);
    room = sodium_base64_encoded_len(n, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    out = mem_array(ctx, char, room);
    return sodium_bin2base64(out, room, (const unsigned char *)text, n,
                             sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

static const char *word_read(const void *ctx, const json_t *value)
{
    const char *s = json_string_value(value);

    return s != NULL && *s != '\0' && strlen(s) <= WORD_MAX ? mem_strdup(ctx, s) : NULL;
}

static bool prefixes_read(const void *ctx, const json_t *words, struct search_words *ret)
{
    ret->n = json_array_size(words);
    if (ret->n < 1 || ret->n > SEARCH_WORDS_MAX)
        return false;
    for (size_t i = 0; i < ret->n; i++) {
        const json_t *prefixes = json_array_get(words, i);
        size_t n = json_array_size(prefixes);

        if (n < 1 || n > PREFIXES_MAX)
            return false;
        ret->words[i].n = n;
        ret->words[i].prefixes = mem_array(ctx, const char *, n);
        for (size_t j = 0; j < n; j++)
            if ((ret->words[i].prefixes[j] = word_read(ctx, json_array_get(prefixes, j))) == NULL)
                return false;
    }
    return true;
}

bool search_cursor_read(const void *ctx, const char *text, struct search_words *ret)
{
    size_t max = strlen(text), n;
    unsigned char *bytes = mem_array(ctx, unsigned char, max + 1);
    json_t *value;
    bool fits;

    *ret = (struct search_words){0};
    if (max > CURSOR_MAX || sodium_base642bin(bytes, max, text, max, NULL, &n, NULL,
                                              sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0)
        return false;
    value = json_loadb((const char *)bytes, n, JSON_REJECT_DUPLICATES, NULL);
    ret->word = word_read(ctx, json_object_get(value, "a"));
    ret->contact_id = json_integer_value(json_object_get(value, "i"));
    ret->prefix = (size_t)json_integer_value(json_object_get(value, "p"));
    fits = ret->word != NULL && ret->contact_id >= 0 &&
           prefixes_read(ctx, json_object_get(value, "w"), ret) && ret->prefix < ret->words[0].n;
    json_decref(value);
    return fits;
}
