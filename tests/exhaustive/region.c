/* All sequences of operations up to a length, on a region so small that each boundary is met, for every policy. */
#include "freehold/region.h"
#include "model/require.h"

enum { BLOCKS = 3, KINDS = 3 + 2 * BLOCKS, BYTES = 1000, MOST = 9 };

static _Alignas(64) unsigned char memory[BYTES];

typedef struct block {
  unsigned char *at;
  size_t size;
} block;

static int add_up(uint64_t address, uint64_t length, bool used, void *arg) {
  uint64_t *sum = arg;
  REQUIRE(sum[2] == 0 || address == sum[2] + sum[3]); /* one behind the other */
  sum[2] = address;
  sum[3] = length;
  sum[used] += length;
  return 0;
}

static void check(fh_region *r, const block *blocks) {
  uint64_t sum[4] = {0}, requested = 0;
  fh_space space;
  REQUIRE(fh_region_check(r) == FH_OK);
  fh_region_walk(r, add_up, sum);
  fh_region_space(r, &space);
  for (unsigned i = 0; i < BLOCKS; i++) {
    requested += blocks[i].at != NULL ? blocks[i].size : 0;
    for (size_t k = 0; blocks[i].at != NULL && k < blocks[i].size; k++) {
      REQUIRE(blocks[i].at[k] == i + 1);
    }
  }
  REQUIRE(sum[true] == space.used && sum[false] == space.free && space.requested == requested);
}

static void put(block *b, unsigned number, unsigned char *at, size_t size) {
  *b = (block){at, size};
  memset(at, (int)number + 1, size);
}

/* 0, 1, 2: takes a small, a middling or a large block into the first empty place; then each block is given back, or
 * resized to the next of the three. */
static void operate(fh_region *r, block *blocks, unsigned kind) {
  static const size_t sizes[] = {1, 40, 150};
  unsigned i = 0;
  if (kind < 3) {
    while (i < BLOCKS && blocks[i].at != NULL) {
      i++;
    }
    unsigned char *made = i == BLOCKS ? NULL : fh_region_alloc(r, sizes[kind]);
    if (made != NULL) {
      put(&blocks[i], i, made, sizes[kind]);
    }
    return;
  }
  block *b = &blocks[(kind - 3) % BLOCKS];
  if (b->at == NULL) {
    REQUIRE(fh_region_free(r, NULL) == FH_NOT_OWNED);
  } else if (kind - 3 < BLOCKS) {
    REQUIRE(fh_region_free(r, b->at) == FH_OK && fh_region_free(r, b->at) == FH_DOUBLE_FREE);
    b->at = NULL;
  } else {
    size_t size = b->size == 1 ? 40 : b->size == 40 ? 150 : 1;
    unsigned char *now = fh_region_realloc(r, b->at, size);
    if (now != NULL) {
      REQUIRE(now[0] == (kind - 3) % BLOCKS + 1);
      put(b, (kind - 3) % BLOCKS, now, size);
    }
  }
}

static unsigned long play_all(const fh_region_options *options, unsigned length) {
  unsigned long count = 1;
  for (unsigned i = 0; i < length; i++) {
    count *= KINDS;
  }
  for (unsigned long sequence = 0; sequence < count; sequence++) {
    block blocks[BLOCKS] = {{0}};
    fh_region *r = fh_region_create(memory, BYTES, options);
    REQUIRE(r != NULL);
    unsigned long rest = sequence;
    for (unsigned i = 0; i < length; i++, rest /= KINDS) {
      operate(r, blocks, (unsigned)(rest % KINDS));
    }
    check(r, blocks); /* each shorter sequence is another's beginning, and checked at its own end */
  }
  return count;
}

int main(int argc, char **argv) {
  long most = steps_of(argc, argv, 5);
  unsigned long count = 0;
  for (unsigned length = 1; length <= (unsigned)(most < MOST ? most : MOST); length++) {
    for (unsigned fit = FH_FIT_GOOD; fit <= FH_FIT_BUDDY; fit++) {
      for (unsigned flags = 0; flags < 8; flags++) {
        count += play_all(&(fh_region_options){.fit = (fh_fit)fit, .flags = flags}, length);
      }
    }
  }
  printf("%lu sequences\n", count);
  return 0;
}
