/* Making a space, and what follows from its size, policy and flags. */
#include "region/space.h"

#include "region/chunk.h"

/* So that regions under 1 MiB have as many as good.h needs to leave no more lengths to the last bin than it wants to:
 * from a ninth of the space on, or flat, where the holes of a bin are not searched, from a half on. */
enum { LEAST_BINS = 192, LEAST_FLAT_BINS = 240 };

/* What of a head is tag. On 32 bits it has none to spare but those that the cells of this space do not need; it may be
 * extended, so some more are kept free than it needs now. */
static uint32_t tag_mask(uint32_t cells) {
  unsigned bits = HEAD_CELLS_BITS;
  if (WORD_BITS == 32) {
    unsigned need = fh_highest_bit_32(cells | 1) + 2;
    bits = need < 16 ? 16 : need < HEAD_CELLS_BITS ? need : HEAD_CELLS_BITS;
  }
  return WORD_BITS == 64 ? 0 : ~UINT32_C(0) << ((HEAD_CELLS_SHIFT + bits) % 32);
}

/* The smallest chunk holds a hole's links and its length at the end, in whole units; a buddy's is a power of two. */
static uint16_t least_cells(const fh_region *r) {
  return WORD_BITS == 64 && has_flag(r, FH_REGION_PACKED) && !is_buddy(r) ? 3 : 4;
}

_Static_assert(HEAD_BYTES + 3 * sizeof(uint32_t) <= (WORD_BITS == 64 ? 3 : 4) * HEAD_BYTES,
               "a hole's words in a chunk");

#if FH_SMALL
void fh_head_write(const fh_region *r, uint32_t id, fh_head low) { head_set(r, id, low); }

bool fh_head_is_ours(const fh_region *r, uint32_t id) { return head_holds(r, id); }
#endif

static size_t table_bytes(const fh_region *r) {
  bool list = uses_list(r);
  return list ? 0 : fh_good_words(&r->good) * sizeof(size_t) + r->good.bins * sizeof(uint32_t);
}

/* A build that has no short ways leaves their limits at 0. */
void fh_space_plain(fh_region *r) {
  bool plain = fit_of(r) == FH_FIT_GOOD && !is_checked(r);
  r->plain_mask = plain ? ((size_t)HEAD_BYTES << r->fold) - 1 : ~(size_t)0;
  r->plain_most = plain ? MOST_BYTES : 0;
}

void fh_space_shape(fh_region *r, uint32_t cells) {
  r->fold = !has_flag(r, FH_REGION_PACKED);
  r->least = least_cells(r);
  r->shaped = cells;
  r->tag_mask = tag_mask(cells);
  uint32_t bins = (cells >> 9) - (cells >> 12); /* a bit less than a thousandth of the bytes */
  uint32_t least = has_flag(r, FH_REGION_BOUNDED) ? LEAST_FLAT_BINS : LEAST_BINS;
  fh_good_shape(&r->good, cells >> r->fold, bins > least ? bins : least, has_flag(r, FH_REGION_BOUNDED));
  r->heads_at = (uint32_t)(sizeof *r + fh_good_words(&r->good) * sizeof(size_t));
}

uint32_t fh_space_first(const fh_region *r) {
  size_t unit = HEAD_BYTES << r->fold;
  return (uint32_t)(fh_round_up(sizeof *r + table_bytes(r) + HEAD_BYTES, unit) >> CELL_SHIFT);
}

/* Where a space at `at` begins. Buddies' pieces are as aligned as what they are cut from: a line of the cache is worth
 * some bytes. */
static uint32_t aligned_first(const fh_region *r, uintptr_t at) {
  uint32_t first = fh_space_first(r);
  while (is_buddy(r) && ((at + ((size_t)first << CELL_SHIFT)) & (FH_BUDDY_ALIGN - 1)) != 0) {
    first += 1u << r->fold;
  }
  return first;
}

uint32_t fh_space_cells(const fh_region *r, size_t bytes) {
  uint32_t most = WORD_BITS == 64 ? MOST_CELLS : ~tags(r) >> HEAD_CELLS_SHIFT % 32;
  size_t cells = bytes >> CELL_SHIFT;
  return (cells < most ? (uint32_t)cells : most) >> r->fold << r->fold;
}

/* Buddies leave what is no piece behind the closing head. */
uint32_t fh_space_close(const fh_region *r, uint32_t end) {
  return is_buddy(r) && end > r->first ? end - (end - r->first) % r->least : end;
}

/* Nothing is written before it is certain that there is room. */
fh_region *fh_space_make(void *memory, size_t bytes, fh_fit fit, unsigned flags) {
  size_t lead = (size_t)(-(uintptr_t)memory & (FH_SPACE_ALIGN - 1));
  fh_region *r = (fh_region *)(void *)((char *)memory + lead);
  if (memory == NULL || bytes < lead + sizeof *r || (uintptr_t)memory + bytes < bytes) {
    return NULL;
  }
  size_t rest = bytes - lead, most = (size_t)MOST_CELLS << CELL_SHIFT;
  rest = rest < most ? rest : most;
  fh_region made = {.magic = FH_REGION_MAGIC, .fit = (uint16_t)fit, .flags = (uint16_t)flags, .lead = (uint16_t)lead};
  fh_space_shape(&made, (uint32_t)(rest >> CELL_SHIFT));
  made.mix = (r->magic == made.magic ? r->mix | 1 : 1) * UINT32_C(0x9E3779B1);
  if (!FH_SMALL) {
    fh_space_plain(&made);
  }
  made.first = aligned_first(&made, (uintptr_t)r);
  made.end = fh_space_close(&made, fh_space_cells(&made, rest));
  made.size = rest + lead;
  if (made.first >= made.end || made.end - made.first < made.least) {
    return NULL;
  }
  *r = made;
  __builtin_memset(r->words, 0, table_bytes(r));
  head_write(r, r->end, low_of(0, 0, HEAD_USED));
  *head_of(r, r->first) = 0; /* nothing before it */
  fh_space_free_all(r, r->first);
  return r;
}

/* Gives back everything from `from` to the closing head. */
void fh_space_free_all(fh_region *r, uint32_t from) {
  if (is_buddy(r)) {
    fh_buddy_fill(r, from, r->end);
  } else {
    head_write(r, from, low_of(r->end - from, 0, head_low(r, from) & HEAD_BEFORE_FREE));
    fh_hole_join(r, from, r->end - from);
  }
}
