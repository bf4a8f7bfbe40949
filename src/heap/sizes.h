/* Where each kind of memory begins and ends.
 *
 *   1 .. 256 bytes          slabs: classes of 16, 32, ... 256 bytes in pages of 16 KiB
 *   .. FH_CHUNK_MAX         the chunk heap: exact to 16 bytes, split and coalesced
 *   larger                  large objects: page runs */
#ifndef FH_HEAP_SIZES_H
#define FH_HEAP_SIZES_H

#include "base/bits.h"

enum {
  FH_SLAB_MAX = 256,                 /* docs/decisions/0003 */
  FH_CLASSES = FH_SLAB_MAX / 16 + 1, /* class c holds slots of 16 c bytes; class 0 repeats class 1 */
  FH_CHUNK_MAX = 128 << 10,
  FH_ALIGNMENT = 16
};

/* No object may be larger: differences of pointers into it must fit ptrdiff_t. */
#define FH_OBJECT_MAX ((size_t)PTRDIFF_MAX - ((size_t)1 << 20))

fh_inline unsigned fh_class_of(size_t bytes) { return (unsigned)((bytes + 15) >> 4) + (bytes == 0); }

#endif
