/* What is kept, against a list of what the program holds and the kernel's word for each page. */
#include "unit/cm.h"

#include <pthread.h>
#include <string.h>

#include "freehold/freehold.h"
#include "heap/heap.h"
#include "lens/retained.h"
#include "os/os.h"
#include "unit/slabs.h"

enum { BLOCKS = 4000, PAGES = 64 << 10 };

static char *blocks[BLOCKS];

static size_t size_of(size_t i) {
  return i % 97 == 0 ? 150000 + i * 60 : i % 7 == 0 ? 1100 + i * 9 % 60000 : 1 + i * 13 % 1024;
}

static void make(size_t i) {
  blocks[i] = fh_malloc(size_of(i));
  assert_non_null(blocks[i]);
  memset(blocks[i], 1, i % 5 == 0 ? 1 : size_of(i)); /* some without memory behind them */
}

static void drop(size_t i) {
  fh_free(blocks[i]);
  blocks[i] = NULL;
}

static fh_retained now_kept(void) {
  fh_retained now;
  assert_true(fh_retained_read(&now));
  return now;
}

typedef struct sums {
  uint64_t held, kept, taken; /* bytes */
} sums;

/* By hand: which pages of an arena a block of the list lies on, and which of the others are resident. */
static void count_arena(sums *out, const fh_arena *arena) {
  static unsigned char resident[PAGES], live[PAGES];
  size_t page = fh_os_page_size(), pages = arena->limit / page;
  assert_true(pages <= PAGES);
  fh_os_resident(arena->base, pages * page, resident);
  memset(live, 0, sizeof live);
  for (size_t i = 0; i < BLOCKS; i++) {
    size_t usable = fh_usable_size(blocks[i]), at = (size_t)((uintptr_t)blocks[i] - (uintptr_t)arena->base);
    if (blocks[i] != NULL && at < arena->limit) {
      out->held += usable;
      memset(live + at / page, 1, (at + usable - 1) / page - at / page + 1);
    }
  }
  for (size_t p = 0; p < pages; p++) {
    *(live[p] ? &out->taken : &out->kept) += resident[p] * page;
  }
}

static void check(void) {
  uint64_t sum = 0;
  sums want = {0};
  fh_retained now = now_kept();
  for (size_t i = 0; i < fh_arena_count(); i++) {
    count_arena(&want, &fh_arenas[i]);
  }
  for (unsigned i = 0; i < FH_KEEPERS; i++) {
    sum += now.kept[i];
  }
  assert_int_equal(now.live, want.held);
  assert_int_equal(now.total, want.kept);
  assert_int_equal(now.total, sum);
  assert_int_equal(now.taken, want.taken);
  assert_int_equal(now.resident, want.kept + want.taken);
}

static void every_page_is_told(void **state) {
  (void)state;
  check();
  for (size_t i = 0; i < BLOCKS; i++) {
    make(i);
  }
  check();
  for (size_t step = 2; step <= 64; step *= 2) { /* ever fewer stay */
    for (size_t i = 0; i < BLOCKS; i++) {
      if (i % step != 0 && blocks[i] != NULL) {
        drop(i);
      }
    }
    check();
  }
  for (size_t i = 0; i < BLOCKS; i++) {
    drop(i);
  }
  check();
  fh_trim(0);
  check();
}

static void what_keeps_it(void **state) {
  (void)state;
  size_t page = fh_os_page_size();
  slabs_at_once(fh_heap_mine());
  fh_trim(0);
  fh_retained a = now_kept();
  char *large = memset(fh_malloc(1 << 20), 1, 1 << 20);
  char *chunk = memset(fh_malloc(100000), 1, 100000), *quick = memset(fh_malloc(14000), 1, 14000);
  char *behind = fh_malloc(2000);
  fh_free(large);
  fh_retained b = now_kept();
  assert_int_equal(b.kept[FH_KEPT_RUNS] - a.kept[FH_KEPT_RUNS], 1 << 20);
  fh_free(chunk);
  fh_retained c = now_kept();
  assert_true(c.kept[FH_KEPT_HOLES] >= b.kept[FH_KEPT_HOLES] + 100000 - 2 * page);
  assert_true(c.kept[FH_KEPT_HOLES] <= c.believed[FH_KEPT_HOLES]);
  fh_free(quick);
  fh_free(behind);
  fh_retained d = now_kept();
  assert_true(d.kept[FH_KEPT_QUICK] >= c.kept[FH_KEPT_QUICK] + (14000 < 2 * page ? 0 : 14000 - 2 * page));
  fh_trim(0);
}

/* A slab that only the thread cache keeps, then one that a live slot keeps. */
static void slots_that_wait(void **state) {
  char *slots[16];
  (void)state;
  fh_trim(0);
  slabs_at_once(fh_heap_mine());
  fh_retained a = now_kept();
  for (size_t i = 0; i < 16; i++) {
    slots[i] = memset(fh_malloc(1024), 1, 1024);
  }
  fh_retained b = now_kept();
  for (size_t i = 0; i < 4; i++) { /* fewer than the cache overflows with */
    fh_free(slots[i]);
  }
  fh_retained c = now_kept();
  assert_int_equal(b.live - a.live, 16 << 10);
  assert_int_equal(b.live - c.live, 4 << 10);
  if (fh_os_page_size() == 4096) {
    assert_int_equal(c.kept[FH_KEPT_CACHED] - b.kept[FH_KEPT_CACHED], 4096);
  }
  for (size_t i = 4; i < 16; i++) {
    fh_free(slots[i]);
  }
  fh_retained d = now_kept();
  assert_int_equal(d.live, a.live);
  assert_int_equal(d.kept[FH_KEPT_SLOTS], a.kept[FH_KEPT_SLOTS]); /* it is the cache that keeps the slab */
  assert_true(d.total >= a.total && d.total <= a.total + FH_PAGE_SIZE);
  fh_trim(0);
}

/* Another thread's frees that wait for this one. */
static void *free_all(void *count) {
  for (size_t i = 0; i < (uintptr_t)count; i++) {
    drop(i);
  }
  return NULL;
}

static void blocks_on_their_way(void **state) {
  pthread_t other;
  (void)state;
  uint64_t held = 0;
  fh_retained a = now_kept();
  for (size_t i = 0; i < 400; i++) {
    make(i);
    held += fh_usable_size(blocks[i]);
  }
  fh_retained b = now_kept();
  assert_int_equal(b.live - a.live, held);
  assert_int_equal(pthread_create(&other, NULL, free_all, (void *)(uintptr_t)400), 0);
  pthread_join(other, NULL);
  fh_retained c = now_kept();
  assert_int_equal(c.live, a.live);
  assert_true(c.kept[FH_KEPT_SENT] > b.kept[FH_KEPT_SENT]);
  check();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_page_is_told),
      cmocka_unit_test(what_keeps_it),
      cmocka_unit_test(slots_that_wait),
      cmocka_unit_test(blocks_on_their_way),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
