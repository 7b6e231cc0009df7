/* place.h - where in a YAML text the thing stands that a JSON pointer names. Pure. */
#ifndef LAZO_DAEMON_CTL_PLACE_H
#define LAZO_DAEMON_CTL_PLACE_H

#include <stddef.h>

/* place_find() - line and column, from 1, of what `pointer` (RFC 6901) names; of the innermost
 * thing around it that is there where it is not itself. The text must be YAML that yamlj_parse()
 * takes. */
void place_find(const char *yaml, size_t n, const char *pointer, int *ret_line, int *ret_column);

#endif
