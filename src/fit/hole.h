/* A hole: one stretch of free space, as the index of a policy sees it. Whoever owns the space knows where the hole
 * lies and how long it is; the index only links it. */
#ifndef FH_FIT_HOLE_H
#define FH_FIT_HOLE_H

#include "base/compiler.h"

typedef struct fh_hole {
  struct fh_hole *next;
  struct fh_hole *prev; /* NULL in the first of a list, or the head that the list hangs from */
} fh_hole;

/* To the front of a list that hangs from a head: what is on it leaves without knowing which list it is. */
fh_inline void fh_hole_push(fh_hole *head, fh_hole *hole) {
  *hole = (fh_hole){head->next, head};
  if (hole->next != NULL) {
    hole->next->prev = hole;
  }
  head->next = hole;
}

fh_inline void fh_hole_leave(fh_hole *hole) {
  hole->prev->next = hole->next;
  if (hole->next != NULL) {
    hole->next->prev = hole->prev;
  }
}

/* The length of a hole in the owner's unit (16-byte units, pages); never 0. */
typedef uint64_t fh_hole_length(const fh_hole *);

#endif
