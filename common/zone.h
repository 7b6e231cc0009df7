/* zone.h - names of time zones (IANA), by ICU. Pure. */
#ifndef LAZO_COMMON_ZONE_H
#define LAZO_COMMON_ZONE_H

#include <stdbool.h>

/* zone_known() - whether `name` is a zone like "Europe/Madrid"; thread-safe. */
bool zone_known(const char *name);

#endif
