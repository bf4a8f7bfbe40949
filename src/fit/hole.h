/* A hole: one stretch of free space, as the index of a policy sees it. Whoever owns the space knows where the hole
 * lies and how long it is; the index only links it. */
#ifndef FH_FIT_HOLE_H
#define FH_FIT_HOLE_H

#include "base/compiler.h"

typedef struct fh_hole {
  struct fh_hole *next;
  struct fh_hole *prev; /* NULL in the first of a list */
} fh_hole;

/* The length of a hole in the owner's unit (16-byte units, pages); never 0. */
typedef uint64_t fh_hole_length(const fh_hole *);

#endif
