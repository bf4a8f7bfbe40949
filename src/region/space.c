/* Making a space, and what follows from its size, policy and flags. */
#include "region/space.h"

#include "region/holes.h"

#define MOST_UNITS (UINT32_MAX >> (32 - HEAD_UNITS_BITS))

/* What of a head is tag. On 32 bits it has none to spare but those that the units of this space do not need; it may be
 * extended, so some more are kept free than it needs now. */
static fh_head tag_mask(uint32_t units) {
  unsigned bits = HEAD_UNITS_BITS;
  if (WORD_BITS == 32) {
    unsigned need = fh_highest_bit_32(units | 1) + 2;
    bits = need < 16 ? 16 : need < HEAD_UNITS_BITS ? need : HEAD_UNITS_BITS;
  }
  return HEAD_UNITS_SHIFT + bits >= WORD_BITS ? 0 : ~(fh_head)0 << ((HEAD_UNITS_SHIFT + bits) % WORD_BITS);
}

static unsigned unit_shift(unsigned flags) {
  unsigned word = WORD_BITS == 64 ? 3 : 2;
  return (flags & FH_REGION_PACKED) != 0 ? word : word + 1;
}

/* The smallest chunk holds a hole's links and its length at the end; a buddy's is a power of two. */
static uint8_t least_units(fh_fit fit, unsigned shift) {
  unsigned bytes = HEAD_BYTES + 2 * (unsigned)sizeof(uint32_t) + (unsigned)sizeof(uint32_t);
  unsigned units = (bytes + (1u << shift) - 1) >> shift;
  return (uint8_t)(fit == FH_FIT_BUDDY && units == 3 ? 4 : units);
}

static size_t table_bytes(const fh_region *r) {
  bool list = uses_list(r);
  return list ? 0 : fh_good_words(&r->good) * sizeof(size_t) + r->good.bins * sizeof(uint32_t);
}

void fh_space_shape(fh_region *r, uint32_t units) {
  r->unit_shift = (uint8_t)unit_shift(r->flags);
  r->least = least_units((fh_fit)fit_of(r), r->unit_shift);
  r->shaped = units;
  r->tag_mask = tag_mask(units);
  r->tag_mix = is_checked(r) ? (fh_head)UINT64_C(0xD6E8FEB86659FD93) : 0;
  fh_good_shape(&r->good, units, (r->flags & FH_REGION_BOUNDED) != 0);
  r->heads_at = (uint32_t)(sizeof *r + fh_good_words(&r->good) * sizeof(size_t));
}

uint32_t fh_space_first(const fh_region *r) {
  return (uint32_t)((sizeof *r + table_bytes(r) + HEAD_BYTES + ((size_t)1 << r->unit_shift) - 1) >> r->unit_shift);
}

/* Buddies' pieces are as aligned as what they are cut from: a line of the cache is worth some bytes. */
static uint32_t aligned_first(const fh_region *r) {
  uint32_t first = fh_space_first(r);
  while (is_buddy(r) && ((uintptr_t)space_user(r, first) & (FH_BUDDY_ALIGN - 1)) != 0) {
    first++;
  }
  return first;
}

uint32_t fh_space_units(const fh_region *r, size_t bytes) {
  uint32_t most = WORD_BITS == 64 ? MOST_UNITS : (uint32_t)(~tags(r) >> HEAD_UNITS_SHIFT);
  size_t units = bytes >> r->unit_shift;
  return units < most ? (uint32_t)units : most;
}

/* Buddies leave what is no piece behind the closing head. */
uint32_t fh_space_close(const fh_region *r, uint32_t end) {
  return is_buddy(r) && end > r->first ? end - (end - r->first) % r->least : end;
}

fh_region *fh_space_make(void *memory, size_t bytes, fh_fit fit, unsigned flags) {
  size_t lead = (size_t)(-(uintptr_t)memory & (FH_SPACE_ALIGN - 1));
  fh_region *r = (fh_region *)(void *)((char *)memory + lead);
  if (memory == NULL || bytes < lead + sizeof *r || (uintptr_t)memory + bytes < bytes) {
    return NULL;
  }
  size_t rest = bytes - lead, most = (size_t)MOST_UNITS << unit_shift(flags);
  rest = rest < most ? rest : most;
  *r = (fh_region){.magic = FH_REGION_MAGIC, .fit = (uint8_t)fit, .flags = (uint8_t)flags, .lead = (uint8_t)lead};
  fh_space_shape(r, (uint32_t)(rest >> unit_shift(flags)));
  r->first = aligned_first(r);
  r->end = fh_space_close(r, fh_space_units(r, rest));
  r->size = rest + lead;
  if (r->first >= r->end || r->end - r->first < r->least) {
    r->magic = 0;
    return NULL;
  }
  __builtin_memset(r->words, 0, table_bytes(r));
  head_write(r, r->end, low_of(0, 0, HEAD_USED));
  head_write(r, r->first, low_of(0, 0, HEAD_USED)); /* nothing before it */
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
