/* Spaces that anyone may have written: each number is compared with its limits before it is followed. */
#ifndef FH_REGION_CHECK_H
#define FH_REGION_CHECK_H

#include "region/chunk.h"

/* What a walk along the chunks counts. */
typedef struct fh_tally {
  uint32_t used, free, chunks, holes;
  size_t requested;
  uint64_t names; /* of the holes; fh_tally_name */
} fh_tally;

/* A sum that is another when a hole is taken for another. */
fh_inline uint64_t fh_tally_name(uint32_t hole) { return (uint64_t)hole * hole; }

/* check.c: NULL, or what is wrong with a space of which `bytes` bytes may be read: first with the fields of its start
 * that say where chunks lie, then with its chunks. */
const char *fh_space_check(const fh_region *r, size_t bytes, fh_tally *t);

/* index.c: whether the index of a space whose chunks are right holds the holes that were counted. */
bool fh_index_is_right(const fh_region *r, const fh_tally *t);

#endif
