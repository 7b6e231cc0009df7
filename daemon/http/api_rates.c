/* api_rates.c - /v1/rates: what other currencies are worth in the organisation's own. */
#include "common/clock.h"
#include "common/mem.h"
#include "daemon/http/api_define.h"
#include "daemon/org/currency.h"

#include <string.h>

#define RATES_MAX   1000
#define RATE_DIGITS 12 /* before and after the point, as the database has them */

struct rates {
    struct app *app;
    struct http_request *req;
    json_t *document; /* borrowed of the request */
};

/* --- the list -------------------------------------------------------------------------------- */

static bool is_day(const char *s)
{
    int64_t at_us;

    return strlen(s) == 10 && clock_parse(s, &at_us);
}

/* A cursor is CODE.DAY of the last one shown. */
static bool cursor_read(struct http_request *req, const char **ret_currency, const char **ret_day)
{
    const char *after = http_query(req, "after");
    char *currency;

    *ret_currency = *ret_day = NULL;
    if (after == NULL)
        return true;
    currency = mem_printf(http_ctx(req), "%.3s", after);
    if (!currency_is_code(currency) || after[3] != '.' || !is_day(after + 4)) {
        http_problem(req, 400, NULL, "after is no cursor of this list");
        return false;
    }
    *ret_currency = currency;
    *ret_day = after + 4;
    return true;
}

void api_rates_list(void *app, struct http_request *req)
{
    const char *currency, *day;
    struct pgargs args;
    int limit;

    if (!http_limit(req, &limit) || !cursor_read(req, &currency, &day))
        return;
    pgargs_init(&args, http_ctx(req));
    pgargs_text(&args, http_query(req, "currency"));
    pgargs_text(&args, currency);
    pgargs_text(&args, day);
    pgargs_int(&args, limit + 1);
    api_list(app, req, Q_API_RATE_LIST, &args, limit, NULL);
}

/* --- setting --------------------------------------------------------------------------------- */

/* Above zero; an exact decimal of at most twelve digits on each side of the point. */
static bool is_rate(const char *s)
{
    size_t whole = strspn(s, "0123456789"), part = 0;

    if (s[whole] == '.')
        part = strspn(s + whole + 1, "0123456789");
    return whole > 0 && whole <= RATE_DIGITS && part <= RATE_DIGITS &&
           s[whole + (s[whole] == '.' ? part + 1 : 0)] == '\0' && (s[whole] != '.' || part > 0) &&
           strpbrk(s, "123456789") != NULL;
}

struct columns {
    struct pgarray currency, digits, day, rate;
};

static void refuse_unknown(const void *ctx, const json_t *item, const char *pointer, struct diag *d)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)item, name, value)
    {
        if (strcmp(name, "currency") != 0 && strcmp(name, "rate") != 0 && strcmp(name, "on") != 0)
            diag_field(d, diag_pointer(ctx, pointer, name),
                       "unknown field; currency, rate and on are expected");
    }
}

/* rate_read() - one item; mistakes go to `d` at `pointer`. */
static void rate_read(const void *ctx, const json_t *item, const char *pointer, const char *own,
                      struct columns *c, struct diag *d)
{
    const char *currency = json_string_value(json_object_get(item, "currency"));
    const json_t *on = json_object_get(item, "on");
    const char *day = json_string_value(on);
    char rate[AMOUNT_TEXT] = "";

    refuse_unknown(ctx, item, pointer, d);
    if (currency == NULL || !currency_is_code(currency))
        diag_field(d, mem_printf(ctx, "%s/currency", pointer),
                   "a currency is expected: three capital letters, like USD");
    else if (strcmp(currency, own) == 0)
        diag_field(d, mem_printf(ctx, "%s/currency", pointer),
                   "%s is the organisation's own currency", own);
    if (!amount_text(json_object_get(item, "rate"), rate) || !is_rate(rate))
        diag_field(d, mem_printf(ctx, "%s/rate", pointer),
                   "what one unit is worth in %s is expected, a decimal like \"0.92\"", own);
    if (on != NULL && !json_is_null(on) && (day == NULL || !is_day(day)))
        diag_field(d, mem_printf(ctx, "%s/on", pointer), "a day is expected, like 2026-03-01");
    if (d->n > 0)
        return;
    pgarray_text(&c->currency, currency);
    pgarray_int(&c->digits, currency_digits(currency));
    pgarray_text(&c->day, day);
    pgarray_text(&c->rate, rate);
}

static void rates_read(struct rates *r, const struct catalogue *catalogue, struct columns *c,
                       struct diag *d)
{
    const void *ctx = http_ctx(r->req);
    json_t *item;
    size_t i;

    if (!json_is_array(r->document)) {
        rate_read(ctx, r->document, "", catalogue->currency, c, d);
        return;
    }
    if (json_array_size(r->document) > RATES_MAX)
        diag_field(d, "", "at most %d rates are taken at once", RATES_MAX);
    json_array_foreach(r->document, i, item)
    {
        const char *pointer = mem_printf(ctx, "/%zu", i);

        if (i >= RATES_MAX)
            break;
        if (json_is_object(item))
            rate_read(ctx, item, pointer, catalogue->currency, c, d);
        else
            diag_field(d, pointer, "an object is expected: currency, rate and on");
    }
}

static void rates_on_org(void *arg, const struct org *org)
{
    struct rates *r = arg;
    const void *ctx = http_ctx(r->req);
    struct api_body body = {.req = r->req};
    struct columns c;
    struct pgargs args;

    if (org == NULL) {
        api_away(r->req);
        return;
    }
    pgarray_init(&c.currency, ctx);
    pgarray_init(&c.digits, ctx);
    pgarray_init(&c.day, ctx);
    pgarray_init(&c.rate, ctx);
    diag_init(&body.mistakes, ctx);
    rates_read(r, &org->catalogue, &c, &body.mistakes);
    if (!api_body_ok(&body))
        return;
    pgargs_init(&args, ctx);
    pgargs_array(&args, &c.currency);
    pgargs_array(&args, &c.digits);
    pgargs_array(&args, &c.day);
    pgargs_instant(&args, clock_now_us());
    pgargs_array(&args, &c.rate);
    pgargs_int(&args, org->catalogue.currency_digits);
    api_change(r->app, r->req, Q_API_RATES_SET, &args, "rate");
}

void api_rates_set(void *arg, struct http_request *req)
{
    struct rates *r = mem_new(http_ctx(req), struct rates);

    r->app = arg;
    r->req = req;
    r->document = api_document(req);
    if (r->document == NULL)
        return;
    if (json_is_array(r->document) || json_is_object(r->document))
        orgs_get(r->app->orgs, api_org(req), rates_on_org, r);
    else
        http_problem(req, 422, NULL, "a rate is expected, or an array of them");
}

void api_rate_delete(void *app, struct http_request *req)
{
    const char *currency = http_param(req, "currency"), *day = http_param(req, "on");
    struct pgargs args;

    if (!currency_is_code(currency) || !is_day(day)) {
        http_problem(req, 404, NULL, "there is no rate of this currency and day");
        return;
    }
    pgargs_init(&args, http_ctx(req));
    pgargs_text(&args, currency);
    pgargs_text(&args, day);
    api_change(app, req, Q_API_RATE_DELETE, &args, "rate");
}
