/* filters.h - all filters, as filters.def lists them. Each takes the value before it and its
 * arguments, counted by the parser already, and returns the new value; or fails the rendering and
 * returns anything. */
#ifndef LAZO_COMMON_TEMPLATE_FILTERS_H
#define LAZO_COMMON_TEMPLATE_FILTERS_H

#include "common/template/render.h"

#define FILTER(name, least, most, option)                                                          \
    struct value filter_##name(struct render *, struct value in, const struct args *);
#include "common/template/filters.def"
#undef FILTER

#endif
