/* yamlj.h - YAML (what YAML 1.2's core schema makes of it) as JSON. Pure.
 *
 * Plain scalars become null, booleans, integers and real numbers as the core schema says (yes, no,
 * on, off and dates stay texts); all that is quoted or a block is text. Keys are texts, whatever
 * they look like. Refused: anchors and aliases, tags, duplicate keys, keys that are no scalars,
 * NUL, more than one document, nesting beyond YAMLJ_DEPTH, texts beyond YAMLJ_SIZE. */
#ifndef LAZO_COMMON_YAMLJ_H
#define LAZO_COMMON_YAMLJ_H

#include "common/diag.h"

#include <jansson.h>
#include <stddef.h>

#define YAMLJ_DEPTH 32
#define YAMLJ_SIZE  ((size_t)1 << 20)

/* yamlj_parse() - a new reference; an empty document is null. NULL and the first mistake with line
 * and column in `d` where it is no YAML or refused. */
json_t *yamlj_parse(const char *text, size_t n, struct diag *d);

#endif
