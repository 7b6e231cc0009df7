/* suggest.h - "did you mean": the known word nearest to one that was mistyped. Pure. */
#ifndef LAZO_COMMON_SUGGEST_H
#define LAZO_COMMON_SUGGEST_H

#include <stddef.h>

/* suggest_nearest() - that of the `n` words (NULLs are passed over) with the fewest letters to add,
 * drop, change or swap with their neighbour; NULL where even it is too far to be meant (more than a
 * third of the letters of `word`, and more than one). Capitals count like small letters. Words
 * longer than 63 bytes are never near. */
const char *suggest_nearest(const char *word, const char *const *words, size_t n);

#endif
