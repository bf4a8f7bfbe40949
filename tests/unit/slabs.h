/* For tests of slabs: the first slot of a class comes from one, as if the chunk heap had served its share already. */
#ifndef TESTS_UNIT_SLABS_H
#define TESTS_UNIT_SLABS_H

#include "heap/heap.h"

static inline void slabs_at_once(fh_heap *heap) {
  for (unsigned class = 1; class < FH_CLASSES; class ++) {
    heap->early[class] = FH_EARLY_BYTES;
  }
}

#endif
