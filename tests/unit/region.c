/* The region's calls one by one: what they answer, what they cost, and what they refuse. */
#include "unit/cm.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "freehold/region.h"

enum { WORD = sizeof(void *), MIB = 1 << 20 };

static _Alignas(64) char memory[MIB];

static fh_region *make(fh_fit fit, unsigned flags, size_t bytes) {
  fh_region *r = fh_region_create(memory, bytes, &(fh_region_options){.fit = fit, .flags = flags});
  assert_non_null(r);
  return r;
}

static fh_space space_of(const fh_region *r) {
  fh_space space;
  fh_region_space(r, &space);
  assert_int_equal(space.size, space.used + space.free + space.metadata);
  return space;
}

static void too_small_or_senseless(void **state) {
  (void)state;
  for (size_t bytes = 0; bytes < 1200; bytes++) {
    fh_region *r = fh_region_create(memory + bytes % 16, bytes, NULL);
    assert_true(r != NULL || bytes < 600);
    if (r != NULL) {
      assert_int_equal(fh_region_check(r), FH_OK);
      assert_true(fh_region_alloc(r, 1) != NULL);
    }
  }
  assert_null(fh_region_create(NULL, 4096, NULL));
  assert_null(fh_region_create(memory, 4096, &(fh_region_options){.fit = (fh_fit)6}));
  assert_null(fh_region_create(memory, 4096, &(fh_region_options){.flags = 8}));
}

/* A word in front of each, in whole units. */
static void what_chunks_cost(void **state) {
  (void)state;
  for (unsigned packed = 0; packed < 2; packed++) {
    fh_region *r = make(FH_FIT_GOOD, packed ? FH_REGION_PACKED : 0, MIB);
    size_t unit = packed ? WORD : 2 * WORD, least = WORD == 8 ? (packed ? 24 : 32) : 16;
    for (size_t size = 0; size < 300; size++) {
      uint64_t before = space_of(r).used;
      char *p = fh_region_alloc(r, size);
      size_t want = (size + WORD + unit - 1) / unit * unit;
      assert_int_equal(space_of(r).used - before, want < least ? least : want);
      assert_int_equal((uintptr_t)p % unit, 0);
      assert_true(fh_region_usable_size(r, p) >= size);
    }
  }
}

static void fresh_and_full(void **state) {
  static const size_t sizes[] = {16, 64, 129};
  static const double plain[] = {0.499, 0.799, 0.89}, packed[] = {0.66, 0.88, 0.89};
  (void)state;
  fh_region *r = make(FH_FIT_GOOD, 0, MIB);
  uint64_t largest = space_of(r).largest;
  assert_true((double)largest >= (WORD == 8 ? 0.999 : 0.998) * MIB);
  assert_null(fh_region_alloc(r, (size_t)largest + 1));
  assert_int_equal(fh_region_why(r), FH_EXHAUSTED);
  assert_non_null(fh_region_alloc(r, (size_t)largest));
  for (unsigned i = 0; WORD == 8 && i < 6; i++) {
    size_t count = 0;
    r = make(FH_FIT_GOOD, i < 3 ? 0 : FH_REGION_PACKED, MIB);
    while (fh_region_alloc(r, sizes[i % 3]) != NULL) {
      count++;
    }
    assert_true((double)(count * sizes[i % 3]) / MIB >= (i < 3 ? plain : packed)[i % 3]);
  }
}

/* free | used | free of the same length serves twice as much and a head more once the middle is given back. */
static void neighbours_join(void **state) {
  (void)state;
  for (unsigned fit = FH_FIT_GOOD; fit < FH_FIT_BUDDY; fit++) {
    fh_region *r = make((fh_fit)fit, 0, 8192);
    char *at[5];
    for (unsigned i = 0; i < 5; i++) {
      at[i] = fh_region_alloc(r, 1000);
    }
    while (fh_region_alloc(r, 100) != NULL || fh_region_alloc(r, 0) != NULL) {
    }
    fh_region_free(r, at[1]);
    fh_region_free(r, at[3]);
    assert_null(fh_region_alloc(r, 1500));
    assert_int_equal(fh_region_why(r), FH_FRAGMENTED);
    assert_true(fh_space_fragmentation(&(fh_space){.free = space_of(r).free, .largest = space_of(r).largest}) > 0.4);
    fh_region_free(r, at[2]);
    assert_int_equal(space_of(r).holes, 1);
    assert_ptr_equal(fh_region_alloc(r, 3000 + 2 * WORD), at[1]);
    assert_int_equal(fh_region_check(r), FH_OK);
  }
}

static void impossible_requests(void **state) {
  (void)state;
  for (unsigned fit = FH_FIT_GOOD; fit <= FH_FIT_BUDDY; fit++) {
    fh_region *r = make((fh_fit)fit, 0, 8192);
    assert_int_equal(fh_region_why(r), FH_OK);
    assert_null(fh_region_alloc(r, SIZE_MAX));
    assert_int_equal(fh_region_why(r), FH_INVALID);
    assert_null(fh_region_alloc(r, 9000));
    assert_int_equal(fh_region_why(r), FH_EXHAUSTED);
    assert_null(fh_region_calloc(r, SIZE_MAX / 2, 3));
    assert_int_equal(fh_region_why(r), FH_INVALID);
    assert_null(fh_region_alloc_aligned(r, 3, 10));
    assert_int_equal(fh_region_why(r), FH_INVALID);
    assert_null(fh_region_alloc_aligned(r, 0, 10));
    assert_null(fh_region_alloc_aligned(r, (size_t)1 << (8 * WORD - 2), 10));
    assert_non_null(fh_region_alloc(r, 10));
    assert_int_equal(fh_region_check(r), FH_OK);
  }
}

static void cleared(void **state) {
  (void)state;
  fh_region *r = make(FH_FIT_GOOD, 0, 8192);
  char *p = fh_region_alloc(r, 500);
  memset(p, 7, 500);
  fh_region_free(r, p);
  p = fh_region_calloc(r, 50, 10);
  for (unsigned i = 0; i < 500; i++) {
    assert_int_equal(p[i], 0);
  }
}

/* What lies in front is given back: only the head and the rounding are charged. */
static void aligned(void **state) {
  (void)state;
  for (size_t alignment = 1; alignment <= 65536; alignment *= 2) {
    fh_region *r = make(FH_FIT_GOOD, 0, MIB);
    char *other = fh_region_alloc(r, 24), *p = fh_region_alloc_aligned(r, alignment, 100);
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % alignment, 0);
    assert_true(space_of(r).used <= 32 + 100 + 4 * WORD + 32);
    assert_int_equal(fh_region_check(r), FH_OK);
    char *barrier = fh_region_alloc(r, 24);
    memset(p, 3, 100);
    p = fh_region_realloc(r, p, 5000); /* has to move */
    assert_int_equal((uintptr_t)p % alignment, 0);
    assert_int_equal(p[99], 3);
    fh_region_free(r, other);
    fh_region_free(r, barrier);
    assert_int_equal(fh_region_free(r, p), FH_OK);
    assert_int_equal(space_of(r).holes, 1);
  }
}

static void realloc_in_place(void **state) {
  (void)state;
  fh_region *r = make(FH_FIT_GOOD, 0, 16384);
  char *a = fh_region_alloc(r, 1000), *b = fh_region_alloc(r, 1000), *c = fh_region_alloc(r, 1000);
  memset(b, 5, 1000);
  assert_ptr_equal(fh_region_realloc(r, b, 300), b); /* shrinks */
  assert_ptr_equal(fh_region_realloc(r, b, 990), b); /* and grows forward again */
  fh_region_free(r, a);
  char *down = fh_region_realloc(r, b, 1900); /* backward */
  assert_ptr_equal(down, a);
  for (unsigned i = 0; i < 300; i++) {
    assert_int_equal(down[i], 5);
  }
  char *moved = fh_region_realloc(r, down, 3000);
  assert_true(moved > c && moved[0] == 5 && moved[299] == 5);
  assert_null(fh_region_realloc(r, moved, 20000));
  assert_int_equal(moved[299], 5);
  assert_null(fh_region_realloc(r, moved, 0));
  assert_int_equal(fh_region_free(r, moved), FH_DOUBLE_FREE);
  assert_non_null(fh_region_realloc(r, NULL, 10));
  assert_int_equal(fh_region_check(r), FH_OK);
}

/* Whoever uses all that may be used keeps it, wherever the chunk goes. */
static void realloc_keeps_what_is_usable(void **state) {
  (void)state;
  for (unsigned fit = FH_FIT_GOOD; fit <= FH_FIT_BUDDY; fit++) {
    for (size_t size = 1; size < 100; size++) {
      for (unsigned backward = 0; backward < 2; backward++) {
        fh_region *r = make((fh_fit)fit, size % 2 ? FH_REGION_PACKED : 0, 65536);
        char *front = fh_region_alloc(r, 200), *p = fh_region_alloc_aligned(r, size % 3 ? 1 : 64, size);
        assert_true(front != NULL && p != NULL && fh_region_alloc(r, 1) != NULL);
        size_t usable = fh_region_usable_size(r, p);
        memset(p, 7, usable);
        assert_int_equal(backward ? fh_region_free(r, front) : FH_OK, FH_OK);
        p = fh_region_realloc(r, p, usable + 100);
        for (size_t i = 0; i < usable; i++) {
          assert_int_equal(p[i], 7);
        }
        assert_int_equal(fh_region_check(r), FH_OK);
      }
    }
  }
}

/* Each wrong pointer has its status, and the bytes stay as they are but for the reason that is kept. */
static void wrong_frees(void **state) {
  static char copy[8192];
  (void)state;
  for (unsigned flags = 0; flags < 8; flags++) {
    fh_region *r = make(FH_FIT_GOOD, flags, 8192);
    char *p = fh_region_alloc(r, 400), *q = fh_region_alloc(r, 400), local;
    memset(p, 1, 400);
    fh_region_free(r, q);
    fh_region_free(r, NULL);
    memcpy(copy, memory, 8192);
    for (size_t i = 1; i < 400; i++) {
      fh_status status = fh_region_free(r, p + i); /* on 32 bits eight bits may happen to be right */
      assert_true(status == FH_NOT_OWNED || (WORD == 4 && status == FH_CORRUPT));
    }
    assert_int_equal(fh_region_free(r, &local), FH_NOT_OWNED);
    assert_int_equal(fh_region_free(r, NULL), FH_NOT_OWNED);
    assert_memory_equal(copy, memory, 8192);
    assert_int_equal(fh_region_free(r, q), FH_DOUBLE_FREE);
    assert_int_equal(fh_region_usable_size(r, q), 0);
    assert_null(fh_region_realloc(r, q, 10));
    assert_int_equal(fh_region_free(r, p), FH_OK);
    assert_int_equal(fh_region_free(r, p), FH_DOUBLE_FREE);
    assert_int_equal(fh_region_check(r), FH_OK);
  }
}

static void overflows_are_caught(void **state) {
  (void)state;
  for (size_t size = 0; size < 100; size++) {
    fh_region *r = make(FH_FIT_GOOD, FH_REGION_CHECKED, 8192);
    char *p = fh_region_alloc(r, size), *q = fh_region_alloc(r, 50);
    assert_int_equal(fh_region_usable_size(r, p), size);
    p[size] ^= 1;
    assert_int_equal(fh_region_check(r), FH_CORRUPT);
    assert_int_equal(fh_region_free(r, p), FH_CORRUPT);
    p[size] ^= 1;
    assert_int_equal(fh_region_free(r, p), FH_OK);
    assert_int_equal(fh_region_free(r, q), FH_OK);
  }
}

/* Any bit of a head, when its chunk or the one before it is given back. */
static void smashed_heads_are_caught(void **state) {
  (void)state;
  for (unsigned bit = 0; bit < 8 * WORD; bit++) {
    fh_region *r = make(FH_FIT_GOOD, FH_REGION_CHECKED, 8192);
    char *p = fh_region_alloc(r, 50), *q = fh_region_alloc(r, 50);
    (q - WORD)[bit / 8] ^= (char)(1 << bit % 8);
    assert_int_not_equal(fh_region_check(r), FH_OK);
    assert_int_equal(fh_region_free(r, p), FH_CORRUPT);
    assert_int_not_equal(fh_region_free(r, q), FH_OK);
    (q - WORD)[bit / 8] ^= (char)(1 << bit % 8);
    assert_int_equal(fh_region_free(r, p), FH_OK);
    assert_int_equal(fh_region_check(r), FH_OK);
  }
}

typedef struct growth {
  char *next;
  size_t left, gap;
  unsigned calls;
} growth;

static size_t grow(fh_region *r, size_t need, void *arg) {
  growth *g = arg;
  g->calls++;
  if (need + g->gap > g->left) {
    return 0;
  }
  g->next += g->gap;
  assert_int_equal(fh_region_extend(r, g->next, need), FH_OK);
  g->next += need;
  g->left -= need + g->gap;
  return need;
}

static void grows_when_asked(void **state) {
  (void)state;
  for (unsigned fit = FH_FIT_GOOD; fit <= FH_FIT_BUDDY; fit++) {
    for (size_t gap = 0; gap <= 1000; gap += 1000) {
      growth g = {memory + 4096, MIB - 4096, gap, 0};
      fh_region *r =
          fh_region_create(memory, 4096, &(fh_region_options){.fit = (fh_fit)fit, .grow = grow, .grow_arg = &g});
      char *small = fh_region_alloc(r, 100), *large = fh_region_alloc(r, 20000);
      assert_non_null(large);
      assert_int_equal(g.calls, 1);
      memset(large, 1, 20000);
      assert_null(fh_region_alloc(r, 2 * MIB));
      assert_int_equal(fh_region_check(r), FH_OK);
      assert_int_equal(fh_region_free(r, small), FH_OK);
      assert_int_equal(fh_region_free(r, large), FH_OK);
      assert_true(gap != 0 || fit == FH_FIT_BUDDY || space_of(r).holes == 1);
    }
  }
}

/* What stands in memory that is added may look like anything: here like holes of the same region. */
static void grows_into_old_bytes(void **state) {
  (void)state;
  for (unsigned fit = FH_FIT_GOOD; fit <= FH_FIT_BUDDY; fit++) {
    for (size_t bytes = 4096; bytes < 60000; bytes += 4096 + 32) {
      make((fh_fit)fit, 0, 65536); /* leaves its heads behind */
      fh_region *r = make((fh_fit)fit, 0, bytes);
      assert_int_equal(fh_region_extend(r, memory + bytes, 65536 - bytes), FH_OK);
      assert_int_equal(fh_region_check(r), FH_OK);
    }
  }
}

#if SIZE_MAX > UINT32_MAX
/* As large as a space can be: what it says is the largest request, is. */
static void largest_space(void **state) {
  const size_t bytes = (size_t)33 << 30;
  (void)state;
  char *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (map == MAP_FAILED) {
    skip(); /* of so much address space */
  }
  for (unsigned flags = 0; flags < 8; flags++) {
    for (unsigned fit = FH_FIT_GOOD; fit <= FH_FIT_BUDDY; fit++) {
      fh_region *r = fh_region_create(map, bytes, &(fh_region_options){.fit = (fh_fit)fit, .flags = flags});
      size_t largest = (size_t)space_of(r).largest;
      assert_true(largest > (size_t)(fit == FH_FIT_BUDDY ? 15 : 31) << 30);
      assert_null(fh_region_alloc(r, largest + 1));
      char *p = fh_region_alloc(r, largest);
      assert_non_null(p);
      assert_true(fh_region_realloc(r, p, largest / 2) == p && fh_region_realloc(r, p, 100) == p);
      assert_int_equal(fh_region_free(r, p), FH_OK);
      assert_int_equal(space_of(r).largest, largest);
      assert_null(fh_region_alloc_aligned(r, (size_t)1 << 62, largest));
      assert_int_equal(fh_region_check(r), FH_OK);
    }
  }
  munmap(map, bytes);
}
#endif

static size_t asked_to_grow(fh_region *r, size_t need, void *times) {
  (void)r;
  (void)need;
  ++*(unsigned *)times;
  return 0;
}

static void grows_for_no_request_in_vain(void **state) {
  unsigned times = 0;
  (void)state;
  fh_region *r = fh_region_create(memory, 65536, &(fh_region_options){.grow = asked_to_grow, .grow_arg = &times});
  assert_null(fh_region_alloc(r, 100000));
  assert_int_equal(times, 1);
  assert_null(fh_region_alloc(r, SIZE_MAX / 4)); /* no space holds that */
  assert_null(fh_region_alloc_aligned(r, 64, SIZE_MAX / 4));
  assert_int_equal(times, 1);
  assert_int_equal(fh_region_why(r), FH_EXHAUSTED);
}

static void spaces_far_apart(void **state) {
  (void)state;
  char *far = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  fh_region *r = make(FH_FIT_GOOD, 0, 4096);
  assert_int_equal(fh_region_extend(r, memory + 100, 4000), FH_INVALID);
  assert_int_equal(fh_region_extend(r, far, 20), FH_INVALID);
  assert_int_equal(fh_region_extend(r, far, 65536), FH_OK);
  char *p = fh_region_alloc(r, 30000), *q = fh_region_alloc(r, 1000);
  assert_true(p >= far && p < far + 65536 && q >= memory && q < memory + 4096);
  assert_int_equal(fh_region_free(r, p + WORD * 2), FH_NOT_OWNED);
  assert_int_equal(fh_region_free(r, p), FH_OK);
  assert_int_equal(fh_region_free(r, p), FH_DOUBLE_FREE);
  assert_int_equal(fh_region_check(r), FH_OK);
  assert_true(fh_region_trim(r) > 60000);
  assert_null(fh_region_alloc(r, 30000));
  assert_int_equal(fh_region_free(r, q), FH_OK);
  munmap(far, 65536);
}

static void trims_its_tail(void **state) {
  (void)state;
  fh_region *r = make(FH_FIT_GOOD, 0, 65536);
  char *p = fh_region_alloc(r, 1000);
  size_t given = fh_region_trim(r);
  assert_true(given > 60000);
  assert_ptr_equal((char *)fh_region_end(r) + given, memory + 65536);
  memset(fh_region_end(r), 0xff, given);
  assert_null(fh_region_alloc(r, 100));
  assert_int_equal(fh_region_extend(r, fh_region_end(r), given), FH_OK);
  assert_non_null(fh_region_alloc(r, 60000));
  assert_int_equal(fh_region_free(r, p), FH_OK);
  assert_int_equal(fh_region_check(r), FH_OK);
}

/* The same bytes at two addresses. */
static void mapped_twice(void **state) {
  enum { BYTES = 1 << 18, BLOCKS = 200 };
  static ptrdiff_t at[BLOCKS];
  (void)state;
  int file = memfd_create("region", 0);
  assert_int_equal(ftruncate(file, BYTES), 0);
  char *map[2];
  for (unsigned i = 0; i < 2; i++) {
    map[i] = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  }
  for (unsigned fit = FH_FIT_GOOD; fit <= FH_FIT_BUDDY; fit++) {
    fh_region *one = fh_region_create(map[0], BYTES, &(fh_region_options){.fit = (fh_fit)fit});
    fh_region *two = fh_region_open(map[1], BYTES);
    assert_true(one != NULL && two != NULL);
    memset(at, 0, sizeof at);
    for (unsigned i = 0; i < 5000; i++) {
      ptrdiff_t *p = &at[i * 7919u % BLOCKS];
      unsigned side = i / 3 % 2;
      if (*p == 0) {
        char *made = fh_region_alloc(side ? two : one, i % 700);
        *p = made == NULL ? 0 : made - map[side];
      } else {
        assert_int_equal(fh_region_free(side ? two : one, map[side] + *p), FH_OK);
        *p = 0;
      }
    }
    assert_int_equal(fh_region_check(one), FH_OK);
    assert_int_equal(fh_region_check(two), FH_OK);
  }
  munmap(map[0], BYTES);
  munmap(map[1], BYTES);
  close(file);
}

/* Bytes that are no region, and a region with one bit wrong: said, and never a crash. */
static void opens_only_regions(void **state) {
  enum { BYTES = 1500 };
  static char good[BYTES];
  const char *what;
  (void)state;
  assert_int_equal(fh_region_examine(NULL, 0, &what), FH_INVALID);
  memset(memory, 0, BYTES);
  assert_int_equal(fh_region_examine(memory, BYTES, &what), FH_INVALID);
  for (unsigned fit = FH_FIT_GOOD; fit <= FH_FIT_BUDDY; fit++) {
    fh_region *r = make((fh_fit)fit, FH_REGION_CHECKED, BYTES);
    char *p = fh_region_alloc(r, 60);
    fh_region_alloc(r, 100);
    fh_region_free(r, p);
    memcpy(good, memory, BYTES);
    assert_int_equal(fh_region_examine(memory, BYTES - 16, &what), FH_CORRUPT);
    assert_true(strlen(what) > 10);
    for (unsigned bit = 0; bit < BYTES * 8; bit++) {
      memcpy(memory, good, BYTES);
      memory[bit / 8] ^= (char)(1 << bit % 8);
      r = fh_region_open(memory, BYTES);
      if (r != NULL) {
        void *q = fh_region_alloc(r, 30);
        assert_int_equal(fh_region_check(r), FH_OK);
        assert_true(q == NULL || fh_region_free(r, q) == FH_OK);
      }
    }
  }
}

static int count_used(uint64_t address, uint64_t length, bool used, void *arg) {
  uint64_t *counts = arg;
  (void)address;
  counts[used] += length;
  return ++counts[2] == counts[3];
}

static void walks_in_order(void **state) {
  uint64_t counts[4] = {0};
  (void)state;
  fh_region *r = make(FH_FIT_FIRST, 0, 8192);
  for (unsigned i = 0; i < 10; i++) {
    void *p = fh_region_alloc(r, 100);
    if (i % 2 == 0) {
      fh_region_free(r, p);
    }
  }
  assert_int_equal(fh_region_walk(r, count_used, counts), 0);
  assert_int_equal(counts[true], space_of(r).used);
  assert_int_equal(counts[false], space_of(r).free);
  counts[2] = 0;
  counts[3] = 2;
  assert_int_equal(fh_region_walk(r, count_used, counts), 1);
  assert_int_equal(counts[2], 2);
}

static void statuses_have_names(void **state) {
  (void)state;
  assert_string_equal(fh_status_name(FH_FRAGMENTED), "FH_FRAGMENTED");
  assert_string_equal(fh_status_name(FH_CORRUPT), "FH_CORRUPT");
  assert_string_equal(fh_status_name((fh_status)99), "FH_UNKNOWN");
  assert_true(fh_space_fragmentation(&(fh_space){0}) == 0);
  assert_true(fh_space_fragmentation(&(fh_space){.free = 30, .largest = 30}) == 0);
  assert_true(fh_space_fragmentation(&(fh_space){.free = 40, .largest = 10}) == 0.75);
  assert_true(fh_space_fragmentation(&(fh_space){.free = UINT64_MAX, .largest = 0}) == 1);
}

/* Something wrote on behind an allocation, into the hole there: whoever touches the hole next is told. */
static void overflow_into_a_hole(void **state) {
  (void)state;
  for (unsigned fit = FH_FIT_GOOD; fit <= FH_FIT_WORST; fit++) {
    for (size_t size = 100; size <= 3000; size += 2900) {
      for (unsigned way = 0; way < 4; way++) {
        fh_region *r = make((fh_fit)fit, FH_REGION_CHECKED, 16384);
        char *a = fh_region_alloc(r, size), *b = fh_region_alloc(r, size), *c = fh_region_alloc(r, size);
        void *rest = fh_region_alloc(r, (size_t)space_of(r).largest);
        assert_true(a != NULL && b != NULL && c != NULL && rest != NULL);
        assert_int_equal(fh_region_free(r, b), FH_OK);
        memset(a, 0xee, way == 3 ? size + WORD : size + 8 * WORD);
        if (way == 0) {
          assert_int_equal(fh_region_free(r, c), FH_CORRUPT);
        } else if (way == 1) {
          assert_null(fh_region_alloc(r, size));
        } else if (way == 2) {
          assert_null(fh_region_realloc(r, c, 2 * size));
        } else {
          assert_int_equal(fh_region_free(r, a), FH_CORRUPT);
        }
        assert_int_equal(fh_region_why(r), FH_CORRUPT);
        assert_int_equal(fh_region_check(r), FH_CORRUPT);
      }
    }
  }
}

/* What an earlier region left in the same bytes are no heads of this one, in use or not. */
static void heads_of_an_earlier_region(void **state) {
  (void)state;
  for (unsigned flags = 0; flags < 8; flags++) {
    fh_region *r = make(FH_FIT_GOOD, flags, 4096);
    void *old[20];
    unsigned taken = 0;
    for (unsigned i = 0; i < 20; i++) {
      old[i] = fh_region_alloc(r, 40 + i);
      assert_non_null(old[i]);
    }
    assert_int_equal(fh_region_free(r, old[7]), FH_OK);
    for (unsigned again = 0; again < 5; again++) {
      r = make(FH_FIT_GOOD, flags, 4096);
      char *all = fh_region_alloc(r, 2000);
      for (unsigned i = 1; i < 20; i++) {
        taken += fh_region_free(r, old[i]) == FH_OK;
      }
      assert_true(all != NULL && (WORD == 4 || taken == 0)); /* 32 bits have few to tell them by */
    }
  }
}

/* Small numbers in an allocation are no heads, wherever one points: of no cells, or where a name is odd. */
static void numbers_are_no_heads(void **state) {
  (void)state;
  static _Alignas(64) unsigned char bytes[8192];
  for (unsigned flags = 0; flags <= FH_REGION_PACKED; flags += FH_REGION_PACKED) {
    for (uint32_t word = 1; word < 256; word += word == 1 ? 1 : 2) {
      fh_region *r = fh_region_create(bytes, sizeof bytes, &(fh_region_options){.flags = flags});
      uint32_t *p = fh_region_alloc(r, 4000);
      for (unsigned i = 0; i < 1000; i++) {
        p[i] = word;
      }
      for (unsigned i = 1; i < 1000; i++) {
        assert_int_not_equal(fh_region_free(r, p + i), FH_OK);
      }
      assert_int_equal(fh_region_check(r), FH_OK);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(too_small_or_senseless),
    cmocka_unit_test(what_chunks_cost),
    cmocka_unit_test(fresh_and_full),
    cmocka_unit_test(neighbours_join),
    cmocka_unit_test(impossible_requests),
    cmocka_unit_test(cleared),
    cmocka_unit_test(aligned),
    cmocka_unit_test(realloc_in_place),
    cmocka_unit_test(realloc_keeps_what_is_usable),
    cmocka_unit_test(wrong_frees),
    cmocka_unit_test(overflow_into_a_hole),
    cmocka_unit_test(heads_of_an_earlier_region),
    cmocka_unit_test(numbers_are_no_heads),
    cmocka_unit_test(overflows_are_caught),
    cmocka_unit_test(smashed_heads_are_caught),
    cmocka_unit_test(grows_when_asked),
#if SIZE_MAX > UINT32_MAX
    cmocka_unit_test(largest_space),
#endif
    cmocka_unit_test(grows_for_no_request_in_vain),
    cmocka_unit_test(spaces_far_apart),
    cmocka_unit_test(grows_into_old_bytes),
    cmocka_unit_test(trims_its_tail),
    cmocka_unit_test(mapped_twice),
    cmocka_unit_test(opens_only_regions),
    cmocka_unit_test(walks_in_order),
    cmocka_unit_test(statuses_have_names),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
