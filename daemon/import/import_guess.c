/* import_guess.c - see import_guess.h. Each column is watched for how its days and amounts are
 * written; the columns that the headings make days and amounts then decide. One value like
 * 31/12/2006 settles for all that the day comes first. */
#include "daemon/import/import_guess.h"

#include "common/mem.h"
#include "common/text.h"
#include "common/utf8.h"
#include "daemon/import/import_settings.h"

#include <string.h>

#define SAMPLE      10
#define SAMPLE_TEXT 200
#define DIGITS      "0123456789"

struct days_seen {
    int64_t year_first, day_first, month_first, either, two_digits;
};
struct marks_seen {
    int64_t decimal_comma, decimal_point, thousands_comma, thousands_point, either;
};
struct column_seen {
    struct days_seen days;
    struct marks_seen marks;
    char split; /* between two e-mail addresses of one cell; 0: none was seen */
};

struct import_guess {
    struct import_map map; /* headings; a field where the heading says it */
    struct column_seen *columns;
    int64_t rows;
    json_t *sample;
};

static int guess_free(struct import_guess *g)
{
    json_decref(g->sample);
    return 0;
}

struct import_guess *import_guess_new(const void *ctx)
{
    struct import_guess *g = mem_new(ctx, struct import_guess);

    g->sample = mem_must(json_array());
    talloc_set_destructor(g, guess_free);
    return g;
}

void import_guess_header(struct import_guess *g, const char *const *fields, size_t n)
{
    import_map_header(g, fields, n, &g->map);
    g->columns = mem_array(g, struct column_seen, n);
    for (size_t i = 0; i < n; i++) {
        const char *heading = g->map.headings[i];
        const char *field = import_field_known(heading) ? heading : import_map_guess(heading);

        if (field != NULL && (import_field_again(field) || import_map_field(&g->map, field) < 0))
            g->map.fields[i] = field;
    }
}

/* --- days ---------------------------------------------------------------------------------------
 */

static void day_look(struct days_seen *seen, const char *s)
{
    size_t a = strspn(s, DIGITS), b, c;
    int first, second;

    if (a < 1 || a > 4 || s[a] == '\0' || strchr("/-.", s[a]) == NULL)
        return;
    b = strspn(s + a + 1, DIGITS);
    if (b < 1 || b > 2 || s[a + 1 + b] != s[a])
        return;
    c = strspn(s + a + b + 2, DIGITS);
    if (a == 4) {
        seen->year_first += c == 1 || c == 2;
        return;
    }
    if (a > 2 || (c != 2 && c != 4))
        return;
    first = a == 1 ? s[0] - '0' : (s[0] - '0') * 10 + s[1] - '0';
    second = b == 1 ? s[a + 1] - '0' : (s[a + 1] - '0') * 10 + s[a + 2] - '0';
    seen->two_digits += c == 2;
    if (first > 12 && second <= 12)
        seen->day_first++;
    else if (second > 12 && first <= 12)
        seen->month_first++;
    else
        seen->either++;
}

/* --- amounts ------------------------------------------------------------------------------------
 */

static void amount_look(struct marks_seen *seen, const char *s)
{
    const char *comma = strrchr(s, ','), *point = strrchr(s, '.'), *last;
    size_t after;

    if (strpbrk(s, DIGITS) == NULL || (comma == NULL && point == NULL))
        return;
    last = comma == NULL ? point : point == NULL ? comma : comma > point ? comma : point;
    after = strspn(last + 1, DIGITS);
    if (comma != NULL && point != NULL) {
        seen->decimal_comma += last == comma;
        seen->thousands_point += last == comma;
        seen->decimal_point += last == point;
        seen->thousands_comma += last == point;
    } else if (after == 3) {
        seen->either++;
        seen->thousands_comma += comma != NULL && strchr(s, ',') != comma;
        seen->thousands_point += point != NULL && strchr(s, '.') != point;
    } else if (last == comma) {
        seen->decimal_comma++;
    } else {
        seen->decimal_point++;
    }
}

/* --- several addresses in a cell
 * ---------------------------------------------------------------------------------------
 */

static char split_look(const char *s)
{
    const char *first = strchr(s, '@'),
               *mark = first == NULL ? NULL : strpbrk(first, IMPORT_SPLITS);

    return mark != NULL && strchr(mark, '@') != NULL ? *mark : 0;
}

/* --- rows ---------------------------------------------------------------------------------------
 */

/* At most so many bytes, not ending within a character. */
static json_t *cut(const char *s)
{
    return json_stringn(s, utf8_fit(s, SAMPLE_TEXT));
}

static void sample_add(struct import_guess *g, const char *const *fields, size_t n)
{
    json_t *row = mem_must(json_array());

    for (size_t i = 0; i < n; i++)
        json_array_append_new(row, cut(fields[i]));
    json_array_append_new(g->sample, row);
}

void import_guess_row(struct import_guess *g, const char *const *fields, size_t n)
{
    g->rows++;
    if (json_array_size(g->sample) < SAMPLE && n > 0)
        sample_add(g, fields, n);
    for (size_t i = 0; i < n && i < g->map.n; i++) {
        const char *s = fields[i] + strspn(fields[i], " ");

        day_look(&g->columns[i].days, s);
        amount_look(&g->columns[i].marks, s);
        if (g->columns[i].split == 0)
            g->columns[i].split = split_look(s);
    }
}

/* --- the end ------------------------------------------------------------------------------------
 */

static bool is_day(const char *field)
{
    return strcmp(field, "occurred_at") == 0 || strcmp(field, "birth_date") == 0;
}

static struct column_seen seen_together(const struct import_guess *g)
{
    struct column_seen all = {0};

    for (size_t i = 0; i < g->map.n; i++) {
        const struct column_seen *c = &g->columns[i];
        const char *field = g->map.fields[i];

        if (field != NULL && is_day(field)) {
            all.days.year_first += c->days.year_first;
            all.days.day_first += c->days.day_first;
            all.days.month_first += c->days.month_first;
            all.days.either += c->days.either;
            all.days.two_digits += c->days.two_digits;
        }
        if (field != NULL && strcmp(field, "amount") == 0)
            all.marks = c->marks;
        if (field != NULL && strcmp(field, "email") == 0 && all.split == 0)
            all.split = c->split;
    }
    return all;
}

static void days_guess(const struct days_seen *d, json_t *settings, json_t *ambiguous)
{
    int64_t others = d->day_first + d->month_first + d->either;
    bool shorts = d->two_digits > 0;
    const char *order;

    if (d->year_first + others == 0)
        return;
    if (d->year_first > 0 && others == 0)
        order = "yyyy-mm-dd";
    else if (d->month_first > d->day_first)
        order = shorts ? "mm/dd/yy" : "mm/dd/yyyy";
    else
        order = shorts ? "dd/mm/yy" : "dd/mm/yyyy";
    json_object_set_new(settings, "dates", json_string(order));
    if ((d->year_first > 0 && others > 0) || (d->day_first > 0 && d->month_first > 0) ||
        (others > 0 && d->day_first + d->month_first == 0))
        json_array_append_new(ambiguous, json_string("dates"));
}

static void marks_guess(const struct marks_seen *m, json_t *settings, json_t *ambiguous)
{
    bool comma = m->decimal_comma > m->decimal_point || (m->thousands_point > m->thousands_comma);

    if (m->decimal_comma + m->decimal_point + m->either == 0)
        return;
    json_object_set_new(settings, "decimal", json_string(comma ? "," : "."));
    if (comma ? m->thousands_point > 0 : m->thousands_comma > 0)
        json_object_set_new(settings, "thousands", json_string(comma ? "." : ","));
    if ((m->decimal_comma > 0 && m->decimal_point > 0) ||
        (m->decimal_comma + m->decimal_point == 0 && m->either > 0))
        json_array_append_new(ambiguous, json_string("decimal"));
}

static bool is_history(const struct import_map *map)
{
    return import_map_field(map, "amount") >= 0 || import_map_field(map, "occurred_at") >= 0 ||
           import_map_field(map, "kind") >= 0;
}

static json_t *settings_guess(const struct import_guess *g, json_t *unknown, json_t *ambiguous)
{
    struct column_seen all = seen_together(g);
    json_t *columns = mem_must(json_object()), *settings = mem_must(json_object());

    json_object_set_new(settings, "what",
                        json_string(is_history(&g->map) ? "interactions" : "contacts"));
    for (size_t i = 0; i < g->map.n; i++) {
        if (g->map.fields[i] != NULL)
            json_object_set_new(columns, g->map.headings[i], json_string(g->map.fields[i]));
        else
            json_array_append_new(unknown, json_string(g->map.headings[i]));
    }
    json_object_set_new(settings, "columns", columns);
    days_guess(&all.days, settings, ambiguous);
    marks_guess(&all.marks, settings, ambiguous);
    if (all.split != 0)
        json_object_set_new(settings, "split", json_stringn(&all.split, 1));
    return settings;
}

json_t *import_guess_end(const struct import_guess *g, const char *encoding, char delimiter,
                         const char *time_zone)
{
    json_t *guess, *settings, *headings, *unknown, *ambiguous;

    if (g->columns == NULL)
        return NULL;
    headings = mem_must(json_array());
    unknown = mem_must(json_array());
    ambiguous = mem_must(json_array());
    for (size_t i = 0; i < g->map.n; i++)
        json_array_append_new(headings, json_string(g->map.headings[i]));
    settings = settings_guess(g, unknown, ambiguous);
    json_object_set_new(settings, "encoding", json_string(encoding));
    json_object_set_new(settings, "delimiter", json_stringn(&delimiter, 1));
    json_object_set_new(settings, "time_zone", json_string(time_zone));
    guess = mem_must(json_object());
    json_object_set_new(guess, "headings", headings);
    json_object_set_new(guess, "rows", json_integer(g->rows));
    json_object_set(guess, "sample", g->sample);
    json_object_set_new(guess, "unknown", unknown);
    json_object_set_new(guess, "ambiguous", ambiguous);
    json_object_set_new(guess, "settings", settings);
    return guess;
}
