/* locale.c - ICU's formatters behind one small cache per thread.
 *
 * The cache is a row of slots, each an open formatter under its key ("money|es|EUR"); the one used
 * longest ago gives way. It is freed with its thread. */
#include "common/template/locale.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unicode/ucal.h>
#include <unicode/udat.h>
#include <unicode/uloc.h>
#include <unicode/unumberformatter.h>
#include <unicode/ustring.h>

#include "common/buf.h"
#include "common/mem.h"

#define SLOTS   16
#define KEY_MAX 96

enum slot_kind { SLOT_FREE, SLOT_NUMBER, SLOT_DATE, SLOT_CALENDAR };

struct slot {
    enum slot_kind kind;
    char key[KEY_MAX];
    unsigned long used; /* the turn of its last use */
    union {
        struct {
            UNumberFormatter *formatter;
            UFormattedNumber *result;
        } number;
        UDateFormat *date;
        UCalendar *calendar;
    };
};

struct cache {
    unsigned long turn;
    struct slot slots[SLOTS];
};

static pthread_key_t cache_key;
static pthread_once_t cache_once = PTHREAD_ONCE_INIT;

static void slot_close(struct slot *s)
{
    switch (s->kind) {
    case SLOT_FREE:
        break;
    case SLOT_NUMBER:
        unumf_close(s->number.formatter);
        unumf_closeResult(s->number.result);
        break;
    case SLOT_DATE:
        udat_close(s->date);
        break;
    case SLOT_CALENDAR:
        ucal_close(s->calendar);
        break;
    }
    memset(s, 0, sizeof *s);
}

static void cache_free(void *p)
{
    struct cache *c = p;
    for (size_t i = 0; i < SLOTS; i++)
        slot_close(&c->slots[i]);
    free(c);
}

static void cache_make_key(void)
{
    if (pthread_key_create(&cache_key, cache_free) != 0)
        bug("pthread_key_create failed");
}

/* cache_slot() - the slot of that key, or a free one that bears the key already. */
static struct slot *cache_slot(const char *key)
{
    pthread_once(&cache_once, cache_make_key);
    struct cache *c = pthread_getspecific(cache_key);
    if (c == NULL) {
        c = mem_must(calloc(1, sizeof *c));
        pthread_setspecific(cache_key, c);
    }
    struct slot *oldest = &c->slots[0];
    for (size_t i = 0; i < SLOTS; i++) {
        struct slot *s = &c->slots[i];
        if (s->kind != SLOT_FREE && strcmp(s->key, key) == 0) {
            s->used = ++c->turn;
            return s;
        }
        if (s->used < oldest->used)
            oldest = s;
    }
    slot_close(oldest);
    snprintf(oldest->key, KEY_MAX, "%s", key);
    oldest->used = ++c->turn;
    return oldest;
}

/* icu_locale() - ICU's name ("es_MX") of a BCP 47 tag; false where it is none. */
static bool icu_locale(const char *tag, char *ret_name, int32_t size)
{
    UErrorCode e = U_ZERO_ERROR;
    int32_t parsed = 0;
    tag = tag == NULL ? "en" : tag;
    uloc_forLanguageTag(tag, ret_name, size, &parsed, &e);
    return U_SUCCESS(e) && e != U_STRING_NOT_TERMINATED_WARNING && parsed == (int32_t)strlen(tag);
}

static bool add_utf16(struct buf *out, const UChar *s, int32_t n)
{
    char text[1024];
    int32_t len = 0;
    UErrorCode e = U_ZERO_ERROR;
    u_strToUTF8(text, sizeof text, &len, s, n, &e);
    if (U_FAILURE(e))
        return false;
    buf_add(out, text, (size_t)len);
    return true;
}

/* --- numbers ------------------------------------------------------------------------------------
 */

static bool format_number(struct buf *out, const char *locale, const char *skeleton,
                          const char *decimal)
{
    char name[ULOC_FULLNAME_CAPACITY], key[KEY_MAX];
    UChar wide[128];
    UErrorCode e = U_ZERO_ERROR;
    if (!icu_locale(locale, name, sizeof name) ||
        snprintf(key, sizeof key, "number|%s|%s", name, skeleton) >= (int)sizeof key)
        return false;
    struct slot *s = cache_slot(key);
    if (s->kind == SLOT_FREE) {
        u_uastrncpy(wide, skeleton, 127);
        wide[127] = 0;
        s->number.formatter = unumf_openForSkeletonAndLocale(wide, -1, name, &e);
        s->number.result = unumf_openResult(&e);
        s->kind = SLOT_NUMBER;
        if (U_FAILURE(e)) {
            slot_close(s);
            return false;
        }
    }
    unumf_formatDecimal(s->number.formatter, decimal, (int32_t)strlen(decimal), s->number.result,
                        &e);
    int32_t n = unumf_resultToString(s->number.result, wide, 128, &e);
    return U_SUCCESS(e) && n < 128 && add_utf16(out, wide, n);
}

bool locale_money(struct buf *out, const char *locale, const char *currency, const char *decimal)
{
    char skeleton[64];
    for (size_t i = 0; i < 4; i++) {
        bool letter = i < 3 && currency[i] >= 'A' && currency[i] <= 'Z';
        if (!letter && (i < 3 || currency[i] != '\0'))
            return false;
    }
    snprintf(skeleton, sizeof skeleton, "currency/%s", currency);
    return format_number(out, locale, skeleton, decimal);
}

bool locale_number(struct buf *out, const char *locale, int places, const char *decimal)
{
    char skeleton[64] = ".", *at = skeleton + 1;
    for (int i = 0; i < places && i < 40; i++)
        *at++ = '0';
    if (places < 0)
        snprintf(skeleton, sizeof skeleton, ".####################################");
    else if (places == 0)
        snprintf(skeleton, sizeof skeleton, "precision-integer");
    return format_number(out, locale, skeleton, decimal);
}

/* --- dates --------------------------------------------------------------------------------------
 */

static UDateFormat *date_format(const char *locale, enum locale_style style)
{
    static const UDateFormatStyle STYLES[] = {[STYLE_SHORT] = UDAT_SHORT,
                                              [STYLE_MEDIUM] = UDAT_MEDIUM,
                                              [STYLE_LONG] = UDAT_LONG,
                                              [STYLE_FULL] = UDAT_FULL,
                                              [STYLE_TIME] = UDAT_NONE};
    char name[ULOC_FULLNAME_CAPACITY], key[KEY_MAX];
    UErrorCode e = U_ZERO_ERROR;
    if (!icu_locale(locale, name, sizeof name) ||
        snprintf(key, sizeof key, "date|%s|%d", name, (int)style) >= (int)sizeof key)
        return NULL;
    struct slot *s = cache_slot(key);
    if (s->kind == SLOT_FREE) {
        s->date = udat_open(style == STYLE_TIME ? UDAT_SHORT : UDAT_NONE, STYLES[style], name,
                            u"Etc/GMT", -1, NULL, 0, &e);
        if (U_FAILURE(e))
            return NULL;
        s->kind = SLOT_DATE;
    }
    return s->date;
}

bool locale_date(struct buf *out, const char *locale, enum locale_style style, int64_t wall_ms)
{
    UChar wide[200];
    UErrorCode e = U_ZERO_ERROR;
    UDateFormat *format = date_format(locale, style);
    if (format == NULL)
        return false;
    int32_t n = udat_format(format, (UDate)wall_ms, wide, 200, NULL, &e);
    return U_SUCCESS(e) && n < 200 && add_utf16(out, wide, n);
}

bool locale_word(struct buf *out, const char *locale, enum locale_word word, int index)
{
    static const UDateFormatSymbolType TYPES[] = {[WORD_MONTH] = UDAT_MONTHS,
                                                  [WORD_MONTH_SHORT] = UDAT_SHORT_MONTHS,
                                                  [WORD_DAY] = UDAT_WEEKDAYS,
                                                  [WORD_DAY_SHORT] = UDAT_SHORT_WEEKDAYS};
    UChar wide[100];
    UErrorCode e = U_ZERO_ERROR;
    UDateFormat *format = date_format(locale, STYLE_LONG);
    if (format == NULL)
        return false;
    if (word == WORD_DAY || word == WORD_DAY_SHORT)
        index++; /* ICU counts days from 1 */
    int32_t n = udat_getSymbols(format, TYPES[word], index, wide, 100, &e);
    return U_SUCCESS(e) && n < 100 && add_utf16(out, wide, n);
}

static UCalendar *calendar(const char *zone, int64_t utc_ms)
{
    char key[KEY_MAX];
    UChar wide[64], known[64];
    UErrorCode e = U_ZERO_ERROR;
    UBool system_id = false;
    if (strlen(zone) > 60 || snprintf(key, sizeof key, "zone|%s", zone) >= (int)sizeof key)
        return NULL;
    struct slot *s = cache_slot(key);
    if (s->kind == SLOT_FREE) {
        u_uastrcpy(wide, zone);
        ucal_getCanonicalTimeZoneID(wide, -1, known, 64, &system_id, &e);
        s->calendar = ucal_open(wide, -1, "en", UCAL_GREGORIAN, &e);
        if (U_FAILURE(e)) {
            ucal_close(s->calendar);
            return NULL;
        }
        s->kind = SLOT_CALENDAR;
    }
    ucal_setMillis(s->calendar, (UDate)utc_ms, &e);
    return s->calendar;
}

bool locale_offset(const char *zone, int64_t utc_ms, int *ret_seconds)
{
    UErrorCode e = U_ZERO_ERROR;
    UCalendar *c = calendar(zone, utc_ms);
    if (c == NULL)
        return false;
    int32_t ms = ucal_get(c, UCAL_ZONE_OFFSET, &e) + ucal_get(c, UCAL_DST_OFFSET, &e);
    *ret_seconds = ms / 1000;
    return U_SUCCESS(e);
}

bool locale_zone_name(struct buf *out, const char *zone, int64_t utc_ms)
{
    UChar wide[64];
    UErrorCode e = U_ZERO_ERROR;
    UCalendar *c = calendar(zone, utc_ms);
    if (c == NULL)
        return false;
    bool summer = ucal_get(c, UCAL_DST_OFFSET, &e) != 0;
    int32_t n = ucal_getTimeZoneDisplayName(c, summer ? UCAL_SHORT_DST : UCAL_SHORT_STANDARD,
                                            "en_GB", wide, 64, &e);
    return U_SUCCESS(e) && n < 64 && add_utf16(out, wide, n);
}
