/* rfm.h - the arithmetic of recency, frequency and money, in C: quantiles, classes, labels. Pure.
 *
 * The database scores an organisation's contacts (schema/statements/rfm.sql) by the same
 * definitions; this is for files and for tests of those. */
#ifndef LAZO_DAEMON_RFM_RFM_H
#define LAZO_DAEMON_RFM_RFM_H

#include "common/diag.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RFM_CLASSES_MIN 3
#define RFM_CLASSES_MAX 10
#define RFM_LABELS_MAX  200

/* What M is of the amounts. */
enum rfm_monetary { RFM_SUM, RFM_AVERAGE, RFM_LARGEST };

/* A box of scores, both ends inclusive, and its name. */
struct rfm_label {
    const char *label;
    int r[2], f[2], m[2];
};

struct rfm_model {
    int classes;
    enum rfm_monetary money;
    int look_back_days, look_back_months; /* one of them; both 0: all of history counts */
    bool fixed;                           /* breaks are given; else they are quantiles */
    bool integer_bins; /* a class begins at quantile + 1 unit, as the R package rfm has it */
    double recency[RFM_CLASSES_MAX], frequency[RFM_CLASSES_MAX],
        monetary[RFM_CLASSES_MAX]; /* classes - 1 breaks */
    struct rfm_label labels[RFM_LABELS_MAX];
    size_t n_labels;
};

struct rfm_row {
    int64_t recency_days, frequency;
    double monetary; /* in units of the currency */
    int r, f, m;
    const char *label; /* of the model; "" where no box holds */
};

/* rfm_model_parse() - from the shape of PUT /v1/rfm/{model}: classes, scoring, integer_bins,
 * labels, breaks, monetary, look_back. A side that a label does not name is all of the classes.
 * Labels are borrowed from `json`. */
bool rfm_model_parse(const json_t *json, struct rfm_model *ret_model, struct diag *d);
/* rfm_look_back_parse() - "36 months": a number of at most four digits and days, weeks, months or
 * years, a thousand years at most, in days or in months; the other one is 0. */
#define RFM_LOOK_BACK_EXPECTED                                                                     \
    "a time like \"36 months\" is expected: days, weeks, months, years, a thousand years at most"
bool rfm_look_back_parse(const char *text, int *ret_days, int *ret_months);
/* rfm_quantile() - type 7 (linear interpolation) of `n` > 0 ascending values at 0 <= p <= 1. */
double rfm_quantile(const double *sorted, size_t n, double p);
/* rfm_class() - 1 + how many of the breaks `x` has reached (x >= b) or, without `reached`, passed
 * (x > b). */
int rfm_class(double x, const double *breaks, int n_breaks, bool reached);
/* rfm_score() - fills r, f, m and label of all rows; quantiles are of these rows and are left in
 * the model. */
void rfm_score(struct rfm_model *, struct rfm_row *rows, size_t n);
/* rfm_first_day() - the first day that counts on `today`, both in days since 1970; INT64_MIN: all
 * of history. `36 months` before 31 March ends with the last day of that March's month 36 months
 * earlier, as PostgreSQL subtracts months. */
int64_t rfm_first_day(const struct rfm_model *, int64_t today);
/* rfm_uncovered() - how many of the classes³ score triples no box holds. */
int rfm_uncovered(const struct rfm_model *);
/* rfm_coverage() - {"triples": classes³, "uncovered": how many of them no box holds, "unnamed": the
 * first RFM_UNNAMED_MAX of those as [r, f, m], "unreachable": names of the labels that no triple
 * gets, since boxes before theirs take all}; a new reference. */
#define RFM_UNNAMED_MAX 20
json_t *rfm_coverage(const struct rfm_model *);
/* rfm_warnings() - the same as sentences for who made the model: a list of texts, empty where every
 * triple has a label and every label a triple, or where there are no labels at all; a new
 * reference. */
json_t *rfm_warnings(const struct rfm_model *);

#endif
