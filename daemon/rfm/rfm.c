/* rfm.c - see rfm.h. */
#include "daemon/rfm/rfm.h"

#include "common/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- the model ------------------------------------------------------------------------------- */

static bool parse_range(const json_t *box, const char *key, int classes, int range[2])
{
    const json_t *array = json_object_get(box, key);
    json_int_t from = json_integer_value(json_array_get(array, 0));
    json_int_t to = json_integer_value(json_array_get(array, 1));

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
                       "label %zu: label and r, f, m as [from, to] within 1 to %d are expected",
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
    for (int i = 1; i < model->classes; i++)
        breaks[i - 1] =
            rfm_quantile(values, n, (double)i / model->classes) + (model->integer_bins ? 1 : 0);
    talloc_free(values);
}

static bool within(int score, const int range[2])
{
    return score >= range[0] && score <= range[1];
}

static const char *find_label(const struct rfm_model *model, int r, int f, int m)
{
    for (size_t i = 0; i < model->n_labels; i++)
        if (within(r, model->labels[i].r) && within(f, model->labels[i].f) &&
            within(m, model->labels[i].m))
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

int rfm_uncovered(const struct rfm_model *model)
{
    int uncovered = 0;

    for (int r = 1; r <= model->classes; r++)
        for (int f = 1; f <= model->classes; f++)
            for (int m = 1; m <= model->classes; m++)
                uncovered += find_label(model, r, f, m) == NULL;
    return uncovered;
}

/* Whether some triple gets a label of this name. */
static bool reachable(const struct rfm_model *model, const char *label)
{
    for (int r = 1; r <= model->classes; r++)
        for (int f = 1; f <= model->classes; f++)
            for (int m = 1; m <= model->classes; m++) {
                const char *found = find_label(model, r, f, m);

                if (found != NULL && strcmp(found, label) == 0)
                    return true;
            }
    return false;
}

static bool is_among(const json_t *names, const char *name)
{
    const json_t *item;
    size_t i;

    json_array_foreach(names, i, item)
    {
        if (strcmp(json_string_value(item), name) == 0)
            return true;
    }
    return false;
}

json_t *rfm_coverage(const struct rfm_model *model)
{
    json_t *names = mem_must(json_array());

    for (size_t i = 0; i < model->n_labels; i++) {
        const char *label = model->labels[i].label;

        if (!is_among(names, label) && !reachable(model, label))
            json_array_append_new(names, json_string(label));
    }
    return mem_must(json_pack("{s:i, s:i, s:o}", "triples",
                              model->classes * model->classes * model->classes, "uncovered",
                              rfm_uncovered(model), "unreachable", names));
}
