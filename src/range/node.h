/* What a range knows: its nodes, and how they hang together.
 *
 *   nodes:     0 (the end)     3 hole         1 used                 2 hole      0 (the end)
 *               <--left  right-->
 *   space:                    |.............|hhh|################|..|...........|
 *                            base               address                         end
 *
 *   |hhh|      the header: charged, in front of the address that was answered
 *   |####|     what was asked for; behind it what rounding to the granule (BUDDY: to a power of two) adds
 *   |....|     a hole
 *
 * All nodes lie in a circle in address order, and node 0 closes it: it counts as used and begins where the space ends.
 *
 *   size = used + free        used: with headers and rounding
 *   live = chunks + holes     nodes that are no spares; node 0 is not counted
 *
 * What is charged for an allocation follows from what was asked for, so only that is kept. A hole of the policy GOOD
 * needs two words more than other holes, for its children in a trie. It does without its address: two holes are never
 * neighbours there, so what lies behind is used and knows where it begins. */
#ifndef FH_RANGE_NODE_H
#define FH_RANGE_NODE_H

#include "fit/good.h"
#include "fit/list.h"
#include "freehold/range.h"

typedef struct fh_node {
  union {
    uint64_t address;     /* used: what was answered; hole: where it begins, but not with GOOD */
    uint32_t children[2]; /* hole, GOOD only */
  } at;
  uint64_t length;      /* used: what was asked for; hole: all of it */
  uint32_t left, right; /* neighbours in address order */
  uint32_t links[2];    /* hole: in the index; used: next in its bucket, and NODE_USED; spare: next, and NODE_SPARE */
} fh_node;

_Static_assert(sizeof(fh_node) == 32, "a node is half a cache line");

/* Stand where a hole has a number. */
#define NODE_USED UINT32_MAX
#define NODE_SPARE (UINT32_MAX - 1)

enum { NODE_END = 0, MOST_NODES = INT32_MAX, POWERS = 64 };

/* A part of the own memory; pool.h says which numbers are in which. Each is reduced by what the numbers before it would
 * take, so that a number needs no subtraction. */
typedef struct fh_block {
  uintptr_t nodes;
  uintptr_t buckets;
} fh_block;

struct fh_range {
  uint64_t base, end;
  uint64_t granule, header;
  uint64_t used, requested, free, peak;
  uint32_t chunks, holes;
  uint8_t fit, order;
  bool no_coalesce;
  bool unsorted;                     /* an entry of the list has changed its length where it stood */
  bool from_malloc;                  /* the own memory is */
  uint8_t shift;                     /* log2 of the numbers in block 0 */
  uint32_t live;                     /* nodes taken */
  uint32_t spare;                    /* first of the list of those given back */
  uint32_t fresh;                    /* from here on none has ever been taken */
  uint32_t capacity;                 /* nodes there is memory for, with node 0 */
  uint32_t buckets, bucket_capacity; /* in use, and those there is memory for */
  uint32_t hash_mask;                /* the smallest 2^k - 1 that is not below the last bucket; 1 at least */
  uint64_t powers;                   /* BUDDY: bit k set <=> a piece of 2^k is free; heads[k] is one of them */
  fh_good good;
  size_t *words;
  uint32_t *heads; /* of bins, or of powers */
  fh_list list;
  fh_block blocks[]; /* 1 in the caller's memory, else as many as doublings need; then the tables */
};

fh_inline fh_node *node_at(const fh_range *r, uint32_t number) {
  unsigned block = fh_highest_bit_32((number >> r->shift) * 2 | 1);
  return (fh_node *)(r->blocks[block].nodes + (size_t)number * sizeof(fh_node));  // NOLINT(performance-no-int-to-ptr)
}

fh_inline bool uses_good(const fh_range *r) { return r->fit == FH_FIT_GOOD; }

fh_inline bool uses_buddy(const fh_range *r) { return r->fit == FH_FIT_BUDDY; }

fh_inline bool uses_list(const fh_range *r) { return !uses_good(r) && !uses_buddy(r); }

fh_inline bool is_hole(const fh_range *r, uint32_t number) { return node_at(r, number)->links[FH_PREV] < NODE_SPARE; }

/* What is charged. */

/* Where the processor does not divide 64 bits, the compiler would call a library that firmware may not link. */
fh_inline uint64_t remainder_of(uint64_t value, uint64_t divisor) {
#if SIZE_MAX > UINT32_MAX
  return value % divisor;
#else
  for (unsigned shift = value < divisor ? 0 : fh_highest_bit(value) - fh_highest_bit(divisor) + 1; shift-- != 0;) {
    value -= fh_right(value, shift) >= divisor ? fh_left(divisor, shift) : 0;
  }
  return value;
#endif
}

/* Above the last multiple of the granule. */
fh_inline uint64_t above_granule(const fh_range *r, uint64_t length) {
  uint64_t mask = r->granule - 1;
  return fh_likely((r->granule & mask) == 0) ? length & mask : remainder_of(length, r->granule);
}

/* What a request of `length` needs: rounded up, with the header. False: more than 64 bits. */
fh_inline bool need_of(const fh_range *r, uint64_t length, uint64_t *need) {
  uint64_t above = above_granule(r, length);
  return !__builtin_add_overflow(length, above == 0 ? 0 : r->granule - above, need) &&
         !__builtin_add_overflow(*need, r->header, need);
}

/* BUDDY: log2 of the smallest piece that holds [offset, offset + need). A piece of 2^k lies at a multiple of 2^k from
 * the base, so the first and the last differ in the k low bits only. 64: there is none. */
fh_inline unsigned power_around(uint64_t offset, uint64_t need) {
  uint64_t differ = offset ^ (offset + need - 1);
  return differ == 0 ? 0 : fh_highest_bit(differ) + 1;
}

/* A stretch of the space. */
typedef struct fh_stretch {
  uint64_t start, length;
} fh_stretch;

/* What an allocation is charged with. */
fh_inline fh_stretch charge_of(const fh_range *r, uint64_t address, uint64_t length) {
  fh_stretch charge = {address - r->header, 0};
  (void)need_of(r, length, &charge.length);
  if (fh_unlikely(uses_buddy(r))) {
    unsigned power = power_around(charge.start - r->base, charge.length);
    charge.length = fh_left(1, power);
    charge.start = r->base + fh_left(fh_right(charge.start - r->base, power), power);
  }
  return charge;
}

/* Where a hole begins. */
fh_inline uint64_t start_of(const fh_range *r, uint32_t hole) {
  const fh_node *node = node_at(r, hole);
  if (!uses_good(r)) {
    return node->at.address;
  }
  return (node->right == NODE_END ? r->end : node_at(r, node->right)->at.address - r->header) - node->length;
}

fh_inline uint64_t length_of(const fh_range *r, uint32_t number) {
  const fh_node *node = node_at(r, number);
  return is_hole(r, number) ? node->length : charge_of(r, node->at.address, node->length).length;
}

/* The circle. */

fh_inline void circle_link(fh_range *r, uint32_t number, uint32_t left) {
  uint32_t right = node_at(r, left)->right;
  node_at(r, number)->left = left;
  node_at(r, number)->right = right;
  node_at(r, left)->right = number;
  node_at(r, right)->left = number;
}

fh_inline void circle_unlink(fh_range *r, uint32_t number) {
  const fh_node *node = node_at(r, number);
  node_at(r, node->left)->right = node->right;
  node_at(r, node->right)->left = node->left;
}

/* Makes the node a hole that is in no index yet. */
fh_inline void hole_write(fh_range *r, uint32_t number, uint64_t start, uint64_t length) {
  fh_node *node = node_at(r, number);
  if (!uses_good(r)) {
    node->at.address = start;
  }
  node->length = length;
  node->links[FH_PREV] = FH_NONE;
}

#endif
