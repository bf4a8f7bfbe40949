/* Where each kind of memory begins and ends.
 *
 *   1 .. FH_SLAB_MAX        slabs in pages of 16 KiB: classes 16 bytes apart up to 256, 32 up to 512, 64 up to 1024
 *   .. FH_CHUNK_MAX         the chunk heap: to 1/32 up to 32 KiB, then to 16 bytes; split and coalesced
 *   larger                  large objects: page runs */
#ifndef FH_HEAP_SIZES_H
#define FH_HEAP_SIZES_H

#include "base/bits.h"

enum {
  FH_SLAB_MAX = 1024,               /* docs/decisions/0003 */
  FH_GRAINS = FH_SLAB_MAX / 16 + 1, /* sizes in steps of 16 bytes, 0 included: what the fast path indexes by */
  FH_CLASSES = 16 + 8 + 8 + 1,      /* class 0 is not used */
  FH_CHUNK_MAX = 128 << 10,
  FH_ALIGNMENT = 16
};

/* No object may be larger: differences of pointers into it must fit ptrdiff_t. */
#define FH_OBJECT_MAX ((size_t)PTRDIFF_MAX - ((size_t)1 << 20))

typedef struct fh_class {
  uint32_t inverse; /* 2^32 / bytes, rounded up */
  uint16_t bytes;   /* in a slot; a multiple of the alignments that divide the distance to the next class */
  uint16_t slots;   /* in a slab */
} fh_class;

extern fh_hidden const fh_class fh_classes[FH_CLASSES];

fh_inline unsigned fh_class_bytes(unsigned class) { return fh_classes[class].bytes; }

/* Whether a slot begins `offset` bytes, less than a slab has, into a slab of this class. A slot's bytes times the
 * inverse are 2^32 and a little, so of the product only what the rest has to it is left (Lemire, Kaser and Kurz, 2019).
 */
fh_inline bool fh_class_divides(unsigned class, size_t offset) {
  uint32_t inverse = fh_classes[class].inverse;
  return (uint32_t)offset * inverse < inverse;
}

/* How often, where it does. */
fh_inline unsigned fh_class_quotient(unsigned class, size_t offset) {
  return (unsigned)((uint64_t)offset * fh_classes[class].inverse >> 32);
}

/* bytes <= FH_SLAB_MAX */
fh_inline unsigned fh_class_of(size_t bytes) {
  unsigned grains = (unsigned)((bytes + 15) >> 4);
  return grains == 0 ? 1 : grains <= 16 ? grains : grains <= 32 ? 16 + (grains - 15) / 2 : 24 + (grains - 29) / 4;
}

#endif
