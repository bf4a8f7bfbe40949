/* The parts of a slab that can be purged by themselves: the kernel's pages in it, or all of it where those are as long.
 * Slots lie across their borders. A set of parts is a bit for each. */
#ifndef FH_HEAP_PARTS_H
#define FH_HEAP_PARTS_H

#include "heap/heap.h"
#include "os/os.h"

enum {
  FH_PARTS = FH_PAGE_SIZE / 4096,
  FH_PART_ROWS = FH_PARTS / 2,                     /* that do not touch, at most */
  FH_SLOT_WORDS = FH_PAGE_SIZE / FH_ALIGNMENT / 64 /* of a bit for each place where a slot may begin */
};

fh_inline size_t fh_part_bytes(void) { return fh_min(fh_os_page_size(), FH_PAGE_SIZE); }

fh_inline size_t fh_part_set_bytes(unsigned set) { return (size_t)__builtin_popcount(set) * fh_part_bytes(); }

/* The parts that the slot which begins there lies in. */
fh_inline unsigned fh_parts_of_slot(unsigned class, size_t offset) {
  size_t first = offset / fh_part_bytes(), last = (offset + fh_class_bytes(class) - 1) / fh_part_bytes();
  return (2u << last) - (1u << first);
}

/* How many slots reach into a part. */
fh_inline unsigned fh_part_slots(unsigned class, size_t part) {
  size_t size = fh_class_bytes(class), bytes = fh_part_bytes();
  return (unsigned)(fh_min(((part + 1) * bytes - 1) / size + 1, fh_classes[class].slots) - part * bytes / size);
}

/* What is to be purged for a set of parts: how many rows. */
fh_inline unsigned fh_part_rows(char *slab, unsigned set, fh_os_part rows[FH_PART_ROWS]) {
  unsigned count = 0;
  for (unsigned from = 0, length; set >> from != 0; from += length) {
    from += fh_lowest_bit(set >> from);
    length = fh_lowest_bit(~(set >> from));
    rows[count++] = (fh_os_part){slab + from * fh_part_bytes(), length * fh_part_bytes()};
  }
  return count;
}

/* Purges what the kernel lets go: a row that it refuses is skipped. Bytes. */
fh_inline size_t fh_part_purge(const fh_os_part *rows, unsigned count) {
  size_t bytes = 0;
  for (unsigned i = 0; i < count; i++) {
    for (unsigned end = i + fh_os_purge_parts(rows + i, count - i); i < end && i < count; i++) {
      bytes += rows[i].bytes;
    }
  }
  return bytes;
}

#endif
