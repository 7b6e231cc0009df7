/* rfm.c - see rfm.h. */
#include "daemon/rfm/rfm.h"

#include "common/clock.h"
#include "common/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Breaks have six decimals: 0.7 of 90 comes out a little under 63, and the value itself would be
 * above its own quantile. */
#define BREAK_PARTS 1e6

/* Further back the database has no days, and none of the organisation's contacts could be
 * evaluated. */
#define LOOK_BACK_MONTHS 12000

/* --- the model ------------------------------------------------------------------------------- */

static bool parse_range(const json_t *box, const char *key, int classes, int range[2])
{
    const json_t *array = json_object_get(box, key);
    json_int_t from = json_integer_value(json_array_get(array, 0));
    json_int_t to = json_integer_value(json_array_get(array, 1));

    if (array == NULL || json_is_null(array)) {
        range[0] = 1;
        range[1] = classes;
        return true;
    }
    if (json_array_size(array) != 2 || from < 1 || from > to || to > classes)
        return false;
    range[0] = (int)from;
    range[1] = (int)to;
    return true;
}

static void parse_labels(const json_t *json, struct rfm_model *model, struct diag *d)
{
    const json_t *labels = json_object_get(json, "labels"), *box;
    size_t i;

    if (labels != NULL && (!json_is_array(labels) || json_array_size(labels) > RFM_LABELS_MAX)) {
        diag_field(d, "/labels", "a list of at most %d labels is expected", RFM_LABELS_MAX);
        return;
    }
    json_array_foreach(labels, i, box)
    {
        struct rfm_label *l = &model->labels[i];

        l->label = json_string_value(json_object_get(box, "label"));
        if (l->label == NULL || !parse_range(box, "r", model->classes, l->r) ||
            !parse_range(box, "f", model->classes, l->f) ||
            !parse_range(box, "m", model->classes, l->m)) {
            diag_field(d, "/labels",
                       "label %zu: a label is expected, and r, f, m as [from, to] within 1 to %d",
                       i + 1, model->classes);
            return;
        }
        model->n_labels = i + 1;
    }
}

static void parse_breaks(const json_t *json, const char *key, int n, double *breaks, struct diag *d)
{
    const json_t *array = json_object_get(json_object_get(json, "breaks"), key);

    if (json_array_size(array) != (size_t)n) {
        diag_field(d, "/breaks", "%s: %d ascending numbers are expected", key, n);
        return;
    }
    for (int i = 0; i < n; i++) {
        breaks[i] = json_number_value(json_array_get(array, (size_t)i));
        if (!json_is_number(json_array_get(array, (size_t)i)) ||
            (i > 0 && breaks[i] < breaks[i - 1]))
            diag_field(d, "/breaks", "%s: %d ascending numbers are expected", key, n);
    }
}

static void parse_monetary(const json_t *json, struct rfm_model *model, struct diag *d)
{
    static const char *const words[] = {
        [RFM_SUM] = "sum", [RFM_AVERAGE] = "average", [RFM_LARGEST] = "largest"};
    const json_t *given = json_object_get(json, "monetary");
    const char *word = json_string_value(given);

    if (given == NULL || json_is_null(given))
        return;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (word != NULL && strcmp(word, words[i]) == 0) {
            model->money = (enum rfm_monetary)i;
            return;
        }
    }
    diag_field(d, "/monetary", "sum, average or largest is expected");
}

bool rfm_look_back_parse(const char *text, int *ret_days, int *ret_months)
{
    static const struct {
        const char *unit;
        int days, months;
    } units[] = {{"day", 1, 0}, {"week", 7, 0}, {"month", 0, 1}, {"year", 0, 12}};
    size_t digits = strspn(text, "0123456789");
    int n = digits < 1 || digits > 4 ? 0 : (int)strtol(text, NULL, 10);

    if (n == 0 || text[digits] != ' ')
        return false;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        const char *rest = text + digits + 1;
        size_t length = strlen(units[i].unit);

        if (strncmp(rest, units[i].unit, length) == 0 && n * units[i].months <= LOOK_BACK_MONTHS &&
            (rest[length] == '\0' || strcmp(rest + length, "s") == 0)) {
            *ret_days = n * units[i].days;
            *ret_months = n * units[i].months;
            return true;
        }
    }
    return false;
}

static void parse_look_back(const json_t *json, struct rfm_model *model, struct diag *d)
{
    const json_t *given = json_object_get(json, "look_back");
    const char *text = json_string_value(given);

    if (given == NULL || json_is_null(given))
        return;
    if (text == NULL ||
        !rfm_look_back_parse(text, &model->look_back_days, &model->look_back_months))
        diag_field(d, "/look_back", RFM_LOOK_BACK_EXPECTED);
}

bool rfm_model_parse(const json_t *json, struct rfm_model *model, struct diag *d)
{
    const json_t *given = json_object_get(json, "classes");
    json_int_t classes = given == NULL ? 5 : json_integer_value(given);
    const json_t *scoring = json_object_get(json, "scoring");
    const json_t *integer_bins = json_object_get(json, "integer_bins");
    const char *how = scoring == NULL ? "quantile" : json_string_value(scoring);
    size_t before = d->n;

    memset(model, 0, sizeof(*model));
    if (classes < RFM_CLASSES_MIN || classes > RFM_CLASSES_MAX) {
        diag_field(d, "/classes", "%d to %d classes are expected", RFM_CLASSES_MIN,
                   RFM_CLASSES_MAX);
        return false;
    }
    model->classes = (int)classes;
    model->fixed = how != NULL && strcmp(how, "fixed") == 0;
    if (how == NULL || (!model->fixed && strcmp(how, "quantile") != 0))
        diag_field(d, "/scoring", "quantile or fixed is expected");
    if (integer_bins != NULL && !json_is_boolean(integer_bins))
        diag_field(d, "/integer_bins", "true or false is expected");
    model->integer_bins = json_is_true(integer_bins);
    parse_monetary(json, model, d);
    parse_look_back(json, model, d);
    parse_labels(json, model, d);
    if (model->fixed) {
        parse_breaks(json, "recency", model->classes - 1, model->recency, d);
        parse_breaks(json, "frequency", model->classes - 1, model->frequency, d);
        parse_breaks(json, "monetary", model->classes - 1, model->monetary, d);
    }
    return d->n == before;
}

/* --- arithmetic ------------------------------------------------------------------------------- */

double rfm_quantile(const double *sorted, size_t n, double p)
{
    double at = (double)(n - 1) * p, below = floor(at);
    size_t i = (size_t)below;

    if (i + 1 >= n)
        return sorted[n - 1];
    return sorted[i] + (at - below) * (sorted[i + 1] - sorted[i]);
}

int rfm_class(double x, const double *breaks, int n_breaks, bool reached)
{
    int class = 1;

    for (int i = 0; i < n_breaks; i++)
        class += reached ? x >= breaks[i] : x > breaks[i];
    return class;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double value_of(const struct rfm_row *row, int measure)
{
    return measure == 0   ? (double)row->recency_days
           : measure == 1 ? (double)row->frequency
                          : row->monetary;
}

static void find_breaks(const struct rfm_model *model, const struct rfm_row *rows, size_t n,
                        int measure, double *breaks)
{
    double *values = mem_array(NULL, double, n);

    for (size_t i = 0; i < n; i++)
        values[i] = value_of(&rows[i], measure);
    qsort(values, n, sizeof(values[0]), compare_doubles);
    for (int i = 1; i < model->classes; i++) {
        double q = rfm_quantile(values, n, (double)i / model->classes);

        breaks[i - 1] = round((q + (model->integer_bins ? 1 : 0)) * BREAK_PARTS) / BREAK_PARTS;
    }
    talloc_free(values);
}

static bool within(int score, const int range[2])
{
    return score >= range[0] && score <= range[1];
}

static bool holds(const struct rfm_label *box, int r, int f, int m)
{
    return within(r, box->r) && within(f, box->f) && within(m, box->m);
}

static const char *find_label(const struct rfm_model *model, int r, int f, int m)
{
    for (size_t i = 0; i < model->n_labels; i++)
        if (holds(&model->labels[i], r, f, m))
            return model->labels[i].label;
    return NULL;
}

void rfm_score(struct rfm_model *model, struct rfm_row *rows, size_t n)
{
    bool reached_r = !model->fixed && model->integer_bins,
         reached_fm = model->fixed || model->integer_bins;
    int breaks = model->classes - 1;

    if (n == 0)
        return;
    if (!model->fixed) {
        find_breaks(model, rows, n, 0, model->recency);
        find_breaks(model, rows, n, 1, model->frequency);
        find_breaks(model, rows, n, 2, model->monetary);
    }
    for (size_t i = 0; i < n; i++) {
        struct rfm_row *row = &rows[i];

        row->r = model->classes + 1 -
                 rfm_class((double)row->recency_days, model->recency, breaks, reached_r);
        row->f = rfm_class((double)row->frequency, model->frequency, breaks, reached_fm);
        row->m = rfm_class(row->monetary, model->monetary, breaks, reached_fm);
        row->label = find_label(model, row->r, row->f, row->m);
        if (row->label == NULL)
            row->label = "";
    }
}

/* --- the look-back -------------------------------------------------------------------------------
 */

/* Days since 1970 of a day of the Gregorian calendar; `month` counts from 0 and may be any. */
static int64_t day_of(int64_t year, int64_t month, int64_t day)
{
    int64_t y, m, era, of_era;

    year += month / 12 - (month % 12 < 0);
    month = (month % 12 + 12) % 12;
    /* Years that begin in March end with the leap day. */
    y = month < 2 ? year - 1 : year;
    m = (month + 10) % 12;
    era = (y >= 0 ? y : y - 399) / 400;
    of_era = y - era * 400;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + (153 * m + 2) / 5 + day - 1 -
           719468;
}

int64_t rfm_first_day(const struct rfm_model *model, int64_t today)
{
    struct tm tm;
    int64_t month, first, length;

    if (model->look_back_days == 0 && model->look_back_months == 0)
        return INT64_MIN;
    if (model->look_back_days > 0)
        return today - model->look_back_days + 1;
    clock_utc(today * CLOCK_DAY_US, &tm);
    month = tm.tm_mon - model->look_back_months;
    first = day_of(tm.tm_year + INT64_C(1900), month, 1);
    length = day_of(tm.tm_year + INT64_C(1900), month + 1, 1) - first;
    return first + (tm.tm_mday < length ? tm.tm_mday : length);
}

/* --- what the labels cover -----------------------------------------------------------------------
 */

int rfm_uncovered(const struct rfm_model *model)
{
    int uncovered = 0;

    for (int r = 1; r <= model->classes; r++)
        for (int f = 1; f <= model->classes; f++)
            for (int m = 1; m <= model->classes; m++)
                uncovered += find_label(model, r, f, m) == NULL;
    return uncovered;
}

/* The names of the boxes that are the first to hold some triple; the rest cannot be reached. */
static json_t *unreachable(const struct rfm_model *model)
{
    bool reached[RFM_LABELS_MAX] = {false};
    json_t *names = mem_must(json_object()), *list = mem_must(json_array());

    for (int r = 1; r <= model->classes; r++)
        for (int f = 1; f <= model->classes; f++)
            for (int m = 1; m <= model->classes; m++)
                for (size_t i = 0; i < model->n_labels; i++)
                    if (holds(&model->labels[i], r, f, m)) {
                        reached[i] = true;
                        break;
                    }
    for (size_t i = 0; i < model->n_labels; i++)
        if (reached[i])
            json_object_set_new(names, model->labels[i].label, json_true());
    for (size_t i = 0; i < model->n_labels; i++) {
        const char *label = model->labels[i].label;

        if (json_object_get(names, label) != NULL)
            continue;
        json_array_append_new(list, json_string(label));
        json_object_set_new(names, label, json_true());
    }
    json_decref(names);
    return list;
}

static json_t *unnamed(const struct rfm_model *model)
{
    json_t *list = mem_must(json_array());

    for (int r = 1; r <= model->classes; r++)
        for (int f = 1; f <= model->classes; f++)
            for (int m = 1; m <= model->classes; m++)
                if (json_array_size(list) < RFM_UNNAMED_MAX && find_label(model, r, f, m) == NULL)
                    json_array_append_new(list, json_pack("[i, i, i]", r, f, m));
    return list;
}

json_t *rfm_coverage(const struct rfm_model *model)
{
    return mem_must(json_pack("{s:i, s:i, s:o, s:o}", "triples",
                              model->classes * model->classes * model->classes, "uncovered",
                              rfm_uncovered(model), "unnamed", unnamed(model), "unreachable",
                              unreachable(model)));
}

json_t *rfm_warnings(const struct rfm_model *model)
{
    json_t *list = mem_must(json_array()), *names = unreachable(model), *name;
    int uncovered = rfm_uncovered(model);
    size_t i;

    if (model->n_labels > 0 && uncovered > 0)
        json_array_append_new(list, json_sprintf("%d of %d combinations of scores have no label",
                                                 uncovered,
                                                 model->classes * model->classes * model->classes));
    json_array_foreach(names, i, name) json_array_append_new(
        list, json_sprintf("no score gets the label \"%s\": labels before it take all of its box",
                           json_string_value(name)));
    json_decref(names);
    return list;
}
