/* For tests of slabs: the first slot of a class comes from one, as if the chunk heap had served its share already. */
#ifndef TESTS_UNIT_SLABS_H
#define TESTS_UNIT_SLABS_H

#include "heap/heap.h"

static inline void not_early(fh_heap *heap) {
  for (unsigned class = 1; class < FH_CLASSES; class ++) {
    heap->early[class] = FH_EARLY_BYTES;
  }
}

/* And none shares the slabs of a longer one. */
static inline void slabs_at_once(fh_heap *heap) {
  not_early(heap);
  for (unsigned grain = 0; grain < FH_GRAINS; grain++) {
    heap->cache_of_grain[grain] = (uint16_t)offsetof(fh_heap, cache[fh_class_of(grain * 16)]);
  }
}

#endif
