/* rfm.c - lazoctl rfm score: scores a CSV of contact, date, amount, without an instance. */
#include "daemon/rfm/rfm.h"

#include "common/clock.h"
#include "common/csv.h"
#include "common/mem.h"
#include "common/yamlj.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/options.h"
#include "daemon/org/currency.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <uthash.h>

#define CENT_DIGITS 2
#define CENT        100.0

struct person {
    UT_hash_handle hh;
    const char *name;
    int64_t last_us, frequency, cents, most;
};

struct scoring {
    void *ctx;
    const char *file;
    int64_t date_us;
    int64_t first_day;         /* INT64_MIN: all of history counts */
    int contact, date, amount; /* columns; -1: not found yet */
    bool header_read, failed;
    struct person *people;
};

static void fault(struct scoring *s, int64_t line, const char *what)
{
    fprintf(stderr, "%s:%" PRId64 ": %s\n", s->file, line, what);
    s->failed = true;
}

static int column_like(const struct csv_record *record, const char *const *names)
{
    for (; *names != NULL; names++)
        for (size_t i = 0; i < record->n; i++)
            if (strcasecmp(record->fields[i], *names) == 0)
                return (int)i;
    return -1;
}

static void read_header(struct scoring *s, const struct csv_record *record)
{
    static const char *const contacts[] = {"contact", "customer_id", "external_id", "email", NULL};
    static const char *const dates[] = {"date", "order_date", "occurred_at", "fecha", NULL};
    static const char *const amounts[] = {"amount", "revenue", "importe", NULL};

    s->header_read = true;
    s->contact = column_like(record, contacts);
    s->date = column_like(record, dates);
    s->amount = column_like(record, amounts);
    if (s->contact < 0 || s->date < 0 || s->amount < 0)
        fault(s, record->line, "a header with the columns contact, date and amount is expected");
}

static struct person *person_get(struct scoring *s, const char *name)
{
    struct person *p;

    HASH_FIND_STR(s->people, name, p);
    if (p != NULL)
        return p;
    p = mem_new(s->ctx, struct person);
    p->name = mem_strdup(p, name);
    p->last_us = INT64_MIN;
    HASH_ADD_KEYPTR(hh, s->people, p->name, strlen(p->name), p);
    return p;
}

/* The number of a day in UTC, before 1970 too. */
static int64_t day_number(int64_t at_us)
{
    return at_us / CLOCK_DAY_US - (at_us % CLOCK_DAY_US < 0);
}

static void read_row(struct scoring *s, const struct csv_record *record)
{
    int most = s->contact > s->date ? s->contact : s->date;
    int64_t at_us, cents;
    struct person *p;

    most = s->amount > most ? s->amount : most;
    if (record->n <= (size_t)most)
        fault(s, record->line, "the line has too few fields");
    else if (!clock_parse(record->fields[s->date], &at_us))
        fault(s, record->line, "the date is no date like 2006-12-31");
    else if (!amount_parse(record->fields[s->amount], CENT_DIGITS, &cents))
        fault(s, record->line, "the amount is no decimal like 25.00");
    else if (at_us <= s->date_us && day_number(at_us) >= s->first_day) {
        p = person_get(s, record->fields[s->contact]);
        p->most = p->frequency == 0 || cents > p->most ? cents : p->most;
        p->last_us = at_us > p->last_us ? at_us : p->last_us;
        p->frequency++;
        p->cents += cents;
    }
}

static void on_record(void *arg, const struct csv_record *record)
{
    struct scoring *s = arg;

    if (record->error != NULL)
        fault(s, record->line, record->error);
    else if (!s->header_read)
        read_header(s, record);
    else if (s->contact >= 0 && s->date >= 0 && s->amount >= 0)
        read_row(s, record);
}

static bool read_file(struct scoring *s)
{
    char bytes[16384];
    size_t n;
    struct csv *csv;
    FILE *in = fopen(s->file, "r");

    if (in == NULL) {
        perror(s->file);
        return false;
    }
    n = fread(bytes, 1, sizeof(bytes), in);
    csv = csv_new(s->ctx, csv_guess_delimiter(bytes, n), on_record, s);
    for (; n > 0; n = fread(bytes, 1, sizeof(bytes), in))
        csv_feed(csv, bytes, n);
    csv_end(csv);
    if (ferror(in)) {
        perror(s->file);
        s->failed = true;
    }
    fclose(in);
    return !s->failed;
}

/* The model's file may be one model, or rfm.yaml of a folder of definitions with one in it. */
static json_t *read_model(const void *ctx, const char *file, struct rfm_model *model)
{
    char text[65536];
    struct diag d;
    size_t n;
    json_t *json;
    FILE *in = fopen(file, "r");

    if (in == NULL) {
        perror(file);
        return NULL;
    }
    n = fread(text, 1, sizeof(text), in);
    fclose(in);
    diag_init(&d, ctx);
    json = yamlj_parse(text, n, &d);
    if (json != NULL && json_object_size(json) == 1 &&
        json_is_object(json_object_iter_value(json_object_iter(json)))) {
        json_t *inner = json_incref(json_object_iter_value(json_object_iter(json)));

        json_decref(json);
        json = inner;
    }
    if (json != NULL && rfm_model_parse(json, model, &d))
        return json;
    for (size_t i = 0; i < d.n; i++)
        fprintf(stderr, "%s:%d:%d: %s%s%s\n", file, d.items[i].line, d.items[i].column,
                d.items[i].pointer == NULL ? "" : d.items[i].pointer,
                d.items[i].pointer == NULL ? "" : ": ", d.items[i].message);
    json_decref(json);
    return NULL;
}

/* M in cents; an average is rounded to a cent, halves away from 0, as the database has it. */
static int64_t person_cents(const struct person *p, enum rfm_monetary monetary)
{
    int64_t half = p->frequency / 2;

    switch (monetary) {
    case RFM_SUM:
        return p->cents;
    case RFM_AVERAGE:
        return (p->cents + (p->cents < 0 ? -half : half)) / p->frequency;
    case RFM_LARGEST:
        return p->most;
    }
    bug("no such M");
}

static void print_scores(struct scoring *s, struct rfm_model *model)
{
    size_t n = HASH_COUNT(s->people), i = 0;
    struct rfm_row *rows = mem_array(s->ctx, struct rfm_row, n);
    struct buf line;

    buf_init(&line, s->ctx, CSV_RECORD_MAX);
    for (struct person *p = s->people; p != NULL; p = p->hh.next, i++) {
        rows[i].recency_days = day_number(s->date_us) - day_number(p->last_us);
        rows[i].frequency = p->frequency;
        rows[i].monetary = (double)person_cents(p, model->money) / CENT;
    }
    rfm_score(model, rows, n);
    puts("contact,recency_days,frequency,monetary,r,f,m,score,label");
    i = 0;
    for (struct person *p = s->people; p != NULL; p = p->hh.next, i++) {
        char amount[AMOUNT_TEXT];

        buf_reset(&line);
        csv_add_field(&line, p->name, strlen(p->name), ',');
        buf_printf(&line, ",%" PRId64 ",%" PRId64 ",%s,%d,%d,%d,%d,", rows[i].recency_days,
                   rows[i].frequency,
                   amount_format(person_cents(p, model->money), CENT_DIGITS, amount), rows[i].r,
                   rows[i].f, rows[i].m, 100 * rows[i].r + 10 * rows[i].f + rows[i].m);
        csv_add_field(&line, rows[i].label, strlen(rows[i].label), ',');
        puts(line.data);
    }
}

int ctl_rfm(int argc, char **argv)
{
    const char *model_file = NULL, *date = NULL;
    const struct option_spec specs[] = {
        {.name = "model", .text = &model_file}, {.name = "date", .text = &date}, {0}};
    MEM_SCOPED void *ctx = talloc_new(NULL);
    struct scoring s = {.ctx = ctx, .contact = -1, .date = -1, .amount = -1};
    struct rfm_model model;
    json_t *json;
    bool read;

    if (!options_parse(&argc, argv, specs) || argc != 3 || model_file == NULL || date == NULL)
        return ctl_usage("rfm");
    s.file = argv[2];
    if (!clock_parse(date, &s.date_us)) {
        fprintf(stderr, "lazoctl rfm: --date is no date like 2006-12-31\n");
        return CTL_USAGE;
    }
    /* A day is meant whole. */
    if (strlen(date) == 10)
        s.date_us += CLOCK_DAY_US - 1;
    json = read_model(ctx, model_file, &model);
    if (json == NULL)
        return CTL_FAILED;
    s.first_day = rfm_first_day(&model, day_number(s.date_us));
    read = read_file(&s);
    if (read)
        print_scores(&s, &model);
    json_decref(json);
    HASH_CLEAR(hh, s.people);
    return read ? CTL_DONE : CTL_FAILED;
}
