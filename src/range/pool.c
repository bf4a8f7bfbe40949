#include "range/pool.h"

/* Weak: a program without them has the ranges that lie in its own memory. */
void *malloc(size_t) __attribute__((weak));
void free(void *) __attribute__((weak));

void *fh_pool_get(size_t bytes) { return malloc != NULL && free != NULL ? malloc(bytes) : NULL; }

void fh_pool_give(void *memory) { free(memory); }

/* The number of the first item in a block. */
static uint32_t first_of(const fh_range *r, unsigned block) {
  return block == 0 ? 0 : (uint32_t)1 << (r->shift + block - 1);
}

/* The next block for items of that size. On 32 bits what a number stands for may be reduced below 0: it wraps back. */
static bool more(fh_range *r, uint32_t *capacity, size_t item, size_t place) {
  uint32_t count = *capacity == 0 ? (uint32_t)1 << r->shift : *capacity;
  size_t bytes = 0;
  if (!r->from_malloc || count > MOST_NODES - *capacity || !fh_product(count, item, &bytes)) {
    return false;
  }
  char *memory = fh_pool_get(bytes);
  if (memory == NULL) {
    return false;
  }
  unsigned block = fh_highest_bit_32((*capacity >> r->shift) * 2 | 1);
  *(uintptr_t *)(void *)((char *)&r->blocks[block] + place) = (uintptr_t)memory - (uintptr_t)first_of(r, block) * item;
  *capacity += count;
  return true;
}

bool fh_pool_more_nodes(fh_range *r) { return more(r, &r->capacity, sizeof(fh_node), offsetof(fh_block, nodes)); }

bool fh_pool_more_buckets(fh_range *r) {
  return more(r, &r->bucket_capacity, sizeof(uint32_t), offsetof(fh_block, buckets));
}

static void give_block(uintptr_t reduced, uintptr_t first, size_t item) {
  fh_pool_give((void *)(reduced + first * item));  // NOLINT(performance-no-int-to-ptr)
}

void fh_pool_destroy(fh_range *r) {
  for (unsigned block = 0; block < POOL_BLOCKS; block++) {
    uint32_t first = first_of(r, block);
    if (first < r->capacity) {
      give_block(r->blocks[block].nodes, first, sizeof(fh_node));
    }
    if (first < r->bucket_capacity) {
      give_block(r->blocks[block].buckets, first, sizeof(uint32_t));
    }
  }
  fh_pool_give(r);
}
