/* filter_math.c - arithmetic, and `default` and `size`. Numbers are exact decimals; see decimal.h.
 */
#include "common/template/filters.h"

static struct value result(struct render *r, bool fits, struct decimal d)
{
    if (!fits)
        render_fail(r, "the result has too many digits");
    return value_number(d);
}

struct value filter_plus(struct render *r, struct value in, const struct args *args)
{
    struct decimal d = {0};
    return result(r, decimal_add(number_of(in), number_of(args->v[0]), &d), d);
}

struct value filter_minus(struct render *r, struct value in, const struct args *args)
{
    struct decimal d = {0};
    return result(r, decimal_subtract(number_of(in), number_of(args->v[0]), &d), d);
}

struct value filter_times(struct render *r, struct value in, const struct args *args)
{
    struct decimal d = {0};
    return result(r, decimal_multiply(number_of(in), number_of(args->v[0]), &d), d);
}

static struct value division(struct render *r, struct value in, const struct args *args,
                             bool (*divide)(struct decimal, struct decimal, struct decimal *))
{
    struct decimal d = {0}, by = number_of(args->v[0]);
    if (by.digits == 0) {
        render_fail(r, "divided by 0");
        return value_nil();
    }
    return result(r, divide(number_of(in), by, &d), d);
}

struct value filter_divided_by(struct render *r, struct value in, const struct args *args)
{
    return division(r, in, args, decimal_divide);
}

struct value filter_modulo(struct render *r, struct value in, const struct args *args)
{
    return division(r, in, args, decimal_modulo);
}

struct value filter_abs(struct render *r, struct value in, const struct args *args)
{
    struct decimal d = number_of(in);
    (void)r;
    (void)args;
    if (d.digits < 0)
        d.digits = -d.digits;
    return value_number(d);
}

struct value filter_ceil(struct render *r, struct value in, const struct args *args)
{
    (void)r;
    (void)args;
    return value_number(decimal_ceil(number_of(in)));
}

struct value filter_floor(struct render *r, struct value in, const struct args *args)
{
    (void)r;
    (void)args;
    return value_number(decimal_floor(number_of(in)));
}

struct value filter_round(struct render *r, struct value in, const struct args *args)
{
    int64_t places = 0;
    struct decimal d = number_of(in);
    if (args->n > 0 && !decimal_whole(number_of(args->v[0]), &places))
        render_fail(r, "a number of places has fewer digits");
    if (places > DECIMAL_SCALE_MAX)
        places = DECIMAL_SCALE_MAX;
    return value_number(decimal_round(d, places < 0 ? 0 : (int)places));
}

struct value filter_at_least(struct render *r, struct value in, const struct args *args)
{
    struct decimal d = number_of(in), least = number_of(args->v[0]);
    (void)r;
    return value_number(decimal_compare(d, least) < 0 ? least : d);
}

struct value filter_at_most(struct render *r, struct value in, const struct args *args)
{
    struct decimal d = number_of(in), most = number_of(args->v[0]);
    (void)r;
    return value_number(decimal_compare(d, most) > 0 ? most : d);
}

struct value filter_default(struct render *r, struct value in, const struct args *args)
{
    bool lacks = in.kind == VALUE_NIL || in.kind == VALUE_EMPTY || in.kind == VALUE_BLANK ||
                 (in.kind == VALUE_TEXT && in.text.n == 0) ||
                 ((value_is_array(in) || value_is_object(in)) && value_count(in) == 0);
    (void)r;
    if (in.kind == VALUE_BOOL && !in.truth)
        lacks = !value_true(args->option);
    if (!lacks)
        return in;
    return args->n > 0 ? args->v[0] : value_text("", 0);
}

struct value filter_size(struct render *r, struct value in, const struct args *args)
{
    struct value size = value_get(&r->arena, in, "size", 4);
    (void)args;
    if (value_is_object(in))
        return value_int((int64_t)value_count(in));
    return size.kind == VALUE_NUMBER ? size : value_int(0);
}
