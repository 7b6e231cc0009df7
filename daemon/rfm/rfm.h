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

/* A box of scores, both ends inclusive, and its name. */
struct rfm_label {
    const char *label;
    int r[2], f[2], m[2];
};

struct rfm_model {
    int classes;
    bool fixed;        /* breaks are given; else they are quantiles */
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
 * labels, breaks. Labels are borrowed from `json`. */
bool rfm_model_parse(const json_t *json, struct rfm_model *ret_model, struct diag *d);
/* rfm_quantile() - type 7 (linear interpolation) of `n` > 0 ascending values at 0 <= p <= 1. */
double rfm_quantile(const double *sorted, size_t n, double p);
/* rfm_class() - 1 + how many of the breaks `x` has reached (x >= b) or, without `reached`, passed
 * (x > b). */
int rfm_class(double x, const double *breaks, int n_breaks, bool reached);
/* rfm_score() - fills r, f, m and label of all rows; quantiles are of these rows and are left in
 * the model. */
void rfm_score(struct rfm_model *, struct rfm_row *rows, size_t n);
/* rfm_uncovered() - how many of the classes³ score triples no box holds. */
int rfm_uncovered(const struct rfm_model *);
/* rfm_coverage() - {"triples": classes³, "uncovered": how many of them no box holds, "unreachable":
 * names of the labels that no triple gets, since boxes before theirs take all}; a new reference. */
json_t *rfm_coverage(const struct rfm_model *);

#endif
