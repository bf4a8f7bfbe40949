/* What happens to chunks: tiny named steps, so that alloc and free read as the algorithm. */
#ifndef FH_REGION_CHUNK_H
#define FH_REGION_CHUNK_H

#include "region/holes.h"

#define CANARY_BYTES HEAD_BYTES

/* No space holds more. With what is added to a request its cells still fit into 32 bits. */
#define MOST_BYTES (WORD_BITS == 64 ? ((size_t)UINT32_MAX - 8) << CELL_SHIFT : (size_t)1 << 26)

/* Units of a chunk for `size` bytes, of which `extra` more are ours; 0: no space is that large. */
fh_inline uint32_t cells_for(const fh_region *r, size_t size, size_t extra) {
  extra += HEAD_BYTES + (is_checked(r) ? CANARY_BYTES : 0);
  if (fh_unlikely(size > MOST_BYTES)) {
    return 0;
  }
  uint32_t mask = (1u << r->fold) - 1;
  uint32_t cells = ((uint32_t)((size + extra + HEAD_BYTES - 1) >> CELL_SHIFT) + mask) & ~mask;
  cells = cells < r->least ? r->least : cells;
  return fh_unlikely(is_buddy(r)) ? fh_buddy_round(cells) : cells;
}

/* Behind the bytes that were asked for:
 *
 *   | asked ... | A5 A5 A5 ... | log | slack |      log: of the alignment, in an ALIGNED chunk
 *               <------- slack ------------->       slack: a word, where the head has no room for it (buddies)
 *
 * A5: in a checked region, at most GUARD_MOST of them. */
enum { SLACK_FAR = (1 << HEAD_SLACK_BITS) - 1, CANARY = 0xA5, GUARD_MOST = 64 };

fh_inline size_t *far_slack(const fh_region *r, uint32_t id, fh_head low) {
  return head_of(r, id + low_cells(low)) - 1;
}

/* Only buddies leave so much. */
fh_inline bool slack_is_far(const fh_region *r, fh_head low) { return is_buddy(r) && low_slack(low) == SLACK_FAR; }

fh_inline unsigned char *log_place(const fh_region *r, uint32_t id, fh_head low) {
  unsigned char *end = (unsigned char *)head_of(r, id + low_cells(low));
  return end - 1 - (slack_is_far(r, low) ? sizeof(size_t) : 0);
}

/* Whether an alignment may have that logarithm: the byte is next to the caller's. */
fh_inline bool log_holds(const fh_region *r, unsigned log) {
  return log > CELL_SHIFT + (unsigned)r->fold && log < WORD_BITS - 1;
}

fh_inline size_t slack_of(const fh_region *r, uint32_t id, fh_head low) {
  uint32_t slack = low_slack(low);
  return fh_unlikely(slack_is_far(r, low)) ? *far_slack(r, id, low) : slack;
}

fh_inline size_t asked_of(const fh_region *r, uint32_t id, fh_head low) {
  return user_bytes(r, low_cells(low)) - slack_of(r, id, low);
}

/* What of a used chunk is its owner's: in a checked region nothing but what was asked for. */
fh_inline size_t usable_of(const fh_region *r, uint32_t id, fh_head low) {
  if (is_checked(r)) {
    return asked_of(r, id, low);
  }
  size_t own = ((low & HEAD_ALIGNED) != 0) + (slack_is_far(r, low) ? sizeof(size_t) : 0);
  return user_bytes(r, low_cells(low)) - own;
}

fh_inline size_t guard_bytes(const fh_region *r, uint32_t id, fh_head low) {
  size_t bytes = slack_of(r, id, low) - ((low & HEAD_ALIGNED) != 0);
  bytes -= slack_is_far(r, low) ? sizeof(size_t) : 0;
  return bytes < GUARD_MOST ? bytes : GUARD_MOST;
}

/* A used chunk's head, and what stands behind the bytes that were asked for. */
fh_inline void chunk_write(fh_region *r, uint32_t id, uint32_t cells, size_t size, fh_head flags) {
  size_t slack = user_bytes(r, cells) - size;
  bool far = is_buddy(r) && slack >= SLACK_FAR;
  fh_head low = low_of(cells, far ? SLACK_FAR : (uint32_t)slack, flags | HEAD_USED);
  head_write(r, id, low);
  if (fh_unlikely(far)) {
    *far_slack(r, id, low) = slack;
  }
  if (fh_unlikely(is_checked(r))) {
    __builtin_memset(space_user(r, id) + size, CANARY, guard_bytes(r, id, low));
  }
}

fh_inline bool guard_holds(const fh_region *r, uint32_t id, fh_head low) {
  const unsigned char *at = (const unsigned char *)space_user(r, id) + asked_of(r, id, low);
  size_t bytes = guard_bytes(r, id, low), i = 0;
  while (i < bytes && at[i] == CANARY) {
    i++;
  }
  return i == bytes;
}

fh_inline void count_in(fh_region *r, uint32_t cells, size_t size) {
  r->used += cells;
  r->requested += size;
  r->chunks++;
  r->peak = r->used > r->peak ? r->used : r->peak;
}

fh_inline void count_out(fh_region *r, uint32_t cells, size_t size) {
  r->used -= cells;
  r->requested -= size;
  r->chunks--;
}

/* In a checked region, before a hole's words are used: its head, its end and the heads its links name are whole. */
bool fh_hole_holds(const fh_region *r, uint32_t id);

/* The same of the holes beside a chunk. */
bool fh_beside_holds(const fh_region *r, uint32_t id, uint32_t cells);

/* One way of taking a chunk from one space; NULL: it has no hole for it. fh_region_take (region.c) tries all spaces,
 * and growth. */
typedef void *fh_taker(fh_region *space, size_t size, size_t alignment);
void *fh_region_take(fh_region *r, fh_taker *how, size_t size, size_t alignment);
void *fh_hole_use(fh_region *r, uint32_t id, uint32_t have, uint32_t cells, size_t size, fh_head flags);

/* Whose chunk a pointer is (region.c). FH_OK: `*space` and `*id` say where. */
fh_status fh_chunk_of(const fh_region *r, const void *pointer, fh_region **space, uint32_t *id);

#endif
